"""Requests that several groups of checks send, and what their answers mean.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateMultipartUpload.html and
https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape

from providers.drivers.s3_xml import XmlInvalid, parse
from providers.model import Key, RawAnswer, UploadId
from providers.probe.exam import NotTried

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from providers.probe.exam import Exam

__all__ = ["begin", "complete", "refused", "told"]

_SAYS_NOTHING: Final = frozenset({401, 403, 429, 500, 502, 503, 504})


def told(answer: RawAnswer) -> str:
    """An answer in words."""
    return f"{answer.status} {answer.code}".strip() if answer.code != str(answer.status) else answer.code


def refused(answer: RawAnswer, *, forbidding: bool = False) -> bool:
    """Whether the store refused what it was sent.

    Args:
        answer: Its answer.
        forbidding: 403 is a refusal of this request, too.

    Raises:
        NotTried: It refused for reasons that say nothing of the request.
    """
    if answer.accepted:
        return False
    if answer.status in _SAYS_NOTHING and not (forbidding and answer.status == 403):
        raise NotTried(f"the store answered {told(answer)}, which says nothing of this")
    return True


def begin(exam: Exam, name: str, headers: Mapping[str, str] | None = None) -> tuple[Key, UploadId]:
    """CreateMultipartUpload with headers of the probe's own.

    Raises:
        NotTried: The store opens no such upload.
    """
    key = exam.place.noted(name)
    answer = exam.place.send("POST", key, query={"uploads": ""}, headers=headers)
    if not answer.accepted:
        raise NotTried(f"no such upload can be begun: {told(answer)}")
    try:
        upload = UploadId(parse(answer.body).values["UploadId"])
    except (XmlInvalid, KeyError):
        raise NotTried("the store names no upload id") from None
    exam.place.opened(key, upload)
    return key, upload


def complete(
    exam: Exam,
    key: Key,
    upload: UploadId,
    parts: Sequence[tuple[str, str]],
    headers: Mapping[str, str] | None = None,
) -> RawAnswer:
    """CompleteMultipartUpload of parts 1, 2, ...: etag and base64 SHA-256, or "", of each."""
    listed = "".join(
        f"<Part><PartNumber>{number}</PartNumber><ETag>{escape(etag)}</ETag>"
        + (f"<ChecksumSHA256>{digest}</ChecksumSHA256>" if digest else "")
        + "</Part>"
        for number, (etag, digest) in enumerate(parts, 1)
    )
    body = (
        '<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"{listed}</CompleteMultipartUpload>"
    )
    answer = exam.place.send("POST", key, query={"uploadId": upload}, headers=headers, body=body.encode())
    if answer.accepted:
        exam.place.forget(key, upload)
    return answer
