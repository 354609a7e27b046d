"""From what S3, botocore and the network raise to ``StoreError``.

Codes: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html and what other stores were seen to
answer. Stores repeat keys, host ids and the string to sign in their messages, so only code and status go on.
"""

from __future__ import annotations

import re
import ssl
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

from botocore import exceptions as boto

from providers.drivers.s3_xml import XmlInvalid, parse
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

if TYPE_CHECKING:
    from collections.abc import Mapping

    from providers.drivers.s3_wire import Answer

__all__ = ["client_error", "translate"]

_BY_CODE: Final[dict[str, type[StoreError]]] = {
    "NoSuchKey": NotFound,
    "NoSuchBucket": NotFound,
    "NoSuchVersion": NotFound,
    "NotFound": NotFound,
    "NoSuchUpload": UploadLost,
    "InvalidPart": UploadLost,
    "InvalidPartOrder": UploadLost,
    "ConditionalRequestConflict": Unavailable,
    "OperationAborted": Unavailable,
    "PreconditionFailed": ConditionFailed,
    "NotModified": ConditionFailed,
    "InvalidRange": RangeInvalid,
    "AccessDenied": PermissionDenied,
    "AllAccessDisabled": PermissionDenied,
    "AccountProblem": PermissionDenied,
    "Forbidden": PermissionDenied,
    "ExpiredToken": Unauthenticated,
    "ExpiredTokenException": Unauthenticated,
    "InvalidToken": Unauthenticated,
    "TokenRefreshRequired": Unauthenticated,
    "InvalidAccessKeyId": Unauthenticated,
    "SignatureDoesNotMatch": Unauthenticated,
    "InvalidSecurity": Unauthenticated,
    "MissingSecurityHeader": Unauthenticated,
    "RequestTimeTooSkewed": Unauthenticated,
    "RequestExpired": Unauthenticated,
    "Unauthorized": Unauthenticated,
    "SlowDown": Throttled,
    "SlowDownRead": Throttled,
    "SlowDownWrite": Throttled,
    "ServiceUnavailable": Throttled,
    "Throttling": Throttled,
    "ThrottlingException": Throttled,
    "RequestLimitExceeded": Throttled,
    "BandwidthLimitExceeded": Throttled,
    "TooManyRequests": Throttled,
    "InternalError": Unavailable,
    "RequestTimeout": Unavailable,
    "IncompleteBody": Unavailable,
    "BadDigest": ChecksumRefused,
    "InvalidDigest": ChecksumRefused,
    "XAmzContentSHA256Mismatch": ChecksumRefused,
    "XAmzContentChecksumMismatch": ChecksumRefused,
    "KeyTooLongError": KeyRefused,
    "InvalidURI": KeyRefused,
    "InvalidObjectName": KeyRefused,
    "XMinioInvalidObjectName": KeyRefused,
    # 'x' and 'x/y' exclude each other there: MinIO's fronts and Versity's gateway.
    "XMinioObjectExistsAsDirectory": KeyRefused,
    "XMinioParentIsObject": KeyRefused,
    "ExistingObjectIsDirectory": KeyRefused,
    "ObjectParentIsFile": KeyRefused,
    "NotImplemented": Unsupported,
    "MissingContentLength": Unsupported,
    "InvalidObjectState": Unsupported,
    "MetadataTooLarge": Unsupported,
    "InvalidTag": Unsupported,
    "QuotaExceeded": LocalStorageFull,
    "InsufficientStorage": LocalStorageFull,
    "XMinioStorageFull": LocalStorageFull,
    "AuthorizationHeaderMalformed": ConfigInvalid,
    "PermanentRedirect": ConfigInvalid,
    "TemporaryRedirect": ConfigInvalid,
    "InvalidBucketName": ConfigInvalid,
}
_BY_STATUS: Final[dict[int, type[StoreError]]] = {
    301: ConfigInvalid,
    304: ConditionFailed,
    307: ConfigInvalid,
    308: ConfigInvalid,
    401: Unauthenticated,
    403: PermissionDenied,
    404: NotFound,
    408: Unavailable,
    409: Unavailable,
    411: Unsupported,
    412: ConditionFailed,
    416: RangeInvalid,
    429: Throttled,
    501: Unsupported,
    503: Throttled,
    507: LocalStorageFull,
}
_CLOCK: Final = "set this machine's clock (NTP): the store refuses signatures that are minutes off"
_HINTS: Final = {
    "NoSuchBucket": "create the bucket, or check the name and the endpoint of the site",
    "RequestTimeTooSkewed": _CLOCK,
    "RequestExpired": _CLOCK,
    "SignatureDoesNotMatch": "check the secret key that this site names, and its region",
    "InvalidObjectState": "the object is archived: restore it in its store first",
    "QuotaExceeded": "raise the quota of the bucket or account, then run the same command again to carry on",
    "AuthorizationHeaderMalformed": "check the region of the site",
    "PermanentRedirect": "check the region and the endpoint of the site",
}
_CREATES: Final = frozenset({"PutObject", "CompleteMultipartUpload"})
_READS: Final = frozenset({"GetObject", "HeadObject"})
_OF_AN_UPLOAD: Final = frozenset(
    {"UploadPart", "ListParts", "CompleteMultipartUpload", "AbortMultipartUpload"}
)
_SAFE_CODE: Final = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")
_SERVER_ERRORS: Final = range(500, 600)


def client_error(answer: Answer, operation: str) -> boto.ClientError:
    """The refusal in this answer as botocore would raise it, so that refusals have one shape."""
    code = str(answer.status)
    message = ""
    if answer.body:
        try:
            values = parse(bytes(answer.body)).values
        except XmlInvalid:
            values = {}  # a proxy or balancer answered in its own words: the status says enough
        code, message = values.get("Code") or code, values.get("Message", "")
    response = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": answer.status, "HTTPHeaders": answer.headers},
    }
    return boto.ClientError(response, operation)  # type: ignore[arg-type, unused-ignore]


def translate(error: Exception) -> StoreError:
    """Classify an exception of botocore, of the wire or of the operating system; never raises."""
    if isinstance(error, StoreError):
        return error
    if isinstance(error, boto.ClientError):
        return _refusal(error)
    if isinstance(error, (boto.ProfileNotFound, boto.ConfigParseError, boto.InvalidConfigError)):
        return ConfigInvalid("the AWS configuration that this site names cannot be used")
    if isinstance(error, _CREDENTIALS):
        return Unauthenticated(
            f"no usable S3 credentials were found ({type(error).__name__})",
            hint="name aws_profile, or access_key_env and secret_key_env, in the site",
        )
    if isinstance(error, (ssl.SSLCertVerificationError, boto.SSLError)):
        return ConfigInvalid(
            "the store's TLS certificate is not trusted",
            hint="check the endpoint's host name; name ca_bundle in the site if the authority is your own",
        )
    if isinstance(error, (TimeoutError, BlockingIOError)):
        return Unavailable("the store did not answer in time")
    if isinstance(error, XmlInvalid):
        return Unavailable(str(error))
    if isinstance(error, (OSError, boto.HTTPClientError, boto.ConnectionError)):
        return Unavailable(f"the connection to the store failed ({type(error).__name__})")
    if isinstance(error, UnicodeError):
        return KeyRefused("a name has characters that cannot be sent")
    return Unexpected(f"the S3 driver failed ({type(error).__name__})")


_CREDENTIALS: Final = (
    boto.NoCredentialsError,
    boto.PartialCredentialsError,
    boto.CredentialRetrievalError,
    boto.TokenRetrievalError,
    boto.SSOError,
    boto.UnauthorizedSSOTokenError,
    boto.MetadataRetrievalError,
)


def _refusal(error: boto.ClientError) -> StoreError:
    response: Mapping[str, Mapping[str, object]] = error.response  # type: ignore[assignment, unused-ignore]
    metadata = response.get("ResponseMetadata", {})
    status = metadata.get("HTTPStatusCode")
    status = status if isinstance(status, int) else 0
    code = str(response.get("Error", {}).get("Code", ""))
    code = code if _SAFE_CODE.match(code) else ""
    if code == "404" and error.operation_name == "HeadBucket":
        code = "NoSuchBucket"
    kind = _classify(code, status, error.operation_name)
    named = "" if code == str(status) else code
    headers = metadata.get("HTTPHeaders")
    after = headers.get("retry-after") if isinstance(headers, dict) else None
    return kind(
        f"the store answered {status} {named}".rstrip(),
        hint=_HINTS.get(code),
        status=status or None,
        retry_after=_seconds(after),
    )


def _classify(code: str, status: int, operation: str) -> type[StoreError]:
    kind = _BY_CODE.get(code) or _BY_STATUS.get(status)
    if kind is ConditionFailed and operation in _CREATES:
        return AlreadyExists
    if code == "ConditionalRequestConflict" and operation == "CompleteMultipartUpload":
        return UploadLost  # OVHcloud and AWS want a new upload id and every part again
    if code == "NoSuchKey" and operation in _OF_AN_UPLOAD:
        return UploadLost  # Ceph 16.2 means the upload
    if status == 405 and operation in _READS:
        return NotFound
    if kind is None:
        kind = Unavailable if status in _SERVER_ERRORS else Unexpected
    return kind


def _seconds(value: object) -> float | None:
    if not isinstance(value, str):
        return None
    if value.isdecimal():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None
