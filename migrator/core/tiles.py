"""Merkle trees in blocks of 256 hashes, so that one leaf is proven from a few blocks instead of all leaves.

A tree after RFC 9162 splits at the largest power of two below its size. So the roots of each 256 leaves, the last ones
perhaps fewer, are the leaves of a tree with the same root; and their blocks again, up to a single hash. A proof needs one
block of each level. C2SP tlog-tiles cuts trees in the same way; nothing here leaves the machine.

Source: RFC 9162 sections 2.1.1 and 2.1.3.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from migrator.core.merkle import EMPTY_ROOT, leaf_hash, node_hash

__all__ = [
    "BLOCK",
    "HASH",
    "Level",
    "TiledTree",
    "block_path",
    "block_root",
    "paths_through",
    "split",
    "widths",
]

BLOCK: Final = 256
HASH: Final = 32

Level = Callable[[int], Sequence[bytes]]
"""Gives block ``n`` of one level: up to 256 hashes."""


class TiledTree:
    """Collects leaves and gives every level above them: one byte for eight leaves.

    Attributes:
        size: Leaves so far.
    """

    def __init__(self) -> None:
        self.size = 0
        self._roots = bytearray()
        self._open: list[bytes] = []

    def add(self, leaf: bytes) -> None:
        """Add a leaf."""
        self._open.append(hashlib.sha256(b"\x00" + leaf).digest())
        self.size += 1
        if len(self._open) == BLOCK:
            self._roots += block_root(self._open)
            self._open = []

    def levels(self) -> list[bytes]:
        """Each level's hashes, the lowest first; the last level is the root alone. None for no leaves."""
        nodes = bytes(self._roots) + (block_root(self._open) if self._open else b"")
        found = [nodes] if nodes else []
        while len(nodes) > HASH:
            step = BLOCK * HASH
            nodes = b"".join(block_root(split(nodes[at : at + step])) for at in range(0, len(nodes), step))
            found.append(nodes)
        return found

    def root(self) -> bytes:
        """The root of the tree as it is now."""
        levels = self.levels()
        return levels[-1] if levels else EMPTY_ROOT


def widths(size: int) -> list[int]:
    """How many hashes each level of a tree over ``size`` leaves has, as ``TiledTree.levels`` gives them."""
    found: list[int] = []
    while size > 1 or (size == 1 and not found):
        size = -(-size // BLOCK)
        found.append(size)
    return found


def split(nodes: bytes) -> list[bytes]:
    """Hashes that stand one after another."""
    return [nodes[at : at + HASH] for at in range(0, len(nodes), HASH)]


def block_root(nodes: Sequence[bytes]) -> bytes:
    """The root over some hashes, at least one.

    Raises:
        ValueError: There are none.
    """
    if not nodes:
        raise ValueError("a block is not empty")
    while len(nodes) > 1:
        # A node without a neighbour goes up as it is: that is where RFC 9162 splits.
        nodes = [
            node_hash(nodes[at], nodes[at + 1]) if at + 1 < len(nodes) else nodes[at]
            for at in range(0, len(nodes), 2)
        ]
    return nodes[0]


def block_path(nodes: Sequence[bytes], index: int) -> list[bytes]:
    """What proves one of these hashes, lowest first.

    Raises:
        IndexError: There is no such hash.
    """
    if not 0 <= index < len(nodes):
        raise IndexError("a block has no such hash")
    found = []
    while len(nodes) > 1:
        if index ^ 1 < len(nodes):
            found.append(nodes[index ^ 1])
        nodes = [block_root(nodes[at : at + 2]) for at in range(0, len(nodes), 2)]
        index >>= 1
    return found


def paths_through(
    block: int, leaves: Sequence[bytes], places: Iterable[int], levels: Sequence[Level], root: bytes
) -> list[list[bytes]] | None:
    """The inclusion proofs of some leaves of one block, or None if what is given does not lead to the root.

    Args:
        block: The block's number, counting from 0.
        leaves: All its leaves, as they are, not hashed.
        places: Which of them, counting from 0 within the block.
        levels: What stands above, lowest first.
        root: What it must come to.

    Raises:
        IndexError: There is no such place in the block.
    """
    lowest = [leaf_hash(leaf) for leaf in leaves]
    above: list[bytes] = []
    nodes: Sequence[bytes] = lowest
    for level in levels:
        found = block_root(nodes) if nodes else None
        nodes, place = level(block // BLOCK), block % BLOCK
        if place >= len(nodes) or nodes[place] != found:
            return None
        above += block_path(nodes, place)
        block //= BLOCK
    if list(nodes) != [root]:
        return None
    return [block_path(lowest, place) + above for place in places]
