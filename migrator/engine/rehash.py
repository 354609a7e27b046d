"""Hashing stored objects again, from nothing but a way to read them: as any reader would who has only digests."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import Final

from migrator.engine.codec import HEADER_PROBE, SourceHeader
from migrator.envelope.arithmetic import CIPHER_SEGMENT, plain_length
from migrator.envelope.errors import EnvelopeError, NoMatch
from migrator.envelope.keys import Identity
from migrator.errors import IntegrityError

__all__ = ["ReadSpan", "compare_pieces", "plain_digest"]

ReadSpan = Callable[[int, int], memoryview]
"""Reads ``length`` stored bytes from ``start``."""

_READ: Final = 8 * 1024 * 1024
_SEGMENTS: Final = 64


def compare_pieces(read: ReadSpan, size: int, pieces: Iterable[tuple[int, bytes]]) -> None:
    """Compare every stored byte with recorded digests; needs no key.

    Args:
        read: Reads stored bytes.
        size: Bytes of the object.
        pieces: Length and SHA-256 of each piece, in order.

    Raises:
        IntegrityError: A byte differs, or the pieces are not all of the object.
    """
    pieces = list(pieces)
    if sum(length for length, _ in pieces) != size:
        raise IntegrityError("the record does not cover every stored byte")
    start = 0
    for length, recorded in pieces:
        digest = hashlib.sha256()
        for at in range(start, start + length, _READ):
            digest.update(read(at, min(_READ, start + length - at)))
        if digest.digest() != recorded:
            raise IntegrityError("the stored bytes are not the bytes that were sent")
        start += length


def plain_digest(read: ReadSpan, size: int, identities: tuple[Identity, ...]) -> bytes:
    """The SHA-256 of an encrypted object's plain bytes, opened through its own header.

    Raises:
        NoMatch: No identity opens it.
        IntegrityError: It is not an object of ours, or damaged.
    """
    digest = hashlib.sha256()
    try:
        header = SourceHeader(read(0, min(size, HEADER_PROBE)), identities, size=size)
        plain_length(size - header.length)
        step = _SEGMENTS * CIPHER_SEGMENT
        for at in range(header.length, size, step):
            length = min(step, size - at)
            sealed = read(at, length)
            digest.update(
                header.open((at - header.length) // CIPHER_SEGMENT, sealed, last=at + length == size)
            )
    except NoMatch:
        raise
    except EnvelopeError as error:
        raise IntegrityError(error.message) from None
    return digest.digest()
