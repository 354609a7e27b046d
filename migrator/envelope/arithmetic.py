"""Sizes and offsets of the format, as free functions. Bytes throughout.

Source: GA4GH *File Encryption Standard* (crypt4gh.tex), sections "Header" and "Encrypted Data"; the limit on
segments is this profile's, because the strict nonce leaves 47 bits for the index.
"""

from __future__ import annotations

from typing import Final

from migrator.envelope.errors import SegmentInvalid

__all__ = [
    "CIPHER_SEGMENT",
    "MAX_PLAIN",
    "MAX_SEGMENTS",
    "NONCE",
    "PACKET",
    "PADDED_HEADER",
    "PREAMBLE",
    "SEGMENT",
    "SEGMENT_OVERHEAD",
    "TAG",
    "body_length",
    "header_length",
    "plain_length",
    "segment_count",
    "segment_offset",
]

NONCE: Final = 12
TAG: Final = 16
SEGMENT: Final = 65_536
SEGMENT_OVERHEAD: Final = NONCE + TAG
CIPHER_SEGMENT: Final = SEGMENT + SEGMENT_OVERHEAD
PADDED_HEADER: Final = CIPHER_SEGMENT
"""A padded header is as long as one encrypted segment, so that all parts of an upload can be equal."""

PREAMBLE: Final = 16
"""Magic, version and packet count."""
PACKET: Final = 108
"""One X25519 packet that carries one data key: 4 + 4 + 32 + 12 + 40 + 16."""

MAX_SEGMENTS: Final = 1 << 47
MAX_PLAIN: Final = MAX_SEGMENTS * SEGMENT


def header_length(recipients: int) -> int:
    """Length of an unpadded header with one data key.

    Raises:
        ValueError: There is no recipient.
    """
    if recipients < 1:
        raise ValueError("a header has at least one recipient")
    return PREAMBLE + PACKET * recipients


def segment_count(plain: int) -> int:
    """How many segments hold this many plaintext bytes; none for an empty object.

    Raises:
        ValueError: The length is negative or beyond ``MAX_PLAIN``.
    """
    if not 0 <= plain <= MAX_PLAIN:
        raise ValueError(f"a plaintext has 0 to {MAX_PLAIN} bytes")
    return -(-plain // SEGMENT)


def body_length(plain: int) -> int:
    """Bytes that follow the header of an object with this many plaintext bytes.

    Raises:
        ValueError: The length is negative or beyond ``MAX_PLAIN``.
    """
    return plain + SEGMENT_OVERHEAD * segment_count(plain)


def plain_length(body: int) -> int:
    """Plaintext bytes in a body of this length: the inverse of ``body_length``.

    Raises:
        SegmentInvalid: No plaintext has a body of this length.
    """
    full, rest = divmod(body, CIPHER_SEGMENT)
    if body < 0 or 0 < rest <= SEGMENT_OVERHEAD or full + (rest > 0) > MAX_SEGMENTS:
        raise SegmentInvalid
    return full * SEGMENT + (rest - SEGMENT_OVERHEAD if rest else 0)


def segment_offset(header: int, index: int) -> int:
    """Where segment ``index`` starts in an object whose header has ``header`` bytes."""
    return header + index * CIPHER_SEGMENT
