"""What a rule may ask of a place: small questions over profile facts, each answered yes, no, or not known.

An answer is read from facts alone. A fact that speaks against it counts however badly it is known; one that speaks
for it counts only if it is known well enough: a qualification by an official text or by the operator's own document,
anything else also by the vendor or by a measurement. What is not stated, ran out, or is known by hearsay leaves the
question open.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from providers.gate.terms import Answer, FactUsed, Gap, Place, Question
from providers.profile import Certificate, Fact

__all__ = ["EEA", "EU", "QUERIES", "Answered", "ask"]

EU: Final = frozenset(
    {"AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IT", "LT", "LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK"}
)  # fmt: skip
"""Member states of the European Union (ISO 3166)."""
EEA: Final = EU | {"IS", "LI", "NO"}
"""The European Economic Area."""
_AREAS: Final[Mapping[str, frozenset[str]]] = {"EU": EU, "EEA": EEA}
_VERSION: Final = re.compile(r"\d+(?:\.\d+)*")
_CERTIFICATE_FIELDS: Final = ("version", "activities", "attestation", "valid_from", "valid_until", "scope")


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer with what it was read from and what it lacks."""

    answer: Answer
    facts: tuple[FactUsed, ...] = ()
    gaps: tuple[Gap, ...] = ()


def ask(query: Mapping[str, Any], question: Question, at: date) -> Answered:
    """The answer to one query, as a rule holds it (``rules.py`` has checked its form)."""
    place = question.worker if query.get("of", "destination") == "worker" else question.destination
    return QUERIES[query["ask"]].answer(query, question, place, at)


@dataclass(frozen=True, slots=True)
class Query:
    """A kind of question: how it is answered, and which fields besides ``ask`` and ``of`` it may have."""

    answer: Callable[[Mapping[str, Any], Question, Place | None, date], Answered]
    required: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()


def _always(_query: Mapping[str, Any], _question: Question, _place: Place | None, _at: date) -> Answered:
    return Answered(Answer.ESTABLISHED)


def _ciphertext(_query: Mapping[str, Any], question: Question, _place: Place | None, _at: date) -> Answered:
    """Whether only ciphertext under the owner's keys leaves: the wave's mode says it."""
    fact = FactUsed(name="wave: mode", value=question.mode, status="declared", source="the wave")
    if question.seals:
        return Answered(Answer.ESTABLISHED, (fact,))
    answer = Answer.CONTRADICTED if question.mode == "decrypt" else Answer.NOT_ESTABLISHED
    return Answered(answer, (fact,), (Gap("plain", question.mode),))


def _own(_query: Mapping[str, Any], _question: Question, place: Place | None, _at: date) -> Answered:
    """Whether the place is declared to be the controller's own premises."""
    if place is None or not place.own:
        return Answered(Answer.NOT_ESTABLISHED)
    return Answered(Answer.ESTABLISHED, (_declared(place, "premises", "own"),))


def _fact(query: Mapping[str, Any], _question: Question, place: Place | None, _at: date) -> Answered:
    """Whether one fact of the law or of the region has a value, or lies in an area."""
    section, name = query["section"], query["name"]
    unknown = Answer.ESTABLISHED if query.get("silence") == "passes" else Answer.NOT_ESTABLISHED
    if place is None:
        return Answered(unknown, gaps=(Gap("no-profile"),))
    stated = list(_stated(place, section, name))
    if not stated:
        return Answered(unknown, gaps=(Gap("missing", f"{section}.{name}"),))
    facts = tuple(used for used, _ in stated)
    wanted = _wanted(query)
    known = [(used, strong) for used, strong in stated if used.value is not None]
    if any(used.value not in wanted for used, _ in known):
        against = ", ".join(str(used.value) for used, _ in known if used.value not in wanted)
        gap = Gap("outside", against) if "within" in query else Gap("denied", f"{section}.{name}")
        return Answered(Answer.CONTRADICTED, facts, (gap,))
    enough = "establishes" if query.get("known") == "surely" else "evidenced"
    if any(strong[enough] for _, strong in known):
        return Answered(Answer.ESTABLISHED, facts)
    gap = Gap("weak" if known else "missing", f"{section}.{name}")
    return Answered(unknown, facts, (gap,))


def _wanted(query: Mapping[str, Any]) -> frozenset[object]:
    return frozenset({query["equals"]}) if "equals" in query else frozenset(_AREAS[query["within"]])


def _stated(place: Place, section: str, name: str) -> Iterable[tuple[FactUsed, dict[str, bool]]]:
    """What is stated of a place: by the configuration and by the profile."""
    if section == "regions" and name == "country" and place.country is not None:
        yield _declared(place, "country", place.country), {"establishes": True, "evidenced": True}
    if place.profile is None:
        return
    if section == "regions":
        facts = place.profile.regions.get(place.region or "", {})
        where = f"regions.{place.region}.{name}"
    else:
        facts = place.profile.law
        where = f"law.{name}"
    fact = facts.get(name)
    if fact is not None:
        yield (
            _used(f"{place.name}: {where}", fact),
            {"establishes": fact.establishes, "evidenced": fact.evidenced},
        )


def _certificate(query: Mapping[str, Any], _question: Question, place: Place | None, at: date) -> Answered:
    """Whether the service holds a certificate of a kind on a day, of a version, for activities."""
    found = _certificates(query["kind"], place)
    if isinstance(found, Answered):
        return found
    assert place is not None
    facts = [used for held in found for used in _quoted(place, held)]
    if any(held.held.value is False for held in found):
        return Answered(Answer.CONTRADICTED, tuple(facts), (Gap("denied", f"{query['kind']}.held"),))
    lacking = [_lacking(held, query, at) for held in found]
    best = min(lacking, key=len)
    return Answered(
        Answer.NOT_ESTABLISHED if best else Answer.ESTABLISHED, tuple(facts), tuple(dict.fromkeys(best))
    )


def _lacking(held: Certificate, query: Mapping[str, Any], at: date) -> list[Gap]:
    """What is missing for this certificate to establish what is asked."""
    day = at.isoformat()
    gaps = []
    if not (held.held.value is True and held.held.establishes):
        gaps.append(Gap("weak", "held"))
    until = held.facts.get("valid_until")
    if until is None or until.value is None:
        gaps.append(Gap("missing", "valid_until"))
    elif str(until.value) < day:
        gaps.append(Gap("expired", str(until.value)))
    elif not until.establishes:
        gaps.append(Gap("weak", "valid_until"))
    since = held.facts.get("valid_from")
    if since is not None and since.value is not None and str(since.value) > day:
        gaps.append(Gap("early", str(since.value)))
    if "at_least" in query:
        gaps += _older(held.facts.get("version"), query["at_least"])
    if "activities" in query:
        gaps += _uncovered(held.facts.get("activities"), query["activities"])
    return gaps


def _older(version: Fact | None, least: str) -> list[Gap]:
    if version is None or version.value is None:
        return [Gap("missing", "version")]
    number = _VERSION.match(str(version.value))
    if number is None or _numbers(number[0]) < _numbers(least):
        return [Gap("older", str(version.value))]
    return [] if version.establishes else [Gap("weak", "version")]


def _uncovered(activities: Fact | None, wanted: Iterable[int]) -> list[Gap]:
    if activities is None or not isinstance(activities.value, tuple):
        return [Gap("missing", "activities")]
    missing = sorted(set(wanted) - set(activities.value))
    if missing:
        return [Gap("activities", ", ".join(map(str, missing)))]
    return [] if activities.establishes else [Gap("weak", "activities")]


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


def _certificate_fact(
    query: Mapping[str, Any], _question: Question, place: Place | None, _at: date
) -> Answered:
    """Whether something is stated of the service's certificate, such as its attestation number."""
    found = _certificates(query["kind"], place)
    if isinstance(found, Answered):
        return found
    assert place is not None
    name = query["name"]
    stated = [(held, held.facts[name]) for held in found if name in held.facts]
    facts = tuple(_used(_where(place, held, name), fact) for held, fact in stated)
    if any(fact.value is not None and fact.establishes for _, fact in stated):
        return Answered(Answer.ESTABLISHED, facts)
    gap = Gap("weak" if any(fact.value is not None for _, fact in stated) else "missing", name)
    return Answered(Answer.NOT_ESTABLISHED, facts, (gap,))


def _no_strings(query: Mapping[str, Any], _question: Question, place: Place | None, _at: date) -> Answered:
    """Whether the service's certificate is bound to nothing, such as an option or a contract."""
    found = _certificates(query["kind"], place)
    if isinstance(found, Answered):
        return found
    assert place is not None
    facts, strings = [], []
    for held in found:
        fact = held.facts.get("conditions")
        if fact is not None and isinstance(fact.value, tuple):
            facts.append(_used(_where(place, held, "conditions"), fact))
            strings += [str(item) for item in fact.value]
    if strings:
        return Answered(Answer.CONTRADICTED, tuple(facts), (Gap("strings", "; ".join(strings)),))
    return Answered(Answer.ESTABLISHED)


def _covers_region(query: Mapping[str, Any], _question: Question, place: Place | None, _at: date) -> Answered:
    """Whether the region lies within the scope of the service's certificate."""
    kind = query["kind"]
    found = _certificates(kind, place)
    if isinstance(found, Answered):
        return found
    assert place is not None
    assert place.profile is not None
    if place.region is None:
        return Answered(Answer.NOT_ESTABLISHED, gaps=(Gap("missing", "region"),))
    facts: list[FactUsed] = []
    said: list[tuple[bool, bool]] = []
    flag = place.profile.regions.get(place.region, {}).get(kind)
    if flag is not None:
        facts.append(_used(f"{place.name}: regions.{place.region}.{kind}", flag))
        if flag.value is not None:
            said.append((bool(flag.value), flag.evidenced))
    for held in found:
        scope = held.facts.get("regions")
        if scope is not None and isinstance(scope.value, tuple):
            facts.append(_used(_where(place, held, "regions"), scope))
            said.append((place.region in scope.value, scope.evidenced))
    if any(not inside for inside, _ in said):
        return Answered(Answer.CONTRADICTED, tuple(facts), (Gap("outside", place.region),))
    if any(enough for _, enough in said):
        return Answered(Answer.ESTABLISHED, tuple(facts))
    gap = Gap("weak" if said else "missing", f"regions.{place.region}.{kind}")
    return Answered(Answer.NOT_ESTABLISHED, tuple(facts), (gap,))


def _certificates(kind: str, place: Place | None) -> tuple[Certificate, ...] | Answered:
    """The service's own certificates of a kind; where it has none, the answer with what others hold."""
    if place is None or place.profile is None:
        return Answered(Answer.NOT_ESTABLISHED, gaps=(Gap("no-profile"),))
    of_kind = place.profile.certificate(kind)
    others = tuple(_used(_where(place, held, "held"), held.held) for held in of_kind)
    if place.service is None:
        return Answered(Answer.NOT_ESTABLISHED, others, (Gap("no-service"),))
    mine = tuple(held for held in of_kind if _folded(held.service) == _folded(place.service))
    return mine or Answered(Answer.NOT_ESTABLISHED, others, (Gap("no-certificate", place.service),))


def _quoted(place: Place, held: Certificate) -> Iterable[FactUsed]:
    yield _used(_where(place, held, "held"), held.held)
    for name in _CERTIFICATE_FIELDS:
        if name in held.facts:
            yield _used(_where(place, held, name), held.facts[name])


def _where(place: Place, held: Certificate, name: str) -> str:
    return f"{place.name}: {held.kind} of {held.service}: {name}"


def _used(name: str, fact: Fact) -> FactUsed:
    return FactUsed(
        name=name,
        value=fact.value,
        status=fact.status.value,
        source=fact.source,
        date=fact.date,
        note=fact.note,
        document=fact.document,
    )


def _declared(place: Place, name: str, value: object) -> FactUsed:
    return FactUsed(name=f"{place.name}: {name}", value=value, status="declared", source=place.declared_in)


def _folded(service: str) -> str:
    return " ".join(service.casefold().split())


_KIND: Final = frozenset({"kind"})
QUERIES: Final[Mapping[str, Query]] = {
    "always": Query(_always),
    "ciphertext": Query(_ciphertext),
    "own-premises": Query(_own),
    "fact": Query(_fact, frozenset({"section", "name"}), frozenset({"equals", "within", "known", "silence"})),
    "certificate": Query(_certificate, _KIND, frozenset({"at_least", "activities"})),
    "certificate-fact": Query(_certificate_fact, frozenset({"kind", "name"})),
    "no-strings": Query(_no_strings, _KIND),
    "covers-region": Query(_covers_region, _KIND),
}
"""Every query a rule may hold, by the value of its field ``ask``."""
