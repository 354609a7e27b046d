"""How a rewrap ended: what it did, what is left, and what former readers keep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from migrator.core.events import RunEnded
from migrator.engine.context import Context
from migrator.engine.readers import Change, ReaderSet, fingerprints
from migrator.engine.report import DAMAGED, Report, lowest_level, problem_rows, tally
from migrator.engine.rewrap_request import TO_DO
from migrator.errors import Interrupted
from migrator.ledger.ledger import Ledger

__all__ = ["Done", "rewrap_report"]

_PROBLEMS: Final = 20
_INTERRUPTED: Final = 130
_BEHIND: Final = "SELECT count(*) FROM objects WHERE stored_size IS NOT NULL AND state<>7 AND readers<?"
_LEFT_TO_FORMER: Final = (
    "readers who were taken out keep what they had: copies, data keys they opened, and old versions that the store "
    "still holds; only --revoke takes the objects themselves from them"
)
_LEFT_BEHIND: Final = "{} object(s) were not brought over and may still open for readers who were taken out"
_LEFT_AFTER_REVOKE: Final = (
    "readers who were taken out keep the copies they made and old versions that the store still holds; the objects "
    "that were brought over are closed to them"
)


@dataclass(slots=True)
class Done:
    """What one run has done: objects rewrapped, verified, found changed; left for good; old versions left behind."""

    rewrapped: int = 0
    verified: int = 0
    changed: int = 0
    permanent: int = 0
    old_versions: int = 0
    notes: list[str] = field(default_factory=list)


def rewrap_report(
    context: Context,
    sets: Sequence[ReaderSet],
    change: Change,
    done: Done,
    error: BaseException | None,
    seconds: float,
) -> Report:
    """Record how it ended, and say so."""
    to = change.to
    statement = f"SELECT count(*) FROM objects WHERE {TO_DO}"
    left = context.writer.call(Ledger.one, statement, (to.number,))
    counts, size = context.writer.call(tally)
    size["resent"] = 0
    state, exit_code = _ending(context, done, left, counts, error)
    context.writer.commit(RunEnded(state))
    problems = context.writer.call(problem_rows, names=False, limit=_PROBLEMS)
    problems += [
        {"row": row, "outcome": "not rewrapped", "reason": reason} for row, reason in context.troubles.items()
    ]
    return Report(
        wave=context.plan.wave,
        state=state,
        exit_code=exit_code,
        counts=counts,
        bytes=size,
        level=context.writer.call(lowest_level),
        seconds=seconds,
        notes=tuple(_notes(context, sets, change, done, left)),
        problems=tuple(problems[:_PROBLEMS]),
        error=error,
        details={
            "rewrap": {
                "readers": fingerprints(to.recipients),
                "added": fingerprints(change.added),
                "removed": fingerprints(change.removed),
                "revoked": to.revoke,
                "objects": {
                    "rewrapped": done.rewrapped,
                    "verified": done.verified,
                    "changed_at_target": done.changed,
                    "left": left,
                },
            }
        },
    )


def _notes(context: Context, sets: Sequence[ReaderSet], change: Change, done: Done, left: int) -> list[str]:
    notes = [f"readers now: {', '.join(fingerprints(change.to.recipients))}"]
    if not done.rewrapped and not left and not done.changed:
        notes.append("nothing was left to do: every object is for these readers already")
    if done.old_versions:
        notes.append(f"{done.old_versions} old version(s) stay at the target, with their old readers")
    if change.removed or any(one.number and _lost(sets, one) for one in sets):
        notes.append(_LEFT_AFTER_REVOKE if change.to.revoke else _LEFT_TO_FORMER)
        behind = context.writer.call(Ledger.one, _BEHIND, (change.to.number,))
        if behind:
            notes.append(_LEFT_BEHIND.format(behind))
    held = {identity.recipient() for identity in context.identities}
    if not held & set(change.to.recipients):
        notes.append("no private key of a reader was given: that the new headers open was not tried")
    return [*done.notes, *notes]


def _lost(sets: Sequence[ReaderSet], of: ReaderSet) -> bool:
    before = sets[of.number - 1]
    return not set(before.recipients) <= set(of.recipients)


def _ending(
    context: Context, done: Done, left: int, counts: dict[str, int], error: BaseException | None
) -> tuple[str, int]:
    damaged = context.writer.call(
        Ledger.one, "SELECT count(*) FROM objects WHERE state=8 AND reason LIKE ?", (DAMAGED + "%",)
    )
    if isinstance(error, Interrupted):
        return "interrupted", _INTERRUPTED
    if error is not None:
        return "stopped", int(getattr(error, "exit_code", 1))
    if damaged:
        return "incomplete", 4
    if left and not done.permanent:
        return "incomplete", 5
    if left or counts["rejected"] or counts["drifted"]:
        return "incomplete", 3
    return "done", 0
