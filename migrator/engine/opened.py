"""A read-only view of what a wave stored, as it was at the wave's source: its keys, sizes, attributes, plain bytes.

A restore in sealed form is a wave like any other whose source is this view: each segment is opened in memory and
sealed again for the new readers, under fresh data keys. Nothing rests in clear in between.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Final, NoReturn

from migrator.core.stamp import STAMP_NAME
from migrator.engine.codec import HEADER_PROBE, SourceHeader
from migrator.engine.recorded import Recorded, Stored
from migrator.envelope.arithmetic import CIPHER_SEGMENT, SEGMENT, plain_length
from migrator.envelope.errors import EnvelopeError, HeaderTruncated
from migrator.envelope.keys import Identity
from providers.capabilities import Capabilities
from providers.errors import (
    ConditionFailed,
    Damaged,
    NotFound,
    RangeInvalid,
    StoreError,
    Unexpected,
    Unsupported,
)
from providers.model import (
    Attributes,
    Buffer,
    Claim,
    Extra,
    Key,
    ObjectMeta,
    Page,
    PageToken,
    Pin,
    ReadResult,
    Span,
    VersionId,
)
from providers.store import ObjectStore

__all__ = ["OpenedDriver"]

_HEADERS: Final = 1024
_AT_ONCE: Final = 16
_TRIED: Final = 8


class OpenedDriver:
    """What a wave stored, opened; implements the reading half of ``StoreDriver``.

    Args:
        store: Where the wave stored it.
        recorded: What the wave's ledger says of it.
        identities: Who opens it; empty where it was stored in clear.
    """

    def __init__(self, store: ObjectStore, recorded: Recorded, identities: tuple[Identity, ...]) -> None:
        self._store = store
        self._recorded = recorded
        self._identities = identities
        self._headers: OrderedDict[tuple[str, str | None, str | None], SourceHeader] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def capabilities(self) -> Capabilities:
        """Those of the store; what it holds besides is none of the wave's."""
        return self._store.capabilities.narrowed(versions=False, tags=False)

    def check_bucket(self) -> None:
        """Ask the store whether it is there."""
        self._store.check()

    def try_identities(self) -> None:
        """Open the header of one object, or of another where the first are damaged or gone.

        Raises:
            EnvelopeError: None of the identities opens any of them.
        """
        refused: EnvelopeError | None = None
        for stored in self._recorded.page("", _TRIED) if self._identities else ():
            try:
                self._header(stored, Pin(version=stored.version, etag=stored.etag, size=stored.stored_size))
            except EnvelopeError as error:
                refused = refused or error
            except (NotFound, ConditionFailed, RangeInvalid):
                continue
            else:
                return
        if refused is not None:
            raise refused

    def check_key(self, key: Key) -> str | None:  # noqa: ARG002 - the driver's signature
        """Every recorded key can be asked for."""
        return None

    def head(self, key: Key, *, version: VersionId | None = None) -> ObjectMeta:
        """The object as it was at the wave's source."""
        stored = self._stored(key)
        found = self._store.head(Key(stored.target), version=version or stored.version)
        if found.size != stored.stored_size:
            raise ConditionFailed("the stored object has another size than was recorded")
        return self._meta(stored, found)

    def list_page(self, prefix: str, token: PageToken | None, limit: int) -> Page:
        """Recorded objects in the order of their keys."""
        if prefix:
            raise Unsupported("this view is listed as a whole")
        page = self._recorded.page(token or "", limit)
        if any(stored.plain_size is None for stored in page):
            with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="headers") as pool:
                entries = tuple(pool.map(self._meta, page))
        else:
            entries = tuple(map(self._meta, page))
        return Page(entries=entries, next_token=PageToken(page[-1].key) if len(page) == limit else None)

    def list_extras(self, prefix: str) -> Iterator[Extra]:  # noqa: ARG002 - the driver's signature
        """Nothing besides."""
        return iter(())

    def read(
        self,
        key: Key,
        *,
        span: Span | None = None,
        pin: Pin | None = None,
        into: memoryview | None = None,
    ) -> ReadResult:
        """Plain bytes.

        Raises:
            Damaged: The stored bytes do not open, or not to as many bytes as were recorded.
        """
        stored = self._stored(key)
        seen = Pin(version=stored.version, etag=stored.etag) if pin is None else pin
        seen = replace(seen, size=stored.stored_size)
        if self._identities:
            found, opened = self._open(stored, span, seen)
            data: Buffer = opened
        else:
            found = self._store.read(Key(stored.target), span=span, pin=seen, into=into)
            data = found.data
        return ReadResult(meta=self._meta(stored, found.meta), data=data)

    def _open(self, stored: Stored, span: Span | None, pin: Pin) -> tuple[ReadResult, memoryview]:
        size = self._size(stored)
        span = span or Span(start=0, length=size)
        if span.end > size:
            raise RangeInvalid("the span ends after the object")
        first, units = span.start // SEGMENT, -(-size // SEGMENT)
        beyond = -(-span.end // SEGMENT)
        if (first, beyond) == (0, units):
            # A small object is read once, header and all.
            found = self._store.read(Key(stored.target), pin=pin)
            sealed = memoryview(found.data)
            header = SourceHeader(sealed, self._identities, size=stored.stored_size)
            sealed = sealed[header.length :]
        else:
            header = self._header(stored, pin)
            start = header.length + first * CIPHER_SEGMENT
            length = min((beyond - first) * CIPHER_SEGMENT, stored.stored_size - start)
            if length <= 0:
                raise Damaged("what is stored is shorter than what it should open to")
            found = self._store.read(Key(stored.target), span=Span(start=start, length=length), pin=pin)
            sealed = memoryview(found.data)
        plain = header.open(first, sealed, last=beyond == units)
        offset = span.start - first * SEGMENT
        whole = min(beyond * SEGMENT, size) - first * SEGMENT
        if len(plain) != whole:
            raise Damaged("what is stored opens to another number of bytes than was recorded")
        return found, plain[offset : offset + span.length]

    def _header(self, stored: Stored, pin: Pin) -> SourceHeader:
        name = (stored.target, pin.version, pin.etag)
        with self._lock:
            known = self._headers.get(name)
            if known is not None:
                self._headers.move_to_end(name)
                return known
        wanted = min(stored.stored_size, HEADER_PROBE)
        while True:
            span = Span(start=0, length=wanted)
            start = memoryview(self._store.read(Key(stored.target), span=span, pin=pin).data)
            try:
                header = SourceHeader(start, self._identities, size=stored.stored_size)
                break
            except HeaderTruncated as truncated:
                if truncated.needed > stored.stored_size or wanted >= stored.stored_size:
                    raise
                wanted = min(stored.stored_size, max(truncated.needed, 2 * wanted))
        with self._lock:
            self._headers[name] = header
            while len(self._headers) > _HEADERS:
                self._headers.popitem(last=False)
        return header

    def _stored(self, key: Key) -> Stored:
        stored = self._recorded.by_key(key)
        if stored is None:
            raise NotFound("the wave recorded no such object")
        return stored

    def _size(self, stored: Stored) -> int:
        """Bytes that it opens to: from its header where the ledger does not have it."""
        if stored.plain_size is not None:
            return stored.plain_size
        pin = Pin(version=stored.version, etag=stored.etag, size=stored.stored_size)
        return plain_length(stored.stored_size - self._header(stored, pin).length)

    def _meta(self, stored: Stored, found: ObjectMeta | None = None) -> ObjectMeta:
        """The object as it was; with its attributes if what the store says of it is at hand."""
        digest = stored.plaintext_sha256
        meta = ObjectMeta(
            key=Key(stored.key),
            size=self._size(stored),
            etag=stored.etag,
            version=stored.version,
            claims=() if digest is None else (Claim(algorithm="sha256", digest=digest),),
        )
        if found is None:
            return meta
        attributes = self._recorded.attributes(stored.target) or _unstamped(found.attributes)
        return replace(meta, etag=found.etag, version=found.version, attributes=attributes)

    def read_tags(self, key: Key, *, version: VersionId | None = None) -> Mapping[str, str]:
        """The tags that the book has of the object."""
        del version
        attributes = self._recorded.attributes(self._stored(key).target)
        return (attributes and attributes.tags) or {}

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise Unsupported("this store is open for reading only")

    put = open_upload = put_part = list_parts = list_uploads = _refuse
    complete_upload = abort_upload = delete = _refuse

    def translate(self, error: Exception) -> StoreError:
        """What is not a store's error is a seal's."""
        if isinstance(error, EnvelopeError):
            return Damaged(f"what is stored does not open: {error.message}", hint=error.hint)
        return Unexpected(f"{type(error).__name__} while a stored object was opened")

    def close(self) -> None:
        """Forget the data keys."""
        with self._lock:
            self._headers.clear()
        self._store.close()


def _unstamped(attributes: Attributes | None) -> Attributes | None:
    """Without the stamp of the wave that stored the object."""
    if attributes is None or STAMP_NAME not in attributes.metadata:
        return attributes
    kept = {name: value for name, value in attributes.metadata.items() if name != STAMP_NAME}
    return replace(attributes, metadata=kept)
