"""What S3's refusals, botocore's and the network's errors become."""

import ssl

import pytest
from botocore import exceptions as boto

from providers import errors
from providers.drivers.s3_errors import client_error, translate
from providers.drivers.s3_wire import Answer, ProtocolError
from providers.drivers.s3_xml import XmlInvalid


def refusal(status: int, code: str, operation: str = "GetObject", **headers: str) -> errors.StoreError:
    body = f"<Error><Code>{code}</Code><Message>dir/secret-name</Message></Error>".encode() if code else b""
    return translate(client_error(Answer(status, headers, body), operation))


@pytest.mark.parametrize(
    ("status", "code", "operation", "expected"),
    [
        (404, "NoSuchKey", "GetObject", errors.NotFound),
        (404, "", "HeadObject", errors.NotFound),
        (405, "MethodNotAllowed", "HeadObject", errors.NotFound),
        (404, "NoSuchUpload", "UploadPart", errors.UploadLost),
        (404, "NoSuchKey", "ListParts", errors.UploadLost),  # Ceph 16.2
        (404, "NoSuchKey", "AbortMultipartUpload", errors.UploadLost),
        (404, "NoSuchKey", "UploadPartCopy", errors.NotFound),
        (400, "InvalidPart", "CompleteMultipartUpload", errors.UploadLost),
        (409, "ConditionalRequestConflict", "CompleteMultipartUpload", errors.UploadLost),
        (409, "ConditionalRequestConflict", "PutObject", errors.Unavailable),
        (412, "PreconditionFailed", "GetObject", errors.ConditionFailed),
        (412, "PreconditionFailed", "PutObject", errors.AlreadyExists),
        (412, "", "CompleteMultipartUpload", errors.AlreadyExists),
        (304, "", "GetObject", errors.ConditionFailed),
        (416, "InvalidRange", "GetObject", errors.RangeInvalid),
        (403, "AccessDenied", "PutObject", errors.PermissionDenied),
        (403, "", "HeadObject", errors.PermissionDenied),
        (403, "InvalidObjectState", "GetObject", errors.Unsupported),
        (403, "SignatureDoesNotMatch", "PutObject", errors.Unauthenticated),
        (403, "InvalidAccessKeyId", "PutObject", errors.Unauthenticated),
        (400, "ExpiredToken", "PutObject", errors.Unauthenticated),
        (403, "RequestTimeTooSkewed", "PutObject", errors.Unauthenticated),
        (503, "SlowDown", "PutObject", errors.Throttled),
        (503, "", "GetObject", errors.Throttled),
        (429, "", "GetObject", errors.Throttled),
        (500, "InternalError", "GetObject", errors.Unavailable),
        (502, "", "GetObject", errors.Unavailable),
        (400, "RequestTimeout", "PutObject", errors.Unavailable),
        (400, "BadDigest", "PutObject", errors.ChecksumRefused),
        (400, "XAmzContentSHA256Mismatch", "UploadPart", errors.ChecksumRefused),
        (400, "KeyTooLongError", "PutObject", errors.KeyRefused),
        (409, "XMinioObjectExistsAsDirectory", "PutObject", errors.KeyRefused),
        (409, "XMinioParentIsObject", "PutObject", errors.KeyRefused),
        (409, "ExistingObjectIsDirectory", "CompleteMultipartUpload", errors.KeyRefused),
        (409, "ObjectParentIsFile", "PutObject", errors.KeyRefused),
        (501, "NotImplemented", "GetObjectTagging", errors.Unsupported),
        (301, "PermanentRedirect", "GetObject", errors.ConfigInvalid),
        (418, "Teapot", "GetObject", errors.Unexpected),
    ],
)
def test_refusals_have_a_class(status: int, code: str, operation: str, expected: type) -> None:
    """Each code or status leads to one class."""
    assert type(refusal(status, code, operation)) is expected


def test_messages_repeat_nothing_that_the_store_says() -> None:
    """A store's own words may hold keys, so only code and status are passed on."""
    error = refusal(404, "NoSuchKey")
    assert str(error) == "the store answered 404 NoSuchKey"
    assert "secret-name" not in str(refusal(400, "dir/secret-name"))


def test_a_missing_bucket_is_named_as_one() -> None:
    """A HEAD of a bucket has no code, and its hint is still about the bucket."""
    assert "bucket" in (refusal(404, "", "HeadBucket").hint or "")


def test_a_skewed_clock_gives_a_hint() -> None:
    """Whoever meets it learns that it is the clock."""
    assert "clock" in (refusal(403, "RequestTimeTooSkewed").hint or "")


@pytest.mark.parametrize(
    ("value", "expected"),
    [("7", 7.0), ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0), ("soon", None)],
)
def test_retry_after_is_read(value: str, expected: float | None) -> None:
    """Seconds and dates are understood, anything else is not passed on."""
    assert refusal(503, "SlowDown", **{"retry-after": value}).retry_after == expected


def test_a_proxys_own_page_is_no_trouble() -> None:
    """An answer that is not S3's is judged by its status."""
    answer = Answer(502, {}, b"<html><br></html>")
    assert isinstance(translate(client_error(answer, "GetObject")), errors.Unavailable)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (errors.Truncated("short"), errors.Truncated),
        (TimeoutError(), errors.Unavailable),
        (BlockingIOError(), errors.Unavailable),
        (ConnectionResetError(), errors.Unavailable),
        (ProtocolError("odd"), errors.Unavailable),
        (XmlInvalid("odd"), errors.Unavailable),
        (ssl.SSLCertVerificationError("self-signed"), errors.ConfigInvalid),
        (boto.NoCredentialsError(), errors.Unauthenticated),
        (boto.ProfileNotFound(profile="x"), errors.ConfigInvalid),
        (boto.EndpointConnectionError(endpoint_url="https://host/bucket/dir/key"), errors.Unavailable),
        (boto.ReadTimeoutError(endpoint_url="https://host/bucket/dir/key"), errors.Unavailable),
        (RuntimeError("dir/key"), errors.Unexpected),
    ],
)
def test_other_errors_have_a_class(error: Exception, expected: type) -> None:
    """Network, credential and unforeseen errors are classified, and none of them shows a key."""
    translated = translate(error)
    assert type(translated) is expected
    assert "dir/key" not in str(translated)
