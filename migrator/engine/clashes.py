"""Two objects that a target cannot hold side by side: found before anything is sent.

A file system has no file ``a`` beside a directory ``a/``; some fold ``A`` and ``a``; ``decrypt`` would write ``x`` and
``x.c4gh`` to the same key. Keys are kept in a temporary database on disk, so that memory does not grow.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from migrator.core.modes import Mode, Names
from migrator.core.names import TargetNames
from providers.capabilities import Capabilities

__all__ = ["Clashes", "can_clash"]


def can_clash(mode: Mode, names: Names, target: Capabilities) -> bool:
    """Whether two source keys may exclude each other at this target."""
    if names is Names.KEYED:
        return False
    return mode is Mode.DECRYPT or not target.keys_nest or target.keys_fold_case


class Clashes:
    """Collects target keys, then names those that exclude another. A context manager."""

    def __init__(self, names: TargetNames, target: Capabilities) -> None:
        self._names = names
        self._nest = target.keys_nest
        self._fold = target.keys_fold_case
        descriptor, path = tempfile.mkstemp(prefix="havre-keys-")  # created 0600
        os.close(descriptor)
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.execute("SELECT 1 FROM sqlite_schema").fetchall()  # opens the file
        Path(path).unlink()  # it goes with the process, however that ends
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute(
            "CREATE TABLE keys (folded TEXT PRIMARY KEY, source TEXT NOT NULL) WITHOUT ROWID"
        )
        self._database.execute("CREATE TABLE twins (source TEXT NOT NULL, reason TEXT NOT NULL)")
        self._database.execute("BEGIN")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def _folded(self, key: str) -> str:
        return key.casefold() if self._fold else key

    def add(self, key: str) -> None:
        """Take a source key into account."""
        cursor = self._database.execute(
            "INSERT OR IGNORE INTO keys (folded, source) VALUES (?,?)",
            (self._folded(self._names.target(key)), key),
        )
        if cursor.rowcount == 0:
            self._database.execute(
                "INSERT INTO twins (source, reason) VALUES (?,?)",
                (key, "key refused: another object of this wave has the same name at the target"),
            )

    def found(self) -> Iterator[tuple[str, str]]:
        """Source keys that cannot be moved, with the reason."""
        yield from self._database.execute("SELECT source, reason FROM twins")
        if self._nest:
            return
        for folded, source in self._database.execute("SELECT folded, source FROM keys"):
            at = folded.find("/")
            while at > 0:
                if self._database.execute("SELECT 1 FROM keys WHERE folded=?", (folded[:at],)).fetchone():
                    yield source, "key refused: another object has a beginning of this key as its whole key"
                    break
                at = folded.find("/", at + 1)
