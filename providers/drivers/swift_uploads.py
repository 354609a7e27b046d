"""Multipart uploads where the service has no upload id: segments, a marker, and a manifest that makes them visible.

"Static large objects" of Swift's "Large Object Support". Each segment is put with its MD5, and the manifest names
the MD5 and size of each, so that the service compares both before the object can be seen; the manifest request
carries the digest of those digests as well, which a service without large objects would refuse.

An upload is marked before its first segment and until nothing is left to do, so that a listing of markers finds
what a death left: an upload cut short, or one completed whose marker (or whose predecessor's segments) stayed.
Aborting removes segments only if no manifest under the key needs them.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from providers.drivers.swift_errors import SwiftFailure
from providers.drivers.swift_meta import Listed, attribute_headers, bare, parse_listing
from providers.drivers.swift_names import (
    Marker,
    beside,
    folders_of,
    marker_name,
    marker_prefixes,
    new_folder,
    parse_marker_name,
    parse_segment_name,
    segment_name,
    upload_of,
)
from providers.errors import ChecksumRefused, StoreError, UploadLost
from providers.model import ETag, Key, ObjectMeta, PartReceipt, PutOptions, UploadId, UploadRef, VersionId

if TYPE_CHECKING:
    from collections.abc import Mapping

    from providers.drivers.swift_http import SwiftHttp
    from providers.model import Buffer

__all__ = ["SwiftUploads", "list_all", "md5_of"]

_NOT_FOUND: Final = 404
_TAKEN: Final = 412
_OTHER_BYTES: Final = 422
_MARKER_LIMIT: Final = 1024 * 1024
_MANIFEST_LIMIT: Final = 64 * 1024 * 1024


def md5_of(body: Buffer) -> str:
    """The header value by which the service refuses damaged bytes."""
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


def list_all(http: SwiftHttp, container: str, prefix: str, limit: int) -> Iterator[Listed]:
    """Every object of a container whose name begins with ``prefix``; nothing where there is no container."""
    marker = ""
    while True:
        query = {"format": "json", "prefix": prefix, "limit": str(limit), "marker": marker}
        try:
            page = parse_listing(bytes(http.request("GET", container, query=query).body))
        except SwiftFailure as failure:
            if failure.status == _NOT_FOUND:
                return
            raise
        yield from page
        if len(page) < limit:
            return
        marker = page[-1].meta.key


class SwiftUploads:
    """The multipart half of the driver.

    Args:
        http: The account.
        container: The bucket.
        list_limit: Entries of one page of a listing.
    """

    def __init__(self, http: SwiftHttp, container: str, *, list_limit: int) -> None:
        self._http = http
        self._container = container
        self._beside = beside(container)
        self._limit = list_limit
        self._lock = threading.Lock()
        self._open: dict[str, Marker] = {}

    def open(self, key: Key, options: PutOptions) -> UploadId:
        """Mark an upload; the attempt is its id. Opened again (after a lost answer, say) it is the same one."""
        upload = UploadId(options.attempt)
        name = marker_name(key, upload)
        marker = Marker(key=key, folder=new_folder(key, upload, secrets.token_hex(4)))
        try:
            self._write(name, marker, fence=True)
        except SwiftFailure as failure:
            if failure.status != _TAKEN:
                raise
            known = self._read(name)
            if known.folder and known.folder not in self.folders(key):
                marker = known
            else:
                # It was completed: what it wrote is visible and not to be written over.
                marker = replace(marker, former=(*known.former, *filter(None, [known.folder])))
                self._write(name, marker)
        self._remember(name, marker)
        return upload

    def put(self, key: Key, upload: UploadId, number: int, body: Buffer) -> PartReceipt:
        """Put one segment with its MD5. The same number again replaces it.

        Raises:
            UploadLost: The upload is not open.
        """
        name = marker_name(key, upload)
        marker = self._open.get(name)
        if marker is None:
            marker = self._read(name)
            self._remember(name, marker)
        digest = md5_of(body)
        try:
            self._http.request(
                "PUT",
                self._beside,
                segment_name(marker.folder, number),
                headers={"ETag": digest, "Content-Type": "application/octet-stream"},
                body=body,
            )
        except SwiftFailure as failure:
            if failure.status == _NOT_FOUND:
                raise UploadLost("the container of the segments is gone") from failure
            raise
        return PartReceipt(number=number, size=memoryview(body).nbytes, etag=ETag(digest))

    def parts(self, key: Key, upload: UploadId) -> Iterator[PartReceipt]:
        """The segments of an open upload, in order.

        Raises:
            UploadLost: The upload is not open.
        """
        marker = self._read(marker_name(key, upload))
        for listed in list_all(self._http, self._beside, marker.folder, self._limit):
            number = parse_segment_name(listed.meta.key, marker.folder)
            if number is not None:
                yield PartReceipt(number=number, size=listed.meta.size, etag=listed.meta.etag)

    def uploads(self, prefix: str) -> Iterator[UploadRef]:
        """Marked uploads on keys with this prefix; of long keys each marker has to be read."""
        for start in marker_prefixes(prefix):
            for listed in list_all(self._http, self._beside, start, self._limit):
                found = parse_marker_name(listed.meta.key)
                if found is None:
                    continue
                key, upload = found
                if key is None:
                    with suppress(UploadLost):
                        key = self._read(listed.meta.key).key
                if key is not None and key.startswith(prefix):
                    yield UploadRef(key=key, upload=upload, started_at=listed.meta.modified_at)

    def complete(
        self, key: Key, upload: UploadId, parts: Sequence[PartReceipt], options: PutOptions, *, keep: bool
    ) -> ObjectMeta:
        """Put the manifest; then clear what it replaced and the marker.

        Args:
            key: The object's key.
            upload: The upload.
            parts: Its parts, in any order.
            options: Those it was opened with.
            keep: The bucket keeps old versions, whose segments must stay.

        Raises:
            UploadLost: The upload is not open, or a segment is not there as it was acknowledged.
            SwiftFailure: ``create`` 412 where ``if_absent`` found something.
        """
        name = marker_name(key, upload)
        marker = self._read(name)
        if not parts:
            raise UploadLost("an upload without parts cannot be completed")
        if not options.if_absent and not keep:
            former = self.folders(key) - {marker.folder, *marker.former}
            if former:
                marker = replace(marker, former=(*marker.former, *sorted(former)))
                self._write(name, marker)
        ordered = sorted(parts, key=lambda part: part.number)
        manifest = json.dumps([self._segment(marker.folder, part) for part in ordered], ensure_ascii=False)
        headers = attribute_headers(options.attributes)
        if all(part.etag for part in ordered):
            digest = hashlib.md5("".join(str(part.etag) for part in ordered).encode(), usedforsecurity=False)
            headers["ETag"] = digest.hexdigest()
        if options.if_absent:
            headers["If-None-Match"] = "*"
        try:
            answer = self._http.request(
                "PUT",
                self._container,
                key,
                operation="manifest",
                query={"multipart-manifest": "put"},
                headers=headers,
                body=manifest.encode(),
            )
        except SwiftFailure as failure:
            raise _refused(failure, options) from failure
        version = answer.headers.get("x-object-version-id")
        meta = ObjectMeta(
            key=key,
            size=sum(part.size for part in parts),
            etag=bare(answer.headers.get("etag")),
            version=VersionId(version) if version else None,
        )
        with suppress(SwiftFailure, StoreError, OSError):
            # The object is there. What stays of the rest is marked, and the next sweep clears it.
            self._clear(name, () if keep else marker.former)
        return meta

    def abort(self, key: Key, upload: UploadId, *, keep: bool) -> None:
        """Remove the segments of an upload that no visible object needs, then its marker.

        Raises:
            UploadLost: The upload is not open.
        """
        name = marker_name(key, upload)
        marker = self._read(name)
        needed = self.folders(key)
        folders = [folder for folder in (marker.folder, *(() if keep else marker.former)) if folder]
        self._clear(name, [folder for folder in folders if folder not in needed])

    def replacing(self, key: Key, upload: UploadId) -> str | None:
        """Mark the segments of the object under ``key``, before it is replaced or removed by other than an upload.

        Returns:
            What ``replaced`` is to be given afterwards; None where there are no segments of ours.
        """
        folders = self.folders(key)
        if not folders:
            return None
        name = marker_name(key, upload)
        self._write(name, Marker(key=key, former=tuple(sorted(folders))))
        return name

    def removing(self, key: Key) -> str | None:
        """As ``replacing``, under the name of the upload that made the object."""
        folders = sorted(self.folders(key))
        return self.replacing(key, upload_of(folders[0])) if folders else None

    def replaced(self, key: Key, name: str) -> None:
        """Clear what ``replacing`` marked, unless it is still needed."""
        with suppress(SwiftFailure, StoreError, OSError):
            needed = self.folders(key)
            self._clear(name, [folder for folder in self._read(name).former if folder not in needed])

    def folders(self, key: Key) -> frozenset[str]:
        """The folders of ours that the object under ``key`` is made of; none if there is no such object."""
        try:
            head = self._http.request("HEAD", self._container, key)
            if "x-static-large-object" not in head.headers:
                return frozenset()
            query = {"multipart-manifest": "get", "format": "json"}
            answer = self._http.request("GET", self._container, key, query=query, most=_MANIFEST_LIMIT)
        except SwiftFailure as failure:
            if failure.status == _NOT_FOUND:
                return frozenset()
            raise
        try:
            return folders_of(json.loads(bytes(answer.body)), self._beside)
        except ValueError:
            # Replaced between the two requests by an object that is no manifest.
            return frozenset()

    def _segment(self, folder: str, part: PartReceipt) -> Mapping[str, str | int]:
        found: dict[str, str | int] = {"path": f"/{self._beside}/{segment_name(folder, part.number)}"}
        if part.etag:
            found["etag"] = part.etag
        return found | {"size_bytes": part.size}

    def _read(self, name: str) -> Marker:
        try:
            answer = self._http.request("GET", self._beside, name, most=_MARKER_LIMIT)
        except SwiftFailure as failure:
            if failure.status == _NOT_FOUND:
                raise UploadLost("the upload is not open") from failure
            raise
        return Marker.from_json(bytes(answer.body))

    def _write(self, name: str, marker: Marker, *, fence: bool = False) -> None:
        body = marker.to_json()
        headers = {"ETag": md5_of(body), "Content-Type": "application/json"}
        if fence:
            headers["If-None-Match"] = "*"
        try:
            self._http.request("PUT", self._beside, name, headers=headers, body=body)
        except SwiftFailure as failure:
            if failure.status != _NOT_FOUND:
                raise
            self._make_container()
            self._http.request("PUT", self._beside, name, headers=headers, body=body)

    def _make_container(self) -> None:
        """Make the container of the segments, under the bucket's own storage policy."""
        policy = self._http.request("HEAD", self._container).headers.get("x-storage-policy")
        headers = {"X-Storage-Policy": policy} if policy else {}
        self._http.request("PUT", self._beside, headers=headers)

    def _clear(self, name: str, folders: Sequence[str]) -> None:
        with self._lock:
            self._open.pop(name, None)
        for folder in folders:
            for listed in list(list_all(self._http, self._beside, folder, self._limit)):
                self._delete(listed.meta.key)
        self._delete(name)

    def _delete(self, name: str) -> None:
        try:
            self._http.request("DELETE", self._beside, name)
        except SwiftFailure as failure:
            if failure.status != _NOT_FOUND:
                raise

    def _remember(self, name: str, marker: Marker) -> None:
        with self._lock:
            self._open[name] = marker


def _refused(failure: SwiftFailure, options: PutOptions) -> Exception:
    """What a refused manifest means."""
    if failure.status == _TAKEN and options.if_absent:
        return SwiftFailure(_TAKEN, "create")
    if failure.status == _OTHER_BYTES:
        return ChecksumRefused("the service put other segments together than were sent")
    return failure
