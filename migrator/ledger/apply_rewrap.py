"""The rows that a rewrap changes, event by event; ``apply`` calls these within its transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any, Final

import cbor2

from migrator.core import events as e
from migrator.core.stamp import attempt_token
from migrator.core.states import EventKind, State, allowed_from
from migrator.errors import IllegalTransition

__all__ = ["ONE", "forget"]


def _from(kind: EventKind) -> str:
    return ",".join(str(int(state)) for state in allowed_from(kind))


_STARTABLE: Final = f"stored_size IS NOT NULL AND state IN ({_from(EventKind.REWRAP_STARTED)})"


def _readers(connection: sqlite3.Connection, event: e.ReadersChanged, _key: bytes, at_ms: int) -> None:
    (last,) = connection.execute("SELECT coalesce(max(id), 0) FROM readers").fetchone()
    if event.readers != last + 1 or not event.recipients:
        raise IllegalTransition(f"readers {event.readers} cannot follow readers {last}")
    connection.execute(
        "INSERT INTO readers (id, changed_ms, recipients, revoke) VALUES (?,?,?,?)",
        (event.readers, at_ms, cbor2.dumps(list(event.recipients)), event.revoke),
    )


def _started(connection: sqlite3.Connection, event: e.RewrapStarted, stamp_key: bytes, at_ms: int) -> None:
    if connection.execute("SELECT 1 FROM readers WHERE id=?", (event.readers,)).fetchone() is None:
        raise IllegalTransition(f"a rewrap for the readers {event.readers}, which there are not")
    for first, last in event.ranges:
        cursor = connection.execute(
            f"UPDATE objects SET generation=generation+1 WHERE row BETWEEN ? AND ? AND {_STARTABLE}",
            (first, last),
        )
        if first > last or cursor.rowcount != last - first + 1:
            raise IllegalTransition(f"REWRAP_STARTED does not fit rows {first} to {last}")
        for row in range(first, last + 1):
            forget(connection, row, row)
            (generation,) = connection.execute(
                "SELECT generation FROM objects WHERE row=?", (row,)
            ).fetchone()
            connection.execute(
                "INSERT INTO rewrapping (row, readers, attempt, begun_ms) VALUES (?,?,?,?)",
                (row, event.readers, attempt_token(stamp_key, row, generation), at_ms),
            )


def _opened(connection: sqlite3.Connection, event: e.RewrapOpened, _key: bytes, _at: int) -> None:
    cursor = connection.execute(
        "UPDATE rewrapping SET upload=?, part_units=?, revoke=?, header_before=? WHERE row=?",
        (*event[1:], event.row),
    )
    _expect(cursor, EventKind.REWRAP_OPENED, event.row)
    connection.execute("DELETE FROM rewrap_parts WHERE row=?", (event.row,))


def _part(connection: sqlite3.Connection, event: e.RewrapPartStored, _key: bytes, _at: int) -> None:
    cursor = connection.execute(
        "UPDATE rewrapping SET header_sha256=coalesce(?, header_sha256) WHERE row=?",
        (event.header_sha256, event.row),
    )
    _expect(cursor, EventKind.REWRAP_PART_STORED, event.row)
    connection.execute(
        "INSERT OR REPLACE INTO rewrap_parts (row, number, size, ciphertext_sha256, nonce_prefix, etag) "
        "VALUES (?,?,?,?,?,?)",
        event[:6],
    )


def _rewrapped(connection: sqlite3.Connection, event: e.ObjectRewrapped, _key: bytes, at_ms: int) -> None:
    row = event.row
    known = connection.execute("SELECT 1 FROM rewrapping WHERE row=? AND readers=?", (row, event.readers))
    if known.fetchone() is None:
        raise IllegalTransition(f"OBJECT_REWRAPPED of row {row}, whose rewrap was not begun")
    connection.execute(
        "INSERT INTO rewraps (id, row, generation, readers, revoked, header_before, header_after, old_etag, "
        "old_version, at_ms) SELECT coalesce((SELECT max(id) FROM rewraps), 0) + 1, row, generation, ?,?,?,?,?,?,? "
        "FROM objects WHERE row=?",
        (*event[1:5], event.old_etag, event.old_version, at_ms, row),
    )
    cursor = connection.execute(
        "UPDATE objects SET state=?, stored_size=?, ciphertext_sha256=?, nonce_prefix=?, target_etag=?, "
        "target_version=?, level=NULL, settled_ms=?, reason=NULL, readers=? "
        f"WHERE row=? AND state IN ({_from(EventKind.OBJECT_REWRAPPED)})",
        (int(State.STORED), *event[5:10], at_ms, event.readers, row),
    )
    _expect(cursor, EventKind.OBJECT_REWRAPPED, row)
    connection.execute("DELETE FROM uploads WHERE row=?", (row,))
    connection.execute("DELETE FROM parts WHERE row=?", (row,))
    if event.ciphertext_sha256 is None:
        connection.execute(
            "INSERT INTO uploads (row, upload, attempt, part_units, source_header, header_sha256, opened_ms) "
            "SELECT row, upload, attempt, part_units, 0, ?, begun_ms FROM rewrapping WHERE row=?",
            (event.header_after, row),
        )
        connection.execute(
            "INSERT INTO parts SELECT row, number, size, ciphertext_sha256, nonce_prefix, etag FROM rewrap_parts "
            "WHERE row=?",
            (row,),
        )
    # An upload that was completed is no upload any more: nothing of it is left to be swept.
    connection.execute("DELETE FROM rewrapping WHERE row=?", (row,))
    connection.execute("DELETE FROM rewrap_parts WHERE row=?", (row,))


def _forgotten(connection: sqlite3.Connection, event: e.RewrapForgotten, _key: bytes, _at: int) -> None:
    known = connection.execute("SELECT 1 FROM rewrapping WHERE row=?", (event.row,)).fetchone()
    if known is None:
        raise IllegalTransition(f"REWRAP_FORGOTTEN of row {event.row}, whose rewrap was not begun")
    forget(connection, event.row, event.row)


def forget(connection: sqlite3.Connection, first: int, last: int) -> None:
    """Give up the rewraps that may be under way in these rows; their uploads are left to the sweep."""
    rows = (first, last)
    connection.execute(
        "INSERT OR IGNORE INTO forgotten (upload, row, attempt) SELECT upload, row, attempt FROM rewrapping "
        "WHERE row BETWEEN ? AND ? AND upload IS NOT NULL",
        rows,
    )
    connection.execute("DELETE FROM rewrapping WHERE row BETWEEN ? AND ?", rows)
    connection.execute("DELETE FROM rewrap_parts WHERE row BETWEEN ? AND ?", rows)


def _expect(cursor: sqlite3.Cursor, kind: EventKind, row: int) -> None:
    if cursor.rowcount != 1:
        raise IllegalTransition(f"{kind.name} does not fit row {row}")


ONE: Final[dict[type[Any], Callable[[sqlite3.Connection, Any, bytes, int], None]]] = {
    e.ReadersChanged: _readers,
    e.RewrapStarted: _started,
    e.RewrapOpened: _opened,
    e.RewrapPartStored: _part,
    e.ObjectRewrapped: _rewrapped,
    e.RewrapForgotten: _forgotten,
}
