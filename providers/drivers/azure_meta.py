"""Between the Blob service's headers and the values of ``providers.model``; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final
from urllib.parse import urlencode

from providers.drivers.azure_xml import Entry, decode_digest
from providers.model import Attributes, Claim, ETag, Extra, Key, Kind, ObjectMeta, PutOptions, VersionId

__all__ = [
    "attribute_headers",
    "attributes_from_headers",
    "extra_from_entry",
    "meta_from_entry",
    "meta_from_headers",
    "range_total",
]

_META: Final = "x-ms-meta-"
_KINDS: Final = {"AppendBlob": Kind.APPEND_BLOB, "PageBlob": Kind.PAGE_BLOB}
_MONTHS: Final = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), start=1
    )
}
_CONTENT_RANGE: Final = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
_HEADERS: Final = {
    "content_type": "x-ms-blob-content-type",
    "content_encoding": "x-ms-blob-content-encoding",
    "content_language": "x-ms-blob-content-language",
    "content_disposition": "x-ms-blob-content-disposition",
    "cache_control": "x-ms-blob-cache-control",
}


def attribute_headers(options: PutOptions) -> dict[str, str]:
    """The headers by which Put Blob and Put Block List store ``options``."""
    attributes = options.attributes
    headers = {
        header: value for name, header in _HEADERS.items() if (value := getattr(attributes, name)) is not None
    }
    headers.update({f"{_META}{name.lower()}": value for name, value in attributes.metadata.items()})
    if attributes.tags:
        headers["x-ms-tags"] = urlencode(attributes.tags)
    if options.if_absent:
        headers["If-None-Match"] = "*"
    if options.if_match is not None:
        headers["If-Match"] = options.if_match
    return headers


def attributes_from_headers(headers: Mapping[str, str]) -> Attributes:
    """What an answer says of the blob besides its bytes; metadata names in lower case."""
    metadata = {
        name[len(_META) :].lower(): value
        for name, value in headers.items()
        if name[: len(_META)].lower() == _META
    }
    return Attributes(
        content_type=headers.get("Content-Type"),
        content_encoding=headers.get("Content-Encoding"),
        content_language=headers.get("Content-Language"),
        content_disposition=headers.get("Content-Disposition"),
        cache_control=headers.get("Cache-Control"),
        metadata=MappingProxyType(metadata),
    )


def range_total(headers: Mapping[str, str]) -> tuple[int, int]:
    """First byte and size of the whole blob, from an answer to a GET with or without a range."""
    found = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", ""))
    if found:
        return int(found[1]), int(found[3])
    return 0, int(headers.get("Content-Length", "0"))


def _date(text: str | None) -> datetime | None:
    """An HTTP date; the fixed form by hand, since ``email`` takes ten times as long on every listed blob."""
    if not text:
        return None
    try:
        day, month, year, clock = text[5:7], _MONTHS[text[8:11]], text[12:16], text[17:25]
        hour, minute, second = clock.split(":")
        return datetime(int(year), month, int(day), int(hour), int(minute), int(second), tzinfo=UTC)
    except (KeyError, ValueError):
        return None


def _quoted(etag: str | None) -> ETag | None:
    """An etag as headers spell it; listings leave the quotes out."""
    if not etag:
        return None
    return ETag(etag if etag.startswith('"') else f'"{etag}"')


def _claims(md5: str | None) -> tuple[Claim, ...]:
    digest = decode_digest(md5)
    return () if digest is None else (Claim(algorithm="md5", digest=digest),)


def _kind(properties: Mapping[str, str], metadata: Mapping[str, str]) -> Kind:
    folder = metadata.get("hdi_isfolder", metadata.get("Hdi_isfolder", ""))
    if properties.get("ResourceType") == "directory" or folder.lower() == "true":
        return Kind.DIRECTORY
    if properties.get("CustomerProvidedKeySha256"):
        return Kind.CUSTOMER_KEY
    if properties.get("AccessTier") == "Archive":
        return Kind.ARCHIVED
    return _KINDS.get(properties.get("BlobType", ""), Kind.OBJECT)


def meta_from_headers(key: Key, headers: Mapping[str, str], size: int) -> ObjectMeta:
    """One blob as a HEAD or GET answer describes it.

    Args:
        key: Its name.
        headers: The answer's.
        size: Of the whole blob; the headers of a range only tell it together.
    """
    ranged = "Content-Range" in headers
    attributes = attributes_from_headers(headers)
    properties = {
        "BlobType": headers.get("x-ms-blob-type", ""),
        "AccessTier": headers.get("x-ms-access-tier", ""),
        "ResourceType": headers.get("x-ms-resource-type", ""),
        "CustomerProvidedKeySha256": headers.get("x-ms-encryption-key-sha256", ""),
    }
    version = headers.get("x-ms-version-id")
    return ObjectMeta(
        key=key,
        size=size,
        etag=_quoted(headers.get("ETag")),
        version=VersionId(version) if version else None,
        modified_at=_date(headers.get("Last-Modified")),
        kind=_kind(properties, attributes.metadata),
        storage_class=properties["AccessTier"] or None,
        attributes=attributes,
        # On a range, Content-MD5 would be the range's own.
        claims=_claims(
            headers.get("x-ms-blob-content-md5") or (None if ranged else headers.get("Content-MD5"))
        ),
    )


def meta_from_entry(entry: Entry) -> ObjectMeta:
    """One current blob as a listing describes it."""
    properties = entry.properties
    return ObjectMeta(
        key=Key(entry.name),
        size=int(properties.get("Content-Length") or "0"),
        etag=_quoted(properties.get("Etag")),
        version=VersionId(entry.version) if entry.version else None,
        modified_at=_date(properties.get("Last-Modified")),
        kind=_kind(properties, entry.metadata),
        storage_class=properties.get("AccessTier") or None,
        claims=_claims(properties.get("Content-MD5")),
    )


def extra_from_entry(entry: Entry) -> Extra | None:
    """What a listing shows beside current blobs; None for a current blob."""
    if entry.is_deleted:
        kind = Kind.SOFT_DELETED
    elif entry.snapshot:
        kind = Kind.SNAPSHOT
    elif not entry.is_current:
        kind = Kind.NONCURRENT_VERSION
    else:
        return None
    return Extra(
        key=Key(entry.name),
        kind=kind,
        size=int(entry.properties.get("Content-Length") or "0"),
        version=entry.snapshot or entry.version,
    )
