"""What other people's tools say of what we store: the `crypt4gh` command opens it, `rclone` lists and fetches it."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.endpoints import S3Server

_BIN = Path(sys.executable).parent
_PASSPHRASE = "correct horse"
_MIB = 1024 * 1024
pytestmark = pytest.mark.server("seaweedfs")


def sha256sum(path: Path) -> str:
    """What the program `sha256sum` prints for a file."""
    done = subprocess.run(["sha256sum", "--", path], check=True, capture_output=True, text=True)
    return done.stdout.lstrip("\\").split()[0]


class Bench:
    """A directory with a key pair, an S3 site, and the tools run from there."""

    def __init__(self, directory: Path, server: S3Server) -> None:
        self.directory = directory
        self.server = server
        self.bucket = server.new_bucket()
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("HAVRE_")}
        remote = {
            "TYPE": "s3",
            "PROVIDER": "SeaweedFS",
            "ENDPOINT": server.endpoint,
            "ACCESS_KEY_ID": server.access_key,
            "SECRET_ACCESS_KEY": server.secret_key,
            "REGION": server.region,
            "FORCE_PATH_STYLE": "true",
        }
        self.environment = {
            **inherited,
            "HOME": str(directory),
            "PW": _PASSPHRASE,
            "C4GH_PASSPHRASE": _PASSPHRASE,
            "SITE_KEY": server.access_key,
            "SITE_SECRET": server.secret_key,
            **{f"RCLONE_CONFIG_TARGET_{name}": value for name, value in remote.items()},
        }
        self.write_site("seaweedfs")
        self.havre("keys", "generate", "-o", "ds", "--passphrase-env", "PW")

    def write_site(self, profile: str) -> None:
        """The S3 server as one site, taken for an offer of this profile."""
        (self.directory / "havre.toml").write_text(
            f'[sites.there]\nprofile = "{profile}"\nendpoint = "{self.server.endpoint}"\n'
            f'region = "{self.server.region}"\naccess_key_env = "SITE_KEY"\nsecret_key_env = "SITE_SECRET"\n'
        )

    def run(self, *command: object, **more: object) -> None:
        subprocess.run(
            [str(word) for word in command], cwd=self.directory, env=self.environment, check=True, **more
        )  # type: ignore[call-overload]

    def havre(self, *arguments: object) -> None:
        self.run(sys.executable, "-m", "migrator.cli", *arguments, stdout=subprocess.DEVNULL)

    def crypt4gh(self, verb: str, *arguments: object, source: Path, target: Path) -> None:
        with source.open("rb") as read, target.open("wb") as write:
            self.run(_BIN / "crypt4gh", verb, *arguments, stdin=read, stdout=write, stderr=subprocess.DEVNULL)

    def fetched(self, prefix: str) -> Path:
        """The target's objects as rclone downloads them."""
        self.run(
            _BIN / "rclone", "copy", f"target:{self.bucket}/{prefix}", "fetched", "--exclude", ".havre/**"
        )
        return self.directory / "fetched"


@pytest.fixture
def bench(tmp_path: Path, seaweedfs: S3Server) -> Bench:
    """The tools, with an empty bucket."""
    return Bench(tmp_path, seaweedfs)


def _fill(root: Path) -> dict[str, Path]:
    """Files of the sizes at which something changes: empty, a segment, one more byte, several parts."""
    root.mkdir()
    bodies = {
        "empty": b"",
        "short.txt": b"bonjour",
        "one segment": os.urandom(65_536),
        "a segment and a byte": os.urandom(65_537),
        "é/accentué 🏥.bin": os.urandom(200_000),
        "in parts.bam": os.urandom(1 * _MIB) * 18 + b"tail",
    }
    for name, body in bodies.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    return {name: root / name for name in bodies}


@pytest.mark.parametrize("profile", ["seaweedfs", "generic-s3"])
def test_crypt4gh_and_rclone_agree_with_sha256sum(bench: Bench, profile: str) -> None:
    """Every migrated object, fetched by rclone and opened by the crypt4gh command, has its source's sha256sum.

    Also where the profile promises nothing: no create-if-absent, no checksum that is verified, equal parts.
    """
    bench.write_site(profile)
    originals = _fill(bench.directory / "src")
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
    originals = _fill(bench.directory / "plain")
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
    _fill(bench.directory / "src")
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
