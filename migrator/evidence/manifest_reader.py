"""Reading a manifest and its openings back, line by line, trusting nothing.

Source: the sections "Rows" and "Openings" of ``migrator/docs/evidence-format.md``.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

from migrator.core.canonical import MAX_INTEGER, decode
from migrator.core.commitments import FIELDS, SALT, commit, fields_digest
from migrator.errors import EvidenceInvalid

__all__ = [
    "MAX_OPENING",
    "MAX_ROW",
    "Fields",
    "Opening",
    "ReadRow",
    "check_opening",
    "lines_of",
    "opened_again",
    "openings_of",
    "read_opening",
    "read_row",
    "sha256_of",
]

MAX_ROW: Final = 4096
MAX_OPENING: Final = 8 * 1024 * 1024
_BLOCK: Final = 1 << 20
# The canonical form of a row, whole: cheaper than a parser, and as strict.
_ROW: Final = re.compile(
    rb'\{(?:"at":(0|[1-9][0-9]{0,15}),)?"fields":"([0-9a-f]{64})",'
    rb'(?:"level":"(size|store-checksum|ciphertext|sample|full)",)?'
    rb'"row":([1-9][0-9]{0,12}),"state":"(verified|stored|skipped|drifted|rejected|failed|planned)"\}'
)
_HEX: Final = re.compile(r"[0-9a-f]{64}")
_NEVER_NULL: Final = frozenset({"source_key", "source_size"})
_NUMBERS: Final = frozenset({"source_size", "stored_size", "segments"})
_SALT_HEX: Final = re.compile(r"[0-9a-f]{32}")
# Which of time and level a row in each state may have.
_BOTH: Final = (True, True)
_TIME: Final = (True, False)
_NEITHER: Final = (False, False)
_MAY: Final = {
    "verified": (_BOTH,),
    "stored": (_TIME,),
    "skipped": (_BOTH, _NEITHER),
    "drifted": (_TIME, _NEITHER),
    "rejected": (_TIME, _NEITHER),
    "failed": (_TIME, _NEITHER),
    "planned": (_NEITHER,),
}


class ReadRow(NamedTuple):
    """A row as it stands in a manifest."""

    row: int
    state: str
    level: str | None
    at: int | None
    fields: bytes


def read_row(line: bytes) -> ReadRow:
    """A line of a manifest, without its end.

    Raises:
        EvidenceInvalid: It is no row, or says what no row may say.
    """
    found = _ROW.fullmatch(line)
    if found is None:
        raise EvidenceInvalid("it is not a row in its one form")
    at, fields, level, row, state = found.groups()
    read = ReadRow(
        row=int(row),
        state=state.decode(),
        level=None if level is None else level.decode(),
        at=None if at is None else int(at),
        fields=bytes.fromhex(fields.decode()),
    )
    if read.at is not None and read.at > MAX_INTEGER:
        raise EvidenceInvalid("a time is too large")
    if (read.at is not None, read.level is not None) not in _MAY[read.state]:
        raise EvidenceInvalid(f"a row that is {read.state} has a time or a level too many or too few")
    return read


def lines_of(path: Path, limit: int, digest: Any | None = None) -> Iterator[bytes]:
    """The lines of a file without their ends; ``digest`` is updated with all bytes.

    Raises:
        EvidenceInvalid: A line is longer than ``limit`` bytes, or the last one has no end.
    """
    with path.open("rb") as file:
        yield from _lines(file, limit, digest)


def _lines(file: BinaryIO, limit: int, digest: Any | None) -> Iterator[bytes]:
    rest = b""
    while block := file.read(_BLOCK):
        if digest is not None:
            digest.update(block)
        *whole, rest = (rest + block).split(b"\n")
        for line in whole:
            if len(line) > limit:
                raise EvidenceInvalid(f"a line is longer than {limit} bytes")
            yield line
        if len(rest) > limit:
            raise EvidenceInvalid(f"a line is longer than {limit} bytes")
    if rest:
        raise EvidenceInvalid("the last line has no end")


class Opening(NamedTuple):
    """An opening as it stands in a file: which row, which values, and the row's fields that follow from it."""

    row: int
    values: dict[str, Any]
    fields: bytes


def read_opening(document: Any) -> Opening:
    """An opening, with what its commitments come to.

    Raises:
        EvidenceInvalid: It is no opening.
    """
    if not isinstance(document, dict) or set(document) != {"commitments", "opened", "row"}:
        raise EvidenceInvalid("an opening lacks a member or has one too many")
    row = document["row"]
    if type(row) is not int or row < 1:
        raise EvidenceInvalid("an opening names no row")
    values, fields = check_opening(document["commitments"], document["opened"])
    return Opening(row, values, fields)


def check_opening(commitments: Any, opened: Any) -> tuple[dict[str, Any], bytes]:
    """The opened values, and the row's ``fields`` that commitments and openings come to.

    Raises:
        EvidenceInvalid: They are not exactly the fields of a row.
    """
    if not isinstance(commitments, dict) or not isinstance(opened, dict) or not opened:
        raise EvidenceInvalid("an opening has no commitments or no values")
    if set(commitments) | set(opened) != set(FIELDS) or set(commitments) & set(opened):
        raise EvidenceInvalid("an opening does not name each field once")
    found = []
    for name in FIELDS:
        if name in commitments:
            text = commitments[name]
            if not isinstance(text, str) or not _HEX.fullmatch(text):
                raise EvidenceInvalid("a commitment is not hexadecimal")
            found.append(bytes.fromhex(text))
            continue
        entry = opened[name]
        if not isinstance(entry, dict) or set(entry) != {"salt", "value"}:
            raise EvidenceInvalid("an opened field lacks its salt or value")
        salt = entry["salt"]
        if not isinstance(salt, str) or not _SALT_HEX.fullmatch(salt):
            raise EvidenceInvalid(f"a salt is not {SALT} bytes in hexadecimal")
        if not _is_value(name, entry["value"]):
            raise EvidenceInvalid(f"the opened {name} is of another kind than that field")
        found.append(commit(name, bytes.fromhex(salt), entry["value"]))
    return {name: opened[name]["value"] for name in opened}, fields_digest(tuple(found))


def _is_value(name: str, value: Any) -> bool:
    if value is None:
        return name not in _NEVER_NULL
    if name in _NUMBERS:
        return _is_count(value)
    if name == "parts":
        return isinstance(value, list) and all(
            isinstance(part, list) and len(part) == 2 and _is_count(part[0]) and _is_digest(part[1])
            for part in value
        )
    return _is_digest(value) if name.endswith("_sha256") else isinstance(value, str)


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and _HEX.fullmatch(value) is not None


def opened_again(path: Path, digest: bytes) -> Iterator[Opening]:
    """The openings of a file that was found right before, without putting commitments together again.

    Args:
        path: The file.
        digest: Its SHA-256 when it was checked.

    Raises:
        EvidenceInvalid: It is another file by now; what was given before that counts for nothing.
    """
    found = hashlib.sha256()
    for line in lines_of(path, MAX_OPENING, found):
        try:
            entry = json.loads(line)
            values = {name: opened["value"] for name, opened in entry["opened"].items()}
            again = Opening(entry["row"], values, b"")
        except (ValueError, LookupError, AttributeError, TypeError, RecursionError):
            break
        yield again
    else:
        if found.digest() == digest:
            return
    raise EvidenceInvalid("openings.jsonl was changed while it was read")


def openings_of(path: Path, digest: Any | None = None) -> Iterator[Opening]:
    """The openings of a file, rows rising.

    Raises:
        EvidenceInvalid: A line is no opening in canonical form, or out of order.
    """
    last = 0
    for number, line in enumerate(lines_of(path, MAX_OPENING, digest), 1):
        try:
            found = read_opening(decode(line))
        except EvidenceInvalid as error:
            raise EvidenceInvalid(f"line {number}: {error.message}") from None
        if found.row <= last:
            raise EvidenceInvalid(f"line {number}: rows do not rise")
        last = found.row
        yield found
    if not last:
        raise EvidenceInvalid("it opens nothing")


class Fields:
    """What rows commit to, kept only where openings are to be held against it (32 bytes a row)."""

    def __init__(self, *, wanted: bool) -> None:
        self._wanted = wanted
        self._kept = bytearray()

    def add(self, fields: bytes) -> None:
        """Keep the next row's."""
        if self._wanted:
            self._kept += fields

    def of(self, row: int) -> bytes:
        """A row's; empty if it is not kept."""
        return bytes(self._kept[32 * (row - 1) : 32 * row])


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a file, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
