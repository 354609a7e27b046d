"""What one host tells of itself, and how that stands against a baseline. Nothing on the host is changed.

``collect`` runs the fixed commands; ``attest`` compares, purely. A fact that was not told is never taken as good:
its finding is ``not-established``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from providers.estate.clean import clean_text, clean_value
from providers.estate.commands import QUESTIONS, SUDO, Question, Verdict, verdict_of
from providers.estate.model import Setting
from providers.estate.parsers import PARSERS

if TYPE_CHECKING:
    from providers.estate.baseline import Baseline, Expectation
    from providers.estate.ssh import Run

__all__ = ["HOSTS_FORMAT", "HostFinding", "HostReport", "Outcome", "attest", "collect"]

HOSTS_FORMAT: Final = "havre-hosts-1"
_WORDS: Final = {
    Verdict.MISSING: "the command is not there",
    Verdict.NO_PERMISSION: "this login may not ask it",
    Verdict.FAILED: "the command failed or was not understood",
}
_QUESTION_OF: Final = {"disks.crypt_mappings": "crypt", "updates.lists_at": "lists"}
"""Facts whose question is not the first part of their name."""


class Outcome(StrEnum):
    """How a host stands against one expectation."""

    AS_EXPECTED = "as-expected"
    DIFFERS = "differs"
    NOT_ESTABLISHED = "not-established"


@dataclass(frozen=True, slots=True, kw_only=True)
class HostReport:
    """What a host told.

    Attributes:
        host: What it was called on the command line or by its site.
        asked_at: When.
        facts: Name → fact.
        untold: Question → why it was not answered.
    """

    host: str
    asked_at: datetime
    facts: Mapping[str, Setting] = field(default_factory=dict)
    untold: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "host": self.host,
            "asked_at": self.asked_at.astimezone(UTC).isoformat(timespec="seconds"),
            "facts": {
                name: list(value) if isinstance(value, tuple) else value
                for name, value in sorted(self.facts.items())
            },
            "untold": dict(sorted(self.untold.items())),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFinding:
    """One expectation, one host.

    Attributes:
        host: The host.
        baseline: Name of the baseline.
        expectation: What was expected, with its source.
        outcome: How it stands.
        observed: What the host told; None where it told nothing.
        text: Why it is not established; empty otherwise.
    """

    host: str
    baseline: str
    expectation: Expectation
    outcome: Outcome
    observed: Setting | None = None
    text: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        expected = self.expectation
        return {
            "host": self.host,
            "baseline": self.baseline,
            "id": expected.id,
            "title": expected.title,
            "outcome": self.outcome.value,
            "fact": expected.fact,
            "observed": list(self.observed) if isinstance(self.observed, tuple) else self.observed,
            "rule": expected.rule,
            "expected": list(expected.value) if isinstance(expected.value, tuple) else expected.value,
            "reading": expected.reading,
            "recommendation": expected.recommendation,
            "source": expected.source.to_dict(),
            "text": self.text,
        }


def collect(run: Run, *, sudo: bool = False) -> tuple[dict[str, Setting], dict[str, str]]:
    """Ask a host everything.

    Args:
        run: Runs one command there.
        sudo: Try first, without a password, with rights.

    Returns:
        Facts by name, and the questions that were not answered with the reason.

    Raises:
        Unavailable: The connection broke.
    """
    facts: dict[str, Setting] = {}
    untold: dict[str, str] = {}
    for question in QUESTIONS:
        why = _ask(run, question, facts, sudo=sudo)
        if why is not None:
            untold[question.name] = question.missing if why == Verdict.MISSING else _WORDS[why]
    return facts, untold


def _ask(run: Run, question: Question, facts: dict[str, Setting], *, sudo: bool) -> str | None:
    ways = question.commands
    if sudo and question.name in SUDO:
        ways = (SUDO[question.name], *ways)
    verdicts = []
    for parser, command in ways:
        answer = run(command)
        why = verdict_of(question, answer)
        if why is None:
            try:
                found = PARSERS[parser](answer.out)
            except (ValueError, KeyError, TypeError, AttributeError, OverflowError, OSError):
                # Somebody else's program may print anything.
                why = Verdict.FAILED
            else:
                for name, value in found.items():
                    cleaned = clean_value(value)
                    facts[clean_text(name)] = "" if cleaned is None else cleaned
                return None
        verdicts.append(why)
    # The most telling: being refused says more than a command that is not there.
    for verdict in (Verdict.NO_PERMISSION, Verdict.FAILED):
        if verdict in verdicts:
            return verdict
    return Verdict.MISSING


def attest(report: HostReport, baseline: Baseline) -> tuple[HostFinding, ...]:
    """Hold what a host told against every expectation of a baseline, in its order. Pure."""
    return tuple(_hold(report, baseline.name, one) for one in baseline.expectations)


def _hold(report: HostReport, baseline: str, expected: Expectation) -> HostFinding:
    observed = report.facts.get(expected.fact)
    if observed is None:
        question = _QUESTION_OF.get(expected.fact, expected.fact.partition(".")[0])
        why = report.untold.get(question, "the host does not tell this")
        outcome = Outcome.NOT_ESTABLISHED
    else:
        held = expected.holds(observed, report.asked_at)
        why = "" if held is not None else "what the host told cannot be compared"
        outcome = {True: Outcome.AS_EXPECTED, False: Outcome.DIFFERS, None: Outcome.NOT_ESTABLISHED}[held]
    return HostFinding(
        host=report.host,
        baseline=baseline,
        expectation=expected,
        outcome=outcome,
        observed=observed,
        text=why,
    )
