"""``havre verify``: prove again what stands at the target, long after the run, with or without a private key.

Without an identity every stored byte is compared with the digests recorded when it was sent. With one, each object is
opened through its own header as any reader would, and its plain bytes are hashed and compared as well.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import Any, Final

from migrator.core.events import ObjectRejected, ObjectVerified
from migrator.core.modes import Level
from migrator.core.plan import Plan
from migrator.core.states import State
from migrator.engine.context import Context, Stop
from migrator.engine.files import WaveFiles
from migrator.engine.inventory import sealed
from migrator.engine.opening import Opener
from migrator.engine.progress import Progress
from migrator.engine.readback import Expected, check_ciphertext, level_for, look
from migrator.engine.rehash import plain_digest
from migrator.engine.report import LEVELS, Report, lowest_level, problem_rows, tally
from migrator.engine.session import open_session
from migrator.engine.settings import Settings
from migrator.envelope.errors import EnvelopeError
from migrator.envelope.keys import Identity
from migrator.errors import IntegrityError, Interrupted, LedgerError, MigrationError, NothingThere
from migrator.ledger.ledger import Ledger
from migrator.ledger.rows import Row
from providers.errors import NotFound, StoreError
from providers.model import Span

__all__ = ["reverify"]

_PAGE: Final = 256


def reverify(
    plan: Plan,
    files: WaveFiles,
    opener: Opener,
    settings: Settings,
    *,
    identities: tuple[Identity, ...] = (),
    progress: Progress,
    stop: Stop,
    on_event: Callable[[dict[str, Any]], None] | None = None,
) -> Report:
    """Verify every stored object of a wave again, at ``settings.verify``.

    Raises:
        NothingThere: The wave has not run yet.
        MigrationError, StoreError: The verification could not begin, or no identity opens the objects.
    """
    tell = on_event or (lambda _event: None)
    began = time.monotonic()
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
    ) as context:
        context.target.check()
        if not context.writer.call(sealed):
            raise NothingThere("this wave has moved nothing yet", hint="run 'havre migrate' first")
        counts, size = context.writer.call(tally)
        progress.phase = "verifying"
        progress.total_objects = counts["stored"] + counts["verified"] + counts["rejected"]
        progress.total_bytes = size["stored"]
        differing = _Differences(context, tell)
        error: BaseException | None = None
        try:
            with ThreadPoolExecutor(settings.workers, thread_name_prefix="verify") as pool:
                for page in _pages(context):
                    list(pool.map(differing.check, page))
        except LedgerError:
            raise
        except (StoreError, MigrationError, EnvelopeError) as caught:
            error = caught
        if stop and error is None:
            error = stop.reason or Interrupted("stopped on request")
        counts, size = context.writer.call(tally)
        problems = context.writer.call(problem_rows, names=False, limit=20)
        notes = (
            []
            if identities or not plan.mode.seals
            else [
                "no identity was given: every stored byte was compared with what was sent; nothing was decrypted"
            ]
        )
        if differing.under_way:
            notes.append(
                f"{differing.under_way} object(s) differ from the record while a rewrap of them is unfinished: "
                "'havre rewrap' tells what they are; verify again after it"
            )
        size["resent"] = 0
        exit_code = _exit_code(error, differing, counts)
        return Report(
            wave=plan.wave,
            state=_state(error, exit_code),
            exit_code=exit_code,
            counts=counts,
            bytes=size,
            level=context.writer.call(lowest_level),
            seconds=time.monotonic() - began,
            notes=tuple(notes),
            problems=tuple(problems),
            error=error,
        )


def _state(error: BaseException | None, exit_code: int) -> str:
    if isinstance(error, Interrupted):
        return "interrupted"
    if error is not None:
        return "stopped"
    return "incomplete" if exit_code else "done"


def _exit_code(error: BaseException | None, differing: _Differences, counts: dict[str, int]) -> int:
    if differing.found:
        return 4
    if error is not None:
        return int(getattr(error, "exit_code", 1))
    if differing.under_way:
        return 5
    # What stands there is proven; a wave with objects that do not stand there is still not all of it.
    missing = ("planned", "drifted", "rejected", "failed")
    return 3 if any(counts[name] for name in missing) else 0


def _pages(context: Context) -> Any:
    after = 0
    while not context.stop:
        # Rejected rows that were stored once are looked at again: a damaged read may have been the network's fault.
        rows = context.writer.call(
            Ledger.rows, "row>? AND state IN (3, 5, 6, 8) AND stored_size IS NOT NULL", (after,), _PAGE
        )
        if not rows:
            return
        after = rows[-1].row
        yield list(islice(rows, _PAGE))


class _Differences:
    """Checks rows from several threads and counts what differs."""

    def __init__(self, context: Context, tell: Callable[[dict[str, Any]], None]) -> None:
        self._context = context
        self._tell = tell
        self.found = self.under_way = 0

    def check(self, row: Row) -> None:
        """Verify one row and record the outcome."""
        context = self._context
        if context.stop:
            return
        try:
            level, digest = _check(context, row, level_for(context, row))
        except IntegrityError as error:
            rewrap, sent = context.writer.call(Ledger.rewrapping, row.row)
            if rewrap is not None and sent:
                # A run that was cut may have put it before it could record that: the next rewrap looks, and this one
                # must not take from it the row that it would do so for.
                with context.lock:
                    self.under_way += 1
                context.progress.finish("failed", row.size)
                return
            with context.lock:
                self.found += 1
            context.writer.commit(ObjectRejected(row.row, f"verification: {error.message}"))
            context.progress.finish("rejected", row.size)
            self._tell({"event": "object-differs", "row": row.row, "reason": error.message})
            return
        # What stood there already was read in full when it was found: there is no higher level to record.
        recorded = row.state is State.SKIPPED or level is Level.NONE
        if not recorded and _rank(level) >= _rank(row.level):
            known = row.plaintext_sha256 is not None
            context.writer.post(ObjectVerified(row.row, str(level), None if known else digest))
        context.progress.finish("verified", row.size)


def _rank(level: str | None) -> int:
    # A weaker look at an object that was proven more strongly takes nothing away from it.
    return LEVELS.index(level or "none")


def _check(context: Context, row: Row, level: Level) -> tuple[Level, bytes | None]:
    upload, parts = context.writer.call(Ledger.upload_and_parts, row.row)
    if level is not Level.FULL:
        expected = Expected(
            key=context.target_key(row),
            size=row.stored_size or 0,
            pin=row.target_pin,
            plaintext_sha256=row.plaintext_sha256,
            ciphertext_sha256=row.ciphertext_sha256,
        )
        look(context, expected, level)
        return level, None
    check_ciphertext(context, row, upload, parts)
    if not context.mode.seals:
        return Level.FULL, None
    if not context.identities:
        return Level.CIPHERTEXT, None
    return Level.FULL, _decrypted(context, row)


def _decrypted(context: Context, row: Row) -> bytes:
    """The plain digest of an object opened through its own header, as any reader would.

    Raises:
        NoMatch: No identity opens it.
        IntegrityError: It does not open to what was read at the source.
    """
    digest = plain_digest(partial(_stored, context, row), row.stored_size or 0, context.identities)
    if row.plaintext_sha256 is not None and digest != row.plaintext_sha256:
        raise IntegrityError("the stored bytes open to something else than what was read")
    return digest


def _stored(context: Context, row: Row, start: int, length: int) -> memoryview:
    try:
        data = context.target.read(
            context.target_key(row), span=Span(start=start, length=length), pin=row.target_pin
        ).data
    except NotFound:
        raise IntegrityError("the object is not at the target") from None
    context.progress.add(checked=length)
    return memoryview(data)
