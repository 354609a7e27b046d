"""Reading: conditions on the request, and the same conditions on the answer, since stores may ignore them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from providers.drivers.s3_headers import meta_of, same_etag
from providers.errors import ConditionFailed, RangeInvalid, Truncated, Unsupported
from providers.model import Key, Kind, ObjectMeta, Pin, ReadResult, Span, VersionId

if TYPE_CHECKING:
    from collections.abc import Mapping

    from providers.drivers.s3_client import S3Client
    from providers.drivers.s3_settings import S3Settings

__all__ = ["head", "read"]

_CONTENT_RANGE: Final = re.compile(r"bytes (\d+)-(\d+)/(\d+)\Z")
_NO_PIN: Final = Pin()
_PARTIAL: Final = 206
_BAD_REQUEST: Final = 400
_SMALL: Final = 1024 * 1024
_LARGEST: Final = 5 * 1024 * 1024 * 1024
_CHECKSUM_MODE: Final = "x-amz-checksum-mode"
_ENCRYPTION: Final = "server side encryption"


def head(client: S3Client, key: Key, version: VersionId | None, etag_header: Mapping[str, str]) -> ObjectMeta:
    """HeadObject with checksums. Of an object under a customer's key only the kind can be told."""
    query = {"versionId": version} if version else None
    try:
        answer = client.request(
            "HeadObject", "HEAD", key, query=query, headers={_CHECKSUM_MODE: "ENABLED", **etag_header}
        )
    except ClientError as error:
        if error.response["ResponseMetadata"].get("HTTPStatusCode") != _BAD_REQUEST:
            raise
        # A HEAD has no body to tell why; a GET of the same object has.
        return _why_refused(client, key, query, error)
    return meta_of(key, int(answer.headers.get("content-length", "0")), answer.headers)


def _why_refused(
    client: S3Client, key: Key, query: Mapping[str, str] | None, refused: ClientError
) -> ObjectMeta:
    try:
        client.request("GetObject", "GET", key, query=query, headers={"range": "bytes=0-0"})
    except ClientError as error:
        if not is_customer_key(error):
            raise
        return ObjectMeta(key=key, size=0, version=version_of(query), kind=Kind.CUSTOMER_KEY)
    raise refused


def version_of(query: Mapping[str, str] | None) -> VersionId | None:
    """The version that a query names."""
    return VersionId(query["versionId"]) if query else None


def is_customer_key(error: ClientError) -> bool:
    """Whether the store refuses because the object is encrypted under a key that the request lacks."""
    told = error.response.get("Error", {})
    text = str(told.get("Message", "")).lower().replace("-", " ")
    return _ENCRYPTION in text or told.get("Code") == "SSECustomerKeyMissing"


def read(
    client: S3Client,
    settings: S3Settings,
    key: Key,
    span: Span | None,
    pin: Pin | None,
    into: memoryview | None = None,
) -> ReadResult:
    """GetObject of a span or of everything.

    Raises:
        ConditionFailed: The object is not the pinned one, whatever the store thought of the condition.
        RangeInvalid: The span reaches past the end.
        Truncated: Another number of bytes arrived than the span or object has.
        Unsupported: The object is under a customer's key, or the store ignores ranges.
    """
    pin = pin or _NO_PIN
    headers: dict[str, str] = {}
    query = None
    if pin.version is not None:
        query = {"versionId": pin.version}
    elif pin.etag is not None:
        bare = pin.etag.strip('"')
        headers["if-match"] = bare if settings.if_match_bare else f'"{bare}"'
    if span is not None and span.length == 0:
        return _read_nothing(client, key, span, pin, headers)
    if span is None:
        headers[_CHECKSUM_MODE] = "ENABLED"
    else:
        headers["range"] = f"bytes={span.start}-{span.end - 1}"
    try:
        answer = client.request(
            "GetObject", "GET", key, query=query, headers=headers, into=into, most=_most(span, pin)
        )
    except ClientError as error:
        if is_customer_key(error):
            raise Unsupported(
                "the object is encrypted under a key that only its owner has",
                hint="have the owner copy it without a customer key, or leave it out",
            ) from error
        raise
    start, size = _extent(answer.status, answer.headers, len(answer.body))
    meta = meta_of(key, size, answer.headers)
    _hold(pin, meta)
    _fits(span or Span(start=0, length=size), start, size, len(answer.body))
    return ReadResult(meta=meta, data=answer.body)


def _most(span: Span | None, pin: Pin) -> int:
    """Bytes that the answer may have at most: more than was asked for is not taken into memory."""
    if span is not None:
        # A store that ignores the range answers with the whole object; a small one is told apart by its status.
        return max(span.length, _SMALL)
    return max(pin.size, _SMALL) if pin.size is not None else _LARGEST


def _fits(span: Span, start: int, size: int, received: int) -> None:
    """Hold the answer to what was asked: it begins at ``start`` of an object of ``size`` bytes."""
    if span.end > size:
        raise RangeInvalid(f"the span ends at {span.end}, the object at {size}")
    if start != span.start or received > span.length:
        raise Unsupported("the store ignores the range of a read")
    if received != span.length:
        raise Truncated(f"{received} bytes arrived of a span of {span.length}")


def _read_nothing(
    client: S3Client, key: Key, span: Span, pin: Pin, condition: Mapping[str, str]
) -> ReadResult:
    """No range names zero bytes, so the object is only looked at."""
    meta = head(client, key, pin.version, condition)
    _hold(pin, meta)
    if span.start > meta.size:
        raise RangeInvalid(f"the span begins at {span.start}, the object ends at {meta.size}")
    return ReadResult(meta=meta, data=b"")


def _extent(status: int, headers: Mapping[str, str], received: int) -> tuple[int, int]:
    """Where the body begins in the object, and the object's whole size.

    ``rclone serve s3`` says 200 before a part of an object that went up in parts; it counts as a part only where its
    Content-Range is that of the bytes which came.
    """
    found = _CONTENT_RANGE.match(headers.get("content-range", ""))
    if status != _PARTIAL and (found is None or int(found[2]) - int(found[1]) + 1 != received):
        return 0, received
    if found is None:
        raise Truncated("the store sent a part and does not say which")
    return int(found[1]), int(found[3])


def _hold(pin: Pin, meta: ObjectMeta) -> None:
    if pin.etag is not None and meta.etag is not None and not same_etag(pin.etag, meta.etag):
        raise ConditionFailed("the object has another etag than the one that was listed")
    if pin.version is not None and pin.version != meta.version:
        raise ConditionFailed("the store sent another version than the one that was listed")
    if pin.size is not None and pin.size != meta.size:
        raise ConditionFailed(f"the object has {meta.size} bytes, where {pin.size} were listed")
    if (pin.version is not None or pin.etag is not None) and meta.etag is None and meta.version is None:
        raise ConditionFailed("the store names neither etag nor version of what it sent")
