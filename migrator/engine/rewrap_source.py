"""What a rewrap starts from: the object at the target, its old header opened, the cut and codec of the new one."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from migrator.core.geometry import Geometry, cut
from migrator.core.layout import Piece, Recorded, lay_out
from migrator.core.modes import Mode
from migrator.engine.codec import HEADER_PROBE, RewrapCodec, SourceHeader, sha256
from migrator.engine.context import Context
from migrator.engine.entropy import fresh
from migrator.engine.readers import ReaderSet
from migrator.engine.settle import same_object
from migrator.envelope.arithmetic import NONCE, PADDED_HEADER, header_length
from migrator.envelope.errors import HeaderTruncated
from migrator.envelope.header import build_header
from migrator.envelope.keys import Recipient
from migrator.envelope.segments import PREFIX, seal_into
from migrator.errors import CapabilityMissing, IntegrityError, MigrationError
from migrator.ledger.ledger import Ledger
from migrator.ledger.rows import Row
from providers.errors import NotFound
from providers.model import ObjectMeta, Span

__all__ = [
    "CarryCodec",
    "ChangedAtTarget",
    "KnownBytes",
    "RevokeCodec",
    "Work",
    "changed",
    "prepare_rewrap",
    "present",
    "same_as_recorded",
]

_LEAST_PADDING: Final = 84


class ChangedAtTarget(MigrationError):
    """What stands at the target is not what the ledger knows; it is left alone."""

    code = "changed-at-target"
    exit_code = 3


class CarryCodec(RewrapCodec):
    """New header, same segments, none of which is opened."""

    def transform(
        self, prefix: bytes | None, first_unit: int, source: memoryview, out: memoryview, *, last: bool
    ) -> memoryview:
        """Copy; ``prefix``, ``first_unit`` and ``last`` are of no matter."""
        del prefix, first_unit, last
        out[: len(source)] = source
        return source


class RevokeCodec(CarryCodec):
    """New header, new data key, every segment opened and sealed again."""

    def __init__(self, source: SourceHeader, recipients: tuple[Recipient, ...]) -> None:
        super().__init__(source, recipients)
        self._data_key = fresh(32)
        self._cipher = ChaCha20Poly1305(self._data_key)

    def header(self, padded: bool) -> bytes:  # noqa: FBT001 - two forms of one header
        """The fresh data key, sealed for the readers."""
        return build_header(
            self._data_key,
            self._recipients,
            writer_private=fresh(32),
            nonces=fresh(NONCE * len(self._recipients)),
            pad_to=PADDED_HEADER if padded else None,
            padding_entropy=fresh if padded else None,
        )

    def fresh_prefix(self) -> bytes:
        """Six random bytes for one attempt at one part."""
        return fresh(PREFIX)

    def transform(
        self, prefix: bytes | None, first_unit: int, source: memoryview, out: memoryview, *, last: bool
    ) -> memoryview:
        """Open under the old data key, seal under the new one; returns the plain bytes."""
        assert prefix is not None
        plain = self._source.open(first_unit, source, last=last)
        seal_into(self._cipher, prefix, first_unit, plain, out, last=last)
        return plain

    @property
    def short_header(self) -> int:
        """Bytes of an unpadded header: one data key, whatever the old one had."""
        return header_length(len(self._recipients))


class KnownBytes:
    """Holds the old object's bytes, as they are read in order, against the digests on record."""

    def __init__(self, recorded: Sequence[Recorded]) -> None:
        self._left = dict(_starts(recorded))
        self._part: Recorded | None = None
        self._begun = self._position = 0
        self._digest = hashlib.sha256()

    def feed(self, start: int, data: memoryview) -> None:
        """Take bytes that begin at ``start``; whole parts may be passed over, never the middle of one.

        Raises:
            IntegrityError: They are not the bytes that were sent.
        """
        at = 0
        while at < len(data):
            if self._part is None:
                self._part = self._left.pop(start + at, None)
                if self._part is None:
                    raise IntegrityError("the record does not cover every stored byte")
                self._begun, self._digest = start + at, hashlib.sha256()
                self._position = self._begun
            end = min(len(data), self._begun + self._part.size - start)
            self._digest.update(data[at:end])
            self._position += end - at
            at = end
            if self._position == self._begun + self._part.size:
                if self._digest.digest() != self._part.sha256:
                    raise IntegrityError("the stored bytes are not the bytes that were sent")
                self._part = None


def _starts(recorded: Sequence[Recorded]) -> list[tuple[int, Recorded]]:
    starts, at = [], 0
    for part in recorded:
        starts.append((at, part))
        at += part.size
    return starts


@dataclass(frozen=True, slots=True)
class Work:
    """What is known once the old header is open."""

    header: SourceHeader
    header_sha256: bytes
    codec: CarryCodec
    geometry: Geometry
    recorded: tuple[Recorded, ...]
    pieces: tuple[Piece, ...]

    @property
    def resumable(self) -> bool:
        """Whether a later run can go on with the parts of this one: it knows every byte of them but the header."""
        return not isinstance(self.codec, RevokeCodec) and all(
            piece.recorded is not None for piece in self.pieces[1:]
        )


def present(context: Context, row: Row) -> ObjectMeta | None:
    """What stands at the row's target key now, whatever version the ledger knows."""
    try:
        return context.target.head(context.target_key(row))
    except NotFound:
        return None


def same_as_recorded(context: Context, row: Row, found: ObjectMeta | None) -> bool:
    """Whether this is the object of the row's receipt."""
    if found is None:
        return False
    pin = row.target_pin
    known = ObjectMeta(
        key=context.target_key(row), size=row.stored_size or 0, etag=pin.etag, version=pin.version
    )
    return same_object(known, found)


def changed(now: ObjectMeta | None) -> ChangedAtTarget:
    """What to say of something else, or nothing, in the old object's place."""
    if now is None:
        return ChangedAtTarget("changed at target: nothing stands there any more")
    return ChangedAtTarget("changed at target: another object stands there; it was left alone")


def prepare_rewrap(
    context: Context, row: Row, to: ReaderSet, read: Callable[[Span], memoryview], *, revoke: bool
) -> Work:
    """Open the old header, through ``read``, and cut the new object.

    Raises:
        EnvelopeError: No identity opens the header.
        CapabilityMissing: The new object does not fit the store.
    """
    size = row.stored_size or 0
    header, digest = _open_header(context, read, size)
    upload, parts = context.writer.call(Ledger.upload_and_parts, row.row)
    codec = (RevokeCodec if revoke else CarryCodec)(header, to.recipients)
    if codec.short_header > PADDED_HEADER - _LEAST_PADDING:
        raise CapabilityMissing(
            "so many readers and data keys have no room in the header of an object in parts"
        )
    whole = row.ciphertext_sha256
    recorded = (
        tuple(Recorded(size=p.size, sha256=p.ciphertext_sha256, nonce_prefix=p.nonce_prefix) for p in parts)
        if whole is None
        else (Recorded(size=size, sha256=whole, nonce_prefix=row.nonce_prefix),)
    )
    limits = context.target.capabilities
    geometry = cut(
        Mode.REWRAP,
        source_size=size,
        source_header=header.length,
        short_header=codec.short_header,
        limits=limits,
        part_units=(upload.part_units if upload else 0) or context.settings.part_units,
    )
    pieces = lay_out(geometry, recorded, can_copy=limits.copy_parts and not revoke)
    return Work(header, digest, codec, geometry, recorded, pieces)


def _open_header(
    context: Context, read: Callable[[Span], memoryview], size: int
) -> tuple[SourceHeader, bytes]:
    wanted = min(size, HEADER_PROBE)
    while True:
        start = read(Span(start=0, length=wanted))
        try:
            header = SourceHeader(start, context.identities, size=size)
        except HeaderTruncated as truncated:
            if truncated.needed > size or wanted >= size:
                raise
            wanted = min(size, max(truncated.needed, 2 * wanted))
            continue
        context.opened_any = True
        return header, sha256(start[: header.length])
