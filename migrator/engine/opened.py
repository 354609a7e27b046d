"""A read-only view of what a wave stored, as it was at the wave's source: its keys, sizes, attributes, plain bytes.

A restore in sealed form is a wave like any other whose source is this view: each segment is opened in memory and
sealed again for the new readers, under fresh data keys. Nothing rests in clear in between.

What a sealed object opens to outlives a change of its readers, and a restore may be resumed after one. So the view
pins sealed objects by the digest of their plain bytes, and the store's pins are those of the ledger as it is now.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Final, NoReturn, TypeVar

from migrator.core.stamp import is_stamp_name, stamp_in
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
    Unavailable,
    Unexpected,
    Unsupported,
)
from providers.model import (
    Attributes,
    Claim,
    ETag,
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
_T = TypeVar("_T")


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
                self._seen(stored, lambda known: self._header(known, _pin(known)))
            except EnvelopeError as error:
                refused = refused or error
            except (NotFound, ConditionFailed, RangeInvalid, Unavailable):
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

        def look(stored: Stored) -> ObjectMeta:
            found = self._store.head(Key(stored.target), version=version or stored.version)
            if found.size != stored.stored_size:
                raise ConditionFailed("the stored object has another size than was recorded")
            if None not in {found.etag, stored.etag} and found.etag != stored.etag:
                raise ConditionFailed("another object stands there than was recorded")
            return self._meta(stored, found)

        return self._seen(self._stored(key), look)

    def list_page(self, prefix: str, token: PageToken | None, limit: int) -> Page:
        """Recorded objects in the order of their keys."""
        if prefix:
            raise Unsupported("this view is listed as a whole")
        page = self._recorded.page(token or "", limit)
        if any(stored.plain_size is None for stored in page):
            with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="headers") as pool:
                entries = tuple(pool.map(self._listed, page))
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
        if not self._identities:
            seen = replace(pin or _pin(stored), size=stored.stored_size)
            found = self._store.read(Key(stored.target), span=span, pin=seen, into=into)
            return ReadResult(meta=self._meta(stored, found.meta), data=found.data)
        if pin is not None and pin.etag not in {None, self._tag(stored), stored.etag}:
            raise ConditionFailed("the wave recorded other bytes")

        def look(stored: Stored) -> ReadResult:
            found, opened = self._open(stored, span)
            return ReadResult(meta=self._meta(stored, found.meta), data=opened)

        return self._seen(stored, look)

    def _seen(self, stored: Stored, look: Callable[[Stored], _T]) -> _T:
        """A look at a stored object, or a second one if it was given to other readers since it was recorded."""
        try:
            return look(stored)
        except (NotFound, ConditionFailed, RangeInvalid):
            now = self._recorded.look_again(stored) if self._identities else None
            if now is None:
                raise
        return look(now)

    def _open(self, stored: Stored, span: Span | None) -> tuple[ReadResult, memoryview]:
        size, pin = self._size(stored), _pin(stored)
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
        return plain_length(stored.stored_size - self._header(stored, _pin(stored)).length)

    def _tag(self, stored: Stored) -> ETag | None:
        """What the object is pinned by in this view."""
        if self._identities and stored.plaintext_sha256 is not None:
            return ETag(stored.plaintext_sha256.hex())
        return stored.etag

    def _listed(self, stored: Stored) -> ObjectMeta:
        """As the listing has it; what is wrong with one object is told when it is read, and keeps no other back."""
        try:
            return self._seen(stored, self._meta)
        except (NotFound, ConditionFailed, RangeInvalid, EnvelopeError):
            return self._meta(replace(stored, plain_size=stored.stored_size))

    def _meta(self, stored: Stored, found: ObjectMeta | None = None) -> ObjectMeta:
        """The object as it was; with its attributes if what the store says of it is at hand."""
        digest = stored.plaintext_sha256
        meta = ObjectMeta(
            key=Key(stored.key),
            size=self._size(stored),
            etag=self._tag(stored),
            # A view that is pinned by what it opens to has no versions: a rewrap makes another one of the same bytes.
            version=None if self._identities else stored.version,
            claims=() if digest is None else (Claim(algorithm="sha256", digest=digest),),
        )
        if found is None:
            return meta
        attributes = self._recorded.attributes(stored.target) or _unstamped(found.attributes)
        if self._identities:
            return replace(meta, attributes=attributes)
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


def _pin(stored: Stored) -> Pin:
    """What a read at the store must find."""
    return Pin(version=stored.version, etag=stored.etag, size=stored.stored_size)


def _unstamped(attributes: Attributes | None) -> Attributes | None:
    """Without the stamp of the wave that stored the object, however the store spells it."""
    if attributes is None or stamp_in(attributes.metadata) is None:
        return attributes
    kept = {name: value for name, value in attributes.metadata.items() if not is_stamp_name(name)}
    return replace(attributes, metadata=kept)
