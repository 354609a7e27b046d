"""What other people's tools say of what we store: the `crypt4gh` command opens it, `rclone` lists and fetches it."""

import hashlib
import subprocess
from pathlib import Path

import pytest

from support.bench import Bench, fill, sha256sum
from support.endpoints import S3Server

pytestmark = pytest.mark.server("seaweedfs")


@pytest.fixture
def bench(tmp_path: Path, seaweedfs: S3Server) -> Bench:
    """The tools, with an empty bucket."""
    return Bench(tmp_path, seaweedfs)


@pytest.mark.parametrize("profile", ["seaweedfs", "generic-s3"])
def test_crypt4gh_and_rclone_agree_with_sha256sum(bench: Bench, profile: str) -> None:
    """Every migrated object, fetched by rclone and opened by the crypt4gh command, has its source's sha256sum.

    Also where the profile promises nothing: no create-if-absent, no checksum that is verified, equal parts.
    """
    bench.write_site(profile)
    originals = fill(bench.directory / "src")
    bench.havre(
        "plan", "./src", f"there:{bench.bucket}/in", "--wave", "w", "--class", "pseudonymised",
        "--recipient", "ds.pub",
    )  # fmt: skip
    bench.havre("migrate", "w.toml")
    fetched = bench.fetched("in")
    names = {str(path.relative_to(fetched)) for path in fetched.rglob("*") if path.is_file()}
    assert names == {f"{name}.c4gh" for name in originals}
    for name, original in originals.items():
        opened = bench.directory / "opened"
        bench.crypt4gh("decrypt", "--sk", "ds.sec", source=fetched / f"{name}.c4gh", target=opened)
        assert sha256sum(opened) == sha256sum(original), name


@pytest.mark.parametrize("mode", ["decrypt", "rewrap"])
def test_files_made_by_crypt4gh_are_accepted(bench: Bench, mode: str) -> None:
    """What the crypt4gh command encrypts is opened by decrypt, and given to new readers by rewrap."""
    originals = fill(bench.directory / "plain")
    bench.havre("keys", "generate", "-o", "new", "--passphrase-env", "PW")
    sealed = bench.directory / "sealed"
    for name, original in originals.items():
        if not original.stat().st_size:
            continue  # the command makes a header without segments of it, which says nothing
        target = sealed / f"{name}.c4gh"
        target.parent.mkdir(parents=True, exist_ok=True)
        bench.crypt4gh("encrypt", "--recipient_pk", "ds.pub", source=original, target=target)
    recipient = ["--recipient", "new.pub"] if mode == "rewrap" else []
    bench.havre(
        "plan", "./sealed", f"there:{bench.bucket}/{mode}", "--wave", "w", "--class", "pseudonymised",
        "--mode", mode, "--identity", "ds.sec", "--passphrase-env", "PW", *recipient,
    )  # fmt: skip
    bench.havre("migrate", "w.toml", "--passphrase-env", "PW")
    fetched = bench.fetched(mode)
    for path in sealed.rglob("*.c4gh"):
        name = str(path.relative_to(sealed)).removesuffix(".c4gh")
        found = fetched / name
        if mode == "rewrap":
            found = bench.directory / "opened"
            bench.crypt4gh("decrypt", "--sk", "new.sec", source=fetched / f"{name}.c4gh", target=found)
        assert sha256sum(found) == sha256sum(originals[name]), name


def test_hash_of_the_original_is_what_the_program_prints(tmp_path: Path) -> None:
    """The digest we compare with is the one of hashlib too: the program reads names as they are."""
    path = tmp_path / "a b\\c"
    path.write_bytes(b"x")
    assert sha256sum(path) == hashlib.sha256(b"x").hexdigest()


def test_nothing_is_overwritten_where_the_store_has_no_fence(bench: Bench) -> None:
    """On a store without create-if-absent an object that stands at the target key stays, and its neighbours move."""
    bench.write_site("generic-s3")
    fill(bench.directory / "src")
    client = bench.server.client()
    client.put_object(Bucket=bench.bucket, Key="in/short.txt.c4gh", Body=b"somebody else's")
    client.put_object(Bucket=bench.bucket, Key="in/in parts.bam.c4gh", Body=b"somebody else's too")
    bench.havre(
        "plan", "./src", f"there:{bench.bucket}/in", "--wave", "w", "--class", "pseudonymised",
        "--recipient", "ds.pub",
    )  # fmt: skip
    with pytest.raises(subprocess.CalledProcessError) as caught:
        bench.havre("migrate", "w.toml")
    assert caught.value.returncode == 3
    for key, body in (
        ("in/short.txt.c4gh", b"somebody else's"),
        ("in/in parts.bam.c4gh", b"somebody else's too"),
    ):
        assert client.get_object(Bucket=bench.bucket, Key=key)["Body"].read() == body
    assert client.get_object(Bucket=bench.bucket, Key="in/one segment.c4gh")["ContentLength"] > 65_536
    client.close()
