"""The S3 driver: one bucket of any store that speaks S3.

What is hot (reads, puts, parts, listings) goes over ``s3_wire``; what is rare goes through boto3. Neither
retries.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from providers import keys
from providers.drivers import s3_errors, s3_headers, s3_lists, s3_reads, s3_uploads
from providers.drivers.s3_client import S3Client
from providers.drivers.s3_settings import S3Settings
from providers.drivers.s3_xml import parse
from providers.errors import Unsupported
from providers.model import ETag, ObjectMeta, Page, RawAnswer, VersionId

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from providers.capabilities import Capabilities
    from providers.errors import StoreError
    from providers.model import (
        Attributes,
        Buffer,
        Extra,
        Key,
        PageToken,
        PartReceipt,
        Pin,
        PutOptions,
        ReadResult,
        Span,
        UploadId,
        UploadRef,
    )

__all__ = ["S3Driver", "S3Settings"]

_VERSIONED: Final = frozenset({"Enabled", "Suspended"})
_SUCCESS: Final = range(200, 300)
_CANNOT_TELL: Final = frozenset({400, 403, 405, 501})
"""Answers to GetBucketVersioning of stores that do not know it, or do not let us ask."""


class S3Driver:
    """``StoreDriver`` for S3. Safe to use from many threads."""

    def __init__(self, settings: S3Settings) -> None:
        """Prepare the driver; nothing is sent.

        Raises:
            StoreError: The settings, the AWS configuration or the CA bundle cannot be used.
        """
        self._settings = settings
        self._versioned: bool | None = None
        try:
            self._client = S3Client(settings)
        except (BotoCoreError, ValueError, OSError) as error:
            raise s3_errors.translate(error) from error

    @property
    def capabilities(self) -> Capabilities:
        """What the profile says, and versions once the bucket was seen to keep them (``check_bucket``)."""
        known = self._settings.capabilities
        return known.narrowed(versions=True, pin_by_version=True) if self._versioned else known

    def check_bucket(self) -> None:
        """Fail unless the bucket exists; SeaweedFS for one would make a missing one on the first put.

        Raises:
            botocore.exceptions.ClientError: It does not exist, or these credentials may not look at it.
        """
        self._client.request("HeadBucket", "HEAD")
        self._is_versioned()

    def check_key(self, key: Key) -> str | None:
        """Why the store cannot hold this key, or None."""
        return keys.refused(key, self._settings.capabilities)

    def check_attributes(self, attributes: Attributes) -> list[str]:
        """What of these attributes cannot travel and why, one sentence each."""
        return s3_headers.check_attributes(attributes, self._settings.capabilities)

    def head(self, key: Key, *, version: VersionId | None = None) -> ObjectMeta:
        """HeadObject, with attributes and the checksums that the store has of the whole object."""
        return s3_reads.head(self._client, key, version, {})

    def list_page(self, prefix: str, token: PageToken | None, limit: int) -> Page:
        """Current objects. In a versioned bucket a page may hold few of them, even none, and go on."""
        limit = min(limit, self._settings.capabilities.list_limit)
        if self._is_versioned():
            return s3_lists.versioned_page(self._client, prefix, token, limit)
        return s3_lists.current_page(self._client, prefix, token, limit)

    def list_extras(self, prefix: str) -> Iterator[Extra]:
        """Old versions and delete markers."""
        if not self._is_versioned():
            raise Unsupported("the bucket keeps no versions")
        return s3_lists.extras(self._client, prefix, self._settings.capabilities.list_limit)

    def read(
        self, key: Key, *, span: Span | None = None, pin: Pin | None = None, into: memoryview | None = None
    ) -> ReadResult:
        """GetObject of a span, or of everything."""
        return s3_reads.read(self._client, self._settings, key, span, pin, into)

    def read_tags(self, key: Key, *, version: VersionId | None = None) -> Mapping[str, str]:
        """GetObjectTagging."""
        if not self._settings.capabilities.tags:
            raise Unsupported("the store keeps no tags")
        named = {"VersionId": version} if version else {}
        answer = self._client.boto.get_object_tagging(Bucket=self._client.bucket, Key=key, **named)
        return {tag["Key"]: tag["Value"] for tag in answer["TagSet"]}

    def put(self, key: Key, body: Buffer, options: PutOptions, *, sha256: bytes | None = None) -> ObjectMeta:
        """PutObject. Nothing is asked afterwards: etag and version are the answer's own."""
        settings = self._settings
        headers = s3_headers.require_attributes(options.attributes, settings.capabilities)
        if options.if_absent:
            if not settings.capabilities.put_if_absent:
                raise Unsupported("this store puts over an existing object, whatever is asked")
            headers["if-none-match"] = "*"
        if options.if_match is not None:
            headers["if-match"] = s3_headers.condition(options.if_match, bare=settings.if_match_bare)
        headers.update(s3_uploads.digest_headers(settings, body, sha256))
        answer = self._client.request("PutObject", "PUT", key, headers=headers, body=body, sha256=sha256)
        etag = answer.headers.get("etag")
        version = answer.headers.get("x-amz-version-id")
        return ObjectMeta(
            key=key,
            size=len(body),
            etag=ETag(etag) if etag else None,
            version=VersionId(version) if version and version != "null" else None,
        )

    def open_upload(self, key: Key, options: PutOptions) -> UploadId:
        """CreateMultipartUpload."""
        return s3_uploads.begin(self._client, self._settings, key, options)

    def put_part(
        self,
        key: Key,
        upload: UploadId,
        number: int,
        offset: int,  # noqa: ARG002 - S3 places parts by number
        body: Buffer,
        *,
        sha256: bytes | None = None,
    ) -> PartReceipt:
        """UploadPart, with the digest that the store's profile says it verifies."""
        return s3_uploads.send(self._client, self._settings, key, upload, number, body=body, sha256=sha256)

    def copy_part(
        self,
        key: Key,
        upload: UploadId,
        number: int,
        source: Key,
        span: Span,
        *,
        pin: Pin,
        sha256: bytes | None = None,
    ) -> PartReceipt:
        """UploadPartCopy from an object of the same bucket."""
        if not self._settings.capabilities.copy_parts:
            raise Unsupported("this store is not known to copy parts")
        return s3_uploads.copy(
            self._client,
            self._settings,
            key,
            upload,
            number,
            source=source,
            span=span,
            pin=pin,
            sha256=sha256,
        )

    def list_parts(self, key: Key, upload: UploadId) -> Iterator[PartReceipt]:
        """ListParts."""
        return s3_lists.parts(self._client, key, upload)

    def list_uploads(self, prefix: str) -> Iterator[UploadRef]:
        """ListMultipartUploads."""
        if not self._settings.capabilities.lists_uploads:
            raise Unsupported("the store does not list unfinished uploads")
        return s3_lists.uploads(self._client, prefix)

    def complete_upload(
        self, key: Key, upload: UploadId, parts: Sequence[PartReceipt], options: PutOptions
    ) -> ObjectMeta:
        """CompleteMultipartUpload; no etag is given where its answer is not known to tell the object's."""
        return s3_uploads.complete(self._client, self._settings, key, upload, parts=parts, options=options)

    def abort_upload(self, key: Key, upload: UploadId) -> None:
        """AbortMultipartUpload."""
        s3_uploads.abort(self._client, key, upload)

    def delete(self, key: Key, *, version: VersionId | None = None) -> None:
        """DeleteObject; S3 does not tell whether there was one."""
        named = {"VersionId": version} if version else {}
        self._client.boto.delete_object(Bucket=self._client.bucket, Key=key, **named)

    def raw(
        self,
        method: str,
        key: Key | None,
        *,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes,
        payload: str | None,
    ) -> RawAnswer:
        """One request that a probe put together, such as one with a wrong digest; refusals are answers too."""
        said = hashlib.sha256(body).hexdigest() if payload is None else payload
        answer = self._client.probe(method, key, query=query, headers=headers, body=body, payload=said)
        # Complete may answer 200 and tell in the body that it failed.
        failed = method == "POST" and bytes(answer.body[-64:]).rstrip().endswith(b"</Error>")
        if answer.status in _SUCCESS and not failed:
            return RawAnswer(status=answer.status, headers=answer.headers, body=bytes(answer.body))
        refusal = s3_errors.client_error(answer, "Probe")
        return RawAnswer(
            status=answer.status, headers=answer.headers, code=str(refusal.response["Error"]["Code"])[:80]
        )

    def translate(self, error: Exception) -> StoreError:
        """Classify what this driver raised."""
        return s3_errors.translate(error)

    def close(self) -> None:
        """Close idle connections."""
        self._client.close()

    def _is_versioned(self) -> bool:
        if self._versioned is None:
            try:
                answer = self._client.request("GetBucketVersioning", "GET", query={"versioning": ""})
            except ClientError as error:
                if error.response["ResponseMetadata"].get("HTTPStatusCode") not in _CANNOT_TELL:
                    raise
                # Not allowed to know is like having none: pins are etags, and old versions are not counted.
                self._versioned = False
            else:
                self._versioned = parse(bytes(answer.body)).values.get("Status") in _VERSIONED
        return self._versioned
