"""What a rewrap is asked for, whether the wave allows it, and what it would do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from migrator.core.plan import Plan
from migrator.engine.files import WaveFiles
from migrator.engine.opening import Opener
from migrator.engine.readers import Change, ReaderSet, decide, fingerprints, reader_sets
from migrator.envelope.keys import Recipient
from migrator.errors import NothingThere, UsageError
from migrator.ledger.ledger import Ledger

__all__ = ["TO_DO", "UNFINISHED", "Request", "decided", "refuse_unsealed", "rehearse_rewrap"]

UNFINISHED: Final = (
    "SELECT 1 FROM objects o WHERE state IN (0, 1, 2, 4) OR (state=3 AND NOT EXISTS "
    "(SELECT 1 FROM rewraps r WHERE r.row=o.row AND r.generation=o.generation) AND NOT EXISTS "
    "(SELECT 1 FROM rewrapping w WHERE w.row=o.row)) LIMIT 1"
)
TO_DO: Final = "stored_size IS NOT NULL AND (state=3 OR (state IN (5, 6) AND readers<?))"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked for: readers to add, readers to take out, and whether bodies get a fresh data key."""

    add: tuple[Recipient, ...] = ()
    remove: tuple[Recipient, ...] = ()
    revoke: bool = False


def rehearse_rewrap(plan: Plan, files: WaveFiles, opener: Opener, request: Request) -> dict[str, Any]:
    """What a rewrap would do, as ``{"wave", "would": {...}}``; reads the ledger, writes nothing.

    Raises:
        UsageError, NothingThere: As for ``rewrap``.
    """
    refuse_unsealed(plan)
    if not files.ledger.exists():
        raise NothingThere("this wave has no ledger yet", hint="run 'havre migrate' first")
    ledger = Ledger.open(files.ledger, wave_id=plan.id, plan_digest=plan.digest, read_only=True)
    try:
        sets, change = decided(ledger, plan, request)
        revoke = any(one.revoke for one in [*sets, change.to])
        with opener(plan.target, True) as target:
            target.check()
            copies = target.capabilities.copy_parts and not revoke
        number = change.to.number
        (objects, size) = ledger.all(
            f"SELECT count(*), coalesce(sum(stored_size), 0) FROM objects WHERE {TO_DO}", (number,)
        )[0]
        copied = ledger.one(
            "SELECT coalesce(sum(p.size), 0) FROM parts p JOIN objects ON objects.row=p.row WHERE p.number>1 AND "
            + TO_DO,
            (number,),
        )
    finally:
        ledger.close()
    return {
        "wave": plan.wave,
        "would": {
            "readers_now": fingerprints(sets[-1].recipients),
            "readers_then": fingerprints(change.to.recipients),
            "encrypt_anew": change.to.revoke,
            "rewrap_objects": objects,
            "send_bytes": size - copied if copies else size,
            "let_the_store_copy_bytes": copied if copies else 0,
        },
    }


def refuse_unsealed(plan: Plan) -> None:
    """Let waves pass whose objects have readers.

    Raises:
        UsageError: This one's have none.
    """
    if not plan.mode.seals:
        raise UsageError(
            f"the objects of a wave in mode {plan.mode} are not encrypted by it: there are no readers to change",
            hint="rewrap waves in mode 'encrypt' or 'rewrap'",
        )


def decided(ledger: Ledger, plan: Plan, request: Request) -> tuple[list[ReaderSet], Change]:
    """Every set of readers so far, and what the request comes to.

    Raises:
        UsageError: The wave has not come to its end, or the request makes no sense.
    """
    if ledger.meta("sealed_rows") is None or ledger.one(UNFINISHED) is not None:
        raise UsageError(
            "this wave has not come to its end, so its readers cannot be changed yet",
            hint="run 'havre migrate' again until it is done, then rewrap",
        )
    sets = reader_sets(ledger, plan)
    asked = request.add or request.remove or request.revoke
    unfinished = f"SELECT 1 FROM objects WHERE {TO_DO} LIMIT 1"
    if not asked and ledger.one(unfinished, (sets[-1].number,)) is None:
        raise UsageError(
            "nothing is asked for, and no rewrap is unfinished",
            hint="name readers with --add-recipient or --remove-recipient, or ask for --revoke",
        )
    return sets, decide(sets, request.add, request.remove, revoke=request.revoke)
