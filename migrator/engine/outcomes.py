"""From what went wrong to what the ledger records, and whether the whole run must stop."""

from __future__ import annotations

from dataclasses import dataclass

from migrator.core.events import Event, ObjectFailed, ObjectRejected, SourceDrifted
from migrator.engine.settle import TargetTaken
from migrator.envelope.errors import EnvelopeError, NoMatch
from migrator.errors import CapabilityMissing, IntegrityError, SourceDrift
from migrator.ledger.rows import Row
from providers.errors import Damaged, Exhausted, PermissionDenied, Retry, StoreError, Truncated, UploadLost

__all__ = ["Verdict", "judge"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of one object after an error.

    Attributes:
        outcome: Word for the report, or None where the object stays as it is for the next run.
        event: What the ledger records, or None.
        stop: The run must stop for this.
        temporary: It may pass; several in a row stop the run.
        refused: The store gives or takes this one not; several in a row stop the run.
        damaged: What is stored is not what was sent.
    """

    outcome: str | None
    event: Event | None
    stop: bool = False
    temporary: bool = False
    refused: bool = False
    damaged: bool = False


def judge(row: Row, error: BaseException, *, opened_any: bool) -> Verdict | None:
    """The verdict on an error, or None if it is none of ours (a bug, or a dead ledger)."""
    match error:
        case SourceDrift():
            return Verdict("drifted", SourceDrifted(row.row, error.message))
        case TargetTaken() | CapabilityMissing():
            return Verdict("rejected", ObjectRejected(row.row, error.message))
        case IntegrityError():
            return Verdict(
                "rejected", ObjectRejected(row.row, f"verification: {error.message}"), damaged=True
            )
        case NoMatch() if not opened_any:
            return Verdict(None, None, stop=True)
        case EnvelopeError() | Damaged():
            return Verdict("rejected", ObjectRejected(row.row, f"source: {error.message}"))
        case Exhausted() if isinstance(error.__cause__, Truncated):
            return Verdict("failed", ObjectFailed(row.row, "ended early: fewer bytes arrived than announced"))
        case Exhausted() | UploadLost():
            return Verdict("failed", None, temporary=True)
        case PermissionDenied():
            # One object may be closed to us (a key of its own, a policy on a prefix) where the others are not.
            return Verdict("failed", ObjectFailed(row.row, f"{error.code}: {error.message}"), refused=True)
        case StoreError() if error.retry is Retry.STOP:
            return Verdict(None, None, stop=True)
        case StoreError() if error.retry is Retry.LATER:
            return Verdict("failed", None, temporary=True)
        case StoreError():
            return Verdict("failed", ObjectFailed(row.row, f"{error.code}: {error.message}"))
    return None
