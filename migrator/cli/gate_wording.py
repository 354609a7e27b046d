"""A verdict of the gate for people: first what it says, then why, then the facts it was read from. Pure."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any, Final

from migrator.cli.output import plain
from providers.gate import Consequence

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from providers.gate import FactUsed, Place, Reason, Verdict

__all__ = ["gate_lines"]

_WIDTH: Final = 100
_WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "en": {
        "verdict": "verdict",
        "asked": "asked",
        "worker": "worker",
        "reasons": "Reasons",
        "follows": "What follows",
        "facts": "Facts, as quoted from their sources",
        "no-facts": "No fact was found.",
        "head": "follows|rule|the rule is|the facts say",
        "question": "{class} data, mode {mode}, to {place}",
        "undeclared": "not declared: see [worker] in the documentation of havre.toml",
        "missing": "open",
        "overridden": "overridden by the derogation {digest}",
        "controls": "controls",
        "source": "source",
        "not_found": "looked for and not found",
        "own": "own premises",
        "region": "region",
        "service": "service",
        "operator": "run by",
        "country": "country",
        "derogation": "derogation",
        "document": "document",
    },
    "fr": {
        "verdict": "avis",
        "asked": "question",
        "worker": "machine",
        "reasons": "Raisons",
        "follows": "Ce qui s'ensuit",
        "facts": "Faits, cités de leurs sources",
        "no-facts": "Aucun fait n'a été trouvé.",
        "head": "suite|règle|la règle est|les faits disent",
        "question": "données {class}, mode {mode}, vers {place}",
        "undeclared": "non déclarée : voir [worker] dans la documentation de havre.toml",
        "missing": "manque",
        "overridden": "levé par la dérogation {digest}",
        "controls": "exigences",
        "source": "source",
        "not_found": "cherché et non trouvé",
        "own": "locaux propres",
        "region": "région",
        "service": "service",
        "operator": "exploité par",
        "country": "pays",
        "derogation": "dérogation",
        "document": "document",
    },
}
_TERMS: Final[Mapping[str, str]] = {
    "no-objection": "pas d'objection",
    "conditions": "sous conditions",
    "refused": "refus",
    "not-evaluated": "non évalué",
    "established": "établi",
    "not established": "non établi",
    "contradicted": "contredit",
    "none": "rien",
    "note": "note",
    "condition": "condition",
    "text": "texte",
    "interpretation": "interprétation",
    "true": "vrai",
    "false": "faux",
}


def gate_lines(verdict: Verdict, language: str = "en") -> list[str]:
    """The verdict as lines of text, in English or French."""
    words = _WORDS[language]
    question = verdict.question
    facts = list(dict.fromkeys(fact for reason in verdict.reasons for fact in reason.facts))
    asked = (
        words["question"]
        .replace("{class}", str(question.dataset_class))
        .replace("{mode}", question.mode)
        .replace("{place}", _place(question.destination, words))
    )
    worker = words["undeclared"] if question.worker is None else _place(question.worker, words)
    lines = [
        _pair(words["verdict"], f"{_term(verdict.outcome, language)}, {verdict.caveat(language)}"),
        *_wrapped(words["asked"], asked),
        *_wrapped(words["worker"], worker),
        *(_pair(words["derogation"], digest) for digest in verdict.derogations),
        "",
        words["reasons"],
        *_table(verdict.reasons, words, language),
    ]
    told = [reason for reason in verdict.reasons if reason.consequence is not Consequence.NONE]
    if told:
        lines += ["", words["follows"]]
        for reason in told:
            lines += _reason(reason, facts, words, language)
    lines += ["", words["facts"]]
    if not facts:
        lines.append(f"  {words['no-facts']}")
    for number, fact in enumerate(facts, 1):
        lines += _fact(number, fact, words, language)
    return lines


def _table(reasons: Iterable[Reason], words: Mapping[str, str], language: str) -> list[str]:
    rows = [tuple(words["head"].split("|"))]
    rows += [
        (
            _term(reason.consequence, language) + ("*" if reason.overridden_by else ""),
            reason.rule,
            _term(reason.status, language),
            _term(reason.answer, language),
        )
        for reason in reasons
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _reason(reason: Reason, facts: list[FactUsed], words: Mapping[str, str], language: str) -> Iterable[str]:
    yield f"  {_term(reason.consequence, language)}: {reason.rule}"
    yield from _indented(reason.statement[language])
    yield from _indented("-> " + reason.text[language])
    if reason.overridden_by:
        yield from _indented(words["overridden"].replace("{digest}", reason.overridden_by))
    if reason.gaps:
        gaps = "; ".join(plain(gap.text(language)) for gap in reason.gaps)
        yield from _indented(f"{words['missing']}: {gaps}")
    numbers = "".join(f" [{facts.index(fact) + 1}]" for fact in reason.facts)
    yield from _indented(f"{words['controls']}: {', '.join(reason.controls)}{numbers}")
    for source in reason.sources:
        yield f"    {words['source']}: {source}"


def _fact(number: int, fact: FactUsed, words: Mapping[str, str], language: str) -> Iterable[str]:
    yield f"  [{number}] {plain(fact.name)}: {_value(fact.value, words, language)}"
    known = ", ".join(part for part in (fact.status.replace("_", " "), fact.date) if part)
    yield f"      {known}; {plain(fact.source)}"
    if fact.document:
        yield f"      {words['document']} {fact.document}"
    if fact.note:
        yield from textwrap.wrap(
            f"“{plain(fact.note)}”", _WIDTH, initial_indent="      ", subsequent_indent="      "
        )


def _value(value: Any, words: Mapping[str, str], language: str) -> str:
    if value is None:
        return words["not_found"]
    if isinstance(value, bool):
        text = str(value).lower()
        return _TERMS[text] if language == "fr" else text
    if isinstance(value, tuple):
        return ", ".join(_value(item, words, language) for item in value)
    return f"“{plain(value)}”" if isinstance(value, str) else str(value)


def _place(place: Place, words: Mapping[str, str]) -> str:
    about = [
        None if place.profile is None else place.profile.name,
        words["own"] if place.own else None,
        *(
            f"{words[name]} {getattr(place, name)}"
            for name in ("region", "country", "service", "operator")
            if getattr(place, name)
        ),
    ]
    said = ", ".join(part for part in about if part)
    return plain(said if place.name == "worker" else f"{place.name} ({said})" if said else place.name)


def _term(word: str, language: str) -> str:
    return _TERMS[str(word)] if language == "fr" else str(word)


def _pair(name: str, text: str) -> str:
    return f"{name:<11}{text}"


def _wrapped(name: str, text: str) -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=f"{name:<11}",
        subsequent_indent=" " * 11,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _indented(text: str) -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent="    ",
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
    )
