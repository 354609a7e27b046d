"""Which parts of a rewrapped object are sent and which the store copies from the object that stands there: arithmetic.

The first part holds the header and is always sent. Another part may be copied if its bytes are, at both ends, those of
a part on record: then its digest is known without reading it, and the copy is held against it when it is read back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from migrator.core.geometry import Geometry, PartSpan

__all__ = ["Piece", "Recorded", "lay_out"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A part on record of the object that stands there: its size, digest and nonce prefix."""

    size: int
    sha256: bytes
    nonce_prefix: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One part of the new object.

    Attributes:
        span: Where its bytes come from in the present object and go to in the new one.
        recorded: The part on record that it equals byte for byte, if there is one; never for the first.
        copied: The store copies it.
    """

    span: PartSpan
    recorded: Recorded | None
    copied: bool


def lay_out(geometry: Geometry, recorded: Sequence[Recorded], *, can_copy: bool) -> tuple[Piece, ...]:
    """The parts of the new object, in order.

    Args:
        geometry: The cut of the new object, in mode ``rewrap``: its source is the present object.
        recorded: Parts on record of the present object, in order; one for an object that was put at once.
        can_copy: Whether the store copies parts, and the bytes may stay as they are (no fresh data key).
    """
    starts: dict[int, Recorded] = {}
    at = 0
    for part in recorded:
        starts[at] = part
        at += part.size
    pieces = []
    for number in range(1, geometry.parts + 1):
        span = geometry.part(number)
        same = starts.get(span.source_start) if number > 1 else None
        if same is not None and not same.size == span.source_length == span.target_length:
            same = None
        pieces.append(Piece(span=span, recorded=same, copied=can_copy and same is not None))
    return tuple(pieces)
