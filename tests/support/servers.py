"""Real stores on this machine, for tests, the demonstration and the benchmark.

`start_seaweedfs`, `start_azurite` and `start_moto` are context managers that yield where a server
listens and who may talk to it. `SeaweedFS`, `Azurite` and `Moto` are the same servers as objects
that a fault test can stop, kill and start again on the same ports and directory. Each server
listens on 127.0.0.1 only, on ports chosen free, under credentials made for it.

Imports no pytest: a script that puts `tests/` on its path uses this module as it is.
"""

import base64
import json
import secrets
import shutil
import ssl
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Self

from botocore.exceptions import BotoCoreError, ClientError

from support.endpoints import AzureServer, S3Server
from support.openbao import missing_openbao
from support.openstack import missing_openstack
from support.process import ServerError, ServerProcess, free_ports
from support.sshd import missing_sshd
from support.tls import Certificate

__all__ = [
    "SERVERS",
    "AzureServer",
    "Azurite",
    "Moto",
    "S3Server",
    "SeaweedFS",
    "ServerError",
    "missing",
    "start_azurite",
    "start_moto",
    "start_seaweedfs",
]

_AZURITE = Path(__file__).parents[1] / "servers/azurite/node_modules/azurite/dist/src/blob/main.js"
# A port is chosen free a moment before the server binds it; another program may be faster.
_ATTEMPTS = 3


class _Server:
    """What the servers share: a directory, one process, a start that retries on other ports."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory.resolve()
        self.directory.mkdir(parents=True, exist_ok=True)
        self._process: ServerProcess | None = None

    def start(self) -> None:
        """Start, or start again on the same ports and directory; return once writes succeed.

        Raises:
            ServerError: the program is absent, or did not come to serve.
        """
        if self._process is not None:
            self._process.start()
            return
        if reason := missing(self._name()):
            raise ServerError(reason)
        for attempt in range(1, _ATTEMPTS + 1):
            process = self._describe()
            try:
                process.start()
            except ServerError:
                if attempt == _ATTEMPTS:
                    raise
            else:
                self._process = process
                return

    def stop(self) -> None:
        """End the server as an operator would; what it acknowledged is kept."""
        if self._process is not None:
            self._process.stop()

    def kill(self) -> None:
        """End the server as a power cut would (SIGKILL)."""
        if self._process is not None:
            self._process.kill()

    def restart(self) -> None:
        """Stop, and start again on the same ports and directory."""
        self.stop()
        self.start()

    @property
    def pid(self) -> int | None:
        """The server's process id, or None while it is stopped."""
        return None if self._process is None else self._process.pid

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def _name(self) -> str:
        return type(self).__name__.lower()

    def _describe(self) -> ServerProcess:
        raise NotImplementedError


class SeaweedFS(_Server):
    """`weed mini`: a whole SeaweedFS in one process, with its S3 gateway.

    Attributes:
        server: where it listens; valid once started, and unchanged by a restart.
    """

    server: S3Server

    def __init__(
        self, directory: Path, *, memory: str = "400MiB", certificate: Certificate | None = None
    ) -> None:
        """Describe it.

        Args:
            directory: where its data and log go.
            memory: what its garbage collector aims at. Little is slow with large objects, and near it an idle
                server spends a fifth of a core on collecting.
            certificate: what it shows on its S3 port, which then speaks https only.
        """
        super().__init__(directory)
        self._memory = memory
        self._certificate = certificate

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        # The program puts its sockets into /tmp whatever it is told, and leaves them when killed.
        for port in self._ports:
            for socket_file in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
                socket_file.unlink(missing_ok=True)

    def _describe(self) -> ServerProcess:
        self._ports = free_ports(10)
        names = ("s3", "master", "volume", "filer", "admin")
        ports = dict(zip([f"{n}.port{g}" for n in names for g in ("", ".grpc")], self._ports, strict=True))
        shown = self._certificate
        server = S3Server(
            endpoint=f"{'https' if shown else 'http'}://127.0.0.1:{ports['s3.port']}",
            access_key="HAVRE" + secrets.token_hex(8).upper(),
            secret_key=secrets.token_urlsafe(30),
            region="us-east-1",
            kind="seaweedfs",
            ca_bundle=shown.authority if shown else None,
        )
        self.server = server
        program = _weed()
        assert program is not None
        return ServerProcess(
            [
                program,
                "mini",
                f"-dir={_fresh(self.directory / 'data')}",
                "-ip=127.0.0.1",
                "-ip.bind=127.0.0.1",
                *(f"-{name}={port}" for name, port in ports.items()),
                f"-s3.config={self._write_credentials(server)}",
                *([f"-s3.cert.file={shown.certificate}", f"-s3.key.file={shown.key}"] if shown else []),
                # Everything that a test of S3 does not need, and above all the statistics that
                # the program would otherwise send to its makers.
                "-s3.port.iceberg=0",
                "-s3.port.lance=0",
                "-webdav=false",
                "-admin.ui=false",
                "-master.telemetry=false",
            ],
            log=self.directory / "weed.log",
            ready=lambda: _stores_an_object(server),
            # Without a limit the process grows past 1 GB over a test run.
            env={"GOMEMLIMIT": self._memory, "GOGC": "50", "AWS_ACCESS_KEY_ID": "", "S3_BUCKET": ""},
            cwd=self.directory,
        )

    def _write_credentials(self, server: S3Server) -> Path:
        path = self.directory / "s3.json"
        keys = {"accessKey": server.access_key, "secretKey": server.secret_key}
        actions = ["Admin", "Read", "Write", "List", "Tagging"]
        path.touch(mode=0o600)
        path.write_text(
            json.dumps({"identities": [{"name": "havre", "credentials": [keys], "actions": actions}]})
        )
        return path


class Azurite(_Server):
    """The Blob service of Azurite, on disk; its index is flushed every few seconds, so a kill loses some.

    Attributes:
        server: where it listens; valid once started, and unchanged by a restart.
    """

    server: AzureServer

    def __init__(self, directory: Path, *, certificate: Certificate | None = None) -> None:
        """Describe it; with a certificate it speaks https only."""
        super().__init__(directory)
        self._certificate = certificate

    def _describe(self) -> ServerProcess:
        (port,) = free_ports(1)
        account = "devstoreaccount1"
        key = base64.b64encode(secrets.token_bytes(64)).decode()
        shown = self._certificate
        server = AzureServer(
            endpoint=f"{'https' if shown else 'http'}://127.0.0.1:{port}/{account}",
            account=account,
            account_key=key,
            ca_bundle=shown.authority if shown else None,
        )
        self.server = server
        node = shutil.which("node")
        assert node is not None
        return ServerProcess(
            [
                node,
                str(_AZURITE),
                *("--blobHost", "127.0.0.1", "--blobPort", str(port)),
                *("--location", str(_fresh(self.directory / "data"))),
                *("--silent", "--disableTelemetry", "--skipApiVersionCheck"),
                *(("--cert", str(shown.certificate), "--key", str(shown.key)) if shown else ()),
            ],
            log=self.directory / "azurite.log",
            ready=lambda: _answers_http(f"{server.endpoint}?comp=list", 403, server.ca_bundle),
            env={"AZURITE_ACCOUNTS": f"{account}:{key}"},
            cwd=self.directory,
        )


class Moto(_Server):
    """moto's S3 in memory: quick and complete, but not a judge of integrity (it checks little).

    Attributes:
        server: where it listens; valid once started. A restart keeps the port and loses the data.
    """

    server: S3Server

    def _describe(self) -> ServerProcess:
        (port,) = free_ports(1)
        endpoint = f"http://127.0.0.1:{port}"
        self.server = S3Server(
            endpoint=endpoint,
            access_key="HAVRE" + secrets.token_hex(8).upper(),
            secret_key=secrets.token_urlsafe(30),
            region="us-east-1",
            kind="moto",
        )
        return ServerProcess(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            log=self.directory / "moto.log",
            ready=lambda: _answers_http(f"{endpoint}/moto-api/data.json", 200),
            cwd=self.directory,
        )


@contextmanager
def start_seaweedfs(directory: Path) -> Iterator[S3Server]:
    """Run SeaweedFS with its data and log under `directory` until the block ends.

    Raises:
        ServerError: it is absent, or did not come to serve.
    """
    with SeaweedFS(directory) as running:
        yield running.server


@contextmanager
def start_azurite(directory: Path) -> Iterator[AzureServer]:
    """Run Azurite with its data and log under `directory` until the block ends.

    Raises:
        ServerError: it is absent, or did not come to serve.
    """
    with Azurite(directory) as running:
        yield running.server


@contextmanager
def start_moto(directory: Path) -> Iterator[S3Server]:
    """Run moto with its log under `directory` until the block ends.

    Raises:
        ServerError: it is absent, or did not come to serve.
    """
    with Moto(directory) as running:
        yield running.server


def missing(name: str) -> str | None:
    """Say why the server `name` cannot run on this machine, or None when it can.

    Raises:
        KeyError: there is no server of that name.
    """
    return SERVERS[name]()


def _missing_seaweedfs() -> str | None:
    return None if _weed() else "seaweedfs: no weed program; run scripts/bootstrap --servers"


def _missing_azurite() -> str | None:
    if shutil.which("node") is None:
        return "azurite: no node program on the PATH"
    return None if _AZURITE.is_file() else "azurite: not installed; run scripts/bootstrap --servers"


def _missing_moto() -> str | None:
    return None if find_spec("moto") else "moto: not installed; run scripts/bootstrap --servers"


SERVERS: dict[str, Callable[[], str | None]] = {
    "seaweedfs": _missing_seaweedfs,
    "azurite": _missing_azurite,
    "moto": _missing_moto,
    "openbao": missing_openbao,
    "swift": lambda: missing_openstack("swift"),
    "swift-s3api": lambda: missing_openstack("swift"),
    "swift_keystone": lambda: missing_openstack("swift", "keystone", "gunicorn"),
    "seaweedfs_tls": _missing_seaweedfs,
    "azurite_tls": _missing_azurite,
    "sftp": missing_sshd,
    "openssl": lambda: None if shutil.which("openssl") else "openssl: no openssl program on the PATH",
}
"""The servers known here; each value tells why it cannot run, or None."""


def _weed() -> str | None:
    """Find `weed` beside this interpreter (where pip puts it) or on the PATH."""
    return shutil.which("weed", path=str(Path(sys.executable).parent)) or shutil.which("weed")


def _fresh(path: Path) -> Path:
    path.mkdir(exist_ok=True)
    return path


def _answers_http(url: str, status: int, authority: Path | None = None) -> bool:
    trust = None if authority is None else ssl.create_default_context(cafile=authority)
    try:
        with urllib.request.urlopen(url, timeout=2, context=trust) as answer:
            return bool(answer.status == status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code == status


def _stores_an_object(server: S3Server) -> bool:
    """Tell whether a write succeeds: the gateway answers some time before the volumes behind it do."""
    if not _answers_http(f"{server.endpoint}/healthz", 200, server.ca_bundle):
        return False
    client = server.client()
    try:
        bucket = "readiness"
        client.create_bucket(Bucket=bucket)
        client.put_object(Bucket=bucket, Key="probe", Body=b"probe")
        client.delete_object(Bucket=bucket, Key="probe")
        client.delete_bucket(Bucket=bucket)
    except (ClientError, BotoCoreError):
        return False
    finally:
        client.close()
    return True
