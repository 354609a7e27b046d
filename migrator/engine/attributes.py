"""What surrounds an object: what of it can travel to this target, and what must be reported as left behind."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import replace
from threading import Lock
from typing import Any, Final

from migrator.core.stamp import is_stamp_name
from migrator.ledger.ledger import Ledger
from migrator.ledger.rows import encode_attributes
from migrator.ledger.writer import LedgerWriter
from providers.model import Attributes
from providers.store import ObjectStore

__all__ = ["AttributeFit"]

_HEADERS: Final = (
    ("content_type", "Content-Type"),
    ("content_encoding", "Content-Encoding"),
    ("content_language", "Content-Language"),
    ("content_disposition", "Content-Disposition"),
    ("cache_control", "Cache-Control"),
)
_REMEMBER: Final = 1024
#: What stores answer when nobody set a type; losing it loses nothing.
_DEFAULT_TYPES: Final = frozenset({"application/octet-stream", "binary/octet-stream"})


class AttributeFit:
    """Splits attributes into what a target can keep and a note for each thing that it cannot."""

    def __init__(self, target: ObjectStore, writer: LedgerWriter) -> None:
        self._target = target
        self._writer = writer
        self._known: OrderedDict[bytes, tuple[Attributes, tuple[str, ...]]] = OrderedDict()
        self._lock = Lock()

    def split(self, attributes: Attributes) -> tuple[Attributes, tuple[str, ...]]:
        """What travels, and what does not, by name (never by value)."""
        body = encode_attributes(attributes)
        if body is None:
            return attributes, ()
        with self._lock:
            found = self._known.get(body)
        if found is None:
            found = self._split(attributes)
            with self._lock:
                self._known[body] = found
                if len(self._known) > _REMEMBER:
                    self._known.popitem(last=False)
        return found

    def note(self, row: int, note: str) -> None:
        """Record for one object that something of it was left behind."""
        statement = "INSERT OR IGNORE INTO notes (row, note) VALUES (?,?)"
        self._writer.call(Ledger.execute, statement, (row, note))

    def compare(self, row: int, sent: Attributes, found: Attributes | None) -> None:
        """Note what was sent with an object and did not stay: some stores take metadata and drop it.

        ``found`` is what a read of the stored object told, or None where a read tells nothing.
        """
        if found is None:
            return
        for field, name in _HEADERS:
            value = getattr(sent, field)
            if value is not None and value not in _DEFAULT_TYPES and getattr(found, field) != value:
                self.note(row, f"{name} did not stay at the target")
        folds = self._target.capabilities.metadata_folds_case
        kept = {(name.lower() if folds else name): value for name, value in found.metadata.items()}
        for name, value in sent.metadata.items():
            if kept.get(name.lower() if folds else name) != value:
                self.note(row, f"user metadata {name!r} did not stay at the target")

    def _split(self, attributes: Attributes) -> tuple[Attributes, tuple[str, ...]]:
        kept, notes = attributes, []
        capabilities = self._target.capabilities
        for field, name in _HEADERS:
            value = getattr(attributes, field)
            if value is None:
                continue
            if not capabilities.content_headers or self._refused(Attributes(**{field: value})):
                kept = replace(kept, **_nothing(field))
                if value not in _DEFAULT_TYPES:
                    notes.append(f"{name} cannot travel")
        metadata = dict(self._kept_pairs(attributes))
        notes += [
            f"user metadata {name!r} cannot travel"
            for name in attributes.metadata
            if name not in metadata and not is_stamp_name(name)
        ]
        kept = replace(kept, metadata=metadata)
        if attributes.tags and not (
            capabilities.tags and not self._refused(Attributes(tags=attributes.tags))
        ):
            kept = replace(kept, tags=None)
            notes.append("tags cannot travel")
        if self._refused(kept):
            kept = replace(kept, metadata={})
            notes.append("user metadata cannot travel: together it is too much for the target")
        return kept, tuple(notes)

    def _kept_pairs(self, attributes: Attributes) -> Iterator[tuple[str, str]]:
        if not self._target.capabilities.metadata:
            return
        for name, value in attributes.metadata.items():
            if not is_stamp_name(name) and not self._refused(Attributes(metadata={name: value})):
                yield name, value

    def _refused(self, attributes: Attributes) -> bool:
        return bool(self._target.check_attributes(attributes))


def _nothing(field: str) -> dict[str, Any]:
    return {field: None}
