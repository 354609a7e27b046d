"""Opening a ledger file: creation, format check, durability settings, and one place that words SQLite's errors."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Final

from migrator.errors import LedgerCorrupt, LedgerError, LedgerLocked, LedgerStorage, LedgerTooNew

__all__ = ["FORMAT", "create", "open_existing", "translated"]

FORMAT: Final = 1
_APPLICATION_ID: Final = 0x68767265  # "hvre", in the file's header
_NO_ACCESS: Final = (
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_AUTH,
)
_CORRUPT_HINT: Final = "keep the damaged folder, restore it from a copy, or begin a new wave"


@contextmanager
def translated() -> Iterator[None]:
    """Turn SQLite's errors into ours.

    Raises:
        LedgerStorage: The disk is full or failing.
        LedgerCorrupt: The file is damaged.
        LedgerLocked: Another program is writing to it.
        LedgerError: Anything else.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise word(error) from error
    except (OverflowError, UnicodeEncodeError) as error:
        raise LedgerError("a value is too large, or no text, and cannot be recorded") from error


def word(error: sqlite3.Error) -> LedgerError:
    """Our error for one of SQLite's."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF  # the low byte is the primary code
    if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
        return LedgerStorage(
            "the disk under the ledger is full or failing; nothing that was recorded is lost",
            hint="free some space, then run the same command again to carry on",
        )
    if code in _NO_ACCESS:
        return LedgerStorage(
            "the ledger cannot be opened or written", hint="check the rights on the wave's folder"
        )
    text = str(error)
    # "Could not decode" quotes what it found, which may be a name: it must not reach a message.
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) or text.startswith(
        ("no such", "Could not decode")
    ):
        return LedgerCorrupt("the ledger file is damaged", hint=_CORRUPT_HINT)
    if code == sqlite3.SQLITE_BUSY:
        return LedgerLocked("another program is writing to the ledger", hint="stop it, then try again")
    return LedgerError(f"the ledger cannot be used: {text}", hint=_CORRUPT_HINT)


def create(path: Path) -> sqlite3.Connection:
    """Make a new, empty ledger file (0600).

    Raises:
        LedgerStorage: It is there already, or cannot be made.
    """
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise LedgerStorage(
            f"the ledger cannot be made: {error.strerror}", hint="check the wave's folder"
        ) from None
    with translated():
        connection = _connect(path, read_only=False)
        _settle(connection)
        schema = files("migrator.ledger").joinpath("schema.sql").read_text(encoding="utf-8")
        connection.executescript(
            f"BEGIN IMMEDIATE; PRAGMA application_id = {_APPLICATION_ID}; PRAGMA user_version = {FORMAT};"
            f"{schema} COMMIT;"
        )
    return connection


def open_existing(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """Open a ledger file and check that it is one this version can use.

    Raises:
        LedgerTooNew: A newer version wrote it.
        LedgerCorrupt: It is not a ledger, or it is damaged.
    """
    with translated():
        connection = _connect(path, read_only=read_only)
        try:
            _check(connection)
            if not read_only:
                _settle(connection)
        except BaseException:
            connection.close()
            raise
    return connection


def _check(connection: sqlite3.Connection) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != _APPLICATION_ID or version < 1:
        raise LedgerCorrupt("the ledger file is not a ledger of havre", hint=_CORRUPT_HINT)
    if version > FORMAT:
        raise LedgerTooNew(
            f"the ledger has format {version}, this version knows up to {FORMAT}",
            hint="use the version of havre that wrote it, or a newer one",
        )


def _connect(path: Path, *, read_only: bool) -> sqlite3.Connection:
    uri = f"{path.resolve().as_uri()}?mode={'ro' if read_only else 'rw'}"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, timeout=10)
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cache_size = -4096")
    if read_only:
        connection.execute("PRAGMA query_only = ON")
    return connection


def _settle(connection: sqlite3.Connection) -> None:
    # Only once the file is known to be ours: WAL mode is written into it.
    connection.execute("PRAGMA journal_mode = WAL")
    # FULL: a commit is on the disk before anything rests on it (ledger.md, "acknowledged").
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA secure_delete = ON")
