"""The words of the gate: what is asked, what is answered, and how it is written down. Pure values."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any, Final

from providers.gate.derogations import Derogation
from providers.profile import Profile

__all__ = [
    "CAVEAT",
    "Answer",
    "Consequence",
    "DatasetClass",
    "FactUsed",
    "Gap",
    "Outcome",
    "Place",
    "Question",
    "Reason",
    "RuleStatus",
    "Verdict",
    "digest_of",
]

CAVEAT: Final[Mapping[str, str]] = {
    "en": "on facts as of {day}; not legal advice",
    "fr": "d'après les faits au {day} ; ceci n'est pas un avis juridique",
}
"""What stands in every output, with the day in place of ``{day}``."""


class DatasetClass(StrEnum):
    """How sensitive a dataset is, in the words of a wave file."""

    SNDS = "snds"
    EDS = "eds"
    PSEUDONYMISED = "pseudonymised"
    ANONYMOUS = "anonymous"


class Outcome(StrEnum):
    """What the gate says, mildest first; ``not-evaluated`` where no rule was asked."""

    NO_OBJECTION = "no-objection"
    CONDITIONS = "conditions"
    REFUSED = "refused"
    NOT_EVALUATED = "not-evaluated"


class Answer(StrEnum):
    """What the facts say to a rule's question."""

    ESTABLISHED = "established"
    NOT_ESTABLISHED = "not established"
    CONTRADICTED = "contradicted"


class Consequence(StrEnum):
    """What follows from an answer, mildest first."""

    NONE = "none"
    NOTE = "note"
    CONDITION = "condition"
    REFUSED = "refused"

    @property
    def weight(self) -> int:
        """0 for ``none`` up to 3 for ``refused``."""
        return tuple(Consequence).index(self)


class RuleStatus(StrEnum):
    """Whether a rule stands in its source, or is how we and others read it."""

    TEXT = "text"
    INTERPRETATION = "interpretation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where data would lie, or pass through.

    Attributes:
        name: What people call it: a location, or ``worker``.
        profile: What is known of the offer; None where nothing was declared.
        region: The offer's region, if known.
        service: The service whose qualifications count, in its vendor's words; None where it has no name.
        own: Whether it is declared to stand on the controller's own premises.
        country: The country that the operator declared (ISO 3166), if any.
        operator: Who runs it, as declared.
        declared_in: Where the declaration stands, for the record.
    """

    name: str
    profile: Profile | None = None
    region: str | None = None
    service: str | None = None
    own: bool = False
    country: str | None = None
    operator: str | None = None
    declared_in: str = "havre.toml"

    def to_dict(self) -> dict[str, Any]:
        """As it is recorded; what is unknown is left out."""
        values = {
            "name": self.name,
            "provider": None if self.profile is None else self.profile.name,
            "region": self.region,
            "service": self.service,
            "own_premises": self.own or None,
            "country": self.country,
            "operator": self.operator,
        }
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """May this dataset go there, in this way?

    Attributes:
        dataset_class: How sensitive it is.
        destination: Where it would lie.
        mode: What happens to the bytes: ``encrypt``, ``rewrap``, ``copy`` or ``decrypt``.
        source: Where it comes from, for the record; no rule judges it.
        worker: Where the migrator itself runs; None where that was not declared.
        wave: The wave's name, if it has one yet (derogations may name it).
        derogations: Signed exceptions, each already checked by ``read_derogation``.
    """

    dataset_class: DatasetClass
    destination: Place
    mode: str = "encrypt"
    source: Place | None = None
    worker: Place | None = None
    wave: str | None = None
    derogations: tuple[Derogation, ...] = ()

    @property
    def seals(self) -> bool:
        """Whether only ciphertext under the dataset owner's keys leaves."""
        return self.mode in {"encrypt", "rewrap"}


@dataclass(frozen=True, slots=True, kw_only=True)
class FactUsed:
    """A fact that an answer was read from, as it was quoted.

    Attributes:
        name: Where it stands: place and dotted name, such as ``destination: law.hq_country``.
        value: What it states; None where it was looked for and not found.
        status: How well it is known; ``declared`` for what the configuration says.
        source: Where it was read.
        date: When the source said so; None for declarations.
        note: What a reader should know besides.
        document: Digest of the operator's document, if it was read in one.
    """

    name: str
    value: Any
    status: str
    source: str
    date: str | None = None
    note: str | None = None
    document: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """As it is recorded; what is not known is left out, except the value."""
        values = {
            "name": self.name,
            "value": list(self.value) if isinstance(self.value, tuple) else self.value,
            "status": self.status,
            "source": self.source,
            "date": self.date,
            "note": self.note,
            "document": self.document,
        }
        return {name: value for name, value in values.items() if value is not None or name == "value"}


_GAPS: Final[Mapping[str, Mapping[str, str]]] = {
    "no-profile": {"en": "nothing was declared", "fr": "rien n'a été déclaré"},
    "no-service": {
        "en": "it is not known by which name the service is qualified",
        "fr": "on ignore sous quel nom le service est qualifié",
    },
    "no-certificate": {
        "en": "nothing is stated for the service {value}",
        "fr": "rien n'est énoncé pour le service {value}",
    },
    "weak": {
        "en": "{value} is not known well enough",
        "fr": "{value} n'est pas assez bien connu",
    },
    "missing": {"en": "{value} is not known", "fr": "{value} n'est pas connu"},
    "denied": {"en": "{value} says otherwise", "fr": "{value} dit le contraire"},
    "expired": {"en": "it ended on {value}", "fr": "il a pris fin le {value}"},
    "early": {"en": "it begins on {value} only", "fr": "il ne commence que le {value}"},
    "older": {"en": "its version is {value}", "fr": "sa version est {value}"},
    "activities": {
        "en": "activities {value} are not among those stated",
        "fr": "les activités {value} ne sont pas parmi celles énoncées",
    },
    "outside": {"en": "{value} lies outside", "fr": "{value} est au-dehors"},
    "strings": {
        "en": "it is bound to: {value}",
        "fr": "il est lié à : {value}",
    },
    "plain": {
        "en": "mode {value} does not seal for the owner's keys",
        "fr": "le mode {value} ne scelle pas pour les clés du propriétaire",
    },
}


@dataclass(frozen=True, slots=True)
class Gap:
    """What is missing for an answer, or speaks against it.

    Attributes:
        code: One of a closed list, part of the JSON output.
        value: What it is about.
    """

    code: str
    value: str = ""

    def text(self, language: str = "en") -> str:
        """In words."""
        return _GAPS[self.code][language].replace("{value}", self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One rule and what the facts say to it.

    Attributes:
        rule: Its id.
        status: Whether it is text or interpretation.
        controls: Ids of the controls it belongs to.
        sources: Where it was read.
        statement: What it says, by language.
        answer: What the facts say.
        consequence: What follows.
        text: What follows, in words, by language; empty where nothing does.
        facts: What the answer was read from.
        gaps: What is missing, or speaks against it; empty where it is established.
        overridden_by: Digest of the derogation that takes a refusal back to a condition, or None.
    """

    rule: str
    status: RuleStatus
    controls: tuple[str, ...]
    sources: tuple[str, ...]
    statement: Mapping[str, str]
    answer: Answer
    consequence: Consequence
    text: Mapping[str, str]
    facts: tuple[FactUsed, ...]
    gaps: tuple[Gap, ...] = ()
    overridden_by: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """As it is recorded."""
        return {
            "rule": self.rule,
            "status": str(self.status),
            "controls": list(self.controls),
            "sources": list(self.sources),
            "statement": dict(self.statement),
            "answer": str(self.answer),
            "consequence": str(self.consequence),
            "text": dict(self.text),
            "facts": [fact.to_dict() for fact in self.facts],
            "gaps": [{"code": gap.code, "value": gap.value} for gap in self.gaps],
            "overridden_by": self.overridden_by,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the gate says to a question on one day.

    Attributes:
        outcome: The worst that follows from any rule, derogations counted.
        as_of: The day it speaks of.
        question: What was asked.
        reasons: One for each rule of the class, worst first.
        rules_digest: SHA-256 of the rules that were asked.
        facts_digest: SHA-256 of the question and of the facts that were used.
    """

    outcome: Outcome
    as_of: date
    question: Question
    reasons: tuple[Reason, ...] = field(default_factory=tuple)
    rules_digest: str
    facts_digest: str

    @property
    def refusals(self) -> tuple[Reason, ...]:
        """Reasons that refuse and that no derogation takes back."""
        return tuple(
            reason
            for reason in self.reasons
            if reason.consequence is Consequence.REFUSED and reason.overridden_by is None
        )

    @property
    def conditions(self) -> tuple[Reason, ...]:
        """Reasons that ask for something before data leaves."""
        return tuple(reason for reason in self.reasons if reason.consequence is Consequence.CONDITION)

    @property
    def derogations(self) -> tuple[str, ...]:
        """Digests of the derogations that this verdict relies on."""
        return tuple(sorted({reason.overridden_by for reason in self.reasons if reason.overridden_by}))

    def caveat(self, language: str = "en") -> str:
        """The sentence that goes with every output."""
        return CAVEAT[language].replace("{day}", self.as_of.isoformat())

    def to_dict(self) -> dict[str, Any]:
        """As it is recorded: texts, lists and integers only, so that it has a canonical JSON form."""
        question = self.question
        asked: dict[str, Any] = {
            "class": str(question.dataset_class),
            "mode": question.mode,
            "destination": question.destination.to_dict(),
            "worker": None if question.worker is None else question.worker.to_dict(),
        }
        if question.source is not None:
            asked["source"] = question.source.to_dict()
        if question.wave is not None:
            asked["wave"] = question.wave
        return {
            "outcome": str(self.outcome),
            "as_of": self.as_of.isoformat(),
            "caveat": self.caveat(),
            "question": asked,
            "reasons": [reason.to_dict() for reason in self.reasons],
            "rules_digest": self.rules_digest,
            "facts_digest": self.facts_digest,
            "derogations": list(self.derogations),
        }


def digest_of(value: object) -> str:
    """SHA-256, hexadecimal, of a value's canonical JSON form."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
