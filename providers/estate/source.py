"""One thing that can be asked: which sections it answers, and what it answers with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from providers.estate.failures import reason_of
from providers.estate.model import Absence, Item, Kind, Section

__all__ = ["Source", "ask"]


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
        return Section.of(kind, list(reader()), asked=source.asked)
    except Exception as error:  # noqa: BLE001 - SDKs raise whatever a shape they did not expect leads to
        why = reason_of(error)
        return Section.not_asked(kind, why.absence, why.text, asked=source.asked)
