"""Merkle trees over a stream of leaves, in memory that grows with the logarithm of their number.

Source: RFC 9162 sections 2.1.1 (tree hash) and 2.1.3 (inclusion proofs), with SHA-256.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

__all__ = ["EMPTY_ROOT", "Tree", "leaf_hash", "node_hash", "root_from_proof"]

EMPTY_ROOT: Final = hashlib.sha256(b"").digest()


def leaf_hash(leaf: bytes) -> bytes:
    """The hash of a leaf."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Tree:
    """The root of all leaves added so far."""

    def __init__(self) -> None:
        self.size = 0
        # Roots of complete subtrees, the largest first: their sizes are the bits of ``size``.
        self._peaks: list[bytes] = []

    def add(self, leaf: bytes) -> None:
        """Add a leaf."""
        found = hashlib.sha256(b"\x00" + leaf).digest()
        number = self.size
        while number & 1:
            found = hashlib.sha256(b"\x01" + self._peaks.pop() + found).digest()
            number >>= 1
        self._peaks.append(found)
        self.size += 1

    def root(self) -> bytes:
        """The root of the tree as it is now."""
        if not self._peaks:
            return EMPTY_ROOT
        *others, found = self._peaks
        for peak in reversed(others):
            found = node_hash(peak, found)
        return found


def root_from_proof(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """The root that a proof leads to, or None if no tree of this size has such a proof.

    Source: RFC 9162 section 2.1.3.2.
    """
    if not 0 <= index < size:
        return None
    node, last, found = index, size - 1, leaf_hash(leaf)
    for sibling in path:
        if last == 0:
            return None
        if node & 1 or node == last:
            found = node_hash(sibling, found)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        node, last = node >> 1, last >> 1
    return found if last == 0 else None
