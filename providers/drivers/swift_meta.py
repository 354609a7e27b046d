"""Between Swift's headers and listings and the values of ``providers.model``; pure.

An etag is kept without the quotes that Swift puts around those of large objects only. Formats: "Object Storage
API" of the OpenStack API reference; large objects and their ``slo_etag``: "Large Object Support" of Swift's
administrator documentation.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import MappingProxyType
from typing import Any, Final

from providers.drivers.swift_settings import attribute_reasons, spelled
from providers.errors import Unavailable, Unsupported
from providers.model import Attributes, Claim, ETag, Extra, Key, Kind, ObjectMeta, VersionId

__all__ = [
    "EMPTY_MD5",
    "Listed",
    "attribute_headers",
    "bare",
    "meta_from_headers",
    "parse_listing",
]

EMPTY_MD5: Final = "d41d8cd98f00b204e9800998ecf8427e"
_META: Final = "x-object-meta-"
_ESCAPES: Final = re.compile(r"%5f|%25|=5f", re.IGNORECASE)
_UNESCAPED: Final = {"%5f": "_", "%25": "%", "=5f": "_"}
_MD5: Final = re.compile(r"[0-9a-f]{32}")
_DIRECTORY: Final = "application/directory"
_DELETED: Final = "application/x-deleted"
_DEFAULT_TYPE: Final = "application/octet-stream"
_CONTENT: Final = {
    "content_encoding": "content-encoding",
    "content_language": "content-language",
    "content_disposition": "content-disposition",
    "cache_control": "cache-control",
}


def attribute_headers(attributes: Attributes) -> dict[str, str]:
    """The headers that store these attributes.

    A content type is always sent: Swift would otherwise guess one from the name.

    Raises:
        Unsupported: Some of it cannot travel.
    """
    reasons = attribute_reasons(attributes)
    if reasons:
        raise Unsupported(reasons[0])
    headers = {"content-type": attributes.content_type or _DEFAULT_TYPE}
    headers |= {
        header: value for name, header in _CONTENT.items() if (value := getattr(attributes, name)) is not None
    }
    # The wire writes Latin-1; Swift reads UTF-8.
    headers |= {
        f"X-Object-Meta-{spelled(name)}": value.encode().decode("latin-1")
        for name, value in attributes.metadata.items()
    }
    return headers


def bare(etag: str | None) -> ETag | None:
    """An etag without quotes."""
    text = (etag or "").removeprefix("W/").strip('"')
    return ETag(text) if text else None


def _unescaped(name: str) -> str:
    """``=5f`` is how Swift's own S3 front writes an underscore."""
    return _ESCAPES.sub(lambda found: _UNESCAPED[found[0].lower()], name)


def _utf8(value: str) -> str:
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        return value


def _attributes(headers: Mapping[str, str]) -> Attributes:
    metadata = {
        _unescaped(name[len(_META) :]): _utf8(value)
        for name, value in headers.items()
        if name.startswith(_META)
    }
    return Attributes(
        content_type=headers.get("content-type"),
        **{name: headers.get(header) for name, header in _CONTENT.items()},  # type: ignore[arg-type]
        metadata=MappingProxyType(metadata),
    )


def meta_from_headers(key: Key, headers: Mapping[str, str], size: int | None) -> ObjectMeta:
    """One object as a HEAD or GET answer describes it.

    Args:
        key: Its name.
        headers: The answer's, names in lower case.
        size: Of the whole object; None where Swift does not tell (a dynamic large object of more segments than
            one listing holds).
    """
    etag = bare(headers.get("etag"))
    large = "x-static-large-object" in headers or "x-object-manifest" in headers
    version = headers.get("x-object-version-id")
    kind = Kind.OBJECT
    if size is None:
        kind = Kind.NOT_A_FILE
    elif size == 0 and not large and _media(headers.get("content-type")) == _DIRECTORY:
        kind = Kind.DIRECTORY
    return ObjectMeta(
        key=key,
        size=size or 0,
        etag=etag,
        version=VersionId(version) if version else None,
        modified_at=_time(headers),
        kind=kind,
        attributes=_attributes(headers),
        # A large object's etag is the digest of its segments' etags, and says nothing of its bytes.
        claims=() if large else md5_claim(etag),
    )


def md5_claim(etag: str | None) -> tuple[Claim, ...]:
    """The claim that a plain object's etag makes."""
    if etag is None or not _MD5.fullmatch(etag):
        return ()
    return (Claim(algorithm="md5", digest=bytes.fromhex(etag)),)


def _media(content_type: str | None) -> str:
    return (content_type or "").partition(";")[0].strip().lower()


def _time(headers: Mapping[str, str]) -> datetime | None:
    try:
        return datetime.fromtimestamp(float(headers["x-timestamp"]), UTC)
    except (KeyError, ValueError, OverflowError):
        pass
    try:
        return parsedate_to_datetime(headers.get("last-modified", "")).astimezone(UTC)
    except (ValueError, TypeError):
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One entry of a container's listing.

    Attributes:
        meta: The object, as far as the listing tells.
        is_latest: Whether it is the current version.
        is_deleted: Whether it is a delete marker.
        is_vague: Its size and etag may not be those of what a read gives: a symbolic link, or an empty object
            behind which the segments of a dynamic large object may stand.
    """

    meta: ObjectMeta
    is_latest: bool
    is_deleted: bool
    is_vague: bool

    def extra(self) -> Extra:
        """It as an old version or a delete marker."""
        kind = Kind.DELETE_MARKER if self.is_deleted else Kind.NONCURRENT_VERSION
        size = 0 if self.is_deleted else self.meta.size
        return Extra(key=self.meta.key, kind=kind, size=size, version=self.meta.version)


def parse_listing(body: bytes) -> list[Listed]:
    """The entries of a listing in JSON.

    Raises:
        Unavailable: It is not one (an answer of something in between, or one that was cut).
    """
    try:
        document = json.loads(body) if body else []
        return [_listed(entry) for entry in _objects(document)]
    except (ValueError, KeyError, TypeError) as error:
        raise Unavailable("the store's listing is not what a listing looks like") from error


def _objects(document: Any) -> Sequence[Mapping[str, Any]]:
    if not isinstance(document, list):
        raise TypeError
    return [entry for entry in document if "subdir" not in entry]


def _listed(entry: Mapping[str, Any]) -> Listed:
    size = int(entry["bytes"])
    large = entry.get("slo_etag")
    etag = bare(str(large or entry["hash"]))
    version = entry.get("version_id")
    media = _media(entry.get("content_type"))
    linked = "symlink_path" in entry
    empty = size == 0 and not large and etag == EMPTY_MD5
    directory = empty and media == _DIRECTORY
    meta = ObjectMeta(
        key=Key(str(entry["name"])),
        size=size,
        etag=etag,
        version=VersionId(version) if version and version != "null" else None,
        modified_at=_listed_time(entry.get("last_modified")),
        kind=Kind.DIRECTORY if directory else Kind.OBJECT,
        claims=() if large or linked else md5_claim(etag),
    )
    return Listed(
        meta=meta,
        is_latest=bool(entry.get("is_latest", True)),
        is_deleted=media == _DELETED and version is not None,
        is_vague=linked or empty,
    )


def _listed_time(text: str | None) -> datetime | None:
    """A listing's times are UTC and do not say so."""
    try:
        found = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
