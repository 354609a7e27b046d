"""``havre restore``: the way back. What a wave moved is opened, held against what was recorded, and written plain.

A restore is a wave of its own, with its own ledger inside the first one's folder, so that it survives what a
migration survives. Its objects come from the first wave's ledger, not from a listing: an object that was put among
them since is not restored. Metadata comes from the book that stands sealed at the target.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal, Self

from migrator.core.filters import Filters
from migrator.core.modes import Mode
from migrator.core.names import TargetNames
from migrator.core.plan import Plan
from migrator.engine.book import read_book
from migrator.engine.context import Stop
from migrator.engine.files import WaveFiles
from migrator.engine.opening import Opener
from migrator.engine.progress import Progress
from migrator.engine.report import Report
from migrator.engine.run import migrate
from migrator.engine.settings import Settings
from migrator.envelope.keys import Identity
from migrator.errors import NothingThere, UsageError
from migrator.ledger.ledger import Ledger
from migrator.ledger.rows import Listed, decode_attributes, encode_attributes
from providers.model import Attributes, Key

__all__ = ["restore"]

_PAGE: Final = 1000
Rules = tuple[tuple[Literal["include", "exclude"], str], ...]


def restore(
    plan: Plan,
    files: WaveFiles,
    opener: Opener,
    destination: str,
    settings: Settings,
    *,
    identities: tuple[Identity, ...] = (),
    progress: Progress,
    stop: Stop,
    on_event: Callable[[dict[str, Any]], None] | None = None,
    filters: Rules = (),
) -> Report:
    """Bring what a wave stored back to ``destination``, in plain; the same call resumes.

    Raises:
        NothingThere: The wave has not run yet.
        UsageError: No identity was given for a sealed wave.
        MigrationError, StoreError, EnvelopeError: As for ``migrate``.
    """
    if not files.ledger.exists():
        raise NothingThere("this wave has no ledger yet", hint="run 'havre migrate' first")
    _refuse_unfinished(plan, files, progress)
    if plan.mode.seals and not identities:
        raise UsageError(
            "restoring a sealed wave needs a recipient's private key", hint="name it with --identity KEY"
        )
    token = hashlib.sha256(repr((destination, filters)).encode()).hexdigest()[:12]
    folder = files.folder / f"restore-{token}"
    folder.mkdir(mode=0o700, exist_ok=True)
    own = WaveFiles(folder / "restore.toml", folder=folder)
    if own.plan_path.exists():
        back = own.load()
    else:
        back = Plan(
            wave=f"{plan.wave[:50]}-restore",
            id=os.urandom(16).hex(),
            dataset_class=plan.dataset_class,
            mode=Mode.DECRYPT if plan.mode.seals else Mode.COPY,
            source=plan.target,
            target=destination,
            identity="given on the command line" if plan.mode.seals else None,
            tags=False,
            include_own=False,
            filters=filters,
            created_at=datetime.now(UTC),
        )
        own.save(back)
    progress.phase = "reading the record"
    with _Recorded(plan, files, opener, folder, identities, filters) as record:
        return migrate(
            back,
            own,
            opener,
            settings,
            identities=identities,
            progress=progress,
            stop=stop,
            on_event=on_event,
            record=record,
        )


def _refuse_unfinished(plan: Plan, files: WaveFiles, progress: Progress) -> None:
    """A wave that was cut short has no complete record to restore from."""
    ledger = Ledger.open(files.ledger, wave_id=plan.id, read_only=True)
    try:
        if ledger.unfinished():
            raise UsageError(
                "this wave has not come to its end, so it cannot be restored yet",
                hint="run 'havre migrate' again until it is done, then restore",
            )
        left_out = ledger.one("SELECT count(*) FROM objects WHERE state IN (7, 8)")
    finally:
        ledger.close()
    if left_out:
        progress.note = f"{left_out} object(s) of the wave were never moved and cannot be restored"


class _Recorded:
    """What the wave's ledger and book say of each stored object, in a temporary database beside the ledger."""

    def __init__(
        self,
        plan: Plan,
        files: WaveFiles,
        opener: Opener,
        folder: Path,
        identities: tuple[Identity, ...],
        rules: Rules,
    ) -> None:
        self._lock = threading.Lock()
        self._path = folder / "record.sqlite"
        self._path.unlink(missing_ok=True)
        os.close(os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        self._database = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute(
            "CREATE TABLE objects (target TEXT PRIMARY KEY, key TEXT NOT NULL, size INTEGER NOT NULL, etag TEXT, "
            "version TEXT, plain BLOB, attributes BLOB) WITHOUT ROWID"
        )
        self._fill(plan, files, Filters.of(rules))
        if plan.mode is Mode.ENCRYPT:
            self._read_book(plan, files, opener, identities)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()
        self._path.unlink(missing_ok=True)

    def _fill(self, plan: Plan, files: WaveFiles, filters: Filters) -> None:
        ledger = Ledger.open(files.ledger, wave_id=plan.id, read_only=True)
        try:
            names = TargetNames(plan.mode, plan.names, ledger.meta("name_key"))
            rows = ledger.query(
                "SELECT key, stored_size, target_etag, target_version, plaintext_sha256 FROM objects "
                "WHERE state IN (3, 5, 6) AND stored_size IS NOT NULL"
            )
            self._database.execute("BEGIN")
            self._database.executemany(
                "INSERT INTO objects VALUES (?,?,?,?,?,?,NULL)",
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
            key, digest = ledger.meta("book_key"), ledger.meta("book_sha256")
        finally:
            ledger.close()
        if key is None:
            return
        self._database.execute("BEGIN")
        with opener(plan.target, True) as target:
            for _, stored, attributes in read_book(target, Key(key), identities, sha256=bytes(digest)):
                self._database.execute(
                    "UPDATE objects SET attributes=? WHERE target=?", (encode_attributes(attributes), stored)
                )
        self._database.execute("COMMIT")

    def candidates(self) -> Iterator[Listed]:
        """Every stored object that the filters take, pinned as the wave left it."""
        after = ""
        while True:
            with self._lock:
                rows = self._database.execute(
                    "SELECT target, size, etag, version FROM objects WHERE target>? ORDER BY target LIMIT ?",
                    (after, _PAGE),
                ).fetchall()
            if not rows:
                return
            for target, size, etag, version in rows:
                yield Listed(target, size, None, etag, version, None, None)
            after = rows[-1][0]

    def _one(self, column: str, key: str) -> Any:
        with self._lock:  # one connection, many workers
            row = self._database.execute(f"SELECT {column} FROM objects WHERE target=?", (key,)).fetchone()
        return row[0] if row else None

    def target_name(self, key: str) -> str:
        """The object's key at the source of the wave."""
        return str(self._one("key", key))

    def plaintext_sha256(self, key: str) -> bytes | None:
        """The plain digest that the wave recorded."""
        found = self._one("plain", key)
        return bytes(found) if found is not None else None

    def attributes(self, key: str) -> Attributes | None:
        """What the metadata book says of the object."""
        found = self._one("attributes", key)
        return decode_attributes(found) if found is not None else None
