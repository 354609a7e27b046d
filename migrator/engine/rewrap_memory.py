"""The memory that objects take while they are rewrapped: each worker waits for its share."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from migrator.engine.context import Context
from migrator.engine.settings import SPOOL_ABOVE
from migrator.envelope.arithmetic import CIPHER_SEGMENT
from migrator.ledger.ledger import Ledger
from migrator.ledger.rows import Row

__all__ = ["Memory"]

_HEADER: Final = CIPHER_SEGMENT


class Memory:
    """Lets workers wait for their share of a run's memory."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._free = threading.Condition()

    @contextmanager
    def share(self, row: Row, *, revoke: bool) -> Iterator[None]:
        """Hold what one object takes: bytes read and bytes sent, and plain bytes in between where it is opened."""
        size = (3 if revoke else 2) * self._at_once(row) + _HEADER
        with self._free:
            self._free.wait_for(lambda: self._context.budget.try_reserve(size))
        try:
            yield
        finally:
            self._context.budget.release(size)
            with self._free:
                self._free.notify_all()

    def _at_once(self, row: Row) -> int:
        # Parts stay as large as they were, whatever this run would make of new ones; the largest lie on disk.
        context = self._context
        upload = None if row.ciphertext_sha256 else context.writer.call(Ledger.upload, row.row)
        units = max(context.settings.part_units, upload.part_units if upload else 0)
        return min(row.stored_size or 0, units * CIPHER_SEGMENT, SPOOL_ABOVE)
