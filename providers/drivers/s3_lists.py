"""Listings of an S3 bucket: current objects, old versions, unfinished uploads and their parts.

boto3 was seen to take 120 microseconds for each listed object; reading the XML here takes 16.
"""

from __future__ import annotations

import json
from base64 import b64decode
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from providers.drivers.s3_headers import kind_of
from providers.drivers.s3_xml import Document, XmlInvalid, decoder, parse
from providers.errors import ConfigInvalid
from providers.model import (
    ETag,
    Extra,
    Key,
    Kind,
    ObjectMeta,
    Page,
    PageToken,
    PartReceipt,
    UploadId,
    UploadRef,
    VersionId,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from providers.drivers.s3_client import S3Client

__all__ = ["current_page", "extras", "parts", "uploads", "versioned_page"]

_MOST: Final = 1000


def current_page(client: S3Client, prefix: str, token: PageToken | None, limit: int) -> Page:
    """One page of ListObjectsV2."""
    query = {"list-type": "2", "encoding-type": "url", "prefix": prefix, "max-keys": str(limit)}
    if token is not None:
        query["continuation-token"] = token
    document = _ask(client, "ListObjectsV2", query, "ListBucketResult")
    decode = decoder(document)
    entries = tuple(_entry(fields, decode) for name, fields in document.records if name == "Contents")
    if not _truncated(document):
        return Page(entries=entries, next_token=None)
    follow = document.values.get("NextContinuationToken")
    if not follow or follow == token:
        raise XmlInvalid("the listing goes on, but the store does not say where")
    return Page(entries=entries, next_token=PageToken(follow))


def versioned_page(client: S3Client, prefix: str, token: PageToken | None, limit: int) -> Page:
    """One page of ListObjectsV2, each object with the version id that ListObjectVersions has for it.

    ListObjectVersions alone is not trusted to be complete: where a key ``a/b`` stands beside ``a-``,
    SeaweedFS leaves objects out between two of its pages. So it only adds; an object that it does not name
    keeps its etag as pin.
    """
    after, following = _token(token)
    page = current_page(client, prefix, PageToken(following) if following else None, limit)
    if not page.entries:
        return page
    last = page.entries[-1].key
    versions = _latest(client, prefix, after, last)
    entries = tuple(
        replace(entry, version=version)
        if (version := versions.get((entry.key, entry.etag, entry.size))) is not None
        else entry
        for entry in page.entries
    )
    if page.next_token is None:
        return Page(entries=entries, next_token=None)
    return Page(entries=entries, next_token=PageToken(json.dumps([last, page.next_token])))


def _latest(
    client: S3Client, prefix: str, after: str, last: str
) -> dict[tuple[Key, ETag | None, int], VersionId | None]:
    """Version ids of current objects with keys after ``after`` up to ``last``."""
    found: dict[tuple[Key, ETag | None, int], VersionId | None] = {}
    token = PageToken(json.dumps([after, ""])) if after else None
    end = last.encode()
    while True:
        document = _versions(client, prefix, token, _MOST)
        decode = decoder(document)
        for name, fields in document.records:
            if name == "Version" and fields.get("IsLatest") == "true":
                entry = _entry(fields, decode)
                found[entry.key, entry.etag, entry.size] = entry.version
        token = _follow(document, decode)
        if token is None or _token(token)[0].encode() >= end:
            return found


def extras(client: S3Client, prefix: str, limit: int) -> Iterator[Extra]:
    """Old versions and delete markers under ``prefix``."""
    token: PageToken | None = None
    while True:
        document = _versions(client, prefix, token, limit)
        decode = decoder(document)
        for name, fields in document.records:
            if name == "Version" and fields.get("IsLatest") == "true":
                continue
            kind = Kind.NONCURRENT_VERSION if name == "Version" else Kind.DELETE_MARKER
            yield Extra(
                key=Key(decode(_field(fields, "Key"))),
                kind=kind,
                size=int(fields.get("Size", "0")),
                version=fields.get("VersionId"),
            )
        token = _follow(document, decode)
        if token is None:
            return


def uploads(client: S3Client, prefix: str) -> Iterator[UploadRef]:
    """Unfinished uploads. Asked without an encoding: SeaweedFS claims to encode these names and does not."""
    markers: dict[str, str] = {}
    while True:
        query = {"uploads": "", "prefix": prefix, "max-uploads": str(_MOST), **markers}
        try:
            document = _ask(client, "ListMultipartUploads", query, "ListMultipartUploadsResult")
        except ClientError as error:
            # What rclone says of a bucket without any; a bucket that is not there is NoSuchBucket there too.
            if error.response.get("Error", {}).get("Code") == "NoSuchUpload":
                return
            raise
        for name, fields in document.records:
            # Some stores take the prefix as a hint only, and a sweep must not meet a neighbour's upload.
            if name == "Upload" and _field(fields, "Key").startswith(prefix):
                yield UploadRef(
                    key=Key(fields["Key"]),
                    upload=UploadId(_field(fields, "UploadId")),
                    started_at=_time(fields.get("Initiated")),
                )
        if not _truncated(document):
            return
        following = {
            "key-marker": document.values.get("NextKeyMarker", ""),
            "upload-id-marker": document.values.get("NextUploadIdMarker", ""),
        }
        if following == markers:
            raise XmlInvalid("the listing of uploads does not advance")
        markers = following


def parts(client: S3Client, key: Key, upload: UploadId) -> Iterator[PartReceipt]:
    """Parts of an upload in order, each number once: SeaweedFS names a part again that was sent again."""
    found: dict[int, PartReceipt] = {}
    marker = 0
    while True:
        query = {"uploadId": upload, "max-parts": str(_MOST), "part-number-marker": str(marker)}
        answer = client.request("ListParts", "GET", key, query=query)
        document = _expect(
            answer.body, "ListPartsResult", "ListPartsResponse"
        )  # the second is what some servers say
        for name, fields in document.records:
            if name != "Part":
                continue
            number = int(_field(fields, "PartNumber"))
            etag = fields.get("ETag")
            checksum = fields.get("ChecksumSHA256")
            found[number] = PartReceipt(
                number=number,
                size=int(_field(fields, "Size")),
                etag=ETag(etag) if etag else None,
                sha256=b64decode(checksum) if checksum else None,
            )
        following = int(document.values.get("NextPartNumberMarker") or "0")
        if not _truncated(document) or following <= marker:
            break
        marker = following
    yield from (found[number] for number in sorted(found))


def _versions(client: S3Client, prefix: str, token: PageToken | None, limit: int) -> Document:
    query = {"versions": "", "encoding-type": "url", "prefix": prefix, "max-keys": str(limit)}
    if token is not None:
        query["key-marker"], version_marker = _token(token)
        if version_marker:
            query["version-id-marker"] = version_marker
    return _ask(client, "ListObjectVersions", query, "ListVersionsResult")


def _token(token: PageToken | None) -> tuple[str, str]:
    if token is None:
        return "", ""
    try:
        first, second = json.loads(token)
    except (ValueError, TypeError):
        raise ConfigInvalid("the page token is not one of this listing") from None
    return str(first), str(second)


def _follow(document: Document, decode: Callable[[str], str]) -> PageToken | None:
    if not _truncated(document):
        return None
    key_marker = decode(document.values.get("NextKeyMarker", ""))
    if not key_marker:
        raise XmlInvalid("the listing goes on, but the store does not say where")
    return PageToken(json.dumps([key_marker, document.values.get("NextVersionIdMarker", "")]))


def _ask(client: S3Client, operation: str, query: dict[str, str], root: str) -> Document:
    return _expect(client.request(operation, "GET", query=query).body, root)


def _expect(body: bytes | bytearray | memoryview, *roots: str) -> Document:
    document = parse(bytes(body))
    if document.root not in roots:
        raise XmlInvalid("the answer is another document than the one asked for")
    return document


def _truncated(document: Document) -> bool:
    return document.values.get("IsTruncated") == "true"


def _field(fields: dict[str, str], name: str) -> str:
    try:
        return fields[name]
    except KeyError:
        raise XmlInvalid(f"a listed entry has no {name}") from None


def _entry(fields: dict[str, str], decode: Callable[[str], str]) -> ObjectMeta:
    storage_class = fields.get("StorageClass")
    etag = fields.get("ETag")
    version = fields.get("VersionId")
    return ObjectMeta(
        key=Key(decode(_field(fields, "Key"))),
        size=int(_field(fields, "Size")),
        etag=ETag(etag) if etag else None,
        version=VersionId(version) if version and version != "null" else None,
        modified_at=_time(fields.get("LastModified")),
        kind=kind_of(storage_class, {}),
        storage_class=storage_class,
    )


def _time(value: str | None) -> datetime | None:
    if not value:
        return None
    try:
        return datetime.fromisoformat(value).astimezone(UTC)
    except ValueError:
        return None
