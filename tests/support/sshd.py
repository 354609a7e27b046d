"""OpenSSH's own server, on this machine, for whoever runs the tests: root or an ordinary user.

`Sshd` is one server with host keys, an authorized key and a served folder of its own. It listens on 127.0.0.1,
lets in only the user who runs it, by key (and by no password: that would be the machine's own), and serves
files with `internal-sftp`. The folder that a login begins in cannot be chosen, so sites name `SshdPlace.root`,
which is absolute. Where root runs the tests and the machine has no account for the server's unprivileged part
(it comes with the installed package, not with an unpacked one), the server runs as `nobody`, who may then read
and write the tests' files.

Imports no pytest: a script that puts `tests/` on its path uses this module as it is.
"""

from __future__ import annotations

import os
import pwd
import secrets
import signal
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from support.process import ServerError, ServerProcess, free_ports
from support.programs import find_program, program_environment

__all__ = ["Sshd", "SshdPlace", "missing_sshd", "new_key"]

_ATTEMPTS = 3
_SEPARATION = Path("/run/sshd")
_NOBODY = "nobody"
_FILES_OF_OTHERS = "+dac_override,+dac_read_search,+fowner"


@dataclass(frozen=True, kw_only=True)
class SshdPlace:
    """Where a server listens, and who may talk to it.

    Attributes:
        root: the folder that buckets are made in.
        known_hosts: a file with the server's host keys.
        key_file: a private key that the server lets in.
    """

    host: str
    port: int
    user: str
    root: Path
    known_hosts: Path
    key_file: Path

    def new_bucket(self, name: str = "bucket") -> str:
        """Make a folder that nobody else uses, and return its name."""
        bucket = f"{name}-{secrets.token_hex(6)}"
        (self.root / bucket).mkdir()
        return bucket

    def site(self, name: str, **more: str) -> str:
        """This server as a table of havre.toml."""
        fields = {
            "profile": "sftp",
            "host": self.host,
            "user": self.user,
            "root": str(self.root),
            "known_hosts": str(self.known_hosts),
            "key_file": str(self.key_file),
            **more,
        }
        lines = [f"[sites.{name}]", f"port = {self.port}"]
        return "\n".join(lines + [f'{field} = "{value}"' for field, value in fields.items() if value]) + "\n"


class Sshd:
    """One server, which may be stopped, killed and started again on the same port with the same keys.

    Attributes:
        place: where it listens; valid once started, and unchanged by a restart.
    """

    place: SshdPlace

    def __init__(self, directory: Path, *, options: tuple[str, ...] = ()) -> None:
        """Describe it.

        Args:
            directory: where keys, configuration, log and the served folder are put.
            options: lines of sshd_config that come before the others, and so win.
        """
        self.directory = directory.resolve()
        self._options = options
        self._process: ServerProcess | None = None

    @property
    def log(self) -> Path:
        """What the server says."""
        return self.directory / "sshd.log"

    def start(self) -> None:
        """Start, or start again; return once it greets.

        Raises:
            ServerError: the program is absent, or did not come to serve.
        """
        if self._process is not None:
            self._process.start()
            return
        if reason := missing_sshd():
            raise ServerError(reason)
        self._make_files()
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
        """End the server; connections that stand are ended with it."""
        if self._process is not None:
            children = self.children()
            self._process.stop()
            _end(children)

    def kill(self) -> None:
        """End the server and all it does for anybody at once (SIGKILL)."""
        if self._process is not None:
            children = self.children()
            self._process.kill()
            _end(children)

    def restart(self) -> None:
        """Stop, and start again on the same port and keys."""
        self.stop()
        self.start()

    def cut(self) -> int:
        """Kill what serves connections, and not the server: every connection breaks. How many processes died."""
        return _end(self.children())

    def children(self) -> list[int]:
        """Processes that serve connections; each leads a session of its own."""
        if self._process is None or self._process.pid is None:
            return []
        found: list[int] = []
        waiting = [self._process.pid]
        while waiting:
            parent = waiting.pop()
            try:
                named = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
            except OSError:
                continue
            waiting += map(int, named)
            found += map(int, named)
        return found

    def new_host_keys(self) -> None:
        """Give the server other host keys, as a reinstalled (or another) machine has; it must be stopped."""
        for kind in ("ed25519", "rsa"):
            key = self.directory / f"host_{kind}"
            key.unlink()
            Path(f"{key}.pub").unlink()
            new_key(key, kind=kind)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def _make_files(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / "files").mkdir()
        for kind in ("ed25519", "rsa"):
            new_key(self.directory / f"host_{kind}", kind=kind)
        public = new_key(self.directory / "user_key")
        (self.directory / "authorized_keys").write_text(public)
        if os.geteuid() == 0 and not _as_nobody():
            # The compiled-in folder of the unprivileged part; only root has (and needs) one.
            _SEPARATION.mkdir(mode=0o755, exist_ok=True)

    def _describe(self) -> ServerProcess:
        (port,) = free_ports(1)
        here = self.directory
        known = here / "known_hosts"
        keys = [(here / f"host_{kind}.pub").read_text() for kind in ("ed25519", "rsa")]
        known.write_text("".join(f"[127.0.0.1]:{port} {key}" for key in keys))
        self.place = SshdPlace(
            host="127.0.0.1",
            port=port,
            user=_NOBODY if _as_nobody() else pwd.getpwuid(os.geteuid()).pw_name,
            root=here / "files",
            known_hosts=known,
            key_file=here / "user_key",
        )
        lines = [
            *self._options,
            f"Port {port}",
            "ListenAddress 127.0.0.1",
            f"HostKey {here}/host_ed25519",
            f"HostKey {here}/host_rsa",
            f"AuthorizedKeysFile {here}/authorized_keys",
            f"PidFile {here}/sshd.pid",
            # The folders of a test are not those of a home, and need not be.
            "StrictModes no",
            "UsePAM no",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "PermitRootLogin prohibit-password",
            "AllowTcpForwarding no",
            "Subsystem sftp internal-sftp",
            "LogLevel ERROR",
        ]
        configuration = here / "sshd_config"
        configuration.write_text("\n".join(lines) + "\n")
        program = find_program("sshd")
        assert program is not None
        return ServerProcess(
            [*_as_nobody(), program, "-D", "-e", "-f", str(configuration)],
            log=self.log,
            ready=lambda: _greets(port),
            env=program_environment(program),
            cwd=here,
        )


def new_key(path: Path, *, passphrase: str = "", kind: str = "ed25519") -> str:
    """Make a private key at `path`, and return its public half as a line."""
    program = find_program("ssh-keygen")
    assert program is not None
    subprocess.run(
        [program, "-q", "-t", kind, "-N", passphrase, "-C", "havre-test", "-f", str(path)],
        check=True,
        env={**os.environ, **program_environment(program)},
        stdin=subprocess.DEVNULL,
    )
    return Path(f"{path}.pub").read_text()


def missing_sshd() -> str | None:
    """Say why no sshd can run on this machine, or None when one can."""
    for name in ("sshd", "ssh-keygen"):
        if find_program(name) is None:
            return f"sftp: no {name} program; run scripts/bootstrap --servers"
    if _as_nobody() and find_program("setpriv") is None:
        return "sftp: the machine has no account sshd, and no setpriv program to do without"
    return None


def _as_nobody() -> list[str]:
    """What runs the server as somebody else than root, where root cannot run it."""
    if os.geteuid() != 0:
        return []
    try:
        pwd.getpwnam("sshd")
    except KeyError:
        pass
    else:
        return []
    group = pwd.getpwnam(_NOBODY).pw_gid
    return [
        find_program("setpriv") or "setpriv",
        *("--reuid", _NOBODY, "--regid", str(group), "--clear-groups"),
        *("--inh-caps", _FILES_OF_OTHERS, "--ambient-caps", _FILES_OF_OTHERS),
        # The kernel forgets who must die with whom when a process changes its user.
        *("--pdeathsig", "KILL"),
    ]


def _end(processes: list[int]) -> int:
    ended = 0
    for process in processes:
        try:
            os.kill(process, signal.SIGKILL)
            ended += 1
        except ProcessLookupError:
            continue
    return ended


def _greets(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port), 2) as probe:
        return probe.recv(4) == b"SSH-"
