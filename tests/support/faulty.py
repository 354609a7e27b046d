"""A driver layer that fails where the test says: scripted per operation, never at random.

Faults are queued on a `Faults` script and act in order of queueing; each says on which operation and calls it
acts and how often. `verify_all_fired` tells whether each took effect.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from providers.driver import StoreDriver
from providers.errors import StoreError
from providers.layers.base import Layer
from providers.model import ReadResult

__all__ = ["Faults", "FaultyLayer", "flipped"]

Wants = Callable[[tuple[Any, ...], dict[str, Any]], bool]


@dataclass(kw_only=True)
class _Fault:
    operation: str
    action: Callable[[Callable[[], Any]], Any]
    times: int | None
    skip: int
    wants: Wants
    fired: int = 0

    def claims(self, operation: str, args: tuple[Any, ...], named: dict[str, Any]) -> bool:
        if operation != self.operation or (self.times is not None and self.fired >= self.times):
            return False
        if not self.wants(args, named):
            return False
        if self.skip:
            self.skip -= 1
            return False
        self.fired += 1
        return True


class Faults:
    """The queued faults of one store. Thread-safe.

    Attributes:
        calls: operation and key of every call so far.
        payload: sizes of the bodies that were taken, those of our own records left out.
    """

    def __init__(self) -> None:
        self._faults: list[_Fault] = []
        self._lock = threading.Lock()
        self.calls: list[tuple[str, str]] = []
        self.payload: list[int] = []

    # -- the script ------------------------------------------------------------------------------

    def fail(self, operation: str, error: Callable[[], StoreError], **how: Any) -> None:
        """Raise instead of doing it."""

        def action(_effect: Callable[[], Any]) -> Any:
            raise error()

        self.queue(operation, action, **how)

    def lose(self, operation: str, error: Callable[[], StoreError], **how: Any) -> None:
        """Do it, and raise as if the answer had been lost."""

        def action(effect: Callable[[], Any]) -> Any:
            effect()
            raise error()

        self.queue(operation, action, **how)

    def before(self, operation: str, hook: Callable[[], Any], **how: Any) -> None:
        """Let the world change just before it."""

        def action(effect: Callable[[], Any]) -> Any:
            hook()
            return effect()

        self.queue(operation, action, **how)

    def after(self, operation: str, hook: Callable[[], Any], **how: Any) -> None:
        """Let the world change just after it, before the answer arrives."""

        def action(effect: Callable[[], Any]) -> Any:
            result = effect()
            hook()
            return result

        self.queue(operation, action, **how)

    def corrupt(self, **how: Any) -> None:
        """Flip a byte of what a read gives."""

        def action(effect: Callable[[], Any]) -> Any:
            result: ReadResult = effect()
            return replace(result, data=flipped(bytes(result.data)))

        self.queue("read", action, **how)

    def queue(
        self,
        operation: str,
        action: Callable[[Callable[[], Any]], Any],
        *,
        times: int | None = 1,
        skip: int = 0,
        wants: Wants = lambda _args, _named: True,
    ) -> None:
        """Add a fault: what happens, how often (None: always), after how many calls, on which."""
        with self._lock:
            self._faults.append(
                _Fault(operation=operation, action=action, times=times, skip=skip, wants=wants)
            )

    def clear(self) -> None:
        """The trouble is over."""
        with self._lock:
            self._faults.clear()

    def verify_all_fired(self) -> None:
        """Check that every fault took effect as often as was asked (without a number: once)."""
        due = [
            f"{fault.operation}: fired {fault.fired}"
            for fault in self._faults
            if fault.fired < (1 if fault.times is None else fault.times)
        ]
        assert not due, f"faults that did not fire: {due}"

    def count(self, operation: str, *, own: bool = False) -> int:
        """Calls of an operation so far, those on our own records left out unless asked for."""
        with self._lock:
            return sum(
                name == operation and (own or not key.startswith(".havre/")) for name, key in self.calls
            )

    # -- the layer asks --------------------------------------------------------------------------

    def run(
        self, operation: str, effect: Callable[[], Any], args: tuple[Any, ...], named: dict[str, Any]
    ) -> Any:
        """Do one operation, under the first fault that claims it."""
        with self._lock:
            key = str(args[0]) if args else ""
            self.calls.append((operation, key))
            fault = next((each for each in self._faults if each.claims(operation, args, named)), None)
        result = effect() if fault is None else fault.action(effect)
        if operation in ("put", "put_part") and not key.startswith(".havre/"):
            with self._lock:
                self.payload.append(len(args[1] if operation == "put" else args[4]))
        return result


class FaultyLayer(Layer):
    """A driver under a script of faults."""

    def __init__(self, inner: StoreDriver, faults: Faults) -> None:
        super().__init__(inner)
        self._faults = faults

    def _call(self, operation: str, method: Callable[..., Any], *args: Any, **named: Any) -> Any:
        return self._faults.run(operation, lambda: method(*args, **named), args, named)

    def _stream(self, operation: str, method: Callable[..., Any], *args: Any) -> Iterator[Any]:
        yield from self._faults.run(operation, lambda: list(method(*args)), args, {})


def flipped(data: bytes) -> bytes:
    """The same bytes with one bit changed in the middle."""
    at = len(data) // 2
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
