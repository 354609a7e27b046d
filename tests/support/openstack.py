"""What OpenStack's services on this machine share: their environment, their cache, their files.

The services live in ``.venv/openstack``, which ``scripts/bootstrap --servers`` makes. Imports no pytest.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path

from support.process import ServerProcess, free_ports
from support.programs import find_program, program_environment

__all__ = ["PYTHON", "Memcached", "gunicorn", "missing_openstack", "write_ini"]

PYTHON = Path(__file__).parents[2] / ".venv/openstack/bin/python"
"""The interpreter that has the services."""


def missing_openstack(*packages: str) -> str | None:
    """Why services of these packages cannot run here, or None."""
    if not PYTHON.is_file():
        return "openstack: not installed; run scripts/bootstrap --servers"
    found = {path.name for path in PYTHON.parents[1].glob("lib/python*/site-packages/*")}
    if absent := [package for package in packages if package not in found]:
        return f"openstack: {', '.join(absent)} is not in .venv/openstack; run scripts/bootstrap --servers"
    return None if find_program("memcached") else "openstack: no memcached; run scripts/bootstrap --servers"


def write_ini(path: Path, sections: Mapping[str, Mapping[str, object]]) -> Path:
    """Write a configuration that nobody else may read, since it holds passwords."""
    lines: list[str] = []
    for name, values in sections.items():
        lines += [f"[{name}]", *(f"{key} = {value}" for key, value in values.items()), ""]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text("\n".join(lines))
    return path


def gunicorn(directory: Path, application: str, port: int) -> list[str]:
    """The command that serves a WSGI application on a port of 127.0.0.1; its working directory is `directory`.

    Everything stands in a file: services read the arguments of their process, and refuse those of gunicorn.
    """
    settings = {
        "wsgi_app": application,
        "bind": f"127.0.0.1:{port}",
        # One thread: SQLite's connections must be closed by the thread that opened them.
        "workers": 1,
        "worker_class": "sync",
        # It counts from the start of the process, and some make their databases first.
        "timeout": 600,
        "worker_tmp_dir": str(directory),
        "control_socket_disable": True,
    }
    lines = [f"{name} = {value!r}\n" for name, value in settings.items()]
    (directory / "gunicorn.conf.py").write_text("".join(lines))
    return [str(PYTHON.with_name("gunicorn"))]


class Memcached:
    """A memcached; Swift and Keystone keep tokens in it, and a restart forgets them.

    Attributes:
        address: ``127.0.0.1:port``.
    """

    def __init__(self, directory: Path, *, memory_mb: int = 32) -> None:
        """Describe it."""
        program = find_program("memcached")
        assert program is not None
        (port,) = free_ports(1)
        self.address = f"127.0.0.1:{port}"
        user = ["-u", "root"] if os.getuid() == 0 else []
        self.process = ServerProcess(
            [program, "-l", "127.0.0.1", "-p", str(port), "-U", "0", "-m", str(memory_mb), *user],
            log=directory / "memcached.log",
            ready=lambda: _accepts(port),
            env=program_environment(program),
        )

    def start(self) -> None:
        """Start it, or start it again on the same port."""
        self.process.start()

    def stop(self) -> None:
        """End it as an operator would."""
        self.process.stop()

    def kill(self) -> None:
        """End it at once."""
        self.process.kill()


def _accepts(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
