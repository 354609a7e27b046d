"""Https: who is trusted, what is said when nobody is, and that the way through a proxy is a tunnel."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from migrator.core.modes import Mode
from providers.errors import ConfigInvalid
from providers.location import Location
from providers.model import Key, PutOptions
from providers.opening import open_store
from providers.sites import Sites
from providers.store import ObjectStore
from support.double_core import Double
from support.double_store import Dialect
from support.endpoints import AzureServer, S3Server
from support.harness import AzureHarness, S3Harness
from support.second_reader import SecondReader, open_crypt4gh
from support.tls import Authority, ConnectProxy, TlsFront
from support.waves import FACTS, Place, Wave, content

CALLS: dict[str, Callable[[ObjectStore], object]] = {
    "check": lambda store: store.check(),
    "list": lambda store: list(store.list()),
    "read": lambda store: store.read(Key("a")),
    "put": lambda store: store.put(Key("a"), b"x", PutOptions()),
    "open upload": lambda store: store.open_upload(Key("a"), PutOptions()),
}
PARTS = {"empty": b"", "dir/small é": content("small", 1000), "parts": content("parts", 11_000_000)}


def site(folder: Path, body: str, bucket: str, **environ: str) -> ObjectStore:
    """A store on a site with these fields, without retries to wait for."""
    (folder / "havre.toml").write_text(f"[sites.there]\n{body}")
    sites = Sites.load(folder / "havre.toml", {})
    return open_store(Location.parse(f"there:{bucket}"), sites, environ=environ, sleep=lambda _: None)


def s3_fields(endpoint: str, ca_bundle: Path | None = None) -> str:
    bundle = "" if ca_bundle is None else f'ca_bundle = "{ca_bundle}"\n'
    return (
        f'profile = "generic-s3"\nendpoint = "{endpoint}"\nregion = "us-east-1"\n{bundle}'
        'access_key_env = "KEY"\nsecret_key_env = "SECRET"\n'
    )


def azure_fields(endpoint: str, ca_bundle: Path | None = None) -> str:
    bundle = "" if ca_bundle is None else f'ca_bundle = "{ca_bundle}"\n'
    return (
        f'profile = "azure"\naccount = "acc"\nendpoint = "{endpoint}/acc"\n{bundle}account_key_env = "KEY"\n'
    )


def refused(store: ObjectStore, call: str) -> None:
    """One clear sentence, and what to do about it."""
    with store, pytest.raises(ConfigInvalid) as caught:
        CALLS[call](store)
    assert "certificate is not trusted" in caught.value.message
    assert caught.value.hint is not None
    assert "ca_bundle" in caught.value.hint
    assert caught.value.exit_code == 2


@contextmanager
def fronted(authority: Authority, *names: str) -> Iterator[tuple[S3Server, str]]:
    """A double behind https, and its https address."""
    with Double(Dialect(), kind="double") as double:
        port = urlsplit(double.server.endpoint).port
        assert port is not None
        with TlsFront(port, authority.issue(*names)) as front:
            yield double.server, front.endpoint


# An upload of blocks needs no request to be opened.
ASKED = [
    (fields, call)
    for fields in (s3_fields, azure_fields)
    for call in CALLS
    if (fields, call) != (azure_fields, "open upload")
]


@pytest.mark.parametrize(("fields", "call"), ASKED)
def test_unknown_authority_is_refused(
    tmp_path: Path, authority: Authority, fields: Callable[..., str], call: str
) -> None:
    """A certificate of an authority that nobody named ends every operation, on S3 and on Azure."""
    with fronted(authority, "127.0.0.1") as (_, endpoint):
        refused(site(tmp_path, fields(endpoint), "bucket", KEY="a2V5", SECRET="s"), call)


@pytest.mark.parametrize(("fields", "call"), ASKED)
def test_wrong_host_name_is_refused(
    tmp_path: Path, authority: Authority, fields: Callable[..., str], call: str
) -> None:
    """A certificate of a trusted authority for another host ends every operation."""
    with fronted(authority, "elsewhere.example") as (_, endpoint):
        refused(site(tmp_path, fields(endpoint, authority.bundle), "bucket", KEY="a2V5", SECRET="s"), call)


def test_bundle_that_is_no_certificate(tmp_path: Path) -> None:
    """A bundle that is missing or holds no certificate is an error of configuration, found when a store is opened."""
    (tmp_path / "empty.pem").write_text("nothing here")
    for name in ("missing.pem", "empty.pem"):
        with pytest.raises(ConfigInvalid) as caught:
            site(tmp_path, azure_fields("https://127.0.0.1:1", tmp_path / name), "bucket", KEY="a2V5")
        assert "trusted authorities" in caught.value.message


def test_named_authority_is_trusted_and_no_other(tmp_path: Path, authority: Authority) -> None:
    """The bundle that a site names opens the way; another authority's bundle does not."""
    other = Authority(tmp_path / "other")
    with fronted(authority, "127.0.0.1") as (server, endpoint):
        bucket = server.new_bucket()
        keys = {"KEY": server.access_key, "SECRET": server.secret_key}
        with site(tmp_path, s3_fields(endpoint, authority.bundle), bucket, **keys) as store:
            store.put(Key("a"), b"over https", PutOptions())
            assert bytes(store.read(Key("a")).data) == b"over https"
            upload = store.open_upload(Key("b"), PutOptions())
            part = store.put_part(Key("b"), upload, 1, 0, b"part")
            store.complete_upload(Key("b"), upload, [part], PutOptions())
        refused(site(tmp_path, s3_fields(endpoint, other.bundle), bucket, **keys), "put")


def test_proxy_gets_a_tunnel(tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through a proxy https stays closed to it: it is asked for a tunnel, by every way we have to a store."""
    for name in ("no_proxy", "NO_PROXY", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with fronted(authority, "127.0.0.1") as (server, endpoint), ConnectProxy() as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        bucket = server.new_bucket()
        place = urlsplit(endpoint).netloc
        keys = {"KEY": server.access_key, "SECRET": server.secret_key}
        with site(tmp_path, s3_fields(endpoint, authority.bundle), bucket, **keys) as store:
            store.put(Key("a"), b"tunnelled", PutOptions())
            assert proxy.tunnels == [place]
            store.open_upload(Key("b"), PutOptions())
            assert set(proxy.tunnels) == {place}
            assert len(proxy.tunnels) == 2
        proxy.tunnels.clear()
        refused(site(tmp_path, azure_fields(endpoint), "bucket", KEY="a2V5"), "list")
        assert set(proxy.tunnels) == {place}


@pytest.mark.server("seaweedfs", "azurite")
@pytest.mark.parametrize("mode", [Mode.ENCRYPT, Mode.COPY])
def test_wave_from_azure_to_s3_over_https(
    tmp_path: Path, azurite_tls: AzureServer, seaweedfs_tls: S3Server, mode: Mode
) -> None:
    """Objects of every size go from a Blob service to an S3 store over https, and other people's code reads them."""
    harness = AzureHarness(FACTS["azurite"], azurite_tls)
    source = Place(harness, harness.new_bucket())
    harness_s3 = S3Harness(FACTS["seaweedfs"], seaweedfs_tls)
    target = Place(harness_s3, harness_s3.new_bucket())
    wave = Wave.make(tmp_path, PARTS, source=source, target=target, part_units=80, mode=mode)
    assert wave.run().exit_code == 0
    wave.check_complete()
    reader = SecondReader(seaweedfs_tls, target.bucket)
    for key, body in PARTS.items():
        stored = reader.read(wave.target_key(key))
        assert stored is not None
        assert (open_crypt4gh(stored, content("reader", 32)) if mode.seals else stored) == body


@pytest.mark.server("seaweedfs")
def test_command_over_https(tmp_path: Path, seaweedfs_tls: S3Server) -> None:
    """The command plans and migrates over https; without the bundle it says one sentence and a hint, and exits with 2."""
    source = tmp_path / "src"
    source.mkdir()
    (source / "a b.bin").write_bytes(content("a", 100_000))
    bucket = seaweedfs_tls.new_bucket()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("HAVRE_")},
        "HOME": str(tmp_path),
        "KEY": seaweedfs_tls.access_key,
        "SECRET": seaweedfs_tls.secret_key,
    }

    def havre(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "migrator.cli", *words],
            cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip

    plan = ("plan", "./src", f"there:{bucket}/in", "--wave", "w", "--class", "anonymous", "--mode", "copy")
    fields = s3_fields(seaweedfs_tls.endpoint)
    (tmp_path / "havre.toml").write_text(f"[sites.there]\n{fields}")
    untrusted = havre(*plan)
    assert untrusted.returncode == 2
    assert untrusted.stdout == ""
    first, second = untrusted.stderr.strip().splitlines()[-2:]
    assert first.startswith("havre: ")
    assert "certificate is not trusted" in first
    assert second.startswith("hint: ")
    (tmp_path / "havre.toml").write_text(
        f"[sites.there]\n{s3_fields(seaweedfs_tls.endpoint, seaweedfs_tls.ca_bundle)}"
    )
    done = havre(*plan)
    assert done.returncode == 0, done.stderr
    done = havre("migrate", "w.toml")
    assert done.returncode == 0, done.stderr
    assert SecondReader(seaweedfs_tls, bucket).read("in/a b.bin") == content("a", 100_000)


@pytest.mark.server("azurite")
def test_azure_driver_over_https_reads_what_it_wrote(azurite_tls: AzureServer) -> None:
    """Small blobs and blobs in blocks come back over https, and no request goes where another authority is trusted."""
    harness = AzureHarness(FACTS["azurite"], azurite_tls)
    with harness.bucket() as bucket:
        driver = harness.driver(bucket)
        assert driver._fast is None
        with ObjectStore(driver, location="azure") as store:
            store.put(Key("small"), b"small", PutOptions(attempt="1"))
            assert bytes(store.read(Key("small"), pin=store.head(Key("small")).pin).data) == b"small"
    stranger = AzureHarness(FACTS["azurite"], replace(azurite_tls, ca_bundle=None))
    with ObjectStore(stranger.driver("bucket"), location="azure") as store, pytest.raises(ConfigInvalid):
        store.check()
