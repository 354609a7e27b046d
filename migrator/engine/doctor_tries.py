"""What a doctor tries, one ability after another; a store that answers otherwise than declared raises."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from providers.errors import AlreadyExists, ChecksumRefused, ConditionFailed, StoreError
from providers.model import Attributes, Key, Pin, PutOptions, Span
from providers.probe.objects import stale
from providers.probe.workplace import Workplace, sha256

if TYPE_CHECKING:
    from providers.capabilities import Capabilities

__all__ = ["BODY", "NotHeldError", "Tries"]

BODY: Final = b"havre doctor: the quick brown fox jumps over the lazy dog\n"


class NotHeldError(Exception):
    """The store answered, and not as declared."""


class Tries:
    """Attempts under one prefix.

    Args:
        place: Where they write.
        capabilities: What is declared of the store.
    """

    def __init__(self, place: Workplace, capabilities: Capabilities) -> None:
        self._place = place
        self._store = place.store
        self._can = capabilities

    def read_back(self) -> None:
        """The bytes that were written."""
        self._same(self._place.read("object"), BODY)

    def span(self) -> None:
        """Six bytes from the middle."""
        self._same(self._place.read("object", Span(start=6, length=6)), BODY[6:12])

    def listed(self) -> None:
        """The listing shows it with its size."""
        sizes = {one.key: one.size for one in self._store.list(self._place.prefix)}
        self._same(
            sizes.get(self._place.key("object")), len(BODY), "the listing does not show it with its size"
        )

    def empty(self) -> None:
        """An object without bytes."""
        self._place.put("empty", b"")
        self._same(self._place.read("empty"), b"")

    def overwrite(self) -> None:
        """The second body replaces the first."""
        self._place.put("twice", b"first")
        self._place.put("twice", b"the second")
        self._same(self._place.read("twice"), b"the second", "the old bytes came back")

    def missing(self) -> None:
        """What was never written is not there."""
        if self._place.exists("nothing"):
            raise NotHeldError("it describes an object that was never written")

    def if_absent(self) -> None:
        """A second creation is refused, and the first body stays."""
        self._place.put("fence", b"first", if_absent=True)
        try:
            self._place.put("fence", b"second", if_absent=True)
        except (AlreadyExists, ConditionFailed):
            self._same(self._place.read("fence"), b"first", "it refused the second object and stored it")
            return
        raise NotHeldError("it accepted a second creation")

    def metadata(self) -> None:
        """User metadata comes back."""
        wanted = {"havredoctor": "yes", "second": "a-b"}
        self._place.put("metadata", BODY, Attributes(metadata=wanted))
        found = self._store.head(self._place.key("metadata")).attributes
        got = {name.lower(): value for name, value in found.metadata.items()} if found else {}
        self._same({name: got.get(name) for name in wanted}, wanted, "metadata did not come back")

    def headers(self) -> None:
        """Content headers come back."""
        wanted = Attributes(
            content_type="application/x-havre", content_language="fr", cache_control="no-store"
        )
        self._place.put("headers", BODY, wanted)
        found = self._store.head(self._place.key("headers")).attributes or Attributes()
        for name in ("content_type", "content_language", "cache_control"):
            self._same(getattr(found, name), getattr(wanted, name), f"{name} did not come back")

    def tags(self) -> None:
        """Tags come back."""
        self._place.put("tags", BODY, Attributes(tags={"havre": "doctor"}))
        self._same(
            dict(self._store.read_tags(self._place.key("tags"))),
            {"havre": "doctor"},
            "tags did not come back",
        )

    def refused_pin(self, key: Key) -> None:
        """A read under another etag is refused."""
        etag = self._store.head(key).etag
        if etag is None:
            raise NotHeldError("it gives no etag to compare")
        try:
            self._store.read(key, span=None, pin=Pin(etag=stale(etag)))
        except ConditionFailed:
            return
        raise NotHeldError("it gave the bytes of an object that is not the one asked for")

    def wrong_checksum(self) -> None:
        """A body whose digest is another is refused, and not stored."""
        try:
            self._place.put("checksum", BODY, digest=sha256(b"something else"))
        except ChecksumRefused:
            pass
        except StoreError as error:
            # A damaged body is worth another attempt, so the retries may be used up by now.
            if not isinstance(error.__cause__, ChecksumRefused):
                raise
        else:
            raise NotHeldError("it accepted bytes whose digest is another")
        if self._place.exists("checksum"):
            raise NotHeldError("it refused the bytes and stored them")

    def abort(self) -> None:
        """An upload shows its parts, is listed, and leaves nothing when aborted."""
        key, upload = self._place.open("aborted", PutOptions(attempt=self._place.token))
        self._store.put_part(key, upload, 1, 0, BODY, sha256=sha256(BODY))
        held = [(part.number, part.size) for part in self._store.list_parts(key, upload)]
        self._same(held, [(1, len(BODY))], "the list of parts is not what was sent")
        if self._can.lists_uploads:
            seen = any(found.upload == upload for found in self._store.list_uploads(self._place.prefix))
            self._same(seen, True, "the upload is not listed")
        self._store.abort_upload(key, upload)
        self._place.forget(key, upload)
        if self._place.exists("aborted"):
            raise NotHeldError("an object is visible after the upload was aborted")

    def complete(self) -> None:
        """An upload in parts becomes one object."""
        attributes = Attributes(content_type="text/plain") if self._can.content_headers else Attributes()
        options = PutOptions(attempt=self._place.token + "2", attributes=attributes)
        key, upload = self._place.open("parts", options)
        first = bytes(self._can.min_part)
        receipts = [
            self._store.put_part(key, upload, 1, 0, first, sha256=sha256(first)),
            self._store.put_part(key, upload, 2, len(first), BODY, sha256=sha256(BODY)),
        ]
        self._store.complete_upload(key, upload, receipts, options)
        self._place.forget(key, upload)
        self._same(self._store.head(key).size, len(first) + len(BODY), "the object has another size")
        tail = Span(start=len(first), length=len(BODY))
        self._same(self._place.read("parts", tail), BODY)

    def awkward(self, name: str) -> None:
        """A key comes back as it was given, and is listed so."""
        body = name.encode()
        self._place.put(name, body)
        self._same(self._place.read(name), body)
        listed = {one.key for one in self._store.list(self._place.key("keys/"))}
        self._same(
            self._place.key(name) in listed, True, "the listing shows the key otherwise, or not at all"
        )

    @staticmethod
    def _same(got: object, wanted: object, what: str = "other bytes came back than were written") -> None:
        if got != wanted:
            raise NotHeldError(what)
