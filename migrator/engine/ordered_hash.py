"""SHA-256 over the bytes of one object, fed by several workers in the order of the bytes."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from typing import Protocol

__all__ = ["OrderedHash"]


class _Also(Protocol):
    def update(self, data: memoryview, /) -> None: ...


class OrderedHash:
    """Waits for each piece's turn. Pieces are handed out in order, so the one that is due is always under way."""

    def __init__(self, size: int, also: _Also | None = None) -> None:
        self._size = size
        self._also = also
        self._digest = hashlib.sha256()
        self._position = 0
        self._broken = False
        self._turn = threading.Condition()

    def update(self, start: int, data: memoryview) -> None:
        """Hash ``data``, which begins at byte ``start``, once everything before it is hashed."""
        self.update_all(start, iter((data,)))

    def update_all(self, start: int, pieces: Iterator[memoryview]) -> None:
        """Hash pieces that follow one another from byte ``start``; they are drawn when their turn has come.

        If the digest was abandoned the pieces are drawn all the same, for what drawing them checks.
        """
        with self._turn:
            self._turn.wait_for(lambda: self._position == start or self._broken)
            broken = self._broken
        # Outside the lock: hashing releases the interpreter, and nobody else's turn comes before this is done.
        position = start
        for piece in pieces:
            if not broken:
                self._digest.update(piece)
                if self._also is not None:
                    self._also.update(piece)
            position += len(piece)
        with self._turn:
            if not broken:
                self._position = position
            self._turn.notify_all()

    def abandon(self) -> None:
        """A piece will never come: let everybody go on without a digest."""
        with self._turn:
            self._broken = True
            self._turn.notify_all()

    def result(self) -> bytes | None:
        """The digest, or None if some piece never came."""
        with self._turn:
            return self._digest.digest() if self._position == self._size and not self._broken else None
