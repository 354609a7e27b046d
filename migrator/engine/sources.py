"""Reading the source: every answer is held against what the inventory listed, and a difference is drift."""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Callable
from typing import Any, Final, Protocol

from migrator.engine.codec import HEADER_PROBE, SourceHeader
from migrator.engine.context import Context
from migrator.envelope.errors import HeaderTruncated
from migrator.errors import SourceDrift
from migrator.ledger.rows import Row
from providers.errors import ConditionFailed, NotFound, RangeInvalid
from providers.model import Claim, Key, ObjectMeta, ReadResult, Span

__all__ = ["Declared", "head_source", "open_source_header", "read_source"]


class Digest(Protocol):
    """A hash object of ``hashlib``'s shape."""

    def update(self, data: Any, /) -> None:
        """Take more bytes."""

    def digest(self) -> bytes:
        """The digest so far."""
        ...


class _Crc32:
    def __init__(self) -> None:
        self._value = 0

    def update(self, data: Any) -> None:
        self._value = zlib.crc32(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(4, "big")


_DIGESTS: Final[dict[str, Callable[[], Digest]]] = {
    "md5": lambda: hashlib.md5(usedforsecurity=False),
    "sha1": lambda: hashlib.sha1(usedforsecurity=False),
    "sha256": hashlib.sha256,
    "crc32": _Crc32,
}


class Declared:
    """What the source declares of a whole object's bytes, to be held against them as they are read, in order.

    Algorithms that Python lacks (CRC32C, CRC64NVME) are left unchecked.
    """

    def __init__(self, *claims: Claim) -> None:
        known = {claim.algorithm: claim.digest for claim in claims if claim.algorithm in _DIGESTS}
        self._wanted = known
        self._digests = [(name, _DIGESTS[name]()) for name in known]

    def update(self, data: Any) -> None:
        """Take the next bytes."""
        for _, digest in self._digests:
            digest.update(data)

    def check(self) -> None:
        """Compare, once all bytes were taken.

        Raises:
            SourceDrift: The bytes that arrived are not those the source declares.
        """
        for name, digest in self._digests:
            if digest.digest() != self._wanted[name]:
                declared = base64.b64encode(self._wanted[name]).decode()
                raise SourceDrift(f"its bytes do not have the {name} that the source declares ({declared})")


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
    except ConditionFailed:
        raise SourceDrift("changed since it was listed") from None
    if meta.size != row.size or (row.source_etag is not None and meta.etag != row.source_etag):
        raise SourceDrift("changed since it was listed")
    return meta


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
