"""The layer that counts: every request, its bytes, its time, its error.

It sits under the retries, so each attempt is seen once, and above the pacing, so the time of a request
includes what it waited for its turn. An observer is called on the worker's own thread and cannot disturb it:
whatever it raises is dropped.
"""

# ruff: noqa: BLE001 - a layer sees every exception of the driver and hands on its translation

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final, Protocol, TypeVar

from providers.driver import StoreDriver
from providers.errors import StoreError
from providers.layers.base import Layer
from providers.model import Buffer, ReadResult

__all__ = ["ObserveLayer", "Observer", "OperationCount", "RequestCounter"]

T = TypeVar("T")
_BODY: Final = {"put": 1, "put_part": 4}
"""Where the body stands among the positional arguments of an operation."""


class Observer(Protocol):
    """Told about every request, from many threads at once."""

    def on_request(
        self, operation: str, seconds: float, sent: int, received: int, error: StoreError | None
    ) -> None:
        """One request ended. ``sent`` and ``received`` are body bytes; ``error`` is None if it succeeded."""
        ...


@dataclass(slots=True)
class OperationCount:
    """Totals of one operation. ``seconds`` adds up over threads; ``sent`` and ``received`` are bytes."""

    requests: int = 0
    errors: int = 0
    seconds: float = 0.0
    sent: int = 0
    received: int = 0


class RequestCounter:
    """An observer that adds up; one lock, held for a few additions."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._totals: dict[str, OperationCount] = {}

    def on_request(
        self, operation: str, seconds: float, sent: int, received: int, error: StoreError | None
    ) -> None:
        """Add one request to the totals of its operation."""
        with self._lock:
            total = self._totals.get(operation)
            if total is None:
                total = self._totals[operation] = OperationCount()
            total.requests += 1
            total.seconds += seconds
            total.sent += sent
            total.received += received
            if error is not None:
                total.errors += 1

    def totals(self) -> dict[str, OperationCount]:
        """A copy of the totals by operation."""
        with self._lock:
            return {
                name: OperationCount(
                    requests=one.requests,
                    errors=one.errors,
                    seconds=one.seconds,
                    sent=one.sent,
                    received=one.received,
                )
                for name, one in self._totals.items()
            }


class ObserveLayer(Layer):
    """A driver whose every request is reported to an observer.

    A streaming operation (``list_extras``, ``list_parts``, ``list_uploads``) is one request, and its time is
    what the store took, not what the caller did between two items.
    """

    def __init__(
        self, inner: StoreDriver, observer: Observer, *, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        super().__init__(inner)
        self._observer = observer
        self._clock = clock

    def _call(self, operation: str, method: Callable[..., T], *args: Any, **named: Any) -> T:
        place = _BODY.get(operation)
        sent = 0 if place is None else _size(args[place])
        began = self._clock()
        try:
            result = method(*args, **named)
        except Exception as error:
            failure = self.translate(error)
            self._report(operation, self._clock() - began, sent, 0, failure)
            raise failure from (error.__cause__ if failure is error else error)
        received = _size(result.data) if isinstance(result, ReadResult) else 0
        self._report(operation, self._clock() - began, sent, received, None)
        return result

    def _stream(self, operation: str, method: Callable[..., Iterator[T]], *args: Any) -> Iterator[T]:
        seconds = 0.0
        failure: StoreError | None = None
        try:
            began = self._clock()
            items = iter(method(*args))
            while True:
                try:
                    item = next(items)
                except StopIteration:
                    seconds += self._clock() - began
                    return
                seconds += self._clock() - began
                yield item
                began = self._clock()
        except Exception as error:
            failure = self.translate(error)
            raise failure from (error.__cause__ if failure is error else error)
        finally:
            self._report(operation, seconds, 0, 0, failure)

    def _report(
        self, operation: str, seconds: float, sent: int, received: int, error: StoreError | None
    ) -> None:
        # best effort: a broken observer must not fail a transfer, and no result depends on it.
        with suppress(Exception):
            self._observer.on_request(operation, seconds, sent, received, error)


def _size(body: Buffer) -> int:
    return body.nbytes if isinstance(body, memoryview) else len(body)
