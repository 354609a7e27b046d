"""A question put to a profile: yes, no or unknown, with the facts that the answer rests on.

The logic has three values: a fact that is not there is neither yes nor no, so ``any`` is yes as soon as one
part is, ``all`` is no as soon as one part is, and ``prefer`` is the first part that knows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import IntEnum
from typing import TYPE_CHECKING, Final, Literal

from providers.gap.query import CertificateQuery, Combined, FactQuery, Query, RegionsQuery
from providers.profile_read import Fact, FactValue
from providers.profile_spec import Status

if TYPE_CHECKING:
    from providers.profile import Certificate, Profile

__all__ = ["Answer", "Quote", "Verdict", "ask"]

_CONTEXT: Final = ("scope", "regions", "milestones", "conditions", "attestation", "valid_from", "valid_until")
"""What a certificate's reader must see beside the answer."""


class Verdict(IntEnum):
    """An answer; a greater one is better."""

    NO = 0
    UNKNOWN = 1
    YES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """A fact as an answer quotes it.

    Attributes:
        name: The fact's dotted name.
        fact: The fact; None where the profile does not speak of it.
        service: The service that a certificate is about, and the certificate's kind; else None.
        remark: Why the fact does not carry the answer further; else None.
    """

    name: str
    fact: Fact | None
    service: str | None = None
    remark: Literal["expired", "not-yet-valid"] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a profile says to a question.

    Attributes:
        verdict: Yes, no or unknown.
        grade: The weakest status it rests on; None for unknown.
        established: Whether facts say so that can carry it.
        quotes: The facts.
    """

    verdict: Verdict
    grade: Status | None
    established: bool
    quotes: tuple[Quote, ...]


def ask(query: Query, profile: Profile, as_of: date) -> Answer:
    """What the profile says; ``as_of`` is the day on which certificates have to be valid."""
    match query:
        case FactQuery():
            return _ask_fact(query, profile)
        case CertificateQuery():
            held = profile.certificate(query.kind)
            if not held:
                return _unknown(Quote(name=f"certificate.{query.kind}", fact=None))
            numbers = {id(one): number for number, one in enumerate(profile.certificates)}
            return _any([_ask_certificate(query, one, numbers[id(one)], as_of) for one in held])
        case RegionsQuery():
            return _ask_regions(query, profile)
        case Combined():
            answers = [ask(part, profile, as_of) for part in query.parts]
            return {"all": _all, "any": _any, "prefer": _prefer}[query.how](answers)


def _unknown(*quotes: Quote) -> Answer:
    return Answer(verdict=Verdict.UNKNOWN, grade=None, established=False, quotes=quotes)


def _ask_fact(query: FactQuery, profile: Profile) -> Answer:
    section, _, field = query.name.partition(".")
    fact: Fact | None = getattr(profile, section).get(field)
    quote = Quote(name=query.name, fact=fact)
    if fact is None or fact.value is None:
        return _unknown(quote)
    # A name says yes, and so does true; only false and an empty list say no.
    yes = fact.value in query.values if query.values else fact.value not in (False, ())
    return Answer(
        verdict=Verdict.YES if yes else Verdict.NO,
        grade=fact.status,
        established=fact.evidenced,
        quotes=(quote,),
    )


def _ask_certificate(query: CertificateQuery, held: Certificate, number: int, as_of: date) -> Answer:
    about = f"{query.kind}: {held.service}"

    def quote(field: str, remark: Literal["expired", "not-yet-valid"] | None = None) -> Quote:
        name = f"certificate.{number}.{field}"
        return Quote(name=name, fact=held.facts.get(field), service=about, remark=remark)

    def value(field: str) -> FactValue | None:
        fact = held.facts.get(field)
        return None if fact is None else fact.value

    asked = ["held"]
    asked += ["version"] if query.version else []
    asked += ["activities"] if query.activities else []
    context = [field for field in _CONTEXT if field in held.facts]
    quotes = [quote(field) for field in (*asked, *context)]
    wrong = ["held"] if value("held") is False else []
    if value("held") is True:  # a version that is only aimed at says nothing
        wrong += ["version"] if query.version and value("version") not in (None, query.version) else []
        wrong += ["activities"] if not _covers(value("activities"), query.activities) else []
    if wrong:
        weakest = max((held.facts[field] for field in wrong), key=lambda fact: fact.status.rank)
        return Answer(
            verdict=Verdict.NO,
            grade=weakest.status,
            established=all(held.facts[field].establishes for field in wrong),
            quotes=tuple(quotes),
        )
    if any(value(field) is None for field in asked):
        return _unknown(*quotes)
    until, since = value("valid_until"), value("valid_from")
    if isinstance(until, str) and date.fromisoformat(until) < as_of:
        return _unknown(quote("held", "expired"), *quotes[1:])
    if isinstance(since, str) and date.fromisoformat(since) > as_of:
        return _unknown(quote("held", "not-yet-valid"), *quotes[1:])
    rests_on = [held.facts[field] for field in asked]
    return Answer(
        verdict=Verdict.YES,
        grade=max(rests_on, key=lambda fact: fact.status.rank).status,
        # Without an end date nobody can say that it is still valid.
        established=until is not None and all(f.establishes for f in (*rests_on, held.facts["valid_until"])),
        quotes=tuple(quotes),
    )


def _covers(value: FactValue | None, activities: Iterable[int]) -> bool:
    return value is None or (isinstance(value, tuple) and set(activities) <= set(value))


def _ask_regions(query: RegionsQuery, profile: Profile) -> Answer:
    facts = {name: region.get("country") for name, region in profile.regions.items()}
    there = sorted(
        ((name, fact) for name, fact in facts.items() if fact is not None and fact.value == query.country),
        key=lambda pair: pair[1].status.rank,
    )
    if len(there) < query.at_least:
        # A profile lists what it knows of; it never says that there is nothing more.
        quotes = [Quote(name=f"regions.{name}.country", fact=fact) for name, fact in facts.items()]
        return _unknown(*(quotes or [Quote(name="regions", fact=None)]))
    carrying = there[: query.at_least]
    return Answer(
        verdict=Verdict.YES,
        grade=carrying[-1][1].status,
        established=all(fact.evidenced for _, fact in carrying),
        quotes=tuple(Quote(name=f"regions.{name}.country", fact=fact) for name, fact in there),
    )


def _rank(answer: Answer) -> tuple[bool, int]:
    return (not answer.established, answer.grade.rank if answer.grade else Status.NOT_FOUND.rank)


def _merged(answers: Sequence[Answer], *, weakest: bool) -> Answer:
    """Answers of one verdict as one: it rests on the weakest of them, or on the strongest."""
    carrying = (max if weakest else min)(answers, key=_rank)
    return Answer(
        verdict=carrying.verdict,
        grade=carrying.grade,
        established=carrying.established,
        quotes=_quotes(answers),
    )


def _quotes(answers: Iterable[Answer]) -> tuple[Quote, ...]:
    return tuple({quote.name: quote for answer in answers for quote in answer.quotes}.values())


def _any(answers: Sequence[Answer]) -> Answer:
    yes = [one for one in answers if one.verdict is Verdict.YES]
    if yes:
        return _merged(yes, weakest=False)
    if all(one.verdict is Verdict.NO for one in answers):
        return _merged(answers, weakest=True)
    return _unknown(*_quotes(answers))


def _all(answers: Sequence[Answer]) -> Answer:
    no = [one for one in answers if one.verdict is Verdict.NO]
    if no:
        return _merged(no, weakest=False)
    if all(one.verdict is Verdict.YES for one in answers):
        return _merged(answers, weakest=True)
    return _unknown(*_quotes(answers))


def _prefer(answers: Sequence[Answer]) -> Answer:
    known = [one for one in answers if one.verdict is not Verdict.UNKNOWN]
    if not known:
        return _unknown(*_quotes(answers))
    if known[0].verdict is Verdict.NO:
        return known[0]
    # What says the same later on may say it better.
    return _merged([one for one in known if one.verdict is Verdict.YES], weakest=False)
