"""A double of the XML API of Google Cloud Storage, which S3NS offers under the same code. Not the service itself.

From public documents alone, as of 2026-11-21:

- A write is made conditional by `x-goog-if-generation-match`, never by If-None-Match or If-Match, which count for
  reads only; requests of a multipart upload take no condition.
  <https://cloud.google.com/storage/docs/request-preconditions>, <https://cloud.google.com/storage/docs/multipart-uploads>
- The checksum headers of Amazon are unknown (`ExcessHeaderValues`), and a body with a trailer breaks the signature
  (`SignatureDoesNotMatch`): <https://github.com/milvus-io/milvus-storage/pull/480>,
  <https://github.com/gramps-project/gramps-web-api/pull/758>
- Content-MD5 is verified, on parts too. <https://documentation.s3ns.fr/storage/docs/xml-api/put-object-multipart>
- An object that went up in parts has no MD5, so its etag is opaque. Same page as above.
- No part is copied from another object. <https://github.com/rclone/rclone/tree/master/backend/s3/provider>
- There is no Amazon object lock: the headers are unknown here. Unfinished uploads do not expire.

What the service does with If-None-Match on a write is not documented; the double ignores it, which is the worst.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from support.double_core import Double
from support.double_store import Dialect, Object, Refusal, UploadedPart, check_md5
from support.endpoints import S3Server

__all__ = ["GcsDialect", "start_double_gcs"]

_KNOWN = frozenset(
    {
        "x-amz-acl",
        "x-amz-content-sha256",
        "x-amz-copy-source",
        "x-amz-copy-source-range",
        "x-amz-date",
        "x-amz-metadata-directive",
        "x-amz-security-token",
        "x-amz-storage-class",
        # Asked for by every SDK on reads; nothing says that it is refused.
        "x-amz-checksum-mode",
    }
)


class GcsDialect(Dialect):
    """The rules above."""

    def check_request(self, method: str, headers: Mapping[str, str]) -> None:
        if headers.get("x-amz-content-sha256", "").startswith("STREAMING-"):
            raise Refusal(403, "SignatureDoesNotMatch")
        if "x-amz-copy-source" in headers and "x-amz-copy-source-range" in headers:
            raise Refusal(501, "NotImplemented", "no copy into a part")
        unknown = [
            name
            for name in headers
            if name.startswith("x-amz-") and name not in _KNOWN and not name.startswith("x-amz-meta-")
        ]
        if unknown and method not in {"GET", "HEAD"}:
            raise Refusal(400, "ExcessHeaderValues", ", ".join(unknown))

    def check_create(self, headers: Mapping[str, str], found: Object | None, *, multipart: bool) -> None:
        wanted = headers.get("x-goog-if-generation-match")
        if wanted is None:
            return
        if multipart:
            raise Refusal(400, "InvalidArgument", "no preconditions on requests of a multipart upload")
        if wanted != (_generation(found) if found is not None else "0"):
            raise Refusal(412, "PreconditionFailed")

    def check_body(self, headers: Mapping[str, str], body: bytes) -> None:
        check_md5(headers, body)

    def check_lock(self, headers: Mapping[str, str]) -> bool:
        return False

    def upload_etag(self, parts: list[UploadedPart]) -> str:
        digest = hashlib.sha256(b"".join(part.etag.encode() for part in parts)).digest()
        return f'"{b64encode(digest[:10]).decode()}"'

    def answer_headers(self, found: Object) -> dict[str, str]:
        headers = {"x-goog-generation": _generation(found)}
        if len(found.etag) == 34:  # an MD5 in hexadecimal, quoted: only single puts have one
            md5 = b64encode(bytes.fromhex(found.etag.strip('"'))).decode()
            headers["x-goog-hash"] = f"md5={md5}"
        return headers


def _generation(found: Object) -> str:
    return str(int(found.at.timestamp() * 1_000_000))


@contextmanager
def start_double_gcs() -> Iterator[S3Server]:
    """Run the double until the block ends."""
    with Double(GcsDialect(), kind="double_gcs") as double:
        yield double.server
