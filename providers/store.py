"""The portable object store: one location, whatever protocol its driver speaks.

``ObjectStore`` owns four things that no driver repeats: keys relative to the location's prefix, checks of
keys and sizes before a byte moves, the length of what a read gives back, and one translating context, so
that nothing but a ``StoreError`` leaves. Retries, pacing and counting are layers *under* it
(``providers.layers``).

Invariant: a message names the site, the bucket and the operation, never the object's key.
"""

# ruff: noqa: BLE001 - every method is one translating context: what is raised inside leaves translated

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from providers.errors import (
    ConditionFailed,
    RangeInvalid,
    Truncated,
    Unexpected,
    Unsupported,
)
from providers.limits import require_options, require_part, require_put
from providers.model import (
    Buffer,
    Extra,
    Key,
    ObjectMeta,
    PageToken,
    PartReceipt,
    Pin,
    PutOptions,
    ReadResult,
    Span,
    UploadId,
    UploadRef,
    VersionId,
)
from providers.store_base import StoreBase, cause_of, size_of

__all__ = ["ObjectStore"]

_PLAIN: Final = PutOptions()


class ObjectStore(StoreBase):
    """An open handle on one location.

    Args:
        driver: The bucket, usually the outermost of ``providers.layers.open_layers``.
        prefix: What every key of this location begins with, exactly: ``""``, or usually a string that
            ends with ``/``. The key ``/x`` under ``p/`` is ``p//x``.
        location: How messages name this place: site and bucket.

    Every method raises only ``StoreError``, with ``operation`` and ``location`` filled in.
    """

    __slots__ = ()

    def head(self, key: Key, *, version: VersionId | None = None) -> ObjectMeta:
        """The object's meta with attributes (without tags) and claims."""
        try:
            return self._relative(self._driver.head(self._absolute(key), version=version), key)
        except Exception as error:
            raise self._failed("head", error) from cause_of(error)

    def list(self, prefix: str = "") -> Iterator[ObjectMeta]:
        """Every current object whose key starts with ``prefix``, page by page, in the store's own order.

        The empty object that some consoles create for a folder, whose key is exactly the location's prefix,
        has no key inside the location and is left out.

        Raises:
            KeyRefused: A listed key is no Unicode text, or an object with content has the location's prefix
                as its whole key, so that this location cannot name it.
            Unexpected: The store repeats a page token, or lists a key outside the prefix.
        """
        whole = self._prefix + prefix
        token: PageToken | None = None
        seen: set[int] = set()
        while True:
            try:
                page = self._driver.list_page(whole, token, self._limits.list_limit)
                entries = [
                    self._relative(meta, self._checked(meta.key, whole))
                    for meta in page.entries
                    if meta.size or len(meta.key) != len(self._prefix)
                ]
                token = page.next_token
                if token is not None:
                    if hash(token) in seen:
                        raise Unexpected("the store gives the same page of its listing again")
                    seen.add(hash(token))
            except Exception as error:
                raise self._failed("list", error) from cause_of(error)
            yield from entries
            if token is None:
                return

    def list_extras(self, prefix: str = "") -> Iterator[Extra]:
        """Old versions, delete markers, snapshots, soft-deleted objects whose key starts with ``prefix``."""
        whole = self._prefix + prefix
        for extra in self._iterate("list_extras", lambda: self._driver.list_extras(whole)):
            key = Key(extra.key[len(self._prefix) :])
            yield Extra(key=key, kind=extra.kind, size=extra.size, version=extra.version)

    def read(
        self, key: Key, *, span: Span | None = None, pin: Pin | None = None, into: memoryview | None = None
    ) -> ReadResult:
        """The bytes of a span, or of the whole object; exactly that many, or an error.

        Raises:
            RangeInvalid: The span is empty, negative or lies outside the object.
            ConditionFailed: The object is no longer the pinned one.
            Truncated: Fewer (or more) bytes arrived than were asked for.
        """
        try:
            if span is not None and (span.length < 1 or span.start < 0):
                raise RangeInvalid("a span begins at 0 or later and has at least one byte")
            result = self._driver.read(self._absolute(key), span=span, pin=pin, into=into)
            expected = result.meta.size if span is None else span.length
            got = size_of(result.data)
            if got != expected:
                raise Truncated(f"{got} bytes arrived where {expected} were announced")
            if self._prefix:
                return ReadResult(meta=self._relative(result.meta, key), data=result.data)
        except Exception as error:
            raise self._failed("read", error) from cause_of(error)
        return result

    def read_tags(self, key: Key, *, version: VersionId | None = None) -> Mapping[str, str]:
        """The object's tags; empty if it has none."""
        try:
            return self._driver.read_tags(self._absolute(key), version=version)
        except Exception as error:
            raise self._failed("read_tags", error) from cause_of(error)

    def put(
        self, key: Key, body: Buffer, options: PutOptions = _PLAIN, *, sha256: bytes | None = None
    ) -> ObjectMeta:
        """Write a whole object. ``sha256`` is the body's digest where the caller has it already.

        Raises:
            KeyRefused: The location cannot hold the key.
            AlreadyExists: ``options.if_absent`` and the key is taken, or ``options.if_match`` and another object
                stands there.
            Unsupported: The body is too large, or the options ask for what the store lacks.
        """
        try:
            absolute = self._absolute(key)
            require_put(self._limits, size_of(body), options)
            return self._relative(self._driver.put(absolute, body, options, sha256=sha256), key)
        except Exception as error:
            raise self._failed("put", error) from cause_of(error)

    def open_upload(self, key: Key, options: PutOptions = _PLAIN) -> UploadId:
        """Begin a multipart upload.

        Raises:
            KeyRefused: The location cannot hold the key.
            Unsupported: The options ask for what the store lacks.
        """
        try:
            absolute = self._absolute(key)
            require_options(self._limits, options)
            return self._driver.open_upload(absolute, options)
        except Exception as error:
            raise self._failed("open_upload", error) from cause_of(error)

    def put_part(
        self,
        key: Key,
        upload: UploadId,
        number: int,
        offset: int,
        body: Buffer,
        *,
        sha256: bytes | None = None,
    ) -> PartReceipt:
        """Send part ``number`` (from 1), which starts at byte ``offset`` of the object.

        Raises:
            UploadLost: The store does not know the upload.
            Unsupported: The part's number or size is outside what the store takes.
        """
        try:
            absolute = self._absolute(key)
            require_part(self._limits, number, offset, size_of(body))
            return self._driver.put_part(absolute, upload, number, offset, body, sha256=sha256)
        except Exception as error:
            raise self._failed("put_part", error) from cause_of(error)

    def copy_part(
        self,
        key: Key,
        upload: UploadId,
        number: int,
        offset: int,
        source: Key,
        span: Span,
        *,
        pin: Pin,
        sha256: bytes | None = None,
    ) -> PartReceipt:
        """Let the store copy ``span`` of another object of this location into part ``number``.

        The pin is asked for and may be ignored by a store: whoever completes the upload looks at the source once more
        before. ``sha256`` is the digest of those bytes as far as it is known; a store that computes one says another
        if they differ.

        Raises:
            UploadLost: The store does not know the upload.
            ConditionFailed: The source is not the pinned object.
            ChecksumRefused: The store copied bytes of another digest.
            Unsupported: The store copies no parts, or not this one.
        """
        try:
            absolute = self._absolute(key)
            require_part(self._limits, number, offset, span.length)
            copy: Callable[..., PartReceipt] | None = getattr(self._driver, "copy_part", None)
            if copy is None or not self._limits.copy_parts:
                raise Unsupported("the store copies no parts between objects")
            if span.length < 1 or span.start < 0:
                raise RangeInvalid("a span begins at 0 or later and has at least one byte")
            return copy(absolute, upload, number, self._absolute(source), span, pin=pin, sha256=sha256)
        except Exception as error:
            raise self._failed("copy_part", error) from cause_of(error)

    def list_parts(self, key: Key, upload: UploadId) -> Iterator[PartReceipt]:
        """Parts the store holds of an unfinished upload; a number is given once, as last acknowledged."""
        return self._iterate("list_parts", lambda: self._driver.list_parts(self._absolute(key), upload))

    def list_uploads(self, prefix: str = "") -> Iterator[UploadRef]:
        """Unfinished uploads on keys that start with ``prefix``, whoever began them."""
        whole = self._prefix + prefix
        for found in self._iterate("list_uploads", lambda: self._driver.list_uploads(whole)):
            key = Key(found.key[len(self._prefix) :])
            yield UploadRef(key=key, upload=found.upload, started_at=found.started_at)

    def complete_upload(
        self, key: Key, upload: UploadId, parts: Sequence[PartReceipt], options: PutOptions = _PLAIN
    ) -> ObjectMeta:
        """Make the object of these parts visible. ``options`` are those the upload was opened with.

        Where completion does not tell the object's etag, the object is looked at; it must have its parts' size.

        Raises:
            UploadLost: The store does not know the upload (it may have been completed: look at the object).
            AlreadyExists: ``options.if_absent`` and the key is taken.
            ConditionFailed: What stands there afterwards is not of the size of these parts.
        """
        try:
            absolute = self._absolute(key)
            if options.if_absent and not self._limits.complete_if_absent:
                raise Unsupported("the store has no create-if-absent for uploads in parts")
            if options.if_match is not None and not self._limits.complete_if_match:
                raise Unsupported("the store has no replace-if-unchanged for uploads in parts")
            meta = self._driver.complete_upload(absolute, upload, parts, options)
            if meta.etag is None:
                # An operation of its own, so that trouble repeats the look and never the completion.
                meta = self._driver.head(absolute, version=meta.version)
                size = sum(part.size for part in parts)
                if meta.size != size:
                    raise ConditionFailed(
                        f"an object of {meta.size} bytes stands there, where {size} were completed"
                    )
            return self._relative(meta, key)
        except Exception as error:
            raise self._failed("complete_upload", error) from cause_of(error)

    def abort_upload(self, key: Key, upload: UploadId) -> None:
        """Give up an unfinished upload and free what it holds.

        Raises:
            UploadLost: The store does not know the upload.
        """
        try:
            self._driver.abort_upload(self._absolute(key), upload)
        except Exception as error:
            raise self._failed("abort_upload", error) from cause_of(error)

    def delete(self, key: Key, *, version: VersionId | None = None) -> None:
        """Remove an object (or one version of it); ``NotFound`` if the store says that it is not there."""
        try:
            self._driver.delete(self._absolute(key), version=version)
        except Exception as error:
            raise self._failed("delete", error) from cause_of(error)
