"""Proofs of chosen objects: a document that shows some fields of some rows and says nothing of any other.

Source: the section "Proofs" of ``migrator/docs/evidence-format.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from migrator.core.canonical import encode
from migrator.core.commitments import FIELDS, Salts
from migrator.core.merkle import root_from_proof
from migrator.core.names import TargetNames
from migrator.core.plan import Plan
from migrator.core.tiles import BLOCK, Level, TiledTree, paths_through
from migrator.errors import EvidenceInvalid, NothingThere, UsageError
from migrator.evidence.bundle import opening
from migrator.evidence.checkpoint import read_checkpoint, seal_checkpoint
from migrator.evidence.kept_tree import keep_tree, levels_in_memory, open_tree
from migrator.evidence.manifest_reader import MAX_ROW, ReadRow, check_opening, read_row
from migrator.evidence.rows import ManifestRow, manifest_rows
from migrator.evidence.signers import ED25519, PublicKey, Signer, check_signers, keys_document, read_keys
from migrator.ledger.ledger import Ledger

__all__ = ["FORMAT", "MAX_PROOF", "Proof", "ProvenRow", "check_proof", "write_proof"]

FORMAT: Final = "havre-proof/1"
MAX_PROOF: Final = 16 * 1024 * 1024
"""Bytes of a proof, at most."""
_MAX_ROWS: Final = 100_000
_MAX_PATH: Final = 64


@dataclass(frozen=True, slots=True)
class ProvenRow:
    """A row that a proof shows, and the fields that it opens."""

    row: ReadRow
    values: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """A proof that holds.

    Attributes:
        wave_id: The wave.
        size: Rows of the wave.
        rows: What is shown.
        trusted: Names of trusted keys that signed the checkpoint.
    """

    wave_id: str
    size: int
    rows: tuple[ProvenRow, ...]
    trusted: tuple[str, ...] = field(default=())


def write_proof(
    ledger: Ledger,
    plan: Plan,
    keys: Sequence[str],
    opened: Collection[str],
    *,
    signers: Sequence[Signer],
    kept: Path | None = None,
    on_build: Callable[[str], None] = lambda _reason: None,
) -> bytes:
    """Prove what became of some source keys.

    Args:
        ledger: The wave's ledger, open for reading.
        plan: The wave.
        keys: Source keys.
        opened: Fields to show.
        signers: As for the bundle of the same ledger, so that both have the same checkpoint.
        kept: Where ``write_bundle`` kept the tree. If it is there, of this state of the ledger and signed by the same
            keys, only the rows of blocks with a chosen object are read; else every row is, and the tree is kept.
        on_build: Told why every row must be read.

    Raises:
        NothingThere: A key is not in the wave.
        UsageError: A field is unknown, too many keys are asked for, or a key signs twice.
    """
    if unknown := sorted(set(opened) - set(FIELDS)):
        raise UsageError(f"there is no field {unknown[0]!r}", hint=f"fields: {', '.join(FIELDS)}")
    if len(keys) > _MAX_ROWS:
        raise UsageError(
            f"a proof shows at most {_MAX_ROWS} objects", hint="write a bundle with --open instead"
        )
    check_signers(signers)
    if ledger.meta("sealed_rows") is None:
        raise NothingThere("the inventory of this wave is not complete", hint="run 'havre migrate' first")
    chosen = set()
    for key in keys:
        row = ledger.by_key(key)
        if row is None:
            raise NothingThere(f"the wave has no object {key!r}", hint="name the key as 'havre ls' shows it")
        chosen.add(row.row)
    source = _Rows(ledger, plan)
    with ExitStack() as stack:
        shown = None
        try:
            if kept is not None:
                file = stack.enter_context(kept.open("rb"))
                size = int(ledger.meta("sealed_rows"))
                tree = open_tree(file, head=ledger.head, wave_id=plan.id, size=size, signers=signers)
                text = tree.text
                shown = _shown(source, sorted(chosen), opened, tree.levels, tree.checkpoint.root)
        except FileNotFoundError:
            on_build("none was kept")
        except (EvidenceInvalid, OSError) as error:
            on_build(error.message if isinstance(error, EvidenceInvalid) else "it cannot be read")
    if shown is None:
        text, shown = _build(source, sorted(chosen), opened, signers, kept)
    document = {
        "format": FORMAT,
        "checkpoint": text.decode(),
        "keys": keys_document([signer.public for signer in signers])["keys"],
        "rows": shown,
    }
    data = encode(document) + b"\n"
    if len(data) > MAX_PROOF:
        raise UsageError(
            f"the proof would have {len(data):,} bytes, and readers take {MAX_PROOF:,}",
            hint="name fewer objects, or write a bundle with --open instead",
        )
    return data


class _Rows:
    """The rows of a ledger, all or some."""

    def __init__(self, ledger: Ledger, plan: Plan) -> None:
        self.ledger, self.plan = ledger, plan
        self._salts = Salts(ledger.meta("evidence_key"), ledger.head)
        self._names = TargetNames(plan.mode, plan.names, ledger.meta("name_key"))
        self._recipients = len(plan.recipients)

    def all(self) -> Iterator[ManifestRow]:
        return manifest_rows(
            self.ledger, self._names, self._salts, mode=self.plan.mode, recipients=self._recipients
        )

    def block(self, number: int) -> list[ManifestRow]:
        first = number * BLOCK + 1
        return list(
            manifest_rows(
                self.ledger,
                self._names,
                self._salts,
                mode=self.plan.mode,
                recipients=self._recipients,
                first=first,
                last=first + BLOCK - 1,
            )
        )


def _build(
    source: _Rows,
    chosen: Sequence[int],
    opened: Collection[str],
    signers: Sequence[Signer],
    kept: Path | None,
) -> tuple[bytes, list[dict[str, Any]]]:
    """A new checkpoint, and what it proves of the chosen rows, from every row of the ledger."""
    tree = TiledTree()
    for row in source.all():
        tree.add(row.line)
    root = tree.root()
    text = seal_checkpoint(source.plan.id, tree.size, root, signers)
    if kept is not None:
        keep_tree(kept, head=source.ledger.head, checkpoint=text, tree=tree)
    return text, _shown(source, chosen, opened, levels_in_memory(tree), root)


def _shown(
    source: _Rows, chosen: Sequence[int], opened: Collection[str], levels: Sequence[Level], root: bytes
) -> list[dict[str, Any]]:
    """The proof's entry of each chosen row.

    Raises:
        EvidenceInvalid: The rows of the ledger do not lead to the root by these levels.
    """
    found = []
    for number, group in groupby(chosen, key=lambda row: (row - 1) // BLOCK):
        rows = source.block(number)
        places = [(row - 1) % BLOCK for row in group]
        paths = paths_through(number, [row.line for row in rows], places, levels, root)
        if paths is None:
            raise EvidenceInvalid("it does not fit the rows of the ledger")
        for place, path in zip(places, paths, strict=True):
            known = opening(rows[place], opened)
            found.append(
                {
                    "commitments": known["commitments"],
                    "line": rows[place].line.decode(),
                    "opened": known["opened"],
                    "path": [node.hex() for node in path],
                }
            )
    return found


def check_proof(document: Any, trusted: Sequence[PublicKey]) -> Proof:
    """Check a proof that was read from its canonical form.

    Raises:
        EvidenceInvalid: It does not hold.
    """
    members = {"format", "checkpoint", "keys", "rows"}
    if not isinstance(document, dict) or set(document) != members or document["format"] != FORMAT:
        raise EvidenceInvalid("it is not a proof of this version")
    if not isinstance(document["checkpoint"], str) or not isinstance(document["rows"], list):
        raise EvidenceInvalid("the proof has no checkpoint or no rows")
    keys = read_keys({"keys": document["keys"]})
    checkpoint = read_checkpoint(document["checkpoint"].encode())
    signers = checkpoint.signers(keys)
    ids = {key.keyid for key in signers}
    if [key.keyid for key in keys if key.algorithm == ED25519] != [key.keyid for key in signers]:
        raise EvidenceInvalid(
            "the checkpoint is not signed by exactly the Ed25519 keys of the proof, in order"
        )
    known = tuple(key.name for key in trusted if key.keyid in ids)
    if not known:
        raise EvidenceInvalid("no key that you trust has signed the checkpoint")
    rows, last = [], 0
    for entry in document["rows"]:
        found = _check_row(entry, checkpoint.size, checkpoint.root)
        if found.row.row <= last:
            raise EvidenceInvalid("rows do not rise")
        last = found.row.row
        rows.append(found)
    if not rows:
        raise EvidenceInvalid("the proof shows no row")
    return Proof(wave_id=checkpoint.wave_id, size=checkpoint.size, rows=tuple(rows), trusted=known)


def _check_row(entry: Any, size: int, root: bytes) -> ProvenRow:
    if not isinstance(entry, dict) or set(entry) != {"commitments", "line", "opened", "path"}:
        raise EvidenceInvalid("a row of the proof lacks a member or has one too many")
    if (
        not isinstance(entry["line"], str)
        or not isinstance(entry["path"], list)
        or len(entry["path"]) > _MAX_PATH
    ):
        raise EvidenceInvalid("a row of the proof holds a value that it may not hold")
    line = entry["line"].encode()
    if len(line) > MAX_ROW:
        raise EvidenceInvalid("a row of the proof is too long")
    row = read_row(line)
    try:
        path = [bytes.fromhex(node) for node in entry["path"]]
    except (TypeError, ValueError):
        raise EvidenceInvalid("a path is not hexadecimal") from None
    if any(len(node) != 32 or node.hex() != text for node, text in zip(path, entry["path"], strict=True)):
        raise EvidenceInvalid("a path does not consist of digests")
    if root_from_proof(line, row.row - 1, size, path) != root:
        raise EvidenceInvalid(f"row {row.row} is not in the tree")
    values, fields = check_opening(entry["commitments"], entry["opened"])
    if fields != row.fields:
        raise EvidenceInvalid(f"what is opened of row {row.row} is not what was committed to")
    return ProvenRow(row, values)
