"""Hold a store against what is declared of it: the part of the conformance suite that real data stands.

Everything happens under one random prefix below ``.havre/`` and is removed afterwards. Every failure is a
result; only a store that cannot be reached at all ends the examination.
"""

from __future__ import annotations

import hashlib
import secrets
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from migrator.core.names import OWN_PREFIX
from migrator.engine.awkward import AWKWARD
from providers.errors import (
    AlreadyExists,
    ChecksumRefused,
    ConditionFailed,
    NotFound,
    StoreError,
    Unauthenticated,
    Unavailable,
)
from providers.model import Attributes, ETag, Key, Pin, PutOptions, Span, UploadId

if TYPE_CHECKING:
    from collections.abc import Callable

    from providers.capabilities import Capabilities
    from providers.store import ObjectStore

__all__ = ["CheckResult", "Outcome", "doctor"]

_BODY: Final = b"havre doctor: the quick brown fox jumps over the lazy dog\n"


class Outcome(StrEnum):
    """How a check went."""

    HELD = "held"
    NOT_HELD = "not held"
    NOT_TRIED = "not tried"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """One ability and whether it held; ``detail`` says why not, or is empty."""

    name: str
    outcome: Outcome
    detail: str = ""


class _NotHeldError(Exception):
    """The store answered, and not as declared."""


def doctor(
    store: ObjectStore,
    capabilities: Capabilities,
    *,
    on_check: Callable[[CheckResult], None],
    read_only: bool = False,
    token: str | None = None,
) -> list[CheckResult]:
    """Examine a store.

    Args:
        store: An open handle on the location.
        capabilities: What is declared of it.
        on_check: Told about each result as it comes.
        read_only: Write nothing; look at what is there.
        token: Name of this examination, instead of a random one.

    Raises:
        StoreError: The location is not there, cannot be reached, or these credentials may not list it.
    """
    store.check()
    exam = _Exam(store, capabilities, on_check, token or secrets.token_hex(6))
    if read_only:
        exam.look()
        return exam.results
    try:
        if exam.first_put():
            exam.objects()
            exam.uploads()
            exam.keys()
    finally:
        exam.clean()
    return exam.results


class _Exam:
    def __init__(
        self,
        store: ObjectStore,
        capabilities: Capabilities,
        on_check: Callable[[CheckResult], None],
        token: str,
    ) -> None:
        self._store = store
        self._can = capabilities
        self._on_check = on_check
        self._prefix = f"{OWN_PREFIX}doctor-{token}/"
        self._attempt = token
        self._written: list[Key] = []
        self._uploads: list[tuple[Key, UploadId]] = []
        self.results: list[CheckResult] = []

    def look(self) -> None:
        """What can be seen without writing."""
        first = None

        def listing() -> str:
            nonlocal first
            first = next((one for one in self._store.list() if one.kind.readable), None)
            return "" if first else "there is no object to read"

        def reading() -> str:
            if first is None:
                raise LookupError("there is no object to read")
            span = Span(start=0, length=min(first.size, 4096)) if first.size else None
            self._store.read(first.key, span=span, pin=first.pin)
            return ""

        def stale() -> str:
            if first is None:
                raise LookupError("there is no object to read")
            if self._can.pin != "strong":
                raise LookupError("versions are compared by us, not by the store")
            self._refused_pin(first.key)
            return ""

        self._check("list", listing)
        self._check("read the beginning of an object that is there", reading)
        self._check("refuse a stale version", stale)
        self._skip("everything that writes", "the location is only to be read")

    def first_put(self) -> bool:
        """Write one object; without that, nothing else can be tried."""
        self._check("write an object", lambda: self._put("object", _BODY))
        held = self.results[-1].outcome is Outcome.HELD
        if not held:
            self._skip("everything else", "no object can be written")
        return held

    def objects(self) -> None:
        """Whole objects."""
        self._check("read it back", lambda: self._same(self._read("object"), _BODY))
        self._check(
            "read a span", lambda: self._same(self._read("object", Span(start=6, length=6)), _BODY[6:12])
        )
        self._check("list it", self._listed)
        self._check("write and read an empty object", self._empty)
        self._check("overwrite an object", self._overwrite)
        self._check("say that an object is not there", self._missing)
        self._declared("create only if absent", self._can.put_if_absent, self._if_absent)
        self._declared("keep metadata", self._can.metadata, self._metadata)
        self._declared("keep content headers", self._can.content_headers, self._headers)
        self._declared("keep tags", self._can.tags, self._tags)
        if self._can.pin == "strong":
            self._check("refuse a stale version", lambda: self._refused_pin(self._key("object")))
        else:
            self._skip("refuse a stale version", "versions are compared by us, not by the store")
        self._declared("refuse a wrong checksum", self._can.verifies_checksum, self._wrong_checksum)

    def uploads(self) -> None:
        """Uploads in parts."""
        self._check("open, list and abort an upload in parts", self._abort)
        self._check("complete an upload in parts", self._complete)

    def keys(self) -> None:
        """Keys that stores are known to change."""
        for name, text in AWKWARD:
            key = self._key(f"keys/{text}")
            refused = self._store.check_key(key)
            if refused is not None:
                self._skip(f"keep a key with {name}", f"the profile says that such a key {refused}")
            else:
                self._check(f"keep a key with {name}", lambda key=key: self._awkward(key))  # type: ignore[misc]

    def clean(self) -> None:
        """Remove what was written; say so if something stays."""
        left = 0
        for key, upload in self._uploads:
            try:
                self._store.abort_upload(key, upload)
            except NotFound:
                pass
            except StoreError as error:
                left += error.code != "upload-lost"
        for key in dict.fromkeys(self._written):
            try:
                self._store.delete(key)
            except NotFound:
                pass
            except StoreError:
                left += 1
        with suppress(
            StoreError
        ):  # the listing was tried above; here it only finds what a refused write left
            for found in list(self._store.list(self._prefix)):
                try:
                    self._store.delete(found.key)
                except StoreError:
                    left += 1
        detail = f"{left} objects or uploads stay under {self._prefix}" if left else ""
        self._tell("remove what the examination wrote", Outcome.NOT_HELD if left else Outcome.HELD, detail)

    # --- how a check is run ---

    def _check(self, name: str, act: Callable[[], str | None]) -> None:
        try:
            detail = act() or ""
        except LookupError as error:
            self._tell(name, Outcome.NOT_TRIED, str(error))
        except _NotHeldError as error:
            self._tell(name, Outcome.NOT_HELD, str(error))
        except (Unauthenticated, Unavailable):
            raise
        except StoreError as error:
            self._tell(name, Outcome.NOT_HELD, f"{error.code}: {error.message}")
        else:
            self._tell(name, Outcome.HELD, detail)

    def _declared(self, name: str, declared: bool, act: Callable[[], str | None]) -> None:  # noqa: FBT001 - private
        if declared:
            self._check(name, act)
        else:
            self._skip(name, "the profile does not declare it")

    def _skip(self, name: str, why: str) -> None:
        self._tell(name, Outcome.NOT_TRIED, why)

    def _tell(self, name: str, outcome: Outcome, detail: str = "") -> None:
        result = CheckResult(name=name, outcome=outcome, detail=detail)
        self.results.append(result)
        self._on_check(result)

    # --- what is tried ---

    def _key(self, name: str) -> Key:
        return Key(self._prefix + name)

    def _put(
        self, name: str, body: bytes, attributes: Attributes | None = None, *, if_absent: bool = False
    ) -> None:
        key = self._key(name)
        self._written.append(key)
        options = PutOptions(
            attributes=attributes or Attributes(), if_absent=if_absent, attempt=self._attempt
        )
        self._store.put(key, body, options, sha256=hashlib.sha256(body).digest())

    def _read(self, name: str, span: Span | None = None) -> bytes:
        return bytes(self._store.read(self._key(name), span=span).data)

    @staticmethod
    def _same(got: object, wanted: object, what: str = "other bytes came back than were written") -> None:
        if got != wanted:
            raise _NotHeldError(what)

    def _listed(self) -> None:
        sizes = {one.key: one.size for one in self._store.list(self._prefix)}
        self._same(sizes.get(self._key("object")), len(_BODY), "the listing does not show it with its size")

    def _empty(self) -> None:
        self._put("empty", b"")
        self._same(self._read("empty"), b"")

    def _overwrite(self) -> None:
        self._put("twice", b"first")
        self._put("twice", b"the second")
        self._same(self._read("twice"), b"the second", "the old bytes came back")

    def _missing(self) -> None:
        try:
            self._store.head(self._key("nothing"))
        except NotFound:
            return
        raise _NotHeldError("it describes an object that was never written")

    def _if_absent(self) -> None:
        self._put("fence", b"first", if_absent=True)
        try:
            self._put("fence", b"second", if_absent=True)
        except (AlreadyExists, ConditionFailed):
            self._same(self._read("fence"), b"first", "it refused the second object and stored it")
            return
        raise _NotHeldError("it accepted a second creation")

    def _metadata(self) -> None:
        wanted = {"havre-doctor": "yes", "second": "a-b"}
        self._put("metadata", _BODY, Attributes(metadata=wanted))
        found = self._store.head(self._key("metadata")).attributes
        got = {name.lower(): value for name, value in found.metadata.items()} if found else {}
        self._same({name: got.get(name) for name in wanted}, wanted, "metadata did not come back")

    def _headers(self) -> None:
        wanted = Attributes(
            content_type="application/x-havre", content_language="fr", cache_control="no-store"
        )
        self._put("headers", _BODY, wanted)
        found = self._store.head(self._key("headers")).attributes or Attributes()
        for name in ("content_type", "content_language", "cache_control"):
            self._same(getattr(found, name), getattr(wanted, name), f"{name} did not come back")

    def _tags(self) -> None:
        self._put("tags", _BODY, Attributes(tags={"havre": "doctor"}))
        self._same(
            dict(self._store.read_tags(self._key("tags"))), {"havre": "doctor"}, "tags did not come back"
        )

    def _refused_pin(self, key: Key) -> None:
        etag = self._store.head(key).etag
        if etag is None:
            raise _NotHeldError("it gives no etag to compare")
        digits = "".join(char for char in etag if char.isalnum())
        other = "0" if digits[-1:] != "0" else "1"
        at = etag.rindex(digits[-1]) if digits else 0
        stale = ETag(etag[:at] + other + etag[at + 1 :])
        try:
            self._store.read(key, span=None, pin=Pin(etag=stale))
        except ConditionFailed:
            return
        raise _NotHeldError("it gave the bytes of an object that is not the one asked for")

    def _wrong_checksum(self) -> None:
        key = self._key("checksum")
        self._written.append(key)
        wrong = hashlib.sha256(b"something else").digest()
        try:
            self._store.put(key, _BODY, PutOptions(attempt=self._attempt), sha256=wrong)
        except ChecksumRefused:
            pass
        except StoreError as error:
            # A damaged body is worth another attempt, so the retries may be used up by now.
            if not isinstance(error.__cause__, ChecksumRefused):
                raise
        else:
            raise _NotHeldError("it accepted bytes whose digest is another")
        try:
            self._store.head(key)
        except NotFound:
            return
        raise _NotHeldError("it refused the bytes and stored them")

    def _open(self, name: str, options: PutOptions) -> tuple[Key, UploadId]:
        key = self._key(name)
        self._written.append(key)
        upload = self._store.open_upload(key, options)
        self._uploads.append((key, upload))
        return key, upload

    def _abort(self) -> None:
        key, upload = self._open("aborted", PutOptions(attempt=self._attempt))
        self._store.put_part(key, upload, 1, 0, _BODY, sha256=hashlib.sha256(_BODY).digest())
        held = [(part.number, part.size) for part in self._store.list_parts(key, upload)]
        self._same(held, [(1, len(_BODY))], "the list of parts is not what was sent")
        if self._can.lists_uploads:
            seen = any(found.upload == upload for found in self._store.list_uploads(self._prefix))
            self._same(seen, True, "the upload is not listed")
        self._store.abort_upload(key, upload)
        self._uploads.remove((key, upload))
        try:
            self._store.head(key)
        except NotFound:
            return
        raise _NotHeldError("an object is visible after the upload was aborted")

    def _complete(self) -> None:
        attributes = Attributes(content_type="text/plain") if self._can.content_headers else Attributes()
        options = PutOptions(attempt=self._attempt + "2", attributes=attributes)
        key, upload = self._open("parts", options)
        first = bytes(self._can.min_part)
        receipts = [
            self._store.put_part(key, upload, 1, 0, first, sha256=hashlib.sha256(first).digest()),
            self._store.put_part(key, upload, 2, len(first), _BODY, sha256=hashlib.sha256(_BODY).digest()),
        ]
        self._store.complete_upload(key, upload, receipts, options)
        self._uploads.remove((key, upload))
        self._same(self._store.head(key).size, len(first) + len(_BODY), "the object has another size")
        tail = Span(start=len(first), length=len(_BODY))
        self._same(self._read("parts", tail), _BODY)

    def _awkward(self, key: Key) -> None:
        self._written.append(key)
        body = key.encode()
        self._store.put(key, body, PutOptions(attempt=self._attempt))
        self._same(bytes(self._store.read(key).data), body)
        listed = {one.key for one in self._store.list(self._prefix + "keys/")}
        self._same(key in listed, True, "the listing shows the key otherwise, or not at all")
