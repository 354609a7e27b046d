"""Bytes that are not what is said of them: does the store look, or does it only nod?

Each wrong request follows a right one of the same form, so that a store which refuses the header itself is not
taken for one that looks.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from typing import TYPE_CHECKING, Final
from zlib import crc32

from providers.model import Key, RawAnswer, UploadId
from providers.probe.exam import NotTried
from providers.probe.objects import BODY
from providers.probe.wire import begin, complete, refused, told
from providers.probe.workplace import sha256

if TYPE_CHECKING:
    from collections.abc import Mapping

    from providers.probe.exam import Exam

__all__ = ["run"]

_OTHER: Final = b"these are not the bytes that were sent\n"
_SHA256: Final = "x-amz-checksum-sha256"
_S3: Final = ("md5", "sha256", "payload-hash", "trailer", "part-md5", "part-sha256")
_AZURE: Final = ("md5", "part-md5", "part-crc64")
_BLOCK: Final = b64encode(b"havre:" + b"0" * 32 + b":000001").decode()


def run(exam: Exam) -> None:
    """Make every check of digests that the protocol has a way for."""
    if exam.protocol == "s3":
        tries = _S3Digests(exam)
        exam.check("md5", tries.md5)
        exam.check("sha256", tries.sha256)
        exam.check("payload-hash", tries.payload)
        exam.check("trailer", tries.trailer)
        exam.check("part-md5", tries.part_md5)
        exam.check("part-sha256", tries.part_sha256)
        exam.skip("a header of Azure", "part-crc64")
    elif exam.protocol == "azure_blob":
        blobs = _AzureDigests(exam)
        exam.check("md5", blobs.md5)
        exam.check("part-md5", blobs.part_md5)
        exam.check("part-crc64", blobs.part_crc64)
        exam.skip("a header of S3", *(name for name in _S3 if name not in _AZURE))
    else:
        exam.skip("the protocol carries no digest of a request", *_S3, "part-crc64")


def _b64(data: bytes) -> str:
    return b64encode(data).decode()


def _md5(body: bytes) -> str:
    return _b64(hashlib.md5(body, usedforsecurity=False).digest())


class _S3Digests:
    def __init__(self, exam: Exam) -> None:
        self._exam = exam
        self._place = exam.place
        self._etag = ""

    def md5(self) -> tuple[bool, str]:
        return self._object("md5", {"content-md5": _md5(BODY)}, {"content-md5": _md5(_OTHER)})

    def sha256(self) -> tuple[bool, str]:
        right, wrong = _b64(sha256(BODY)), _b64(sha256(_OTHER))
        return self._object("sha256", {_SHA256: right}, {_SHA256: wrong})

    def payload(self) -> tuple[bool, str]:
        key = self._place.noted("payload")
        answer = self._place.send("PUT", key, body=BODY, payload=hashlib.sha256(_OTHER).hexdigest())
        return self._outcome("payload", answer, refused(answer, forbidding=True))

    def trailer(self) -> tuple[bool, str]:
        if not self._exam.encrypted:
            raise NotTried("only over https is a checksum sent behind the body")
        right = self._trailing(_b64(crc32(BODY).to_bytes(4, "big")))
        if not right.accepted:
            return False, told(right)
        stored = self._place.read("trailer")
        if stored != BODY:
            return False, "it stores the framing inside of the object"
        wrong = self._trailing(_b64(crc32(_OTHER).to_bytes(4, "big")))
        return True, f"a wrong one: {'accepted' if wrong.accepted else told(wrong)}"

    def part_md5(self) -> tuple[bool, str]:
        key, upload = begin(self._exam, "part-md5")
        return self._part(key, upload, {"content-md5": _md5(BODY)}, {"content-md5": _md5(_OTHER)})

    def part_sha256(self) -> tuple[bool, str]:
        try:
            key, upload = begin(self._exam, "part-sha256", {"x-amz-checksum-algorithm": "SHA256"})
        except NotTried as reason:
            return False, str(reason)
        right, wrong = _b64(sha256(BODY)), _b64(sha256(_OTHER))
        looked, words = self._part(key, upload, {_SHA256: right}, {_SHA256: wrong})
        if looked:
            ended = complete(self._exam, key, upload, [(self._etag, right)])
            if refused(ended):
                return False, f"no completion that names digests: {told(ended)}"
        return looked, words

    def _object(self, name: str, right: Mapping[str, str], wrong: Mapping[str, str]) -> tuple[bool, str]:
        first = self._place.send("PUT", self._place.noted(f"{name}-right"), headers=right, body=BODY)
        if refused(first):
            return False, f"a right one is refused: {told(first)}"
        answer = self._place.send("PUT", self._place.noted(name), headers=wrong, body=BODY)
        return self._outcome(name, answer, refused(answer))

    def _outcome(self, name: str, answer: RawAnswer, said_no: bool) -> tuple[bool, str]:  # noqa: FBT001 - private
        if not said_no:
            return False, f"accepted: {told(answer)}"
        if self._place.exists(name):
            return False, f"refused ({told(answer)}) and stored all the same"
        return True, told(answer)

    def _part(
        self, key: Key, upload: UploadId, right: Mapping[str, str], wrong: Mapping[str, str]
    ) -> tuple[bool, str]:
        def send(number: int, headers: Mapping[str, str]) -> RawAnswer:
            query = {"partNumber": str(number), "uploadId": upload}
            return self._place.send("PUT", key, query=query, headers=headers, body=BODY)

        first = send(1, right)
        if refused(first):
            return False, f"a right one is refused: {told(first)}"
        self._etag = first.headers.get("etag", "")
        answer = send(2, wrong)
        if refused(answer):
            return True, told(answer)
        return False, f"accepted: {told(answer)}"

    def _trailing(self, checksum: str) -> RawAnswer:
        """PUT in one chunk with a trailer, as SDKs send it: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html."""
        framed = f"{len(BODY):x}\r\n".encode() + BODY + b"\r\n0\r\n"
        framed += f"x-amz-checksum-crc32:{checksum}\r\n\r\n".encode()
        headers = {
            "content-encoding": "aws-chunked",
            "x-amz-decoded-content-length": str(len(BODY)),
            "x-amz-trailer": "x-amz-checksum-crc32",
        }
        return self._place.send(
            "PUT",
            self._place.noted("trailer"),
            headers=headers,
            body=framed,
            payload="STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        )


class _AzureDigests:
    """Put Blob and Put Block: https://learn.microsoft.com/en-us/rest/api/storageservices/put-block."""

    def __init__(self, exam: Exam) -> None:
        self._place = exam.place

    def md5(self) -> tuple[bool, str]:
        def send(name: str, digest: str) -> RawAnswer:
            headers = {"x-ms-blob-type": "BlockBlob", "Content-MD5": digest}
            return self._place.send("PUT", self._place.noted(name), headers=headers, body=BODY)

        right = send("md5-right", _md5(BODY))
        if refused(right):
            return False, f"a right one is refused: {told(right)}"
        wrong = send("md5", _md5(_OTHER))
        if not refused(wrong):
            return False, f"accepted: {told(wrong)}"
        return not self._place.exists("md5"), told(wrong)

    def part_md5(self) -> tuple[bool, str]:
        return self._block("part-md5", "Content-MD5", _md5(BODY), _md5(_OTHER))

    def part_crc64(self) -> tuple[bool, str]:
        # The service tells the CRC64 of a block that it took, so ours is not computed.
        plain = self._stage("part-crc64", {})
        right = plain.headers.get("x-ms-content-crc64")
        if not plain.accepted or right is None:
            raise NotTried("the service tells no CRC64")
        wrong = _b64(bytes(8)) if right != _b64(bytes(8)) else _b64(b"\1" * 8)
        return self._block("part-crc64", "x-ms-content-crc64", right, wrong)

    def _block(self, name: str, header: str, right: str, wrong: str) -> tuple[bool, str]:
        first = self._stage(name, {header: right})
        if refused(first):
            return False, f"a right one is refused: {told(first)}"
        answer = self._stage(name, {header: wrong})
        if refused(answer):
            return True, told(answer)
        return False, f"accepted: {told(answer)}"

    def _stage(self, name: str, headers: Mapping[str, str]) -> RawAnswer:
        key = self._place.key(name)
        self._place.opened(key, UploadId("0" * 32))
        query = {"comp": "block", "blockid": _BLOCK}
        return self._place.send("PUT", key, query=query, headers=headers, body=BODY)
