"""The errors that leave a store, and nothing else does.

StoreError                  retry
 +-- NotFound               never      the object or bucket is not there
 +-- AlreadyExists          never      create-if-absent found something
 +-- ConditionFailed        never      an etag or version pin no longer holds
 +-- PermissionDenied       stop       authenticated, not allowed
 +-- Unauthenticated        stop       missing, wrong or expired credentials
 +-- UploadLost             reopen     the upload id is unknown to the store
 +-- ChecksumRefused        later      the store says the bytes it received differ from the digest sent
 +-- RangeInvalid           never      the span lies outside the object
 +-- Truncated              later      fewer bytes arrived than the store announced
 +-- Throttled              later      429, 503 SlowDown, ServerBusy
 +-- Unavailable            later      5xx, time-outs, cut connections
 +-- Exhausted              spent      was temporary; the retries are used up
 +-- Damaged                never      what is stored does not open, or not to what it should
 +-- KeyRefused             never      the store cannot hold this key
 +-- Unsupported            never      the store lacks the capability
 +-- LocalStorageFull       stop       no space left on the device (filesystem stores)
 +-- ConfigInvalid          stop       the site or location makes no sense
 +-- Unexpected             never      anything the driver did not classify

Drivers raise what their SDK raises; ``StoreDriver.translate`` classifies it and ``ObjectStore`` raises the
result ``from`` the original. Messages never contain credentials or signed URLs.
"""

from __future__ import annotations

from enum import Enum
from typing import ClassVar

__all__ = [
    "AlreadyExists",
    "ChecksumRefused",
    "ConditionFailed",
    "ConfigInvalid",
    "Damaged",
    "Exhausted",
    "KeyRefused",
    "LocalStorageFull",
    "NotFound",
    "PermissionDenied",
    "RangeInvalid",
    "Retry",
    "StoreError",
    "Throttled",
    "Truncated",
    "Unauthenticated",
    "Unavailable",
    "Unexpected",
    "Unsupported",
    "UploadLost",
]


class Retry(Enum):
    """What a caller may do after an error."""

    NEVER = "never"
    LATER = "later"
    REOPEN = "reopen"
    STOP = "stop"
    SPENT = "spent"


class StoreError(Exception):
    """Base of every error an ``ObjectStore`` raises.

    Attributes:
        code: Stable name, part of the JSON output.
        exit_code: What the command exits with when this error ends it.
        retry: Whether trying again may help.
        hint: One sentence that tells a person what to do.
        operation: The store operation that failed (``put``, ``list_page``...).
        location: Site and bucket, never the key (keys are shown by row number unless asked for).
        retry_after: Seconds the store asked us to wait, if it did.
        status: HTTP status, if there was one.
    """

    code: ClassVar[str] = "store-error"
    exit_code: ClassVar[int] = 1
    retry: ClassVar[Retry] = Retry.NEVER
    default_hint: ClassVar[str | None] = None

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        operation: str | None = None,
        location: str | None = None,
        retry_after: float | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint if hint is not None else self.default_hint
        self.operation = operation
        self.location = location
        self.retry_after = retry_after
        self.status = status

    def __str__(self) -> str:
        where = f"{self.location}: " if self.location else ""
        what = f"{self.operation}: " if self.operation else ""
        return f"{where}{what}{self.message}"


class NotFound(StoreError):
    """The object, upload target or bucket is not there."""

    code = "not-found"
    exit_code = 10
    default_hint = "check the bucket and prefix in the location, and the endpoint of the site"


class AlreadyExists(StoreError):
    """Create-if-absent found an object."""

    code = "already-exists"


class ConditionFailed(StoreError):
    """A pinned etag or version no longer matches what the store holds."""

    code = "condition-failed"


class PermissionDenied(StoreError):
    """The credentials are known and not allowed to do this."""

    code = "permission-denied"
    retry = Retry.STOP
    default_hint = (
        "grant these credentials list, read and (at the target) write rights on this bucket and prefix"
    )


class Unauthenticated(StoreError):
    """Credentials are missing, wrong or expired."""

    code = "unauthenticated"
    retry = Retry.STOP
    default_hint = "renew the credentials this site names, then run the same command again to carry on"


class UploadLost(StoreError):
    """The store no longer knows the upload id."""

    code = "upload-lost"
    retry = Retry.REOPEN


class ChecksumRefused(StoreError):
    """The store computed another digest than the one sent: the bytes were damaged on the way."""

    code = "checksum-refused"
    retry = Retry.LATER


class RangeInvalid(StoreError):
    """The requested span lies outside the object."""

    code = "range-invalid"


class Truncated(StoreError):
    """The body ended before the announced length."""

    code = "truncated"
    exit_code = 5
    retry = Retry.LATER


class Throttled(StoreError):
    """The store asks for a slower pace."""

    code = "throttled"
    exit_code = 5
    retry = Retry.LATER


class Unavailable(StoreError):
    """The store or the way to it does not work right now."""

    code = "unavailable"
    exit_code = 5
    retry = Retry.LATER
    default_hint = "run the same command again later; it carries on where it stopped"


class Exhausted(StoreError):
    """A temporary error outlasted the retries; ``__cause__`` is the last one."""

    code = "exhausted"
    exit_code = 5
    retry = Retry.SPENT
    default_hint = "run the same command again later; it carries on where it stopped"


class Damaged(StoreError):
    """What is stored does not open, or opens to something else than it should; reading again gives the same."""

    code = "damaged"
    exit_code = 4


class KeyRefused(StoreError):
    """The store cannot represent this key."""

    code = "key-refused"


class Unsupported(StoreError):
    """The store lacks a capability this operation needs."""

    code = "unsupported"
    exit_code = 13


class LocalStorageFull(StoreError):
    """A filesystem store has no space left."""

    code = "storage-full"
    retry = Retry.STOP
    default_hint = "free some space, then run the same command again to carry on"


class ConfigInvalid(StoreError):
    """A site or location makes no sense."""

    code = "config-invalid"
    exit_code = 2
    retry = Retry.STOP


class Unexpected(StoreError):
    """The driver had no class for what the store answered."""

    code = "unexpected"
