"""What tests saw of servers, kept in committed files, and the rule that a change must be seen by a person.

A test holds what it sees to the record; it fails where they differ. With `HAVRE_RECORD=1` it writes instead, and
`scripts/regenerate` makes the pages anew. A server that did not run keeps its column: nothing here removes one.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["MATRIX", "SERVERS_SEEN", "Record"]

_FOLDER = Path(__file__).parents[1] / "hostile"
SERVERS_SEEN = _FOLDER / "servers.json"
"""`titles` of the checks, `order` of the servers, and of each under `servers` its `title`, `version` and `checks`."""
MATRIX = _FOLDER / "matrix.json"
"""Server → `profile/mode` → object → how it ended."""


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process at a time: tests run in several."""
    held = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)


class Record:
    """One committed file of observations."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.writing = os.environ.get("HAVRE_RECORD") == "1"

    def hold(self, *names: str, seen: Any, may_be: tuple[Any, ...] = ()) -> None:
        """Compare what was seen with the record, or write it down.

        Args:
            names: Where in the record.
            seen: What was seen.
            may_be: Further values of the record that this does not contradict.
        """
        if not self.writing:
            known: Any = self._read()
            for name in names:
                known = known.get(name, {}) if isinstance(known, dict) else {}
            assert known == seen or known in may_be, (
                f"{self._path.name}, {' / '.join(names)}: recorded {known or 'nothing'!r}, seen {seen!r}; if the new "
                "one is right, run this test with HAVRE_RECORD=1, then scripts/regenerate"
            )
            return
        with _alone(self._path.parent):
            content = self._read()
            place = content
            for name in names[:-1]:
                place = place.setdefault(name, {})
            if place.get(names[-1]) not in may_be:
                place[names[-1]] = seen
            self._path.write_text(
                json.dumps(content, ensure_ascii=False, indent=1, sort_keys=True) + "\n", encoding="utf-8"
            )

    def _read(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._path.read_text("utf-8")) if self._path.exists() else {}
        return found
