"""Names: which come back as they were given, and whether a key may lie beneath another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from providers.errors import KeyRefused, StoreError, Throttled
from providers.probe.awkward import AWKWARD
from providers.probe.catalogue import KEY_CHECK
from providers.probe.exam import NotTried, broken_off
from providers.probe.wire import told

if TYPE_CHECKING:
    from providers.model import Key
    from providers.probe.awkward import Awkward
    from providers.probe.exam import Exam

__all__ = ["run"]

_HARMFUL: Final = frozenset({"control"})
"""Keys that can make every listing of the bucket unreadable: tried only where the profile vouches for them."""


def run(exam: Exam) -> None:
    """Try every kind of key."""
    tries = _Keys(exam)
    exam.check("keys-nest", tries.nest)
    for one in AWKWARD:
        exam.check(KEY_CHECK + one.slug, lambda one=one: tries.kept(one))  # type: ignore[misc]


class _Keys:
    def __init__(self, exam: Exam) -> None:
        self._exam = exam
        self._place = exam.place
        self._store = exam.store

    def nest(self) -> tuple[bool, str]:
        bodies = {"nest/x": b"the shorter", "nest/x/y": b"the longer"}
        try:
            for name, body in bodies.items():
                self._place.put(name, body)
            kept = all(self._place.read(name) == body for name, body in bodies.items())
        except StoreError as error:
            if isinstance(error.__cause__, Throttled):
                raise
            if broken_off(error):
                self._store.check()
            return False, error.message
        return kept, "" if kept else "other bytes came back"

    def kept(self, one: Awkward) -> tuple[bool, str]:
        # Each in a folder of its own: a listing that one of them breaks tells of that one.
        folder = f"keys/{one.slug}/"
        key = self._place.noted(folder + one.key)
        problem = self._store.check_key(key)
        body = key.encode()
        if problem is None:
            try:
                self._place.put(folder + one.key, body)
            except KeyRefused as error:
                return False, error.message
            if bytes(self._store.read(key).data) != body:
                return False, "other bytes came back"
        elif self._exam.protocol != "s3" or one.slug in _HARMFUL:
            raise NotTried(f"the profile says that such a key {problem}")
        elif (trouble := self._raw(key, body)) is not None:
            return False, trouble
        return self._listed(folder, key)

    def _raw(self, key: Key, body: bytes) -> str | None:
        """Write and read a key that the profile forbids; None if its bytes came back."""
        try:
            written = self._place.send("PUT", key, body=body)
        except StoreError as error:
            if not broken_off(error):
                raise
            self._store.check()
            return "the store breaks the connection off"
        if not written.accepted:
            return told(written)
        found = self._place.send("GET", key)
        if not found.accepted:
            return f"written, then {told(found)}"
        return None if found.body == body else f"{len(found.body)} of {len(body)} bytes came back"

    def _listed(self, folder: str, key: Key) -> tuple[bool, str]:
        try:
            found = [meta.key for meta in self._store.list(self._place.key(folder))]
        except StoreError as error:
            return False, f"no listing: {error.message}"
        return key in found, "" if key in found else "it is listed as another key, or not at all"
