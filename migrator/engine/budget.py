"""What bounds a run's memory: one budget for all buffers, and large buffers used again instead of made anew."""

from __future__ import annotations

import mmap
import os
import tempfile
import threading
from pathlib import Path
from typing import Final

__all__ = ["Buffers", "MemoryBudget"]

_KEEP: Final = 12


class MemoryBudget:
    """Bytes that may be held at the same time. A single request above the whole budget passes when it is alone."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._used = 0
        self._lock = threading.Lock()

    def try_reserve(self, size: int) -> bool:
        """Take ``size`` bytes if they are free now."""
        with self._lock:
            if self._used and self._used + size > self._limit:
                return False
            self._used += size
            return True

    def release(self, size: int) -> None:
        """Give ``size`` bytes back."""
        with self._lock:
            self._used -= size


class Buffers:
    """Writable buffers of one usual size, kept for the next part; larger ones are spooled to disk.

    Fresh memory costs a page fault for every 4 KiB, so a part's buffer is worth keeping.
    """

    def __init__(self, usual: int, *, spool_above: int, folder: Path) -> None:
        self._usual = usual
        self._spool_above = spool_above
        self._folder = folder
        self._free: list[bytearray] = []
        self._lock = threading.Lock()

    def take(self, size: int) -> tuple[memoryview, bytearray | mmap.mmap]:
        """A view of exactly ``size`` bytes, and what to hand to ``give_back``."""
        if size > self._spool_above:
            spool = _spool(self._folder, size)
            return memoryview(spool), spool
        if size > self._usual or size * 4 < self._usual:
            fresh = bytearray(size)
            return memoryview(fresh), fresh
        with self._lock:
            kept = self._free.pop() if self._free else None
        if kept is None:
            kept = bytearray(self._usual)
        return memoryview(kept)[:size], kept

    def give_back(self, view: memoryview, owner: bytearray | mmap.mmap) -> None:
        """Return a buffer; its view is not to be used any more."""
        view.release()
        if isinstance(owner, mmap.mmap):
            owner.close()
            return
        if len(owner) == self._usual:
            with self._lock:
                if len(self._free) < _KEEP:
                    self._free.append(owner)


def _spool(folder: Path, size: int) -> mmap.mmap:
    descriptor, name = tempfile.mkstemp(prefix="spool-", dir=folder)  # created 0600
    try:
        Path(name).unlink()
        os.posix_fallocate(descriptor, 0, size)  # a full disk shows here, not as SIGBUS later
        return mmap.mmap(descriptor, size)
    finally:
        os.close(descriptor)
