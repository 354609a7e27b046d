"""From an SDK's error to the word and the sentence that an estate keeps.

The errors' own messages are left out: they quote URLs, and some quote what was sent.
"""

from __future__ import annotations

from typing import Final

from providers.errors import PermissionDenied, StoreError, Unauthenticated, Unavailable, Unsupported
from providers.estate.guard import Refused
from providers.estate.model import Absence, Reason

__all__ = ["absence_of", "reason_of", "status_of"]

_BY_STATUS: Final = {
    400: Absence.FAILED,
    401: Absence.UNAUTHENTICATED,
    403: Absence.PERMISSION_DENIED,
    404: Absence.NOT_SUPPORTED,
    405: Absence.NOT_SUPPORTED,
    408: Absence.UNREACHABLE,
    429: Absence.UNREACHABLE,
    501: Absence.NOT_SUPPORTED,
}
_BY_NAME: Final = {
    # keystoneauth1, openstacksdk
    "EndpointNotFound": Absence.NOT_SUPPORTED,
    "EmptyCatalog": Absence.NOT_SUPPORTED,
    "ServiceNotFound": Absence.NOT_SUPPORTED,
    "ServiceDisabledException": Absence.NOT_SUPPORTED,
    "MissingRequiredOptions": Absence.UNAUTHENTICATED,
    "ConnectFailure": Absence.UNREACHABLE,
    "ConnectTimeout": Absence.UNREACHABLE,
    "DiscoveryFailure": Absence.UNREACHABLE,
    "SSLFailure": Absence.UNREACHABLE,
    # apache-libcloud
    "InvalidCredsError": Absence.UNAUTHENTICATED,
    # botocore
    "NoCredentialsError": Absence.UNAUTHENTICATED,
    "EndpointConnectionError": Absence.UNREACHABLE,
    "ReadTimeoutError": Absence.UNREACHABLE,
    # urllib3
    "MaxRetryError": Absence.UNREACHABLE,
    "NewConnectionError": Absence.UNREACHABLE,
    # azure.identity
    "ClientAuthenticationError": Absence.UNAUTHENTICATED,
    "CredentialUnavailableError": Absence.UNAUTHENTICATED,
}
_WORDS: Final = {
    Absence.NOT_CONFIGURED: "the site names no credential for it",
    Absence.NOT_SUPPORTED: "the service does not know this",
    Absence.PERMISSION_DENIED: "these credentials may not ask this",
    Absence.UNAUTHENTICATED: "the credentials are missing, wrong or expired",
    Absence.UNREACHABLE: "the service could not be reached",
    Absence.TOO_MANY: "there is more than is kept",
    Absence.FAILED: "the answer was not understood",
}


def status_of(error: BaseException) -> int | None:
    """The HTTP status that an error carries under one of its libraries' names."""
    for name in ("status_code", "http_status", "http_code", "status", "code"):
        value = getattr(error, name, None)
        if isinstance(value, int) and not isinstance(value, bool):
            return int(value)
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        value = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    else:
        value = getattr(response, "status_code", None)
    return value if isinstance(value, int) else None


def absence_of(error: BaseException) -> Absence:
    """Why something is not known, after the error that asking for it ended with."""
    if isinstance(error, Unauthenticated):
        return Absence.UNAUTHENTICATED
    if isinstance(error, PermissionDenied):
        return Absence.PERMISSION_DENIED
    if isinstance(error, (Unavailable, ConnectionError, TimeoutError)):
        return Absence.UNREACHABLE
    if isinstance(error, (Unsupported, NotImplementedError)):
        return Absence.NOT_SUPPORTED
    if isinstance(error, Refused):
        return Absence.FAILED
    for kind in type(error).__mro__:
        if kind.__name__ in _BY_NAME:
            return _BY_NAME[kind.__name__]
    status = status_of(error)
    if status is None:
        # What requests raises for a broken way is an OSError.
        return Absence.UNREACHABLE if isinstance(error, OSError) else Absence.FAILED
    server_fault = 500
    return _BY_STATUS.get(status, Absence.UNREACHABLE if status >= server_fault else Absence.FAILED)


def reason_of(error: BaseException) -> Reason:
    """The same as a reason of a section."""
    absence = absence_of(error)
    if isinstance(error, (StoreError, Refused)):
        # Ours: written without secrets.
        return Reason(absence=absence, text=str(error))
    status = status_of(error)
    detail = f"HTTP {status}" if status else type(error).__name__
    return Reason(absence=absence, text=f"{_WORDS[absence]} ({detail})")
