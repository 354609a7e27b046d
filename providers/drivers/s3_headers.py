"""Object attributes as S3 headers, and back.

Header names and the 2 KB limit of user metadata: https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from providers.errors import Unsupported
from providers.model import NO_ATTRIBUTES, Attributes, Claim, ETag, Key, Kind, ObjectMeta, VersionId

if TYPE_CHECKING:
    from collections.abc import Mapping

    from providers.capabilities import Capabilities

__all__ = ["check_attributes", "condition", "kind_of", "meta_of", "require_attributes", "same_etag"]

_CONTENT: Final = {
    "content_type": "content-type",
    "content_encoding": "content-encoding",
    "content_language": "content-language",
    "content_disposition": "content-disposition",
    "cache_control": "cache-control",
}
_META: Final = "x-amz-meta-"
_CHECKSUM: Final = "x-amz-checksum-"
_NOT_DIGESTS: Final = frozenset({"x-amz-checksum-type", "x-amz-checksum-mode", "x-amz-checksum-algorithm"})
_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+\Z")
_VALUE: Final = re.compile(r"(?:[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)?\Z")
_METADATA_LIMIT: Final = 2048
_TAGS_LIMIT: Final = 10
_TAG_NAME_LIMIT: Final = 128
_TAG_VALUE_LIMIT: Final = 256
_ARCHIVED: Final = frozenset({"GLACIER", "DEEP_ARCHIVE"})


def check_attributes(attributes: Attributes, capabilities: Capabilities) -> list[str]:
    """Why parts of these attributes cannot travel in S3 headers, one sentence each; empty if all can."""
    reasons: list[str] = []
    for field, header in _CONTENT.items():
        value = getattr(attributes, field)
        if value is None:
            continue
        if not capabilities.content_headers:
            reasons.append(f"{header}: the store does not keep it")
        elif not _VALUE.match(value):
            reasons.append(f"{header}: the value has characters that a header cannot carry")
    if attributes.metadata and not capabilities.metadata:
        reasons.append("metadata: the store does not keep it")
    elif attributes.metadata:
        reasons += _check_metadata(attributes.metadata)
    if attributes.tags:
        reasons += _check_tags(attributes.tags, capabilities)
    return reasons


def _check_metadata(metadata: Mapping[str, str]) -> list[str]:
    reasons: list[str] = []
    seen: set[str] = set()
    for name, value in metadata.items():
        if not _TOKEN.match(name):
            reasons.append(f"metadata {name!r}: the name has characters that a header name cannot carry")
        elif not _VALUE.match(value):
            reasons.append(f"metadata {name!r}: the value is not plain ASCII text without outer spaces")
        if name.lower() in seen:
            reasons.append(f"metadata {name!r}: another name differs from it only by case")
        seen.add(name.lower())
    size = sum(len(name.encode()) + len(value.encode()) for name, value in metadata.items())
    if size > _METADATA_LIMIT:
        reasons.append(f"metadata: {size} bytes, where {_METADATA_LIMIT} are allowed")
    return reasons


def _check_tags(tags: Mapping[str, str], capabilities: Capabilities) -> list[str]:
    if not capabilities.tags:
        return ["tags: the store does not keep them"]
    reasons: list[str] = []
    if len(tags) > _TAGS_LIMIT:
        reasons.append(f"tags: {len(tags)} of them, where {_TAGS_LIMIT} are allowed")
    for name, value in tags.items():
        if not name or len(name) > _TAG_NAME_LIMIT or len(value) > _TAG_VALUE_LIMIT:
            reasons.append(
                f"tag {name[:_TAG_NAME_LIMIT]!r}: the name or value is too long, or the name is empty"
            )
    return reasons


def require_attributes(attributes: Attributes, capabilities: Capabilities) -> dict[str, str]:
    """The request headers that store these attributes, tags included.

    Raises:
        Unsupported: Something cannot travel; the reasons are named.
    """
    if attributes is NO_ATTRIBUTES:
        return {}
    reasons = check_attributes(attributes, capabilities)
    if reasons:
        raise Unsupported("; ".join(reasons))
    headers: dict[str, str] = {}
    for field, header in _CONTENT.items():
        value = getattr(attributes, field)
        if value is not None:
            headers[header] = value
    for name, value in attributes.metadata.items():
        headers[_META + name.lower()] = value
    if attributes.tags:
        headers["x-amz-tagging"] = "&".join(
            f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in attributes.tags.items()
        )
    return headers


def same_etag(one: str, other: str) -> bool:
    """Whether two etags name one state: stores quote them in some answers and not in others."""
    return one.removeprefix("W/").strip('"') == other.removeprefix("W/").strip('"')


def condition(etag: str, *, bare: bool) -> str:
    """The value of a condition on an etag, quoted as this store wants it."""
    plain = etag.removeprefix("W/").strip('"')
    return plain if bare else f'"{plain}"'


def kind_of(storage_class: str | None, headers: Mapping[str, str]) -> Kind:
    """What kind of object this is, as far as headers of one answer tell."""
    if "x-amz-server-side-encryption-customer-algorithm" in headers:
        return Kind.CUSTOMER_KEY
    if storage_class in _ARCHIVED and 'ongoing-request="false"' not in headers.get("x-amz-restore", ""):
        return Kind.ARCHIVED
    return Kind.OBJECT


def meta_of(key: Key, size: int, headers: Mapping[str, str]) -> ObjectMeta:
    """The object that the headers of a HEAD or GET describe. ``size`` is that of the whole object."""
    storage_class = headers.get("x-amz-storage-class")
    etag = headers.get("etag")
    version = headers.get("x-amz-version-id")
    return ObjectMeta(
        key=key,
        size=size,
        etag=ETag(etag) if etag else None,
        version=VersionId(version) if version and version != "null" else None,
        modified_at=_http_date(headers.get("last-modified")),
        kind=kind_of(storage_class, headers),
        storage_class=storage_class,
        attributes=Attributes(
            content_type=headers.get("content-type"),
            content_encoding=headers.get("content-encoding"),
            content_language=headers.get("content-language"),
            content_disposition=headers.get("content-disposition"),
            cache_control=headers.get("cache-control"),
            metadata={name[len(_META) :]: value for name, value in headers.items() if name.startswith(_META)},
        ),
        claims=_claims(headers),
    )


def _claims(headers: Mapping[str, str]) -> tuple[Claim, ...]:
    if headers.get("x-amz-checksum-type", "FULL_OBJECT") != "FULL_OBJECT":
        return ()
    claims: list[Claim] = []
    for name, value in headers.items():
        if name.startswith(_CHECKSUM) and name not in _NOT_DIGESTS and "-" not in value:
            try:
                digest = b64decode(value, validate=True)
            except binascii.Error:
                continue  # not a digest: there is nothing to compare with
            claims.append(Claim(algorithm=name[len(_CHECKSUM) :].lower(), digest=digest))
    return tuple(claims)


def _http_date(value: str | None) -> datetime | None:
    return None if value is None else _parsed_date(value)


@lru_cache(maxsize=256)
def _parsed_date(value: str) -> datetime | None:
    # Objects written in one second share their date, so most are met again.
    try:
        return parsedate_to_datetime(value).astimezone(UTC)
    except ValueError:
        return None
