"""The ledger of one wave: batches of events appended in one transaction with the states they lead to.

Not thread-safe: one thread owns it (``writer.py``); readers open their own read-only ledger. Nothing here touches a
store.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import cbor2

from migrator.core.events import Event, GenerationStarted, ObjectRejected, ObjectSkipped, ObjectsListed
from migrator.core.states import State
from migrator.errors import LedgerCorrupt, LedgerForeign, PlanStale
from migrator.ledger import chain
from migrator.ledger.apply import apply
from migrator.ledger.audit import audit
from migrator.ledger.connection import create, open_existing, translated
from migrator.ledger.rows import COLUMNS, Listed, PartRow, RewrapRow, Row, UploadRow

__all__ = ["Ledger", "key_hash"]

_REMEMBER: Final = 4096


def key_hash(key: str) -> int:
    """A signed 64-bit digest of a key: the index on keys holds this, so that the key itself stands once."""
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "big", signed=True)


class Ledger:
    """One ledger file, open.

    Attributes:
        wave_id: The wave's identity, 16 bytes.
        head: Digest of the last batch.
        seq: Number of the last batch.
    """

    def __init__(self, connection: sqlite3.Connection, *, now_ms: Callable[[], int] | None = None) -> None:
        self._connection = connection
        self._now_ms = now_ms or (lambda: time.time_ns() // 1_000_000)
        with translated():
            row = connection.execute("SELECT seq, digest FROM batches ORDER BY seq DESC LIMIT 1").fetchone()
            try:
                self.wave_id = bytes.fromhex(self.meta("wave_id"))
                self.stamp_key = bytes(self.meta("stamp_key"))
            except (ValueError, TypeError):
                raise LedgerCorrupt("the ledger does not say which wave it belongs to") from None
        self.seq: int = row[0] if row else 0
        self.head: bytes = row[1] if row else chain.GENESIS
        self._entered: set[bytes] = set()

    @classmethod
    def create(cls, path: Path, *, wave_id: str, plan_digest: str, **extra: Any) -> Ledger:
        """Make the ledger of a wave. ``extra`` are further meta values (the name key)."""
        connection = create(path)
        try:
            with translated(), connection:
                connection.executemany(
                    "INSERT INTO meta (name, value) VALUES (?,?)",
                    [
                        ("wave_id", wave_id),
                        ("plan_digest", plan_digest),
                        ("stamp_key", os.urandom(32)),
                        ("evidence_key", os.urandom(32)),
                        *extra.items(),
                    ],
                )
            return cls(connection)
        except BaseException:
            connection.close()
            raise

    @classmethod
    def open(
        cls, path: Path, *, wave_id: str, plan_digest: str | None = None, read_only: bool = False
    ) -> Ledger:
        """Open the ledger of a wave.

        Raises:
            LedgerForeign: It belongs to another wave.
            PlanStale: The plan was changed since the ledger was begun.
        """
        connection = open_existing(path, read_only=read_only)
        try:
            ledger = cls(connection)
            if ledger.wave_id.hex() != wave_id:
                raise LedgerForeign(
                    "the ledger beside this wave file belongs to another wave",
                    hint="put back the ledger folder of this wave, or make a new plan under another name",
                )
            if plan_digest is not None and ledger.meta("plan_digest") != plan_digest:
                raise PlanStale(
                    "the wave file was changed after its first run",
                    hint="undo the change, or make a new plan with a new --wave name",
                )
        except BaseException:
            connection.close()
            raise
        return ledger

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    # -- writing -------------------------------------------------------------------------------------------------

    def append(
        self,
        events: Sequence[Event],
        prepare: Callable[[sqlite3.Connection], Any] | None = None,
        *,
        attributes: Sequence[bytes] = (),
    ) -> Any:
        """Append one batch and the states it leads to, durably; all or nothing.

        ``prepare`` runs first in the same transaction, for rows that events only refer to; its result is returned.
        ``attributes`` are bodies that events name by their SHA-256 and that may not have been entered yet.
        """
        at_ms = self._now_ms()
        with translated():
            wire = b"".join(map(chain.encode, events))
            digest = chain.link(self.head, self.seq + 1, at_ms, wire)
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                result = prepare(self._connection) if prepare else None
                if attributes:
                    self._enter(attributes)
                apply(self._connection, events, stamp_key=self.stamp_key, at_ms=at_ms)
                self._connection.execute(
                    "INSERT INTO batches (seq, at_ms, digest, events) VALUES (?,?,?,?)",
                    (self.seq + 1, at_ms, digest, wire),
                )
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                self._entered.clear()
                raise
        self.seq += 1
        self.head = digest
        return result

    def list_objects(self, first: int, listed: Sequence[Listed]) -> None:
        """Enter one page of the inventory as rows ``first``, ``first + 1``..., durably."""
        if not listed:
            return
        digest = hashlib.sha256()
        for item in listed:
            digest.update(cbor2.dumps(item[:7]))
        last = first + len(listed) - 1
        events: list[Event] = [ObjectsListed(first, last, digest.digest())]
        for row, item in enumerate(listed, first):
            if item.reject is not None:
                events.append(ObjectRejected(row, item.reject))
            elif item.skip is not None:
                events.append(ObjectSkipped(row, item.skip))

        def insert(connection: sqlite3.Connection) -> None:
            connection.executemany(
                "INSERT INTO objects (row, key, key_hash, size, state, kind, source_etag, source_version, "
                "modified_ms, claims) VALUES (?,?,?,?,0,?,?,?,?,?)",
                [(row, item[0], key_hash(item[0]), *item[1:7]) for row, item in enumerate(listed, first)],
            )

        self.append(events, insert)

    def claim(self, rows: Sequence[Row], root: int) -> list[Row]:
        """Start the next generation of these rows, durably, and give them back as they are now."""
        ranges: list[tuple[int, int]] = []
        for row in sorted(item.row for item in rows):
            if ranges and ranges[-1][1] == row - 1:
                ranges[-1] = (ranges[-1][0], row)
            else:
                ranges.append((row, row))
        self.append([GenerationStarted(root, tuple(ranges))])
        return [row for first, last in ranges for row in self.rows("row BETWEEN ? AND ?", (first, last))]

    def set_meta(self, /, **values: Any) -> None:
        """Write meta values, durably; for values that are no events (a claimed prefix, clock skew)."""
        with translated(), self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany(
                "INSERT OR REPLACE INTO meta (name, value) VALUES (?,?)", values.items()
            )

    def _enter(self, attributes: Sequence[bytes]) -> None:
        new = {
            digest: body
            for body in attributes
            if (digest := hashlib.sha256(body).digest()) not in self._entered
        }
        self._connection.executemany(
            "INSERT OR IGNORE INTO attributes (digest, body) VALUES (?,?)", new.items()
        )
        if len(self._entered) < _REMEMBER:
            self._entered.update(new)

    def execute(self, statement: str, values: Sequence[Any] = ()) -> None:
        """One statement in its own durable transaction, for tables that no event covers (notes, counters)."""
        with translated(), self._connection:
            self._connection.execute(statement, values)

    def execute_many(self, statement: str, values: Sequence[Sequence[Any]]) -> None:
        """One statement with many values in one durable transaction, for marks that no event covers."""
        with translated(), self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany(statement, values)

    # -- reading -------------------------------------------------------------------------------------------------

    def meta(self, name: str) -> Any:
        """A meta value, or None."""
        with translated():
            row = self._connection.execute("SELECT value FROM meta WHERE name=?", (name,)).fetchone()
        return row[0] if row else None

    def query(self, statement: str, values: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """The rows of a query, streamed."""
        with translated():
            yield from self._connection.execute(statement, values)

    def rows(self, where: str, values: Sequence[Any] = (), limit: int = -1) -> list[Row]:
        """Object rows in row order. ``where`` is our own SQL, never a user's text."""
        found = self.query(
            f"SELECT {COLUMNS} FROM objects WHERE {where} ORDER BY row LIMIT ?", (*values, limit)
        )
        return [_row(values) for values in found]

    def begun(self, after: int, limit: int) -> list[Row]:
        """Rows that an earlier run began and did not finish, after row ``after``."""
        return self.rows("row>? AND state IN (1, 2, 3, 4)", (after,), limit)

    def rejected(self, after: int, limit: int) -> list[Row]:
        """Rows that a run began and rejected, after row ``after``."""
        return self.rows("row>? AND state=8 AND generation>0", (after,), limit)

    def planned(self, after: int, limit: int) -> list[Row]:
        """Rows that no run has begun, after row ``after``."""
        return self.rows("row>? AND state=0", (after,), limit)

    def by_key(self, key: str) -> Row | None:
        """The row of a source key (the last, if a bucket's old versions are rows too)."""
        found = self.rows(
            "key_hash=? AND key=? AND coalesce(kind, '') NOT IN "
            "('noncurrent-version', 'delete-marker', 'snapshot', 'soft-deleted')",
            (key_hash(key), key),
        )
        return found[-1] if found else None

    def row(self, number: int) -> Row | None:
        """One row."""
        return next(iter(self.rows("row=?", (number,))), None)

    def one(self, statement: str, values: Sequence[Any] = ()) -> Any:
        """The first value of a query's first row, or None."""
        for found in self.query(statement, values):
            return found[0]
        return None

    def all(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query that is known to be short."""
        return list(self.query(statement, values))

    def upload_and_parts(self, row: int) -> tuple[UploadRow | None, list[PartRow]]:
        """The upload of a row with its acknowledged parts."""
        return self.upload(row), self.parts(row)

    def upload(self, row: int) -> UploadRow | None:
        """The upload of a row."""
        found = list(
            self.query(
                "SELECT row, upload, attempt, part_units, source_header, header_sha256, opened_ms FROM uploads "
                "WHERE row=?",
                (row,),
            )
        )
        return UploadRow.of(found[0]) if found else None

    def parts(self, row: int) -> list[PartRow]:
        """The acknowledged parts of a row, by number."""
        return [
            PartRow(*values)
            for values in self.query(
                "SELECT number, size, ciphertext_sha256, nonce_prefix, etag FROM parts WHERE row=? ORDER BY number",
                (row,),
            )
        ]

    def rewrapping(self, row: int) -> tuple[RewrapRow | None, list[PartRow]]:
        """The rewrap of a row that may be under way, with its acknowledged parts."""
        found = self.all(
            "SELECT row, readers, attempt, upload, part_units, revoke, header_before, header_sha256, begun_ms "
            "FROM rewrapping WHERE row=?",
            (row,),
        )
        parts = self.query(
            "SELECT number, size, ciphertext_sha256, nonce_prefix, etag FROM rewrap_parts WHERE row=? "
            "ORDER BY number",
            (row,),
        )
        return (RewrapRow(*found[0]) if found else None), [PartRow(*values) for values in parts]

    def was_rewrapped(self, row: Row) -> bool:
        """Whether the row's last generation is that of a rewrap, done or under way: its data key comes from no root."""
        statement = (
            "SELECT 1 FROM rewraps WHERE row=? AND generation=? UNION SELECT 1 FROM rewrapping WHERE row=?"
        )
        return self.one(statement, (row.row, row.generation, row.row)) is not None

    def counts(self) -> dict[State, tuple[int, int]]:
        """Objects and source bytes by state."""
        found = dict.fromkeys(State, (0, 0))
        for state, number, size in self.query(
            "SELECT state, count(*), sum(size) FROM objects GROUP BY state"
        ):
            found[_state(state)] = (number, size)
        return found

    def unfinished(self) -> bool:
        """Whether a run would have something to do: the manifest is not sealed, or rows are not at their end."""
        if self.meta("sealed_rows") is None:
            return True
        return self.one("SELECT 1 FROM objects WHERE state IN (0, 1, 2, 3, 4) LIMIT 1") is not None

    def audit(self) -> int:
        """Check that the tables say what the chained events say; returns the number of batches.

        Raises:
            LedgerCorrupt: They disagree.
        """
        with translated():
            self._connection.execute("BEGIN")  # one snapshot, whoever writes meanwhile
            try:
                return audit(self._connection)
            finally:
                self._connection.execute("ROLLBACK")


def _row(values: tuple[Any, ...]) -> Row:
    row, key, size, state, generation, root, seen, *rest = values
    return Row(row, key, size, _state(state), generation, root, bool(seen), *rest)


def _state(number: Any) -> State:
    try:
        return State(number)
    except ValueError:
        raise LedgerCorrupt("a row of the ledger is in a state that there is not") from None
