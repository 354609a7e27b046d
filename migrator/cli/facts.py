"""Facts of profiles as people and programs read them: lists, one profile, several side by side.

Nothing here judges: a certificate is shown as what a dated source says of a service, with how well it is known.
"""

from __future__ import annotations

import textwrap
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from providers.gap.words import WORDS, colon, status_word, value_words
from providers.profile_spec import SECTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from providers.gap.model import Lang
    from providers.profile import Certificate, Profile
    from providers.profile_read import Fact

__all__ = [
    "SECTION_NAMES",
    "compare_json",
    "compare_lines",
    "list_lines",
    "profile_json",
    "show_lines",
    "summary_json",
]

SECTION_NAMES: Final = (
    "law",
    "certificate",
    "endpoint",
    "regions",
    *(name for name in SECTIONS if name not in {"law", "endpoint"}),
)
_ACTIVITIES: Final[Mapping[Lang, tuple[str, ...]]] = {
    "en": (
        "physical sites",
        "hardware infrastructure",
        "virtual infrastructure",
        "application hosting platform",
        "administration and operation",
        "backup",
    ),
    "fr": (
        "sites physiques",
        "infrastructure matérielle",
        "infrastructure virtuelle",
        "plateforme d'hébergement d'applications",
        "administration et exploitation",
        "sauvegarde",
    ),
}
"""The six activities of article R.1111-9 of the French public health code."""
_MIN_COLUMN: Final = 18


def list_lines(profiles: Sequence[Profile], lang: Lang) -> Iterator[str]:
    """A block for each profile: who signs, and what sources say of certificates."""
    name = max(len(profile.name) for profile in profiles)
    protocol = max(len(profile.protocol) for profile in profiles)
    for profile in profiles:
        yield f"{profile.name:<{name}}  {profile.protocol:<{protocol}}  {profile.title}"
        entity = profile.law.get("entity")
        if entity is not None:
            yield f"    entity       {_short(entity, lang)}"
        for held in profile.certificates:
            said = [f"held = {_short(held.held, lang)}"]
            version = held.facts.get("version")
            if version is not None and version.value is not None:
                said.append(f"version = {_short(version, lang)}")
            yield f"    {held.kind:<11}  {held.service}{colon(lang)}{', '.join(said)}"


def _short(fact: Fact, lang: Lang) -> str:
    """A fact without its source."""
    if fact.value is None:
        return f"{value_words(None, lang)} [{fact.date}]"
    return f"{value_words(fact.value, lang)} [{status_word(fact.status, lang)}, {fact.date}]"


def show_lines(profile: Profile, section: str | None, lang: Lang) -> Iterator[str]:
    """Everything that a profile says, or one section of it."""
    yield f"{profile.name}{colon(lang)}{profile.title}"
    yield f"{profile.kind}, {profile.protocol}, {profile.origin}"
    for name in SECTION_NAMES:
        if section in {None, name}:
            yield from _section(profile, name, lang, asked=section is not None)


def _section(profile: Profile, name: str, lang: Lang, *, asked: bool) -> Iterator[str]:
    lines: list[str] = []
    if name == "certificate":
        for held in profile.certificates:
            lines += [f"  {held.kind}{colon(lang)}{held.service}", *_facts(held.facts, lang, indent=4)]
    elif name == "regions":
        for region, facts in profile.regions.items():
            lines += [f"  {region}", *_facts(facts, lang, indent=4)]
    else:
        lines = _facts(getattr(profile, name), lang, indent=2)
    if not lines and not asked:
        return
    yield ""
    yield name
    yield from lines or [f"  {WORDS[lang]['absent']}"]


def _facts(facts: Mapping[str, Fact], lang: Lang, *, indent: int) -> list[str]:
    lines = []
    for name, fact in facts.items():
        value = value_words(fact.value, lang)
        if name == "activities" and isinstance(fact.value, tuple):
            value = "; ".join(f"{number} {_ACTIVITIES[lang][int(number) - 1]}" for number in fact.value)
        lines.append(f"{' ' * indent}{name} = {value}")
        lines.append(f"{' ' * (indent + 4)}[{status_word(fact.status, lang)}, {fact.date}] {fact.source}")
        if fact.document is not None:
            lines.append(f"{' ' * (indent + 4)}{fact.document} ({fact.by})")
        if fact.note is not None:
            lines.append(f"{' ' * (indent + 4)}{WORDS[lang]['note']}{colon(lang)}{fact.note}")
    return lines


_Cell: TypeAlias = "tuple[tuple[str, Fact], ...]"
"""What one profile says in one row: each fact with the service or region it is about, or an empty text."""


def _rows(
    profiles: Sequence[Profile], *, everything: bool, sections: Sequence[str]
) -> dict[str, tuple[_Cell, ...]]:
    """Rows by name, a cell for each profile.

    Certificates stand together by kind, regions by field, because profiles number and name them differently.
    """
    columns = [_column(profile) for profile in profiles]
    names = dict.fromkeys(name for column in columns for name in column)
    order = {name: number for number, name in enumerate(SECTION_NAMES)}
    rows = {
        name: tuple(tuple(column.get(name, ())) for column in columns)
        for name in sorted(names, key=lambda one: order[one.partition(".")[0]])
        if not sections or name.partition(".")[0] in sections
    }
    return {name: row for name, row in rows.items() if everything or _differs(row)}


def _column(profile: Profile) -> dict[str, list[tuple[str, Fact]]]:
    column: dict[str, list[tuple[str, Fact]]] = {}
    for section in SECTIONS:
        for name, fact in getattr(profile, section).items():
            column[f"{section}.{name}"] = [("", fact)]
    for held in profile.certificates:
        for name, fact in held.facts.items():
            column.setdefault(f"certificate.{held.kind}.{name}", []).append((held.service, fact))
    for region, facts in profile.regions.items():
        for name, fact in facts.items():
            column.setdefault(f"regions.{name}", []).append((region, fact))
    return column


def _differs(row: Sequence[_Cell]) -> bool:
    """Whether profiles say something else; one that is silent differs from one that speaks."""
    said = {frozenset((about, fact.value) for about, fact in cell if fact.value is not None) for cell in row}
    return len(said) > 1


def compare_lines(
    profiles: Sequence[Profile], *, everything: bool, sections: Sequence[str], width: int, lang: Lang
) -> Iterator[str]:
    """Facts by profiles; ``*`` marks a row in which they differ."""
    rows = _rows(profiles, everything=everything, sections=sections)
    label = max((len(name) for name in rows), default=0) + 2
    column = max(_MIN_COLUMN, (width - label) // len(profiles) - 2)
    yield (" " * label + "".join(f"  {profile.name:<{column}}" for profile in profiles)).rstrip()
    for name, row in rows.items():
        head = f"{'*' if _differs(row) else ' '} {name}"
        cells = [_wrapped(cell, column, lang) for cell in row]
        for number, parts in enumerate(zip_longest(*cells, fillvalue="")):
            first = head if number == 0 else ""
            yield (f"{first:<{label}}" + "".join(f"  {part:<{column}}" for part in parts)).rstrip()


def compare_json(profiles: Sequence[Profile], *, everything: bool, sections: Sequence[str]) -> dict[str, Any]:
    """What ``compare`` tells."""
    rows = _rows(profiles, everything=everything, sections=sections)
    return {
        "profiles": [profile.name for profile in profiles],
        "rows": [
            {
                "fact": name,
                "differs": _differs(row),
                "said": {
                    profile.name: [{"about": about or None} | _fact_json(fact) for about, fact in cell]
                    for profile, cell in zip(profiles, row, strict=True)
                },
            }
            for name, row in rows.items()
        ],
    }


def _wrapped(cell: _Cell, width: int, lang: Lang) -> list[str]:
    if not cell:
        return ["-"]
    lines: list[str] = []
    for about, fact in cell:
        text = f"{about}{colon(lang)}{_short(fact, lang)}" if about else _short(fact, lang)
        lines += textwrap.wrap(text, width, break_on_hyphens=False)
    return lines


def _fact_json(fact: Fact) -> dict[str, Any]:
    """A fact as JSON values."""
    found: dict[str, Any] = {
        "value": list(fact.value) if isinstance(fact.value, tuple) else fact.value,
        "status": fact.status.value,
        "source": fact.source,
        "date": fact.date,
    }
    for name in ("note", "document", "by"):
        if getattr(fact, name) is not None:
            found[name] = getattr(fact, name)
    return found


def summary_json(profile: Profile) -> dict[str, Any]:
    """What ``list`` tells of a profile."""
    entity = profile.law.get("entity")
    return {
        "name": profile.name,
        "title": profile.title,
        "kind": profile.kind,
        "protocol": profile.protocol,
        "entity": None if entity is None else _fact_json(entity),
        "certificates": [_certificate_json(held) for held in profile.certificates],
    }


def profile_json(profile: Profile, section: str | None) -> dict[str, Any]:
    """What ``show`` tells of a profile."""
    sections: dict[str, Any] = {}
    for name in SECTION_NAMES:
        if section not in {None, name}:
            continue
        if name == "certificate":
            sections[name] = [_certificate_json(held) for held in profile.certificates]
        elif name == "regions":
            sections[name] = {region: _table_json(facts) for region, facts in profile.regions.items()}
        else:
            sections[name] = _table_json(getattr(profile, name))
    return {
        "name": profile.name,
        "title": profile.title,
        "kind": profile.kind,
        "protocol": profile.protocol,
        "origin": profile.origin,
        "sections": sections,
    }


def _certificate_json(held: Certificate) -> dict[str, Any]:
    return {"service": held.service, "kind": held.kind, "facts": _table_json(held.facts)}


def _table_json(facts: Mapping[str, Fact]) -> dict[str, Any]:
    return {name: _fact_json(fact) for name, fact in facts.items()}
