"""What only S3 can be asked: conditions whatever the profile says of them, and how uploads end.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html and
https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from providers.drivers.s3_xml import XmlInvalid, parse
from providers.probe.exam import NotTried
from providers.probe.objects import BODY, race, stale
from providers.probe.wire import begin, complete, refused, told

if TYPE_CHECKING:
    from collections.abc import Callable

    from providers.model import Key, UploadId
    from providers.probe.exam import Exam

__all__ = ["run"]

_ABSENT: Final = {"if-none-match": "*"}
_NOTABLE: Final = (1000, 1001, 10_000)
"""Part numbers at which stores are known to stop."""


def run(exam: Exam) -> None:
    """Make every check that the protocol alone can be asked."""
    if exam.protocol != "s3":
        return
    tries = _S3(exam)
    exam.check("put-fence", tries.fence)
    exam.check("put-race", tries.race)
    exam.check("stale-write", tries.stale_write)
    exam.check("parts-repeated", tries.repeated)
    exam.check("part-number", tries.number)
    exam.check("complete-fence", tries.complete_fence)
    exam.check("complete-race", tries.complete_race)
    exam.check("complete-twice", tries.complete_twice)
    exam.check("complete-etag", tries.complete_etag)


class _S3:
    def __init__(self, exam: Exam) -> None:
        self._exam = exam
        self._place = exam.place

    def fence(self) -> tuple[bool, str]:
        key = self._place.noted("fence")
        first = self._place.send("PUT", key, headers=_ABSENT, body=b"first")
        if refused(first):
            return False, f"the first creation is refused: {told(first)}"
        second = self._place.send("PUT", key, headers=_ABSENT, body=b"second")
        if not refused(second):
            return False, "accepted a second creation"
        kept = self._place.read("fence") == b"first"
        return kept, told(second) if kept else f"refused ({told(second)}) and stored all the same"

    def race(self) -> tuple[bool, str]:
        def prepare(number: int, creator: int) -> Callable[[], bool]:
            key = self._place.noted(f"race/{number}")
            body = str(creator).encode() * 2000
            return lambda: self._place.send("PUT", key, headers=_ABSENT, body=body).accepted

        return race(self._exam, prepare)

    def stale_write(self) -> tuple[bool, str]:
        self._place.put("stale", b"first")
        etag = self._exam.store.head(self._place.key("stale")).etag
        if etag is None:
            raise NotTried("the store gives no etag")
        key = self._place.key("stale")
        answer = self._place.send("PUT", key, headers={"if-match": stale(etag)}, body=b"second")
        return refused(answer), told(answer)

    def repeated(self) -> tuple[bool, str]:
        key, upload = begin(self._exam, "repeated")
        for body in (BODY, BODY + b"again"):
            self._part(key, upload, 1, body)
        answer = self._place.send("GET", key, query={"uploadId": upload})
        if not answer.accepted:
            raise NotTried(f"no parts are listed: {told(answer)}")
        try:
            listed = [name for name, _ in parse(answer.body).records if name == "Part"]
        except XmlInvalid:
            raise NotTried("the list of parts cannot be read") from None
        return len(listed) > 1, f"{len(listed)} entries"

    def number(self) -> tuple[int, str]:
        highest = self._exam.can.max_parts
        key, upload = begin(self._exam, "number")
        refusal = ""
        for number in sorted({highest, *(one for one in _NOTABLE if one < highest)}, reverse=True):
            query = {"partNumber": str(number), "uploadId": upload}
            answer = self._place.send("PUT", key, query=query, body=b"x")
            if not refused(answer):
                return number, f"{number} is taken{refusal}"
            refusal = f"; {number} is refused: {told(answer)}"
        return 0, refusal.removeprefix("; ")

    def complete_fence(self) -> tuple[bool, str]:
        self._place.put("complete-fence", b"first")
        key, upload = begin(self._exam, "complete-fence")
        answer = complete(self._exam, key, upload, [self._part(key, upload, 1, BODY)], _ABSENT)
        if not refused(answer):
            return False, "completed over an object"
        kept = self._place.read("complete-fence") == b"first"
        return kept, told(answer) if kept else f"refused ({told(answer)}) and stored all the same"

    def complete_race(self) -> tuple[bool, str]:
        def prepare(number: int, creator: int) -> Callable[[], bool]:
            key, upload = begin(self._exam, f"complete-race/{number}")
            etags = [self._part(key, upload, 1, str(creator).encode() * 2000)]
            return lambda: complete(self._exam, key, upload, etags, _ABSENT).accepted

        return race(self._exam, prepare)

    def complete_twice(self) -> tuple[bool, str]:
        key, upload = begin(self._exam, "completed-twice")
        etags = [self._part(key, upload, 1, BODY)]
        first = complete(self._exam, key, upload, etags)
        if refused(first):
            raise NotTried(f"not even the first is taken: {told(first)}")
        second = complete(self._exam, key, upload, etags)
        return not refused(second), told(second)

    def complete_etag(self) -> tuple[bool, str]:
        key, upload = begin(self._exam, "complete-etag")
        answer = complete(self._exam, key, upload, [self._part(key, upload, 1, BODY)])
        if refused(answer):
            raise NotTried(f"no upload is completed: {told(answer)}")
        try:
            etag = parse(answer.body).values.get("ETag", "")
        except XmlInvalid:
            return False, "the answer cannot be read"
        found = self._exam.store.head(key).etag or ""
        if etag.strip('"') == found.strip('"') != "":
            return True, ""
        return False, "HEAD tells another one" if etag.strip('"') else "it tells none"

    def _part(self, key: Key, upload: UploadId, number: int, body: bytes) -> tuple[str, str]:
        query = {"partNumber": str(number), "uploadId": upload}
        answer = self._place.send("PUT", key, query=query, body=body)
        if not answer.accepted:
            raise NotTried(f"a part is refused: {told(answer)}")
        return answer.headers.get("etag", ""), ""
