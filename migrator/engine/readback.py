"""Proving a stored object: read every byte back, open it, hash it, compare with what was recorded when it was sent.

Full verification of a sealed object compares the header's bytes, opens every segment strictly under the recorded
nonce prefix, and hashes the plain bytes in order. Where the plain digest is already known, equal plain bytes under
the same key and nonces mean equal stored bytes, so the stored bytes are not hashed a second time; where it is not
known (an object resumed half-way), each part's stored bytes must match the digest recorded when it was sent, and
then the plain digest of this pass is that of the bytes that were read from the source.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from migrator.core.geometry import Geometry, PartSpan
from migrator.core.modes import Level
from migrator.engine.codec import Codec
from migrator.engine.context import Context
from migrator.engine.ordered_hash import OrderedHash
from migrator.engine.rehash import compare_pieces
from migrator.engine.sources import Declared, Digest
from migrator.envelope.errors import SegmentInvalid
from migrator.errors import IntegrityError
from migrator.ledger.rows import PartRow, Row, UploadRow
from providers.errors import ConditionFailed, NotFound, RangeInvalid
from providers.model import NO_ATTRIBUTES, Attributes, Key, Pin, Span

__all__ = [
    "PIECE_UNITS",
    "Expected",
    "PartCheck",
    "check_ciphertext",
    "check_single",
    "level_for",
    "look",
    "plain_start",
]

PIECE_UNITS: Final = 128
"""Units that are read, transformed or opened at once: what bounds memory however large parts are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a stored object must be."""

    key: Key
    size: int
    pin: Pin
    plaintext_sha256: bytes | None
    ciphertext_sha256: bytes | None = None
    nonce_prefix: bytes | None = None
    header_sha256: bytes | None = None
    row: int = 0
    attributes: Attributes = NO_ATTRIBUTES
    """What was sent with the object ``row``; what a read no longer finds of it is noted."""


def level_for(context: Context, row: Row | int) -> Level:
    """The level this row is verified at: under ``sample`` a keyed digest of its number decides."""
    wanted = context.settings.verify
    if wanted is not Level.SAMPLE:
        return wanted
    number = row if isinstance(row, int) else row.row
    drawn = hmac.digest(context.sample_seed, number.to_bytes(8, "big"), hashlib.sha256)
    return Level.FULL if int.from_bytes(drawn[:8], "big") < context.settings.sample * 2**64 else Level.SIZE


def look(context: Context, expected: Expected, level: Level) -> None:
    """Verify without reading the bytes back: the size, and the store's own SHA-256 where the level asks for it.

    Raises:
        IntegrityError: The store describes another object.
    """
    try:
        found = context.target.head(expected.key, version=expected.pin.version)
    except NotFound:
        raise IntegrityError("the object is not at the target") from None
    if found.size != expected.size:
        raise IntegrityError(f"the store holds {found.size} bytes, {expected.size} were sent")
    if expected.pin.etag is not None and found.etag != expected.pin.etag:
        raise IntegrityError("the store holds another object than the one it acknowledged")
    if level is Level.STORE_CHECKSUM and expected.ciphertext_sha256 is not None:
        for claim in found.claims:
            if claim.algorithm == "sha256" and not hmac.compare_digest(
                claim.digest, expected.ciphertext_sha256
            ):
                raise IntegrityError("the store declares another SHA-256 than that of the bytes sent")


def read_stored(
    context: Context, expected: Expected, span: Span | None, into: memoryview | None = None
) -> memoryview:
    """Stored bytes of the acknowledged object.

    Raises:
        IntegrityError: It is gone, changed or shorter.
    """
    try:
        result = context.target.read(expected.key, span=span, pin=expected.pin, into=into)
    except NotFound:
        raise IntegrityError("the object is not at the target") from None
    except (ConditionFailed, RangeInvalid):
        raise IntegrityError("the store holds another object than the one it acknowledged") from None
    data = memoryview(result.data)
    context.progress.add(checked=len(data))
    if expected.attributes != NO_ATTRIBUTES and (span is None or span.start == 0):
        context.fit.compare(expected.row, expected.attributes, result.meta.attributes)
    return data


def check_single(context: Context, codec: Codec, header: int, expected: Expected) -> bytes:
    """Verify an object that was put at once in full; returns its plain digest.

    Raises:
        IntegrityError: A byte differs.
    """
    if expected.size == 0:
        look(context, expected, Level.SIZE)
        return hashlib.sha256().digest()
    stored = read_stored(context, expected, None)
    if len(stored) != expected.size:
        raise IntegrityError(f"the store holds {len(stored)} bytes, {expected.size} were sent")
    if hashlib.sha256(stored).digest() != expected.ciphertext_sha256:
        raise IntegrityError("the stored bytes are not the bytes that were sent")
    if header == 0 and expected.plaintext_sha256 == expected.ciphertext_sha256:
        return expected.plaintext_sha256
    digest = hashlib.sha256()
    for piece in _reopened(codec, expected.nonce_prefix, 0, stored[header:], last=True):
        digest.update(piece)
    plain = digest.digest()
    if expected.plaintext_sha256 is not None and plain != expected.plaintext_sha256:
        raise IntegrityError("the stored bytes open to something else than what was read")
    return plain


def check_ciphertext(context: Context, row: Row, upload: UploadRow | None, parts: list[PartRow]) -> None:
    """Compare every stored byte with the digests recorded when it was sent; needs no key.

    Raises:
        IntegrityError: A byte differs.
    """
    size = row.stored_size or 0
    expected = Expected(
        key=context.target_key(row), size=size, pin=row.target_pin, plaintext_sha256=row.plaintext_sha256
    )
    pieces = (
        [(size, row.ciphertext_sha256 or b"")]
        if upload is None
        else [(part.size, part.ciphertext_sha256) for part in parts]
    )
    look(context, expected, Level.SIZE)
    compare_pieces(
        lambda start, length: read_stored(context, expected, Span(start=start, length=length)), size, pieces
    )


def _reopened(
    codec: Codec, prefix: bytes | None, unit: int, stored: memoryview, *, last: bool
) -> Iterator[memoryview]:
    try:
        yield from codec.reopen(prefix, unit, stored, last=last)
    except SegmentInvalid as error:
        raise IntegrityError(error.message) from None


class PartCheck:
    """Verifies the parts of one object, from several workers at once."""

    def __init__(
        self,
        context: Context,
        codec: Codec,
        geometry: Geometry,
        expected: Expected,
        parts: dict[int, PartRow],
        also: Declared | None = None,
    ) -> None:
        self._context = context
        self._codec = codec
        self._geometry = geometry
        self._expected = expected
        self._parts = parts
        self._hash = OrderedHash(geometry.plain_size, also)
        # A sealed object whose plain digest is known needs no second hash of its stored bytes (module docstring).
        self._hash_stored = expected.plaintext_sha256 is None

    def check(self, span: PartSpan) -> None:
        """Verify one part.

        Raises:
            IntegrityError: A byte differs.
        """
        part = self._parts[span.number]
        stored_digest = hashlib.sha256()
        buffer, owner = self._context.buffers.take(min(span.target_length, self._piece(span)))
        try:
            # The first piece is read before this part's turn comes, so that the store's answers overlap.
            first = self._read(span, 0, buffer)
            pieces = self._opened(span, part, first, buffer, stored_digest)
            self._hash.update_all(plain_start(self._geometry, span.first_unit), pieces)
            if self._hash_stored and stored_digest.digest() != part.ciphertext_sha256:
                raise IntegrityError(
                    f"the stored bytes of part {span.number} are not the bytes that were sent"
                )
        except BaseException:
            self._hash.abandon()
            raise
        finally:
            self._context.buffers.give_back(buffer, owner)

    def _header(self, span: PartSpan) -> int:
        return self._geometry.target_header if span.number == 1 else 0

    def _piece(self, span: PartSpan) -> int:
        """Stored bytes that are read at once: a whole part, unless parts are large."""
        return self._header(span) + PIECE_UNITS * self._geometry.unit_out

    def _read(self, span: PartSpan, offset: int, buffer: memoryview) -> memoryview:
        step = self._piece(span) if offset == 0 else PIECE_UNITS * self._geometry.unit_out
        length = min(step, span.target_length - offset)
        return read_stored(
            self._context, self._expected, Span(start=span.target_start + offset, length=length), buffer
        )

    def _opened(
        self, span: PartSpan, part: PartRow, first: memoryview, buffer: memoryview, digest: Digest
    ) -> Iterator[memoryview]:
        """The part's plain bytes, read and opened piece by piece."""
        stored, offset, unit = first, 0, span.first_unit
        header = self._header(span)
        if header and hashlib.sha256(stored[:header]).digest() != self._expected.header_sha256:
            raise IntegrityError("the stored header is not the header that was sent")
        while True:
            if self._hash_stored:
                digest.update(stored)
            end = offset + len(stored)
            last = span.last and end == span.target_length
            yield from _reopened(self._codec, part.nonce_prefix, unit, stored[header:], last=last)
            unit += -(-(len(stored) - header) // self._geometry.unit_out)
            if end >= span.target_length:
                return
            offset, header = end, 0
            stored = self._read(span, offset, buffer)

    @property
    def ordered(self) -> OrderedHash:
        """The digest under way, to be abandoned if a part never comes."""
        return self._hash

    def result(self) -> bytes:
        """The plain digest, once every part is checked.

        Raises:
            IntegrityError: The object opens to something else than what was read.
        """
        digest = self._hash.result()
        if digest is None:
            raise IntegrityError("the object was not verified to its end")
        if self._expected.plaintext_sha256 is not None and digest != self._expected.plaintext_sha256:
            raise IntegrityError("the stored bytes open to something else than what was read")
        return digest


def plain_start(geometry: Geometry, unit: int) -> int:
    """Where a unit's plain bytes begin in the object's plain bytes (all units before it are whole)."""
    return unit * min(geometry.unit_in, geometry.unit_out, 65_536)
