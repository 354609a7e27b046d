"""The driver for OpenStack Swift: the objects of one container, in Swift's own protocol.

"Object Storage API v1" of the OpenStack API reference. Reads are pinned by ``If-Match`` (and by version where the
container keeps versions), and what comes back is held against the pin all the same.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Final

from providers.capabilities import Capabilities
from providers.drivers.swift_errors import SwiftFailure, translate
from providers.drivers.swift_http import SwiftHttp
from providers.drivers.swift_meta import (
    Listed,
    attribute_headers,
    bare,
    md5_claim,
    meta_from_headers,
    parse_listing,
)
from providers.drivers.swift_settings import SwiftSettings, attribute_reasons, key_reason
from providers.drivers.swift_uploads import SwiftUploads, md5_of
from providers.errors import ConditionFailed, RangeInvalid, StoreError, Truncated, Unsupported
from providers.model import (
    Attributes,
    Buffer,
    Extra,
    Key,
    Kind,
    ObjectMeta,
    Page,
    PageToken,
    PartReceipt,
    Pin,
    PutOptions,
    ReadResult,
    Span,
    UploadId,
    UploadRef,
    VersionId,
)

__all__ = ["SwiftDriver", "SwiftSettings"]

_CONTENT_RANGE: Final = re.compile(r"bytes (\d+)-(\d+)/(\d+)\Z")
_NO_PIN: Final = Pin()
_PARTIAL: Final = 206
_NOT_FOUND: Final = 404
_SMALL: Final = 1024 * 1024
_LARGEST: Final = 5 * 1024 * 1024 * 1024 + 2
_LOOKS_AT_ONCE: Final = 8
_LEGACY: Final = ("x-versions-location", "x-history-location")
_UNTOLD: Final = "the service does not tell the size of this dynamic large object: it has too many segments"


class SwiftDriver:
    """One container, as ``providers.driver.StoreDriver`` wants it. Safe to use from many threads.

    Raises:
        StoreError: The settings or ``clouds.yaml`` cannot be used. Nothing is sent yet.
    """

    def __init__(self, settings: SwiftSettings) -> None:
        self._container = settings.container
        self._given = settings.capabilities
        self._told: dict[str, int] = {}
        self._container_headers: Mapping[str, str] | None = None
        self._http = SwiftHttp(settings)
        self._uploads = SwiftUploads(self._http, settings.container, list_limit=self._given.list_limit)

    @property
    def capabilities(self) -> Capabilities:
        """What the profile says, less what the service told (``check_bucket``), and versions if it keeps them."""
        found = self._given.narrowed(**self._told)
        return found.narrowed(versions=True, pin_by_version=True) if self._is_versioned(ask=False) else found

    def check_key(self, key: Key) -> str | None:
        """Why Swift cannot hold this key, or None."""
        return key_reason(key, self._given)

    def check_attributes(self, attributes: Attributes) -> list[str]:
        """What of these attributes Swift cannot hold, one sentence each."""
        return attribute_reasons(attributes)

    def check_bucket(self) -> None:
        """Look at the container, and at what the service says of its own limits."""
        self._container_headers = self._http.request("HEAD", self._container).headers
        self._told = _narrower(self._http.info(), self._given)

    def head(self, key: Key, *, version: VersionId | None = None) -> ObjectMeta:
        """The object's meta with attributes; a plain object's etag is its MD5.

        Raises:
            Unsupported: It is a dynamic large object whose size the service does not tell.
        """
        meta = self._look(key, version)
        if meta.kind is Kind.NOT_A_FILE:
            raise Unsupported(_UNTOLD)
        return meta

    def _look(self, key: Key, version: VersionId | None) -> ObjectMeta:
        answer = self._http.request("HEAD", self._container, key, query=_version_query(version))
        length = answer.headers.get("content-length", "")
        return meta_from_headers(key, answer.headers, int(length) if length.isdecimal() else None)

    def list_page(self, prefix: str, token: PageToken | None, limit: int) -> Page:
        """Current objects.

        A listing shows a dynamic large object as the empty object that its manifest is, and a link as itself; so
        each empty object and each link is looked at. In a versioned container a page may hold few current
        objects, even none, and go on.
        """
        versioned = self._is_versioned()
        page, following = self._page(
            prefix, token, min(limit, self.capabilities.list_limit), versioned=versioned
        )
        return Page(entries=tuple(self._current(page)), next_token=following)

    def _page(
        self, prefix: str, token: PageToken | None, limit: int, *, versioned: bool
    ) -> tuple[list[Listed], PageToken | None]:
        query = {"format": "json", "prefix": prefix, "limit": str(limit)}
        if versioned:
            query["versions"] = "true"
        if token is not None:
            query["marker"], version = json.loads(token)
            if version:
                query["version_marker"] = version
        page = parse_listing(bytes(self._http.request("GET", self._container, query=query).body))
        if len(page) < limit:
            return page, None
        last = page[-1].meta
        # A version is named "null" where it was written before the container kept versions.
        mark = (last.version or "null") if versioned else None
        return page, PageToken(json.dumps([last.key, mark]))

    def _current(self, page: Sequence[Listed]) -> Iterator[ObjectMeta]:
        shown = [listed for listed in page if listed.is_latest and not listed.is_deleted]
        vague = [listed.meta for listed in shown if listed.is_vague and listed.meta.kind is Kind.OBJECT]
        seen: dict[Key, ObjectMeta | None] = {}
        if vague:
            with ThreadPoolExecutor(min(len(vague), _LOOKS_AT_ONCE)) as pool:
                seen = dict(zip([meta.key for meta in vague], pool.map(self._seen, vague), strict=True))
        for listed in shown:
            if listed.meta.key not in seen:
                yield listed.meta
            elif (found := seen[listed.meta.key]) is not None:
                yield found

    def _seen(self, listed: ObjectMeta) -> ObjectMeta | None:
        """What a read of a listed thing would give; None if it is gone."""
        try:
            found = self._look(listed.key, listed.version)
        except SwiftFailure as failure:
            if failure.status != _NOT_FOUND:
                raise
            return self._without_end(listed)
        return replace(
            found, attributes=None, modified_at=listed.modified_at, version=listed.version or found.version
        )

    def _without_end(self, listed: ObjectMeta) -> ObjectMeta | None:
        """A link or manifest whose end is not there, which is something and no object; None if it went itself."""
        query = {"multipart-manifest": "get", "symlink": "get", **_version_query(listed.version)}
        try:
            self._http.request("HEAD", self._container, listed.key, query=query)
        except SwiftFailure as failure:
            if failure.status != _NOT_FOUND:
                raise
            return None
        return replace(listed, kind=Kind.NOT_A_FILE)

    def list_extras(self, prefix: str) -> Iterator[Extra]:
        """Old versions and delete markers.

        Raises:
            Unsupported: The container keeps old versions in another container, which is listed by itself.
        """
        if not self._is_versioned():
            if any(name in self._headers() for name in _LEGACY):
                raise Unsupported("the container keeps its old versions in another container")
            return
        token: PageToken | None = None
        while True:
            page, token = self._page(prefix, token, self.capabilities.list_limit, versioned=True)
            yield from (listed.extra() for listed in page if listed.is_deleted or not listed.is_latest)
            if token is None:
                return

    def read(
        self, key: Key, *, span: Span | None = None, pin: Pin | None = None, into: memoryview | None = None
    ) -> ReadResult:
        """The bytes of a span or of the whole object, from the version or etag that ``pin`` names."""
        pin = pin or _NO_PIN
        if span is not None and span.length == 0:
            meta = self.head(key, version=pin.version)
            _hold(pin, meta)
            if span.start > meta.size:
                raise RangeInvalid("the span lies outside the object")
            return ReadResult(meta=meta, data=b"")
        try:
            return self._read(key, span, pin, into)
        except SwiftFailure as failure:
            if failure.status != 412:
                raise
            # Of an object that is gone, some versions of the service say the same: a look tells the two apart.
            self.head(key, version=pin.version)
            raise

    def _read(self, key: Key, span: Span | None, pin: Pin, into: memoryview | None) -> ReadResult:
        headers = {}
        if span is not None:
            headers["Range"] = f"bytes={span.start}-{span.end - 1}"
        if pin.etag is not None:
            headers["If-Match"] = f'"{pin.etag}"'
        answer = self._http.request(
            "GET",
            self._container,
            key,
            operation="read",
            query=_version_query(pin.version),
            headers=headers,
            into=into,
            most=_most(span, pin),
        )
        start, total = _extent(answer.status, answer.headers, len(answer.body))
        meta = meta_from_headers(key, answer.headers, total)
        _hold(pin, meta)
        wanted = span or Span(start=0, length=total)
        if wanted.end > total:
            raise RangeInvalid("the span lies outside the object")
        if start != wanted.start or len(answer.body) > wanted.length:
            raise Unsupported("the service does not honour ranges")
        if len(answer.body) != wanted.length:
            raise Truncated(f"{len(answer.body)} of {wanted.length} bytes arrived")
        return ReadResult(meta=meta, data=answer.body)

    def read_tags(self, key: Key, *, version: VersionId | None = None) -> Mapping[str, str]:
        """Swift has no tags."""
        del key, version
        raise Unsupported("the store keeps no tags")

    def put(self, key: Key, body: Buffer, options: PutOptions, *, sha256: bytes | None = None) -> ObjectMeta:
        """Put an object with its MD5, which the service compares. It takes no SHA-256."""
        del sha256
        digest = md5_of(body)
        headers = attribute_headers(options.attributes) | {"ETag": digest}
        former = None
        if options.if_absent:
            headers["If-None-Match"] = "*"
        elif not self._is_versioned():
            former = self._uploads.replacing(key, UploadId(options.attempt))
        operation = "create" if options.if_absent else "put"
        answer = self._http.request(
            "PUT", self._container, key, operation=operation, headers=headers, body=body
        )
        if former is not None:
            self._uploads.replaced(key, former)
        version = answer.headers.get("x-object-version-id")
        etag = bare(answer.headers.get("etag")) or bare(digest)
        return ObjectMeta(
            key=key,
            size=memoryview(body).nbytes,
            etag=etag,
            version=VersionId(version) if version else None,
            claims=md5_claim(etag),
        )

    def open_upload(self, key: Key, options: PutOptions) -> UploadId:
        """Mark an upload in the container beside; the attempt is the upload id."""
        attribute_headers(options.attributes)  # what cannot travel is refused before a byte moves
        return self._uploads.open(key, options)

    def put_part(
        self,
        key: Key,
        upload: UploadId,
        number: int,
        offset: int,
        body: Buffer,
        *,
        sha256: bytes | None = None,
    ) -> PartReceipt:
        """Put a segment with its MD5."""
        del offset
        return replace(self._uploads.put(key, upload, number, body), sha256=sha256)

    def list_parts(self, key: Key, upload: UploadId) -> Iterator[PartReceipt]:
        """The segments of an open upload, with their MD5 as etag."""
        return self._uploads.parts(key, upload)

    def list_uploads(self, prefix: str) -> Iterator[UploadRef]:
        """Open uploads that this tool began. Swift itself knows none, so those of others cannot be told."""
        return self._uploads.uploads(prefix)

    def complete_upload(
        self, key: Key, upload: UploadId, parts: Sequence[PartReceipt], options: PutOptions
    ) -> ObjectMeta:
        """Put the manifest; see ``SwiftUploads.complete``."""
        return self._uploads.complete(key, upload, parts, options, keep=self._is_versioned())

    def abort_upload(self, key: Key, upload: UploadId) -> None:
        """Remove the segments and the marker; see ``SwiftUploads.abort``."""
        self._uploads.abort(key, upload, keep=self._is_versioned())

    def delete(self, key: Key, *, version: VersionId | None = None) -> None:
        """Delete the object (or one version of it), and the segments that this tool wrote for it.

        Segments of other programs stay, since other manifests may name them; so do all segments in a container
        that keeps versions.
        """
        former = None
        if version is None and not self._is_versioned():
            former = self._uploads.removing(key)
        self._http.request("DELETE", self._container, key, query=_version_query(version))
        if former is not None:
            self._uploads.replaced(key, former)

    def translate(self, error: Exception) -> StoreError:
        """Classify what a method raised."""
        return translate(error)

    def close(self) -> None:
        """Release the connections."""
        self._http.close()

    def _headers(self) -> Mapping[str, str]:
        if self._container_headers is None:
            self._container_headers = self._http.request("HEAD", self._container).headers
        return self._container_headers

    def _is_versioned(self, *, ask: bool = True) -> bool:
        headers = self._headers() if ask else self._container_headers or {}
        return headers.get("x-versions-enabled", "").lower() == "true"


def _version_query(version: VersionId | None) -> Mapping[str, str]:
    return {} if version is None else {"version-id": version}


def _narrower(info: bytes, given: Capabilities) -> dict[str, int]:
    """Limits that the service states and that are narrower than what is assumed."""
    try:
        document = json.loads(info) if info else {}
    except ValueError:
        return {}
    swift, slo = (document.get(name) if isinstance(document, dict) else None for name in ("swift", "slo"))
    stated: dict[str, Any] = {}
    if isinstance(swift, dict):
        stated = {
            "max_put": swift.get("max_file_size"),
            "max_part": swift.get("max_file_size"),
            "list_limit": swift.get("container_listing_limit"),
            "max_key_bytes": swift.get("max_object_name_length"),
        }
    if isinstance(slo, dict):
        stated["max_parts"] = slo.get("max_manifest_segments")
    return {
        name: value
        for name, value in stated.items()
        if isinstance(value, int) and 0 < value < getattr(given, name)
    }


def _most(span: Span | None, pin: Pin) -> int:
    """Bytes that the answer may have at most: more than was asked for is not taken into memory."""
    if span is not None:
        return max(span.length, _SMALL)
    return max(pin.size, _SMALL) if pin.size is not None else _LARGEST


def _extent(status: int, headers: Mapping[str, str], received: int) -> tuple[int, int]:
    """Where the body begins in the object, and the object's whole size."""
    if status != _PARTIAL:
        return 0, received
    found = _CONTENT_RANGE.match(headers.get("content-range", ""))
    if found is None:
        raise Truncated("the service sent a part and does not say which")
    return int(found[1]), int(found[3])


def _hold(pin: Pin, meta: ObjectMeta) -> None:
    """Hold an answer against the pin, whether or not the service did.

    Raises:
        ConditionFailed: It is another object, version or size.
    """
    if pin.etag is not None and meta.etag != bare(pin.etag):
        raise ConditionFailed("the object has another etag than when it was listed")
    if pin.version is not None and meta.version != pin.version:
        raise ConditionFailed("the service answered with another version of the object")
    if pin.size is not None and meta.size != pin.size:
        raise ConditionFailed("the object has another size than when it was listed")
