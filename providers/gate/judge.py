"""From rules and facts to a verdict. Pure: no clock, no file, no network."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

from providers.gate.queries import Answered, ask
from providers.gate.terms import (
    Answer,
    Consequence,
    FactUsed,
    Gap,
    Outcome,
    Question,
    Reason,
    Verdict,
    digest_of,
)

if TYPE_CHECKING:
    from providers.gate.rules import Follows, Rule, Way

__all__ = ["evaluate"]


def evaluate(question: Question, rules: Iterable[Rule], *, at: date) -> Verdict:
    """What the rules say to a question, on the facts that its places carry.

    Args:
        question: Dataset, places, mode, derogations.
        rules: All rules; those of other classes are left aside.
        at: The day that certificates and derogations must be valid on.
    """
    asked = tuple(rule for rule in rules if question.dataset_class in rule.classes)
    reasons = [_derogated(_reason(rule, question, at), question, at) for rule in asked]
    reasons.sort(key=lambda reason: -reason.consequence.weight)
    verdict = Verdict(
        outcome=_outcome(reasons),
        as_of=at,
        question=question,
        reasons=tuple(reasons),
        rules_digest=digest_of([rule.to_dict() for rule in asked]),
        facts_digest="",
    )
    document = verdict.to_dict()
    facts = [[reason["rule"], reason["facts"]] for reason in document["reasons"]]
    return replace(
        verdict, facts_digest=digest_of({"question": document["question"], "facts": sorted(facts)})
    )


def _outcome(reasons: Sequence[Reason]) -> Outcome:
    if not reasons:
        return Outcome.NOT_EVALUATED
    weights = [
        Consequence.CONDITION.weight if reason.overridden_by else reason.consequence.weight
        for reason in reasons
    ]
    worst = max(weights)
    if worst == Consequence.REFUSED.weight:
        return Outcome.REFUSED
    return Outcome.CONDITIONS if worst == Consequence.CONDITION.weight else Outcome.NO_OBJECTION


def _reason(rule: Rule, question: Question, at: date) -> Reason:
    tried = [(way, _all(way, question, at)) for way in rule.ways]
    met = [(way, found) for way, found in tried if found.answer is Answer.ESTABLISHED]
    follows: Follows
    if met:
        way, found = min(met, key=lambda pair: pair[0].follows.consequence.weight)
        return _told(rule, Answer.ESTABLISHED, way.follows, found.facts, ())
    if any(found.answer is Answer.CONTRADICTED for _, found in tried):
        answer, follows = Answer.CONTRADICTED, rule.against
    else:
        answer, follows = Answer.NOT_ESTABLISHED, rule.silence
    facts = tuple(fact for _, found in tried for fact in found.facts)
    gaps = tuple(gap for _, found in tried for gap in found.gaps)
    return _told(rule, answer, follows, facts, gaps)


def _all(way: Way, question: Question, at: date) -> Answered:
    """The answer to all of a way's queries together: its worst."""
    answers = [ask(query, question, at) for query in way.queries]
    order = (Answer.CONTRADICTED, Answer.NOT_ESTABLISHED, Answer.ESTABLISHED)
    worst = min((answered.answer for answered in answers), key=order.index)
    return Answered(
        worst,
        tuple(fact for answered in answers for fact in answered.facts),
        tuple(gap for answered in answers for gap in answered.gaps),
    )


def _told(
    rule: Rule, answer: Answer, follows: Follows, facts: Iterable[FactUsed], gaps: Iterable[Gap]
) -> Reason:
    return Reason(
        rule=rule.id,
        status=rule.status,
        controls=rule.controls,
        sources=rule.sources,
        statement=rule.statement,
        answer=answer,
        consequence=follows.consequence,
        text=follows.text,
        facts=tuple(dict.fromkeys(facts)),
        gaps=tuple(dict.fromkeys(gaps)),
    )


def _derogated(reason: Reason, question: Question, at: date) -> Reason:
    """The reason, taken back to a condition where a derogation that speaks of this case names its rule."""
    if reason.consequence is not Consequence.REFUSED:
        return reason
    for derogation in question.derogations:
        speaks = derogation.refusal(
            dataset_class=str(question.dataset_class),
            destination=question.destination.name,
            wave=question.wave,
            at=at,
        )
        if speaks is None and derogation.overrides(reason.rule):
            return replace(reason, overridden_by=derogation.digest)
    return reason
