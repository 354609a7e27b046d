"""S3 servers that differ from Amazon's in ways that have cost data: real programs, each on a loopback port.

None is at fault: each does what its makers wanted. They are called hostile for what a careless client loses on them.
`providers/docs/servers.md` says of each what it was seen to do.

Like `support.servers`, imports no pytest.
"""

from __future__ import annotations

import csv
import io
import os
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from support.endpoints import S3Server
from support.process import ServerError, ServerProcess, free_ports
from support.programs import find_program
from support.servers import SERVERS, _Server

__all__ = ["HOSTILE", "JuiceFS", "LocalBucket", "Nanio", "RcloneS3", "S3Process", "VersityGateway"]

_ROOT = Path(__file__).parents[2]
_BIN = Path(sys.executable).parent
_OWN = _ROOT / ".venv/hostile/bin"
"""Where programs live whose packages contradict the main lock: `scripts/bootstrap --servers`."""
_GO = _ROOT / ".venv/go/bin"
"""Where programs live that are built from source: `scripts/lib/go-programs`."""


class S3Process(_Server):
    """What they share: an S3 port, credentials made for it, readiness by a write.

    Attributes:
        server: where it listens; valid once started, and unchanged by a restart.
    """

    server: S3Server

    def _describe(self) -> ServerProcess:
        (port,) = free_ports(1)
        server = S3Server(
            endpoint=f"http://127.0.0.1:{port}",
            access_key="HAVRE" + secrets.token_hex(8).upper(),
            secret_key=secrets.token_urlsafe(30),
            region="us-east-1",
            kind=self._name(),
        )
        self.server = server
        data = self.directory / "data"
        data.mkdir(exist_ok=True)
        argv, env = self._command(server, port, data)
        return ServerProcess(
            argv,
            log=self.directory / f"{self._name()}.log",
            ready=lambda: _stores(server),
            env=env,
            cwd=self.directory,
        )

    def _command(self, server: S3Server, port: int, data: Path) -> tuple[list[str], dict[str, str]]:
        raise NotImplementedError


class RcloneS3(S3Process):
    """`rclone serve s3` over a directory: echoes digests and locks that it does not keep."""

    def _name(self) -> str:
        return "rclone"

    def _command(self, server: S3Server, port: int, data: Path) -> tuple[list[str], dict[str, str]]:
        pair = io.StringIO()
        csv.writer(pair, lineterminator="").writerow([f"{server.access_key},{server.secret_key}"])
        return (
            [_program("rclone"), "serve", "s3", f"--addr=127.0.0.1:{port}", "--config=/dev/null", str(data)],
            # A secret stands in no argument list.
            {"RCLONE_AUTH_KEY": pair.getvalue()},
        )


class JuiceFS(S3Process):
    """The S3 gateway of JuiceFS: the front of an older MinIO, over a file system kept in SQLite and a directory."""

    def _command(self, server: S3Server, port: int, data: Path) -> tuple[list[str], dict[str, str]]:
        program = _program("juicefs")
        book = f"sqlite3://{self.directory / 'meta.db'}"
        home = {"HOME": str(self.directory), "JFS_NO_USAGE_REPORT": "1"}
        if not (self.directory / "meta.db").exists():
            made = subprocess.run(
                [program, "format", "--storage=file", f"--bucket={data}/", "--trash-days=0", book, "suite"],
                env={**os.environ, **home},
                cwd=self.directory,
                capture_output=True,
                text=True,
                check=False,
            )
            if made.returncode:
                raise ServerError(f"juicefs format failed:\n{made.stderr[-2000:]}")
        return (
            [
                program, "gateway", "--multi-buckets", "--keep-etag", "--object-tag", "--object-meta",
                "--no-usage-report", "--no-banner", f"--cache-dir={self.directory / 'cache'}",
                f"--log={self.directory / 'gateway.log'}", book, f"127.0.0.1:{port}",
            ],
            {**home, "MINIO_ROOT_USER": server.access_key, "MINIO_ROOT_PASSWORD": server.secret_key},
        )  # fmt: skip


class Nanio(S3Process):
    """nanio: stores the framing of a body with a trailer inside the object, and ignores conditions."""

    def _command(self, server: S3Server, port: int, data: Path) -> tuple[list[str], dict[str, str]]:
        return (
            [
                _program("nanio"),
                "serve",
                "--host",
                "127.0.0.1",
                "--port",
                str(port),
                "--data-dir",
                str(data),
                "--no-access-log",
            ],
            {"NANIO_ACCESS_KEY": server.access_key, "NANIO_SECRET_KEY": server.secret_key},
        )


class LocalBucket(S3Process):
    """localbucket: drops metadata, lists no parts, and shows a put that was cut."""

    def _command(self, server: S3Server, port: int, data: Path) -> tuple[list[str], dict[str, str]]:
        return [_program("localbucket"), "--host", "127.0.0.1", "--port", str(port), str(data)], {}


class VersityGateway(S3Process):
    """The Versity S3 Gateway over a directory, with what a file system cannot hold beside it."""

    @staticmethod
    def version() -> str:
        """The version that is built here, as its module is pinned."""
        pins = (_ROOT / "tests/servers/go/go.mod").read_text("utf-8")
        found = re.search(r"^\s*github\.com/versity/versitygw v(\S+)", pins, re.MULTILINE)
        assert found is not None
        return found[1]

    def _name(self) -> str:
        return "versitygw"

    def _command(self, server: S3Server, port: int, data: Path) -> tuple[list[str], dict[str, str]]:
        beside, versions = self.directory / "beside", self.directory / "versions"
        beside.mkdir(exist_ok=True)
        versions.mkdir(exist_ok=True)
        return (
            [
                _program("versitygw"), f"--port=127.0.0.1:{port}", "--quiet",
                "posix", f"--sidecar={beside}", f"--versioning-dir={versions}", str(data),
            ],
            {"ROOT_ACCESS_KEY": server.access_key, "ROOT_SECRET_KEY": server.secret_key},
        )  # fmt: skip


def _find(name: str) -> str | None:
    for folder in (_BIN, _OWN, _GO):
        if found := shutil.which(name, path=str(folder)):
            return found
    return find_program(name)


def _program(name: str) -> str:
    found = _find(name)
    assert found is not None, f"{name} is not there, which missing() should have said"
    return found


def _missing(program: str, how: str) -> Callable[[], str | None]:
    return lambda: None if _find(program) else f"{program}: not installed; run {how}"


_SERVERS = "scripts/bootstrap --servers"
SERVERS.update(
    {
        "rclone": _missing("rclone", _SERVERS),
        "juicefs": _missing("juicefs", _SERVERS),
        "nanio": _missing("nanio", _SERVERS),
        "localbucket": _missing("localbucket", _SERVERS),
        "versitygw": _missing("versitygw", "scripts/lib/go-programs"),
        # Doubles run within the tests, so they are never missing.
        "double_gcs": lambda: None,
        "double_outscale": lambda: None,
    }
)

HOSTILE: dict[str, type[S3Process]] = {
    "rclone": RcloneS3,
    "juicefs": JuiceFS,
    "nanio": Nanio,
    "localbucket": LocalBucket,
    "versitygw": VersityGateway,
}
"""Each by the name of its file in `tests/conformance/servers`."""


def _stores(server: S3Server) -> bool:
    with closing(server.client()) as client:
        try:
            client.create_bucket(Bucket="readiness")
            client.put_object(Bucket="readiness", Key="probe", Body=b"probe")
            client.delete_object(Bucket="readiness", Key="probe")
            client.delete_bucket(Bucket="readiness")
        except (ClientError, BotoCoreError):
            return False
    return True
