"""The worker threads and what they do next: parts of objects that are under way before new objects.

Rows come from a feeder thread that makes their generations durable ahead of the workers. Memory is reserved before a
piece of work is handed out, in the order of the pieces, so that a worker never waits for another's memory.
"""

from __future__ import annotations

import threading
from array import array
from collections import deque
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from typing import Final

from migrator.core.events import ObjectSkipped, UploadForgotten
from migrator.core.modes import Mode
from migrator.core.states import State
from migrator.engine.context import Context
from migrator.engine.multipart import LargeTransfer
from migrator.engine.outcomes import judge
from migrator.engine.resume import existing, is_earlier_attempt, resume_open, resume_stored, same_content
from migrator.engine.settle import TargetTaken, discard_attempts
from migrator.engine.single import prepare, transfer_single
from migrator.errors import MigrationError
from migrator.ledger.ledger import Ledger
from migrator.ledger.rows import Row
from providers.errors import StoreError
from providers.model import ObjectMeta

__all__ = ["Dispatcher"]

_Work = tuple[Callable[[], None], int]
_LOW: Final = 2
_MORE: Final = 16


class Dispatcher:
    """Moves every unfinished row of one ledger."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._ready: deque[tuple[Row, bool]] = deque()
        self._open: list[LargeTransfer] = []
        self._starting = 0
        self._fed = False
        self._moved = False
        self._in_flight = 0
        self._change = threading.Condition()
        self._failures: list[BaseException] = []

    def run(self) -> None:
        """Work until nothing is left or the run is to stop; every piece in flight is finished.

        Raises:
            BaseException: What no verdict exists for: a bug, or a ledger that cannot be written.
        """
        threads = [
            threading.Thread(target=self._work, name=f"worker-{number}", daemon=True)
            for number in range(self._context.settings.workers)
        ]
        feeder = threading.Thread(target=self._feed, name="feeder", daemon=True)
        for thread in (feeder, *threads):
            thread.start()
        for thread in (feeder, *threads):
            while thread.is_alive():
                thread.join(0.2)  # in steps, so that the main thread still sees signals
        if self._failures:
            raise self._failures[0]

    # -- feeding --------------------------------------------------------------------------------------------------

    def _feed(self) -> None:
        try:
            self._feed_rows()
        except BaseException as error:  # noqa: BLE001 - handed to run()
            self._failures.append(error)
            self._context.stop.request(error)
        finally:
            with self._change:
                self._fed = True
                self._change.notify_all()

    def _feed_rows(self) -> None:
        root = self._context.roots.current

        def claim(rows: list[Row]) -> list[Row]:
            return self._context.writer.call(Ledger.claim, rows, root) if rows else []

        again = array("Q")
        for rows in self._pages(Ledger.begun):
            again.extend(row.row for row in rows if row.state in (State.READY, State.FAILED))
            self._hand([(row, True) for row in rows if row.state in (State.OPEN, State.STORED)])
        if self._context.settings.retry_rejected:
            for rows in self._pages(Ledger.rejected):
                self._hand([(row, True) for row in claim(rows)])
        for rows in self._pages(Ledger.planned):
            self._hand([(row, False) for row in claim(rows)])
        # Last what an earlier run could not end: objects that fail each time must not stand before all others.
        for start in range(0, len(again), self._context.settings.claim):
            if self._context.stop:
                return
            chosen = ",".join(map(str, again[start : start + self._context.settings.claim]))
            rows = self._context.writer.call(Ledger.rows, f"row IN ({chosen})")
            self._hand([(row, True) for row in claim(rows)])

    def _pages(self, query: Callable[[Ledger, int, int], list[Row]]) -> Iterator[list[Row]]:
        """Rows in one state, page by page; a row that enters the state behind the cursor is not met again."""
        after = 0
        while not self._context.stop:
            rows = self._context.writer.call(query, after, self._context.settings.claim)
            if not rows:
                return
            after = rows[-1].row
            yield rows

    def _hand(self, rows: list[tuple[Row, bool]]) -> None:
        low = self._context.settings.workers * _LOW
        with self._change:
            self._ready.extend(rows)
            self._change.notify_all()
            while len(self._ready) > low and not self._context.stop:
                self._change.wait(0.5)

    # -- working --------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        while True:
            work = self._next()
            if work is None:
                return
            function, reserved = work
            try:
                function()
            except BaseException as error:  # noqa: BLE001 - handed to run()
                self._failures.append(error)
                self._context.stop.request(error)
            finally:
                self._context.budget.release(reserved)
                with self._change:
                    self._in_flight -= 1
                    self._change.notify_all()

    def _next(self) -> _Work | None:
        context = self._context
        with self._change:
            while True:
                if self._failures:
                    return None
                if not context.stop and self._window_is_open():
                    work = self._piece() or self._object()
                    if work is not None:
                        self._in_flight += 1
                        return work
                idle = self._in_flight == 0
                if idle and (context.stop or (self._fed and not self._ready and not self._open)):
                    self._change.notify_all()
                    return None
                self._change.wait(0.5)

    def _window_is_open(self) -> bool:
        window = self._context.settings.window
        if window is None:
            return True
        now = datetime.now().astimezone()
        if window.is_open(now):
            self._context.progress.note = None
            return True
        self._context.progress.note = f"waiting for the window {window} ({now:%Z})"
        return False

    def _piece(self) -> _Work | None:
        for transfer in self._open:
            offered = transfer.next_work()
            if offered is None:
                continue
            function, needed = offered
            if not self._context.budget.try_reserve(needed):
                return None  # strictly in order: a later piece must not take what this one waits for
            transfer.take()
            return partial(self._run_piece, transfer, function), needed
        return None

    def _object(self) -> _Work | None:
        context = self._context
        if not self._ready:
            return None
        row, resumed = self._ready[0]
        large = row.size > context.settings.part_units * 65_536
        if large and len(self._open) + self._starting >= context.settings.open_objects:
            return None
        needed = 0 if large else 2 * row.size + 65_536
        if needed and not context.budget.try_reserve(needed):
            return None
        self._ready.popleft()
        if len(self._ready) == context.settings.workers * _LOW:
            self._change.notify_all()
        self._starting += large
        return partial(self._run_object, row, resumed, large), needed

    def _run_piece(self, transfer: LargeTransfer, function: Callable[[], None]) -> None:
        function()
        self._settle_large(transfer)

    def _settle_large(self, transfer: LargeTransfer) -> None:
        with self._change:
            if not transfer.finished or transfer not in self._open:
                return
            self._open.remove(transfer)
        if transfer.error is not None:
            self._failed(transfer.row, transfer.error, transfer)
        else:
            self._finish(transfer.row, transfer.outcome or "stored")

    def _run_object(self, row: Row, resumed: bool, large: bool) -> None:  # noqa: FBT001
        transfer: LargeTransfer | None = None
        outcome: str | None = None
        try:
            result = self._begin(row, resumed)
            if isinstance(result, LargeTransfer):
                transfer = result
            else:
                outcome = result
        except (MigrationError, StoreError, Exception) as error:  # noqa: BLE001 - judged
            self._failed(row, error, None)
        finally:
            with self._change:
                self._starting -= large
                if transfer is not None:
                    self._open.append(transfer)
                self._change.notify_all()
        if outcome is not None:
            self._finish(row, outcome)
        if transfer is not None:
            self._settle_large(transfer)

    def _begin(self, row: Row, resumed: bool) -> LargeTransfer | str:  # noqa: FBT001
        """Start one object: its outcome if it is done at once, else the transfer whose parts are to be moved."""
        context = self._context
        replacing = False
        if row.state is State.STORED:
            return resume_stored(context, row)
        if row.state is State.OPEN:
            taken_up = resume_open(context, row)
            if taken_up is not None:
                return self._begun(taken_up) if isinstance(taken_up, LargeTransfer) else taken_up
            row = self._begin_again(row)
        discard_attempts(context, row, row.generation - 1)
        if resumed or row.seen_at_target:
            found = existing(context, row)
            if found is not None:
                if not row.seen_at_target and is_earlier_attempt(context, row, found):
                    replacing = True
                    context.progress.add(resent_objects=1, resent=row.size)
                elif (same := same_content(context, row, found)) is not None:
                    context.writer.post(
                        ObjectSkipped(
                            row.row,
                            "already there with the same content",
                            found.size,
                            same.plaintext_sha256,
                            same.ciphertext_sha256,
                            found.etag,
                            found.version,
                        )
                    )
                    return "skipped"
                else:
                    raise TargetTaken(
                        "another object stands at the target key, with other or unknown content"
                    )
        if self._goes_at_once(row):
            return transfer_single(context, row, replacing=replacing)
        prepared = prepare(context, row)
        if not prepared.geometry.multipart:
            return transfer_single(context, row, replacing=replacing)
        return self._begun(LargeTransfer(context, row, prepared, replacing=replacing))

    def _goes_at_once(self, row: Row) -> bool:
        """Whether the object surely fits into one put, so that its source need not be looked at twice."""
        context = self._context
        usual = context.settings.part_units * 65_536 - 2 * 65_536
        return row.size <= min(usual, context.target.capabilities.max_put - 2 * 65_536)

    def _begun(self, transfer: LargeTransfer) -> LargeTransfer:
        try:
            transfer.begin()
        except BaseException as error:  # noqa: BLE001 - the transfer's own failure, judged when it settles
            transfer.fail(error)
        return transfer

    def _begin_again(self, row: Row) -> Row:
        context = self._context
        reason = "what was begun cannot be carried on; it begins again"
        context.writer.commit(UploadForgotten(row.row, reason))
        (fresh,) = context.writer.call(Ledger.claim, [row], context.roots.current)
        context.progress.add(resent_objects=1, resent=row.size)
        return fresh

    # -- ending ---------------------------------------------------------------------------------------------------

    def _finish(self, row: Row, outcome: str) -> None:
        self._context.consecutive_failures = 0
        self._moved = True
        self._context.progress.finish(outcome, row.size)

    def _failed(self, row: Row, error: BaseException, transfer: LargeTransfer | None) -> None:
        context = self._context
        verdict = judge(row, error, opened_any=context.opened_any)
        if verdict is None:
            raise error
        if verdict.damaged or verdict.outcome == "drifted":
            # Before the outcome is recorded: from then on the row may be claimed for another try.
            self._take_back(row)
        if verdict.temporary:
            # The row keeps its state, so that the next run carries on from there.
            context.trouble(row.row, str(error))
        elif verdict.event is not None:
            context.writer.commit(verdict.event)
        if verdict.outcome is not None:
            context.progress.finish(verdict.outcome, row.size)
        if transfer is not None and verdict.outcome in ("drifted", "rejected") and not verdict.damaged:
            transfer.abort()
        if verdict.stop:
            context.stop.request(error)
        if verdict.temporary or verdict.refused:
            with context.lock:
                context.consecutive_failures += 1
                # Where others went through, a few in a row may be objects that are odd together.
                patience = context.settings.give_up_after * (_MORE if self._moved else 1)
                if context.consecutive_failures >= patience:
                    context.stop.request(error)

    def _take_back(self, row: Row) -> None:
        """Take away an object of ours that is wrong or that nothing stands behind, so that nobody trusts it."""
        context = self._context
        try:
            found = existing(context, row)
            if found is None:
                return
            if self._put_by_us(row, found):
                context.target.delete(context.target_key(row))
                context.fit.note(row.row, "what had been stored of it was removed from the target")
            else:
                context.fit.note(
                    row.row, "an object that this wave does not vouch for stands at its target key"
                )
        except (StoreError, MigrationError):
            # best effort: the row's outcome holds either way, and the note says what may stand there
            context.fit.note(row.row, "a damaged object may stand at the target: do not use it")

    def _put_by_us(self, row: Row, found: ObjectMeta) -> bool:
        context = self._context
        if context.target.capabilities.metadata:
            return context.is_ours(row, found)
        (now,) = context.writer.call(lambda ledger: ledger.rows("row=?", (row.row,)))
        if now.stored_size is not None:
            # A file carries no stamp: it is ours while it is the very file that was acknowledged.
            return found.etag == now.target_etag
        return context.mode is Mode.ENCRYPT and is_earlier_attempt(context, row, found)
