"""The stamp in a stored object's metadata: which wave, row and attempt wrote it.

The stamp settles a lost answer and lets a sweep know its own; it proves nothing (whoever writes to the target can
forge it), so verification never rests on it. ``attempt`` also names staging (block ids, temporary files).
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["STAMP_NAME", "Stamp", "attempt_token", "is_stamp_name", "stamp_in"]

STAMP_NAME: Final = "havrestamp"
"""Name of the user metadata. Letters alone: Azure takes no ``-``, Swift drops headers with ``_``, and its S3 front makes
``-`` of it. It was ``havre_stamp`` at first."""
_TOKEN_HEX: Final = 24


def is_stamp_name(name: str) -> bool:
    """Whether user metadata of this name is the stamp, as we write it, wrote it, or as a store spells it."""
    return name.lower().replace("_", "").replace("-", "") == STAMP_NAME


def stamp_in(metadata: Mapping[str, str]) -> str | None:
    """The stamp's text in an object's user metadata, under whichever spelling; None if there is none."""
    text = metadata.get(STAMP_NAME)
    if text is not None:
        return text
    return next((value for name, value in metadata.items() if is_stamp_name(name)), None)


def attempt_token(stamp_key: bytes, row: int, generation: int) -> str:
    """The attempt's token: 24 hexadecimal characters, the same whenever it is asked for again.

    The key (32 random bytes) rests in the ledger: without it a token says nothing of the row, so that keyed names
    do not give away the order in which the objects were listed.
    """
    message = b"havre-attempt-1" + row.to_bytes(8, "big") + generation.to_bytes(4, "big")
    keyed = _keyed(stamp_key).copy()
    keyed.update(message)
    return keyed.hexdigest()[:_TOKEN_HEX]


@cache
def _keyed(stamp_key: bytes) -> hmac.HMAC:
    # Copying a keyed state is cheaper than keying one for each object; a process works on one wave or two.
    return hmac.new(stamp_key, digestmod=hashlib.sha256)


@dataclass(frozen=True, slots=True)
class Stamp:
    """What the stamp says."""

    wave: str
    attempt: str

    def __str__(self) -> str:
        return f"{self.wave}.{self.attempt}"

    @classmethod
    def read(cls, text: str | None) -> Stamp | None:
        """The stamp in a metadata value, or None if it is not one."""
        if not text or len(text) > 128:
            return None
        wave, dot, attempt = text.partition(".")
        return cls(wave, attempt) if dot and wave and attempt else None
