"""What an exception met on the way to the Blob service means, in the classes of ``providers.errors``.

Codes: "Blob service error codes" and "Common REST API error codes" of the REST reference. Messages are ours:
the service's own texts can quote URLs, names and strings to sign.
"""

from __future__ import annotations

import re
from http.client import IncompleteRead
from typing import Final
from xml.etree.ElementTree import ParseError

import obstore.exceptions as ob
import urllib3.exceptions as ur
from azure.core import exceptions as az

from providers.drivers.azure_http import AzureFailure, error_code
from providers.errors import (
    AlreadyExists,
    ChecksumRefused,
    ConditionFailed,
    ConfigInvalid,
    KeyRefused,
    NotFound,
    PermissionDenied,
    RangeInvalid,
    StoreError,
    Throttled,
    Truncated,
    Unauthenticated,
    Unavailable,
    Unexpected,
    Unsupported,
    UploadLost,
)

__all__ = ["classify", "translate"]

_SERVER_ERROR: Final = 500

_CODES: Final[dict[str, tuple[type[StoreError], str]]] = {
    "BlobNotFound": (NotFound, "the blob is not there"),
    "ContainerNotFound": (NotFound, "the container is not there"),
    "ResourceNotFound": (NotFound, "the service does not know this resource"),
    "BlobAlreadyExists": (AlreadyExists, "the blob is already there"),
    "ConditionNotMet": (ConditionFailed, "the blob is no longer the one that was listed"),
    "TargetConditionNotMet": (ConditionFailed, "the blob is no longer the one that was listed"),
    "AuthenticationFailed": (Unauthenticated, "the service does not accept the credentials"),
    "InvalidAuthenticationInfo": (Unauthenticated, "the service does not accept the credentials"),
    "NoAuthenticationInformation": (Unauthenticated, "the service wants credentials"),
    "PublicAccessNotPermitted": (Unauthenticated, "the account allows no anonymous reading"),
    "AuthorizationFailure": (PermissionDenied, "the credentials, or this network, may not do this"),
    "AuthorizationPermissionMismatch": (PermissionDenied, "the credentials may not do this"),
    "AuthorizationSourceIPMismatch": (PermissionDenied, "the signature is not valid from this address"),
    "AuthorizationProtocolMismatch": (PermissionDenied, "the signature is not valid over this protocol"),
    "AuthorizationServiceMismatch": (PermissionDenied, "the signature is not for the blob service"),
    "AuthorizationResourceTypeMismatch": (PermissionDenied, "the signature is not for this kind of resource"),
    "InsufficientAccountPermissions": (PermissionDenied, "the account may not do this"),
    "UnauthorizedBlobOverwrite": (PermissionDenied, "the signature does not allow overwriting"),
    "KeyBasedAuthenticationNotPermitted": (PermissionDenied, "the account is closed to shared keys"),
    "AccountIsDisabled": (PermissionDenied, "the account is disabled"),
    "ContainerDisabled": (PermissionDenied, "the container is disabled"),
    "ContainerBeingDeleted": (Unavailable, "the container is being deleted"),
    "InvalidBlockList": (UploadLost, "blocks of this upload are no longer staged"),
    "Md5Mismatch": (ChecksumRefused, "the service received other bytes than were sent (MD5)"),
    "Crc64Mismatch": (ChecksumRefused, "the service received other bytes than were sent (CRC64)"),
    "InvalidRange": (RangeInvalid, "the range lies outside the blob"),
    "ServerBusy": (Throttled, "the service asks for a slower pace"),
    "OperationTimedOut": (Unavailable, "the service timed out"),
    "InternalError": (Unavailable, "the service failed internally"),
    "BlobArchived": (Unsupported, "the blob lies in the archive tier; rehydrate it before it is read"),
    "BlobBeingRehydrated": (
        Unsupported,
        "the blob is being rehydrated from the archive tier; wait until it is",
    ),
    "BlobUsesCustomerSpecifiedEncryption": (
        Unsupported,
        "the blob is encrypted with a key that its writer gave and kept",
    ),
    "BlobImmutableDueToPolicy": (Unsupported, "an immutability policy or legal hold protects the blob"),
    "BlobNotWritable": (Unsupported, "an immutability policy protects the blob"),
    "SnapshotsPresent": (Unsupported, "the blob has snapshots, which this tool does not delete"),
    "LeaseIdMissing": (Unsupported, "somebody holds a lease on the blob or container"),
    "LeaseAlreadyPresent": (Unsupported, "somebody holds a lease on the blob or container"),
    "InvalidBlobType": (Unsupported, "the blob is not a block blob"),
    "BlobTypeNotSupported": (Unsupported, "the blob is not a block blob"),
    "InvalidBlobOrBlock": (
        Unsupported,
        "another program has staged blocks of its own under this name; they lapse after 7 days",
    ),
    "BlockCountExceedsLimit": (Unsupported, "too many blocks are staged under this name"),
    "RequestBodyTooLarge": (Unsupported, "the body is larger than the service takes"),
    "MetadataTooLarge": (Unsupported, "the metadata is larger than the service takes"),
    "InvalidMetadata": (Unsupported, "the service does not take this metadata"),
    "EmptyMetadataKey": (Unsupported, "the service does not take this metadata"),
    "InvalidTag": (Unsupported, "the service does not take these tags"),
    "NotImplemented": (Unsupported, "the service does not offer this"),
    "APINotImplemented": (Unsupported, "the service does not offer this"),
    "FeatureNotSupported": (Unsupported, "the account does not offer this"),
    "InvalidUri": (KeyRefused, "the service does not take this name"),
    "InvalidResourceName": (KeyRefused, "the service does not take this name"),
    "OutOfRangeInput": (KeyRefused, "the service does not take this name"),
}
_STATUSES: Final[dict[int, tuple[type[StoreError], str]]] = {
    401: (Unauthenticated, "the service does not accept the credentials"),
    403: (PermissionDenied, "the service forbids this"),
    404: (NotFound, "there is nothing of this name"),
    408: (Unavailable, "the service timed out"),
    412: (ConditionFailed, "a condition of the request does not hold"),
    413: (Unsupported, "the body is larger than the service takes"),
    416: (RangeInvalid, "the range lies outside the blob"),
    429: (Throttled, "the service asks for a slower pace"),
    501: (Unsupported, "the service does not offer this"),
    503: (Throttled, "the service asks for a slower pace"),
}
_OB_STATUS: Final = re.compile(r"status code:?\s*(\d{3})")
_OB_CODE: Final = re.compile(r"<Code>([A-Za-z0-9]{1,80})</Code>")
_OB: Final[tuple[tuple[type[Exception], type[StoreError], str], ...]] = (
    (FileNotFoundError, NotFound, "the blob is not there"),
    (ob.NotFoundError, NotFound, "the blob is not there"),
    (ob.AlreadyExistsError, AlreadyExists, "the blob is already there"),
    (ob.PreconditionError, ConditionFailed, "the blob is no longer the one that was listed"),
    (ob.UnauthenticatedError, Unauthenticated, "the service does not accept the credentials"),
    (ob.PermissionDeniedError, PermissionDenied, "the service forbids this"),
    (ob.InvalidPathError, KeyRefused, "the client cannot spell this name"),
    (ob.NotSupportedError, Unsupported, "the client does not offer this"),
)
_URLLIB3: Final[tuple[tuple[type[ur.HTTPError], str], ...]] = (
    (ur.NameResolutionError, "the service's host name does not resolve"),
    (ur.NewConnectionError, "the service cannot be reached"),
    (ur.TimeoutError, "the service did not answer in time"),
)


def classify(status: int, code: str, retry_after: float | None = None) -> StoreError:
    """The error for an HTTP status and the service's own code, which may be empty."""
    known = _CODES.get(code) or _STATUSES.get(status)
    if known is None:
        if status >= _SERVER_ERROR:
            known = (Unavailable, "the service failed")
        else:
            known = (Unexpected, f"the service answered {status} {code}".rstrip())
    kind, message = known
    return kind(message, status=status, retry_after=retry_after)


def _from_obstore(error: Exception) -> StoreError:
    # obstore has no fields: the answer's code and status stand in the text, which is read and not passed on.
    text = str(error)
    code = _OB_CODE.search(text)
    status = _OB_STATUS.search(text)
    number = int(status[1]) if status else 0
    name = error_code(code[1], text) if code else ""
    if name in _CODES:
        return classify(number, name)
    for kind, meaning, message in _OB:
        if isinstance(error, kind):
            return meaning(message)
    if number:
        return classify(number, name)
    if "certificate" in text.lower():
        return _untrusted()
    return Unavailable("the connection to the service failed or fell silent")


def _untrusted() -> StoreError:
    return ConfigInvalid(
        "the endpoint's certificate is not trusted",
        hint="check the endpoint's host name; name ca_bundle in the site if the authority is your own",
    )


def _from_urllib3(error: ur.HTTPError) -> StoreError:
    inner = error.args[1] if len(error.args) > 1 else None
    if isinstance(error, IncompleteRead) or isinstance(inner, IncompleteRead):
        return Truncated("the answer ended early")
    if isinstance(error, ur.SSLError) and "certificate" in str(error).lower():
        return _untrusted()
    for kind, message in _URLLIB3:
        if isinstance(error, kind):
            return Unavailable(message)
    return Unavailable("the connection to the service failed")


def _from_identity(error: az.AzureError) -> StoreError:
    if isinstance(error, az.ClientAuthenticationError):
        return Unauthenticated(
            "no Azure identity could be used", hint="run `az login`, or give this site a key"
        )
    if isinstance(error, az.ServiceRequestError | az.ServiceResponseError):
        return Unavailable("the identity service cannot be reached")
    if isinstance(error, az.HttpResponseError) and error.status_code:
        return classify(error.status_code, str(getattr(error, "error_code", None) or ""))
    return Unexpected(f"the Azure client failed ({type(error).__name__})")


def translate(error: Exception) -> StoreError:
    """Classify what a call of the driver raised; never raises."""
    found: StoreError
    if isinstance(error, StoreError):
        found = error
    elif isinstance(error, AzureFailure):
        found = classify(error.status, error.code, error.retry_after)
    elif isinstance(error, ur.HTTPError):
        found = _from_urllib3(error)
    elif isinstance(error, ob.BaseError | FileNotFoundError):  # obstore raises the builtin for a 404
        found = _from_obstore(error)
    elif isinstance(error, az.AzureError):
        found = _from_identity(error)
    elif isinstance(error, ParseError):
        found = Unexpected("the service's answer is not valid XML (a name with a control character?)")
    elif isinstance(error, OSError):
        found = Unavailable("the connection to the service failed")
    else:
        found = Unexpected(f"the Azure client failed ({type(error).__name__})")
    return found
