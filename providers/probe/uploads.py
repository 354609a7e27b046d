"""Uploads in parts, as far as the port itself can ask: they end as one object, or leave nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from providers.capabilities import MIB
from providers.errors import AlreadyExists, ConditionFailed, StoreError, UploadLost
from providers.model import PutOptions, Span
from providers.probe.exam import NotTried, failed
from providers.probe.objects import BODY, race
from providers.probe.workplace import sha256

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from providers.model import Key, PartReceipt, UploadId
    from providers.probe.exam import Exam

__all__ = ["run"]

_MANY: Final = 1001


def run(exam: Exam) -> None:
    """Make every check of uploads that the port itself allows."""
    tries = _Uploads(exam)
    exam.check("upload", tries.whole)
    exam.check("upload-aborted", tries.aborted)
    exam.check("uploads-listed", tries.listed)
    exam.check("unequal-parts", tries.unequal)
    exam.check("part-too-small", tries.small)
    exam.check("parts-1001", tries.many)
    if exam.protocol != "s3":  # there they are tried whatever the profile says
        exam.check("complete-fence", tries.fence)
        exam.check("complete-race", tries.race)
        exam.check("complete-twice", tries.twice)
        exam.skip("ListParts of S3", "parts-repeated")
        exam.skip("the protocol takes more parts than a probe would send", "part-number")
        exam.check("complete-etag", tries.etag)


class _Uploads:
    def __init__(self, exam: Exam) -> None:
        self._exam = exam
        self._place = exam.place
        self._store = exam.store
        self._can = exam.can
        # A part as small as the store takes it, and not so small that nothing could be smaller.
        self._least = max(exam.can.min_part, 1024)

    def whole(self) -> tuple[bool, str]:
        bodies = [b"1" * self._least, b"2" * self._least, BODY]
        self._complete("whole", self._options("1"), bodies)
        if self._store.head(self._place.key("whole")).size != sum(map(len, bodies)):
            return False, "the object has another size than its parts"
        for start, wanted in ((self._least - 4, b"11112222"), (2 * self._least - 2, b"22" + BODY[:6])):
            if self._place.read("whole", Span(start=start, length=8)) != wanted:
                return False, "other bytes came back than were sent"
        return self._place.read("whole", Span(start=2 * self._least, length=len(BODY))) == BODY, ""

    def aborted(self) -> tuple[bool, str]:
        key, upload = self._place.open("aborted", self._options("2"))
        self._send(key, upload, [BODY])
        self._store.abort_upload(key, upload)
        self._place.forget(key, upload)
        return not self._place.exists("aborted"), ""

    def listed(self) -> tuple[bool, str]:
        if not self._can.lists_uploads:
            raise NotTried("the profile says that they are not listed")
        key, upload = self._place.open("pending", self._options("3"))
        self._send(key, upload, [BODY])
        return any(found.upload == upload for found in self._store.list_uploads(self._place.prefix)), ""

    def unequal(self) -> tuple[bool, str]:
        bodies = [b"1" * (self._least + 1000), b"2" * self._least, BODY]
        try:
            self._complete("unequal", self._options("4"), bodies)
        except StoreError as error:
            return True, _refusal(error)
        return False, "parts of several sizes are taken"

    def small(self) -> tuple[bool, str]:
        if self._can.min_part <= 1:
            raise NotTried("there is no smallest part")
        bodies = [b"1" * (self._can.min_part - 1), BODY]
        try:
            self._complete("small", self._options("5"), bodies)
        except StoreError as error:
            return True, _refusal(error)
        return False, f"{self._can.min_part - 1} bytes are taken"

    def many(self) -> tuple[bool, str]:
        options = self._exam.options
        if not options.expensive:
            raise NotTried("only with --expensive")
        least = self._can.min_part
        if (_MANY - 1) * least > options.many_bytes:
            raise NotTried(f"it would send {(_MANY - 1) * least // MIB} MiB")
        try:
            self._complete("many", self._options("6"), [b"x" * least] * (_MANY - 1) + [BODY])
        except StoreError as error:
            return False, _refusal(error)
        return self._store.head(self._place.key("many")).size == (_MANY - 1) * least + len(BODY), ""

    def fence(self) -> tuple[bool, str]:
        if not self._can.complete_if_absent:
            raise NotTried("the profile says that there is none")
        self._place.put("complete-fence", b"first")
        try:
            self._complete("complete-fence", self._options("7", if_absent=True), [BODY])
        except (AlreadyExists, ConditionFailed):
            return self._place.read("complete-fence") == b"first", ""
        return False, "it completed over an object"

    def race(self) -> tuple[bool, str]:
        if not self._can.complete_if_absent:
            raise NotTried("the profile says that there is no such condition")

        def prepare(number: int, creator: int) -> Callable[[], bool]:
            options = self._options(f"r{number}c{creator}", if_absent=True)
            key, upload = self._place.open(f"complete-race/{number}", options)
            receipts = self._send(key, upload, [str(creator).encode() * 2000])

            def complete() -> bool:
                try:
                    self._store.complete_upload(key, upload, receipts, options)
                except (AlreadyExists, ConditionFailed, UploadLost):
                    return False
                self._place.forget(key, upload)
                return True

            return complete

        return race(self._exam, prepare)

    def twice(self) -> tuple[bool, str]:
        options = self._options("8")
        key, upload = self._place.open("completed-twice", options)
        receipts = self._send(key, upload, [BODY])
        self._store.complete_upload(key, upload, receipts, options)
        self._place.forget(key, upload)
        try:
            self._store.complete_upload(key, upload, receipts, options)
        except (UploadLost, AlreadyExists) as error:
            return False, error.code
        return True, ""

    def etag(self) -> tuple[bool, str]:
        options = self._options("9")
        key, upload = self._place.open("complete-etag", options)
        meta = self._store.complete_upload(key, upload, self._send(key, upload, [BODY]), options)
        self._place.forget(key, upload)
        found = self._store.head(key).etag
        return meta.etag == found, "" if meta.etag == found else "HEAD tells another one"

    def _options(self, suffix: str, *, if_absent: bool = False) -> PutOptions:
        return PutOptions(attempt=(self._place.token + suffix)[-32:], if_absent=if_absent)

    def _complete(self, name: str, options: PutOptions, bodies: Sequence[bytes]) -> None:
        key, upload = self._place.open(name, options)
        receipts = self._send(key, upload, bodies)
        self._store.complete_upload(key, upload, receipts, options)
        self._place.forget(key, upload)

    def _send(self, key: Key, upload: UploadId, bodies: Sequence[bytes]) -> list[PartReceipt]:
        receipts, offset = [], 0
        for number, body in enumerate(bodies, 1):
            receipts.append(self._store.put_part(key, upload, number, offset, body, sha256=sha256(body)))
            offset += len(body)
        return receipts


def _refusal(error: StoreError) -> str:
    """A refusal in words.

    Raises:
        NotTried: It is trouble that passes, and says nothing of what was asked.
    """
    if failed(error) is None:
        raise NotTried(error.message)
    return error.message
