"""Writing a bundle: one pass over the ledger's rows, whole or not at all.

Source: ``migrator/docs/evidence-format.md``.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final

from migrator.core.canonical import encode
from migrator.core.commitments import FIELDS, Salts
from migrator.core.names import TargetNames
from migrator.core.plan import Plan
from migrator.core.tiles import TiledTree
from migrator.errors import UsageError
from migrator.evidence.checkpoint import seal_checkpoint
from migrator.evidence.dsse import seal_statement, statement
from migrator.evidence.facts import (
    Inventory,
    Tally,
    made_at,
    run_document,
    transfer_predicate,
    verification_predicate,
)
from migrator.evidence.kept_tree import keep_tree
from migrator.evidence.rows import ManifestRow, manifest_rows
from migrator.evidence.signers import ED25519, Signer, check_signers, keys_document
from migrator.ledger.ledger import Ledger

__all__ = ["TRANSFER", "VERIFICATION", "Bundle", "opening", "write_bundle"]

TRANSFER: Final = "urn:havre:predicate:transfer:1"
VERIFICATION: Final = "urn:havre:predicate:verification:1"
_EVERY: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """What was written.

    Attributes:
        folder: Where.
        root: Root of the tree.
        rows: Number of rows.
        states: Rows in each state.
        weakest: Weakest verification level, or None.
    """

    folder: Path
    root: bytes
    rows: int
    states: Mapping[str, int]
    weakest: str | None


@dataclass(slots=True)
class _Writer:
    folder: Path
    digests: dict[str, str] = field(default_factory=dict)

    def write(self, name: str, data: bytes, *, listed: bool = True) -> None:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True, mode=0o700)
        with _create(path) as file:
            file.write(data)
            _flush(file)
        if listed:
            self.digests[name] = hashlib.sha256(data).hexdigest()


def write_bundle(
    ledger: Ledger,
    plan: Plan,
    plan_bytes: bytes,
    into: Path,
    *,
    signers: Sequence[Signer],
    gate: Mapping[str, Any],
    derogations: Mapping[str, bytes] | None = None,
    inventory: Inventory | None = None,
    opened: Collection[str] = (),
    stamp: Callable[[bytes], bytes | None] | None = None,
    kept: Path | None = None,
    on_row: Callable[[int], None] = lambda _row: None,
) -> Bundle:
    """Write the evidence of a wave.

    Args:
        ledger: The wave's ledger, open for reading, unchanged meanwhile.
        plan: The wave.
        plan_bytes: The wave file as it was run.
        into: The bundle's folder; must not exist.
        signers: At least one with an Ed25519 key; their order is that of the signatures.
        gate: The gate's verdict as recorded.
        derogations: File name → signed document that was relied on.
        inventory: Another party's inventory of the source.
        opened: Fields to open for every row; everything else stays closed.
        stamp: Given the bytes of the transfer statement's file, gives a time-stamp over them, or None for no
            time-stamp; what it raises leaves no bundle.
        kept: File to keep the tree in, so that proofs need not read every row again.
        on_row: Told of every thousandth row.

    Raises:
        UsageError: The folder is there already, a field is unknown, or nobody signs.
        NothingThere: The wave's inventory is not complete.
        CustodyError: A signing key cannot be used.
    """
    _check(into, signers, opened, made=made_at(ledger))
    salts = Salts(ledger.meta("evidence_key"), ledger.head)
    names = TargetNames(plan.mode, plan.names, ledger.meta("name_key"))
    into.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{into.name}-", dir=into.parent))  # 0700
    try:
        writer = _Writer(work)
        rows = manifest_rows(ledger, names, salts, mode=plan.mode, recipients=len(plan.recipients))
        tree, tally = _write_rows(writer, rows, opened, on_row)
        root = tree.root()
        keys = [signer.public for signer in signers]
        checkpoint = seal_checkpoint(plan.id, tree.size, root, signers)
        writer.write("checkpoint.txt", checkpoint)
        writer.write("plan.toml", plan_bytes)
        writer.write("gate.json", encode(gate) + b"\n")
        for name, document in sorted((derogations or {}).items()):
            writer.write(f"derogations/{name}", document)
        writer.write("run.json", encode(run_document(ledger)) + b"\n")
        writer.write("keys.json", encode(keys_document(keys)) + b"\n")
        transfer = transfer_predicate(ledger, plan, tally, root=root, size=tree.size, inventory=inventory)
        verification = verification_predicate(ledger, plan, tally, root=root, size=tree.size)
        rooted = {name: writer.digests[name] for name in ("manifest.jsonl", "checkpoint.txt")}
        for name, kind, subjects, predicate in (
            ("transfer", TRANSFER, writer.digests, transfer),
            ("verification", VERIFICATION, rooted, verification),
        ):
            sealed = seal_statement(statement(kind, subjects, predicate), signers)
            writer.write(f"statements/{name}.json", sealed, listed=False)
            if stamp is not None and kind == TRANSFER and (stamped := stamp(sealed)) is not None:
                writer.write("timestamp.tsr", stamped, listed=False)
        for folder in (work, *(path for path in work.iterdir() if path.is_dir())):
            _sync(folder)
        work.rename(into)
        _sync(into.parent)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise
    if kept is not None:
        keep_tree(kept, head=ledger.head, checkpoint=checkpoint, tree=tree)
    return Bundle(folder=into, root=root, rows=tree.size, states=dict(tally.states), weakest=tally.weakest)


def opening(row: ManifestRow, opened: Collection[str]) -> dict[str, Any]:
    """What opens some fields of a row and tells nothing of the others."""
    closed, shown = {}, {}
    for name, salt, commitment in zip(FIELDS, row.salts, row.commitments, strict=True):
        if name in opened:
            shown[name] = {"salt": salt.hex(), "value": row.values.get(name)}
        else:
            closed[name] = commitment.hex()
    return {"commitments": closed, "opened": shown, "row": row.row}


def _check(into: Path, signers: Sequence[Signer], opened: Collection[str], *, made: int) -> None:
    if into.exists():
        raise UsageError(f"{str(into)!r} is there already", hint="name a folder that does not exist yet")
    if unknown := sorted(set(opened) - set(FIELDS)):
        raise UsageError(f"there is no field {unknown[0]!r}", hint=f"fields: {', '.join(FIELDS)}")
    check_signers(signers)
    if not any(signer.public.algorithm == ED25519 for signer in signers):
        raise UsageError(
            "evidence needs an Ed25519 signing key", hint="make one with 'havre keys generate --signing'"
        )
    for signer in signers:
        if signer.public.expired_at(made):
            raise UsageError(
                f"the signing key {signer.public.name} had expired when the ledger was last written",
                hint="sign with a key that has not expired",
            )


def _write_rows(
    writer: _Writer,
    rows: Any,
    opened: Collection[str],
    on_row: Callable[[int], None],
) -> tuple[TiledTree, Tally]:
    tree, tally, digest = TiledTree(), Tally(), hashlib.sha256()
    chosen = frozenset(opened)
    with ExitStack() as stack:
        manifest = stack.enter_context(_create(writer.folder / "manifest.jsonl"))
        openings = stack.enter_context(_create(writer.folder / "openings.jsonl")) if chosen else None
        for row in rows:
            line = row.line + b"\n"
            manifest.write(line)
            digest.update(line)
            tree.add(row.line)
            tally.add(row)
            if openings is not None:
                openings.write(encode(opening(row, chosen)) + b"\n")
            if row.row % _EVERY == 0:
                on_row(row.row)
        _flush(manifest)
        if openings is not None:
            _flush(openings)
    writer.digests["manifest.jsonl"] = digest.hexdigest()
    return tree, tally


def _create(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb", buffering=1 << 20)


def _sync(folder: Path) -> None:
    # A name is durable once its folder is: what was reported as written is there after a power cut.
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _flush(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
