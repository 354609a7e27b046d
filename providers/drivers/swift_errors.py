"""What an exception met on the way to Swift or Keystone means, in the classes of ``providers.errors``.

Statuses: "Object Storage API" of the OpenStack API reference; 498 is Swift's rate limiting. Messages are ours: the
service's own texts can quote names.
"""

from __future__ import annotations

import ssl
from typing import Final

from providers.errors import (
    AlreadyExists,
    ChecksumRefused,
    ConditionFailed,
    ConfigInvalid,
    KeyRefused,
    LocalStorageFull,
    NotFound,
    PermissionDenied,
    RangeInvalid,
    StoreError,
    Throttled,
    Unauthenticated,
    Unavailable,
    Unexpected,
    Unsupported,
    UploadLost,
)

__all__ = ["SwiftFailure", "translate"]

_SERVER_ERROR: Final = 500
_SDK: Final = frozenset({"keystoneauth1", "openstack", "requests", "yaml"})


class SwiftFailure(Exception):
    """The service answered with an error.

    Attributes:
        status: HTTP status.
        operation: What was asked: ``auth``, ``read``, ``create``, ``put``, ``manifest``, or "" for the rest.
        retry_after: Seconds the service asks to wait, if it does.
        quota: Whether the answer speaks of a quota.
    """

    def __init__(
        self, status: int, operation: str = "", *, retry_after: float | None = None, quota: bool = False
    ) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status
        self.operation = operation
        self.retry_after = retry_after
        self.quota = quota


_AUTH: Final = "the service does not accept the credentials"
_STATUSES: Final[dict[int, tuple[type[StoreError], str]]] = {
    400: (Unsupported, "the service does not take this request"),
    401: (Unauthenticated, _AUTH),
    403: (PermissionDenied, "the service forbids this"),
    404: (NotFound, "there is nothing of this name"),
    405: (Unsupported, "the service does not offer this"),
    408: (Unavailable, "the service waited too long for the request"),
    409: (Unavailable, "the service saw a conflict with another write"),
    411: (Unsupported, "the service wants a length it did not get"),
    412: (ConditionFailed, "a condition of the request does not hold"),
    413: (Unsupported, "the body is larger than the service takes"),
    416: (RangeInvalid, "the range lies outside the object"),
    422: (ChecksumRefused, "the service received other bytes than were sent (MD5)"),
    429: (Throttled, "the service asks for a slower pace"),
    498: (Throttled, "the service asks for a slower pace"),
    501: (Unsupported, "the service does not offer this"),
    507: (LocalStorageFull, "the service has no space left"),
}
_BY_OPERATION: Final[dict[tuple[str, int], tuple[type[StoreError], str]]] = {
    ("auth", 403): (Unauthenticated, _AUTH),
    ("auth", 404): (ConfigInvalid, "there is no authentication service at this address"),
    ("create", 412): (AlreadyExists, "the object is already there"),
    ("put", 412): (KeyRefused, "the service does not take this name"),
    ("read", 409): (ConditionFailed, "a segment of the large object is gone or was changed"),
    ("manifest", 400): (UploadLost, "the store no longer has the segments as they were sent"),
    ("manifest", 413): (Unsupported, "the object has more segments than the service takes"),
}
_QUOTA_HINT: Final = (
    "raise the quota of the account or container, then run the same command again to carry on"
)


def classify(failure: SwiftFailure) -> StoreError:
    """The error for what the service answered."""
    status = failure.status
    if failure.quota:
        return LocalStorageFull(
            "the quota of the account or container is full", hint=_QUOTA_HINT, status=status
        )
    known = _BY_OPERATION.get((failure.operation, status)) or _STATUSES.get(status)
    if known is None and status >= _SERVER_ERROR:
        asked = failure.retry_after is not None
        known = (Throttled if asked else Unavailable, "the service failed")
    kind, message = known or (Unexpected, f"the service answered {status}")
    return kind(message, status=status, retry_after=failure.retry_after)


def translate(error: Exception) -> StoreError:
    """Classify what a call of the driver raised; never raises."""
    found: StoreError
    if isinstance(error, StoreError):
        found = error
    elif isinstance(error, SwiftFailure):
        found = classify(error)
    elif type(error).__module__.partition(".")[0] in _SDK:
        found = _from_sdk(error)
    elif isinstance(error, ssl.SSLCertVerificationError):
        found = _untrusted()
    elif isinstance(error, (TimeoutError, BlockingIOError)):
        found = Unavailable("the service did not answer in time")
    elif isinstance(error, OSError):
        found = Unavailable(f"the connection to the service failed ({type(error).__name__})")
    elif isinstance(error, UnicodeError):
        found = KeyRefused("a name has characters that cannot be sent")
    else:
        found = Unexpected(f"the Swift driver failed ({type(error).__name__})")
    return found


def _untrusted() -> StoreError:
    return ConfigInvalid(
        "the service's TLS certificate is not trusted",
        hint="check the host's name; name ca_bundle (or cacert in clouds.yaml) if the authority is your own",
    )


def _from_sdk(error: Exception) -> StoreError:
    # Loaded only once something of theirs was raised: they take long.
    from keystoneauth1 import exceptions as ka  # noqa: PLC0415
    from openstack import exceptions as os_  # noqa: PLC0415

    if isinstance(error, ka.SSLError):
        return _untrusted()
    if isinstance(error, (ka.Unauthorized, ka.AuthorizationFailure, ka.MissingAuthPlugin)):
        return Unauthenticated("Keystone does not accept the credentials")
    if isinstance(error, ka.HttpError):
        failure = SwiftFailure(int(error.http_status or 0), "auth", retry_after=_seconds(error))
        return classify(failure)
    if isinstance(error, (ka.EndpointNotFound, ka.EmptyCatalog)):
        return _no_object_store()
    if isinstance(error, (ka.ConnectionError, ka.DiscoveryFailure)):
        return Unavailable("Keystone cannot be reached")
    if isinstance(
        error, (os_.ConfigException, ka.MissingRequiredOptions, ka.OptionError, ka.NoMatchingPlugin)
    ):
        return ConfigInvalid(
            "clouds.yaml does not describe the cloud that this site names",
            hint="check its name, region_name, auth_type and auth there",
        )
    if isinstance(error, ka.AuthPluginException):
        return Unauthenticated("Keystone could not be asked as clouds.yaml says")
    return Unexpected(f"the OpenStack client failed ({type(error).__name__})")


def _no_object_store() -> StoreError:
    return ConfigInvalid(
        "the cloud's catalogue names no object store for this region",
        hint="check region_name in clouds.yaml, or name the storage URL as endpoint of the site",
    )


def _seconds(error: Exception) -> float | None:
    wait = getattr(error, "retry_after", None)
    return float(wait) if isinstance(wait, int | float) and wait else None
