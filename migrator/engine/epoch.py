"""The epoch record: a small object at the target that tells a ledger from an old copy of itself.

Each run raises the epoch: first in the ledger, then at the target. A ledger that finds a higher epoch than its own
was restored from a copy, or cloned; going on with it would repeat or miss work. The record also claims the prefix
for this wave, names by fingerprint the readers its objects are to be for, and shows how far the store's clock is from
ours.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from migrator.core.events import EpochRaised
from migrator.core.names import OWN_PREFIX
from migrator.engine.context import Context
from migrator.engine.readers import fingerprints
from migrator.engine.settle import discard
from migrator.errors import LedgerForeign
from migrator.ledger.ledger import Ledger
from providers.errors import NotFound
from providers.model import Key, PutOptions

__all__ = ["Epoch", "raise_epoch"]

_MAX_RECORD = 4096
_ATTEMPT = "epoch"


@dataclass(frozen=True, slots=True)
class Epoch:
    """The run's number, and the store's clock minus ours in seconds (0 where it is not known)."""

    number: int
    skew: float


def raise_epoch(context: Context) -> Epoch:
    """Check the record at the target against the ledger, and raise both.

    Raises:
        LedgerForeign: The target has seen a later run of this wave than this ledger knows of.
        StoreError: The target cannot be read or written.
    """
    key = Key(f"{OWN_PREFIX}{context.wave_id.hex()}/epoch.json")
    known = int(context.writer.call(Ledger.meta, "epoch") or 0)
    found = _read(context, key)
    if found > known:
        raise LedgerForeign(
            f"the target has seen run {found} of this wave, this ledger knows of {known}: it is an older copy",
            hint="use the newest ledger folder of this wave; if it is lost, begin a new wave under a new prefix",
        )
    number = known + 1
    context.writer.commit(EpochRaised(number))
    record: dict[str, Any] = {"wave": context.plan.wave, "id": context.wave_id.hex(), "epoch": number}
    if context.recipients:
        record["readers"] = fingerprints(context.recipients)
    body = json.dumps(record).encode()
    before = time.time()
    discard(context.target, key, _ATTEMPT)
    context.target.put(key, body, PutOptions(attempt=_ATTEMPT))
    meta = context.target.head(key)
    if meta.modified_at is None:
        return Epoch(number, 0.0)
    between = datetime.fromtimestamp((before + time.time()) / 2, UTC)
    return Epoch(number, (meta.modified_at - between).total_seconds())


def _read(context: Context, key: Key) -> int:
    try:
        meta = context.target.head(key)
        if meta.size > _MAX_RECORD:
            return 0
        record = json.loads(bytes(context.target.read(key).data))
        number = record["epoch"]
    except NotFound:
        return 0
    except (ValueError, KeyError, TypeError):
        raise LedgerForeign(
            "the epoch record at the target cannot be read", hint="look at .havre/ under the target's prefix"
        ) from None
    return int(number) if isinstance(number, int) else 0
