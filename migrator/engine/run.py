"""``havre migrate``: inventory, transfer, verification, in one command that can be killed at any instant and run again."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any, Final

from migrator import __version__
from migrator.core.events import RunEnded, RunStarted
from migrator.core.modes import Level
from migrator.core.plan import Plan
from migrator.engine.book import write_book
from migrator.engine.clock import clock_state
from migrator.engine.context import Context, Stop
from migrator.engine.dispatch import Dispatcher
from migrator.engine.epoch import Epoch, raise_epoch
from migrator.engine.files import WaveFiles
from migrator.engine.inventory import sealed, take_inventory
from migrator.engine.opening import Opener
from migrator.engine.progress import Progress
from migrator.engine.report import DAMAGED, Report, lowest_level, problem_rows, tally
from migrator.engine.roots import drop_roots
from migrator.engine.session import open_session, owner
from migrator.engine.settings import Settings
from migrator.engine.sweep import Swept, sweep
from migrator.envelope.errors import EnvelopeError
from migrator.envelope.keys import Identity
from migrator.errors import Interrupted, LedgerError, LedgerForeign, LedgerStorage, MigrationError, UsageError
from migrator.ledger.ledger import Ledger
from providers.errors import StoreError

__all__ = ["migrate"]

_PROBLEMS: Final = 20
_INTERRUPTED: Final = 130
OnEvent = Callable[[dict[str, Any]], None]


def migrate(
    plan: Plan,
    files: WaveFiles,
    opener: Opener,
    settings: Settings,
    *,
    identities: tuple[Identity, ...] = (),
    progress: Progress,
    stop: Stop,
    on_event: OnEvent | None = None,
    gate: str | None = None,
    restoring: bool = False,
) -> Report:
    """Run a wave to its end, or to where it has to stop; run it again to carry on.

    ``gate`` is the verdict that this run rests on, in short; the ledger keeps it as it stands. ``restoring`` says that
    ``opener`` opens the source as it was before an earlier wave sealed it (``restore.py``).

    Raises:
        UsageError: The wave is a restore, and this is not one.
        MigrationError: The run could not begin, or its ledger failed.
        StoreError: A store is not there, or not for us.
    """
    if plan.restores is not None and not restoring:
        raise UsageError(
            "this wave file is a restore: it needs the wave that it brings back",
            hint="run the 'havre restore' that made it again; it carries on where it stopped",
        )
    fresh = not files.ledger.exists()
    try:
        return _run(plan, files, opener, settings, identities, progress, stop, on_event, gate)
    except LedgerForeign:
        if fresh:
            # The target knows this wave and this new ledger does not: leave the place free for the right one.
            files.remove_ledger()
        raise


def _run(  # noqa: PLR0917 - migrate() hands its arguments on
    plan: Plan,
    files: WaveFiles,
    opener: Opener,
    settings: Settings,
    identities: tuple[Identity, ...],
    progress: Progress,
    stop: Stop,
    on_event: OnEvent | None,
    gate: str | None,
) -> Report:
    tell = on_event or (lambda _event: None)
    began = time.monotonic()
    progress.phase = "opening"
    with open_session(
        plan,
        files,
        opener,
        settings,
        identities=identities,
        progress=progress,
        stop=stop,
        may_begin=True,
    ) as context:
        context.source.check()
        context.target.check()
        if gate is not None:
            context.writer.call(Ledger.set_meta, gate=gate)
        resumed = context.writer.call(sealed)
        notes = _notes(context, resumed=resumed)
        # What comes back in plain form lands among other people's files: no record of ours is left there.
        bare = plan.restores is not None and not plan.mode.seals
        epoch = Epoch(0, 0.0) if bare else raise_epoch(context)
        context.skew = epoch.skew
        seed = context.sample_seed if settings.verify is Level.SAMPLE else None
        context.writer.commit(
            RunStarted(
                json.dumps(owner() | {"clock": clock_state(epoch.skew)}),
                __version__,
                epoch.number,
                str(settings.verify),
                seed,
            )
        )
        tell({"event": "run-started", "wave": plan.wave, "resumed": resumed})
        swept = Swept()
        error: BaseException | None = None
        try:
            if not resumed:
                progress.phase = "listing"
                take_inventory(context)
            else:
                swept = sweep(context)
            _set_totals(context)
            tell(
                {
                    "event": "inventory-sealed",
                    "objects": progress.total_objects,
                    "bytes": progress.total_bytes,
                }
            )
            progress.phase = "moving"
            Dispatcher(context).run()
            progress.phase = "closing"
            again = sweep(context)
            swept = Swept(swept.aborted + again.aborted, again.foreign, again.kept)
            write_book(context, files.folder)
        except LedgerError:
            raise
        except OSError as failed:
            # Stores word their own: what is left are the working files beside the ledger.
            raise LedgerStorage(
                "the disk under the wave's folder is full or failing; nothing that was recorded is lost",
                hint="free some space, then run the same command again to carry on",
            ) from failed
        except (StoreError, MigrationError, EnvelopeError) as caught:
            error = caught
        error = error or stop.reason
        if stop and error is None:
            error = Interrupted("stopped on request")
        report = _close(context, error, swept, notes, time.monotonic() - began)
    tell({"event": "run-ended", "state": report.state})
    progress.phase = "ended"
    return report


def _notes(context: Context, *, resumed: bool) -> list[str]:
    notes = []
    if resumed and context.roots.unopened and context.roots.current:
        notes.append(
            "an earlier root secret could not be opened without its identity: objects that were half-way up begin again"
        )
    if context.source.capabilities.pin == "weak":
        notes.append(
            "the source is pinned weakly (size, times, inode): it is read a second time under 'full'"
        )
    return notes


def _set_totals(context: Context) -> None:
    counts, size = context.writer.call(tally)
    progress = context.progress
    progress.total_objects, progress.total_bytes = counts["total"], size["total"]
    progress.done_objects = counts["total"] - counts["planned"] - counts["failed"]
    if context.settings.verify is not Level.NONE:
        progress.done_objects -= counts["stored"]
    progress.done_bytes = size["stored"]


def _close(
    context: Context, error: BaseException | None, swept: Swept, notes: list[str], seconds: float
) -> Report:
    progress = context.progress
    resent = (progress.resent_bytes, progress.resent_objects)
    statement = "UPDATE runs SET resent_bytes=?, resent_objects=? WHERE id=(SELECT max(id) FROM runs)"
    context.writer.call(Ledger.execute, statement, resent)
    counts, size = context.writer.call(tally)
    size["resent"] = progress.resent_bytes  # of this run; the ledger's sum is what 'status' shows
    unfinished = counts["planned"] + counts["failed"]
    if context.settings.verify is not Level.NONE:
        unfinished += counts["stored"]
    if not unfinished and error is None:
        context.writer.call(drop_roots)
    state, exit_code = _ending(context, counts, unfinished, error)
    context.writer.commit(RunEnded(state))
    problems = context.writer.call(problem_rows, names=False, limit=_PROBLEMS)
    problems += [
        {"row": row, "outcome": "not finished", "reason": reason} for row, reason in context.troubles.items()
    ]
    if swept.aborted:
        notes.append(f"{swept.aborted} unfinished upload(s) of this wave were aborted")
    if swept.foreign:
        notes.append(f"{swept.foreign} unfinished upload(s) that are not of this wave were left alone")
    if swept.kept:
        notes.append(
            f"{swept.kept} unfinished upload(s) of this wave could not be aborted; the next run tries again"
        )
    left_behind = context.writer.call(Ledger.one, "SELECT count(DISTINCT row) FROM notes")
    if left_behind:
        notes.append(f"{left_behind} object(s) have notes: something of them could not travel")
    return Report(
        wave=context.plan.wave,
        state=state,
        exit_code=exit_code,
        counts=counts,
        bytes=size,
        level=context.writer.call(lowest_level),
        seconds=seconds,
        resent_objects=progress.resent_objects,
        notes=tuple(notes),
        problems=tuple(problems[:_PROBLEMS]),
        error=error,
    )


def _ending(
    context: Context, counts: dict[str, int], unfinished: int, error: BaseException | None
) -> tuple[str, int]:
    if isinstance(error, Interrupted):
        return "interrupted", _INTERRUPTED
    if error is not None:
        code = getattr(error, "exit_code", 1)
        return "stopped", int(code)
    if unfinished and context.troubles:
        return "incomplete", 5
    damaged = context.writer.call(
        Ledger.one, "SELECT count(*) FROM objects WHERE state=8 AND reason LIKE ?", (DAMAGED + "%",)
    )
    if damaged:
        return "incomplete", 4
    if unfinished or counts["drifted"] or counts["rejected"]:
        return "incomplete", 3
    return "done", 0
