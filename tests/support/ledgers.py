"""Small ledgers for tests, and what a listing would have said."""

from pathlib import Path

from migrator.core.events import GenerationStarted, ManifestSealed, ObjectStored
from migrator.ledger.ledger import Ledger
from migrator.ledger.rows import Listed

__all__ = ["DIGEST", "WAVE", "listed", "new_ledger", "sealed_ledger", "stored"]

WAVE = "00112233445566778899aabbccddeeff"
DIGEST = "d" * 64


def listed(number: int) -> Listed:
    """One object as an inventory records it."""
    return Listed(
        f"patients/{number:08}/study-{number % 7}.dcm",
        number,
        None,
        f'"{number:032x}"',
        None,
        1_700_000_000_000,
        None,
    )


def new_ledger(path: Path) -> Ledger:
    """An empty ledger."""
    return Ledger.create(path, wave_id=WAVE, plan_digest=DIGEST)


def sealed_ledger(path: Path, rows: int) -> Ledger:
    """A ledger with a sealed manifest of so many rows."""
    ledger = new_ledger(path)
    for first in range(1, rows + 1, 1000):
        ledger.list_objects(first, [listed(row) for row in range(first, min(first + 1000, rows + 1))])
    ledger.append([ManifestSealed(rows, rows)])
    return ledger


def stored(row: int) -> tuple[GenerationStarted, ObjectStored]:
    """The events of one small object, from intent to acknowledgement."""
    receipt = ObjectStored(row, 100 + row, bytes(32), bytes(32), bytes(6), f'"{row:032x}"', None, None)
    return GenerationStarted(1, ((row, row),)), receipt
