"""Which earlier wave a restore brings back, as its wave file says it."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import Any, Final

__all__ = ["Earlier", "read_earlier"]

_ID: Final = re.compile(r"[0-9a-f]{32}")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_MAX_NAME: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """The wave that is brought back, and the state of its ledger that this rests on.

    Attributes:
        wave: Its name.
        id: Its identity, 32 hexadecimal characters.
        batches: Batches of its ledger when the restore began.
        head: Head of the hash chain over them, hexadecimal.
    """

    wave: str
    id: str
    batches: int
    head: str

    def to_dict(self) -> dict[str, Any]:
        """As the wave file holds it."""
        return {item.name: getattr(self, item.name) for item in fields(self)}


def read_earlier(table: dict[str, Any]) -> Earlier:
    """The record of a wave file.

    Raises:
        ValueError: It is none; the message says why.
    """
    if table.keys() != {item.name for item in fields(Earlier)}:
        raise ValueError("restores has wave, id, batches and head, and nothing else")
    wave, batches = table["wave"], table["batches"]
    if not isinstance(wave, str) or not 0 < len(wave) <= _MAX_NAME:
        raise ValueError("restores.wave must be the name of a wave")
    if type(batches) is not int or batches < 1:
        raise ValueError("restores.batches must be a whole number")
    for name, shape in (("id", _ID), ("head", _DIGEST)):
        if not isinstance(table[name], str) or not shape.fullmatch(table[name]):
            raise ValueError(f"restores.{name} must be hexadecimal")
    return Earlier(**table)
