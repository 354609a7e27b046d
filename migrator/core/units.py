"""Sizes, speeds and daily time windows as people write them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Final

from migrator.errors import UsageError

__all__ = ["Window", "format_duration", "format_size", "parse_size", "parse_speed"]

_FACTORS: Final = {
    "": 1, "b": 1,
    "k": 1024, "kib": 1024, "kb": 1000,
    "m": 1024**2, "mib": 1024**2, "mb": 1000**2,
    "g": 1024**3, "gib": 1024**3, "gb": 1000**3,
    "t": 1024**4, "tib": 1024**4, "tb": 1000**4,
}  # fmt: skip
_SIZE: Final = re.compile(r"\s*([0-9]{1,15})(?:\.([0-9]{1,6}))?\s*([a-zA-Z]{0,3})\s*")
_DAY: Final = timedelta(days=1)


def parse_size(text: str) -> int:
    """Bytes from ``512``, ``16MiB``, ``1.5 GB``.

    Raises:
        UsageError: The text is not a size.
    """
    match = _SIZE.fullmatch(text)
    factor = _FACTORS.get(match[3].lower()) if match else None
    if match is None or factor is None:
        raise UsageError(f"{text!r} is not a size", hint="write a number and a unit, such as 200MiB or 1.5GB")
    # Whole numbers throughout: as floating point 1.001kB would be 1000 bytes.
    fraction = match[2] or ""
    scale: int = 10 ** len(fraction)
    return int(match[1] + fraction) * factor // scale


def parse_speed(text: str) -> int:
    """Bytes per second from ``200MiB/s`` (the ``/s`` may be left out).

    Raises:
        UsageError: The text is not a speed above zero.
    """
    try:
        speed = parse_size(text.strip().removesuffix("/s"))
    except UsageError:
        speed = 0
    if speed <= 0:
        raise UsageError(f"{text!r} is not a speed", hint="write it as 200MiB/s")
    return speed


def format_size(size: float) -> str:
    """A size for people, in binary units: ``1.5 GiB``."""
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if size < 1024 or unit == "TiB":
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    raise AssertionError


def format_duration(seconds: float) -> str:
    """A duration for people: ``42s``, ``3m10s``, ``5h02m``."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"


@dataclass(frozen=True, slots=True)
class Window:
    """A daily window in local time, from ``start`` up to ``end``; it may pass midnight."""

    start: time
    end: time

    @classmethod
    def parse(cls, text: str) -> Window:
        """A window from ``20:00-06:00``.

        Raises:
            UsageError: The text is not a window, or it is empty.
        """
        match = re.fullmatch(r"\s*([0-9]{1,2}):([0-9]{2})\s*-\s*([0-9]{1,2}):([0-9]{2})\s*", text)
        try:
            if match is None:
                raise ValueError(text)
            start = time(int(match[1]), int(match[2]))
            midnight = match[3] == "24" and match[4] == "00"
            end = time(0) if midnight else time(int(match[3]), int(match[4]))
        except ValueError:
            raise UsageError(
                f"{text!r} is not a time window", hint="write it as 20:00-06:00, local time"
            ) from None
        if start == end:
            raise UsageError("a time window must not be empty", hint="leave --window out to run all day")
        return cls(start, end)

    def is_open(self, now: datetime) -> bool:
        """Whether ``now`` (local time) lies within."""
        at = now.time()
        if self.start < self.end:
            return self.start <= at < self.end
        return at >= self.start or at < self.end

    def seconds_until_open(self, now: datetime) -> float:
        """Seconds from ``now`` until the window opens; 0 if it is open."""
        if self.is_open(now):
            return 0.0
        opens = now.replace(
            hour=self.start.hour, minute=self.start.minute, second=0, microsecond=0, tzinfo=now.tzinfo
        )
        if opens <= now:
            opens += _DAY
        return (opens - now).total_seconds()

    def __str__(self) -> str:
        return f"{self.start:%H:%M}-{self.end:%H:%M}"
