"""Start a server program, wait until it answers, and make sure that it ends.

Owns the life of one child process and the choice of free ports. Knows nothing about stores: what
"answers" means is a function that the caller gives. Imports no pytest, so scripts can use it too.
"""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

__all__ = ["ServerError", "ServerProcess", "free_ports"]

_LAUNCHER = Path(__file__).with_name("die_with_parent.py")
_POLL_SECONDS = 0.05
_LOG_TAIL_BYTES = 2000
# The kernel takes the ports of outgoing connections from 32768 up. A port below stays free while a
# server is stopped, so that it can start again on the same one.
_PORTS = range(20_000, 32_000)

# The death signal of Linux follows the thread that forked, not its process. One thread that lives
# as long as the interpreter starts every server, so that tests may call start() from any thread.
_starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="server-starter")


class ServerError(RuntimeError):
    """A server program could not be started; the message ends with the tail of its log."""


def free_ports(count: int) -> list[int]:
    """Return `count` different TCP ports of 127.0.0.1 on which nothing listens now.

    Raises:
        ServerError: no free ports were found.
    """
    with ExitStack() as held:
        found: list[int] = []
        for port in random.SystemRandom().sample(_PORTS, 500):
            probe = held.enter_context(socket.socket())
            # As servers do: a port whose last connections merely linger (TIME_WAIT) is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            found.append(port)
            if len(found) == count:
                return found
    message = f"no {count} free ports on 127.0.0.1"
    raise ServerError(message)


class ServerProcess:
    """One server program, which can be stopped, killed and started again.

    Attributes:
        log: file that receives the program's output, over all its starts.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        log: Path,
        ready: Callable[[], bool],
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        deadline_seconds: float = 60,
    ) -> None:
        """Describe the program; nothing is started yet.

        Args:
            argv: absolute path of the program, and its arguments; no secret may stand among them.
            log: file that output is appended to.
            ready: tells whether the program serves; an OSError that it raises means "not yet".
            env: variables added to this process's own.
            cwd: working directory of the program.
            deadline_seconds: how long a start may take before it counts as failed.
        """
        self.log = log
        self._argv = list(argv)
        self._ready = ready
        self._env = {**os.environ, **(env or {})}
        self._cwd = cwd
        self._deadline_seconds = deadline_seconds
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process id, or None while stopped."""
        return None if self._child is None else self._child.pid

    def start(self) -> None:
        """Start the program and return once it serves; do nothing when it runs already.

        Raises:
            ServerError: it ended, or did not serve before the deadline.
        """
        if self._child is not None:
            return
        self._child = _starter.submit(self._spawn).result()
        try:
            self._wait_until_ready(self._child)
        except BaseException:
            self.kill()
            raise

    def stop(self, grace_seconds: float = 10) -> None:
        """Ask the program to end (SIGTERM); kill it when it has not within `grace_seconds`."""
        if self._child is None:
            return
        self._signal_group(self._child, signal.SIGTERM)
        try:
            self._child.wait(grace_seconds)
        except subprocess.TimeoutExpired:
            pass
        finally:
            self.kill()

    def kill(self) -> None:
        """End the program and its children at once (SIGKILL): the crash that tests ask for."""
        if self._child is None:
            return
        self._signal_group(self._child, signal.SIGKILL)
        self._child.wait()
        self._child = None

    def _spawn(self) -> subprocess.Popen[bytes]:
        launcher = [sys.executable, "-I", "-S", str(_LAUNCHER), str(os.getpid())]
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [*launcher, *self._argv],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._env,
                cwd=self._cwd,
                # A group of its own: Ctrl-C in the terminal must not reach a server before the
                # test that uses it has cleaned up.
                start_new_session=True,
            )

    def _wait_until_ready(self, child: subprocess.Popen[bytes]) -> None:
        give_up = time.monotonic() + self._deadline_seconds
        while not self._answers():
            if child.poll() is not None:
                raise ServerError(self._failure(f"ended with status {child.returncode}"))
            if time.monotonic() > give_up:
                raise ServerError(self._failure(f"did not serve within {self._deadline_seconds:g} s"))
            time.sleep(_POLL_SECONDS)

    def _answers(self) -> bool:
        try:
            return self._ready()
        except OSError:
            return False

    def _failure(self, what: str) -> str:
        tail = self.log.read_bytes()[-_LOG_TAIL_BYTES:].decode(errors="replace")
        return f"{Path(self._argv[0]).name} {what}; the end of {self.log}:\n{tail}"

    @staticmethod
    def _signal_group(child: subprocess.Popen[bytes], number: signal.Signals) -> None:
        try:
            os.killpg(child.pid, number)
        except ProcessLookupError:
            return
