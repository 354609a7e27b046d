"""The port every store protocol is spoken through.

A driver speaks one protocol plainly: no retries, no logging, no guessing. It raises whatever its SDK raises and
classifies it in ``translate``; ``ObjectStore`` (``store.py``) wraps every call. Keys are absolute within the
bucket; prefixes of a location are the portable class's business. Drivers are called from many threads at once.

Contracts that hold for every driver, checked by ``tests/conformance``:

* ``read`` returns exactly ``span.length`` bytes (the whole object without a span) or raises: a body that ends
  early is ``Truncated``, an object that no longer matches the pin is ``ConditionFailed``, one that is gone is
  ``NotFound``. Content codings are never undone. The returned meta carries ``attributes`` (without tags).
* ``put`` and ``complete_upload`` make an object visible whole or not at all, where ``atomic_put`` says so.
* ``copy_part``, which a driver may lack (``copy_parts`` says so), takes bytes of an object of the same bucket into a
  part without sending them, asks the store to hold the source to the pin, and may be repeated like ``put_part``:
  ``copy_part(key, upload, number, source, span, *, pin, sha256) -> PartReceipt``.
* ``put_part`` may be repeated for the same number: the last acknowledged one counts.
* ``complete_upload`` and ``abort_upload`` of an upload the store does not know raise ``UploadLost``; aborting
  never touches an object that is visible.
* ``complete_upload`` gives None as the etag where the store's answer cannot be relied on; ``ObjectStore`` then asks
  ``head``.
* ``list_page`` gives each current object once over a stable bucket, in whatever order the store has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from providers.capabilities import Capabilities
from providers.errors import StoreError
from providers.model import (
    Buffer,
    Extra,
    Key,
    ObjectMeta,
    Page,
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

__all__ = ["StoreDriver"]


class StoreDriver(Protocol):
    """One bucket, spoken to in one protocol."""

    @property
    def capabilities(self) -> Capabilities:
        """What this store can do, already narrowed by its profile."""
        ...

    def check_key(self, key: Key) -> str | None:
        """Why the store cannot hold this key, or None. Never touches the network."""
        ...

    def head(self, key: Key, *, version: VersionId | None = None) -> ObjectMeta:
        """The object's meta with attributes (without tags) and claims."""
        ...

    def list_page(self, prefix: str, token: PageToken | None, limit: int) -> Page:
        """Current objects whose key starts with ``prefix``; at most ``limit`` of them."""
        ...

    def list_extras(self, prefix: str) -> Iterator[Extra]:
        """Old versions, delete markers, snapshots, soft-deleted objects under ``prefix``."""
        ...

    def read(
        self, key: Key, *, span: Span | None = None, pin: Pin | None = None, into: memoryview | None = None
    ) -> ReadResult:
        """The bytes of a span, or of the whole object.

        ``into`` offers a buffer at least as long; a driver that can reads into it, and the result's data is then
        a view of its beginning. It saves the allocation, nothing else: what the data is does not depend on it.
        """
        ...

    def read_tags(self, key: Key, *, version: VersionId | None = None) -> Mapping[str, str]:
        """The object's tags; empty if it has none."""
        ...

    def put(self, key: Key, body: Buffer, options: PutOptions, *, sha256: bytes | None = None) -> ObjectMeta:
        """Write a whole object. ``sha256`` is the body's digest where the caller has it already."""
        ...

    def open_upload(self, key: Key, options: PutOptions) -> UploadId:
        """Begin a multipart upload."""
        ...

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
        """Send part ``number`` (from 1), which starts at byte ``offset`` of the object."""
        ...

    def list_parts(self, key: Key, upload: UploadId) -> Iterator[PartReceipt]:
        """Parts the store holds of an unfinished upload; a number is given once, its last acknowledged one."""
        ...

    def list_uploads(self, prefix: str) -> Iterator[UploadRef]:
        """Unfinished uploads on keys that start with ``prefix``, whoever began them."""
        ...

    def complete_upload(
        self, key: Key, upload: UploadId, parts: Sequence[PartReceipt], options: PutOptions
    ) -> ObjectMeta:
        """Make the object of these parts visible. ``options`` are those the upload was opened with."""
        ...

    def abort_upload(self, key: Key, upload: UploadId) -> None:
        """Give up an unfinished upload and free what it holds."""
        ...

    def delete(self, key: Key, *, version: VersionId | None = None) -> None:
        """Remove an object (or one version of it); ``NotFound`` if the store says that it is not there."""
        ...

    def translate(self, error: Exception) -> StoreError:
        """Classify an exception of this driver's SDK; never raises."""
        ...

    def close(self) -> None:
        """Release connections and handles."""
        ...
