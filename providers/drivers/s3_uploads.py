"""Multipart uploads: parts go over the wire with their digest, the few calls around them through boto3."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from botocore.exceptions import ClientError

from providers.drivers import s3_lists
from providers.drivers.s3_errors import client_error
from providers.drivers.s3_headers import condition, require_attributes
from providers.drivers.s3_xml import parse
from providers.errors import ChecksumRefused, Unsupported, UploadLost
from providers.model import ETag, ObjectMeta, PartReceipt, PutOptions, UploadId, VersionId

if TYPE_CHECKING:
    from collections.abc import Sequence

    from providers.drivers.s3_client import S3Client
    from providers.drivers.s3_settings import S3Settings
    from providers.model import Buffer, Key, Pin, Span

__all__ = ["abort", "begin", "complete", "copy", "digest_headers", "send"]

_CONTENT: Final = {
    "content_type": "ContentType",
    "content_encoding": "ContentEncoding",
    "content_language": "ContentLanguage",
    "content_disposition": "ContentDisposition",
    "cache_control": "CacheControl",
}
_USELESS_ETAGS: Final = frozenset({"", "00"})
"""What Ceph 16 and Dell ECS answer to Complete instead of an etag."""


def digest_headers(settings: S3Settings, body: Buffer, sha256: bytes | None) -> dict[str, str]:
    """The header by which this store checks a body, as its profile says."""
    if settings.send_sha256:
        digest = sha256 if sha256 is not None else hashlib.sha256(body).digest()
        return {"x-amz-checksum-sha256": b64encode(digest).decode()}
    if settings.send_md5:
        return {"content-md5": b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()}
    return {}


def begin(client: S3Client, settings: S3Settings, key: Key, options: PutOptions) -> UploadId:
    """CreateMultipartUpload."""
    _require_fence(settings, options)
    attributes = options.attributes
    headers = require_attributes(attributes, settings.capabilities)
    arguments: dict[str, Any] = {
        name: value for field, name in _CONTENT.items() if (value := getattr(attributes, field)) is not None
    }
    if attributes.metadata:
        arguments["Metadata"] = dict(attributes.metadata)
    if attributes.tags:
        arguments["Tagging"] = headers["x-amz-tagging"]
    if settings.send_sha256:
        # Without it AWS refuses a part that carries a SHA-256.
        arguments["ChecksumAlgorithm"] = "SHA256"
    answer = client.boto.create_multipart_upload(Bucket=client.bucket, Key=key, **arguments)
    return UploadId(answer["UploadId"])


def send(
    client: S3Client,
    settings: S3Settings,
    key: Key,
    upload: UploadId,
    number: int,
    *,
    body: Buffer,
    sha256: bytes | None,
) -> PartReceipt:
    """UploadPart; the body is hashed only if the caller has not done so, and never copied."""
    digest = sha256 if sha256 is not None else hashlib.sha256(body).digest()
    answer = client.request(
        "UploadPart",
        "PUT",
        key,
        query={"partNumber": str(number), "uploadId": upload},
        headers=digest_headers(settings, body, digest),
        body=body,
        sha256=digest,
    )
    etag = answer.headers.get("etag")
    return PartReceipt(number=number, size=len(body), etag=ETag(etag) if etag else None, sha256=digest)


def copy(
    client: S3Client,
    settings: S3Settings,
    key: Key,
    upload: UploadId,
    number: int,
    *,
    source: Key,
    span: Span,
    pin: Pin,
    sha256: bytes | None,
) -> PartReceipt:
    """UploadPartCopy. A store may answer 200 at once and tell in the body that it failed.

    Raises:
        ChecksumRefused: The store says that it copied bytes of another digest.
        Unsupported: It does not know the request and stored an empty part.

    Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPartCopy.html
    """
    named = f"/{client.bucket}/{quote(source, safe='/~')}"
    headers = {"x-amz-copy-source-range": f"bytes={span.start}-{span.end - 1}"}
    if pin.version is not None:
        named += f"?versionId={quote(pin.version, safe='')}"
    if pin.etag is not None:
        headers["x-amz-copy-source-if-match"] = condition(pin.etag, bare=settings.if_match_bare)
    answer = client.request(
        "UploadPartCopy",
        "PUT",
        key,
        query={"partNumber": str(number), "uploadId": upload},
        headers={"x-amz-copy-source": named, **headers},
    )
    if not answer.body:
        raise Unsupported("the store takes the request for an empty part and copies nothing")
    told = parse(bytes(answer.body)).values
    if "ETag" not in told:
        raise client_error(answer, "UploadPartCopy")
    checksum = told.get("ChecksumSHA256")
    if sha256 is not None and checksum and not hmac.compare_digest(checksum, b64encode(sha256).decode()):
        raise ChecksumRefused("the store copied other bytes than those on record")
    return PartReceipt(number=number, size=span.length, etag=ETag(told["ETag"]), sha256=sha256)


def complete(
    client: S3Client,
    settings: S3Settings,
    key: Key,
    upload: UploadId,
    *,
    parts: Sequence[PartReceipt],
    options: PutOptions,
) -> ObjectMeta:
    """CompleteMultipartUpload. The size is the sum of the parts.

    The etag is None where the answer's is void, or where nobody vouches that it is the object's: ``rclone serve s3``
    for one answers with another than HEAD and If-Match know.
    """
    _require_fence(settings, options)
    listed = []
    for part in sorted(parts, key=lambda part: part.number):
        entry: dict[str, Any] = {"PartNumber": part.number, "ETag": part.etag or ""}
        if settings.send_sha256 and part.sha256 is not None:
            entry["ChecksumSHA256"] = b64encode(part.sha256).decode()
        listed.append(entry)
    answer = client.boto.complete_multipart_upload(
        Bucket=client.bucket,
        Key=key,
        UploadId=upload,
        MultipartUpload={"Parts": listed},
        **({"IfNoneMatch": "*"} if options.if_absent else {}),
        **(
            {"IfMatch": condition(options.if_match, bare=settings.if_match_bare)}
            if options.if_match is not None
            else {}
        ),
    )
    etag = str(answer.get("ETag") or "") if settings.complete_tells_etag else ""
    version = answer.get("VersionId")
    return ObjectMeta(
        key=key,
        size=sum(part.size for part in parts),
        etag=None if etag.strip('"') in _USELESS_ETAGS else ETag(etag),
        version=VersionId(version) if version and version != "null" else None,
    )


def abort(client: S3Client, key: Key, upload: UploadId) -> None:
    """AbortMultipartUpload, after a look whether the upload exists: some stores answer 204 to any id."""
    for _ in s3_lists.parts(client, key, upload):
        break
    try:
        client.boto.abort_multipart_upload(Bucket=client.bucket, Key=key, UploadId=upload)
    except ClientError as error:
        if error.response["ResponseMetadata"].get("HTTPStatusCode") == 404:
            raise UploadLost("the store does not know this upload", status=404) from error
        raise


def _require_fence(settings: S3Settings, options: PutOptions) -> None:
    if options.if_absent and not settings.capabilities.complete_if_absent:
        raise Unsupported("this store completes uploads over an existing object, whatever is asked")
    if options.if_match is not None and not settings.capabilities.complete_if_match:
        raise Unsupported("this store completes uploads over any object, whatever is asked")
