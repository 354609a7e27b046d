"""What happened, as the ledger records it: past tense, small, in a fixed order of fields.

On the wire an event is a CBOR array ``[kind, *fields]`` (RFC 8949); ``migrator/docs/ledger.md`` lists the fields.
Named tuples, because a hundred thousand of them pass through every minute.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from migrator.core.states import EventKind

__all__ = [
    "BookStored",
    "EpochRaised",
    "Event",
    "GenerationStarted",
    "InventoryRestarted",
    "ManifestSealed",
    "ObjectFailed",
    "ObjectRejected",
    "ObjectRewrapped",
    "ObjectSkipped",
    "ObjectStored",
    "ObjectVerified",
    "ObjectsListed",
    "PartStored",
    "ReadersChanged",
    "RewrapForgotten",
    "RewrapOpened",
    "RewrapPartStored",
    "RewrapStarted",
    "RootDropped",
    "RootSealed",
    "RunEnded",
    "RunStarted",
    "SourceDrifted",
    "UploadForgotten",
    "UploadOpened",
    "UploadSwept",
    "kind_of",
]


class ObjectsListed(NamedTuple):
    """Rows ``first`` to ``last`` entered the manifest; ``digest`` is SHA-256 over their canonical form."""

    first: int
    last: int
    digest: bytes


class ManifestSealed(NamedTuple):
    """The inventory is complete: this many rows, this many bytes to move."""

    rows: int
    bytes: int


class InventoryRestarted(NamedTuple):
    """An unsealed inventory was thrown away."""

    rows: int


class GenerationStarted(NamedTuple):
    """These rows (inclusive ranges) may send ciphertext under their next generation and this root secret."""

    root: int
    ranges: tuple[tuple[int, int], ...]


class UploadOpened(NamedTuple):
    """The target gave (or will know) this upload id; parts have ``part_units`` units."""

    row: int
    upload: str
    part_units: int
    source_header: int


class PartStored(NamedTuple):
    """The target acknowledged a part."""

    row: int
    number: int
    size: int
    ciphertext_sha256: bytes
    nonce_prefix: bytes | None
    etag: str | None
    header_sha256: bytes | None


class UploadForgotten(NamedTuple):
    """The upload is gone; its parts count no more."""

    row: int
    reason: str


class ObjectStored(NamedTuple):
    """The target acknowledged the whole object.

    ``ciphertext_sha256`` covers every stored byte of an object put at once and is None for one put in parts;
    ``plaintext_sha256`` is None where only the read-back can tell. ``attributes`` is the SHA-256 of what the ledger
    keeps of the object's metadata, tags and content headers.
    """

    row: int
    stored_size: int
    plaintext_sha256: bytes | None
    ciphertext_sha256: bytes | None
    nonce_prefix: bytes | None
    target_etag: str | None
    target_version: str | None
    attributes: bytes | None


class ObjectVerified(NamedTuple):
    """The stored object was verified at this level; ``plaintext_sha256`` is given when the read-back settled it."""

    row: int
    level: str
    plaintext_sha256: bytes | None


class ObjectSkipped(NamedTuple):
    """The object needs no transfer: it is not a current object, or it stands there already.

    In the latter case both sides were read in full, and what stands there is recorded as if it had been sent.
    """

    row: int
    reason: str
    stored_size: int | None = None
    plaintext_sha256: bytes | None = None
    ciphertext_sha256: bytes | None = None
    target_etag: str | None = None
    target_version: str | None = None


class SourceDrifted(NamedTuple):
    """The source no longer is what the inventory listed."""

    row: int
    reason: str


class ObjectRejected(NamedTuple):
    """The object cannot be transferred, or what is stored is not what was sent."""

    row: int
    reason: str


class ObjectFailed(NamedTuple):
    """The transfer failed; the next run tries again."""

    row: int
    reason: str


class RunStarted(NamedTuple):
    """A run began: who, where, with which version, at which epoch; the seed commits to a sample beforehand."""

    owner: str
    version: str
    epoch: int
    verify: str
    sample_seed: bytes | None


class RunEnded(NamedTuple):
    """A run ended: ``done``, ``incomplete``, ``interrupted``, ``stopped``."""

    outcome: str


class EpochRaised(NamedTuple):
    """The epoch record at the target is about to say this number."""

    epoch: int


class RootSealed(NamedTuple):
    """A root secret exists; ``digest`` is SHA-256 of its sealed form."""

    root: int
    digest: bytes


class RootDropped(NamedTuple):
    """A root secret was erased from the ledger."""

    root: int


class BookStored(NamedTuple):
    """The metadata book stands at the target under this key."""

    key: str
    size: int
    sha256: bytes


class UploadSwept(NamedTuple):
    """An orphan upload of ours was aborted."""

    row: int
    upload: str


class ReadersChanged(NamedTuple):
    """From now on the wave's objects are to be for these recipients (raw public keys, in order).

    ``readers`` numbers the set, from 1; 0 is the set of the wave file. ``revoke`` says that what is brought over to
    it is encrypted under a fresh data key.
    """

    readers: int
    recipients: tuple[bytes, ...]
    revoke: bool


class RewrapStarted(NamedTuple):
    """Objects in these rows (inclusive ranges) may be sent anew for this set under their next generation.

    What stands at the target is still what the receipt of the row says.
    """

    readers: int
    ranges: tuple[tuple[int, int], ...]


class RewrapOpened(NamedTuple):
    """Bytes of a rewrap are about to be sent: under this upload id in parts of ``part_units``, or at once.

    ``header_before`` is the digest of the header that they replace; ``revoke`` says whether bodies get a fresh key.
    """

    row: int
    upload: str | None
    part_units: int
    revoke: bool
    header_before: bytes


class RewrapPartStored(NamedTuple):
    """The target acknowledged a part of a rewrap, sent or ``copied`` within the store.

    An object that is put at once announces its whole body so, before it is sent.
    """

    row: int
    number: int
    size: int
    ciphertext_sha256: bytes
    nonce_prefix: bytes | None
    etag: str | None
    header_sha256: bytes | None
    copied: bool


class ObjectRewrapped(NamedTuple):
    """A new object with a new header has taken the old one's place; a receipt like ``ObjectStored``.

    The plain bytes are those of the receipt before. ``revoked`` says that the body is sealed under a fresh data key;
    otherwise its segments are the same. ``old_etag`` and ``old_version`` name what was replaced.
    """

    row: int
    readers: int
    revoked: bool
    header_before: bytes
    header_after: bytes
    stored_size: int
    ciphertext_sha256: bytes | None
    nonce_prefix: bytes | None
    target_etag: str | None
    target_version: str | None
    old_etag: str | None
    old_version: str | None


class RewrapForgotten(NamedTuple):
    """A rewrap of this row was given up; its upload and parts count no more."""

    row: int
    reason: str


Event: TypeAlias = (
    ObjectsListed | ManifestSealed | InventoryRestarted | GenerationStarted | UploadOpened | PartStored
    | UploadForgotten | ObjectStored | ObjectVerified | ObjectSkipped | SourceDrifted | ObjectRejected
    | ObjectFailed | RunStarted | RunEnded | EpochRaised | RootSealed | RootDropped | BookStored | UploadSwept
    | ReadersChanged | RewrapStarted | RewrapOpened | RewrapPartStored | ObjectRewrapped | RewrapForgotten
)  # fmt: skip

_KINDS: dict[type[Event], EventKind] = {
    ObjectsListed: EventKind.OBJECTS_LISTED,
    ManifestSealed: EventKind.MANIFEST_SEALED,
    InventoryRestarted: EventKind.INVENTORY_RESTARTED,
    GenerationStarted: EventKind.GENERATION_STARTED,
    UploadOpened: EventKind.UPLOAD_OPENED,
    PartStored: EventKind.PART_STORED,
    UploadForgotten: EventKind.UPLOAD_FORGOTTEN,
    ObjectStored: EventKind.OBJECT_STORED,
    ObjectVerified: EventKind.OBJECT_VERIFIED,
    ObjectSkipped: EventKind.OBJECT_SKIPPED,
    SourceDrifted: EventKind.SOURCE_DRIFTED,
    ObjectRejected: EventKind.OBJECT_REJECTED,
    ObjectFailed: EventKind.OBJECT_FAILED,
    RunStarted: EventKind.RUN_STARTED,
    RunEnded: EventKind.RUN_ENDED,
    EpochRaised: EventKind.EPOCH_RAISED,
    RootSealed: EventKind.ROOT_SEALED,
    RootDropped: EventKind.ROOT_DROPPED,
    BookStored: EventKind.BOOK_STORED,
    UploadSwept: EventKind.UPLOAD_SWEPT,
    ReadersChanged: EventKind.READERS_CHANGED,
    RewrapStarted: EventKind.REWRAP_STARTED,
    RewrapOpened: EventKind.REWRAP_OPENED,
    RewrapPartStored: EventKind.REWRAP_PART_STORED,
    ObjectRewrapped: EventKind.OBJECT_REWRAPPED,
    RewrapForgotten: EventKind.REWRAP_FORGOTTEN,
}


def kind_of(event: Event) -> EventKind:
    """The wire number of an event."""
    return _KINDS[type(event)]
