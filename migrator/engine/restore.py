"""``havre restore``: the way back. What a wave moved is opened, held against what was recorded, and written.

A restore is a wave of its own, ``restore-….toml`` with its ledger in the first one's folder, so that it survives what
a migration survives and every verb works on it: ``status``, ``verify``, ``evidence``. Its objects come from the first
wave's ledger, not from a listing. Metadata comes from the book that stands sealed at the target. In plain form nothing
of ours is left at the destination; in sealed form what is written there is what any wave writes.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, Literal

from migrator.core.earlier import Earlier
from migrator.core.modes import Mode, Names
from migrator.core.plan import Plan
from migrator.core.states import State
from migrator.engine.context import Stop
from migrator.engine.files import WaveFiles
from migrator.engine.opened import OpenedDriver
from migrator.engine.opening import Opener
from migrator.engine.planner import refuse_nested
from migrator.engine.progress import Progress
from migrator.engine.recipients import write_recipient
from migrator.engine.recorded import Recorded
from migrator.engine.report import Report
from migrator.engine.rewrap_request import UNFINISHED
from migrator.engine.run import migrate
from migrator.engine.settings import Settings
from migrator.envelope.keys import Identity, Recipient
from migrator.errors import NothingThere, UsageError
from migrator.ledger.ledger import Ledger
from providers.store import ObjectStore

__all__ = ["Return", "plan_return", "restore"]

_RESTORED: Final = (State.STORED, State.VERIFIED, State.SKIPPED)
Rules = tuple[tuple[Literal["include", "exclude"], str], ...]


@dataclass(frozen=True, slots=True)
class Return:
    """A restore that can begin.

    Attributes:
        plan: The restore as a wave of its own.
        files: Where it lives.
        left_out: Objects of the earlier wave that drifted or were rejected, so are not brought back.
    """

    plan: Plan
    files: WaveFiles
    left_out: int


def plan_return(
    plan: Plan,
    files: WaveFiles,
    destination: str,
    *,
    recipients: Sequence[Recipient] = (),
    filters: Rules = (),
    keys: Sequence[str] = (),
) -> Return:
    """Describe the restore of a wave, or find the one that was begun with the same words.

    Args:
        plan: The wave to bring back.
        files: Where it lives.
        destination: Location to write to.
        recipients: Who may read what is written; plain bytes are written if nobody is named.
        filters: Globs over the keys at the wave's source.
        keys: Exact keys at the wave's source, in place of filters.

    Raises:
        NothingThere: The wave has not run, or has no object of a key that was named.
        UsageError: It has not come to its end, or cannot be brought back in this form.
    """
    if plan.restores is not None:
        raise UsageError(
            "this wave file is a restore itself",
            hint="restore the wave it came from, or plan a wave from where it went",
        )
    if not files.ledger.exists():
        raise NothingThere("this wave has no ledger yet", hint="run 'havre migrate' first")
    refuse_nested(plan.target, destination)
    rules = (*filters, *_exactly(keys))
    readers = tuple(sorted(write_recipient(recipient) for recipient in recipients))
    token = hashlib.sha256(repr((destination, rules, readers)).encode()).hexdigest()[:12]
    own = WaveFiles(files.folder / f"restore-{token}.toml")
    ledger = Ledger.open(files.ledger, wave_id=plan.id, read_only=True)
    try:
        _refuse_unfinished(ledger)
        for key in keys:
            row = ledger.by_key(key)
            if row is None or row.stored_size is None or row.state not in _RESTORED:
                raise NothingThere(
                    f"the wave stored no object {key!r}", hint="name the key as 'havre ls --names' shows it"
                )
        left_out = int(ledger.one("SELECT count(*) FROM objects WHERE state IN (7, 8)"))
        earlier = Earlier(wave=plan.wave, id=plan.id, batches=ledger.seq, head=ledger.head.hex())
    finally:
        ledger.close()
    if own.plan_path.exists():
        return Return(own.load(), own, left_out)
    back = Plan(
        wave=f"{plan.wave[:50]}-restore",
        id=os.urandom(16).hex(),
        dataset_class=plan.dataset_class,
        mode=Mode.ENCRYPT if readers else Mode.COPY,
        source=plan.target,
        target=destination,
        recipients=readers,
        names=_names(plan) if readers else Names.VISIBLE,
        clear_attributes=plan.clear_attributes and bool(readers),
        # Where such objects cannot be written they are named; left out of the listing they would be missed.
        include_own=plan.include_own,
        filters=rules,
        created_at=datetime.now(UTC),
        restores=earlier,
    )
    return Return(back, own, left_out)


def restore(
    plan: Plan,
    files: WaveFiles,
    back: Return,
    opener: Opener,
    settings: Settings,
    *,
    identities: tuple[Identity, ...] = (),
    progress: Progress,
    stop: Stop,
    on_event: Callable[[dict[str, Any]], None] | None = None,
    gate: str | None = None,
) -> Report:
    """Bring back what a wave stored; the same call resumes.

    Raises:
        UsageError: No identity was given for a sealed wave.
        MigrationError, StoreError, EnvelopeError: As for ``migrate``.
    """
    if plan.mode.seals and not identities:
        raise UsageError(
            "restoring a sealed wave needs a recipient's private key", hint="name it with --identity KEY"
        )
    if not back.files.plan_path.exists():
        back.files.save(back.plan)
    back.files.make_folder()
    progress.phase = "reading the record"
    with Recorded(plan, files, opener, back.files.folder, identities, back.plan.compiled_filters) as record:
        report = migrate(
            back.plan,
            back.files,
            _opening(opener, plan, record, identities),
            # Besides what the engine counts, opening holds the sealed bytes of each part.
            replace(settings, memory=settings.memory // 2) if plan.mode.seals else settings,
            progress=progress,
            stop=stop,
            on_event=on_event,
            gate=gate,
            restoring=True,
        )
    if not back.left_out:
        return report
    told = (
        f"{back.left_out} object(s) of the wave drifted or were rejected: they are not among what is restored"
    )
    return replace(report, notes=(*report.notes, told))


def _opening(opener: Opener, plan: Plan, record: Recorded, identities: tuple[Identity, ...]) -> Opener:
    """Opens the source of a restore as it was before the wave sealed it."""
    readers = identities if plan.mode.seals else ()

    def opened(text: str, read_only: bool) -> ObjectStore:  # noqa: FBT001 - the engine's signature
        store = opener(text, read_only)
        if not read_only:
            return store
        driver = OpenedDriver(store, record, readers)
        try:
            driver.try_identities()
        except BaseException:
            driver.close()
            raise
        return ObjectStore(driver, location=store.location)

    return opened


def _names(plan: Plan) -> Names:
    """Names that the wave kept, or that its class asks for, stay kept."""
    return Names.KEYED if plan.names is Names.KEYED or plan.dataset_class.guarded else Names.VISIBLE


def _exactly(keys: Sequence[str]) -> Rules:
    """Filters that take these keys and nothing else."""
    return tuple(
        ("include", "/" + "".join(_escaped(char) for char in key[:-1]) + _last(key[-1:])) for key in keys
    )


def _escaped(char: str) -> str:
    return "\\" + char if char in "\\*?[]{}," else char


def _last(char: str) -> str:
    # A glob that ends in a slash would mean all that is below.
    return "[/]" if char == "/" else _escaped(char)


def _refuse_unfinished(ledger: Ledger) -> None:
    """A wave that was cut short has no complete record to restore from."""
    if not ledger.unfinished():
        return
    rewrapped = ledger.meta("sealed_rows") is not None and ledger.one(UNFINISHED) is None
    raise UsageError(
        "this wave has not come to its end, so it cannot be restored yet",
        hint="objects that were rewrapped are not verified yet: run 'havre rewrap' again, or 'havre verify'"
        if rewrapped
        else "run 'havre migrate' again until it is done, then restore",
    )
