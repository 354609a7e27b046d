"""One object in parts: opened, sent by several workers at once, completed, read back by several workers at once.

``LargeTransfer`` hands out its next piece of work and is told when a piece is done; the dispatcher owns the workers.
Phases follow one another: ``send`` every part that is not acknowledged yet, ``complete``, ``check`` every part.
Every part's receipt is durable before the upload is completed, so that a lost answer to the completion can be
settled by the next run.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from dataclasses import replace

from migrator.core.events import (
    ObjectStored,
    ObjectVerified,
    PartStored,
    UploadForgotten,
    UploadOpened,
)
from migrator.core.geometry import Geometry, PartSpan
from migrator.core.modes import Level, Mode
from migrator.engine.codec import Codec, sha256
from migrator.engine.context import Context
from migrator.engine.ordered_hash import OrderedHash
from migrator.engine.readback import PIECE_UNITS, Expected, PartCheck, level_for, look, plain_start
from migrator.engine.settings import SPOOL_ABOVE
from migrator.engine.settle import complete_settled, open_settled, put_options
from migrator.engine.single import Prepared, carry_attributes
from migrator.engine.sources import Declared, head_source, read_source
from migrator.engine.sweep import clear_unanswered
from migrator.errors import IntegrityError
from migrator.ledger.rows import PartRow, Row, attributes_digest
from providers.errors import NotFound, StoreError, UploadLost
from providers.model import Attributes, Claim, ETag, Key, ObjectMeta, PartReceipt, Span, UploadId

__all__ = ["LargeTransfer"]


class LargeTransfer:
    """The state of one object that goes up in parts. Thread-safe.

    Args:
        context: The run.
        row: The object, its current generation durable.
        prepared: Its cut and codec.
        replacing: What stands at the target key, if anything, is an earlier attempt of ours.
        upload: The upload of an earlier run that goes on, if there is one.
        parts: Its acknowledged parts.
        header_sha256: Digest of the header inside an acknowledged first part.
    """

    def __init__(
        self,
        context: Context,
        row: Row,
        prepared: Prepared,
        *,
        replacing: bool,
        upload: str | None = None,
        parts: list[PartRow] | None = None,
        header_sha256: bytes | None = None,
    ) -> None:
        self.context = context
        self.row = row
        self.geometry: Geometry = prepared.geometry
        self.codec: Codec = prepared.codec
        self.key: Key = context.target_key(row)
        self._replacing = replacing
        self._upload = upload
        self._parts: dict[int, PartRow] = {part.number: part for part in parts or ()}
        self._header_sha256 = header_sha256
        self._sent_before: frozenset[int] = frozenset()
        self._hash: OrderedHash | None = None if self._parts else OrderedHash(self.geometry.plain_size)
        self._options = put_options(context, row, Attributes(), replace=replacing)
        self._kept: bytes | None = None
        self._claims: tuple[Claim, ...] = ()
        self._declared: Declared | None = None
        self._check: PartCheck | None = None
        self._lock = threading.Lock()
        self._todo: list[int] = []
        self._in_flight = 0
        self._phase = "open"
        self._error: BaseException | None = None
        self.outcome: str | None = None

    # -- what the dispatcher asks ---------------------------------------------------------------------------------

    @property
    def finished(self) -> bool:
        """Whether nothing is left to hand out and nothing is in flight."""
        with self._lock:
            return self._phase in ("done", "failed") and self._in_flight == 0

    @property
    def error(self) -> BaseException | None:
        """Why it failed, if it did."""
        return self._error

    def next_work(self) -> tuple[Callable[[], None], int] | None:
        """The next piece of work and the bytes of memory it needs; None if there is nothing to start now."""
        with self._lock:
            if self._error is not None or not self._todo:
                return None
            number = self._todo[0]
            span = self.geometry.part(number)
            work = self._send if self._phase == "send" else self._verify
            needed = self._memory(span)
            return lambda: self._guarded(work, span), needed

    def _memory(self, span: PartSpan) -> int:
        """Bytes that a piece of work holds; a spooled part holds its source's piece only."""
        piece = (PIECE_UNITS + 1) * max(self.geometry.unit_in, self.geometry.unit_out)
        if self._phase == "check":
            return min(span.target_length, piece)
        body = 0 if span.target_length > SPOOL_ABOVE else span.target_length
        return body + (0 if self.context.mode is Mode.COPY else min(span.source_length, piece))

    def take(self) -> None:
        """The piece that ``next_work`` showed is being started."""
        with self._lock:
            self._todo.pop(0)
            self._in_flight += 1

    # -- phases ---------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Open the upload (or take up the earlier one) and make the parts that are missing available."""
        context, row = self.context, self.row
        head = head_source(context, row)
        attributes, self._kept = carry_attributes(context, row, head.attributes)
        self._options = put_options(context, row, attributes, replace=self._replacing)
        if self._upload is not None:
            self._upload = self._surviving(self._upload)
        if self.context.mode in (Mode.ENCRYPT, Mode.COPY) and (row.claims is not None or head.claims):
            # Digests of the source object itself; a sealed source is held against its own segments instead.
            self._claims = (*row.source_claims, *head.claims)
            if self._hash is not None:
                self._declared = Declared(*self._claims)
                self._hash = OrderedHash(self.geometry.plain_size, self._declared)
        if self._upload is None:
            upload = open_settled(
                context, self.key, self._options, lambda: clear_unanswered(context, row, self.key)
            )
            self._upload = upload
            context.writer.commit(
                UploadOpened(row.row, upload, self.geometry.part_units, self.geometry.source_header)
            )
        missing = [number for number in range(1, self.geometry.parts + 1) if number not in self._parts]
        with self._lock:
            self._todo = missing
            self._phase = "send"
        if not missing:
            self._complete()

    def _surviving(self, upload: str) -> str | None:
        """The upload if the store still has it with every part the ledger counts on; None to begin again."""
        context, row = self.context, self.row
        try:
            held = {part.number: part for part in context.target.list_parts(self.key, UploadId(upload))}
        except (UploadLost, NotFound):
            held = None
        if held is None and len(self._parts) == self.geometry.parts:
            return upload  # it may have been completed: completing again settles it
        if held is not None:
            # Sent before and to be sent again: what the store holds without the ledger knowing, and what was
            # under way below the last part that was acknowledged.
            below = range(1, max(self._parts, default=0))
            self._sent_before = frozenset((held.keys() | set(below)) - self._parts.keys())
            gone = [
                number
                for number, part in self._parts.items()
                if number not in held or held[number].size != part.size
            ]
            for number in gone:
                del self._parts[number]
            if 1 in gone:
                self._header_sha256 = None
            return upload
        context.writer.commit(UploadForgotten(row.row, "the target no longer has the upload"))
        self._parts.clear()
        self._header_sha256 = None
        self._hash = OrderedHash(self.geometry.plain_size)
        return None

    def _guarded(self, work: Callable[[PartSpan], None], span: PartSpan) -> None:
        try:
            work(span)
        except BaseException as error:  # noqa: BLE001 - kept for the dispatcher, which decides
            self._fail(error)
        last = False
        with self._lock:
            self._in_flight -= 1
            last = self._error is None and not self._todo and self._in_flight == 0
            phase = self._phase
        if last:
            try:
                if phase == "send":
                    self._complete()
                else:
                    self._conclude()
            except BaseException as error:  # noqa: BLE001 - kept for the dispatcher, which decides
                self._fail(error)

    def _fail(self, error: BaseException) -> None:
        with self._lock:
            if self._error is None:
                self._error = error
            self._todo = []
            self._phase = "failed"
            digest = self._hash
        if digest is not None:
            digest.abandon()

    def fail(self, error: BaseException) -> None:
        """Give the object up for a reason from outside."""
        self._fail(error)

    def _send(self, span: PartSpan) -> None:
        context, geometry = self.context, self.geometry
        body, owner = context.buffers.take(span.target_length)
        try:
            header_sha256, at = None, 0
            if span.number == 1 and geometry.target_header:
                header = self.codec.header(padded=True)
                body[: len(header)] = header
                header_sha256, at = sha256(header), len(header)
            prefix = self.codec.prefix()
            for unit in range(span.first_unit, span.first_unit + span.units, PIECE_UNITS):
                units = min(PIECE_UNITS, span.first_unit + span.units - unit)
                offset = (unit - span.first_unit) * geometry.unit_in
                length = min(units * geometry.unit_in, span.source_length - offset)
                end = at + length + units * (geometry.unit_out - geometry.unit_in)
                last = span.last and unit + units == span.first_unit + span.units
                self._fill(
                    prefix, unit, Span(start=span.source_start + offset, length=length), body[at:end], last
                )
                at = end
            digest = sha256(body)
            assert self._upload is not None
            receipt = context.target.put_part(
                self.key, UploadId(self._upload), span.number, span.target_start, body, sha256=digest
            )
        finally:
            context.buffers.give_back(body, owner)
        context.progress.add(
            sent=span.target_length, resent=span.target_length if span.number in self._sent_before else 0
        )
        part = PartRow(span.number, span.target_length, digest, prefix, receipt.etag)
        with self._lock:
            self._parts[span.number] = part
            if header_sha256 is not None:
                self._header_sha256 = header_sha256
        context.writer.post(PartStored(self.row.row, *part[:4], part.etag, header_sha256))

    def _fill(self, prefix: bytes | None, unit: int, span: Span, out: memoryview, last: bool) -> None:  # noqa: FBT001
        """Read a piece of the source and write its target bytes to ``out``, hashing its plain bytes in order."""
        context = self.context
        if context.mode is Mode.COPY:
            source, owner = out, None  # read in place: nothing is transformed
        else:
            source, owner = context.buffers.take(span.length)
        try:
            data = memoryview(read_source(context, self.row, span, source).data)
            plain = self.codec.transform(prefix, unit, data, out, last=last)
            if self._hash is not None:
                self._hash.update(plain_start(self.geometry, unit), plain)
            del data, plain
        finally:
            if owner is not None:
                context.buffers.give_back(source, owner)

    def _complete(self) -> None:
        context, row = self.context, self.row
        plaintext = self._hash.result() if self._hash is not None else None
        if self._declared is not None and plaintext is not None:
            self._declared.check()
            self._claims = ()
        assert self._upload is not None
        receipts = [
            PartReceipt(
                number=part.number,
                size=part.size,
                etag=ETag(part.etag) if part.etag is not None else None,
                sha256=part.ciphertext_sha256,
            )
            for _, part in sorted(self._parts.items())
        ]
        context.writer.commit()
        try:
            meta = complete_settled(context, self.key, UploadId(self._upload), receipts, self._options)
        except UploadLost:
            context.writer.commit(UploadForgotten(row.row, "the target lost the upload"))
            raise
        size = self.geometry.target_size
        context.writer.post(
            ObjectStored(
                *(row.row, size, plaintext, None, None, meta.etag, meta.version),
                attributes_digest(self._kept),
            ),
            attributes=self._kept,
        )
        self._begin_check(meta, size, plaintext)

    def begin_check(self, meta: ObjectMeta, plaintext: bytes | None) -> None:
        """Verify an object that an earlier run has stored."""
        self._begin_check(meta, self.geometry.target_size, plaintext)

    def _begin_check(self, meta: ObjectMeta, size: int, plaintext: bytes | None) -> None:
        context = self.context
        expected = Expected(
            key=self.key,
            size=size,
            pin=replace(meta.pin, size=size),
            plaintext_sha256=plaintext,
            header_sha256=self._header_sha256,
            row=self.row.row,
            attributes=self._options.attributes,
        )
        level = level_for(context, self.row)
        if level is Level.FULL:
            # Of an object that was resumed only the read-back sees every byte in order.
            self._declared = Declared(*self._claims) if self._claims else None
            check = PartCheck(context, self.codec, self.geometry, expected, self._parts, self._declared)
            with self._lock:
                self._check = check
                self._hash = check.ordered
                self._todo = list(range(1, self.geometry.parts + 1))
                self._phase = "check"
            return
        if level is not Level.NONE:
            look(context, expected, level)
            context.writer.post(ObjectVerified(self.row.row, str(level), None))
        self._done("stored" if level is Level.NONE else "verified")

    def _verify(self, span: PartSpan) -> None:
        assert self._check is not None
        self._check.check(span)

    def _conclude(self) -> None:
        assert self._check is not None
        digest = self._check.result()
        if self._declared is not None:
            self._declared.check()
        if self.context.source.capabilities.pin == "weak" and self.context.mode is not Mode.REWRAP:
            self._reread(digest)
        self.context.writer.post(ObjectVerified(self.row.row, str(Level.FULL), digest))
        self._done("verified")

    def _reread(self, digest: bytes) -> None:
        # A file can change twice within one tick of its clock; only a second reading shows that the first was whole.
        geometry, again = self.geometry, hashlib.sha256()
        scratch = memoryview(bytearray(PIECE_UNITS * geometry.unit_out))
        for unit in range(0, geometry.units, PIECE_UNITS):
            units = min(PIECE_UNITS, geometry.units - unit)
            start = unit * geometry.unit_in
            length = min(units * geometry.unit_in, geometry.payload - start)
            span = Span(start=geometry.source_header + start, length=length)
            data = memoryview(read_source(self.context, self.row, span).data)
            if self.context.mode.opens:
                data = self.codec.transform(None, unit, data, scratch, last=unit + units == geometry.units)
            again.update(data)
        if again.digest() != digest:
            raise IntegrityError(
                "the source reads differently the second time: it changed while it was copied"
            )

    def _done(self, outcome: str) -> None:
        with self._lock:
            self.outcome = outcome
            self._phase = "done"

    def abort(self) -> None:
        """Give the upload up at the target, if there is one; what cannot be aborted now is left to the sweep."""
        if self._upload is None:
            return
        try:
            self.context.target.abort_upload(self.key, UploadId(self._upload))
        except StoreError:
            # best effort: the ledger keeps the upload as forgotten, and the sweep at the end tries again
            return
