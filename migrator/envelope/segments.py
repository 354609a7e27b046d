"""Segments: 64 KiB of plaintext each, sealed with ChaCha20-Poly1305 into 12 + n + 16 bytes.

Owns the strict nonce: a 6-byte prefix drawn afresh for every attempt at a part, then the segment's index in
6 big-endian bytes whose top bit marks the last segment of the object. The nonce is authenticated with its
segment (another nonce breaks the tag), so a reader that checks it notices a segment that was swapped,
repeated, left out or added. Any Crypt4GH reader opens such segments, without that check.

Buffers belong to the caller; nothing here allocates in proportion to a part. PyCA releases the interpreter
lock while it works on a segment, so several threads may seal at once, each with its own buffers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from cryptography.exceptions import InvalidTag

from migrator.envelope.arithmetic import (
    CIPHER_SEGMENT,
    MAX_SEGMENTS,
    NONCE,
    SEGMENT,
    SEGMENT_OVERHEAD,
    body_length,
    plain_length,
    segment_count,
)
from migrator.envelope.errors import SegmentInvalid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

__all__ = ["LAST", "PREFIX", "Unsealed", "nonce_for", "open_foreign_into", "open_into", "seal_into"]

PREFIX: Final = 6
LAST: Final = 1 << 47
"""The top bit of the 6-byte index: this is the last segment of the object."""


class Unsealed(NamedTuple):
    """What ``open_into`` found.

    Attributes:
        written: Plaintext bytes now in the output buffer.
        prefixes: The nonce prefixes met, one entry for each run of equal ones, in order.
    """

    written: int
    prefixes: tuple[bytes, ...]


def nonce_for(prefix: bytes, index: int, *, last: bool) -> bytes:
    """Build the nonce of one segment.

    Raises:
        ValueError: The prefix is not 6 bytes, or the index has more than 47 bits.
    """
    if len(prefix) != PREFIX or not 0 <= index < MAX_SEGMENTS:
        raise ValueError("a nonce needs a prefix of 6 bytes and an index below 2**47")
    return prefix + (index | LAST if last else index).to_bytes(6, "big")


def seal_into(
    cipher: ChaCha20Poly1305,
    prefix: bytes,
    first_index: int,
    plain: memoryview,
    out: memoryview,
    *,
    last: bool,
) -> int:
    """Seal one part's plaintext into ``out``.

    Args:
        cipher: Holds the object's data key.
        prefix: 6 bytes, fresh for this attempt at this part: the same prefix, index and data key must never
            meet other bytes.
        first_index: Index in the object of the first segment here.
        plain: Bytes of the part. Only the object's last part may end inside a segment.
        out: At least ``body_length(len(plain))`` bytes; must not overlap ``plain``.
        last: The object ends with this part.

    Returns:
        Bytes written to ``out``.

    Raises:
        ValueError: A part that is not the last ends inside a segment, the last part of a non-empty object is
            empty, ``out`` is too small, or prefix or index are out of range.
    """
    size = len(plain)
    if not last and size % SEGMENT:
        raise ValueError("only the last part may end inside a segment")
    if last and size == 0 and first_index:
        raise ValueError("the last part holds at least one byte, for the mark of the last segment")
    sealed = body_length(size)
    if len(out) < sealed:
        raise ValueError("the output buffer is too small")
    position, index = 0, first_index
    for start in range(0, size, SEGMENT):
        piece = plain[start : start + SEGMENT]
        nonce = nonce_for(prefix, index, last=last and start + SEGMENT >= size)
        end = position + len(piece) + SEGMENT_OVERHEAD
        out[position : position + NONCE] = nonce
        cipher.encrypt_into(nonce, piece, None, out[position + NONCE : end])
        position, index = end, index + 1
    return sealed


def open_into(
    cipher: ChaCha20Poly1305,
    first_index: int,
    sealed: memoryview,
    out: memoryview,
    *,
    last: bool,
    prefix: bytes | None = None,
) -> Unsealed:
    """Open consecutive segments of one of our objects, checking that each stands where it was sealed.

    Args:
        cipher: Holds the object's data key.
        first_index: Index in the object of the first segment here.
        sealed: Whole segments; the last call of an object passes everything up to its end.
        out: At least ``plain_length(len(sealed))`` bytes; must not overlap ``sealed``. After an error its
            contents are not to be used.
        last: The object ends with ``sealed``. Without segments this is right only for an empty object, and
            then nothing is authenticated: that the object *was* empty is not established here.
        prefix: The prefix recorded for this part, if it is known; every segment must then carry it.

    Returns:
        The plaintext length and the prefixes met, for comparison with the record.

    Raises:
        SegmentInvalid: Anything at all is wrong with the segments.
        ValueError: ``out`` is too small or ``first_index`` out of range.
    """
    size = len(sealed)
    plain_size = plain_length(size)
    if (not last and size % CIPHER_SEGMENT) or (last and size == 0 and first_index):
        raise SegmentInvalid
    if len(out) < plain_size:
        raise ValueError("the output buffer is too small")
    if first_index < 0 or first_index + segment_count(plain_size) > MAX_SEGMENTS:
        # Beyond the limit an index would look like the mark of the last segment.
        raise ValueError("the index is out of range")
    position, index = 0, first_index
    runs: list[bytes] = [] if prefix is None else [prefix]
    for start in range(0, size, CIPHER_SEGMENT):
        end = min(start + CIPHER_SEGMENT, size)
        nonce = bytes(sealed[start : start + NONCE])
        expected = index | LAST if last and end == size else index
        if int.from_bytes(nonce[PREFIX:], "big") != expected:
            raise SegmentInvalid
        met = nonce[:PREFIX]
        if not runs or runs[-1] != met:
            if prefix is not None:
                raise SegmentInvalid
            runs.append(met)
        until = position + (end - start) - SEGMENT_OVERHEAD
        _open_segment(cipher, nonce, sealed[start + NONCE : end], out[position:until])
        position, index = until, index + 1
    return Unsealed(position, tuple(runs) if size else ())


def _open_segment(cipher: ChaCha20Poly1305, nonce: bytes, sealed: memoryview, out: memoryview) -> None:
    """Open one segment; leaves no unauthenticated byte behind when it fails."""
    try:
        cipher.decrypt_into(nonce, sealed, None, out)
    except InvalidTag:
        # The primitive decrypts before it compares the tag: what it wrote must not be seen by anyone.
        out[:] = bytes(len(out))
        raise SegmentInvalid from None


def open_foreign_into(ciphers: Sequence[ChaCha20Poly1305], sealed: memoryview, out: memoryview) -> int:
    """Open consecutive segments of a file that another Crypt4GH tool made.

    Only what the standard promises is checked: each segment is intact under one of the data keys. Order,
    completeness and the end of the file are *not*.

    Args:
        ciphers: One for each data key of the header, tried in turn, the one that worked last first.
        sealed: Whole segments; only the last of the file may be short.
        out: At least ``plain_length(len(sealed))`` bytes; must not overlap ``sealed``.

    Returns:
        Plaintext bytes written to ``out``.

    Raises:
        SegmentInvalid: No data key opens a segment, or the length is impossible.
        ValueError: There is no cipher, or ``out`` is too small.
    """
    size = len(sealed)
    if not ciphers or len(out) < plain_length(size):
        raise ValueError("there is no data key, or the output buffer is too small")
    order = list(ciphers)
    position = 0
    for start in range(0, size, CIPHER_SEGMENT):
        end = min(start + CIPHER_SEGMENT, size)
        nonce = bytes(sealed[start : start + NONCE])
        until = position + (end - start) - SEGMENT_OVERHEAD
        _open_with_any(order, nonce, sealed[start + NONCE : end], out[position:until])
        position = until
    return position


def _open_with_any(order: list[ChaCha20Poly1305], nonce: bytes, sealed: memoryview, out: memoryview) -> None:
    """Try each cipher and move the one that worked to the front."""
    for rank, cipher in enumerate(order):
        try:
            _open_segment(cipher, nonce, sealed, out)
        except SegmentInvalid:
            continue
        if rank:
            order.insert(0, order.pop(rank))
        return
    raise SegmentInvalid
