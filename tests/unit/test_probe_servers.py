"""A probe of running servers sees what they do, whatever their profile says, and leaves nothing behind."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from migrator.engine.probes import probe_store
from providers.drivers.filesystem import FilesystemDriver
from providers.errors import NotFound, PermissionDenied, StoreError, Unavailable, Unsupported
from providers.layers.retry import RetryPolicy
from providers.location import Location
from providers.model import Key
from providers.opening import open_store
from providers.probe.catalogue import CHECKS
from providers.probe.exam import ProbeOptions, probe
from providers.probe.report import Line, ProbeReport
from providers.probe.verdict import Outcome
from providers.profile import load_profile
from providers.sites import Sites
from providers.store import ObjectStore
from support.endpoints import AzureServer, S3Server

PROFILES = Path(__file__).parents[2] / "providers/profiles"
QUICK = {"rounds": 2, "creators": 4}


class Bench:
    """Writes a site for a server, probes a bucket of it, and looks at what is left."""

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        self.directory = directory
        self.config = directory / "havre.toml"
        self._stack = stack
        self.said: list[str] = []

    def s3(self, server: S3Server, profile: str, **options: Any) -> tuple[ProbeReport, ObjectStore]:
        bucket = options.pop("bucket", None) or server.new_bucket()
        lines = [
            "[sites.lab]", f'profile = "{profile}"', f'endpoint = "{server.endpoint}"',
            'access_key_env = "A"', 'secret_key_env = "S"', f'region = "{server.region}"',
        ]  # fmt: skip
        if server.ca_bundle is not None:
            lines.append(f'ca_bundle = "{server.ca_bundle}"')
        return self._run(lines, bucket, {"A": server.access_key, "S": server.secret_key}, options)

    def azure(self, server: AzureServer, **options: Any) -> tuple[ProbeReport, ObjectStore]:
        lines = [
            "[sites.lab]", 'profile = "azure"', f'endpoint = "{server.endpoint}"',
            f'account = "{server.account}"', 'account_key_env = "K"',
        ]  # fmt: skip
        return self._run(lines, server.new_bucket(), {"K": server.account_key}, options)

    def _run(
        self, lines: list[str], bucket: str, environ: dict[str, str], options: dict[str, Any]
    ) -> tuple[ProbeReport, ObjectStore]:
        self.config.write_text("\n".join(lines) + "\n")
        sites = Sites.load(self.config, {})
        location = Location.parse(f"lab:{bucket}/in/here")
        policy = RetryPolicy(attempts=1)
        store = self._stack.enter_context(open_store(location, sites, environ=environ, retry_policy=policy))
        report = probe_store(
            store,
            location,
            sites.site("lab").profile,
            endpoint=sites.site("lab").endpoint,
            options=ProbeOptions(**{**QUICK, **options}),
            on_seen=lambda seen: self.said.append(seen.id),
        )
        return report, store

    def profile(self, like: str, *changes: tuple[str, str]) -> str:
        """A profile of one's own, like another but for some lines."""
        text = (PROFILES / f"{like}.toml").read_text()
        for name, value in changes:
            kept = [line for line in text.splitlines() if not line.startswith(f"{name} = ")]
            at = kept.index("[quirks]")
            fact = f'{name} = {{ value = {value}, status = "vendor", source = "a leaflet", date = "2026" }}'
            text = "\n".join([*kept[: at + 1], fact, *kept[at + 1 :]]) + "\n"
        (self.directory / "own.toml").write_text(text)
        return "./own.toml"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """Probes servers; closes what it opened."""
    with ExitStack() as stack:
        yield Bench(tmp_path, stack)


def by_id(report: ProbeReport) -> dict[str, Line]:
    return {line.seen.id: line for line in report.lines}


def contradictions(report: ProbeReport) -> list[str]:
    return [line.seen.id for line in report.lines if line.outcome is Outcome.CONTRADICTS]


def untouched(store: ObjectStore) -> None:
    """Nothing of a probe is left, objects, versions and uploads."""
    assert list(store.list()) == []
    if store.capabilities.lists_uploads:
        assert list(store.list_uploads()) == []


@pytest.mark.server("seaweedfs")
def test_seaweedfs_is_what_its_profile_says(bench: Bench, seaweedfs: S3Server) -> None:
    """Its lies are seen and declared: the signed digest, the body of `dir/`, the order, the repeated part."""
    report, store = bench.s3(seaweedfs, "seaweedfs")
    found = by_id(report)
    assert contradictions(report) == []
    for name in ("payload-hash", "key-trailing-slash", "key-doubled-slash", "list-order"):
        assert (found[name].seen.value, found[name].outcome) == (False, Outcome.AS_DECLARED), name
    for name in (
        "md5",
        "sha256",
        "part-sha256",
        "put-fence",
        "put-race",
        "complete-fence",
        "sse-c",
        "stale-write",
    ):
        assert (found[name].seen.value, found[name].outcome) == (True, Outcome.AS_DECLARED), name
    assert found["parts-repeated"].seen.value is True
    assert "2 rounds of 4" in found["complete-race"].seen.detail
    assert found["complete-race"].outcome in {Outcome.AS_DECLARED, Outcome.BETTER}
    assert found["part-number"].seen.value == 10_000
    assert found["trailer"].outcome is Outcome.NOT_TRIED
    assert report.server is not None
    assert "seaweed" in report.server.lower()
    assert report.left == 0
    assert set(bench.said) == set(found) == set(CHECKS)
    untouched(store)


@pytest.mark.server("seaweedfs")
def test_profile_that_claims_more_is_contradicted(bench: Bench, seaweedfs: S3Server) -> None:
    """Under a profile that claims what the server does not do, each claim is contradicted by name."""
    claims = (
        ("verifies_payload_hash", "true"), ("lists_in_key_order", "true"), ("list_parts_repeats", "false"),
        ("key_rules", '["no-dot-segments"]'),
    )  # fmt: skip
    report, store = bench.s3(seaweedfs, bench.profile("seaweedfs", *claims))
    assert {"payload-hash", "list-order", "parts-repeated", "key-trailing-slash"} <= set(
        contradictions(report)
    )
    assert by_id(report)["payload-hash"].declared.status == "vendor"
    untouched(store)


@pytest.mark.server("seaweedfs_tls")
def test_trailers_are_tried_over_https(bench: Bench, seaweedfs_tls: S3Server) -> None:
    """Over https a checksum is sent behind the body too, and the body comes back without its framing."""
    report, store = bench.s3(seaweedfs_tls, "seaweedfs")
    trailer = by_id(report)["trailer"]
    assert (trailer.seen.value, trailer.outcome) == (True, Outcome.AS_DECLARED)
    assert trailer.seen.detail.startswith("a wrong one: 400")
    untouched(store)


@pytest.mark.server("seaweedfs")
def test_locked_version_is_refused_to_be_deleted(bench: Bench, seaweedfs: S3Server) -> None:
    """A version under retention cannot be deleted; the probe waits for its end and removes it then."""
    waited: list[float] = []
    report, _ = bench.s3(
        seaweedfs,
        "seaweedfs",
        bucket=seaweedfs.new_bucket(lock=True),
        lock=True,
        lock_seconds=3600,
        sleep=waited.append,
    )
    lock = by_id(report)["lock"]
    assert (lock.seen.value, lock.outcome) == (True, Outcome.AS_DECLARED)
    assert waited == [3601]
    assert report.left == 1  # the wait was not real, so the version is still locked


@pytest.mark.server("seaweedfs")
def test_versions_of_a_probe_are_removed(bench: Bench, seaweedfs: S3Server) -> None:
    """In a bucket that keeps versions a probe leaves neither versions nor delete markers."""
    report, store = bench.s3(seaweedfs, "seaweedfs", bucket=seaweedfs.new_bucket(lock=True), rounds=1)
    assert by_id(report)["lock"].seen.detail.startswith("only with --lock")
    assert report.left == 0
    untouched(store)
    assert list(store.list_extras()) == []


@pytest.mark.server("moto")
def test_moto_verifies_nothing(bench: Bench, moto: S3Server) -> None:
    """A store that takes every digest and gives encrypted objects to anybody is seen to."""
    report, store = bench.s3(moto, bench.profile("generic-s3", ("verifies_sha256", "true")))
    found = by_id(report)
    for name in ("md5", "part-md5", "sha256", "part-sha256"):
        assert (found[name].seen.value, found[name].outcome) == (False, Outcome.CONTRADICTS), name
    assert found["sse-c"].seen.value is False
    assert found["sse-c"].seen.detail == "read without the key: the plain bytes"
    assert found["put-fence"].outcome is Outcome.BETTER
    assert (found["put-race"].seen.value, found["put-race"].outcome) == (True, Outcome.BETTER)
    untouched(store)


@pytest.mark.server("rclone")
def test_rclone_is_seen_through(bench: Bench, rclone: S3Server) -> None:
    """A server that echoes digests and ignores conditions contradicts a profile that believes it."""
    claims = (("put_if_absent", "true"), ("complete_if_absent", "true"), ("verifies_sha256", "true"))
    report, _ = bench.s3(rclone, bench.profile("generic-s3", *claims))
    assert {"put-fence", "complete-fence", "sha256", "part-sha256"} <= set(contradictions(report))
    found = by_id(report)
    assert found["put-race"].seen.value is False
    assert found["sse-c"].seen.detail == "read without the key: the plain bytes"
    assert found["complete-twice"].seen.value is False


@pytest.mark.server("azurite")
def test_azurite_is_what_its_profile_says(bench: Bench, azurite: AzureServer) -> None:
    """Blobs and blocks with a wrong MD5, and blocks with a wrong CRC64, are refused; one creator wins."""
    report, store = bench.azure(azurite)
    found = by_id(report)
    assert contradictions(report) == []
    for name in ("md5", "part-md5", "part-crc64", "put-fence", "put-race", "complete-fence", "upload"):
        assert found[name].seen.value is True, name
    assert found["payload-hash"].outcome is Outcome.NOT_TRIED
    assert report.server is not None
    assert report.left == 0
    untouched(store)


def directory(tmp_path: Path, kind: type[FilesystemDriver] = FilesystemDriver) -> ObjectStore:
    capabilities = load_profile("filesystem").capabilities()
    return ObjectStore(kind(tmp_path, capabilities=capabilities), location="test")


def files_under(path: Path) -> list[str]:
    return [str(one.relative_to(path)) for one in path.rglob("*") if one.is_file()]


def test_directory_is_what_its_profile_says(tmp_path: Path) -> None:
    """A directory keeps its promises, takes 1,001 parts, and holds afterwards what it held before."""
    (tmp_path / "data").write_bytes(b"precious")
    location = Location.parse(str(tmp_path))
    with directory(tmp_path) as store:
        report = probe_store(
            store,
            location,
            load_profile("filesystem"),
            endpoint="",
            options=ProbeOptions(rounds=3, creators=3, expensive=True),
            on_seen=lambda _: None,
        )
    assert contradictions(report) == []
    found = by_id(report)
    for name in ("put-race", "complete-race", "parts-1001", "upload"):
        assert found[name].seen.value is True, name
    assert report.server is None
    assert set(found) == set(CHECKS)
    assert files_under(tmp_path) == ["data"]


def test_store_that_goes_away_ends_the_probe(tmp_path: Path) -> None:
    """A store that can no longer be reached is an error, not a contradiction; what was written is removed."""

    class Gone(FilesystemDriver):
        cut = False

        def open_upload(self, *_: Any, **__: Any) -> Any:
            self.cut = True
            raise Unavailable("the cable was cut")

        def check_bucket(self) -> None:
            if self.cut:
                raise Unavailable("the cable was cut")
            super().check_bucket()

    with directory(tmp_path, Gone) as store, pytest.raises(Unavailable):
        probe(store, protocol="filesystem")
    assert files_under(tmp_path) == []


def test_passing_trouble_says_nothing(tmp_path: Path) -> None:
    """A 503 in the middle makes a check untried, and the probe goes on."""

    class Busy(FilesystemDriver):
        def open_upload(self, *_: Any, **__: Any) -> Any:
            raise Unavailable("come back later", status=503)

    with directory(tmp_path, Busy) as store:
        seen = {
            one.id: one for one in probe(store, protocol="filesystem", options=ProbeOptions(rounds=1)).seen
        }
    assert seen["upload"].value is None
    assert "come back later" in seen["upload"].detail
    assert seen["put-fence"].value is True


def test_place_that_takes_nothing_is_an_error(tmp_path: Path) -> None:
    """Where the first write is refused there is nothing to probe."""

    class Full(FilesystemDriver):
        def put(self, *_: Any, **__: Any) -> Any:
            raise PermissionDenied("read-only credentials")

    with directory(tmp_path, Full) as store, pytest.raises(PermissionDenied):
        probe(store, protocol="filesystem")


def test_place_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """A location that is not there ends the probe before it begins."""
    with directory(tmp_path / "x") as store, pytest.raises(NotFound):
        probe(store, protocol="filesystem")


def test_what_stays_is_counted(tmp_path: Path) -> None:
    """Objects that could not be removed are counted, and the probe still tells what it saw."""

    class Keeping(FilesystemDriver):
        def delete(self, key: Key, **_: Any) -> None:
            raise PermissionDenied("nothing is deleted here")

    with directory(tmp_path, Keeping) as store:
        found = probe(store, protocol="filesystem", options=ProbeOptions(rounds=1))
    assert found.left > 10
    shutil.rmtree(tmp_path / ".havre")


def test_requests_of_a_probe_need_a_protocol_that_has_them(tmp_path: Path) -> None:
    """A directory takes no raw requests, and says so."""
    with directory(tmp_path) as store, pytest.raises(Unsupported):
        store.raw("PUT", Key("x"))


@pytest.mark.server("moto")
def test_sources_take_no_raw_requests(bench: Bench, moto: S3Server) -> None:
    """A store that is open for reading only lets no request of a probe through."""
    bench.s3(moto, "generic-s3", rounds=1)
    sites = Sites.load(bench.config, {})
    environ = {"A": moto.access_key, "S": moto.secret_key}
    opened: Callable[[], ObjectStore] = lambda: open_store(  # noqa: E731 - one line of set-up
        Location.parse(f"lab:{moto.new_bucket()}"), sites, environ=environ, read_only=True
    )
    with opened() as store, pytest.raises(StoreError, match="reading only"):
        store.raw("PUT", Key("x"), body=b"y")
