"""What every benchmark needs: a folder, stores, and havre and rclone ready to be measured in them."""

import json
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench_places import Server, path_of, remote_of, secrets_of, table_of
from looking import RCLONE
from measuring import Cost, run_measured
from telling import ROOT, check

from support.servers import S3Server, SeaweedFS

__all__ = ["Bench", "Havre", "Rclone", "random_files", "tiny_files", "weigh"]

_HAVRE = ROOT / ".venv/bin/havre"
_MIB = 1024 * 1024
_FILES_PER_FOLDER = 1000
# With the little that tests give it, the server spends most of a large object collecting garbage.
_SERVER_MEMORY = "3GiB"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """One run of the program.

    Attributes:
        folder: where everything is kept, and deleted from at the end.
        rounds: how often each contender runs.
        quick: tiny sizes, for a look at whether everything works.
    """

    folder: Path
    rounds: int
    quick: bool

    def note(self, text: str) -> None:
        """Tell a person what is going on; the results are printed at the end."""
        print(f"bench: {text}", flush=True)

    @contextmanager
    def place(self, name: str) -> Iterator[Path]:
        """A folder that is gone afterwards."""
        path = self.folder / f"{name}-{secrets.token_hex(4)}"
        path.mkdir()
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    @contextmanager
    def store(self, name: str) -> Iterator[S3Server]:
        """A new and empty SeaweedFS, gone with its data afterwards."""
        with self.place(name) as folder, SeaweedFS(folder, memory=_SERVER_MEMORY) as running:
            yield running.server


@dataclass(frozen=True, slots=True, kw_only=True)
class Havre:
    """havre with its own sites file, key pair and environment.

    Attributes:
        folder: where its files lie.
        sites: stores by the name of their site.
    """

    folder: Path
    sites: Mapping[str, Server] = field(default_factory=dict)

    def prepare(self) -> "Havre":
        """Write the sites file and make a key pair.

        Raises:
            CheckError: the key pair could not be made.
        """
        tables = [table_of(name, server) for name, server in self.sites.items()]
        (self.folder / "havre.toml").write_text("\n".join(tables))
        passphrase = self.folder / "passphrase"
        passphrase.touch(mode=0o600)
        passphrase.write_text(secrets.token_urlsafe(24))
        self.run("keys", "generate", "-o", "key")
        return self

    @property
    def environment(self) -> dict[str, str]:
        """Without the operator's own configuration."""
        own = {name: value for name, value in os.environ.items() if not name.startswith(("HAVRE_", "AWS_"))}
        own["HAVRE_CONFIG"] = str(self.folder / "havre.toml")
        own["HAVRE_PASSPHRASE_FILE"] = str(self.folder / "passphrase")
        for name, server in self.sites.items():
            own |= secrets_of(name, server)
        return own

    def command(self, *arguments: str) -> list[str]:
        """The command line of havre with these arguments."""
        return [str(_HAVRE), *arguments]

    def run(self, *arguments: str, cpus: str = "-") -> Cost:
        """Run havre to its end and measure it.

        Raises:
            CheckError: it did not exit 0.
        """
        return run_measured(
            self.command(*arguments), environment=self.environment, cwd=self.folder, cpus=cpus
        )

    def plan(self, source: str, target: str, wave: str) -> Cost:
        """Plan `WAVE.toml`."""
        return self.run(
            *("plan", source, target, "--wave", wave, "--class", "anonymous", "--mode", "encrypt"),
            *("--recipient", "key.pub", "--names", "visible", "-o", f"{wave}.toml"),
        )

    def status(self, wave: str) -> dict[str, dict[str, int]] | None:
        """Where a wave stands, or None before there is anything to tell."""
        answer = subprocess.run(
            self.command("status", f"{wave}.toml", "--json"),
            cwd=self.folder,
            env=self.environment,
            check=False,
            capture_output=True,
        )
        return json.loads(answer.stdout) if answer.returncode == 0 and answer.stdout else None

    def check_all_verified(self, wave: str, count: int) -> None:
        """Check that the ledger has every object verified.

        Raises:
            CheckError: it has not.
        """
        status = self.status(wave)
        verified = None if status is None else status["objects"]["verified"]
        check(verified == count, f"havre has verified {count} objects (it says {verified})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rclone:
    """rclone between two stores, encrypting with its own crypt remote."""

    folder: Path
    source: Server
    target: Server
    target_bucket: str
    password: str = field(repr=False)

    @staticmethod
    def new_password() -> str:
        """A password in the form that rclone's configuration wants."""
        password = secrets.token_urlsafe(24)
        obscured = subprocess.run([RCLONE, "obscure", "-"], input=password, text=True, check=True, stdout=-1)
        return obscured.stdout.strip()

    @property
    def environment(self) -> dict[str, str]:
        """Names stay as they are, as in the waves that this is compared with; contents are encrypted."""
        return {
            **os.environ,
            **remote_of("source", self.source),
            **remote_of("target", self.target),
            "RCLONE_CONFIG_CRYPT_TYPE": "crypt",
            "RCLONE_CONFIG_CRYPT_REMOTE": f"target:{self.target_bucket}",
            "RCLONE_CONFIG_CRYPT_PASSWORD": self.password,
            "RCLONE_CONFIG_CRYPT_FILENAME_ENCRYPTION": "off",
            "RCLONE_CONFIG_CRYPT_DIRECTORY_NAME_ENCRYPTION": "false",
        }

    def run(self, verb: str, source: str, target: str, *flags: str) -> Cost:
        """Run rclone to its end and measure it.

        Raises:
            CheckError: it did not exit 0.
        """
        command = [RCLONE, "--config", os.devnull, verb, source, target, *flags]
        return run_measured(command, environment=self.environment, cwd=self.folder)


def weigh(server: Server, bucket: str, *, without: Sequence[str] = ()) -> tuple[int, int]:
    """Count the objects of a bucket and their bytes, by a client that takes no part in the race."""
    environment = {**os.environ, **remote_of("target", server)}
    flags = [flag for pattern in without for flag in ("--exclude", pattern)]
    command = [
        RCLONE,
        "--config",
        os.devnull,
        "size",
        "--json",
        "--fast-list",
        f"target:{path_of(server, bucket)}",
        *flags,
    ]
    answer = subprocess.run(command, env=environment, check=True, capture_output=True)
    size = json.loads(answer.stdout)
    return size["count"], size["bytes"]


def random_files(folder: Path, count: int, size: int) -> None:
    """Write files that no store can compress, `size` bytes each."""
    for number in range(count):
        parent = folder / f"{number // _FILES_PER_FOLDER:03}"
        parent.mkdir(exist_ok=True, parents=True)
        with (parent / f"{number:06}.bin").open("wb") as file:
            left = size
            while left:
                left -= file.write(os.urandom(min(left, 4 * _MIB)))


def tiny_files(folder: Path, count: int) -> None:
    """Write files of a few bytes, each different."""
    for number in range(count):
        parent = folder / f"{number // _FILES_PER_FOLDER:03}"
        if number % _FILES_PER_FOLDER == 0:
            parent.mkdir(parents=True)
        (parent / f"{number:06}").write_bytes(b"%d" % number)
