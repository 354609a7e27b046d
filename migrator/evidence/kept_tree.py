"""The tree over a wave's rows, kept beside its ledger, so that one proof does not read a million rows again.

``wave.havre/evidence.tree`` (0600) is a cache and no evidence: whatever is read of it must lead to the root in a checkpoint
that the proof's own keys signed, and the rows of the ledger must lead to what is read. It holds hashes of rows, and rows
hold salted commitments; nothing about an object can be told from it. It is written whole or not at all; without it, or
when it does not fit, the tree is built from all rows.

Form: one line of canonical JSON (``checkpoint``, ``format``, ``head``), then the levels of ``migrator.core.tiles``,
lowest first, 32 bytes a hash.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final

from migrator.core.canonical import decode, encode
from migrator.core.tiles import BLOCK, HASH, Level, TiledTree, split, widths
from migrator.errors import EvidenceInvalid
from migrator.evidence.checkpoint import Checkpoint, read_checkpoint
from migrator.evidence.signers import ED25519, Signer

__all__ = ["KeptTree", "keep_tree", "levels_in_memory", "open_tree"]

_FORMAT: Final = "havre-tree/1"
_MAX_LINE: Final = 32_768
_STEP: Final = BLOCK * HASH


@dataclass(frozen=True, slots=True)
class KeptTree:
    """A tree that was kept, its checkpoint's signatures right and by the proof's own keys.

    Attributes:
        text: The checkpoint as it was signed.
        checkpoint: The same, taken apart.
        levels: What stands above the rows; not yet held against the root.
    """

    text: bytes
    checkpoint: Checkpoint
    levels: tuple[Level, ...]


def keep_tree(path: Path, *, head: bytes, checkpoint: bytes, tree: TiledTree) -> None:
    """Keep a tree for later proofs; where that cannot be done, nothing is kept, and proofs take longer."""
    line = encode({"checkpoint": checkpoint.decode(), "format": _FORMAT, "head": head.hex()}) + b"\n"
    with suppress(OSError):
        descriptor, name = tempfile.mkstemp(prefix=".tree-", dir=path.parent)  # created 0600
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.writelines((line, *tree.levels()))
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def levels_in_memory(tree: TiledTree) -> tuple[Level, ...]:
    """The levels of a tree that was just built."""
    return tuple(partial(_slice, nodes) for nodes in tree.levels())


def open_tree(file: BinaryIO, *, head: bytes, wave_id: str, size: int, signers: Sequence[Signer]) -> KeptTree:
    """Read what was kept, as far as it can be trusted before any row is looked at.

    Args:
        file: The file, open at its beginning; it must stay open while levels are used.
        head: The ledger's head as it is now.
        wave_id: The wave.
        size: Rows of the wave.
        signers: Who signs the proof.

    Raises:
        EvidenceInvalid: It is of another state of the ledger, signed by other keys, or damaged.
    """
    line = file.readline(_MAX_LINE)
    document = decode(line.removesuffix(b"\n"))
    if not isinstance(document, dict) or set(document) != {"checkpoint", "format", "head"}:
        raise EvidenceInvalid("it is damaged")
    if document["format"] != _FORMAT or not isinstance(document["checkpoint"], str):
        raise EvidenceInvalid("it is of another version")
    if document["head"] != head.hex():
        raise EvidenceInvalid("the ledger was written since")
    text = document["checkpoint"].encode()
    checkpoint = read_checkpoint(text)
    keys = tuple(signer.public for signer in signers if signer.public.algorithm == ED25519)
    try:
        signed = checkpoint.signers(keys)
    except EvidenceInvalid:
        signed = ()
    if signed != keys or not keys:
        raise EvidenceInvalid("it was signed with other keys")
    counts = widths(size)
    total = len(line) + HASH * sum(counts)
    if (checkpoint.wave_id, checkpoint.size) != (wave_id, size) or os.fstat(file.fileno()).st_size != total:
        raise EvidenceInvalid("it is damaged")
    levels, start = [], len(line)
    for count in counts:
        levels.append(partial(_read, file, start, count * HASH))
        start += count * HASH
    return KeptTree(text, checkpoint, tuple(levels))


def _slice(nodes: bytes, block: int) -> list[bytes]:
    return split(nodes[block * _STEP : (block + 1) * _STEP])


def _read(file: BinaryIO, start: int, length: int, block: int) -> list[bytes]:
    file.seek(start + block * _STEP)
    return split(file.read(min(_STEP, length - block * _STEP)))
