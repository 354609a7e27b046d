"""Random bytes in small pieces: drawn from the system a page at a time, by each thread for itself.

A system call for six bytes costs more than the six bytes, and gives up the interpreter each time. A byte is handed
out once and forgotten.
"""

from __future__ import annotations

import os
import threading
from typing import Final

__all__ = ["fresh"]

_PAGE: Final = 4096


class _Pool(threading.local):
    def __init__(self) -> None:
        self.left = b""
        self.owner = 0


_pool = _Pool()


def fresh(count: int) -> bytes:
    """``count`` random bytes that nobody has seen."""
    if count > _PAGE // 4:
        return os.urandom(count)
    # A forked child must not hand out its parent's bytes again.
    if len(_pool.left) < count or _pool.owner != os.getpid():
        _pool.left, _pool.owner = os.urandom(_PAGE), os.getpid()
    taken, _pool.left = _pool.left[:count], _pool.left[count:]
    return taken
