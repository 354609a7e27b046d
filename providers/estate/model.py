"""An estate: what one site holds, as values that print the same every time.

The JSON form is described by ``estate.schema.json``. Sections and items stand in a fixed order; what could not
be asked is said, per section (``state``, ``reasons``) or per setting (``unknown``), and never left out silently.
Settings come from lists of fields that this package names one by one, so that user data, keys and passwords of
an answer have no way in; texts and lists are bounded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from providers.errors import ConfigInvalid

__all__ = [
    "FORMAT",
    "MOST_ITEMS",
    "Absence",
    "Estate",
    "Item",
    "Kind",
    "Reason",
    "Section",
    "Setting",
    "State",
]

FORMAT: Final = "havre-estate-1"
"""Name of the JSON form; a change that old readers would misread gets a new one."""

MOST_ITEMS: Final = 10_000
"""Items that one section keeps; what lies beyond is counted as missing and the section is ``partial``."""

Setting: TypeAlias = str | int | bool | tuple[str, ...]
_NONE: Final[Mapping[str, Any]] = MappingProxyType({})


class Kind(StrEnum):
    """What a section lists, in the order in which sections stand."""

    NODES = "nodes"
    VOLUMES = "volumes"
    IMAGES = "images"
    NETWORKS = "networks"
    ZONES = "dns_zones"
    STORES = "stores"
    BUCKETS = "buckets"


class State(StrEnum):
    """How much of a section is known."""

    COMPLETE = "complete"
    PARTIAL = "partial"
    NOT_ASKED = "not-asked"


class Absence(StrEnum):
    """Why something is not known."""

    NOT_CONFIGURED = "not-configured"
    NOT_SUPPORTED = "not-supported"
    PERMISSION_DENIED = "permission-denied"
    UNAUTHENTICATED = "unauthenticated"
    UNREACHABLE = "unreachable"
    TOO_MANY = "too-many"
    FAILED = "failed"

    @property
    def expected(self) -> bool:
        """Whether nobody hoped for an answer: the site names no credential, or nothing can be asked."""
        return self in {Absence.NOT_CONFIGURED, Absence.NOT_SUPPORTED}


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Reason:
    """Why a section is not complete, in one word for programs and one sentence for people."""

    absence: Absence
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One thing that a provider holds.

    Attributes:
        id: The provider's own name of it, unique within its section.
        name: What people call it; may be empty.
        region: Region or zone, where the provider says it.
        created: When it was made, RFC 3339 in UTC, where the provider says it.
        tags: Labels that its owner gave it.
        settings: What is known of it.
        unknown: Setting → why it is not known.
    """

    id: str
    name: str = ""
    region: str | None = None
    created: str | None = None
    tags: Mapping[str, str] = field(default_factory=lambda: _NONE)
    settings: Mapping[str, Setting] = field(default_factory=lambda: _NONE)
    unknown: Mapping[str, Absence] = field(default_factory=lambda: _NONE)

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "id": self.id,
            "name": self.name,
            "region": self.region,
            "created": self.created,
            "tags": dict(sorted(self.tags.items())),
            "settings": {
                name: list(value) if isinstance(value, tuple) else value
                for name, value in sorted(self.settings.items())
            },
            "unknown": {name: why.value for name, why in sorted(self.unknown.items())},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """All things of one kind.

    Attributes:
        kind: Which.
        state: How much of it is known.
        asked: What was asked: library and driver, or protocol.
        reasons: Why it is not complete; empty where it is.
        items: What there is, by id.
    """

    kind: Kind
    state: State
    asked: str = ""
    reasons: tuple[Reason, ...] = ()
    items: tuple[Item, ...] = ()

    @classmethod
    def of(cls, kind: Kind, items: list[Item], *, asked: str, reasons: list[Reason] | None = None) -> Section:
        """A section of what was found; sorted, bounded, and ``partial`` where something is missing.

        Two items of one id would make every comparison ambiguous; the later ones get a number.
        """
        why = list(reasons or ())
        ordered = sorted(items, key=lambda item: (item.id, item.name, item.region or ""))
        if len(ordered) > MOST_ITEMS:
            why.append(
                Reason(
                    absence=Absence.TOO_MANY,
                    text=f"{len(ordered)} were found, the first {MOST_ITEMS} are kept",
                )
            )
        kept = tuple(_distinct(ordered[:MOST_ITEMS]))
        state = State.PARTIAL if why else State.COMPLETE
        return cls(kind=kind, state=state, asked=asked, reasons=tuple(sorted(set(why))), items=kept)

    @classmethod
    def not_asked(cls, kind: Kind, absence: Absence, text: str, *, asked: str = "") -> Section:
        """A section of which nothing is known."""
        return cls(
            kind=kind, state=State.NOT_ASKED, asked=asked, reasons=(Reason(absence=absence, text=text),)
        )

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "kind": self.kind.value,
            "state": self.state.value,
            "asked": self.asked,
            "reasons": [{"absence": one.absence.value, "text": one.text} for one in self.reasons],
            "items": [item.to_dict() for item in self.items],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Estate:
    """One site at one time.

    Attributes:
        site: Name of the site.
        profile: Name of its profile.
        asked_at: When it was asked.
        sections: One per ``Kind``, in that order.
    """

    site: str
    profile: str
    asked_at: datetime
    sections: tuple[Section, ...]

    def section(self, kind: Kind) -> Section:
        """The section of this kind."""
        return next(one for one in self.sections if one.kind is kind)

    @property
    def short(self) -> bool:
        """Whether something that ought to have been answered was not."""
        denied = any(not one.absence.expected for section in self.sections for one in section.reasons)
        return denied or any(
            not why.expected
            for section in self.sections
            for item in section.items
            for why in item.unknown.values()
        )

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "format": FORMAT,
            "site": self.site,
            "profile": self.profile,
            "asked_at": self.asked_at.astimezone(UTC).isoformat(timespec="seconds"),
            "sections": [section.to_dict() for section in self.sections],
        }

    @classmethod
    def from_dict(cls, document: object) -> Estate:
        """Read what ``to_dict`` wrote; fields that are not known are left aside.

        Raises:
            ConfigInvalid: It is not an estate, or of a form that this version does not read.
        """
        try:
            if not isinstance(document, dict) or document.get("format") != FORMAT:
                raise ConfigInvalid(
                    "this is no estate that this version reads", hint="make one with 'havre estate --save'"
                )
            sections = {Kind(raw["kind"]): _section(raw) for raw in document["sections"]}
            return cls(
                site=str(document["site"]),
                profile=str(document["profile"]),
                asked_at=datetime.fromisoformat(document["asked_at"]),
                sections=tuple(
                    sections.get(kind) or Section.not_asked(kind, Absence.NOT_SUPPORTED, "not in the file")
                    for kind in Kind
                ),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ConfigInvalid(f"the estate is not well-formed ({type(error).__name__})") from error


def _distinct(items: list[Item]) -> list[Item]:
    seen: dict[str, int] = {}
    kept = []
    for item in items:
        count = seen[item.id] = seen.get(item.id, 0) + 1
        kept.append(
            item
            if count == 1
            else Item(
                id=f"{item.id}#{count}",
                name=item.name,
                region=item.region,
                created=item.created,
                tags=item.tags,
                settings=item.settings,
                unknown=item.unknown,
            )
        )
    return kept


def _section(raw: Mapping[str, Any]) -> Section:
    return Section(
        kind=Kind(raw["kind"]),
        state=State(raw["state"]),
        asked=str(raw["asked"]),
        reasons=tuple(
            Reason(absence=Absence(one["absence"]), text=str(one["text"])) for one in raw["reasons"]
        ),
        items=tuple(_item(one) for one in raw["items"]),
    )


def _item(raw: Mapping[str, Any]) -> Item:
    return Item(
        id=str(raw["id"]),
        name=str(raw["name"]),
        region=_text(raw["region"]),
        created=_text(raw["created"]),
        tags={str(name): str(value) for name, value in raw["tags"].items()},
        settings={str(name): _setting(value) for name, value in raw["settings"].items()},
        unknown={str(name): Absence(why) for name, why in raw["unknown"].items()},
    )


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _setting(value: object) -> Setting:
    if isinstance(value, list):
        return tuple(str(one) for one in value)
    if isinstance(value, (bool, int, str)):
        return value
    raise ValueError("a setting is a text, a number, true, false or a list of texts")
