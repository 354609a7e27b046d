"""Whether a ledger's tables say what its events say: the chain, the manifest, every state, every receipt.

Two passes over the batches, none of which keeps more than a byte or two for each row. The first goes forward
through the chain, folds states and compares rewraps and sets of readers one by one; the second goes backward, because
the last receipt of a row is the one that holds. Not covered: the ``parts`` of uploads, whose digests the read-back
checks against the store itself.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Sequence
from typing import Any, Final

import cbor2

from migrator.core.fold import fold
from migrator.core.states import EventKind
from migrator.errors import IllegalTransition, LedgerCorrupt
from migrator.ledger import chain

__all__ = ["audit"]

_SETTLED: Final = 1  # a later event decides what is stored
_PLAINTEXT: Final = 2  # a later verification gave the plaintext digest
_LEVEL: Final = 4  # a later verification gave the level
_STORED: Final = 8  # a receipt holds
_REWRAPPED: Final = (
    16  # a later rewrap decides what is stored; the plain bytes are those of the receipt before
)
_RECEIPT: Final = (
    "SELECT stored_size, plaintext_sha256, ciphertext_sha256, nonce_prefix, target_etag, target_version, "
    "(SELECT digest FROM attributes WHERE id=objects.attributes), level, settled_ms FROM objects WHERE row=?"
)
_LISTED: Final = (
    "SELECT key, size, kind, source_etag, source_version, modified_ms, claims FROM objects "
    "WHERE row BETWEEN ? AND ? ORDER BY row"
)


def audit(connection: sqlite3.Connection) -> int:
    """Check a whole ledger within the caller's read transaction; returns the number of batches.

    Raises:
        LedgerCorrupt: Tables and events disagree, or the chain is broken.
    """
    states, pages, batches = _forward(connection)
    for first, last, digest in pages:
        _check_page(connection, first, last, digest)
    _check_attributes(connection)
    marks = _backward(connection, len(states))
    row = 0
    for row, (number, state, stored) in enumerate(
        connection.execute("SELECT row, state, stored_size IS NOT NULL FROM objects ORDER BY row"), 1
    ):
        if (
            number != row
            or row >= len(states)
            or states[row] != state
            or stored != bool(marks[row] & _STORED)
        ):
            raise LedgerCorrupt(f"row {row} of the ledger contradicts its events")
    if row != len(states) - 1:
        raise LedgerCorrupt(f"the ledger holds {row} rows, its events say {len(states) - 1}")
    return batches


def _forward(connection: sqlite3.Connection) -> tuple[bytearray, list[tuple[int, int, bytes]], int]:
    previous, expected, states = chain.GENESIS, 1, bytearray(1)
    history = _History(connection)
    pages: list[tuple[int, int, bytes]] = []
    for seq, at_ms, digest, events in connection.execute(
        "SELECT seq, at_ms, digest, events FROM batches ORDER BY seq"
    ):
        if seq != expected or not _linked(previous, seq, at_ms, events, digest):
            raise LedgerCorrupt(f"the chain of the ledger is broken at batch {seq}")
        wire = list(chain.decode(events))
        try:
            states = fold(wire, states)
        except IllegalTransition as error:
            raise LedgerCorrupt(f"batch {seq} of the ledger makes no sense: {error.message}") from None
        for kind, *fields in wire:
            if kind == EventKind.OBJECTS_LISTED:
                pages.append((fields[0], fields[1], fields[2]))
            elif kind == EventKind.INVENTORY_RESTARTED:
                pages.clear()
            elif kind == EventKind.READERS_CHANGED:
                history.readers(at_ms, fields)
            elif kind == EventKind.OBJECT_REWRAPPED:
                history.rewrapped(at_ms, fields)
        previous, expected = digest, seq + 1
    history.end()
    return states, pages, expected - 1


class _History:
    """The tables of readers and rewraps, held against their events in turn."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._readers = connection.execute(
            "SELECT id, changed_ms, recipients, revoke FROM readers ORDER BY id"
        )
        self._rewraps = connection.execute(
            "SELECT id, row, readers, revoked, header_before, header_after, old_etag, old_version, at_ms "
            "FROM rewraps ORDER BY id"
        )
        self._rank = 0

    def readers(self, at_ms: int, fields: Sequence[Any]) -> None:
        number, recipients, revoke = fields
        if self._readers.fetchone() != (number, at_ms, cbor2.dumps(recipients), revoke):
            raise LedgerCorrupt(f"the readers {number} of the ledger contradict their event")

    def rewrapped(self, at_ms: int, fields: Sequence[Any]) -> None:
        self._rank += 1
        row, readers, revoked, before, after, *_, old_etag, old_version = fields
        if self._rewraps.fetchone() != (
            self._rank, row, readers, revoked, before, after, old_etag, old_version, at_ms,
        ):  # fmt: skip
            raise LedgerCorrupt(f"the history of row {row} of the ledger contradicts its events")

    def end(self) -> None:
        if self._readers.fetchone() is not None or self._rewraps.fetchone() is not None:
            raise LedgerCorrupt("the ledger tells of readers or rewraps that no event has")


def _linked(previous: bytes, seq: int, at_ms: int, events: bytes, digest: bytes) -> bool:
    try:
        return chain.link(previous, seq, at_ms, events) == digest
    except (TypeError, AttributeError, OverflowError):
        return False  # a column holds another type than it must


def _check_page(connection: sqlite3.Connection, first: int, last: int, digest: bytes) -> None:
    found = hashlib.sha256()
    for values in connection.execute(_LISTED, (first, last)):
        found.update(cbor2.dumps(values))
    if found.digest() != digest:
        raise LedgerCorrupt(f"rows {first} to {last} of the ledger are not what was listed")


def _check_attributes(connection: sqlite3.Connection) -> None:
    for identifier, digest, body in connection.execute("SELECT id, digest, body FROM attributes"):
        if not isinstance(body, bytes) or hashlib.sha256(body).digest() != digest:
            raise LedgerCorrupt(f"attributes {identifier} of the ledger are not what was recorded")


def _backward(connection: sqlite3.Connection, length: int) -> bytearray:
    marks = bytearray(length)
    for seq, at_ms, events in connection.execute("SELECT seq, at_ms, events FROM batches ORDER BY seq DESC"):
        for kind, *fields in reversed(list(chain.decode(events))):
            if kind == EventKind.INVENTORY_RESTARTED:
                return marks
            try:
                look = _look_at_rewrap if kind == EventKind.OBJECT_REWRAPPED else _look
                look(connection, marks, at_ms, kind, fields)
            except (ValueError, TypeError, IndexError):
                raise LedgerCorrupt(f"batch {seq} of the ledger makes no sense") from None
    return marks


def _look(
    connection: sqlite3.Connection, marks: bytearray, at_ms: int, kind: int, fields: Sequence[Any]
) -> None:
    if kind == EventKind.GENERATION_STARTED:
        for first, last in fields[1]:
            for row in range(first, last + 1):
                marks[row] |= _SETTLED
    elif kind == EventKind.OBJECT_VERIFIED:
        row, level, plaintext = fields
        if not marks[row] & _SETTLED:
            receipt = _receipt(connection, row)
            wrong = not marks[row] & _LEVEL and receipt[7:] != (level, at_ms)
            if plaintext is not None and not marks[row] & _PLAINTEXT:
                wrong = wrong or receipt[1] != plaintext
                marks[row] |= _PLAINTEXT
            marks[row] |= _LEVEL
            _refuse(row, wrong=wrong)
    elif kind == EventKind.OBJECT_SKIPPED and len(fields) > 2 and fields[2] is not None:
        _look_at_skipped(connection, marks, at_ms, fields)
    elif kind == EventKind.OBJECT_STORED:
        row, size, plaintext, *others = fields
        if not marks[row] & _SETTLED:
            receipt = _receipt(connection, row)
            if marks[row] & _REWRAPPED:
                wrong = receipt[6] != others[-1]
            else:
                wrong = receipt[0] != size or [*receipt[2:7]] != others
            wrong = wrong or (not marks[row] & _PLAINTEXT and receipt[1] != plaintext)
            wrong = wrong or (not marks[row] & _LEVEL and receipt[7:] != (None, at_ms))
            marks[row] |= _SETTLED | _STORED
            _refuse(row, wrong=wrong)


def _look_at_skipped(
    connection: sqlite3.Connection, marks: bytearray, at_ms: int, fields: Sequence[Any]
) -> None:
    row, _, size, plaintext, ciphertext, etag, version = fields
    receipt = _receipt(connection, row)
    if marks[row] & _REWRAPPED:
        wrong = not marks[row] & _PLAINTEXT and receipt[1] != plaintext
    else:
        wrong = receipt != (size, plaintext, ciphertext, None, etag, version, None, "full", at_ms)
    marks[row] |= _SETTLED | _STORED
    _refuse(row, wrong=wrong)


def _look_at_rewrap(
    connection: sqlite3.Connection, marks: bytearray, at_ms: int, _kind: int, fields: Sequence[Any]
) -> None:
    row, size, others = fields[0], fields[5], [*fields[6:10]]
    if marks[row] & (_SETTLED | _REWRAPPED):
        return
    receipt = _receipt(connection, row)
    wrong = receipt[0] != size or [*receipt[2:6]] != others
    wrong = wrong or (not marks[row] & _LEVEL and receipt[7:] != (None, at_ms))
    marks[row] |= _REWRAPPED | _LEVEL
    _refuse(row, wrong=wrong)


def _receipt(connection: sqlite3.Connection, row: int) -> tuple[Any, ...]:
    found: tuple[Any, ...] | None = connection.execute(_RECEIPT, (row,)).fetchone()
    if found is None:
        raise LedgerCorrupt(f"row {row} of the ledger is gone")
    return found


def _refuse(row: int, *, wrong: bool) -> None:
    if wrong:
        raise LedgerCorrupt(f"the receipt of row {row} of the ledger contradicts its events")
