"""Opening a ledger file: creation, format check, durability settings, and one place that words SQLite's errors."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Final

from migrator.errors import LedgerCorrupt, LedgerError, LedgerStorage, LedgerTooNew

__all__ = ["FORMAT", "create", "open_existing", "translated"]

FORMAT: Final = 1
_APPLICATION_ID: Final = 0x68767265  # "hvre", in the file's header
_CORRUPT_HINT: Final = "keep the damaged folder, restore it from a copy, or begin a new wave"


@contextmanager
def translated() -> Iterator[None]:
    """Turn SQLite's errors into ours.

    Raises:
        LedgerStorage: The disk is full or failing.
        LedgerCorrupt: The file is damaged.
        LedgerError: Anything else.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise word(error) from error


def word(error: sqlite3.Error) -> LedgerError:
    """Our error for one of SQLite's."""
    text = str(error)
    if "full" in text or "disk I/O" in text:
        return LedgerStorage(
            "the disk under the ledger is full or failing; nothing that was recorded is lost",
            hint="free some space, then run the same command again to carry on",
        )
    if "readonly" in text or "unable to open" in text:
        return LedgerStorage("the ledger cannot be written", hint="check the rights on the wave's folder")
    if isinstance(error, sqlite3.DatabaseError) and ("malformed" in text or "not a database" in text):
        return LedgerCorrupt("the ledger file is damaged", hint=_CORRUPT_HINT)
    return LedgerError(f"the ledger cannot be used: {text}", hint=_CORRUPT_HINT)


def create(path: Path) -> sqlite3.Connection:
    """Make a new, empty ledger file (0600)."""
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
    os.close(descriptor)
    with translated():
        connection = _connect(path, read_only=False)
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
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if application != _APPLICATION_ID:
            connection.close()
            raise LedgerCorrupt("the ledger file is not a ledger of havre", hint=_CORRUPT_HINT)
        if version > FORMAT:
            connection.close()
            raise LedgerTooNew(
                f"the ledger has format {version}, this version knows up to {FORMAT}",
                hint="use the version of havre that wrote it, or a newer one",
            )
    return connection


def _connect(path: Path, *, read_only: bool) -> sqlite3.Connection:
    uri = f"{path.resolve().as_uri()}?mode={'ro' if read_only else 'rw'}"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, timeout=10)
    connection.execute("PRAGMA journal_mode = WAL" if not read_only else "PRAGMA query_only = ON")
    # FULL: a commit is on the disk before anything rests on it (ledger.md, "acknowledged").
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute("PRAGMA cache_size = -8192")
    connection.execute("PRAGMA trusted_schema = OFF")
    return connection
