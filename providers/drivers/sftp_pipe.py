"""Bytes on their way from an SSH connection's thread to the thread that waits for them.

paramiko wakes the waiting thread for each packet of 32 KiB. Under many threads each waking is a fight for the
interpreter's lock: here it is woken once for all it waits for.
"""

from __future__ import annotations

import time
from threading import Condition, Lock

from paramiko.buffered_pipe import BufferedPipe, PipeTimeout

__all__ = ["PatientPipe"]


class PatientPipe(BufferedPipe):  # type: ignore[type-arg]  # generic in the stubs only
    """What a channel receives, in the pieces in which it came.

    Attributes:
        wanted: Bytes that the next read waits for; it must stay well below the channel's window.
    """

    def __init__(self) -> None:
        super().__init__()
        # The base class has the same three; its close() goes by them.
        self._lock = Lock()
        self._cv = Condition(self._lock)
        self._closed = False
        self._pieces: list[bytes] = []
        self._held = 0
        self.wanted = 1

    def feed(self, data: bytes) -> None:
        """Take more bytes in."""
        with self._lock:
            self._pieces.append(data)
            self._held += len(data)
            if self._held >= self.wanted:
                self._cv.notify_all()

    def read_ready(self) -> bool:
        """Whether there is anything to read."""
        return self._held > 0

    def read(self, nbytes: int, timeout: float | None = None) -> bytes:
        """All that there is, once there is as much as was wanted, or the pipe is closed; ``nbytes`` is no limit.

        Raises:
            PipeTimeout: Nothing came for ``timeout`` seconds.
        """
        del nbytes
        with self._lock:
            seen = self._held
            give_up = None if timeout is None else time.monotonic() + timeout
            while self._held < self.wanted and not self._closed:
                if self._held != seen and timeout is not None:
                    seen, give_up = self._held, time.monotonic() + timeout
                if give_up is not None and time.monotonic() >= give_up:
                    raise PipeTimeout
                self._cv.wait(None if give_up is None else give_up - time.monotonic())
            data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
            self._pieces.clear()
            self._held = 0
            return data

    def empty(self) -> bytes:
        """All that there is, without waiting."""
        with self._lock:
            data = b"".join(self._pieces)
            self._pieces.clear()
            self._held = 0
            return data

    def __len__(self) -> int:
        return self._held
