"""What an earlier run began and did not finish: look before doing anything twice.

``READY`` rows may or may not have been put; ``OPEN`` rows have an upload with acknowledged parts; ``STORED`` rows
only want verification; ``FAILED`` rows are tried again. Nothing at the target is replaced unless it is shown to be
an earlier attempt of this very row.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from migrator.core.events import ObjectRejected, ObjectStored, ObjectVerified
from migrator.core.modes import Level, Mode
from migrator.engine.codec import HEADER_PROBE, SourceHeader
from migrator.engine.context import Context
from migrator.engine.multipart import LargeTransfer
from migrator.engine.readback import PIECE_UNITS, Expected, check_ciphertext
from migrator.engine.settle import discard_attempts, holds
from migrator.engine.single import carry_attributes, prepare, verify_single
from migrator.engine.sources import head_source, read_source
from migrator.envelope.arithmetic import CIPHER_SEGMENT, SEGMENT, body_length, segment_count
from migrator.envelope.errors import EnvelopeError, SegmentInvalid
from migrator.envelope.header import MAX_HEADER
from migrator.envelope.segments import open_into
from migrator.errors import IntegrityError
from migrator.ledger.ledger import Ledger
from migrator.ledger.rows import PartRow, Row, UploadRow, attributes_digest
from providers.errors import NotFound, PermissionDenied, Retry, StoreError
from providers.model import ObjectMeta, Span

__all__ = ["existing", "is_earlier_attempt", "resume_open", "resume_stored", "same_content"]


def existing(context: Context, row: Row) -> ObjectMeta | None:
    """What stands at the row's target key, with its metadata; None if nothing does."""
    try:
        return context.target.head(context.target_key(row))
    except NotFound:
        return None


def resume_open(context: Context, row: Row) -> LargeTransfer | str | None:
    """Take up an open upload, or find the object done; None if it must begin again (no data key, say)."""
    upload, parts = context.writer.call(Ledger.upload_and_parts, row.row)
    if upload is None:
        return None
    if not upload.part_units or (context.mode is Mode.ENCRYPT and not context.roots.has(row.root)):
        return _stands_already(context, row, parts)
    prepared = prepare(context, row, part_units=upload.part_units)
    if prepared.geometry.part_units != upload.part_units:
        return None
    return LargeTransfer(
        context,
        row,
        prepared,
        replacing=_replaces(context, row),
        upload=upload.upload,
        parts=parts,
        header_sha256=upload.header_sha256,
    )


def _stands_already(context: Context, row: Row, parts: list[PartRow]) -> str | None:
    """Take an object whose last answer was lost for stored, if every byte of it is what the ledger announced.

    No key is needed for that: the digests were durable before the object could become visible.
    """
    found = existing(context, row)
    if found is None or not holds(context.target, found, [(p.size, p.ciphertext_sha256) for p in parts]):
        return None
    discard_attempts(
        context, row, row.generation
    )  # a death between its name and its clean-up leaves a file aside
    _, kept = carry_attributes(context, row, head_source(context, row).attributes)
    whole = parts[0] if len(parts) == 1 else None
    context.writer.post(
        ObjectStored(
            row.row,
            found.size,
            None,
            whole and whole.ciphertext_sha256,
            whole and whole.nonce_prefix,
            found.etag,
            found.version,
            attributes_digest(kept),
        ),
        attributes=kept,
    )
    if context.settings.verify is Level.NONE:
        return "stored"
    context.writer.post(ObjectVerified(row.row, str(Level.CIPHERTEXT), None))
    return "verified"


def _replaces(context: Context, row: Row) -> bool:
    """Whether an earlier generation of this row stands at the target, to be replaced when the upload completes."""
    if row.generation < 2:
        return False
    found = existing(context, row)
    return found is not None and is_earlier_attempt(context, row, found)


def resume_stored(context: Context, row: Row) -> LargeTransfer | str:
    """Verify what an earlier run stored; a transfer to be checked in parts, or the outcome."""
    if context.settings.verify is Level.NONE:
        return "stored"
    upload, parts = context.writer.call(Ledger.upload_and_parts, row.row)
    if context.writer.call(Ledger.was_rewrapped, row):
        return _prove_rewrapped(context, row, upload, parts)
    if context.mode is Mode.ENCRYPT and not context.roots.has(row.root):
        check_ciphertext(context, row, upload, parts)
        context.writer.post(ObjectVerified(row.row, str(Level.CIPHERTEXT), None))
        return "verified"
    if upload is None or not upload.part_units:
        prepared = prepare(context, row)
        expected = Expected(
            key=context.target_key(row),
            size=row.stored_size or 0,
            pin=row.target_pin,
            plaintext_sha256=row.plaintext_sha256,
            ciphertext_sha256=row.ciphertext_sha256,
            nonce_prefix=row.nonce_prefix,
        )
        return verify_single(context, row, prepared.codec, prepared.geometry, expected)
    prepared = prepare(context, row, part_units=upload.part_units)
    transfer = LargeTransfer(
        context,
        row,
        prepared,
        replacing=False,
        upload=upload.upload,
        parts=parts,
        header_sha256=upload.header_sha256,
    )
    pin = row.target_pin
    meta = ObjectMeta(
        key=context.target_key(row), size=row.stored_size or 0, etag=pin.etag, version=pin.version
    )
    transfer.begin_check(meta, row.plaintext_sha256)
    return transfer


def _prove_rewrapped(context: Context, row: Row, upload: UploadRow | None, parts: list[PartRow]) -> str:
    """Verify what a rewrap stored, and change nothing there: its source may be gone, so it may be all there is."""
    rewrap, _ = context.writer.call(Ledger.rewrapping, row.row)
    if rewrap is not None:
        context.trouble(row.row, "a rewrap of it was cut short; 'havre rewrap' carries on")
        return "stored"
    try:
        check_ciphertext(context, row, upload, parts)
    except IntegrityError as error:
        context.writer.commit(ObjectRejected(row.row, f"verification: {error.message}"))
        return "rejected"
    except StoreError as error:
        if not (error.retry is Retry.NEVER or isinstance(error, PermissionDenied)):
            raise
        context.trouble(row.row, f"{error.code}: {error.message}")
        return "stored"
    context.writer.post(ObjectVerified(row.row, str(Level.CIPHERTEXT), None))
    return "verified"


def is_earlier_attempt(context: Context, row: Row, found: ObjectMeta) -> bool:
    """Whether what stands at the target key was put there by this row, so that it may be replaced.

    A stamp says so where the store keeps metadata. Elsewhere the bytes must: under ``encrypt`` the first segment
    opens with a data key that only this wave can derive, otherwise the content is what this row would write.
    """
    if context.target.capabilities.metadata:
        return context.is_ours(row, found)
    if context.mode is Mode.ENCRYPT:
        return _opens_with_our_key(context, row, found)
    return same_content(context, row, found) is not None


def _opens_with_our_key(context: Context, row: Row, found: ObjectMeta) -> bool:
    prepared = prepare(context, row) if context.roots.has(row.root) else None
    if prepared is None or found.size != prepared.geometry.target_size:
        return False
    geometry = prepared.geometry
    if geometry.units == 0:
        return True  # nothing but a header: replacing it loses nothing
    length = min(CIPHER_SEGMENT, found.size - geometry.target_header)
    span = Span(start=geometry.target_header, length=length)
    stored = memoryview(context.target.read(context.target_key(row), span=span, pin=found.pin).data)
    scratch = memoryview(bytearray(SEGMENT))
    for generation in range(row.generation, 0, -1):
        cipher = ChaCha20Poly1305(context.roots.data_key(row, generation=generation))
        try:
            open_into(cipher, 0, stored, scratch, last=geometry.units == 1)
        except SegmentInvalid:
            continue
        return True
    return False


@dataclass(frozen=True, slots=True)
class SameContent:
    """What was read of an object that stands at the target already, and holds what it should."""

    plaintext_sha256: bytes
    ciphertext_sha256: bytes


def same_content(context: Context, row: Row, found: ObjectMeta) -> SameContent | None:
    """Digests of an unrecorded object at the target if it holds what this row would put there, else None.

    Both sides are read in full. Under ``encrypt`` that takes an identity that opens the object; without one the
    answer is None.
    """
    if context.mode is Mode.ENCRYPT:
        return _opens_to_source(context, row, found)
    prepared = prepare(context, row)
    geometry = prepared.geometry
    header = found.size - (geometry.target_size - geometry.target_header)
    if not 0 <= header <= (MAX_HEADER if geometry.target_header else 0):
        return None
    plain, stored = hashlib.sha256(), hashlib.sha256()
    if header:
        stored.update(_stored(context, row, found, 0, header))
    scratch = memoryview(bytearray(PIECE_UNITS * geometry.unit_out))
    for unit in range(0, geometry.units, PIECE_UNITS):
        units = min(PIECE_UNITS, geometry.units - unit)
        length = min(units * geometry.unit_in, geometry.payload - unit * geometry.unit_in)
        span = Span(start=geometry.source_header + unit * geometry.unit_in, length=length)
        source = memoryview(read_source(context, row, span).data)
        out = scratch[: length + units * (geometry.unit_out - geometry.unit_in)]
        plain.update(prepared.codec.transform(None, unit, source, out, last=unit + units == geometry.units))
        there = _stored(context, row, found, header + unit * geometry.unit_out, len(out))
        if there != out:
            return None
        stored.update(there)
    return SameContent(plain.digest(), stored.digest())


def _opens_to_source(context: Context, row: Row, found: ObjectMeta) -> SameContent | None:
    if not context.identities:
        return None
    plain, stored = hashlib.sha256(), hashlib.sha256()
    try:
        start = _stored(context, row, found, 0, min(found.size, HEADER_PROBE))
        header = SourceHeader(start, context.identities, size=found.size)
        if (row.size and not header.strict) or found.size - header.length != body_length(row.size):
            return None
        stored.update(start[: header.length])
        for unit in range(0, segment_count(row.size), PIECE_UNITS):
            length = min(PIECE_UNITS * SEGMENT, row.size - unit * SEGMENT)
            last = unit * SEGMENT + length == row.size
            at = header.length + unit * CIPHER_SEGMENT
            sealed = _stored(context, row, found, at, body_length(length))
            source = memoryview(read_source(context, row, Span(start=unit * SEGMENT, length=length)).data)
            if header.open(unit, sealed, last=last) != source:
                return None
            plain.update(source)
            stored.update(sealed)
    except EnvelopeError:
        return None
    return SameContent(plain.digest(), stored.digest())


def _stored(context: Context, row: Row, found: ObjectMeta, start: int, length: int) -> memoryview:
    span = Span(start=start, length=length)
    return memoryview(context.target.read(context.target_key(row), span=span, pin=found.pin).data)
