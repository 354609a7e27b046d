"""One object that fits into one put: read, transform, put, read back. One worker does all of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from migrator.core.events import ObjectStored, ObjectVerified, PartStored, UploadOpened
from migrator.core.geometry import Geometry, cut
from migrator.core.modes import Level, Mode
from migrator.engine.codec import Codec, CopyCodec, DecryptCodec, EncryptCodec, RewrapCodec, sha256
from migrator.engine.context import Context
from migrator.engine.readback import Expected, check_single, level_for, look
from migrator.engine.settle import put_options, put_settled
from migrator.engine.sources import Declared, open_source_header, read_source
from migrator.envelope.arithmetic import header_length
from migrator.errors import IntegrityError
from migrator.ledger.rows import Row, attributes_digest, encode_attributes
from providers.model import NO_ATTRIBUTES, Attributes, Key

__all__ = ["Prepared", "carry_attributes", "prepare", "transfer_single"]


@dataclass(frozen=True, slots=True)
class Prepared:
    """An object's cut and codec."""

    geometry: Geometry
    codec: Codec


def prepare(
    context: Context, row: Row, start: memoryview | None = None, *, part_units: int | None = None
) -> Prepared:
    """Cut an object; reads a Crypt4GH source's header (from ``start`` if it is at hand).

    Raises:
        CapabilityMissing: The target cannot hold the object.
        EnvelopeError: The source's header cannot be opened.
    """
    units = part_units or context.settings.part_units
    limits = context.target.capabilities
    mode = context.mode
    if mode.opens:
        header = open_source_header(context, row, start)
        codec: Codec = (
            DecryptCodec(header) if mode is Mode.DECRYPT else RewrapCodec(header, context.recipients)
        )
        short = codec.short_header if isinstance(codec, RewrapCodec) else 0
        source_header = header.length
    else:
        source_header = 0
        if mode is Mode.ENCRYPT:
            codec = EncryptCodec(context.roots.data_key(row), context.recipients)
            short = header_length(len(context.recipients))
        else:
            codec, short = CopyCodec(), 0
    geometry = cut(
        mode,
        source_size=row.size,
        source_header=source_header,
        short_header=short,
        limits=limits,
        part_units=units,
    )
    return Prepared(geometry, codec)


def carry_attributes(context: Context, row: Row, found: Attributes | None) -> tuple[Attributes, bytes | None]:
    """What is written with the object, and what the ledger keeps for the metadata book."""
    attributes = found or NO_ATTRIBUTES
    if context.plan.tags:
        tags = context.source.read_tags(Key(row.key), version=row.source_pin.version)
        attributes = replace(attributes, tags=dict(tags) or None)
    kept = encode_attributes(attributes)
    if context.mode is Mode.ENCRYPT and not context.plan.clear_attributes:
        return NO_ATTRIBUTES, kept
    travelling, notes = context.fit.split(attributes)
    for note in notes:
        context.fit.note(row.row, note)
    return travelling, kept


def transfer_single(context: Context, row: Row, *, replacing: bool) -> str:
    """Move one object; returns its outcome, ``stored`` or ``verified``.

    ``replacing`` says that what stands at the target key, if anything, is an earlier attempt of ours.

    Raises:
        SourceDrift, TargetTaken, IntegrityError, StoreError, EnvelopeError: The object was not moved.
    """
    result = read_source(context, row)
    source = memoryview(result.data)
    if row.claims is not None or result.meta.claims:
        declared = Declared(*row.source_claims, *result.meta.claims)
        declared.update(source)
        declared.check()
    prepared = prepare(context, row, source if context.mode.opens else None)
    geometry, codec = prepared.geometry, prepared.codec
    key = context.target_key(row)
    attributes, kept = carry_attributes(context, row, result.meta.attributes)
    prefix = codec.prefix()
    if context.mode is Mode.COPY:
        body, plain_sha256 = source, sha256(source)
        body_sha256 = plain_sha256
    else:
        buffer = bytearray(geometry.target_size)
        body = memoryview(buffer)
        header = codec.header(padded=False)
        body[: len(header)] = header
        plain = codec.transform(prefix, 0, source[geometry.source_header :], body[len(header) :], last=True)
        plain_sha256 = sha256(plain)
        body_sha256 = sha256(body)
    options = put_options(context, row, attributes, replace=replacing)
    if context.plan.dataset_class.guarded and not context.target.capabilities.metadata:
        # Nothing at such a store says whose an object is, and the key that could tell may not be at hand when an
        # answer is lost: the digest is durable before the object can be seen.
        context.writer.commit(
            UploadOpened(row.row, options.attempt, 0, 0),
            PartStored(row.row, 1, len(body), body_sha256, prefix, None, None),
        )
    meta = put_settled(context, key, body, options, sha256=body_sha256)
    context.progress.add(sent=len(body))
    context.writer.post(
        ObjectStored(
            row=row.row,
            stored_size=len(body),
            plaintext_sha256=plain_sha256,
            ciphertext_sha256=body_sha256,
            nonce_prefix=prefix,
            target_etag=meta.etag,
            target_version=meta.version,
            attributes=attributes_digest(kept),
        ),
        attributes=kept,
    )
    expected = Expected(
        key=key,
        size=len(body),
        pin=replace(meta.pin, size=len(body)),
        plaintext_sha256=plain_sha256,
        ciphertext_sha256=body_sha256,
        nonce_prefix=prefix,
        row=row.row,
        attributes=attributes,
    )
    del source, body
    return verify_single(context, row, codec, geometry, expected)


def verify_single(context: Context, row: Row, codec: Codec, geometry: Geometry, expected: Expected) -> str:
    """Verify an object that was put at once, at the level the run asks for.

    Raises:
        IntegrityError: It is not what was sent.
    """
    level = level_for(context, row)
    if level is Level.NONE:
        return "stored"
    digest: bytes | None = None
    if level is Level.FULL:
        digest = check_single(context, codec, geometry.target_header, expected)
        if context.source.capabilities.pin == "weak":
            _reread(context, row, geometry, expected)
    else:
        look(context, expected, level)
    context.writer.post(
        ObjectVerified(row.row, str(level), digest if expected.plaintext_sha256 is None else None)
    )
    return "verified"


def _reread(context: Context, row: Row, geometry: Geometry, expected: Expected) -> None:
    # A file can change twice within one tick of its clock; only a second reading shows that the first was whole.
    again = memoryview(read_source(context, row).data)
    if context.mode.opens:
        prepared = prepare(context, row, again)
        scratch = memoryview(bytearray(geometry.target_size - geometry.target_header))
        again = prepared.codec.transform(None, 0, again[geometry.source_header :], scratch, last=True)
    if sha256(again) != expected.plaintext_sha256:
        raise IntegrityError("the source reads differently the second time: it changed while it was copied")
