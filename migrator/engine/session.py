"""Taking a wave up and laying it down: lock, ledger, stores, roots, budgets.

What ``migrate``, ``verify`` and ``restore`` have in common.
"""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime

from migrator import __version__
from migrator.core.modes import Level, Mode, Names
from migrator.core.names import TargetNames
from migrator.core.plan import Plan
from migrator.engine.attributes import AttributeFit
from migrator.engine.budget import Buffers, MemoryBudget
from migrator.engine.context import Context, Stop
from migrator.engine.files import WaveFiles
from migrator.engine.opening import Opener
from migrator.engine.progress import Progress
from migrator.engine.readers import current_recipients
from migrator.engine.roots import Roots, open_roots
from migrator.engine.settings import SPOOL_ABOVE, Settings
from migrator.envelope.keys import Identity
from migrator.errors import CapabilityMissing, NothingThere
from migrator.ledger.ledger import Ledger
from migrator.ledger.lock import LedgerLock, refuse_network_filesystem
from migrator.ledger.writer import LedgerWriter
from providers.layers.bandwidth import Bandwidth

__all__ = ["open_session", "owner"]


def owner() -> dict[str, object]:
    """Who runs this, for the lock and the ledger."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return {
        "user": user,
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
        "version": __version__,
    }


@contextmanager
def open_session(
    plan: Plan,
    files: WaveFiles,
    opener: Opener,
    settings: Settings,
    *,
    identities: tuple[Identity, ...],
    progress: Progress,
    stop: Stop,
    may_begin: bool,
    with_roots: bool = True,
    with_source: bool = True,
) -> Iterator[Context]:
    """A wave ready to be worked on, alone.

    Raises:
        NothingThere: The wave has not run yet and ``may_begin`` is false.
        LedgerError: Another run holds the ledger, or it cannot be used.
        StoreError: A store is not there, or not for us.
        CapabilityMissing: The target cannot give what ``settings.verify`` asks.
    """
    with ExitStack() as stack:
        if not files.ledger.exists() and not may_begin:
            raise NothingThere("this wave has no ledger yet", hint="run 'havre migrate' first")
        # What works on stored objects alone must not need a source that may be gone.
        source = stack.enter_context(opener(plan.source if with_source else plan.target, True))
        target = stack.enter_context(opener(plan.target, False))
        if settings.verify is Level.STORE_CHECKSUM and not target.capabilities.verifies_checksum:
            raise CapabilityMissing(
                "the target does not verify a checksum of ours", hint="verify with 'full' or 'sample' instead"
            )
        if may_begin:
            files.make_folder()
        refuse_network_filesystem(files.folder)
        lock = LedgerLock(files.lock, owner())
        stack.callback(lock.release)
        ledger = _ledger(plan, files)
        roots = Roots()
        try:
            recipients = current_recipients(ledger, plan)
            if with_roots and plan.mode is Mode.ENCRYPT and (settings.retry_rejected or ledger.unfinished()):
                roots = open_roots(
                    ledger, guarded=plan.dataset_class.guarded, recipients=recipients, identities=identities
                )
            names = TargetNames(plan.mode, plan.names, ledger.meta("name_key"))
            seed = ledger.meta("sample_seed")
            if seed is None:
                seed = os.urandom(32)
                ledger.set_meta(sample_seed=seed)
        except BaseException:
            ledger.close()
            raise
        writer = LedgerWriter(ledger)
        stack.callback(writer.close)
        yield Context(
            plan=plan,
            settings=settings,
            source=source,
            target=target,
            names=names,
            writer=writer,
            wave_id=bytes.fromhex(plan.id),
            stamp_key=ledger.stamp_key,
            recipients=recipients,
            identities=identities,
            roots=roots,
            progress=progress,
            stop=stop,
            budget=MemoryBudget(settings.memory),
            buffers=Buffers(settings.part_units * 65_564, spool_above=SPOOL_ABOVE, folder=files.folder),
            bandwidth=Bandwidth(settings.bandwidth, sleep=stop.pause),
            fit=AttributeFit(target, writer),
            sample_seed=seed,
        )


def _ledger(plan: Plan, files: WaveFiles) -> Ledger:
    if files.ledger.exists():
        return Ledger.open(files.ledger, wave_id=plan.id, plan_digest=plan.digest)
    extra = {"name_key": os.urandom(32)} if plan.names is Names.KEYED else {}
    # Made under another name and renamed, so that a run cut here leaves no half ledger behind.
    unfinished = files.ledger.with_suffix(".new")
    unfinished.unlink(missing_ok=True)
    Ledger.create(unfinished, wave_id=plan.id, plan_digest=plan.digest, **extra).close()
    unfinished.rename(files.ledger)
    return Ledger.open(files.ledger, wave_id=plan.id, plan_digest=plan.digest)
