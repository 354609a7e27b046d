"""What the kernel says of this machine's clock, and how far a store's is from it.

Source: adjtimex(2) of Linux; on other systems nothing is known, and that is what is recorded.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Final

__all__ = ["clock_state"]

_UNSYNCHRONISED: Final = 0x0040
_ROOM: Final = 512


class _Timex(ctypes.Structure):
    # The head of struct timex; the kernel writes more, for which room is left.
    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_char * _ROOM),
    )


def clock_state(skew: float) -> dict[str, object]:
    """The clock as it is now.

    Args:
        skew: The store's clock minus ours in seconds, 0 where it is not known.

    Returns:
        ``synchronised`` (None where the system does not say), ``max_error_us`` (microseconds, or None) and
        ``store_skew_ms`` (milliseconds).
    """
    synchronised: bool | None = None
    max_error: int | None = None
    if sys.platform == "linux":
        timex = _Timex()  # modes 0: only read
        if ctypes.CDLL(None).adjtimex(ctypes.byref(timex)) >= 0:
            synchronised = not timex.status & _UNSYNCHRONISED
            max_error = int(timex.maxerror)
    return {"synchronised": synchronised, "max_error_us": max_error, "store_skew_ms": round(skew * 1000)}
