"""The stores that other tests rely on: they start, keep what they are given, and end."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from support.endpoints import AzureServer, S3Server
from support.process import ServerError, ServerProcess, free_ports
from support.servers import Azurite, SeaweedFS, missing, start_seaweedfs

TESTS = Path(__file__).parents[1]


def _round_trip(server: S3Server) -> bytes:
    client = server.client()
    try:
        bucket = server.new_bucket()
        client.put_object(Bucket=bucket, Key="a/b", Body=b"payload")
        return client.get_object(Bucket=bucket, Key="a/b")["Body"].read()
    finally:
        client.close()


@pytest.mark.server("seaweedfs")
def test_seaweedfs_returns_what_was_put(seaweedfs: S3Server) -> None:
    """SeaweedFS answers boto3."""
    assert _round_trip(seaweedfs) == b"payload"


@pytest.mark.server("seaweedfs")
def test_seaweedfs_keeps_objects_over_a_kill(seaweedfs_process: SeaweedFS) -> None:
    """An object acknowledged before SIGKILL is there after a start on the same endpoint."""
    server = seaweedfs_process.server
    bucket = server.new_bucket()
    client = server.client()
    client.put_object(Bucket=bucket, Key="kept", Body=b"still here")
    first = seaweedfs_process.pid
    seaweedfs_process.kill()
    assert seaweedfs_process.pid is None
    seaweedfs_process.start()
    assert seaweedfs_process.pid not in {None, first}
    assert client.get_object(Bucket=bucket, Key="kept")["Body"].read() == b"still here"
    client.close()


@pytest.mark.server("seaweedfs")
def test_seaweedfs_listens_on_loopback_only(seaweedfs_process: SeaweedFS) -> None:
    """No port of the server is open to another machine, and none is one it picked by default."""
    listening = {
        connection.laddr
        for connection in psutil.Process(seaweedfs_process.pid).net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening
    assert {address.ip for address in listening} == {"127.0.0.1"}
    assert {address.port for address in listening} <= set(seaweedfs_process._ports)


@pytest.mark.server("seaweedfs")
def test_seaweedfs_is_gone_after_its_block(tmp_path: Path) -> None:
    """Leaving the context manager ends the process and its socket files."""
    with SeaweedFS(tmp_path) as running:
        pid, ports = running.pid, running._ports
        assert pid is not None
    assert not psutil.pid_exists(pid)
    assert not [p for port in ports for p in Path("/tmp").glob(f"seaweedfs-*-{port}.sock")]


@pytest.mark.server("seaweedfs")
def test_secrets_stay_out_of_arguments_and_logs(tmp_path: Path) -> None:
    """The secret key is neither in the argument list, nor in the log, nor in repr."""
    with SeaweedFS(tmp_path) as running:
        arguments = " ".join(psutil.Process(running.pid).cmdline())
        secret = running.server.secret_key
        assert secret not in arguments
        assert secret not in (tmp_path / "weed.log").read_text(errors="replace")
        assert secret not in repr(running.server)


@pytest.mark.server("azurite")
def test_azurite_returns_what_was_put(azurite: AzureServer) -> None:
    """Azurite answers azure-storage-blob under the key made for it."""
    container = azurite.new_bucket()
    with azurite.service() as service, service.get_blob_client(container, "a/b") as blob:
        blob.upload_blob(b"payload")
        assert blob.download_blob().readall() == b"payload"
    assert azurite.account_key not in repr(azurite)


@pytest.mark.server("azurite")
def test_azurite_keeps_blobs_over_a_restart(tmp_path: Path) -> None:
    """A stop in good order and a start keep endpoint, key and data."""
    with Azurite(tmp_path) as running:
        container = running.server.new_bucket()
        with running.server.service() as service:
            service.get_blob_client(container, "kept").upload_blob(b"still here")
        running.restart()
        with running.server.service() as service:
            assert service.get_blob_client(container, "kept").download_blob().readall() == b"still here"


@pytest.mark.server("moto")
def test_moto_returns_what_was_put(moto: S3Server) -> None:
    """Moto answers boto3."""
    assert _round_trip(moto) == b"payload"


def test_free_ports_are_different() -> None:
    """Ports asked for together never repeat."""
    assert len(set(free_ports(50))) == 50


def test_a_program_that_ends_is_reported_with_its_log(tmp_path: Path) -> None:
    """A server that dies on start raises an error that shows why."""
    process = ServerProcess(
        [sys.executable, "-c", "raise SystemExit('no licence found')"],
        log=tmp_path / "log",
        ready=lambda: False,
    )
    with pytest.raises(ServerError, match=r"ended with status 1(?s:.*)no licence found"):
        process.start()
    assert process.pid is None


def test_a_program_that_never_serves_is_killed_at_the_deadline(tmp_path: Path) -> None:
    """A server that hangs on start raises an error and leaves no process."""
    process = ServerProcess(
        [sys.executable, "-c", "import signal; signal.pause()"],
        log=tmp_path / "log",
        ready=lambda: False,
        deadline_seconds=0.2,
    )
    with pytest.raises(ServerError, match="did not serve within"):
        process.start()
    assert process.pid is None


def test_a_server_dies_with_the_process_that_started_it(tmp_path: Path) -> None:
    """SIGKILL of the starter, which runs no clean-up, still ends the server."""
    program = (
        "import os, signal, sys; from pathlib import Path; from support.process import ServerProcess\n"
        "child = ServerProcess([sys.executable, '-c', 'import signal; signal.pause()'],"
        " log=Path(sys.argv[1]), ready=lambda: True)\n"
        "child.start(); print(child.pid, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    starter = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "log")],
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert starter.returncode == -signal.SIGKILL
    pid = int(starter.stdout)
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(pid).wait(timeout=30)
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_an_unknown_server_is_a_mistake_of_the_test() -> None:
    """A misspelt server name raises; it never skips quietly."""
    with pytest.raises(KeyError):
        missing("seaweed")


def test_an_absent_program_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where `weed` is not installed the start fails with the way to install it."""
    monkeypatch.setattr("support.servers._weed", lambda: None)
    with pytest.raises(ServerError, match="scripts/bootstrap --servers"), start_seaweedfs(tmp_path):
        pytest.fail("started without a program")
