"""Reading the source: every answer is held against what the inventory listed, and a difference is drift."""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Callable
from typing import Any, Final

from migrator.engine.codec import HEADER_PROBE, SourceHeader
from migrator.engine.context import Context
from migrator.envelope.errors import HeaderTruncated
from migrator.errors import SourceDrift
from migrator.ledger.rows import Row
from providers.errors import ConditionFailed, NotFound, RangeInvalid
from providers.model import Key, ObjectMeta, ReadResult, Span

__all__ = ["check_claims", "head_source", "open_source_header", "read_source"]

_DIGESTS: Final[dict[str, Callable[[Any], bytes]]] = {
    "md5": lambda data: hashlib.md5(data, usedforsecurity=False).digest(),
    "sha1": lambda data: hashlib.sha1(data, usedforsecurity=False).digest(),
    "sha256": lambda data: hashlib.sha256(data).digest(),
    "crc32": lambda data: zlib.crc32(data).to_bytes(4, "big"),
}


def read_source(
    context: Context, row: Row, span: Span | None = None, into: memoryview | None = None
) -> ReadResult:
    """Bytes of the pinned source, read into ``into`` where the driver can.

    Raises:
        SourceDrift: The object changed, shrank, grew or disappeared since it was listed.
        StoreError: Anything else.
    """
    size = row.size if span is None else span.length
    context.bandwidth.spend(size)
    try:
        if size == 0:
            meta = head_source(context, row)
            return ReadResult(meta=meta, data=b"")
        result = context.source.read(Key(row.key), span=span, pin=row.source_pin, into=into)
    except ConditionFailed:
        raise SourceDrift("changed since it was listed") from None
    except NotFound:
        raise SourceDrift("disappeared since it was listed") from None
    except RangeInvalid:
        raise SourceDrift("shrank since it was listed") from None
    if result.meta.size != row.size:
        raise SourceDrift("its size changed since it was listed")
    context.progress.add(read=size)
    return result


def head_source(context: Context, row: Row) -> ObjectMeta:
    """What the source says of the pinned object now.

    Raises:
        SourceDrift: The object changed or disappeared since it was listed.
        StoreError: Anything else.
    """
    try:
        meta = context.source.head(Key(row.key), version=row.source_pin.version)
    except NotFound:
        raise SourceDrift("disappeared since it was listed") from None
    if meta.size != row.size or (row.source_etag is not None and meta.etag != row.source_etag):
        raise SourceDrift("changed since it was listed")
    return meta


def check_claims(row: Row, data: Any) -> None:
    """Hold a whole object's bytes against the digests that the source declared.

    Raises:
        SourceDrift: The bytes that arrived are not those the source declares.
    """
    for claim in row.source_claims:
        digest = _DIGESTS.get(claim.algorithm)
        if digest is not None and digest(data) != claim.digest:
            declared = base64.b64encode(claim.digest).decode()
            raise SourceDrift(
                f"its bytes do not have the {claim.algorithm} that the source declares ({declared})"
            )


def open_source_header(context: Context, row: Row, start: memoryview | None = None) -> SourceHeader:
    """The opened header of a Crypt4GH source.

    Raises:
        EnvelopeError: It cannot be opened, or is none.
    """
    wanted = min(row.size, HEADER_PROBE)
    while True:
        if start is None:
            start = memoryview(read_source(context, row, Span(start=0, length=wanted)).data)
        try:
            header = SourceHeader(start, context.identities, size=row.size)
        except HeaderTruncated as truncated:
            if truncated.needed > row.size or len(start) >= row.size:
                raise
            wanted, start = min(row.size, max(truncated.needed, len(start) * 2)), None
            continue
        context.opened_any = True
        return header
