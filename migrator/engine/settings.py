"""How hard to work: resolved once from flags, then frozen and passed down. No module reads the environment."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from migrator.core.geometry import DEFAULT_PART_UNITS
from migrator.core.modes import Level
from migrator.core.units import Window
from providers.capabilities import MIB
from providers.layers.retry import RetryPolicy

__all__ = ["SPOOL_ABOVE", "Settings"]

SPOOL_ABOVE: Final = 64 * MIB
"""Parts above this many bytes seal into a temporary file (0600) instead of memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of one run.

    Attributes:
        workers: Threads that move objects and parts.
        memory: Bytes that all buffers together may hold.
        part_units: Wanted 64 KiB units per part.
        open_objects: Objects moved in parts at the same time.
        claim: Rows whose next generation is made durable at once.
        bandwidth: Payload bytes per second, or None.
        window: Daily window outside of which nothing is sent, or None.
        verify: How stored objects are verified.
        sample: Share of objects verified in full under ``Level.SAMPLE``, 0 to 1.
        retry_rejected: Try objects again that an earlier run began and rejected.
        give_up_after: Objects in a row that may run out of retries before the run stops.
        settle: How long a put or completion whose answer was lost is looked for and done again.
    """

    workers: int = 16
    memory: int = 96 * MIB
    part_units: int = DEFAULT_PART_UNITS
    open_objects: int = 4
    claim: int = 128
    bandwidth: int | None = None
    window: Window | None = None
    verify: Level = Level.FULL
    sample: float = 0.1
    give_up_after: int = 4
    retry_rejected: bool = False
    settle: RetryPolicy = field(default_factory=RetryPolicy)
