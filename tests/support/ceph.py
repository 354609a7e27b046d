"""A real Ceph on this machine: one monitor, one object store daemon in memory, and the gateway (RGW) in front.

It speaks S3 and Swift over the same users. The programs come by `scripts/test --ceph`, which is a stage of its own:
Debian's packages are large, and a cluster takes some seconds to start. Imports no pytest.

Started as https://docs.ceph.com/en/pacific/dev/mon-bootstrap/ describes it, with the map of the object store daemon
made beforehand (`osdmaptool --createsimple`), so that the `ceph` command and its own Python are not needed.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import uuid
from pathlib import Path
from typing import Any, Self

from support.endpoints import S3Server
from support.hostile import S3Process, _stores
from support.process import ServerError, ServerProcess, free_ports
from support.programs import find_program, library_folder, program_environment
from support.servers import SERVERS
from support.swift import SwiftServer

__all__ = ["Ceph", "ceph_version"]

_HOW = "run scripts/test --ceph (it takes Debian's packages), or install ceph-mon, ceph-osd, radosgw, ceph-common"
_PROGRAMS = ("ceph-mon", "ceph-osd", "radosgw", "radosgw-admin", "ceph-authtool", "monmaptool", "osdmaptool")
_SECONDS = 120
"""How long the cluster may take to make its first pools, on a busy machine."""
_CONFIG = """[global]
fsid = {cluster}
mon initial members = a
mon host = [v2:127.0.0.1:{mon_port}]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind msgr1 = false
ms bind port min = {first_port}
ms bind port max = {last_port}
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
auth allow insecure global id reclaim = false
keyring = {folder}/keyring
run dir = {folder}
mon data = {folder}/mon
osd data = {folder}/osd
rgw data = {folder}/rgw
osd class dir = {libraries}/rados-classes
erasure code dir = {libraries}/ceph/erasure-code
plugin dir = {libraries}/ceph
admin socket =
pid file =
log file =
mon cluster log file =
log to stderr = true
# One daemon keeps one copy, in memory.
osd objectstore = memstore
memstore device bytes = 4294967296
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon max pg per osd = 1000
mon data avail crit = 1
# Space of deleted objects comes back during the run.
rgw gc obj min wait = 5
rgw gc processor period = 10
# SSE-C over http: nothing leaves this machine, and the tests have no certificate that Ceph would know.
rgw crypt require ssl = false
rgw dns name = 127.0.0.1
"""


class Ceph(S3Process):
    """A cluster of one, whose data lives in memory: killed, it forgets.

    Attributes:
        server: Its S3 side; valid once started.
        swift: Its Swift side, with containers that are the same buckets.
    """

    swift: SwiftServer

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._behind: list[ServerProcess] = []
        self._attempt = 0

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.kill()
            raise
        return self

    @property
    def pids(self) -> list[int]:
        """The process ids of the gateway, the daemon and the monitor; none while stopped."""
        found = [self.pid, *(process.pid for process in self._behind)]
        return [pid for pid in found if pid is not None]

    def stop(self) -> None:
        """End the gateway, then what is behind it."""
        super().stop()
        while self._behind:
            self._behind.pop().stop()

    def kill(self) -> None:
        """End all of it at once."""
        super().kill()
        while self._behind:
            self._behind.pop().kill()

    def _describe(self) -> ServerProcess:
        """Start the cluster and make a user; the gateway is what remains to be started."""
        self.kill()
        self._attempt += 1
        folder = self.directory / f"cluster-{self._attempt}"
        folder.mkdir(mode=0o700)
        config = self._write_config(folder)
        self._make_keys(folder)
        self._start_monitor(folder, config)
        self._start_store(folder, config)
        (port,) = free_ports(1)
        self._make_user(config, f"http://127.0.0.1:{port}")
        return self._daemon(
            folder,
            "radosgw",
            [*config, "--name=client.rgw.a", f"--rgw-frontends=beast endpoint=127.0.0.1:{port}"],
            ready=lambda: _stores(self.server),
        )

    # -- within ------------------------------------------------------------------------------------

    def _write_config(self, folder: Path) -> list[str]:
        self._mon_port, first_port = free_ports(2)
        self._cluster = str(uuid.uuid4())
        for name in ("mon", "osd", "rgw"):
            (folder / name).mkdir()
        config = folder / "ceph.conf"
        config.write_text(
            _CONFIG.format(
                cluster=self._cluster,
                folder=folder,
                libraries=library_folder(_program("radosgw")),
                mon_port=self._mon_port,
                first_port=first_port,
                # Ceph tries each in turn until one is free.
                last_port=first_port + 500,
            )
        )
        return [f"--conf={config}"]

    def _make_keys(self, folder: Path) -> None:
        """Keys of the daemons, which the monitor takes over when its store is made."""
        for name in ("mon.", "client.admin", "client.rgw.a", "osd.0"):
            caps = [word for daemon in ("mon", "osd", "mgr") for word in ("--cap", daemon, "allow *")]
            fresh = [] if (folder / "keyring").exists() else ["--create-keyring"]
            self._tool("ceph-authtool", str(folder / "keyring"), *fresh, "--gen-key", f"--name={name}", *caps)

    def _start_monitor(self, folder: Path, config: list[str]) -> None:
        where = f"[v2:127.0.0.1:{self._mon_port}]"
        monitors, stores = str(folder / "monmap"), str(folder / "osdmap")
        self._tool("monmaptool", "--create", "--addv", "a", where, "--fsid", self._cluster, monitors)
        self._tool("osdmaptool", *config, "--createsimple", "1", stores)
        given = [f"--monmap={monitors}", f"--osdmap={stores}", f"--keyring={folder / 'keyring'}"]
        self._tool("ceph-mon", *config, "--id=a", "--mkfs", *given)
        monitor = self._daemon(folder, "ceph-mon", [*config, "--id=a"], ready=self._monitor_listens)
        monitor.start()
        self._behind.append(monitor)

    def _monitor_listens(self) -> bool:
        with socket.create_connection(("127.0.0.1", self._mon_port), timeout=2):
            return True

    def _start_store(self, folder: Path, config: list[str]) -> None:
        self._tool("ceph-osd", *config, "--id=0", "--mkfs", f"--osd-uuid={uuid.uuid4()}")
        # It says nothing that could be asked for before it serves; the first user waits until it does.
        store = self._daemon(folder, "ceph-osd", [*config, "--id=0"], ready=lambda: True)
        store.start()
        self._behind.append(store)

    def _make_user(self, config: list[str], endpoint: str) -> None:
        """Ceph chooses the secrets, so that none stands among the arguments."""

        def admin(*words: str) -> Any:
            return json.loads(self._tool("radosgw-admin", *config, *words, timeout=_SECONDS))

        keys = admin("user", "create", "--uid=havre", "--display-name=havre", "--max-buckets=0")["keys"]
        admin("subuser", "create", "--uid=havre", "--subuser=havre:swift", "--access=full")
        told = admin("key", "create", "--subuser=havre:swift", "--key-type=swift", "--gen-secret")
        self.server = S3Server(
            endpoint=endpoint,
            access_key=keys[0]["access_key"],
            secret_key=keys[0]["secret_key"],
            region="us-east-1",
            kind="ceph",
        )
        self.swift = SwiftServer(
            auth_url=f"{endpoint}/auth/v1.0",
            user="havre:swift",
            key=told["swift_keys"][0]["secret_key"],
            s3=self.server,
        )

    def _daemon(self, folder: Path, program: str, arguments: list[str], *, ready: Any) -> ServerProcess:
        return ServerProcess(
            [_program(program), "-f", *arguments],
            log=folder / f"{program}.log",
            ready=ready,
            env=_environment(),
            cwd=folder,
            deadline_seconds=_SECONDS,
        )

    def _tool(self, program: str, *arguments: str, timeout: float = 60) -> str:
        try:
            done = subprocess.run(
                [_program(program), *arguments],
                env={**os.environ, **_environment()},
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise ServerError(f"{program} {arguments[0]} did not end within {timeout:g} s") from error
        if done.returncode:
            raise ServerError(f"{program} failed:\n{done.stderr[-2000:]}")
        return done.stdout


def ceph_version() -> str:
    """The release that runs here, `16.2.15` for one."""
    program = _program("radosgw")
    done = subprocess.run(
        [program, "--version"],
        env={**os.environ, **_environment()},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    found = re.search(r"ceph version (\d+\.\d+\.\d+)", done.stdout)
    assert found is not None, done.stdout
    return found[1]


def _missing_ceph() -> str | None:
    absent = [name for name in _PROGRAMS if find_program(name) is None]
    return f"ceph: no {', '.join(absent)} on this machine; {_HOW}" if absent else None


SERVERS.update({"ceph": _missing_ceph, "ceph-swift": _missing_ceph})


def _program(name: str) -> str:
    found = find_program(name)
    assert found is not None, f"{name} is not there, which missing() should have said"
    return found


def _environment() -> dict[str, str]:
    # A configuration of the machine's own, or arguments that an operator keeps in the environment, are none of ours.
    return {**program_environment(_program("radosgw")), "CEPH_CONF": "/dev/null", "CEPH_ARGS": ""}
