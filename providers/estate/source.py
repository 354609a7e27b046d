"""One thing that can be asked: which sections it answers, and what it answers with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from providers.estate.failures import reason_of
from providers.estate.model import Absence, Item, Kind, Reason, Section

__all__ = ["Listing", "Source", "ask"]


class Listing(list[Item]):
    """What a reader found where it knows that something is missing.

    Attributes:
        reasons: Why it is not all.
    """

    def __init__(self, items: Iterable[Item] = (), reasons: Iterable[Reason] = ()) -> None:
        super().__init__(items)
        self.reasons = list(reasons)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Readers by section.

    Attributes:
        asked: What is asked: a library and its driver, or a protocol.
        readers: Section → gives its items.
        lacks: Section → why this source has no notion of it.
        close: Releases connections.
    """

    asked: str
    readers: Mapping[Kind, Callable[[], Iterable[Item]]]
    lacks: Mapping[Kind, str] = field(default_factory=dict)
    close: Callable[[], None] = lambda: None


def ask(source: Source, kind: Kind) -> Section:
    """One section of a source; an error becomes the section's reason."""
    reader = source.readers.get(kind)
    if reader is None:
        text = source.lacks.get(kind, f"{source.asked} does not know this")
        return Section.not_asked(kind, Absence.NOT_SUPPORTED, text, asked=source.asked)
    try:
        found = reader()
        reasons = found.reasons if isinstance(found, Listing) else None
        return Section.of(kind, list(found), asked=source.asked, reasons=reasons)
    except Exception as error:  # noqa: BLE001 - SDKs raise whatever a shape they did not expect leads to
        why = reason_of(error)
        return Section.not_asked(kind, why.absence, why.text, asked=source.asked)
