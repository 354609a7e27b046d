"""The command and other people's tools on a directory, a key pair and an S3 bucket."""

import os
import subprocess
import sys
from pathlib import Path

from support.endpoints import S3Server

__all__ = ["Bench", "fill", "sha256sum"]

_BIN = Path(sys.executable).parent
_PASSPHRASE = "correct horse"
_MIB = 1024 * 1024


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


def fill(root: Path) -> dict[str, Path]:
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
