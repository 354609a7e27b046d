"""Proving a rewrapped object: its header opens for the readers at hand, and every stored byte is what was sent."""

from __future__ import annotations

import hashlib

from migrator.core.modes import Level
from migrator.engine.codec import HEADER_PROBE, SourceHeader
from migrator.engine.context import Context
from migrator.engine.readback import Expected, level_for, look, read_stored
from migrator.engine.sources import Digest
from migrator.envelope.arithmetic import CIPHER_SEGMENT
from migrator.envelope.errors import EnvelopeError, NoMatch
from migrator.envelope.header import MAX_HEADER, parse_header
from migrator.envelope.keys import Identity, Recipient
from migrator.errors import IntegrityError
from migrator.ledger.ledger import Ledger
from migrator.ledger.rows import PartRow, Row
from providers.model import Span

__all__ = ["check_rewrapped"]

_STEP = 128 * CIPHER_SEGMENT


def check_rewrapped(context: Context, row: Row, readers: tuple[Recipient, ...]) -> tuple[Level, bytes | None]:
    """Verify what a rewrap stored; returns the level and, if it was opened, the digest of its plain bytes.

    Whatever the level, the header is read back and must open for each of ``readers`` whose private key is at hand.
    Segments are opened only if they were sealed anew: otherwise their bytes are those that were verified before.

    Raises:
        IntegrityError: It is not what was sent.
    """
    expected = Expected(
        key=context.target_key(row),
        size=row.stored_size or 0,
        pin=row.target_pin,
        plaintext_sha256=row.plaintext_sha256,
        ciphertext_sha256=row.ciphertext_sha256,
    )
    look(context, expected, Level.SIZE)
    revoked, digest = next(
        iter(
            context.writer.call(
                Ledger.all,
                "SELECT revoked, header_after FROM rewraps WHERE row=? ORDER BY id DESC LIMIT 1",
                (row.row,),
            )
        )
    )
    header = _open_header(context, expected, readers, digest)
    level = level_for(context, row)
    if level is not Level.FULL:
        look(context, expected, level)
        return level, None
    _, parts = context.writer.call(Ledger.upload_and_parts, row.row)
    pieces = parts if row.ciphertext_sha256 is None else [_whole(row)]
    plain = _read_back(context, expected, pieces, header if revoked else None)
    if plain is None:
        return Level.CIPHERTEXT, None
    if row.plaintext_sha256 not in (None, plain):
        raise IntegrityError("the stored bytes open to something else than what was read")
    return Level.FULL, plain


def _whole(row: Row) -> PartRow:
    return PartRow(1, row.stored_size or 0, row.ciphertext_sha256 or b"", row.nonce_prefix, None)


def _open_header(
    context: Context, expected: Expected, readers: tuple[Recipient, ...], digest: bytes
) -> SourceHeader | None:
    """The stored header, opened by each reader at hand; None if none of them is."""
    at_hand = [identity for identity in context.identities if identity.recipient() in readers]
    wanted = min(expected.size, HEADER_PROBE)
    start = read_stored(context, expected, Span(start=0, length=wanted))
    opened: SourceHeader | None = None
    for identity in at_hand:
        found = _opened(start, identity, expected.size)
        if opened is not None and found.data_keys != opened.data_keys:
            raise IntegrityError("the stored header gives its readers different data keys")
        opened = found
    length = opened.length if opened is not None else None
    if not _has_digest(start, length, digest):
        raise IntegrityError("the stored header is not the header that was sent")
    return opened


def _opened(start: memoryview, identity: Identity, size: int) -> SourceHeader:
    try:
        return SourceHeader(start, (identity,), size=size)
    except NoMatch:
        raise IntegrityError("the stored header does not open for one of its readers") from None
    except EnvelopeError as error:
        raise IntegrityError(error.message) from None


def _has_digest(start: memoryview, length: int | None, digest: bytes) -> bool:
    if length is None:
        try:
            length = parse_header(start).length
        except EnvelopeError:
            return False
    return length <= min(len(start), MAX_HEADER) and hashlib.sha256(start[:length]).digest() == digest


def _read_back(
    context: Context, expected: Expected, pieces: list[PartRow], header: SourceHeader | None
) -> bytes | None:
    """Compare every stored byte with the digests on record; the plain digest, if a header opens the segments."""
    size = expected.size
    if sum(piece.size for piece in pieces) != size:
        raise IntegrityError("the record does not cover every stored byte")
    plain, position = hashlib.sha256(), 0
    for piece in pieces:
        digest, end = hashlib.sha256(), position + piece.size
        at = position
        while at < end:
            # The header first, then whole segments: what is read can be opened as it is.
            ahead = header.length - at if header is not None and at < header.length else _STEP
            length = min(ahead, end - at)
            stored = read_stored(context, expected, Span(start=at, length=length))
            digest.update(stored)
            if header is not None and at >= header.length:
                unit, rest = divmod(at - header.length, CIPHER_SEGMENT)
                if rest:
                    raise IntegrityError("a part of the stored object does not begin where a segment begins")
                _open_into(header, unit, stored, plain, last=at + length == size)
            at += length
        if digest.digest() != piece.ciphertext_sha256:
            raise IntegrityError("the stored bytes are not the bytes that were sent")
        position = end
    return plain.digest() if header is not None else None


def _open_into(header: SourceHeader, unit: int, stored: memoryview, plain: Digest, *, last: bool) -> None:
    try:
        for opened in header.open_each(unit, stored, last=last):
            plain.update(opened)
    except EnvelopeError as error:
        raise IntegrityError(error.message) from None
