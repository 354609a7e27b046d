"""The values that cross the store seam: frozen, vendor-free, without behaviour beyond arithmetic.

Sizes are bytes, times are UTC. An etag or version is the store's own opaque token, kept exactly as the store
gave it (quotes included) and never compared with a digest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NewType, TypeAlias

__all__ = [
    "NO_ATTRIBUTES",
    "Attributes",
    "Buffer",
    "Claim",
    "ETag",
    "Extra",
    "Key",
    "Kind",
    "ObjectMeta",
    "Page",
    "PageToken",
    "PartReceipt",
    "Pin",
    "PutOptions",
    "RawAnswer",
    "ReadResult",
    "Span",
    "UploadId",
    "UploadRef",
    "VersionId",
]

Buffer: TypeAlias = bytes | bytearray | memoryview
Key = NewType("Key", str)
ETag = NewType("ETag", str)
VersionId = NewType("VersionId", str)
UploadId = NewType("UploadId", str)
PageToken = NewType("PageToken", str)


class Kind(StrEnum):
    """What a listed thing is. Only some kinds can be read as an object; every kind is counted."""

    OBJECT = "object"
    APPEND_BLOB = "append-blob"
    PAGE_BLOB = "page-blob"
    ARCHIVED = "archived"
    CUSTOMER_KEY = "customer-key"
    DIRECTORY = "directory"
    NOT_A_FILE = "not-a-file"
    NONCURRENT_VERSION = "noncurrent-version"
    DELETE_MARKER = "delete-marker"
    SNAPSHOT = "snapshot"
    SOFT_DELETED = "soft-deleted"

    @property
    def readable(self) -> bool:
        """Whether a plain read of the key gives this thing's bytes."""
        return self in _READABLE


_READABLE: Final = frozenset({Kind.OBJECT, Kind.APPEND_BLOB, Kind.PAGE_BLOB})
_NO_PAIRS: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """What surrounds an object's bytes. ``tags`` is None where they were not asked for."""

    content_type: str | None = None
    content_encoding: str | None = None
    content_language: str | None = None
    content_disposition: str | None = None
    cache_control: str | None = None
    metadata: Mapping[str, str] = field(default_factory=lambda: _NO_PAIRS)
    tags: Mapping[str, str] | None = None


NO_ATTRIBUTES: Final = Attributes()


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A digest of the whole object that the store declares: ``md5``, ``sha256``, ``crc32c``, ``crc64nvme``..."""

    algorithm: str
    digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """``length`` bytes from ``start``."""

    start: int
    length: int

    @property
    def end(self) -> int:
        """The offset after the last byte."""
        return self.start + self.length


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """What a read must still find: the version, the etag, the size, as first listed. None = not known."""

    version: VersionId | None = None
    etag: ETag | None = None
    size: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectMeta:
    """One object as a store describes it.

    ``attributes`` is None where the call does not tell them (listings, writes). ``claims`` holds whole-object
    digests only.
    """

    key: Key
    size: int
    etag: ETag | None = None
    version: VersionId | None = None
    modified_at: datetime | None = None
    kind: Kind = Kind.OBJECT
    storage_class: str | None = None
    attributes: Attributes | None = None
    claims: tuple[Claim, ...] = ()

    @property
    def pin(self) -> Pin:
        """The pin under which later reads must still find this object."""
        return Pin(version=self.version, etag=self.etag, size=self.size)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page of a listing; ``next_token`` is None on the last one."""

    entries: tuple[ObjectMeta, ...]
    next_token: PageToken | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Extra:
    """Something a bucket holds that is not a current object: an old version, a snapshot, a delete marker."""

    key: Key
    kind: Kind
    size: int
    version: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadResult:
    """The bytes of one span and what the store said about the object while sending them."""

    meta: ObjectMeta
    data: Buffer


@dataclass(frozen=True, slots=True, kw_only=True)
class PutOptions:
    """How an object is to be written.

    Attributes:
        attributes: Headers, user metadata and tags to store with it.
        if_absent: Refuse with ``AlreadyExists`` if the key is taken (a fence, not a lock).
        if_match: Refuse with ``AlreadyExists`` unless the object that stands there has this etag. Never with
            ``if_absent``.
        attempt: Token of this attempt, 1-32 characters of ``[0-9a-z]``. Stores without upload ids name their
            staging after it (block ids, temporary files), so that a sweep knows its own.
    """

    attributes: Attributes = NO_ATTRIBUTES
    if_absent: bool = False
    if_match: ETag | None = None
    attempt: str = "0"


@dataclass(frozen=True, slots=True, kw_only=True)
class PartReceipt:
    """What the store acknowledged for one part. ``number`` starts at 1."""

    number: int
    size: int
    etag: ETag | None = None
    sha256: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadRef:
    """An unfinished upload as a store lists it; ``started_at`` is None where the store does not say."""

    key: Key
    upload: UploadId
    started_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RawAnswer:
    """What a store answered to a request that a probe put together itself.

    Attributes:
        status: HTTP status.
        headers: Names in lower case.
        body: The body of a success; refusals give none.
        code: The store's own name of a refusal, or "".
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    code: str = ""

    @property
    def accepted(self) -> bool:
        """Whether the store says that it did what was asked."""
        return 200 <= self.status < 300 and not self.code
