"""Small waves with every kind of row, and their evidence."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

from migrator.core import events as e
from migrator.core.modes import DatasetClass, Mode
from migrator.core.plan import Plan
from migrator.engine.recipients import write_recipient
from migrator.envelope.keys import Identity
from migrator.evidence.bundle import write_bundle
from migrator.evidence.signing_keys import FileSigner, new_signing_key
from migrator.ledger.ledger import Ledger
from support.ledgers import DIGEST, WAVE, sealed_ledger, stored

__all__ = ["NOW", "bundle_of", "finished_ledger", "open_ledger", "second_verifier", "signers", "wave_plan"]

NOW = 2_000_000_000_000
_SECOND = Path(__file__).parents[2] / "scripts" / "check_evidence.py"
_OWNER = json.dumps({"user": "op", "host": "worker-1", "pid": 7, "clock": {"synchronised": True}})


def finished_ledger(path: Path, rows: int = 12) -> None:
    """A ledger whose rows are verified, but for the last six: one of each other state, one in parts."""
    ledger = sealed_ledger(path, rows)
    ledger.append([e.EpochRaised(1), e.RunStarted(_OWNER, "0.1", 1, "full", None)])
    for row in range(1, rows - 5):
        ledger.append([*stored(row), e.ObjectVerified(row, "full", None)])
    parted = rows - 5
    ledger.append([e.GenerationStarted(1, ((parted, rows - 2),)), e.UploadOpened(parted, "u", 128, 0)])
    ledger.append(
        [
            e.PartStored(parted, 1, 65_564, b"a" * 32, bytes(6), "p", b"h" * 32),
            e.PartStored(parted, 2, 30, b"b" * 32, bytes(6), "p", None),
            e.ObjectStored(parted, 65_594, b"c" * 32, None, None, "etag", "v1", None),
            e.ObjectVerified(parted, "full", None),
        ]
    )
    ledger.append(
        [stored(rows - 4)[1], e.SourceDrifted(rows - 3, "it grew"), e.ObjectFailed(rows - 2, "503")]
    )
    ledger.append([e.ObjectSkipped(rows - 1, "there", 7, bytes(32), bytes(32), "e", None)])
    ledger.append([e.RunEnded("incomplete")])
    ledger.close()


def second_verifier() -> ModuleType:
    """The verifier that shares no code with the first, as a module."""
    spec = importlib.util.spec_from_file_location("check_evidence", _SECOND)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def open_ledger(path: Path) -> Ledger:
    """Open it for reading."""
    return Ledger.open(path, wave_id=WAVE, plan_digest=DIGEST, read_only=True)


def wave_plan() -> Plan:
    """The wave of these ledgers."""
    reader = Identity.from_private_bytes(bytes(range(32))).recipient()
    return Plan(
        wave="may",
        id=WAVE,
        dataset_class=DatasetClass.PSEUDONYMISED,
        mode=Mode.ENCRYPT,
        source="/from",
        target="/to",
        recipients=(write_recipient(reader),),
        filters=(("exclude", "*.tmp"),),
    )


def signers(*algorithms: str) -> list[FileSigner]:
    """New keys, one for each algorithm."""
    return [
        new_signing_key(f"key-{number}", algorithm, valid_from=0, valid_until=None)
        for number, algorithm in enumerate(algorithms or ("ed25519",), 1)
    ]


def bundle_of(
    root: Path,
    signing: Sequence[FileSigner],
    *,
    rows: int = 12,
    opened: Sequence[str] = (),
    name: str = "bundle",
    stamp: Callable[[bytes], bytes | None] | None = None,
    kept: Path | None = None,
) -> Path:
    """A bundle of a finished ledger below `root`."""
    path = root / "ledger.sqlite"
    if not path.exists():
        finished_ledger(path, rows)
    ledger = open_ledger(path)
    try:
        return write_bundle(
            ledger,
            wave_plan(),
            b'wave = "may"\n',
            root / name,
            signers=signing,
            gate={"verdict": "no-objection"},
            derogations={"one.json": b'{"who":"dpo"}\n'},
            opened=opened,
            stamp=stamp,
            kept=kept,
        ).folder
    finally:
        ledger.close()
