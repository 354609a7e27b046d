"""Small questions to a profile: one fact, a certificate, regions, or several of these combined.

Owns what a question is and how a blueprint writes it; ``answer`` puts it to a profile.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from providers.errors import ConfigInvalid
from providers.profile_read import FactValue, did_you_mean, refuse_unknown
from providers.profile_spec import CERTIFICATE_KINDS, SECTIONS

__all__ = ["CertificateQuery", "Combined", "FactQuery", "Query", "RegionsQuery", "parse_query"]

_DEPTH: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class FactQuery:
    """Is there such a fact, and does it name something, or hold one of these values?"""

    name: str
    values: tuple[FactValue, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateQuery:
    """Does a service hold this, in this version, for these activities, today?"""

    kind: str
    version: str | None
    activities: frozenset[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionsQuery:
    """Are there so many regions in this country?"""

    country: str
    at_least: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Combined:
    """Several questions as one."""

    how: Literal["all", "any", "prefer"]
    parts: tuple[Query, ...]


Query: TypeAlias = FactQuery | CertificateQuery | RegionsQuery | Combined


def parse_query(where: str, raw: object, *, depth: int = 0) -> Query:
    """A question as a blueprint writes it.

    Raises:
        ConfigInvalid: It asks for a fact that no profile can hold, or is not well-formed.
    """
    if not isinstance(raw, dict) or depth > _DEPTH:
        raise ConfigInvalid(f"{where}: a query is a table, nested at most {_DEPTH} times")
    given = [form for form in _FORMS if form in raw]
    if len(given) != 1:
        raise ConfigInvalid(f"{where}: a query has one of {', '.join(_FORMS)}")
    fields, read = _FORMS[given[0]]
    refuse_unknown(where, raw, (given[0], *fields))
    return read(where, raw, depth)


def _read_fact(where: str, raw: dict[str, Any], _depth: int) -> Query:
    name = raw["fact"]
    section, _, field = str(name).partition(".")
    if field not in SECTIONS.get(section, {}):
        known = [f"{one}.{each}" for one, fields in SECTIONS.items() for each in fields]
        raise ConfigInvalid(f"{where}: no profile holds a fact {name!r}", hint=did_you_mean(str(name), known))
    if "is" in raw and "in" in raw:
        raise ConfigInvalid(f"{where}: give 'is' or 'in', not both")
    values = raw.get("in", [raw["is"]] if "is" in raw else None)
    if values is not None and (not isinstance(values, list) or not values):
        raise ConfigInvalid(f"{where}: field 'in' must be a list of values")
    return FactQuery(name=name, values=None if values is None else tuple(values))


def _read_certificate(where: str, raw: dict[str, Any], _depth: int) -> Query:
    kind, version, activities = raw["certificate"], raw.get("version"), raw.get("activities", [])
    if kind not in CERTIFICATE_KINDS:
        raise ConfigInvalid(f"{where}: certificate {kind!r} is not one of {', '.join(CERTIFICATE_KINDS)}")
    if version is not None and not isinstance(version, str):
        raise ConfigInvalid(f"{where}: field 'version' must be text")
    if not isinstance(activities, list) or not all(type(one) is int and 1 <= one <= 6 for one in activities):
        raise ConfigInvalid(f"{where}: field 'activities' must be a list of numbers from 1 to 6")
    return CertificateQuery(kind=kind, version=version, activities=frozenset(activities))


def _read_regions(where: str, raw: dict[str, Any], _depth: int) -> Query:
    country, at_least = raw["regions"], raw.get("at_least", 1)
    if not isinstance(country, str) or len(country) != 2 or not country.isupper():
        raise ConfigInvalid(f"{where}: field 'regions' must be a country of two capital letters")
    if type(at_least) is not int or at_least < 1:
        raise ConfigInvalid(f"{where}: field 'at_least' must be a whole number from 1")
    return RegionsQuery(country=country, at_least=at_least)


def _read_combined(how: Literal["all", "any", "prefer"]) -> Callable[[str, dict[str, Any], int], Query]:
    def read(where: str, raw: dict[str, Any], depth: int) -> Query:
        parts = raw[how]
        if not isinstance(parts, list) or not parts:
            raise ConfigInvalid(f"{where}: field {how!r} must be a list of queries")
        return Combined(
            how=how,
            parts=tuple(
                parse_query(f"{where}.{how}[{number}]", part, depth=depth + 1)
                for number, part in enumerate(parts)
            ),
        )

    return read


_FORMS: Final[dict[str, tuple[tuple[str, ...], Callable[[str, dict[str, Any], int], Query]]]] = {
    "fact": (("is", "in"), _read_fact),
    "certificate": (("version", "activities"), _read_certificate),
    "regions": (("at_least",), _read_regions),
    "all": ((), _read_combined("all")),
    "any": ((), _read_combined("any")),
    "prefer": ((), _read_combined("prefer")),
}
