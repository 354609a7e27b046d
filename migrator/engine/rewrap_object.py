"""One object for other readers: a new header before the same segments, or new segments too, in the old one's place.

The object at the target is the source here. What is read of it is held against the digests on record, so that nothing
damaged is sent on; what the store copies by itself is held against them when it is read back. Nothing is replaced but
the object that the ledger knows: by a condition where the store has one, by a look just before where it has none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import Executor, wait
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from migrator.core.events import ObjectRewrapped, RewrapOpened, RewrapPartStored, RewrapStarted
from migrator.core.geometry import PartSpan
from migrator.core.layout import Piece
from migrator.core.stamp import is_stamp_name
from migrator.engine.codec import sha256
from migrator.engine.context import Context
from migrator.engine.readback import PIECE_UNITS
from migrator.engine.readers import ReaderSet
from migrator.engine.rewrap_source import (
    CarryCodec,
    ChangedAtTarget,
    KnownBytes,
    RevokeCodec,
    Work,
    changed,
    prepare_rewrap,
    present,
)
from migrator.engine.settle import (
    TargetTaken,
    complete_settled,
    discard_attempts,
    open_settled,
    put_options,
    put_settled,
    same_object,
)
from migrator.engine.sweep import clear_unanswered
from migrator.errors import IntegrityError
from migrator.ledger.ledger import Ledger
from migrator.ledger.rows import PartRow, RewrapRow, Row
from providers.errors import (
    ConditionFailed,
    NotFound,
    PermissionDenied,
    RangeInvalid,
    Unsupported,
    UploadLost,
)
from providers.model import (
    NO_ATTRIBUTES,
    Attributes,
    ETag,
    ObjectMeta,
    PartReceipt,
    PutOptions,
    Span,
    UploadId,
)

__all__ = ["ObjectRewrap"]

if TYPE_CHECKING:
    from migrator.engine.sources import Digest

_T = TypeVar("_T")


class ObjectRewrap:
    """The rewrap of one row, from its intent to its receipt. One worker does it; ``copiers`` copy parts meanwhile.

    Args:
        context: The run.
        row: The object; its receipt is what stands at the target.
        found: What a look at the target has just shown.
        to: The readers that it is to be for.
        revoke: Whether it gets a fresh data key.
        copiers: Runs copies within the store.
        pending: A rewrap of an earlier run that may go on, with its acknowledged parts.
    """

    def __init__(
        self,
        context: Context,
        row: Row,
        found: ObjectMeta,
        to: ReaderSet,
        *,
        revoke: bool,
        copiers: Executor,
        pending: tuple[RewrapRow, list[PartRow]] | None = None,
    ) -> None:
        self._context = context
        self._row = row
        self._found = found
        self._to = to
        self._revoke = revoke
        self._copiers = copiers
        self._pending = pending
        self._key = context.target_key(row)

    def run(self) -> None:
        """Do it; the receipt is durable on return.

        Raises:
            ChangedAtTarget: Somebody else has written there.
            IntegrityError: What stands there is not what was sent.
            EnvelopeError: No identity opens its header.
            CapabilityMissing: The new object does not fit the store.
            StoreError: The store refuses, or its trouble outlasts the retries.
        """
        work = prepare_rewrap(self._context, self._row, self._to, self._read, revoke=self._revoke)
        upload, parts, header_digest = self._taken_up(work)
        if upload is None:
            self._begin()
        options = put_options(self._context, self._row, self._attributes(), replace=True)
        if work.geometry.multipart:
            self._in_parts(work, options, upload, parts, header_digest)
        else:
            self._at_once(work, options)

    # -- before -----------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        """Make the next generation durable: from now on something of it may stand at the target."""
        context, number = self._context, self._row.row
        context.writer.commit(RewrapStarted(self._to.number, ((number, number),)))
        row = context.writer.call(Ledger.row, number)
        assert row is not None
        self._row, self._pending = row, None
        discard_attempts(context, row, row.generation - 1)

    def _taken_up(self, work: Work) -> tuple[UploadId | None, dict[int, PartRow], bytes | None]:
        """The upload of an earlier run with the parts that the store still holds, if it can go on."""
        if self._pending is None or not work.resumable or not work.geometry.multipart:
            return None, {}, None
        pending, parts = self._pending
        if pending.upload is None or pending.part_units != work.geometry.part_units:
            return None, {}, None
        upload = UploadId(pending.upload)
        try:
            held = {part.number: part.size for part in self._context.target.list_parts(self._key, upload)}
        except (UploadLost, NotFound):
            return None, {}, None
        kept = {part.number: part for part in parts if held.get(part.number) == part.size}
        return upload, kept, pending.header_sha256 if 1 in kept else None

    def _attributes(self) -> Attributes:
        """What surrounds the object stays: headers, metadata, tags; only the stamp is another."""
        found = self._found.attributes or NO_ATTRIBUTES
        metadata = {name: value for name, value in found.metadata.items() if not is_stamp_name(name)}
        tags = None
        if self._context.target.capabilities.tags:
            try:
                tags = dict(self._context.target.read_tags(self._key)) or None
            except (Unsupported, PermissionDenied):
                self._context.fit.note(self._row.row, "tags: they could not be read before the rewrap")
        return replace(found, metadata=metadata, tags=tags)

    # -- sending ----------------------------------------------------------------------------------------------------

    def _at_once(self, work: Work, options: PutOptions) -> None:
        context, geometry = self._context, work.geometry
        size = self._row.stored_size or 0
        old = self._read(Span(start=0, length=size))
        KnownBytes(work.recorded).feed(0, old)
        header = work.codec.header(padded=False)
        body = memoryview(bytearray(geometry.target_size))
        body[: len(header)] = header
        prefix = self._fresh_prefix(work.codec, self._row.nonce_prefix)
        plain = work.codec.transform(prefix, 0, old[geometry.source_header :], body[len(header) :], last=True)
        if self._revoke:
            self._check_plain(sha256(plain))
        digest, header_digest = sha256(body), sha256(header)
        # Durable before it can be seen: if the answer is lost, the stamp or the bytes tell whose it is, and this what.
        context.writer.commit(
            RewrapOpened(self._row.row, None, 0, self._revoke, work.header_sha256),
            RewrapPartStored(self._row.row, 1, len(body), digest, prefix, None, header_digest, False),
        )
        options = self._fence(options, can=context.target.capabilities.put_if_match)
        meta = self._settled(
            lambda: put_settled(context, self._key, body, options, sha256=digest, former=self._found)
        )
        context.progress.add(sent=len(body))
        self._record(work, meta, len(body), header_digest, digest, prefix)

    def _in_parts(
        self,
        work: Work,
        options: PutOptions,
        upload: UploadId | None,
        parts: dict[int, PartRow],
        header_digest: bytes | None,
    ) -> None:
        context, row = self._context, self._row
        if upload is None:
            upload = open_settled(
                context, self._key, options, lambda: clear_unanswered(context, row, self._key)
            )
            context.writer.commit(
                RewrapOpened(row.row, upload, work.geometry.part_units, self._revoke, work.header_sha256)
            )
        todo = [piece for piece in work.pieces if piece.span.number not in parts]
        copies = {piece: self._copiers.submit(self._copy, upload, piece) for piece in todo if piece.copied}
        known, plain = KnownBytes(work.recorded), hashlib.sha256()
        try:
            for piece in todo:
                if piece not in copies:
                    sent, header = self._send(work, upload, piece, known, plain)
                    parts[sent.number] = sent
                    header_digest = header or header_digest
            for piece, copy in copies.items():
                try:
                    parts[piece.span.number] = copy.result()
                except Unsupported:
                    # The store takes back what it is said to do: what it does not copy is sent.
                    parts[piece.span.number], _ = self._send(work, upload, piece, known, plain)
        finally:
            wait([copy for copy in copies.values() if not copy.cancel()])
        if self._revoke:
            self._check_plain(plain.digest())
        assert header_digest is not None
        self._complete(work, upload, parts, header_digest, options)

    def _copy(self, upload: UploadId, piece: Piece) -> PartRow:
        context, span, recorded = self._context, piece.span, piece.recorded
        assert recorded is not None
        receipt = self._held(
            lambda: context.target.copy_part(
                self._key,
                upload,
                span.number,
                span.target_start,
                self._key,
                Span(start=span.source_start, length=span.source_length),
                pin=self._found.pin,
                sha256=recorded.sha256,
            )
        )
        part = PartRow(span.number, span.target_length, recorded.sha256, recorded.nonce_prefix, receipt.etag)
        context.writer.post(RewrapPartStored(self._row.row, *part, None, True))
        return part

    def _send(
        self, work: Work, upload: UploadId, piece: Piece, known: KnownBytes, plain: Digest
    ) -> tuple[PartRow, bytes | None]:
        context, geometry, span = self._context, work.geometry, piece.span
        kept = piece.recorded or (work.recorded[0] if span.number == 1 or len(work.recorded) == 1 else None)
        prefix = self._fresh_prefix(work.codec, kept.nonce_prefix if kept else None)
        body, owner = context.buffers.take(span.target_length)
        try:
            header_digest, at = None, 0
            if span.number == 1:
                header = work.codec.header(padded=True)
                body[: len(header)] = header
                header_digest, at = sha256(header), len(header)
                # The old header is read again with its part, whose digest covers it.
                known.feed(0, self._read(Span(start=0, length=geometry.source_header)))
            for unit in range(span.first_unit, span.first_unit + span.units, PIECE_UNITS):
                at = self._fill(work, span, unit, prefix, body, at, known, plain)
            digest = sha256(body)
            receipt = context.target.put_part(
                self._key, upload, span.number, span.target_start, body, sha256=digest
            )
        finally:
            context.buffers.give_back(body, owner)
        context.progress.add(sent=span.target_length)
        part = PartRow(span.number, span.target_length, digest, prefix, receipt.etag)
        context.writer.post(RewrapPartStored(self._row.row, *part, header_digest, False))
        return part, header_digest

    def _fill(  # noqa: PLR0917 - one step of _send, with its buffers
        self,
        work: Work,
        span: PartSpan,
        unit: int,
        prefix: bytes | None,
        body: memoryview,
        at: int,
        known: KnownBytes,
        plain: Digest,
    ) -> int:
        geometry = work.geometry
        units = min(PIECE_UNITS, span.first_unit + span.units - unit)
        offset = (unit - span.first_unit) * geometry.unit_in
        length = min(units * geometry.unit_in, span.source_length - offset)
        start = span.source_start + offset
        old = self._read(Span(start=start, length=length))
        known.feed(start, old)
        last = span.last and unit + units == span.first_unit + span.units
        opened = work.codec.transform(prefix, unit, old, body[at : at + length], last=last)
        if self._revoke:
            plain.update(opened)
        return at + length

    def _complete(
        self,
        work: Work,
        upload: UploadId,
        parts: dict[int, PartRow],
        header_digest: bytes,
        options: PutOptions,
    ) -> None:
        context = self._context
        receipts = [
            PartReceipt(
                number=part.number,
                size=part.size,
                etag=ETag(part.etag) if part.etag is not None else None,
                sha256=part.ciphertext_sha256,
            )
            for _, part in sorted(parts.items())
        ]
        context.writer.commit()
        options = self._fence(options, can=context.target.capabilities.complete_if_match)
        meta = self._settled(
            lambda: complete_settled(context, self._key, upload, receipts, options, former=self._found)
        )
        self._record(work, meta, work.geometry.target_size, header_digest, None, None)

    # -- what both ways share -----------------------------------------------------------------------------------------

    def _fresh_prefix(self, codec: CarryCodec, kept: bytes | None) -> bytes | None:
        return codec.fresh_prefix() if isinstance(codec, RevokeCodec) else kept

    def _fence(self, options: PutOptions, *, can: bool) -> PutOptions:
        """The condition under which the old object may be replaced; a look comes before it in any case."""
        now = present(self._context, self._row)
        if now is None or not same_object(self._found, now):
            raise changed(now)
        return replace(options, if_match=self._found.etag) if can and self._found.etag else options

    def _settled(self, effect: Callable[[], ObjectMeta]) -> ObjectMeta:
        try:
            return effect()
        except TargetTaken:
            raise changed(present(self._context, self._row)) from None

    def _record(
        self,
        work: Work,
        meta: ObjectMeta,
        size: int,
        header_digest: bytes,
        digest: bytes | None,
        prefix: bytes | None,
    ) -> None:
        self._context.writer.commit(
            ObjectRewrapped(
                row=self._row.row,
                readers=self._to.number,
                revoked=self._revoke,
                header_before=work.header_sha256,
                header_after=header_digest,
                stored_size=size,
                ciphertext_sha256=digest,
                nonce_prefix=prefix,
                target_etag=meta.etag,
                target_version=meta.version,
                old_etag=self._row.target_etag,
                old_version=self._row.target_version,
            )
        )

    def _check_plain(self, digest: bytes) -> None:
        if self._row.plaintext_sha256 not in (None, digest):
            raise IntegrityError("the stored bytes open to something else than what was read")

    def _read(self, span: Span) -> memoryview:
        """Bytes of the object that the ledger knows."""
        if span.length == 0:
            return memoryview(b"")
        self._context.bandwidth.spend(span.length)
        data = memoryview(
            self._held(lambda: self._context.target.read(self._key, span=span, pin=self._found.pin)).data
        )
        self._context.progress.add(read=span.length)
        return data

    @staticmethod
    def _held(effect: Callable[[], _T]) -> _T:
        """What an effect gives that is pinned to the old object."""
        try:
            return effect()
        except NotFound:
            raise changed(None) from None
        except (ConditionFailed, RangeInvalid):
            raise ChangedAtTarget(
                "changed at target: another object stands there; it was left alone"
            ) from None
