"""The driver for Azure Blob Storage: block blobs of one container.

Small whole objects under plain names go through obstore, everything else through ``azure_http``. Both are
pinned by ``If-Match``, and what comes back is held against the pin all the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from obstore.exceptions import PreconditionError

from providers.capabilities import Capabilities
from providers.drivers.azure_auth import open_signer
from providers.drivers.azure_blocks import AzureBlocks, content_md5, written
from providers.drivers.azure_errors import classify, translate
from providers.drivers.azure_fast import AzureFast
from providers.drivers.azure_http import AzureFailure, AzureHttp
from providers.drivers.azure_meta import (
    attribute_headers,
    extra_from_entry,
    meta_from_entry,
    meta_from_headers,
    range_total,
)
from providers.drivers.azure_settings import (
    AZURE_BLOB,
    AzureSettings,
    attribute_reasons,
    key_reason,
)
from providers.drivers.azure_xml import Entry, decode_digest, parse_list, parse_tags
from providers.drivers.obstore_keys import round_trips
from providers.errors import ConditionFailed, RangeInvalid, StoreError, Truncated, Unsupported
from providers.model import (
    Attributes,
    Buffer,
    Extra,
    Key,
    ObjectMeta,
    Page,
    PageToken,
    PartReceipt,
    Pin,
    PutOptions,
    RawAnswer,
    ReadResult,
    Span,
    UploadId,
    UploadRef,
    VersionId,
)

__all__ = ["AZURE_BLOB", "AzureBlobDriver", "AzureSettings"]

_SMALL: Final = 1024 * 1024
_PARTIAL: Final = 206
_EXTRAS: Final = ("snapshots", "versions", "deleted")
_NOT_OFFERED: Final = frozenset(
    {
        "APINotImplemented",
        "FeatureNotSupported",
        "FeatureVersionMismatch",
        "InvalidQueryParameterValue",
        "NotImplemented",
        "UnsupportedQueryParameter",
    }
)
_HTTP_NOT_IMPLEMENTED: Final = 501


class AzureBlobDriver:
    """One container, as ``providers.driver.StoreDriver`` wants it.

    Args:
        settings: Where, and as whom.

    Raises:
        ConfigInvalid: The credentials make no sense, or the file of trusted authorities cannot be used.
    """

    def __init__(self, settings: AzureSettings) -> None:
        self._capabilities = settings.capabilities.narrowed(verifies_checksum=False)
        self._verify = settings.verify == "md5"
        signer = open_signer(settings)
        self._http = AzureHttp(settings, signer)
        self._blocks = AzureBlocks(self._http, verify=self._verify)
        # obstore adds authorities to the usual ones; a site that names its own trusts no others.
        self._fast = AzureFast(settings, signer) if settings.ca_bundle is None else None
        self._with_metadata: bool | None = None

    @property
    def capabilities(self) -> Capabilities:
        """As the settings give them, but that Azure verifies no SHA-256 that a caller brings."""
        return self._capabilities

    def check_key(self, key: Key) -> str | None:
        """Why Azure cannot hold this key, or None."""
        return key_reason(key, self._capabilities)

    def check_attributes(self, attributes: Attributes) -> list[str]:
        """What of these attributes Azure cannot hold, one sentence each."""
        return attribute_reasons(attributes)

    def check_bucket(self) -> None:
        """List one entry: the container is there and the credentials may list it.

        Get Container Properties would be the obvious question, but no shared access signature may ask it.
        """
        self._list("", None, 1, "")

    def head(self, key: Key, *, version: VersionId | None = None) -> ObjectMeta:
        """The blob's meta with attributes and the MD5 the service declares."""
        headers = self._http.send("HEAD", key, query=_version_query(version)).headers
        return meta_from_headers(key, headers, int(headers.get("Content-Length", "0")))

    def list_page(self, prefix: str, token: PageToken | None, limit: int) -> Page:
        """Current blobs; metadata is asked for only where directories may hide among them."""
        include = "metadata" if self._directories_may_appear() else ""
        entries, marker = self._list(prefix, token, limit, include)
        metas = tuple(meta_from_entry(entry) for entry in entries)
        return Page(entries=metas, next_token=PageToken(marker) if marker else None)

    def list_extras(self, prefix: str) -> Iterator[Extra]:
        """Snapshots, older versions and soft-deleted blobs, as far as the account keeps such things.

        Raises:
            Unsupported: The service lists none of them.
        """
        try:
            yield from self._extras(prefix, ",".join(_EXTRAS))
        except AzureFailure as failure:
            if not _not_offered(failure):
                raise
        else:
            return
        # The service refuses at least one of them; a refusal comes with the first page, before any entry.
        offered = 0
        for include in _EXTRAS:
            try:
                yield from self._extras(prefix, include)
            except AzureFailure as failure:
                if not _not_offered(failure):
                    raise
            else:
                offered += 1
        if not offered:
            raise Unsupported("the service lists neither snapshots nor versions nor deleted blobs")

    def read(
        self, key: Key, *, span: Span | None = None, pin: Pin | None = None, into: memoryview | None = None
    ) -> ReadResult:
        """The bytes of a span or of the whole blob, from the version or etag that ``pin`` names."""
        del into  # the client below has no way to read in place
        pin = pin or Pin()
        if span is not None and span.length == 0:
            meta = self.head(key, version=pin.version)
            _hold(pin, meta)
            if span.start > meta.size:
                raise RangeInvalid("the span lies outside the blob")
            return ReadResult(meta=meta, data=b"")
        try:
            return self._read(key, span, pin)
        except (AzureFailure, PreconditionError) as failure:
            if not isinstance(translate(failure), ConditionFailed):
                raise
            # A stale If-Match on a blob that is gone may also be a 412: a look tells the two apart.
            self.head(key, version=pin.version)
            raise

    def _read(self, key: Key, span: Span | None, pin: Pin) -> ReadResult:
        if self._fast is not None and self._is_fast(key, span, pin):
            found = self._fast.read(key, pin.etag)
            _hold(pin, found.meta)
            _whole(found.data, found.meta.size)
            return found
        headers = {}
        if span is not None:
            headers["Range"] = f"bytes={span.start}-{span.end - 1}"
        if pin.etag is not None:
            headers["If-Match"] = pin.etag
        with self._http.stream("GET", key, query=_version_query(pin.version), headers=headers) as response:
            start, total = range_total(response.headers)
            meta = meta_from_headers(key, response.headers, total)
            _hold(pin, meta)
            wanted = span or Span(start=0, length=total)
            if wanted.end > total:
                raise RangeInvalid("the span lies outside the blob")
            if span is not None and (response.status != _PARTIAL or start != span.start):
                raise Unsupported("the service does not honour ranges")
            data = response.read()
        _whole(data, wanted.length)
        return ReadResult(meta=meta, data=data)

    def _is_fast(self, key: Key, span: Span | None, pin: Pin) -> bool:
        if pin.version is not None or pin.size is None or not 0 < pin.size <= _SMALL:
            return False
        whole = span is None or (span.start == 0 and span.length == pin.size)
        return whole and round_trips(key)

    def read_tags(self, key: Key, *, version: VersionId | None = None) -> Mapping[str, str]:
        """The blob's index tags."""
        query = (("comp", "tags"), *_version_query(version))
        return parse_tags(self._http.send("GET", key, query=query).body)

    def put(self, key: Key, body: Buffer, options: PutOptions, *, sha256: bytes | None = None) -> ObjectMeta:
        """Put Blob. Azure takes no SHA-256; with ``verify`` it checks an MD5 and its answer is a claim."""
        del sha256
        size = memoryview(body).nbytes
        fast = None if self._verify or not 0 < size <= _SMALL else self._fast
        if fast is not None and options.if_match is None and fast.can_put(key, options.attributes):
            return fast.put(key, body, options)
        headers = {"x-ms-blob-type": "BlockBlob", **attribute_headers(options)}
        if self._verify:
            headers["Content-MD5"] = content_md5(body)
        answer = self._http.send("PUT", key, headers=headers, body=body)
        return written(key, size, answer, claim=decode_digest(answer.headers.get("Content-MD5")))

    def open_upload(self, key: Key, options: PutOptions) -> UploadId:  # noqa: ARG002 - no request is made
        """The attempt is the upload id; the first block begins the upload."""
        return UploadId(options.attempt)

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
        """Put Block. The receipt's etag is the digest that the service computed, if it says so."""
        del offset, sha256
        return self._blocks.put(key, upload, number, body)

    def list_parts(self, key: Key, upload: UploadId) -> Iterator[PartReceipt]:
        """The staged blocks of this attempt: numbers and sizes, the service tells no digests."""
        return self._blocks.parts(key, upload)

    def list_uploads(self, prefix: str) -> Iterator[UploadRef]:
        """Attempts with staged blocks on names that hold no bytes yet, and other programs' there.

        A listing does not show blocks that are staged behind a blob with content; asking about each blob
        would cost a request per object. ``list_parts`` finds those of a known attempt.
        """
        marker: str | None = None
        while True:
            entries, marker = self._list(prefix, marker, self.capabilities.list_limit, "uncommittedblobs")
            for entry in entries:
                if entry.properties.get("BlobType", "BlockBlob") != "BlockBlob":
                    continue
                if int(entry.properties.get("Content-Length") or "0") == 0:
                    key = Key(entry.name)
                    yield from (UploadRef(key=key, upload=upload) for upload in self._blocks.uploads(key))
            if marker is None:
                return

    def complete_upload(
        self, key: Key, upload: UploadId, parts: Sequence[PartReceipt], options: PutOptions
    ) -> ObjectMeta:
        """Put Block List; see ``AzureBlocks.complete``."""
        return self._blocks.complete(key, upload, parts, options)

    def abort_upload(self, key: Key, upload: UploadId) -> None:
        """Discard staged blocks where Azure lets us; see ``AzureBlocks.abort``."""
        self._blocks.abort(key, upload)

    def delete(self, key: Key, *, version: VersionId | None = None) -> None:
        """Delete the blob, or one version of it; a blob with snapshots is refused as ``Unsupported``."""
        self._http.send("DELETE", key, query=_version_query(version))

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
        del payload  # the signature does not speak of the body
        sent = body if method in {"PUT", "POST"} else None
        try:
            answer = self._http.send(
                method, key or "", query=tuple(sorted(query.items())), headers=headers, body=sent
            )
        except AzureFailure as failure:
            return RawAnswer(status=failure.status, headers={}, code=failure.code or str(failure.status))
        told = {name.lower(): value for name, value in answer.headers.items()}
        return RawAnswer(status=answer.status, headers=told, body=answer.body)

    def translate(self, error: Exception) -> StoreError:
        """Classify what a method raised."""
        return translate(error)

    def close(self) -> None:
        """Release the connections; obstore's go with the object."""
        self._http.close()

    def _list(
        self, prefix: str, marker: str | None, limit: int, include: str
    ) -> tuple[list[Entry], str | None]:
        query = [("comp", "list"), ("restype", "container"), ("maxresults", str(limit))]
        optional = {"prefix": prefix, "marker": marker or "", "include": include}
        query += [(name, value) for name, value in optional.items() if value]
        return parse_list(self._http.send("GET", query=query).body)

    def _extras(self, prefix: str, include: str) -> Iterator[Extra]:
        marker: str | None = None
        while True:
            entries, marker = self._list(prefix, marker, self.capabilities.list_limit, include)
            yield from (extra for entry in entries if (extra := extra_from_entry(entry)) is not None)
            if marker is None:
                return

    def _directories_may_appear(self) -> bool:
        """Whether the account has a hierarchical namespace, or does not say."""
        if self._with_metadata is None:
            try:
                query = (("comp", "properties"), ("restype", "account"))
                headers = self._http.send("GET", query=query).headers
                self._with_metadata = headers.get("x-ms-is-hns-enabled", "true").lower() == "true"
            except AzureFailure as failure:
                if classify(failure.status, failure.code).retry.value == "later":
                    raise
                self._with_metadata = True
        return self._with_metadata


def _version_query(version: VersionId | None) -> tuple[tuple[str, str], ...]:
    return () if version is None else (("versionid", version),)


def _not_offered(failure: AzureFailure) -> bool:
    return failure.status == _HTTP_NOT_IMPLEMENTED or failure.code in _NOT_OFFERED


def _hold(pin: Pin, meta: ObjectMeta) -> None:
    """Hold an answer against the pin, whether or not the service did.

    Raises:
        ConditionFailed: It is another blob, version or size.
    """
    if pin.etag is not None and meta.etag != pin.etag:
        raise ConditionFailed("the blob has another etag than when it was listed")
    if pin.version is not None and meta.version != pin.version:
        raise ConditionFailed("the service answered with another version of the blob")
    if pin.size is not None and meta.size != pin.size:
        raise ConditionFailed("the blob has another size than when it was listed")


def _whole(data: Buffer, wanted: int) -> None:
    if len(data) != wanted:
        raise Truncated(f"{len(data)} of {wanted} bytes arrived")
