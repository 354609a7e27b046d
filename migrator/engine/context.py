"""What every part of one run shares: stores, plan, secrets, ledger, budgets. Built once, then only read."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from migrator.core.modes import Mode
from migrator.core.names import TargetNames
from migrator.core.plan import Plan
from migrator.core.stamp import Stamp, attempt_token, stamp_in
from migrator.engine.attributes import AttributeFit
from migrator.engine.budget import Buffers, MemoryBudget
from migrator.engine.progress import Progress
from migrator.engine.roots import Roots
from migrator.engine.settings import Settings
from migrator.envelope.keys import Identity, Recipient
from migrator.ledger.rows import Row
from migrator.ledger.writer import LedgerWriter
from providers.layers.bandwidth import Bandwidth
from providers.model import Key, ObjectMeta
from providers.store import ObjectStore

__all__ = ["Context", "Stop"]

_MAX_TROUBLES = 100


class Stop:
    """Why a run should end early, if it should. ``reason`` is the first error that stopped it, or None."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self.reason: BaseException | None = None
        self._lock = threading.Lock()

    def __bool__(self) -> bool:
        return self.event.is_set()

    def pause(self, seconds: float) -> None:
        """Wait, but not beyond the moment when the run is to stop."""
        self.event.wait(seconds)

    def request(self, reason: BaseException | None = None) -> None:
        """Ask everybody to finish what is in flight."""
        with self._lock:
            if self.reason is None:
                self.reason = reason
        self.event.set()


@dataclass(slots=True, kw_only=True)
class Context:
    """One run of one wave."""

    plan: Plan
    settings: Settings
    source: ObjectStore
    target: ObjectStore
    names: TargetNames
    writer: LedgerWriter
    wave_id: bytes
    stamp_key: bytes = field(repr=False)
    recipients: tuple[Recipient, ...]
    identities: tuple[Identity, ...]
    roots: Roots
    progress: Progress
    stop: Stop
    budget: MemoryBudget
    buffers: Buffers
    bandwidth: Bandwidth
    fit: AttributeFit
    sample_seed: bytes = b""
    skew: float = 0.0
    consecutive_failures: int = 0
    opened_any: bool = False
    troubles: dict[int, str] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def trouble(self, row: int, reason: str) -> None:
        """Remember why a row was left for the next run (the first few; the ledger keeps its state)."""
        with self.lock:
            if len(self.troubles) < _MAX_TROUBLES:
                self.troubles[row] = reason

    @property
    def mode(self) -> Mode:
        """The wave's mode."""
        return self.plan.mode

    def target_key(self, row: Row) -> Key:
        """Where the row's object goes."""
        return Key(self.names.target(row.key))

    def attempt(self, row: Row) -> str:
        """The token of the row's current generation."""
        return attempt_token(self.stamp_key, row.row, row.generation)

    def stamp(self, attempt: str) -> str:
        """The stamp of an attempt."""
        return str(Stamp(self.wave_id.hex()[:12], attempt))

    def is_ours(self, row: Row, found: ObjectMeta) -> bool:
        """Whether an object at the target carries the stamp of some generation of this row."""
        stamp = Stamp.read(stamp_in(found.attributes.metadata) if found.attributes else None)
        if stamp is None or stamp.wave != self.wave_id.hex()[:12]:
            return False
        return any(
            stamp.attempt == attempt_token(self.stamp_key, row.row, generation)
            for generation in range(row.generation, 0, -1)
        )
