"""``havre rewrap``: give what a wave has stored to other readers; may be killed at any instant and run again.

A set of readers is decided and recorded once; then every object that is not for it yet is brought over, one by one.
Each row's receipt stays what it was until the new object has taken the old one's place, so that nothing half is ever
visible and nothing is ever lost.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from typing import Any, Final

from migrator import __version__
from migrator.core.events import (
    ObjectRejected,
    ObjectRewrapped,
    ObjectVerified,
    ReadersChanged,
    RewrapForgotten,
    RunStarted,
)
from migrator.core.modes import Level
from migrator.core.plan import Plan
from migrator.core.stamp import stamp_in
from migrator.core.states import State
from migrator.engine.book import former_books, write_book
from migrator.engine.clock import clock_state
from migrator.engine.context import Context, Stop
from migrator.engine.epoch import raise_epoch
from migrator.engine.files import WaveFiles
from migrator.engine.opening import Opener
from migrator.engine.progress import Progress
from migrator.engine.readers import Change, ReaderSet
from migrator.engine.report import Report
from migrator.engine.rewrap_check import check_rewrapped
from migrator.engine.rewrap_memory import Memory
from migrator.engine.rewrap_object import ObjectRewrap
from migrator.engine.rewrap_report import Done, rewrap_report
from migrator.engine.rewrap_request import TO_DO, Request, decided, refuse_unsealed
from migrator.engine.rewrap_source import ChangedAtTarget, present, same_as_recorded
from migrator.engine.session import open_session, owner
from migrator.engine.settings import Settings
from migrator.engine.settle import discard_attempts, holds
from migrator.engine.sweep import sweep
from migrator.envelope.errors import EnvelopeError, NoMatch
from migrator.envelope.keys import Identity
from migrator.errors import (
    CapabilityMissing,
    IntegrityError,
    Interrupted,
    LedgerError,
    LedgerStorage,
    MigrationError,
    UsageError,
)
from migrator.ledger.ledger import Ledger
from migrator.ledger.rows import PartRow, RewrapRow, Row
from providers.errors import Exhausted, Retry, StoreError, UploadLost
from providers.model import ObjectMeta, UploadId

__all__ = ["rewrap"]

_PAGE: Final = 256


def rewrap(
    plan: Plan,
    files: WaveFiles,
    opener: Opener,
    settings: Settings,
    request: Request,
    *,
    identities: tuple[Identity, ...],
    progress: Progress,
    stop: Stop,
    on_event: Callable[[dict[str, Any]], None] | None = None,
) -> Report:
    """Bring every stored object of a wave over to other readers; the same call carries on.

    Raises:
        NothingThere: The wave has not run yet.
        UsageError: The wave has no readers or has not come to its end, or the request makes no sense.
        MigrationError, StoreError: The run could not begin, or its ledger failed.
    """
    tell = on_event or (lambda _event: None)
    began = time.monotonic()
    progress.phase = "opening"
    refuse_unsealed(plan)
    if not identities:
        raise UsageError(
            "a rewrap needs a private key that opens the objects as they are",
            hint="name it with --identity KEY",
        )
    with open_session(
        plan,
        files,
        opener,
        settings,
        identities=identities,
        progress=progress,
        stop=stop,
        may_begin=False,
        with_roots=False,
        with_source=False,
    ) as context:
        context.target.check()
        sets, change = context.writer.call(decided, plan, request)
        context.recipients = change.to.recipients
        context.skew = raise_epoch(context).skew
        seed = context.sample_seed if settings.verify is Level.SAMPLE else None
        clock = json.dumps(owner() | {"clock": clock_state(context.skew), "verb": "rewrap"})
        epoch = int(context.writer.call(Ledger.meta, "epoch") or 0)
        context.writer.commit(RunStarted(clock, __version__, epoch, str(settings.verify), seed))
        tell({"event": "run-started", "wave": plan.wave, "resumed": not change.is_new})
        run = _Run(context, sets, change, tell)
        error: BaseException | None = None
        try:
            sweep(context)
            if change.is_new:
                public = tuple(reader.public for reader in change.to.recipients)
                context.writer.commit(ReadersChanged(change.to.number, public, change.to.revoke))
            progress.phase = "rewrapping"
            run.all()
            progress.phase = "closing"
            swept = sweep(context)
            if swept.kept:
                run.done.notes.append(
                    f"{swept.kept} unfinished upload(s) of this wave could not be aborted; the next run tries again"
                )
            write_book(context, files.folder)
            if kept := former_books(context):
                run.done.notes.append(
                    f"{len(kept)} older metadata book(s) could not be removed and open for their readers: "
                    f"{', '.join(kept)}"
                )
        except LedgerError:
            raise
        except OSError as failed:
            raise LedgerStorage(
                "the disk under the wave's folder is full or failing; nothing that was recorded is lost",
                hint="free some space, then run the same command again to carry on",
            ) from failed
        except (StoreError, MigrationError, EnvelopeError) as caught:
            error = caught
        error = error or stop.reason
        if stop and error is None:
            error = Interrupted("stopped on request")
        report = rewrap_report(context, run.sets, change, run.done, error, time.monotonic() - began)
    tell({"event": "run-ended", "state": report.state})
    progress.phase = "ended"
    return report


class _Run:
    """One run over the rows that are still for other readers."""

    def __init__(
        self,
        context: Context,
        sets: Sequence[ReaderSet],
        change: Change,
        tell: Callable[[dict[str, Any]], None],
    ) -> None:
        self._context = context
        self._change = change
        self.sets = [*sets, change.to] if change.is_new else list(sets)
        self._tell = tell
        self._memory = Memory(context)
        self.done = Done()
        self._failed: BaseException | None = None

    def all(self) -> None:
        """Every row, by several workers.

        Raises:
            BaseException: What no verdict exists for: a bug, or a ledger that cannot be written.
        """
        context, to = self._context, self._change.to
        statement = f"SELECT count(*), coalesce(sum(size), 0) FROM objects WHERE {TO_DO}"
        (found,) = context.writer.call(Ledger.all, statement, (to.number,))
        context.progress.total_objects, context.progress.total_bytes = found
        workers = context.settings.workers
        with (
            ThreadPoolExecutor(workers, thread_name_prefix="copy") as copiers,
            ThreadPoolExecutor(workers, thread_name_prefix="rewrap") as pool,
        ):
            after = 0
            while not context.stop:
                rows = context.writer.call(Ledger.rows, f"row>? AND {TO_DO}", (after, to.number), _PAGE)
                if not rows:
                    break
                after = rows[-1].row
                list(pool.map(lambda row: self._one(row, copiers), rows))
        if self._failed is not None:
            raise self._failed

    # -- one row ------------------------------------------------------------------------------------------------------

    def _one(self, row: Row, copiers: Executor) -> None:
        context = self._context
        if not self._may_go_on():
            return
        try:
            with self._memory.share(row, revoke=self._is_revoked(row)):
                self._bring_over(row, copiers)
            context.consecutive_failures = 0
        except (LedgerError, KeyboardInterrupt) as error:
            self._stop(error)
        except (StoreError, MigrationError, EnvelopeError) as error:
            self._judge(row, error)
        except BaseException as error:  # noqa: BLE001 - handed to all()
            self._stop(error)

    def _may_go_on(self) -> bool:
        context, window = self._context, self._context.settings.window
        while window is not None and not context.stop and not window.is_open(datetime.now().astimezone()):
            context.progress.note = f"waiting for the window {window}"
            context.stop.pause(0.5)
        context.progress.note = None
        return not context.stop

    def _bring_over(self, row: Row, copiers: Executor) -> None:
        context, to = self._context, self._change.to
        rewrap, parts = context.writer.call(Ledger.rewrapping, row.row)
        if rewrap is not None or not (row.state is State.STORED and row.readers == to.number):
            found = present(context, row)
            if rewrap is not None and found is not None and self._was_put(row, rewrap, parts, found):
                row, rewrap = self._take_for_done(row, rewrap, parts, found), None
            elif not same_as_recorded(context, row, found):
                raise ChangedAtTarget(
                    "changed at target: nothing stands there any more"
                    if found is None
                    else "changed at target: another object stands there; it was left alone"
                )
        if row.readers != to.number:
            assert found is not None
            if row.state is State.STORED:
                # Proven before it is sent on: no row is unproven and under way at once, so that the receipt of an
                # unproven one is always that of the row's generation.
                self._check(row)
                row = self._now(row)
            pending = (rewrap, parts) if rewrap is not None and rewrap.readers == to.number else None
            revoke = self._is_revoked(row)
            ObjectRewrap(context, row, found, to, revoke=revoke, copiers=copiers, pending=pending).run()
            row = self._now(row)
            with context.lock:
                self.done.rewrapped += 1
                self.done.old_versions += row.target_version is not None
        self._prove(row)

    def _is_revoked(self, row: Row) -> bool:
        return any(one.revoke for one in self.sets if one.number > row.readers)

    def _now(self, row: Row) -> Row:
        found: Row | None = self._context.writer.call(Ledger.row, row.row)
        assert found is not None
        return found

    def _prove(self, row: Row) -> None:
        context = self._context
        if context.settings.verify is Level.NONE:
            return
        self._check(row)
        with context.lock:
            self.done.verified += 1
        context.progress.finish("verified", row.size)

    def _check(self, row: Row) -> None:
        context = self._context
        if context.settings.verify is Level.NONE:
            return
        readers = next(one for one in self.sets if one.number == row.readers).recipients
        level, digest = check_rewrapped(context, row, readers)
        known = row.plaintext_sha256 is not None
        context.writer.post(ObjectVerified(row.row, str(level), None if known else digest))

    # -- after a death ------------------------------------------------------------------------------------------------

    def _was_put(self, row: Row, rewrap: RewrapRow, parts: list[PartRow], found: ObjectMeta) -> bool:
        """Whether what stands there is what an earlier run sent and has not recorded."""
        context = self._context
        if rewrap.header_before is None or not parts or same_as_recorded(context, row, found):
            return False
        if context.target.capabilities.metadata:
            stamp = stamp_in(found.attributes.metadata) if found.attributes else None
            return stamp == context.stamp(rewrap.attempt)
        return holds(context.target, found, [(part.size, part.ciphertext_sha256) for part in parts])

    def _take_for_done(self, row: Row, rewrap: RewrapRow, parts: list[PartRow], found: ObjectMeta) -> Row:
        """Record what an earlier run has put: all that its receipt says was durable before it could be seen."""
        context = self._context
        # A death between its name and its clean-up leaves a file aside.
        discard_attempts(context, row, row.generation)
        whole = parts[0] if rewrap.upload is None else None
        context.writer.commit(
            ObjectRewrapped(
                row=row.row,
                readers=rewrap.readers,
                revoked=bool(rewrap.revoke),
                header_before=rewrap.header_before or b"",
                header_after=rewrap.header_sha256 or b"",
                stored_size=found.size,
                ciphertext_sha256=whole and whole.ciphertext_sha256,
                nonce_prefix=whole and whole.nonce_prefix,
                target_etag=found.etag,
                target_version=found.version,
                old_etag=row.target_etag,
                old_version=row.target_version,
            )
        )
        with context.lock:
            self.done.rewrapped += 1
            self.done.old_versions += row.target_version is not None
        return self._now(row)

    # -- what went wrong ----------------------------------------------------------------------------------------------

    def _judge(self, row: Row, error: StoreError | MigrationError | EnvelopeError) -> None:
        context = self._context
        reason = error.message
        match error:
            case ChangedAtTarget():
                self._give_up(row, reason)
                context.writer.commit(ObjectRejected(row.row, reason))
                with context.lock:
                    self.done.changed += 1
                context.progress.finish("rejected", row.size)
                self._tell({"event": "object-changed", "row": row.row, "reason": reason})
            case IntegrityError():
                self._give_up(row, reason)
                context.writer.commit(ObjectRejected(row.row, f"verification: {reason}"))
                context.progress.finish("rejected", row.size)
                self._tell({"event": "object-differs", "row": row.row, "reason": reason})
            case NoMatch() if not context.opened_any:
                context.stop.request(error)
            case CapabilityMissing() | EnvelopeError():
                self._left(row, reason)
            case StoreError() if error.retry is Retry.STOP:
                context.stop.request(error)
            case StoreError() if isinstance(error, Exhausted | UploadLost) or error.retry is Retry.LATER:
                self._left(row, reason, error)
            case StoreError():
                self._left(row, f"{error.code}: {reason}")
            case _:
                self._stop(error)

    def _left(self, row: Row, reason: str, error: StoreError | None = None) -> None:
        """The object stays as it is; the next run tries again."""
        context = self._context
        context.trouble(row.row, reason)
        context.progress.finish("failed", row.size)
        if error is None:
            with context.lock:
                self.done.permanent += 1
            return
        with context.lock:
            context.consecutive_failures += 1
            if context.consecutive_failures >= context.settings.give_up_after:
                context.stop.request(error)

    def _give_up(self, row: Row, reason: str) -> None:
        """Take back what is under way for a row; what cannot be taken back now is left to the sweep."""
        context = self._context
        rewrap, _ = context.writer.call(Ledger.rewrapping, row.row)
        if rewrap is None:
            return
        if rewrap.upload is not None:
            with suppress(
                StoreError
            ):  # best effort: the ledger keeps it as forgotten, and a sweep tries again
                context.target.abort_upload(context.target_key(row), UploadId(rewrap.upload))
        with suppress(StoreError):  # best effort, as above
            discard_attempts(context, self._now(row), self._now(row).generation)
        context.writer.commit(RewrapForgotten(row.row, reason))

    def _stop(self, error: BaseException) -> None:
        with self._context.lock:
            self._failed = self._failed or error
        self._context.stop.request(error)
