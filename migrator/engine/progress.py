"""What a run has done so far, for whoever shows it. Counters only: the ledger is the truth."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

__all__ = ["Progress", "Snapshot"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Counters at one moment; sizes in bytes."""

    phase: str
    note: str | None
    total_objects: int
    total_bytes: int
    listed: int
    done_objects: int
    done_bytes: int
    read_bytes: int
    sent_bytes: int
    checked_bytes: int
    resent_objects: int
    resent_bytes: int
    outcomes: dict[str, int]


@dataclass(slots=True)
class Progress:
    """Thread-safe counters of one run."""

    phase: str = "starting"
    note: str | None = None
    total_objects: int = 0
    total_bytes: int = 0
    listed: int = 0
    done_objects: int = 0
    done_bytes: int = 0
    read_bytes: int = 0
    sent_bytes: int = 0
    checked_bytes: int = 0
    resent_objects: int = 0
    resent_bytes: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(
        self, *, read: int = 0, sent: int = 0, checked: int = 0, resent: int = 0, resent_objects: int = 0
    ) -> None:
        """Count bytes as they move."""
        with self._lock:
            self.read_bytes += read
            self.sent_bytes += sent
            self.checked_bytes += checked
            self.resent_bytes += resent
            self.resent_objects += resent_objects

    def finish(self, outcome: str, size: int) -> None:
        """Count an object that reached an outcome in this run."""
        with self._lock:
            self.done_objects += 1
            self.done_bytes += size
            self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1

    def snapshot(self) -> Snapshot:
        """All counters at once."""
        with self._lock:
            return Snapshot(
                phase=self.phase,
                note=self.note,
                total_objects=self.total_objects,
                total_bytes=self.total_bytes,
                listed=self.listed,
                done_objects=self.done_objects,
                done_bytes=self.done_bytes,
                read_bytes=self.read_bytes,
                sent_bytes=self.sent_bytes,
                checked_bytes=self.checked_bytes,
                resent_objects=self.resent_objects,
                resent_bytes=self.resent_bytes,
                outcomes=dict(self.outcomes),
            )
