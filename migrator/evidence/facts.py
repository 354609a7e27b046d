"""What a bundle says beside its rows: the statements' predicates and ``run.json``, from a ledger alone.

Source: the sections "Envelopes" and "Files" of ``migrator/docs/evidence-format.md``. Nothing here asks the clock, so
that the same ledger gives the same bytes.
"""

from __future__ import annotations

import hashlib
import json
from base64 import b64decode
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from migrator.core.modes import Level
from migrator.core.plan import Plan
from migrator.core.states import State
from migrator.errors import NothingThere
from migrator.evidence.rewraps import former_readers, left_behind, recipients_now, rewraps_of
from migrator.ledger.ledger import Ledger

__all__ = [
    "Inventory",
    "Tally",
    "dependencies",
    "made_at",
    "run_document",
    "transfer_predicate",
    "verification_predicate",
]

CLAIM: Final = (
    "These are the objects listed at the source between listed_from and listed_to under these filters, what became "
    "of each, and what was stored at the target."
)
_NO_INVENTORY: Final = "that the listing was complete: no independent inventory was compared"
_INVENTORY_NAMED: Final = (
    "that the listing was complete: the independent inventory is named by its digest, and was not compared"
)
_CLAIM_OF_A_RESTORE: Final = (
    "These are the objects that the wave {wave} ({id}) had recorded as stored when its ledger had {batches} batches and "
    "the head {head}, under these filters, what became of each, and what was stored at the destination."
)
_LIMITS: Final = (
    "that the source returned what its owner had stored there",
    "that nobody else holds a recipient's private key",
)
_STRENGTH: Final = (Level.SIZE, Level.STORE_CHECKSUM, Level.CIPHERTEXT, Level.SAMPLE, Level.FULL)

_VERIFIED: Final = State.VERIFIED.word


@dataclass(frozen=True, slots=True)
class Inventory:
    """Another party's inventory of the source, if there is one: a name for it and its SHA-256."""

    name: str
    sha256: str


class _Counted(Protocol):
    @property
    def state(self) -> str: ...
    @property
    def level(self) -> str | None: ...
    @property
    def at(self) -> int | None: ...


@dataclass(slots=True)
class Tally:
    """What the rows add up to."""

    states: Counter[str] = field(default_factory=Counter)
    levels: Counter[str] = field(default_factory=Counter)
    first: int | None = None
    last: int | None = None
    _verified: set[str] = field(default_factory=set)

    def add(self, row: _Counted) -> None:
        """Count a row."""
        self.states[row.state] += 1
        if row.level is not None:
            self.levels[row.level] += 1
            if row.state == _VERIFIED:
                self._verified.add(row.level)
        if row.at is not None:
            self.first = row.at if self.first is None else min(self.first, row.at)
            self.last = row.at if self.last is None else max(self.last, row.at)

    @property
    def weakest(self) -> str | None:
        """The weakest level among the rows that are verified, or None if none is.

        What was found at the target already has a level too, and counts in ``levels`` only.
        """
        return next((str(level) for level in _STRENGTH if str(level) in self._verified), None)


def transfer_predicate(
    ledger: Ledger, plan: Plan, tally: Tally, *, root: bytes, size: int, inventory: Inventory | None
) -> dict[str, Any]:
    """The predicate ``urn:havre:predicate:transfer:1``.

    Raises:
        NothingThere: The inventory of the wave is not complete.
    """
    sealed = ledger.meta("sealed_ms")
    if sealed is None:
        raise NothingThere("the inventory of this wave is not complete", hint="run 'havre migrate' first")
    limits = (_INVENTORY_NAMED if inventory else _NO_INVENTORY, *_LIMITS)
    planned, rewraps = plan_recipients(plan), rewraps_of(ledger)
    return {
        "wave": plan.wave,
        "wave_id": plan.id,
        "class": str(plan.dataset_class),
        "mode": str(plan.mode),
        "names": str(plan.names),
        "claim": CLAIM if plan.restores is None else _CLAIM_OF_A_RESTORE.format(**plan.restores.to_dict()),
        "made_at": made_at(ledger),
        "inventory": {
            "independent": inventory and {"name": inventory.name, "sha256": inventory.sha256},
            "listed_from": ledger.one("SELECT min(at_ms) FROM batches"),
            "listed_to": sealed,
            "rows": ledger.meta("sealed_rows"),
        },
        "filters": [[kind, glob] for kind, glob in plan.filters],
        "tree": {"root": root.hex(), "size": size},
        "states": dict(tally.states),
        "ledger": {"batches": ledger.seq, "head": ledger.head.hex()},
        "recipients": recipients_now(planned, rewraps),
        **({"rewraps": rewraps} if rewraps else {}),
        "limits_of_this": [*limits, *former_readers(planned, rewraps), *left_behind(ledger)],
    }


def verification_predicate(
    ledger: Ledger, plan: Plan, tally: Tally, *, root: bytes, size: int
) -> dict[str, Any]:
    """The predicate ``urn:havre:predicate:verification:1``."""
    sampled = tally.levels[str(Level.SAMPLE)]
    seed = ledger.meta("sample_seed")
    return {
        "wave_id": plan.id,
        "made_at": made_at(ledger),
        "tree": {"root": root.hex(), "size": size},
        "levels": dict(tally.levels),
        "weakest": tally.weakest,
        "from": tally.first,
        "to": tally.last,
        "sample": {"seed": seed.hex(), "size": sampled} if sampled and seed else None,
    }


def run_document(ledger: Ledger) -> dict[str, Any]:
    """``run.json``: each run with its owner, host, version and clock, and what is installed here."""
    runs = []
    for started, ended, owner, version, epoch, outcome in ledger.query(
        "SELECT started_ms, ended_ms, owner, version, epoch, outcome FROM runs ORDER BY id"
    ):
        runs.append(
            {
                "started": started,
                "ended": ended,
                "owner": json.loads(owner),
                "version": version,
                "epoch": epoch,
                "outcome": outcome,
            }
        )
    return {"runs": runs, "made_by": dependencies()}


def dependencies() -> dict[str, str]:
    """The version of havre, and a digest over the name and version of every installed package."""
    from importlib import metadata  # noqa: PLC0415 - takes long, and a reader of bundles needs none

    found = sorted(
        {
            f"{dist.metadata['Name'].lower()}=={dist.version}"
            for dist in metadata.distributions()
            if dist.metadata["Name"]
        }
    )
    digest = hashlib.sha256("\n".join(found).encode()).hexdigest()
    return {"version": metadata.version("havre"), "dependencies_sha256": digest}


def made_at(ledger: Ledger) -> int:
    """The time of the ledger's last batch."""
    return int(ledger.one("SELECT at_ms FROM batches ORDER BY seq DESC LIMIT 1") or 0)


def plan_recipients(plan: Plan) -> list[str]:
    """The recipients' raw public keys in hexadecimal."""
    return [b64decode(text).hex() for text in plan.recipients]
