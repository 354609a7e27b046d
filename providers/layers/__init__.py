"""Layers over a driver: retries, pacing, counting, write protection. Each is a driver that holds a driver."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event

from providers.driver import StoreDriver
from providers.layers.limit import AdaptiveLimiter, LimitLayer
from providers.layers.observe import ObserveLayer, Observer
from providers.layers.read_only import ReadOnlyLayer
from providers.layers.retry import RetryLayer, RetryPolicy

__all__ = ["open_layers"]


def open_layers(
    driver: StoreDriver,
    *,
    limiter: AdaptiveLimiter,
    observer: Observer | None = None,
    read_only: bool = False,
    retry_policy: RetryPolicy | None = None,
    stop: Event | None = None,
    sleep: Callable[[float], object] | None = None,
) -> StoreDriver:
    """A driver under all its layers: read-only over retry over observe over limit.

    The order matters: a place at the limiter is given back between attempts, and each attempt is counted.

    Args:
        driver: The bucket.
        limiter: The pace of the endpoint, shared by every store of it.
        observer: Told about every attempt.
        read_only: Refuse whatever writes (sources).
        retry_policy: How long to go on; None is the default policy.
        stop: Set when the run is to end: waits end and nothing is tried again.
        sleep: Waits between attempts; by default the stop event's ``wait``, or ``time.sleep``.
    """
    layered: StoreDriver = LimitLayer(driver, limiter)
    if observer is not None:
        layered = ObserveLayer(layered, observer)
    layered = RetryLayer(layered, retry_policy or RetryPolicy(), stop=stop, sleep=sleep)
    return ReadOnlyLayer(layered) if read_only else layered
