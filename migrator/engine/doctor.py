"""Hold a store against what is declared of it: the part of the conformance suite that real data stands.

Everything happens under one random prefix below ``.havre/`` and is removed afterwards. Every failure is a
result; only a store that cannot be reached at all ends the examination.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from migrator.core.names import OWN_PREFIX
from migrator.engine.doctor_tries import BODY, NotHeldError, Tries
from providers.errors import StoreError, Unauthenticated, Unavailable
from providers.model import Span
from providers.probe.awkward import AWKWARD
from providers.probe.workplace import Workplace

if TYPE_CHECKING:
    from collections.abc import Callable

    from providers.capabilities import Capabilities
    from providers.store import ObjectStore

__all__ = ["CheckResult", "Outcome", "doctor"]


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
        self._place = Workplace(store, f"{OWN_PREFIX}doctor-{token}/", token)
        self._tries = Tries(self._place, capabilities)
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
            self._tries.refused_pin(first.key)
            return ""

        self._check("list", listing)
        self._check("read the beginning of an object that is there", reading)
        self._check("refuse a stale version", stale)
        self._skip("everything that writes", "the location is only to be read")

    def first_put(self) -> bool:
        """Write one object; without that, nothing else can be tried."""
        self._check("write an object", self._first)
        held = self.results[-1].outcome is Outcome.HELD
        if not held:
            self._skip("everything else", "no object can be written")
        return held

    def objects(self) -> None:
        """Whole objects."""
        self._check("read it back", self._tries.read_back)
        self._check("read a span", self._tries.span)
        self._check("list it", self._tries.listed)
        self._check("write and read an empty object", self._tries.empty)
        self._check("overwrite an object", self._tries.overwrite)
        self._check("say that an object is not there", self._tries.missing)
        self._declared("create only if absent", self._can.put_if_absent, self._tries.if_absent)
        self._declared("keep metadata", self._can.metadata, self._tries.metadata)
        self._declared("keep content headers", self._can.content_headers, self._tries.headers)
        self._declared("keep tags", self._can.tags, self._tries.tags)
        if self._can.pin == "strong":
            self._check("refuse a stale version", lambda: self._tries.refused_pin(self._place.key("object")))
        else:
            self._skip("refuse a stale version", "versions are compared by us, not by the store")
        self._declared("refuse a wrong checksum", self._can.verifies_checksum, self._tries.wrong_checksum)

    def uploads(self) -> None:
        """Uploads in parts."""
        self._check("open, list and abort an upload in parts", self._tries.abort)
        self._check("complete an upload in parts", self._tries.complete)

    def keys(self) -> None:
        """Keys that stores are known to change."""
        for one in AWKWARD:
            name = f"keys/{one.key}"
            refused = self._store.check_key(self._place.key(name))
            if refused is not None:
                self._skip(f"keep a key with {one.words}", f"the profile says that such a key {refused}")
            else:
                self._check(f"keep a key with {one.words}", lambda name=name: self._tries.awkward(name))  # type: ignore[misc]

    def clean(self) -> None:
        """Remove what was written; say so if something stays."""
        left = self._place.clean()
        detail = f"{left} objects or uploads stay under {self._place.prefix}" if left else ""
        self._tell("remove what the examination wrote", Outcome.NOT_HELD if left else Outcome.HELD, detail)

    # --- how a check is run ---

    def _check(self, name: str, act: Callable[[], str | None]) -> None:
        try:
            detail = act() or ""
        except LookupError as error:
            self._tell(name, Outcome.NOT_TRIED, str(error))
        except NotHeldError as error:
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

    def _first(self) -> None:
        self._place.put("object", BODY)
