"""How a run ended: what the ledger says now, in the shape that the command line and scripts read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from migrator.core.states import State
from migrator.ledger.ledger import Ledger

__all__ = ["LEVELS", "Report", "lowest_level", "problem_rows", "tally"]

_WORDS: Final = {
    State.PLANNED: "planned",
    State.READY: "planned",
    State.OPEN: "planned",
    State.STORED: "stored",
    State.VERIFIED: "verified",
    State.SKIPPED: "skipped",
    State.DRIFTED: "drifted",
    State.REJECTED: "rejected",
    State.FAILED: "failed",
}
LEVELS: Final = ("none", "size", "store-checksum", "ciphertext", "full")
DAMAGED: Final = "verification:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The end of one run.

    Attributes:
        wave: The wave's name.
        state: ``done``, ``incomplete``, ``interrupted`` or ``stopped``.
        exit_code: What the command exits with.
        counts: Objects by outcome; disjoint, ``total`` is their sum.
        bytes: ``total`` and ``stored`` source bytes, ``in_parts`` bytes acknowledged of objects that are half-way
            up, ``resent`` bytes sent again after an interruption.
        level: The lowest level that verified objects reached; ``none`` if any stored object is not verified.
        seconds: How long this run took.
        resent_objects: Objects begun again after an interruption.
        notes: Sentences for people.
        problems: The first objects that were not moved: ``row``, ``outcome``, ``reason``.
        error: What stopped the run, if anything did.
        details: What only runs of this kind tell; goes into the JSON report.
    """

    wave: str
    state: str
    exit_code: int
    counts: dict[str, int]
    bytes: dict[str, int]
    level: str
    seconds: float
    resent_objects: int = 0
    notes: tuple[str, ...] = ()
    problems: tuple[dict[str, Any], ...] = ()
    error: BaseException | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


def tally(ledger: Ledger) -> tuple[dict[str, int], dict[str, int]]:
    """Objects by outcome, and bytes."""
    counts = {"total": 0, **dict.fromkeys(_WORDS.values(), 0)}
    size = {"total": 0, "stored": 0, "resent": 0}
    for state, (number, total) in ledger.counts().items():
        counts["total"] += number
        counts[_WORDS[state]] += number
        size["total"] += total
        if state in (State.STORED, State.VERIFIED):
            size["stored"] += total
    open_parts = "SELECT coalesce(sum(parts.size), 0) FROM parts JOIN objects USING (row) WHERE state=2"
    size["in_parts"] = ledger.one(open_parts)
    for (resent,) in ledger.query("SELECT coalesce(sum(resent_bytes), 0) FROM runs"):
        size["resent"] = resent
    return counts, size


def lowest_level(ledger: Ledger) -> str:
    """The lowest verification level among objects at the target; ``none`` if one of them has none."""
    found = {
        level or "none"
        for (level,) in ledger.query("SELECT DISTINCT level FROM objects WHERE state IN (3, 5)")
    }
    return min(found, key=LEVELS.index) if found else "none"


def problem_rows(ledger: Ledger, *, names: bool, limit: int, skipped: bool = False) -> list[dict[str, Any]]:
    """Objects that were not moved, with the reason; keys only where they are asked for.

    ``skipped`` adds what was left on purpose: old versions, delete markers, directory markers.
    """
    statement = "SELECT row, state, reason, key FROM objects WHERE state IN (4, 7, 8) OR (? AND state=6 AND stored_size IS NULL) ORDER BY row LIMIT ?"
    return [
        {"row": row, "outcome": State(state).word, "reason": reason, **({"key": key} if names else {})}
        for row, state, reason, key in ledger.query(statement, (skipped, limit))
    ]
