"""Whole objects: what comes back, what is refused, who wins when several create at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TYPE_CHECKING, Final

from providers.errors import AlreadyExists, ConditionFailed, NotFound, RangeInvalid, StoreError, Truncated
from providers.model import Attributes, ETag, Pin, Span
from providers.probe.exam import NotTried

if TYPE_CHECKING:
    from collections.abc import Callable

    from providers.probe.exam import Exam

__all__ = ["BODY", "race", "run", "stale"]

BODY: Final = b"havre probe: the quick brown fox jumps over the lazy dog\n"
_ORDER: Final = ("A", "_", "a-", "a/b", "é")
_WAIT: Final = 60.0


def run(exam: Exam) -> None:
    """Make every check of whole objects that the port itself allows."""
    tries = _Objects(exam)
    exam.check("write-read", tries.write_read)
    exam.check("empty-object", tries.empty)
    exam.check("overwrite", tries.overwrite)
    exam.check("absent", tries.absent)
    exam.check("listed", tries.listed)
    exam.check("list-order", tries.order)
    exam.check("read-span", tries.span)
    exam.check("read-outside", tries.outside)
    exam.check("short-read", tries.short)
    exam.check("stale-read", tries.stale_read)
    exam.check("metadata", tries.metadata)
    exam.check("metadata-case", tries.metadata_case)
    exam.check("content-headers", tries.headers)
    exam.check("tags", tries.tags)
    if exam.protocol != "s3":  # there they are tried whatever the profile says
        exam.check("put-fence", tries.fence)
        exam.check("put-race", tries.race)
        exam.skip("the protocol has no such condition", "stale-write")


def stale(etag: str) -> ETag:
    """An etag of the same form that is another one."""
    digits = [at for at, char in enumerate(etag) if char.isalnum()]
    if not digits:
        return ETag('"0"')
    at = digits[-1]
    return ETag(etag[:at] + ("0" if etag[at] != "0" else "1") + etag[at + 1 :])


def race(exam: Exam, prepare: Callable[[int, int], Callable[[], bool]]) -> tuple[bool, str]:
    """Let creators meet at a barrier, round after round, and count the rounds that more than one won.

    Args:
        exam: The probe.
        prepare: Round and creator → what creates and tells whether it won.
    """
    rounds, creators = exam.options.rounds, exam.options.creators
    several = none = most = 0
    with ThreadPoolExecutor(creators) as pool:
        for number in range(rounds):
            acts = [prepare(number, creator) for creator in range(creators)]
            gate = Barrier(creators)

            def start(act: Callable[[], bool], gate: Barrier = gate) -> bool:
                gate.wait(_WAIT)
                return act()

            won = sum(pool.map(start, acts))
            several += won > 1
            none += won == 0
            most = max(most, won)
    if none == rounds:
        raise NotTried("nobody won in any round, so that nothing can be said of the others")
    words = f"{several} of {rounds} rounds of {creators} with more than one winner"
    if most > 1:
        words += f", up to {most}"
    if none:
        words += f"; {none} with none"
    return several == 0, words


class _Objects:
    def __init__(self, exam: Exam) -> None:
        self._exam = exam
        self._place = exam.place
        self._store = exam.store
        self._can = exam.can

    def write_read(self) -> tuple[bool, str]:
        return self._place.read("object") == BODY, ""

    def empty(self) -> tuple[bool, str]:
        self._place.put("empty", b"")
        return self._place.read("empty") == b"", ""

    def overwrite(self) -> tuple[bool, str]:
        self._place.put("twice", b"first")
        self._place.put("twice", b"the second")
        return self._place.read("twice") == b"the second", ""

    def absent(self) -> tuple[bool, str]:
        return not self._place.exists("nothing"), ""

    def listed(self) -> tuple[bool, str]:
        sizes = {one.key: one.size for one in self._store.list(self._place.prefix)}
        size = sizes.get(self._place.key("object"))
        return size == len(BODY), "" if size == len(BODY) else f"listed size: {size}"

    def order(self) -> tuple[bool, str]:
        names = list(_ORDER)
        if self._can.keys_fold_case:
            names.remove("A")
        for name in names:
            self._place.put(f"order/{name}", b"x")
        start = len(self._place.key("order/"))
        found = [one.key[start:] for one in self._store.list(self._place.key("order/"))]
        if sorted(found) != sorted(names):
            return False, f"{len(found)} of {len(names)} keys are listed"
        return found == sorted(names, key=str.encode), " ".join(found)

    def span(self) -> tuple[bool, str]:
        return self._place.read("object", Span(start=6, length=6)) == BODY[6:12], ""

    def outside(self) -> tuple[bool, str]:
        try:
            self._place.read("object", Span(start=len(BODY) + 10, length=5))
        except RangeInvalid as error:
            return True, "" if error.status is None else str(error.status)
        return False, "it gave bytes that the object does not have"

    def short(self) -> tuple[bool, str]:
        try:
            self._place.read("object", Span(start=len(BODY) - 5, length=50))
        except (RangeInvalid, Truncated) as error:
            return True, error.code
        except StoreError as error:
            if not isinstance(error.__cause__, Truncated):
                raise
            return True, "truncated"
        return False, "bytes beyond the end came back"

    def stale_read(self) -> tuple[bool, str]:
        if self._can.pin != "strong":
            raise NotTried("versions are compared by us, not by the store")
        key = self._place.key("object")
        etag = self._store.head(key).etag
        if etag is None:
            return False, "the store gives no etag"
        try:
            self._store.read(key, pin=Pin(etag=stale(etag)))
        except ConditionFailed:
            return True, ""
        return False, "it gave another object than the one asked for"

    def metadata(self) -> tuple[bool, str]:
        if not self._can.metadata:
            raise NotTried("the profile says that none is kept")
        wanted = {"havreprobe": "yes", "second": "a-b"}
        self._place.put("metadata", BODY, Attributes(metadata=wanted))
        got = {name.lower(): value for name, value in self._metadata("metadata").items()}
        kept = {name: got.get(name) for name in wanted}
        return kept == wanted, "" if kept == wanted else f"came back: {sorted(got)}"

    def metadata_case(self) -> tuple[bool, str]:
        if not self._can.metadata:
            raise NotTried("the profile says that none is kept")
        name = "havreProbe"
        self._place.put("case", BODY, Attributes(metadata={name: "Mixed Case"}))
        got = self._metadata("case")
        if name in got:
            return False, "names come back as they were written"
        found = [other for other in got if other.lower() == name.lower()]
        if not found:
            raise NotTried("the name did not come back at all")
        return True, found[0]

    def headers(self) -> tuple[bool, str]:
        if not self._can.content_headers:
            raise NotTried("the profile says that none are kept")
        wanted = Attributes(
            content_type="application/x-havre", content_language="fr", cache_control="no-store"
        )
        self._place.put("headers", BODY, wanted)
        found = self._store.head(self._place.key("headers")).attributes or Attributes()
        lost = [
            name
            for name in ("content_type", "content_language", "cache_control")
            if getattr(found, name) != getattr(wanted, name)
        ]
        return not lost, f"lost: {', '.join(lost)}" if lost else ""

    def tags(self) -> tuple[bool, str]:
        if not self._can.tags:
            raise NotTried("the profile says that none are kept")
        self._place.put("tags", BODY, Attributes(tags={"havre": "probe"}))
        found = dict(self._store.read_tags(self._place.key("tags")))
        return found == {"havre": "probe"}, "" if found else "they did not come back"

    def fence(self) -> tuple[bool, str]:
        if not self._can.put_if_absent:
            raise NotTried("the profile says that there is none")
        self._place.put("fence", b"first", if_absent=True)
        try:
            self._place.put("fence", b"second", if_absent=True)
        except (AlreadyExists, ConditionFailed):
            kept = self._place.read("fence") == b"first"
            return kept, "" if kept else "it refused the second object and stored it"
        return False, "it accepted a second creation"

    def race(self) -> tuple[bool, str]:
        if not self._can.put_if_absent:
            raise NotTried("the profile says that there is no such condition")

        def prepare(number: int, creator: int) -> Callable[[], bool]:
            def create() -> bool:
                try:
                    self._place.put(f"race/{number}", str(creator).encode() * 2000, if_absent=True)
                except (AlreadyExists, ConditionFailed):
                    return False
                return True

            return create

        return race(self._exam, prepare)

    def _metadata(self, name: str) -> dict[str, str]:
        try:
            found = self._store.head(self._place.key(name)).attributes
        except NotFound:
            return {}
        return dict(found.metadata) if found else {}
