"""Adaptive pacing: when a store says "slow down", everyone who talks to that endpoint does.

One ``AdaptiveLimiter`` is shared by all stores of an endpoint. It bounds the requests in flight by a number
that is halved when the store throttles (at most once per ``cut_interval``, so that one burst of 503 counts
once) and grows by one per round of successes: additive increase, multiplicative decrease, as TCP has it. A
``Retry-After`` is a pause for all.
"""

# ruff: noqa: BLE001 - a layer sees every exception of the driver and hands on its translation

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from threading import Condition, Lock
from typing import Any, TypeVar

from providers.driver import StoreDriver
from providers.errors import Throttled
from providers.layers.base import Layer

__all__ = ["AdaptiveLimiter", "LimitLayer"]

T = TypeVar("T")


class AdaptiveLimiter:
    """The number of requests that may be in flight to one endpoint.

    Args:
        ceiling: Most requests in flight; where the limiter starts.
        cut_interval: Seconds in which the limit is halved at most once.
        max_pause: Longest pause in seconds that a ``Retry-After`` may impose on everyone.
        clock: Monotonic seconds.
        sleep: Waits so many seconds; may return early (an event's ``wait``).
    """

    def __init__(
        self,
        ceiling: int,
        *,
        cut_interval: float = 1.0,
        max_pause: float = 300.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        if ceiling < 1:
            raise ValueError("a limiter lets at least one request through")
        self._ceiling = float(ceiling)
        self._limit = float(ceiling)
        self._in_flight = 0
        self._cut_interval = cut_interval
        self._max_pause = max_pause
        self._last_cut: float | None = None
        self._not_before: float | None = None
        self._clock = clock
        self._sleep = sleep
        self._lock = Lock()
        self._room = Condition(self._lock)
        self._waiting = 0

    @property
    def limit(self) -> int:
        """Requests that may be in flight now."""
        return int(self._limit)

    @property
    def in_flight(self) -> int:
        """Requests in flight."""
        return self._in_flight

    def acquire(self) -> None:
        """Wait for a pause to end and for room, then take a place."""
        if self._not_before is not None:
            self._rest()
        with self._lock:
            while self._in_flight + 1 > self._limit and self._in_flight:
                self._waiting += 1
                try:
                    self._room.wait()
                finally:
                    self._waiting -= 1
            self._in_flight += 1

    def release(self) -> None:
        """Give the place back after a request whose outcome says nothing about the pace."""
        with self._lock:
            self._leave()

    def succeeded(self) -> None:
        """Give the place back after a success; the limit grows by one per round of them."""
        with self._lock:
            if self._limit < self._ceiling:
                self._limit = min(self._ceiling, self._limit + 1.0 / self._limit)
            self._leave()

    def throttled(self, retry_after: float | None) -> None:
        """Give the place back after the store asked for a slower pace.

        Args:
            retry_after: Seconds that the store named, if it did: a pause for everyone.
        """
        with self._lock:
            now = self._clock()
            if self._last_cut is None or now - self._last_cut >= self._cut_interval:
                self._limit = max(1.0, self._limit / 2)
                self._last_cut = now
            if retry_after is not None and retry_after > 0:
                until = now + min(retry_after, self._max_pause)
                if self._not_before is None or until > self._not_before:
                    self._not_before = until
            self._leave()

    def _leave(self) -> None:
        self._in_flight -= 1
        if self._waiting:
            # Growth can make room for two; whoever finds none waits again.
            self._room.notify(2)

    def _rest(self) -> None:
        """Sleep through a pause, once: a pause that grew meanwhile is met by the retry of this request."""
        with self._lock:
            until = self._not_before
            left = 0.0 if until is None else until - self._clock()
            if left <= 0:
                self._not_before = None
        if left > 0:
            self._sleep(left)


class LimitLayer(Layer):
    """A driver whose requests take a place at a shared limiter."""

    def __init__(self, inner: StoreDriver, limiter: AdaptiveLimiter) -> None:
        super().__init__(inner)
        self._limiter = limiter

    def _call(self, operation: str, method: Callable[..., T], *args: Any, **named: Any) -> T:
        del operation
        result = self._placed(method, *args, **named)
        self._limiter.succeeded()
        return result

    def _stream(self, operation: str, method: Callable[..., Iterator[T]], *args: Any) -> Iterator[T]:
        del operation
        end: Any = object()
        items = self._placed(method, *args)
        self._limiter.release()
        while True:
            # A place is held while the store works, not while the caller thinks about an item; and an item is
            # no request, so it does not make the limit grow.
            item = self._placed(next, items, end)
            self._limiter.release()
            if item is end:
                return
            yield item

    def _placed(self, method: Callable[..., T], *args: Any, **named: Any) -> T:
        """Call with a place taken; after a success it is the caller's to give back."""
        limiter = self._limiter
        limiter.acquire()
        try:
            return method(*args, **named)
        except Exception as error:
            failure = self.translate(error)
            if isinstance(failure, Throttled):
                limiter.throttled(failure.retry_after)
            else:
                limiter.release()
            raise failure from (error.__cause__ if failure is error else error)
        except BaseException:
            limiter.release()
            raise
