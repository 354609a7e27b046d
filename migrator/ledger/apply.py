"""From an event to the rows it changes. Every change names the states it may start from; a miss undoes the batch."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from migrator.core import events as e
from migrator.core.fold import MAX_PAGE
from migrator.core.stamp import attempt_token
from migrator.core.states import EventKind, State, allowed_from
from migrator.errors import IllegalTransition
from migrator.ledger import apply_rewrap as rewrap

__all__ = ["apply"]


def _from(kind: EventKind) -> str:
    return ",".join(str(int(state)) for state in allowed_from(kind))


_STORED: Final = (
    "UPDATE objects SET state=?, stored_size=?, plaintext_sha256=?, ciphertext_sha256=?, nonce_prefix=?, "
    "target_etag=?, target_version=?, attributes=(SELECT id FROM attributes WHERE digest=?), level=?, settled_ms=?, "
    f"reason=NULL WHERE row=? AND state IN ({_from(EventKind.OBJECT_STORED)})"
)
_VERIFIED: Final = (
    "UPDATE objects SET state=5, level=?, plaintext_sha256=coalesce(?, plaintext_sha256), settled_ms=?, reason=NULL "
    f"WHERE row=? AND stored_size IS NOT NULL AND state IN ({_from(EventKind.OBJECT_VERIFIED)})"
)
_PART: Final = "INSERT OR REPLACE INTO parts (row, number, size, ciphertext_sha256, nonce_prefix, etag) VALUES (?,?,?,?,?,?)"


def apply(connection: sqlite3.Connection, events: Sequence[e.Event], *, stamp_key: bytes, at_ms: int) -> None:
    """Apply one batch within the caller's transaction.

    Raises:
        IllegalTransition: An event does not fit the state of its row; the caller must roll back.
    """
    for run in _runs(events):
        first = run[0]
        if isinstance(first, e.ObjectStored | e.ObjectVerified):
            _stored_and_verified(connection, run, at_ms)
        elif isinstance(first, e.PartStored):
            _parts(connection, run)
        else:
            for event in run:
                (_ONE.get(type(event)) or rewrap.ONE[type(event)])(connection, event, stamp_key, at_ms)


def _runs(events: Sequence[e.Event]) -> Iterable[list[Any]]:
    """Split into runs that one statement can take, keeping the order."""
    hot = (e.ObjectStored, e.ObjectVerified)
    run: list[Any] = []
    for event in events:
        same = bool(run) and (
            type(event) is type(run[0]) or (isinstance(event, hot) and isinstance(run[0], hot))
        )
        if run and not same:
            yield run
            run = []
        run.append(event)
    if run:
        yield run


def _stored_and_verified(connection: sqlite3.Connection, run: list[Any], at_ms: int) -> None:
    # An object that is stored and verified within one batch is written once. Rows are taken out of turn for that,
    # so what the order of one row's events would have told is looked at here.
    stored: dict[int, list[Any]] = {}
    verified: list[tuple[Any, ...]] = []
    before: set[int] = set()
    for event in run:
        if isinstance(event, e.ObjectStored):
            if event.row in stored or event.row in before:
                raise IllegalTransition(f"OBJECT_STORED does not fit row {event.row}")
            stored[event.row] = [int(State.STORED), *event[1:], None, at_ms, event.row]
        elif (waiting := stored.get(event.row)) is not None:
            waiting[0] = int(State.VERIFIED)
            if event.plaintext_sha256 is not None:
                waiting[2] = event.plaintext_sha256
            waiting[8] = event.level
        else:
            before.add(event.row)
            verified.append((event.level, event.plaintext_sha256, at_ms, event.row))
    if stored:
        _check_attributes(connection, {values[7] for values in stored.values()} - {None})
        _expect(connection.executemany(_STORED, stored.values()), len(stored), "OBJECT_STORED")
    if verified:
        _expect(connection.executemany(_VERIFIED, verified), len(verified), "OBJECT_VERIFIED")


def _check_attributes(connection: sqlite3.Connection, digests: set[bytes]) -> None:
    for digest in digests:
        if connection.execute("SELECT 1 FROM attributes WHERE digest=?", (digest,)).fetchone() is None:
            raise IllegalTransition("an object was stored with attributes that the ledger does not hold")


def _parts(connection: sqlite3.Connection, run: list[e.PartStored]) -> None:
    connection.executemany(_PART, [event[:6] for event in run])
    for event in run:
        if event.header_sha256 is not None:
            connection.execute(
                "UPDATE uploads SET header_sha256=? WHERE row=?", (event.header_sha256, event.row)
            )
    rows = {event.row for event in run}
    for row in rows:
        (state,) = connection.execute("SELECT state FROM objects WHERE row=?", (row,)).fetchone() or (None,)
        if state != State.OPEN:
            raise IllegalTransition(f"PART_STORED does not fit row {row}")


def _expect(cursor: sqlite3.Cursor, count: int, name: str) -> None:
    if cursor.rowcount != count:
        raise IllegalTransition(f"{name} does not fit the state of {count - cursor.rowcount} of {count} rows")


def _generation(connection: sqlite3.Connection, event: e.GenerationStarted, _key: bytes, _at: int) -> None:
    if _meta(connection, "sealed_rows") is None:
        raise IllegalTransition("no transfer may begin before the manifest is sealed")
    for first, last in event.ranges:
        if first > last:
            raise IllegalTransition(f"a generation of rows {first} to {last}")
        cursor = connection.execute(
            "UPDATE objects SET state=1, generation=generation+1, root=?, stored_size=NULL, plaintext_sha256=NULL, "
            "ciphertext_sha256=NULL, nonce_prefix=NULL, target_etag=NULL, target_version=NULL, level=NULL, "
            f"settled_ms=NULL, reason=NULL, readers=(SELECT coalesce(max(id), 0) FROM readers) WHERE row BETWEEN ? AND ? AND state IN ({_from(EventKind.GENERATION_STARTED)})",
            (event.root, first, last),
        )
        _expect(cursor, last - first + 1, "GENERATION_STARTED")
        # An upload that was completed is no upload any more, and its parts are those of an earlier generation.
        connection.execute("DELETE FROM uploads WHERE row BETWEEN ? AND ?", (first, last))
        connection.execute("DELETE FROM parts WHERE row BETWEEN ? AND ?", (first, last))
        # A rewrap of what is now sent anew leads nowhere.
        rewrap.forget(connection, first, last)


def _opened(connection: sqlite3.Connection, event: e.UploadOpened, stamp_key: bytes, at_ms: int) -> None:
    _change(connection, EventKind.UPLOAD_OPENED, State.OPEN, event.row)
    (generation,) = connection.execute("SELECT generation FROM objects WHERE row=?", (event.row,)).fetchone()
    connection.execute(
        "INSERT OR REPLACE INTO uploads (row, upload, attempt, part_units, source_header, opened_ms) "
        "VALUES (?,?,?,?,?,?)",
        (
            event.row,
            event.upload,
            attempt_token(stamp_key, event.row, generation),
            event.part_units,
            event.source_header,
            at_ms,
        ),
    )
    connection.execute("DELETE FROM parts WHERE row=?", (event.row,))


def _forgotten(connection: sqlite3.Connection, event: e.UploadForgotten, _key: bytes, _at: int) -> None:
    _change(connection, EventKind.UPLOAD_FORGOTTEN, State.READY, event.row)
    _forget_upload(connection, event.row)


def _forget_upload(connection: sqlite3.Connection, row: int) -> None:
    connection.execute(
        "INSERT OR IGNORE INTO forgotten (upload, row, attempt) SELECT upload, row, attempt FROM uploads WHERE row=?",
        (row,),
    )
    connection.execute("DELETE FROM uploads WHERE row=?", (row,))
    connection.execute("DELETE FROM parts WHERE row=?", (row,))


def _ended(kind: EventKind, state: State) -> Callable[[sqlite3.Connection, Any, bytes, int], None]:
    def change(connection: sqlite3.Connection, event: Any, _key: bytes, _at: int) -> None:
        _change(connection, kind, state, event.row, event.reason)
        if state in (State.DRIFTED, State.REJECTED, State.FAILED):
            row = connection.execute(
                "SELECT 1 FROM objects WHERE row=? AND stored_size IS NULL", (event.row,)
            ).fetchone()
            if row is not None:
                _forget_upload(connection, event.row)

    return change


def _skipped(connection: sqlite3.Connection, event: e.ObjectSkipped, _key: bytes, at_ms: int) -> None:
    _change(connection, EventKind.OBJECT_SKIPPED, State.SKIPPED, event.row, event.reason)
    if event.stored_size is not None:
        # Whom it is for was not this run's to say: a change of readers after the wave file's still has to reach it.
        connection.execute(
            "UPDATE objects SET stored_size=?, plaintext_sha256=?, ciphertext_sha256=?, target_etag=?, "
            "target_version=?, level='full', settled_ms=?, readers=0 WHERE row=?",
            (*event[2:], at_ms, event.row),
        )


def _change(
    connection: sqlite3.Connection, kind: EventKind, state: State, row: int, reason: str | None = None
) -> None:
    cursor = connection.execute(
        f"UPDATE objects SET state=?, reason=? WHERE row=? AND state IN ({_from(kind)})",
        (int(state), reason, row),
    )
    _expect(cursor, 1, kind.name)


def _swept(connection: sqlite3.Connection, event: e.UploadSwept, _key: bytes, _at: int) -> None:
    connection.execute("DELETE FROM forgotten WHERE upload=? AND row=?", (event.upload, event.row))


def _meta(connection: sqlite3.Connection, name: str) -> Any:
    row = connection.execute("SELECT value FROM meta WHERE name=?", (name,)).fetchone()
    return row[0] if row else None


def _last_row(connection: sqlite3.Connection) -> int:
    (last,) = connection.execute("SELECT coalesce(max(row), 0) FROM objects").fetchone()
    return int(last)


def _listed(connection: sqlite3.Connection, event: e.ObjectsListed, _key: bytes, _at: int) -> None:
    # The rows themselves were entered in this transaction, before its events are applied.
    (before,) = connection.execute("SELECT count(*) FROM objects WHERE row=?", (event.first - 1,)).fetchone()
    (found,) = connection.execute(
        "SELECT count(*) FROM objects WHERE row BETWEEN ? AND ?", (event.first, event.last)
    ).fetchone()
    fits = (
        found == event.last - event.first + 1 and 0 < found <= MAX_PAGE and (event.first == 1 or before == 1)
    )
    if not fits or _last_row(connection) != event.last or _meta(connection, "sealed_rows") is not None:
        raise IllegalTransition(f"rows {event.first} to {event.last} cannot be listed here")


def _sealed(connection: sqlite3.Connection, event: e.ManifestSealed, _key: bytes, at_ms: int) -> None:
    if _meta(connection, "sealed_rows") is not None or _last_row(connection) != event.rows:
        raise IllegalTransition(
            f"a manifest of {_last_row(connection)} rows cannot be sealed as one of {event.rows}"
        )
    connection.executemany(
        "INSERT OR REPLACE INTO meta (name, value) VALUES (?,?)",
        [("sealed_rows", event.rows), ("sealed_bytes", event.bytes), ("sealed_ms", at_ms)],
    )


def _restarted(connection: sqlite3.Connection, _event: e.InventoryRestarted, _key: bytes, _at: int) -> None:
    if _meta(connection, "sealed_rows") is not None:
        raise IllegalTransition("a sealed manifest cannot be thrown away")
    connection.execute("DELETE FROM objects")
    connection.execute("DELETE FROM notes")


def _epoch(connection: sqlite3.Connection, event: e.EpochRaised, _key: bytes, _at: int) -> None:
    if event.epoch <= (_meta(connection, "epoch") or 0):
        raise IllegalTransition(f"epoch {event.epoch} does not rise")
    connection.execute("INSERT OR REPLACE INTO meta (name, value) VALUES ('epoch', ?)", (event.epoch,))


def _run_started(connection: sqlite3.Connection, event: e.RunStarted, _key: bytes, at_ms: int) -> None:
    connection.execute(
        "INSERT INTO runs (started_ms, owner, version, epoch) VALUES (?,?,?,?)",
        (at_ms, event.owner, event.version, event.epoch),
    )


def _run_ended(connection: sqlite3.Connection, event: e.RunEnded, _key: bytes, at_ms: int) -> None:
    connection.execute(
        "UPDATE runs SET ended_ms=?, outcome=? WHERE id=(SELECT max(id) FROM runs)", (at_ms, event.outcome)
    )


def _root_dropped(connection: sqlite3.Connection, event: e.RootDropped, _key: bytes, _at: int) -> None:
    connection.execute("DELETE FROM roots WHERE id=?", (event.root,))


def _nothing(_connection: sqlite3.Connection, _event: e.Event, _key: bytes, _at: int) -> None:
    """The row changes of this event are made where it is created (sealed roots, the book)."""


_ONE: Final[dict[type[Any], Callable[[sqlite3.Connection, Any, bytes, int], None]]] = {
    e.ObjectsListed: _listed,
    e.ManifestSealed: _sealed,
    e.InventoryRestarted: _restarted,
    e.GenerationStarted: _generation,
    e.UploadOpened: _opened,
    e.UploadForgotten: _forgotten,
    e.ObjectSkipped: _skipped,
    e.SourceDrifted: _ended(EventKind.SOURCE_DRIFTED, State.DRIFTED),
    e.ObjectRejected: _ended(EventKind.OBJECT_REJECTED, State.REJECTED),
    e.ObjectFailed: _ended(EventKind.OBJECT_FAILED, State.FAILED),
    e.RunStarted: _run_started,
    e.RunEnded: _run_ended,
    e.EpochRaised: _epoch,
    e.RootSealed: _nothing,
    e.RootDropped: _root_dropped,
    e.BookStored: _nothing,
    e.UploadSwept: _swept,
}
