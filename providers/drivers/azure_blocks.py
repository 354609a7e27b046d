"""Multipart uploads where the service has no upload id: staged blocks whose ids carry the attempt.

A block id is ``havre:`` + attempt, padded to 32 characters + ``:`` + six digits, in base64: one length for
all, as the service demands, and readable back. Opening makes no request. The service keeps staged blocks for
7 days and has no abort; ``abort`` commits an empty blob where nothing is visible and deletes it at once,
which discards every staged block of that name. It therefore refuses where it would touch anything that is
not this attempt's.

Died between that commit and the delete, an empty blob stays whose metadata ``havrestamp`` is
``aborted-<attempt>``: ``aborted_attempt`` recognises it, and a second ``abort`` removes it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from providers.drivers.azure_http import Answer, AzureFailure, AzureHttp
from providers.drivers.azure_meta import attribute_headers, meta_from_headers
from providers.drivers.azure_xml import BlockList, parse_block_list, write_block_list
from providers.errors import Unsupported, UploadLost
from providers.model import (
    Buffer,
    Claim,
    ETag,
    Key,
    ObjectMeta,
    PartReceipt,
    PutOptions,
    UploadId,
)

__all__ = ["STAMP", "AzureBlocks", "aborted_attempt", "block_id", "parse_block_id"]

STAMP: Final = "havrestamp"
"""Metadata name that says which attempt wrote a blob."""
_EARLIER_STAMP: Final = "havre_stamp"

_ABORTED: Final = "aborted-"
_ATTEMPT: Final = re.compile(r"[0-9a-z]{1,32}")
_BLOCK: Final = re.compile(rb"havre:([0-9a-z]{1,32}) *:([0-9]{6})")
_NOTHING: Final = BlockList(committed=(), uncommitted=())
_HTTP_NOT_FOUND: Final = 404


def block_id(attempt: str, number: int) -> str:
    """The base64 id of part ``number`` (1 to 999,999) of an attempt.

    Raises:
        UploadLost: ``attempt`` is not 1 to 32 characters of ``[0-9a-z]``: no upload of this driver.
    """
    if not _ATTEMPT.fullmatch(attempt):
        raise UploadLost("this is not an upload that this tool began")
    return base64.b64encode(f"havre:{attempt:<32}:{number:06d}".encode()).decode()


def parse_block_id(name: str) -> tuple[str, int] | None:
    """Attempt and part number of a block id, or None if it is not one of ours."""
    try:
        found = _BLOCK.fullmatch(base64.b64decode(name, validate=True))
    except (binascii.Error, ValueError):
        return None
    return (found[1].decode(), int(found[2])) if found else None


def aborted_attempt(metadata: Mapping[str, str]) -> str | None:
    """The attempt whose abort was cut short and left this blob, or None if it is an ordinary one."""
    stamp = metadata.get(STAMP) or metadata.get(_EARLIER_STAMP, "")
    return stamp[len(_ABORTED) :] if stamp.startswith(_ABORTED) else None


def content_md5(body: Buffer) -> str:
    """The header value by which the service refuses damaged bytes; 1.8 s of CPU per GiB, outside the GIL."""
    return base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()


class AzureBlocks:
    """The multipart half of the driver.

    Args:
        http: The container.
        verify: Whether bodies carry their MD5.
    """

    def __init__(self, http: AzureHttp, *, verify: bool) -> None:
        self._http = http
        self._verify = verify

    def put(self, key: Key, upload: UploadId, number: int, body: Buffer) -> PartReceipt:
        """Stage one block. The same number again replaces it."""
        headers = {"Content-MD5": content_md5(body)} if self._verify else {}
        query = (("blockid", block_id(upload, number)), ("comp", "block"))
        answer = self._http.send("PUT", key, query=query, headers=headers, body=body)
        digest = answer.headers.get("Content-MD5") or answer.headers.get("x-ms-content-crc64")
        return PartReceipt(number=number, size=memoryview(body).nbytes, etag=ETag(digest) if digest else None)

    def staged(self, key: Key) -> BlockList:
        """All blocks under a name; empty lists if there is neither a blob nor a block."""
        query = (("blocklisttype", "all"), ("comp", "blocklist"))
        try:
            return parse_block_list(self._http.send("GET", key, query=query).body)
        except AzureFailure as failure:
            if failure.code == "BlobNotFound":
                return _NOTHING
            raise

    def parts(self, key: Key, upload: UploadId) -> Iterator[PartReceipt]:
        """The staged blocks of one attempt.

        Raises:
            UploadLost: There is none: the upload ended, lapsed, or has no first block yet, which Azure cannot
                tell apart. Opening it again costs nothing.
        """
        known = False
        for block in self.staged(key).uncommitted:
            ours = parse_block_id(block.name)
            if ours is not None and ours[0] == upload:
                known = True
                yield PartReceipt(number=ours[1], size=block.size)
        if not known:
            raise UploadLost("no block of this upload is staged")

    def uploads(self, key: Key) -> list[UploadId]:
        """Each attempt with staged blocks under a name; other programs' blocks as one, by their first id."""
        found: dict[UploadId, None] = {}
        foreign: UploadId | None = None
        for block in self.staged(key).uncommitted:
            ours = parse_block_id(block.name)
            if ours is not None:
                found[UploadId(ours[0])] = None
            elif foreign is None:
                foreign = UploadId(block.name)
        return [*found, *([foreign] if foreign is not None else [])]

    def complete(
        self, key: Key, upload: UploadId, parts: Sequence[PartReceipt], options: PutOptions
    ) -> ObjectMeta:
        """Commit the blocks in part order; staged blocks that ``parts`` leaves out are discarded.

        Only staged blocks are taken, so that a second call after a lost answer never makes the blob anew: it
        is ``AlreadyExists`` with ``if_absent`` and ``UploadLost`` without, and the caller looks at the
        stamp.

        Raises:
            UploadLost: A part is not staged, or there is none.
        """
        if not parts:
            raise UploadLost("an upload without parts cannot be completed")
        names = [block_id(upload, part.number) for part in sorted(parts, key=lambda part: part.number)]
        body = write_block_list(names)
        headers = {**attribute_headers(options), "Content-MD5": content_md5(body)}
        answer = self._http.send("PUT", key, query=(("comp", "blocklist"),), headers=headers, body=body)
        return written(key, sum(part.size for part in parts), answer)

    def abort(self, key: Key, upload: UploadId) -> None:
        """Discard an attempt's blocks where that touches nothing else.

        Between the look and the commit another writer may stage a block under the same name and lose it; the
        service offers nothing finer.

        Raises:
            UploadLost: No block of this attempt is staged.
            Unsupported: A blob is visible under the name, or another program's or attempt's blocks are staged
                there. Nothing was changed; the blocks lapse by themselves.
        """
        attempts = {
            ours[0] if (ours := parse_block_id(block.name)) else None
            for block in self.staged(key).uncommitted
        }
        if upload not in attempts:
            if self._finish_abort(key, upload):
                return
            raise UploadLost("no block of this upload is staged")
        if attempts != {upload}:
            raise Unsupported(
                "other blocks are staged under this name and Azure can only discard all of them; "
                "these lapse 7 days after the last one was written"
            )
        if self._head(key) is not None:
            raise Unsupported(
                "a blob is visible under this name and Azure cannot discard blocks without replacing it; "
                "they lapse 7 days after the last one was written"
            )
        headers = {f"x-ms-meta-{STAMP}": _ABORTED + upload, "If-None-Match": "*"}
        query = (("comp", "blocklist"),)
        answer = self._http.send("PUT", key, query=query, headers=headers, body=write_block_list(()))
        self._http.send("DELETE", key, headers={"If-Match": answer.headers["ETag"]})

    def _head(self, key: Key) -> ObjectMeta | None:
        try:
            answer = self._http.send("HEAD", key)
        except AzureFailure as failure:
            if failure.status == _HTTP_NOT_FOUND and failure.code != "ContainerNotFound":
                return None
            raise
        return meta_from_headers(key, answer.headers, int(answer.headers.get("Content-Length", "0")))

    def _finish_abort(self, key: Key, upload: UploadId) -> bool:
        """Remove the empty blob of an abort that died half-way; whether there was one."""
        left = self._head(key)
        if left is None or left.attributes is None or left.etag is None or left.size:
            return False
        if aborted_attempt(left.attributes.metadata) != upload:
            return False
        self._http.send("DELETE", key, headers={"If-Match": left.etag})
        return True


def written(key: Key, size: int, answer: Answer, *, claim: bytes | None = None) -> ObjectMeta:
    """What the answer to a write says of the blob it made; ``claim`` is the whole blob's MD5, if it is told.

    The Content-MD5 of a Put Block List answer is that of the list, never the blob's.
    """
    meta = meta_from_headers(key, answer.headers, size)
    return ObjectMeta(
        key=key,
        size=size,
        etag=meta.etag,
        version=meta.version,
        modified_at=meta.modified_at,
        claims=() if claim is None else (Claim(algorithm="md5", digest=claim),),
    )
