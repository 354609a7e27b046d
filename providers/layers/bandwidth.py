"""A shared budget of bytes per second, which the engine spends before a read or a put.

A token bucket that may go into debt: whoever spends waits until the debt of all before is paid, so that a
body larger than the bucket passes and the long-run rate holds.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock

__all__ = ["Bandwidth"]


class Bandwidth:
    """Bytes per second that all workers share.

    Args:
        rate: Bytes per second; None is no limit.
        burst: Seconds of unspent budget that may be saved up.
        clock: Monotonic seconds.
        sleep: Waits so many seconds; may return early (an event's ``wait``), which lets the spender go on.

    Raises:
        ValueError: The rate is not positive.
    """

    def __init__(
        self,
        rate: float | None,
        *,
        burst: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._lock = Lock()
        self._burst = burst
        self._clock = clock
        self._sleep = sleep
        self._rate: float | None = None
        self._saved = 0.0
        self._seen_at = clock()
        self.set_rate(rate)
        self._saved = 0.0 if rate is None else rate * burst

    @property
    def rate(self) -> float | None:
        """Bytes per second, or None."""
        return self._rate

    def set_rate(self, rate: float | None) -> None:
        """Change the rate from now on (a window opens or closes); savings are capped to the new burst.

        Raises:
            ValueError: The rate is not positive.
        """
        if rate is not None and not rate > 0:
            raise ValueError("a bandwidth is a positive number of bytes per second")
        with self._lock:
            self._refill()
            self._rate = rate
            if rate is not None:
                self._saved = min(self._saved, rate * self._burst)

    def spend(self, count: int) -> float:
        """Take ``count`` bytes from the budget and wait until they are paid for.

        Returns:
            The seconds that were waited for.
        """
        if self._rate is None:
            return 0.0
        with self._lock:
            self._refill()
            rate = self._rate
            self._saved -= count
            wait = 0.0 if self._saved >= 0 else -self._saved / rate
        if wait:
            self._sleep(wait)
        return wait

    def _refill(self) -> None:
        now = self._clock()
        if self._rate is not None:
            self._saved = min(self._rate * self._burst, self._saved + (now - self._seen_at) * self._rate)
        self._seen_at = now
