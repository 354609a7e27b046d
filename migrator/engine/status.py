"""Where a wave stands: read from the ledger alone, also while a run is under way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from migrator.core.plan import Plan
from migrator.engine.files import WaveFiles
from migrator.engine.report import lowest_level, problem_rows, tally
from migrator.errors import NothingThere
from migrator.ledger.ledger import Ledger

__all__ = ["audit", "notes", "problems", "status"]


@contextmanager
def _reading(files: WaveFiles, plan: Plan) -> Iterator[Ledger]:
    if not files.ledger.exists():
        raise NothingThere("this wave has no ledger yet", hint="run 'havre migrate' first")
    ledger = Ledger.open(files.ledger, wave_id=plan.id, read_only=True)
    try:
        yield ledger
    finally:
        ledger.close()


def status(files: WaveFiles) -> dict[str, Any]:
    """Where the wave stands, in the shape of ``havre status --json``.

    Raises:
        NothingThere: There is no such wave file.
        LedgerError: The ledger cannot be read.
    """
    plan = files.load()
    facts: dict[str, Any] = {
        "wave": plan.wave,
        "class": str(plan.dataset_class),
        "mode": str(plan.mode),
        "source": plan.source,
        "target": plan.target,
        "gate": plan.gate,
        "names": str(plan.names),
    }
    if not files.ledger.exists():
        empty = dict.fromkeys(
            ("total", "planned", "stored", "verified", "skipped", "drifted", "rejected", "failed"), 0
        )
        return {
            **facts,
            "state": "planned",
            "objects": empty,
            "bytes": {"total": 0, "stored": 0, "resent": 0, "in_parts": 0},
            "verification": {"level": "none"},
        }
    with _reading(files, plan) as ledger:
        counts, size = tally(ledger)
        runs = [
            {
                "started_at": _time(started),
                "ended_at": _time(ended),
                "outcome": outcome,
                "epoch": epoch,
                "resent_objects": objects,
                "resent_bytes": resent,
            }
            for started, ended, outcome, epoch, objects, resent in ledger.query(
                "SELECT started_ms, ended_ms, outcome, epoch, resent_objects, resent_bytes FROM runs ORDER BY id"
            )
        ]
        levels = dict(
            ledger.query(
                "SELECT coalesce(level, 'none'), count(*) FROM objects WHERE state IN (3, 5) GROUP BY 1"
            )
        )
        return {
            **facts,
            "state": _state(ledger, runs),
            "objects": counts,
            "bytes": size,
            "verification": {"level": lowest_level(ledger), "objects": levels},
            "sealed_at": _time(ledger.meta("sealed_ms")),
            "book": ledger.meta("book_key"),
            "ledger": {"head": ledger.head.hex(), "batches": ledger.seq, "path": str(files.ledger)},
            "runs": runs,
        }


def _state(ledger: Ledger, runs: list[dict[str, Any]]) -> str:
    if not runs:
        return "planned"
    if runs[-1]["outcome"] is not None:
        return str(runs[-1]["outcome"])
    return "unfinished" if ledger.meta("sealed_ms") is not None else "listing"


def _time(milliseconds: int | None) -> str | None:
    if milliseconds is None:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")


def problems(files: WaveFiles, *, names: bool, limit: int) -> list[dict[str, Any]]:
    """Objects that were not moved, with the reason."""
    with _reading(files, files.load()) as ledger:
        return problem_rows(ledger, names=names, limit=limit, skipped=True)


def notes(files: WaveFiles, *, names: bool, limit: int) -> list[dict[str, Any]]:
    """Objects of which something could not travel, with what it was."""
    statement = (
        "SELECT notes.row, note, key FROM notes JOIN objects ON objects.row = notes.row ORDER BY 1, 2 LIMIT ?"
    )
    with _reading(files, files.load()) as ledger:
        return [
            {"row": row, "note": note, **({"key": key} if names else {})}
            for row, note, key in ledger.query(statement, (limit,))
        ]


def audit(files: WaveFiles) -> dict[str, Any]:
    """Check the ledger's hash chain, and that its events lead to the states it shows.

    Raises:
        LedgerCorrupt: They disagree.
    """
    with _reading(files, files.load()) as ledger:
        batches = ledger.audit()
        return {"batches": batches, "head": ledger.head.hex(), "sound": True}
