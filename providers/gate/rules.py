"""Rules as data: what each says, where it was read, what it asks of which facts, and what follows.

A rule has ways to be met, each a list of queries that must all be answered yes; the mildest consequence of the ways
that are met counts. If none is, what follows depends on whether some fact speaks against it. The loader holds
consequences to an order (a way that is met is never worse than silence, silence never better than a condition where
contradiction is one), which is what makes verdicts monotone: no fact that is worse makes a verdict better.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from itertools import chain
from typing import Any, Final

from providers.errors import ConfigInvalid
from providers.gate.queries import QUERIES
from providers.gate.terms import Consequence, DatasetClass, RuleStatus
from providers.profile_read import refuse_unknown, table_of, text_of
from providers.profile_spec import CERTIFICATE, CERTIFICATE_KINDS, LAW, REGION

__all__ = ["Follows", "Rule", "Way", "load_rules", "parse_rules"]

_LANGUAGES: Final = ("en", "fr")
_RULE_FIELDS: Final = (
    "id", "classes", "status", "controls", "sources", "date", "note", "statement", "ways", "silence", "against",
)  # fmt: skip
_VALUES: Final[Mapping[str, tuple[object, ...]]] = {
    "of": ("destination", "worker"),
    "kind": CERTIFICATE_KINDS,
    "section": ("law", "regions"),
    "within": ("EU", "EEA"),
    "known": ("surely", "well"),
    "silence": ("passes",),
}


@dataclass(frozen=True, slots=True)
class Follows:
    """A consequence and how it is told, by language; no text where nothing follows."""

    consequence: Consequence
    text: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Way:
    """One way to meet a rule: queries that must all be answered yes, and what follows then."""

    queries: tuple[Mapping[str, Any], ...]
    follows: Follows


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule.

    Attributes:
        id: Its stable name.
        classes: Which datasets it is asked of.
        status: Whether it stands in its source or is read into it.
        controls: Ids of the controls it belongs to.
        sources: Where it was read, public addresses first.
        date: The date of the newest source.
        note: What a reader should know of the sources, by language.
        statement: What it says, in our words, by language.
        ways: How it can be met.
        silence: What follows where the facts do not say.
        against: What follows where a fact speaks against it.
    """

    id: str
    classes: frozenset[DatasetClass]
    status: RuleStatus
    controls: tuple[str, ...]
    sources: tuple[str, ...]
    date: str
    note: Mapping[str, str]
    statement: Mapping[str, str]
    ways: tuple[Way, ...]
    silence: Follows
    against: Follows

    def to_dict(self) -> dict[str, Any]:
        """Everything that a verdict depends on, for its digest."""
        return {
            "id": self.id,
            "classes": sorted(map(str, self.classes)),
            "status": str(self.status),
            "controls": list(self.controls),
            "sources": list(self.sources),
            "date": self.date,
            "note": dict(self.note),
            "statement": dict(self.statement),
            "ways": [
                {"all": [dict(query) for query in way.queries], **_told(way.follows)} for way in self.ways
            ],
            "silence": _told(self.silence),
            "against": _told(self.against),
        }


@cache
def load_rules() -> tuple[Rule, ...]:
    """The rules that ship with this package, in the order of their files.

    Raises:
        ConfigInvalid: A rule says what it may not say.
    """
    folder = resources.files("providers.gate") / "rules"
    files = sorted(
        (entry for entry in folder.iterdir() if entry.name.endswith(".toml")), key=lambda e: e.name
    )
    rules = tuple(chain.from_iterable(parse_rules(entry.read_text("utf-8"), entry.name) for entry in files))
    if len({rule.id for rule in rules}) != len(rules):
        raise ConfigInvalid("two rules of the gate have the same id")
    return rules


def parse_rules(text: str, origin: str) -> tuple[Rule, ...]:
    """Rules from a TOML file.

    Args:
        text: The file.
        origin: Its name, for messages.

    Raises:
        ConfigInvalid: A rule is malformed, or its consequences are out of order.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigInvalid(f"{origin}: not TOML: {error}") from error
    refuse_unknown(origin, document, ("rule",))
    found = document.get("rule", [])
    if not isinstance(found, list):
        raise ConfigInvalid(f"{origin}: rules are written as [[rule]]")
    return tuple(_rule(origin, raw) for raw in found)


def _rule(origin: str, raw: object) -> Rule:
    table = table_of(f"{origin}: rule", raw)
    name = text_of(f"{origin}: rule", table, "id")
    where = f"{origin}: rule {name}"
    refuse_unknown(where, table, _RULE_FIELDS)
    ways = table.get("ways")
    if not isinstance(ways, list) or not ways:
        raise ConfigInvalid(f"{where}: field 'ways' is required")
    silence = _follows(
        f"{where}: silence", table_of(f"{where}: silence", table.get("silence", {"then": "none"}))
    )
    against = silence
    if "against" in table:
        against = _follows(f"{where}: against", table_of(f"{where}: against", table["against"]))
    try:
        classes = frozenset(DatasetClass(one) for one in _texts(where, table, "classes"))
        status = RuleStatus(text_of(where, table, "status"))
    except ValueError as error:
        raise ConfigInvalid(f"{where}: {error}") from None
    rule = Rule(
        id=name,
        classes=classes,
        status=status,
        controls=_texts(where, table, "controls"),
        sources=_texts(where, table, "sources"),
        date=text_of(where, table, "date"),
        note=_languages(f"{where}: note", table["note"]) if "note" in table else {},
        statement=_languages(f"{where}: statement", table.get("statement")),
        ways=tuple(_way(f"{where}: way {number}", raw) for number, raw in enumerate(ways, 1)),
        silence=silence,
        against=against,
    )
    _check_order(where, rule)
    return rule


def _check_order(where: str, rule: Rule) -> None:
    """A way that is met is no worse than silence, silence no worse than contradiction, and never mild beside it."""
    best = max(way.follows.consequence.weight for way in rule.ways)
    silence, against = rule.silence.consequence, rule.against.consequence
    always = any(all(query["ask"] == "always" for query in way.queries) for way in rule.ways)
    if always:
        return
    if not best <= silence.weight <= against.weight:
        raise ConfigInvalid(f"{where}: consequences must not get milder from ways to silence to against")
    if against.weight >= Consequence.CONDITION.weight > silence.weight:
        raise ConfigInvalid(f"{where}: silence must be at least a condition where contradiction is one")


def _way(where: str, raw: object) -> Way:
    table = table_of(where, raw)
    refuse_unknown(where, table, ("all", "then", "text"))
    queries = table.get("all")
    if not isinstance(queries, list) or not queries:
        raise ConfigInvalid(f"{where}: field 'all' must list queries")
    for query in queries:
        _check_query(where, table_of(where, query))
    return Way(tuple(queries), _follows(where, {key: table[key] for key in ("then", "text") if key in table}))


def _check_query(where: str, query: dict[str, Any]) -> None:
    name = text_of(where, query, "ask")
    kind = QUERIES.get(name)
    if kind is None:
        raise ConfigInvalid(f"{where}: no query is called {name!r}")
    refuse_unknown(where, query, {"ask", "of"} | kind.required | kind.optional)
    if missing := sorted(kind.required - query.keys()):
        raise ConfigInvalid(f"{where}: the query {name!r} lacks {', '.join(missing)}")
    for field, allowed in _VALUES.items():
        if field in query and query[field] not in allowed:
            raise ConfigInvalid(f"{where}: {field} is one of {', '.join(map(str, allowed))}")
    if name == "fact":
        fields = LAW if query["section"] == "law" else REGION
        if query["name"] not in fields or ("equals" in query) == ("within" in query):
            raise ConfigInvalid(f"{where}: a fact has a known name, and either 'equals' or 'within'")
    if name == "certificate-fact" and query["name"] not in CERTIFICATE:
        raise ConfigInvalid(f"{where}: no certificate has a fact {query['name']!r}")


def _follows(where: str, table: dict[str, Any]) -> Follows:
    refuse_unknown(where, table, ("then", "text"))
    try:
        consequence = Consequence(text_of(where, table, "then"))
    except ValueError as error:
        raise ConfigInvalid(f"{where}: {error}") from None
    if (consequence is Consequence.NONE) == ("text" in table):
        raise ConfigInvalid(f"{where}: a text stands wherever something follows, and only there")
    return Follows(consequence, _languages(f"{where}: text", table["text"]) if "text" in table else {})


def _languages(where: str, raw: object) -> Mapping[str, str]:
    table = table_of(where, raw)
    refuse_unknown(where, table, _LANGUAGES)
    return {language: text_of(where, table, language) for language in _LANGUAGES}


def _texts(where: str, table: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = table.get(name)
    if not isinstance(value, list) or not value or not all(isinstance(item, str) and item for item in value):
        raise ConfigInvalid(f"{where}: field {name!r} must be a list of texts")
    return tuple(value)


def _told(follows: Follows) -> dict[str, Any]:
    return {"then": str(follows.consequence), "text": dict(follows.text)}
