"""What a double of an S3 service holds and which rules it keeps: objects in memory, and a `Dialect`.

A double is no server that anybody runs. It stands in for a service that cannot be run here, and does only what
public documents say of it; where they are silent it does the least. `Dialect` itself is a plain S3: whole, and honest.
"""

from __future__ import annotations

import hashlib
import itertools
import threading
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

__all__ = ["MIB", "Bucket", "Dialect", "Memory", "Object", "Refusal", "Upload", "UploadedPart", "check_md5"]

MIB = 1024 * 1024


class Refusal(Exception):
    """An answer that is an S3 error."""

    def __init__(self, status: int, code: str, message: str = "") -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.message = message or code


@dataclass(frozen=True, kw_only=True)
class Object:
    """One version of one object."""

    body: bytes
    etag: str
    headers: Mapping[str, str]
    version: str
    at: datetime
    marker: bool = False
    locked: bool = False


@dataclass(frozen=True, kw_only=True)
class UploadedPart:
    """One part of an upload."""

    body: bytes
    etag: str


@dataclass(kw_only=True)
class Upload:
    """An unfinished upload."""

    key: str
    headers: Mapping[str, str]
    at: datetime
    parts: dict[int, UploadedPart] = field(default_factory=dict)


@dataclass(kw_only=True)
class Bucket:
    """One bucket: every version of every key, the newest last, and the unfinished uploads by id."""

    versioned: bool = False
    keys: dict[str, list[Object]] = field(default_factory=dict)
    uploads: dict[str, Upload] = field(default_factory=dict)

    def current(self, key: str) -> Object | None:
        """What stands under a key now."""
        held = self.keys.get(key)
        return None if not held or held[-1].marker else held[-1]


class Dialect:
    """The rules of a service. This one is what Amazon documents, as far as the suite asks for it.

    Attributes:
        min_part: Smallest part but the last.
        max_part: Largest part.
        max_parts: Highest part number.
    """

    min_part = 5 * MIB
    max_part = 5 * 1024 * MIB
    max_parts = 10_000

    def check_request(self, method: str, headers: Mapping[str, str]) -> None:
        """Refuse what this service does not take in any request.

        Raises:
            Refusal: It does not.
        """

    def check_create(self, headers: Mapping[str, str], found: Object | None, *, multipart: bool) -> None:
        """Refuse a write whose condition does not hold.

        Raises:
            Refusal: 412, where the service honours the condition.
        """
        if headers.get("if-none-match") == "*" and found is not None:
            raise Refusal(412, "PreconditionFailed")
        wanted = headers.get("if-match")
        if wanted is not None and (found is None or found.etag.strip('"') != wanted.strip('"')):
            raise Refusal(412 if found else 404, "PreconditionFailed" if found else "NoSuchKey")

    def check_body(self, headers: Mapping[str, str], body: bytes) -> None:
        """Hold a body against every digest that the request declares.

        Raises:
            Refusal: A digest is of other bytes.
        """
        check_md5(headers, body)
        declared = headers.get("x-amz-checksum-sha256")
        if declared is not None and b64decode(declared) != hashlib.sha256(body).digest():
            raise Refusal(400, "BadDigest")

    def check_lock(self, headers: Mapping[str, str]) -> bool:
        """Whether a write locks its object.

        Raises:
            Refusal: The service knows no such lock.
        """
        return "x-amz-object-lock-mode" in headers

    def check_parts(self, sizes: list[int]) -> None:
        """Refuse a completion whose parts are cut as the service does not want them.

        Raises:
            Refusal: They are.
        """
        if any(size < self.min_part for size in sizes[:-1]):
            raise Refusal(400, "EntityTooSmall")

    def upload_etag(self, parts: list[UploadedPart]) -> str:
        """The etag of an object that went up in parts."""
        joined = b"".join(bytes.fromhex(part.etag.strip('"')) for part in parts)
        return f'"{hashlib.md5(joined, usedforsecurity=False).hexdigest()}-{len(parts)}"'

    def told_etag(self, made: Object) -> str:
        """The etag that the answer to a completion tells."""
        return made.etag

    def answer_headers(self, found: Object) -> dict[str, str]:
        """Headers of this service's own that an answer about an object carries."""
        declared = found.headers.get("x-amz-checksum-sha256")
        return {} if declared is None else {"x-amz-checksum-sha256": declared}


def check_md5(headers: Mapping[str, str], body: bytes) -> None:
    """Hold a body against Content-MD5.

    Raises:
        Refusal: It is of other bytes.
    """
    declared = headers.get("content-md5")
    if declared is not None and b64decode(declared) != hashlib.md5(body, usedforsecurity=False).digest():
        raise Refusal(400, "BadDigest")


class Memory:
    """All that one double holds. Every method is one step that no other thread sees half of."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.buckets: dict[str, Bucket] = {}
        self.lock = threading.RLock()
        self._numbers = itertools.count(1)

    def bucket(self, name: str) -> Bucket:
        """A bucket that is there.

        Raises:
            Refusal: It is not.
        """
        try:
            return self.buckets[name]
        except KeyError:
            raise Refusal(404, "NoSuchBucket") from None

    def number(self) -> str:
        """A name for a version or an upload that was not given before."""
        return f"{next(self._numbers):016x}"

    def put(self, bucket: Bucket, key: str, headers: Mapping[str, str], body: bytes) -> Object:
        """PutObject."""
        with self.lock:
            self.dialect.check_create(headers, bucket.current(key), multipart=False)
            self.dialect.check_body(headers, body)
            etag = f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'
            return self._store(bucket, key, headers, body, etag)

    def part(self, upload: Upload, number: int, headers: Mapping[str, str], body: bytes) -> UploadedPart:
        """UploadPart."""
        if not 1 <= number <= self.dialect.max_parts:
            raise Refusal(400, "InvalidArgument", "part number")
        if len(body) > self.dialect.max_part:
            raise Refusal(400, "EntityTooLarge")
        self.dialect.check_body(headers, body)
        part = UploadedPart(body=body, etag=f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"')
        with self.lock:
            upload.parts[number] = part
        return part

    def upload(self, bucket: Bucket, key: str, name: str) -> Upload:
        """An unfinished upload of this key.

        Raises:
            Refusal: There is none of that id.
        """
        found = bucket.uploads.get(name)
        if found is None or found.key != key:
            raise Refusal(404, "NoSuchUpload")
        return found

    def complete(
        self, bucket: Bucket, key: str, name: str, headers: Mapping[str, str], wanted: list[tuple[int, str]]
    ) -> Object:
        """CompleteMultipartUpload."""
        with self.lock:
            upload = self.upload(bucket, key, name)
            if [number for number, _ in wanted] != sorted({number for number, _ in wanted}):
                raise Refusal(400, "InvalidPartOrder")
            parts = []
            for number, etag in wanted:
                part = upload.parts.get(number)
                if part is None or part.etag.strip('"') != etag.strip('"'):
                    raise Refusal(400, "InvalidPart")
                parts.append(part)
            if not parts:
                raise Refusal(400, "MalformedXML")
            self.dialect.check_parts([len(part.body) for part in parts])
            self.dialect.check_create(headers, bucket.current(key), multipart=True)
            del bucket.uploads[name]
            body = b"".join(part.body for part in parts)
            return self._store(bucket, key, upload.headers, body, self.dialect.upload_etag(parts))

    def delete(self, bucket: Bucket, key: str, version: str | None) -> None:
        """DeleteObject."""
        with self.lock:
            held = bucket.keys.get(key, [])
            if version is not None:
                named = [one for one in held if one.version == version]
                if any(one.locked for one in named):
                    raise Refusal(403, "AccessDenied")
                bucket.keys[key] = [one for one in held if one.version != version]
            elif bucket.versioned:
                gone = Object(
                    body=b"", etag="", headers={}, version=self.number(), at=datetime.now(UTC), marker=True
                )
                bucket.keys[key] = [*held, gone]
            else:
                bucket.keys.pop(key, None)
            if not bucket.keys.get(key):
                bucket.keys.pop(key, None)

    def _store(self, bucket: Bucket, key: str, headers: Mapping[str, str], body: bytes, etag: str) -> Object:
        made = Object(
            body=body,
            etag=etag,
            headers=headers,
            version=self.number() if bucket.versioned else "null",
            at=datetime.now(UTC),
            locked=self.dialect.check_lock(headers),
        )
        bucket.keys[key] = [*(bucket.keys.get(key, []) if bucket.versioned else []), made]
        return made
