"""Rows as the engine sees them: what is listed, what is to be done, what was received."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import cbor2

from migrator.core.states import State
from providers.model import Attributes, Claim, ETag, Kind, ObjectMeta, Pin, VersionId

__all__ = [
    "COLUMNS",
    "Listed",
    "PartRow",
    "RewrapRow",
    "Row",
    "UploadRow",
    "attributes_digest",
    "decode_attributes",
    "encode_attributes",
]

COLUMNS: Final = (
    "row, key, size, state, generation, root, seen_at_target, kind, source_etag, source_version, claims, attributes, "
    "stored_size, plaintext_sha256, ciphertext_sha256, nonce_prefix, target_etag, target_version, level, reason, "
    "readers"
)


class Listed(NamedTuple):
    """One object as the inventory records it; ``skip`` or ``reject`` settles it at once."""

    key: str
    size: int
    kind: str | None
    etag: str | None
    version: str | None
    modified_ms: int | None
    claims: bytes | None
    skip: str | None = None
    reject: str | None = None

    @classmethod
    def of(cls, meta: ObjectMeta, *, skip: str | None = None, reject: str | None = None) -> Listed:
        """From a listing's entry."""
        claims = (
            cbor2.dumps([[claim.algorithm, claim.digest] for claim in meta.claims]) if meta.claims else None
        )
        modified = int(meta.modified_at.timestamp() * 1000) if meta.modified_at else None
        kind = None if meta.kind is Kind.OBJECT else str(meta.kind)
        return cls(meta.key, meta.size, kind, meta.etag, meta.version, modified, claims, skip, reject)


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the ledger, in the order of ``COLUMNS``."""

    row: int
    key: str
    size: int
    state: State
    generation: int
    root: int
    seen_at_target: bool
    kind: str | None
    source_etag: str | None
    source_version: str | None
    claims: bytes | None
    attributes: int | None
    stored_size: int | None
    plaintext_sha256: bytes | None
    ciphertext_sha256: bytes | None
    nonce_prefix: bytes | None
    target_etag: str | None
    target_version: str | None
    level: str | None
    reason: str | None
    readers: int = 0

    @property
    def source_pin(self) -> Pin:
        """What a read of the source must still find."""
        return Pin(
            version=VersionId(self.source_version) if self.source_version is not None else None,
            etag=ETag(self.source_etag) if self.source_etag is not None else None,
            size=self.size,
        )

    @property
    def target_pin(self) -> Pin:
        """What a read-back must find."""
        return Pin(
            version=VersionId(self.target_version) if self.target_version is not None else None,
            etag=ETag(self.target_etag) if self.target_etag is not None else None,
            size=self.stored_size,
        )

    @property
    def source_identity(self) -> bytes:
        """Bytes that name the source version, for key derivation."""
        return cbor2.dumps([self.source_version, self.source_etag, self.size])

    @property
    def source_claims(self) -> tuple[Claim, ...]:
        """Digests that the listing declared."""
        if self.claims is None:
            return ()
        return tuple(Claim(algorithm=name, digest=digest) for name, digest in cbor2.loads(self.claims))


class UploadRow(NamedTuple):
    """An upload of ours that is, or was, open."""

    row: int
    upload: str
    attempt: str
    part_units: int
    source_header: int
    header_sha256: bytes | None
    opened_at: datetime

    @classmethod
    def of(cls, values: tuple[Any, ...]) -> UploadRow:
        """From a table row."""
        row, upload, attempt, part_units, source_header, header_sha256, opened_ms = values
        opened_at = datetime.fromtimestamp(opened_ms / 1000, UTC)
        return cls(row, upload, attempt, part_units, source_header, header_sha256, opened_at)


class RewrapRow(NamedTuple):
    """A rewrap of an object that may be under way."""

    row: int
    readers: int
    attempt: str
    upload: str | None
    part_units: int
    revoke: bool
    header_before: bytes | None
    header_sha256: bytes | None
    begun_ms: int


class PartRow(NamedTuple):
    """One acknowledged part."""

    number: int
    size: int
    ciphertext_sha256: bytes
    nonce_prefix: bytes | None
    etag: str | None


_FIELDS: Final = (
    "content_type", "content_encoding", "content_language", "content_disposition", "cache_control",
)  # fmt: skip


def encode_attributes(attributes: Attributes) -> bytes | None:
    """Attributes as canonical CBOR, or None if there are none."""
    found: dict[str, Any] = {
        name: value for name in _FIELDS if (value := getattr(attributes, name)) is not None
    }
    if attributes.metadata:
        found["metadata"] = dict(sorted(attributes.metadata.items()))
    if attributes.tags:
        found["tags"] = dict(sorted(attributes.tags.items()))
    return cbor2.dumps(found) if found else None


def attributes_digest(body: bytes | None) -> bytes | None:
    """How events name an attributes body: its SHA-256."""
    return None if body is None else hashlib.sha256(body).digest()


def decode_attributes(body: bytes) -> Attributes:
    """The reverse of ``encode_attributes``."""
    found = cbor2.loads(body)
    return Attributes(**found)
