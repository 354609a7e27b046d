"""``havre migrate --dry-run``: what a run would do now. Lists and reads the ledger; writes nothing."""

from __future__ import annotations

import os
from typing import Any

from migrator.core.names import TargetNames
from migrator.core.plan import Plan
from migrator.engine.candidates import candidates
from migrator.engine.files import WaveFiles
from migrator.engine.opening import Opener
from migrator.engine.report import tally
from migrator.ledger.ledger import Ledger

__all__ = ["rehearse"]


def rehearse(plan: Plan, files: WaveFiles, opener: Opener) -> dict[str, Any]:
    """What ``migrate`` would do, as ``{"wave", "would": {...}}``; sizes in bytes.

    Raises:
        LedgerError: The ledger cannot be read.
        StoreError: A store is not there, or not for us.
    """
    with opener(plan.source, True) as source, opener(plan.target, True) as target:
        source.check()
        target.check()
        if files.ledger.exists():
            ledger = Ledger.open(files.ledger, wave_id=plan.id, plan_digest=plan.digest, read_only=True)
            try:
                if ledger.meta("sealed_rows") is not None:
                    return {"wave": plan.wave, "would": _rest(ledger)}
            finally:
                ledger.close()
        would = {"list_the_source": True, "move_objects": 0, "move_bytes": 0, "leave_objects": 0}
        # Any key serves to see whether names of that form fit the target.
        names = TargetNames(plan.mode, plan.names, os.urandom(32))
        for item in candidates(plan, source, target, names):
            if item.reject is None and item.skip is None:
                would["move_objects"] += 1
                would["move_bytes"] += item.size
            else:
                would["leave_objects"] += 1
        return {"wave": plan.wave, "would": would}


def _rest(ledger: Ledger) -> dict[str, Any]:
    counts, size = tally(ledger)
    begun = ledger.one("SELECT count(*) FROM objects WHERE state IN (1, 2)")
    return {
        "list_the_source": False,
        "move_objects": counts["planned"] + counts["failed"],
        "of_these_begun_before": begun,
        "verify_objects": counts["stored"],
        "leave_objects": counts["skipped"] + counts["drifted"] + counts["rejected"],
        "have_done_objects": counts["verified"],
        "have_done_bytes": size["stored"],
    }
