"""What an earlier wave's ledger and book say of each object it stored, in a temporary database beside its ledger.

The objects of a restore come from here, not from a listing: one that was put among them since is not restored.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Self

from migrator.core.filters import Filters
from migrator.core.modes import Mode
from migrator.core.names import TargetNames
from migrator.core.plan import Plan
from migrator.engine.book import read_book
from migrator.engine.files import WaveFiles
from migrator.engine.opening import Opener
from migrator.envelope.keys import Identity
from migrator.ledger.connection import translated
from migrator.ledger.ledger import Ledger
from migrator.ledger.rows import decode_attributes, encode_attributes
from providers.errors import Unavailable
from providers.model import Attributes, ETag, Key, VersionId

__all__ = ["Recorded", "Stored"]

_PAGE: Final = 1000
_COLUMNS: Final = "key, target, size, plain_size, etag, version, plain"
_PLAIN_SIZE: Final = {
    Mode.ENCRYPT: "size",
    Mode.COPY: "stored_size",
    Mode.DECRYPT: "stored_size",
    Mode.REWRAP: "NULL",
}
"""Where a ledger keeps the size of what an object opens to; a rewrapped object's only its header tells."""


@dataclass(frozen=True, slots=True)
class Stored:
    """One object as the wave stored it.

    Attributes:
        key: Its key at the wave's source.
        target: Its key at the wave's target.
        stored_size: Bytes there.
        plain_size: Bytes it opens to, or None where its header has to be asked.
        etag: Pin of the store.
        version: Version at the store, if it has versions.
        plaintext_sha256: Digest of what it opens to, if the wave recorded it.
    """

    key: str
    target: str
    stored_size: int
    plain_size: int | None
    etag: ETag | None
    version: VersionId | None
    plaintext_sha256: bytes | None


class Recorded:
    """What the wave's ledger and book say of each stored object.

    Args:
        plan: The earlier wave.
        files: Where it lives.
        opener: Opens its target, for the book.
        folder: Where the temporary database may lie.
        identities: Who opens the book.
        filters: Over the keys at the wave's source.

    Raises:
        NoMatch: None of the identities opens the book.
        IntegrityError: The book is not the one that was written.
        LedgerError: The ledger cannot be read, or the disk under the folder is full.
    """

    def __init__(
        self,
        plan: Plan,
        files: WaveFiles,
        opener: Opener,
        folder: Path,
        identities: tuple[Identity, ...],
        filters: Filters,
    ) -> None:
        self._plan, self._files = plan, files
        self._lock = threading.Lock()
        descriptor, name = tempfile.mkstemp(prefix=".record-", dir=folder)  # created 0600
        os.close(descriptor)
        self._database = sqlite3.connect(name, isolation_level=None, check_same_thread=False)
        try:
            with translated():
                self._database.execute("PRAGMA journal_mode = OFF")
                self._database.execute("PRAGMA synchronous = OFF")
                self._database.execute(
                    "CREATE TABLE objects (target TEXT PRIMARY KEY, key TEXT NOT NULL UNIQUE, size INTEGER NOT NULL, "
                    "plain_size INTEGER, etag TEXT, version TEXT, plain BLOB, attributes BLOB) WITHOUT ROWID"
                )
                # Open, and gone with this process however it ends.
                Path(name).unlink()
                self._fill(plan, files, filters)
                if plan.mode is Mode.ENCRYPT:
                    self._read_book(plan, files, opener, identities)
        except BaseException:
            self._database.close()
            Path(name).unlink(missing_ok=True)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def _fill(self, plan: Plan, files: WaveFiles, filters: Filters) -> None:
        ledger = Ledger.open(files.ledger, wave_id=plan.id, read_only=True)
        try:
            names = TargetNames(plan.mode, plan.names, ledger.meta("name_key"))
            rows = ledger.query(
                f"SELECT key, stored_size, {_PLAIN_SIZE[plan.mode]}, target_etag, target_version, plaintext_sha256 "
                "FROM objects WHERE state IN (3, 5, 6) AND stored_size IS NOT NULL"
            )
            self._database.execute("BEGIN")
            self._database.executemany(
                "INSERT INTO objects VALUES (?,?,?,?,?,?,?,NULL)",
                ((names.target(key), key, *rest) for key, *rest in rows if filters.takes(key)),
            )
            self._database.execute("COMMIT")
        finally:
            ledger.close()

    def _read_book(
        self, plan: Plan, files: WaveFiles, opener: Opener, identities: tuple[Identity, ...]
    ) -> None:
        ledger = Ledger.open(files.ledger, wave_id=plan.id, read_only=True)
        try:
            key, digest, size = (ledger.meta(name) for name in ("book_key", "book_sha256", "book_size"))
        finally:
            ledger.close()
        if key is None:
            return
        self._database.execute("BEGIN")
        with opener(plan.target, True) as target:
            for _, stored, attributes in read_book(
                target, Key(key), identities, sha256=bytes(digest), size=size
            ):
                self._database.execute(
                    "UPDATE objects SET attributes=? WHERE target=?", (encode_attributes(attributes), stored)
                )
        self._database.execute("COMMIT")

    def attributes(self, key: str) -> Attributes | None:
        """What the metadata book says of the object at this key of the target."""
        with self._lock:  # one connection, many workers
            row = self._database.execute("SELECT attributes FROM objects WHERE target=?", (key,)).fetchone()
        found = row[0] if row else None
        return decode_attributes(found) if found is not None else None

    def by_key(self, key: str) -> Stored | None:
        """The object that had this key at the wave's source."""
        with self._lock:
            row = self._database.execute(f"SELECT {_COLUMNS} FROM objects WHERE key=?", (key,)).fetchone()
        return None if row is None else Stored(*row)

    def look_again(self, stored: Stored) -> Stored | None:
        """What the ledger says of an object by now, where a rewrap has given it another receipt; it is kept.

        Raises:
            Unavailable: A rewrap of it is under way, or was cut short: only that one knows what stands there.
        """
        ledger = Ledger.open(self._files.ledger, wave_id=self._plan.id, read_only=True)
        try:
            row = ledger.by_key(stored.key)
            if row is None or row.stored_size is None:
                return None
            rewrap, sent = ledger.rewrapping(row.row)
        finally:
            ledger.close()
        now = replace(
            stored,
            stored_size=row.stored_size,
            etag=row.target_pin.etag,
            version=row.target_pin.version,
        )
        if now == stored:
            if rewrap is not None and sent:
                raise Unavailable(
                    "a rewrap of this object has not come to its end",
                    hint="run 'havre rewrap' again, then this command",
                )
            return None
        with self._lock, translated():
            self._database.execute(
                "UPDATE objects SET size=?, etag=?, version=? WHERE key=?",
                (now.stored_size, now.etag, now.version, now.key),
            )
        return now

    def page(self, after: str, limit: int) -> list[Stored]:
        """Objects in the order of their keys at the wave's source."""
        with self._lock:
            rows = self._database.execute(
                f"SELECT {_COLUMNS} FROM objects WHERE key>? ORDER BY key LIMIT ?", (after, limit)
            ).fetchall()
        return [Stored(*row) for row in rows]
