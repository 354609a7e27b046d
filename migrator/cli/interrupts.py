"""Ctrl-C once: finish what is in flight. Twice: now. A polite kill (SIGTERM) is like the first Ctrl-C."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Protocol, Self

from migrator.cli.exits import INTERRUPTED

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, TracebackType

__all__ = ["Interrupts"]

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class _Stoppable(Protocol):
    def request(self, reason: BaseException | None = None) -> None: ...


class Interrupts:
    """Turns signals into a request to stop, while it is entered.

    Args:
        stop: What is asked to stop.
        say: Tells the operator.
        leave: Ends the process at once, without cleaning up: the ledger stands this.
    """

    def __init__(
        self,
        stop: _Stoppable,
        say: Callable[[str], None],
        *,
        leave: Callable[[int], object] = os._exit,
    ) -> None:
        self._stop = stop
        self._say = say
        self._leave = leave
        self._before: dict[int, object] = {}
        self.received = 0

    def __enter__(self) -> Self:
        for number in _SIGNALS:
            self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type] # what signal() itself gave

    def _handle(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the handler's signature
        self.received += 1
        if self.received > 1:
            self._leave(INTERRUPTED)
            return
        self._stop.request()
        # best effort: the signal may come inside a write to the same stream, which cannot be entered twice
        with suppress(RuntimeError):
            self._say("finishing parts in flight; press Ctrl-C again to stop now")
