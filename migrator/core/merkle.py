"""Merkle trees over a stream of leaves, in memory that grows with the logarithm of their number.

Source: RFC 9162 sections 2.1.1 (tree hash) and 2.1.3 (inclusion proofs), with SHA-256.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Final

__all__ = ["EMPTY_ROOT", "Proofs", "Tree", "leaf_hash", "node_hash", "root_from_proof"]

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


class Proofs:
    """Collects the inclusion proofs of chosen leaves in one pass over all of them.

    Args:
        chosen: Indices, counting from 0.
        size: Number of leaves of the whole tree.

    Raises:
        ValueError: An index is not in the tree.
    """

    def __init__(self, chosen: Iterable[int], size: int) -> None:
        self._chosen = sorted(set(chosen))
        if self._chosen and not 0 <= self._chosen[0] <= self._chosen[-1] < size:
            raise ValueError("a leaf is not in the tree")
        self._size = size
        self._next = 0
        self._open: list[_Range] = []
        # Every subtree whose root some proof needs, by its first leaf and its size.
        self._wanted = {span for index in self._chosen for span in _siblings(index, size)}
        self._found: dict[tuple[int, int], bytes] = {}

    def add(self, leaf: bytes) -> None:
        """Give the next leaf."""
        span, found = (self._next, 1), leaf_hash(leaf)
        self._next += 1
        self._keep(span, found)
        # Complete subtrees of a power of two are joined as they come; the ragged right edge at the end.
        while self._open and self._open[-1].count == span[1]:
            left = self._open.pop()
            span, found = (left.first, left.count * 2), node_hash(left.root, found)
            self._keep(span, found)
        self._open.append(_Range(span[0], span[1], found))

    def paths(self) -> dict[int, list[bytes]]:
        """Each chosen leaf's path, from the leaf upwards.

        Raises:
            ValueError: The leaves that were given are not all of the tree.
        """
        if self._next != self._size:
            raise ValueError("leaves are missing")
        if self._open:
            *others, last = self._open
            first, count, found = last.first, last.count, last.root
            for left in reversed(others):
                first, count, found = left.first, left.count + count, node_hash(left.root, found)
                self._keep((first, count), found)
        return {index: [self._found[span] for span in _siblings(index, self._size)] for index in self._chosen}

    def _keep(self, span: tuple[int, int], root: bytes) -> None:
        if span in self._wanted:
            self._found[span] = root


class _Range:
    __slots__ = ("count", "first", "root")

    def __init__(self, first: int, count: int, root: bytes) -> None:
        self.first, self.count, self.root = first, count, root


def _siblings(index: int, size: int) -> list[tuple[int, int]]:
    """The subtrees beside the way from a leaf to the root, lowest first: RFC 9162 section 2.1.3.1."""
    first, found = 0, []
    while size > 1:
        left = 1 << (size - 1).bit_length() - 1
        if index < first + left:
            found.append((first + left, size - left))
            size = left
        else:
            found.append((first, left))
            first, size = first + left, size - left
    return found[::-1]


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
