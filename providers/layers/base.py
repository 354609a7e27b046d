"""A driver that holds a driver: what every layer starts from.

Each operation goes through ``_call`` (or ``_stream`` for those that iterate), so that a layer overrides one
method and not fifteen. ``check_bucket`` and ``check_attributes``, which a driver may lack, are always there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from providers.capabilities import Capabilities
from providers.driver import StoreDriver
from providers.errors import StoreError, Unsupported
from providers.model import (
    Attributes,
    Buffer,
    Extra,
    Key,
    ObjectMeta,
    Page,
    PageToken,
    PartReceipt,
    Pin,
    PutOptions,
    RawAnswer,
    ReadResult,
    Span,
    UploadId,
    UploadRef,
    VersionId,
)

__all__ = ["Layer"]

T = TypeVar("T")


class Layer:
    """A ``StoreDriver`` that hands every operation to the driver it holds."""

    def __init__(self, inner: StoreDriver) -> None:
        self._inner = inner

    # The operation's name is for layers that override these two.
    def _call(self, operation: str, method: Callable[..., T], *args: Any, **named: Any) -> T:
        del operation
        return method(*args, **named)

    def _stream(self, operation: str, method: Callable[..., Iterator[T]], *args: Any) -> Iterator[T]:
        del operation
        return method(*args)

    @property
    def capabilities(self) -> Capabilities:
        """What the inner driver can do."""
        return self._inner.capabilities

    def check_key(self, key: Key) -> str | None:
        """Why the inner driver cannot hold the key, or None."""
        return self._inner.check_key(key)

    def check_attributes(self, attributes: Attributes) -> list[str]:
        """What the inner driver would refuse or change; empty where it does not check."""
        check: Callable[[Attributes], list[str]] | None = getattr(self._inner, "check_attributes", None)
        return [] if check is None else check(attributes)

    def check_bucket(self) -> None:
        """Ask whether the bucket is there, by the driver's own probe or by the smallest listing."""
        probe: Callable[[], None] | None = getattr(self._inner, "check_bucket", None)
        if probe is None:
            self.list_page("", None, 1)
        else:
            self._call("check", probe)

    def head(self, key: Key, *, version: VersionId | None = None) -> ObjectMeta:
        """See ``StoreDriver.head``."""
        return self._call("head", self._inner.head, key, version=version)

    def list_page(self, prefix: str, token: PageToken | None, limit: int) -> Page:
        """See ``StoreDriver.list_page``."""
        return self._call("list", self._inner.list_page, prefix, token, limit)

    def list_extras(self, prefix: str) -> Iterator[Extra]:
        """See ``StoreDriver.list_extras``."""
        return self._stream("list_extras", self._inner.list_extras, prefix)

    def read(
        self, key: Key, *, span: Span | None = None, pin: Pin | None = None, into: memoryview | None = None
    ) -> ReadResult:
        """See ``StoreDriver.read``."""
        return self._call("read", self._inner.read, key, span=span, pin=pin, into=into)

    def read_tags(self, key: Key, *, version: VersionId | None = None) -> Mapping[str, str]:
        """See ``StoreDriver.read_tags``."""
        return self._call("read_tags", self._inner.read_tags, key, version=version)

    def put(self, key: Key, body: Buffer, options: PutOptions, *, sha256: bytes | None = None) -> ObjectMeta:
        """See ``StoreDriver.put``."""
        return self._call("put", self._inner.put, key, body, options, sha256=sha256)

    def open_upload(self, key: Key, options: PutOptions) -> UploadId:
        """See ``StoreDriver.open_upload``."""
        return self._call("open_upload", self._inner.open_upload, key, options)

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
        """See ``StoreDriver.put_part``."""
        return self._call("put_part", self._inner.put_part, key, upload, number, offset, body, sha256=sha256)

    def copy_part(
        self,
        key: Key,
        upload: UploadId,
        number: int,
        source: Key,
        span: Span,
        *,
        pin: Pin,
        sha256: bytes | None,
    ) -> PartReceipt:
        """A part copied within the store, where the inner driver can; see ``StoreDriver``."""
        copy: Callable[..., PartReceipt] | None = getattr(self._inner, "copy_part", None)
        if copy is None:
            raise Unsupported("the store copies no parts between objects")
        return self._call("copy_part", copy, key, upload, number, source, span, pin=pin, sha256=sha256)

    def list_parts(self, key: Key, upload: UploadId) -> Iterator[PartReceipt]:
        """See ``StoreDriver.list_parts``."""
        return self._stream("list_parts", self._inner.list_parts, key, upload)

    def list_uploads(self, prefix: str) -> Iterator[UploadRef]:
        """See ``StoreDriver.list_uploads``."""
        return self._stream("list_uploads", self._inner.list_uploads, prefix)

    def complete_upload(
        self, key: Key, upload: UploadId, parts: Sequence[PartReceipt], options: PutOptions
    ) -> ObjectMeta:
        """See ``StoreDriver.complete_upload``."""
        return self._call("complete_upload", self._inner.complete_upload, key, upload, parts, options)

    def abort_upload(self, key: Key, upload: UploadId) -> None:
        """See ``StoreDriver.abort_upload``."""
        self._call("abort_upload", self._inner.abort_upload, key, upload)

    def delete(self, key: Key, *, version: VersionId | None = None) -> None:
        """See ``StoreDriver.delete``."""
        self._call("delete", self._inner.delete, key, version=version)

    def raw(
        self,
        method: str,
        key: Key | None,
        *,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes,
        payload: str | None,
    ) -> RawAnswer:
        """One request as a probe put it together, where the inner driver takes such."""
        send: Callable[..., RawAnswer] | None = getattr(self._inner, "raw", None)
        if send is None:
            raise Unsupported("this protocol takes no requests of a probe's own")
        return self._call("raw", send, method, key, query=query, headers=headers, body=body, payload=payload)

    def translate(self, error: Exception) -> StoreError:
        """A ``StoreError`` as it is; anything else as the inner driver classifies it."""
        return error if isinstance(error, StoreError) else self._inner.translate(error)

    def close(self) -> None:
        """Close the inner driver."""
        self._inner.close()
