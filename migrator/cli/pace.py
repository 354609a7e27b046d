"""How fast a run goes and how long it has left. Pure: the clock is an argument."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from migrator.core.units import format_duration, format_size

if TYPE_CHECKING:
    from migrator.engine.progress import Snapshot

__all__ = ["Rate", "Reading", "describe_reading"]

_ENOUGH: Final = 2


class Rate:
    """Bytes per second over a sliding window.

    Args:
        window: Seconds that are looked back on.
    """

    def __init__(self, window: float = 20.0) -> None:
        self._window = window
        self._points: deque[tuple[float, int]] = deque()

    def add(self, now: float, amount: int) -> None:
        """Note that ``amount`` bytes had moved at ``now`` seconds."""
        if self._points and amount < self._points[-1][1]:
            self._points.clear()  # another phase counts from zero
        self._points.append((now, amount))
        while len(self._points) > _ENOUGH and self._points[1][0] <= now - self._window:
            self._points.popleft()

    def per_second(self) -> float | None:
        """The rate, or None while there is too little to tell."""
        if len(self._points) < _ENOUGH:
            return None
        (start, before), (end, after) = self._points[0], self._points[-1]
        return (after - before) / (end - start) if end > start else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a display shows at one moment. Sizes are bytes, times seconds."""

    phase: str
    note: str | None
    listed: int
    objects: int
    total_objects: int
    moved: int
    total_bytes: int
    rate: float | None
    left: float | None
    outcomes: dict[str, int]
    retried: int

    @classmethod
    def of(cls, snapshot: Snapshot, *, moved: int, rate: float | None, retried: int) -> Reading:
        """A reading of counters.

        Args:
            snapshot: The counters.
            moved: Bytes of the wave that are through, those of unfinished objects included.
            rate: Bytes of the wave per second.
            retried: Requests that were sent again.
        """
        total = snapshot.total_bytes
        # Whole objects are certain. What flows may count a second attempt too, so it never completes the bar.
        ceiling = total if snapshot.done_objects >= snapshot.total_objects else total - 1
        moved = max(snapshot.done_bytes, min(moved, ceiling))
        return cls(
            phase=snapshot.phase,
            note=snapshot.note,
            listed=snapshot.listed,
            objects=snapshot.done_objects,
            total_objects=snapshot.total_objects,
            moved=moved,
            total_bytes=total,
            rate=rate,
            left=(total - moved) / rate if rate and total > moved else None,
            outcomes=snapshot.outcomes,
            retried=retried,
        )


def describe_reading(reading: Reading) -> str:
    """One line for a log: ``transfer: 12 of 40 objects, 1.0 GiB of 3.2 GiB, 80.1 MiB/s, about 28s left``."""
    if not reading.total_objects:
        pieces = [f"{reading.listed:,} objects listed"] if reading.listed else []
    else:
        pieces = [
            f"{reading.objects:,} of {reading.total_objects:,} objects",
            f"{format_size(reading.moved)} of {format_size(reading.total_bytes)}",
        ]
        if reading.rate is not None:
            pieces.append(f"{format_size(reading.rate)}/s")
        if reading.left is not None:
            pieces.append(f"about {format_duration(reading.left)} left")
    pieces += [
        f"{count:,} {word}" for word, count in sorted(reading.outcomes.items()) if word in _TOLD and count
    ]
    if reading.retried:
        pieces.append(f"{reading.retried:,} requests retried")
    line = f"{reading.phase}: {', '.join(pieces)}" if pieces else reading.phase
    return f"{line}; {reading.note}" if reading.note else line


_TOLD: Final = frozenset({"skipped", "drifted", "rejected", "failed"})
"""Outcomes worth a word while a run goes on; the usual one is told by the count of objects."""
