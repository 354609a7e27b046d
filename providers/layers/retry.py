"""The one place that waits and tries again.

A first attempt is a plain call. Only when it fails in a way that may pass (``Retry.LATER``) is a ``tenacity``
loop built. What may be repeated depends on what a lost answer could mean:

=====================  ==============================================================================
operation              repeated after
=====================  ==============================================================================
reads, head, listings  every temporary error
put                    every temporary error, the bytes being the same
put, if absent or      only where the store said that nothing was written (throttled, checksum refused):
if match               after a lost answer the second try would find the first one's object, and only the
                       ledger knows whose it is
put_part, copy_part    every temporary error; the last acknowledged part of a number counts
open_upload            throttled only: a lost answer may have left an upload that nobody knows
complete_upload        throttled only: a lost answer is reconciled by looking at the object
delete, abort_upload   every temporary error; "not there" after a failed attempt means that it was done
=====================  ==============================================================================

A streaming operation that breaks is begun again and skips what it gave already, after checking that the last
item given stands where it stood; if it does not, the error is the caller's.
"""

# ruff: noqa: BLE001 - a layer sees every exception of the driver and hands on its translation

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from threading import Event
from typing import Any, Final, Never, TypeVar

import tenacity

from providers.driver import StoreDriver
from providers.errors import (
    ChecksumRefused,
    Exhausted,
    NotFound,
    Retry,
    StoreError,
    Throttled,
    Unexpected,
    UploadLost,
)
from providers.layers.base import Layer

__all__ = ["RetryLayer", "RetryPolicy"]

T = TypeVar("T")
_FENCED: Final = frozenset({"open_upload", "complete_upload"})
_MISSING: Final = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How long to go on.

    Attributes:
        attempts: Most attempts, the first included.
        first_delay: Seconds before the second attempt; doubled each time.
        jitter: Random seconds added to each delay, so that workers do not come back together.
        max_delay: Longest delay in seconds that we choose; a ``Retry-After`` may be longer.
        budget: Seconds after which no further attempt is begun.
    """

    attempts: int = 8
    first_delay: float = 0.5
    jitter: float = 1.0
    max_delay: float = 30.0
    budget: float = 180.0


class RetryLayer(Layer):
    """A driver that repeats what may be repeated.

    Args:
        inner: The driver to try.
        policy: How long to go on.
        stop: Set when the run is to end: no further attempt is begun, and a wait ends at once.
        sleep: Waits so many seconds; by default the stop event's ``wait``, or ``time.sleep``.
    """

    def __init__(
        self,
        inner: StoreDriver,
        policy: RetryPolicy,
        *,
        stop: Event | None = None,
        sleep: Callable[[float], object] | None = None,
    ) -> None:
        super().__init__(inner)
        self._policy = policy
        self._stop = stop
        self._sleep: Callable[[float], Any] = sleep or (stop.wait if stop is not None else time.sleep)

    def _call(self, operation: str, method: Callable[..., T], *args: Any, **named: Any) -> T:
        try:
            return method(*args, **named)
        except Exception as error:
            failure = self.translate(error)
            if not _repeatable(operation, args, failure):
                raise failure from (error.__cause__ if failure is error else error)
            failure.__cause__ = error.__cause__ if failure is error else error
        return self._again(operation, failure, args, partial(method, *args, **named))

    def _again(self, operation: str, first: StoreError, args: tuple[Any, ...], call: Callable[[], T]) -> T:
        failures = [first]

        def attempt() -> T:
            if failures:
                # The plain first attempt counts as tenacity's first, so waits and limits begin with it.
                raise failures.pop()
            try:
                return call()
            except Exception as error:
                failure = self.translate(error)
                if _done_before(operation, failure):
                    return None  # type: ignore[return-value]
                raise failure from (error.__cause__ if failure is error else error)

        retrying = tenacity.Retrying(
            sleep=self._sleep,
            stop=self._enough,
            wait=self._delay,
            retry=tenacity.retry_if_exception(
                lambda error: isinstance(error, StoreError) and _repeatable(operation, args, error)
            ),
            retry_error_callback=_exhausted,
        )
        return retrying(attempt)

    def _stream(self, operation: str, method: Callable[..., Iterator[T]], *args: Any) -> Iterator[T]:
        given = 0
        last: Any = _MISSING
        items: Iterator[T] | None = None
        item: Any
        while True:
            try:
                if items is None:
                    items = iter(method(*args))
                item = next(items, _MISSING)
            except Exception as error:
                failure = self.translate(error)
                if not _repeatable(operation, args, failure):
                    raise failure from (error.__cause__ if failure is error else error)
                failure.__cause__ = error.__cause__ if failure is error else error
                items, item = self._again(
                    operation, failure, args, partial(_resume, method, args, given, last)
                )
            if item is _MISSING:
                return
            given += 1
            last = item
            yield item

    def _delay(self, state: tenacity.RetryCallState) -> float:
        policy = self._policy
        own = tenacity.wait_exponential_jitter(
            multiplier=policy.first_delay, max=policy.max_delay, jitter=policy.jitter
        )(state)
        error = state.outcome.exception() if state.outcome is not None else None
        asked = error.retry_after if isinstance(error, StoreError) else None
        return own if asked is None else max(own, asked)

    def _enough(self, state: tenacity.RetryCallState) -> bool:
        if self._stop is not None and self._stop.is_set():
            return True
        passed = max(state.seconds_since_start or 0.0, state.idle_for)
        return (
            state.attempt_number >= self._policy.attempts
            or passed + state.upcoming_sleep > self._policy.budget
        )


def _repeatable(operation: str, args: tuple[Any, ...], error: StoreError) -> bool:
    """Whether another attempt cannot do harm and may help."""
    if error.retry is not Retry.LATER:
        return False
    if operation in _FENCED or (operation == "put" and (args[2].if_absent or args[2].if_match is not None)):
        nothing_done = (Throttled, ChecksumRefused) if operation == "put" else (Throttled,)
        return isinstance(error, nothing_done)
    return True


def _done_before(operation: str, error: StoreError) -> bool:
    """Whether "it is not there" is what a lost answer to an earlier attempt left behind."""
    return (operation == "delete" and isinstance(error, NotFound)) or (
        operation == "abort_upload" and isinstance(error, (NotFound, UploadLost))
    )


def _resume(
    method: Callable[..., Iterator[T]], args: tuple[Any, ...], given: int, last: Any
) -> tuple[Iterator[T], Any]:
    """A stream begun again behind the ``given`` items, and its next item (``_MISSING`` at the end)."""
    items = iter(method(*args))
    seen: Any = _MISSING
    for _ in range(given):
        seen = next(items, _MISSING)
    if given and seen != last:
        raise Unexpected("a listing that broke off cannot be taken up: the store has changed meanwhile")
    return items, next(items, _MISSING)


def _exhausted(state: tenacity.RetryCallState) -> Never:
    last = state.outcome.exception() if state.outcome is not None else None
    assert isinstance(last, StoreError)
    tries = "1 attempt" if state.attempt_number == 1 else f"{state.attempt_number} attempts"
    raise Exhausted(
        f"still failing after {tries}: {last.message}",
        operation=last.operation,
        location=last.location,
        status=last.status,
    ) from last
