"""A process that dies at the n-th effect, played within one process.

`Doom` counts boundaries: before and after each effect at a store, each ledger transaction, and each change that
the directory driver makes on the disk. At the n-th one it raises `Died`, and from then on every further store
call, ledger call and change on the disk raises it too: as after `kill -9`, nothing else happens. What SQLite
had not committed is rolled back; descriptors (and with them the lock) are closed by the unwinding.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from migrator.ledger.ledger import Ledger
from providers.driver import StoreDriver
from providers.drivers import _paths, _publish, _staging, filesystem
from providers.layers.base import Layer

__all__ = ["CrashLayer", "Died", "Doom"]

EFFECTS = frozenset({"put", "open_upload", "put_part", "complete_upload", "abort_upload", "delete"})
_TRANSACTIONS = ("append", "set_meta", "execute", "execute_many")
_READS = ("meta", "query")
_CHANGES = ("link", "unlink", "replace", "mkdir", "fsync", "fdatasync", "ftruncate", "write", "pwrite")
_DISK_MODULES = (filesystem, _staging, _publish, _paths)


class Died(BaseException):
    """The process is dead."""


class Doom:
    """Counts boundaries and dies at number `at` (from 1); never where that is None.

    Attributes:
        count: boundaries passed so far.
        where: name of the boundary at which it died.
        sent: payload bytes that stores acknowledged, by key.
    """

    def __init__(self, at: int | None = None) -> None:
        self.count = 0
        self.where: str | None = None
        self.sent: dict[str, int] = {}
        self._at = at
        self._lock = threading.Lock()

    @property
    def dead(self) -> bool:
        """Whether it has died."""
        return self.where is not None

    def look(self) -> None:
        """Nothing goes on after death."""
        if self.where is not None:
            raise Died(self.where)

    def pass_by(self, name: str) -> None:
        """One boundary."""
        with self._lock:
            self.look()
            self.count += 1
            if self.count == self._at:
                self.where = name
                raise Died(name)

    def around(self, name: str, effect: Callable[..., Any], *args: Any, **named: Any) -> Any:
        """An effect with a boundary before it and one after it."""
        self.pass_by(f"before {name}")
        result = effect(*args, **named)
        self.pass_by(f"after {name}")
        return result

    def acknowledged(self, key: str, size: int) -> None:
        """Count payload that a store took."""
        with self._lock:
            self.sent[key] = self.sent.get(key, 0) + size

    def sent_bytes(self) -> int:
        """Payload bytes of data objects (not of our own records)."""
        return sum(size for key, size in self.sent.items() if "/.havre/" not in f"/{key}")

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch every ledger and every directory driver of this process meanwhile."""
        undo: list[Callable[[], None]] = []
        try:
            undo += [self._patch(Ledger, name, self._transaction) for name in _TRANSACTIONS]
            undo += [self._patch(Ledger, name, self._reading) for name in _READS]
            undo += [self._replace(module, "os", _MortalDisk(self)) for module in _DISK_MODULES]
            yield
        finally:
            for step in reversed(undo):
                step()

    def _patch(self, owner: Any, name: str, wrap: Callable[[str, Any], Any]) -> Callable[[], None]:
        return self._replace(owner, name, wrap(name, getattr(owner, name)))

    @staticmethod
    def _replace(owner: Any, name: str, value: Any) -> Callable[[], None]:
        original = getattr(owner, name)
        setattr(owner, name, value)
        return lambda: setattr(owner, name, original)

    def _transaction(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def method(ledger: Ledger, *args: Any, **named: Any) -> Any:
            return self.around(f"ledger {name}", original, ledger, *args, **named)

        return method

    def _reading(self, _name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def method(ledger: Ledger, *args: Any, **named: Any) -> Any:
            self.look()
            return original(ledger, *args, **named)

        return method


class _MortalDisk:
    """The `os` module as a dying process sees it."""

    def __init__(self, doom: Doom) -> None:
        self._doom = doom

    def __getattr__(self, name: str) -> Any:
        original = getattr(os, name)
        if name not in _CHANGES:
            return original

        def change(*args: Any, **named: Any) -> Any:
            # One boundary is enough: what lies after a change lies before the next one.
            self._doom.pass_by(f"disk {name}")
            return original(*args, **named)

        return change


class CrashLayer(Layer):
    """A driver in the hands of a process that may die; it lies under all other layers."""

    def __init__(self, inner: StoreDriver, doom: Doom) -> None:
        super().__init__(inner)
        self._doom = doom

    def _call(self, operation: str, method: Callable[..., Any], *args: Any, **named: Any) -> Any:
        if operation not in EFFECTS:
            self._doom.look()
            return method(*args, **named)

        def effect() -> Any:
            result = method(*args, **named)
            if operation in ("put", "put_part"):
                body = args[1] if operation == "put" else args[4]
                self._doom.acknowledged(args[0], len(body))
            return result

        return self._doom.around(operation, effect)

    def _stream(self, operation: str, method: Callable[..., Any], *args: Any) -> Any:
        del operation
        for item in method(*args):
            self._doom.look()
            yield item
