"""From a ledger's rows to the rows of a manifest: what each says openly, and what it commits to.

Source: the sections "Fields and commitments" and "Rows" of ``migrator/docs/evidence-format.md``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import cbor2

from migrator.core.commitments import Salts, fields_digest, row_commitments
from migrator.core.modes import Mode
from migrator.core.names import TargetNames
from migrator.core.states import State
from migrator.envelope.arithmetic import CIPHER_SEGMENT, PADDED_HEADER, header_length
from migrator.ledger.ledger import Ledger

__all__ = ["ManifestRow", "manifest_rows"]

_ROWS: Final = (
    "SELECT o.row, o.key, o.source_version, o.source_etag, o.size, o.plaintext_sha256, o.target_version, "
    "o.target_etag, o.stored_size, o.ciphertext_sha256, o.reason, o.state, o.level, o.settled_ms, u.header_sha256, o.readers "
    "FROM objects o LEFT JOIN uploads u ON u.row=o.row WHERE o.row BETWEEN ? AND ? ORDER BY o.row"
)
_PARTS: Final = (
    "SELECT row, size, ciphertext_sha256 FROM parts WHERE row BETWEEN ? AND ? ORDER BY row, number"
)
_LAST: Final = 2**53
_STANDING: Final = frozenset({State.STORED, State.VERIFIED, State.SKIPPED})
_PROVEN: Final = frozenset({State.VERIFIED, State.SKIPPED})
_WORDS: Final = {state: state.word for state in State} | {State.READY: "planned", State.OPEN: "planned"}


class ManifestRow(NamedTuple):
    """One row.

    Attributes:
        row: Its number, from 1.
        state: Where the object stands, in the words of the format.
        level: Verification level, or None.
        at: Milliseconds since 1970, or None.
        line: Its line of the manifest, without the line's end.
        values: Field → value; a field that is not there is null.
        salts: One for each field.
        commitments: One for each field.
    """

    row: int
    state: str
    level: str | None
    at: int | None
    line: bytes
    values: dict[str, Any]
    salts: tuple[bytes, ...]
    commitments: tuple[bytes, ...]


def manifest_rows(
    ledger: Ledger,
    names: TargetNames,
    salts: Salts,
    *,
    mode: Mode,
    recipients: int,
    first: int = 1,
    last: int = _LAST,
) -> Iterator[ManifestRow]:
    """The rows of a ledger from ``first`` to ``last``, in order, in memory that does not grow with their number."""
    parts = _PartsByRow(ledger, first, last)
    # A header that is not padded is as long as its readers are many; 0 is the set of the wave file.
    counts = {0: recipients, **ledger_readers(ledger)}
    for values in ledger.query(_ROWS, (first, last)):
        row, state, at = values[0], State(values[11]), values[13]
        # What was verified once and then found otherwise keeps no level.
        level = values[12] if state in _PROVEN else None
        fields = _fields(values, names, parts, mode=mode, counts=counts)
        drawn = salts.of(row)
        commitments = row_commitments(drawn, fields)
        word = _WORDS[state]
        line = _line(row, word, level, at, fields_digest(commitments))
        yield ManifestRow(row, word, level, at, line, fields, drawn, commitments)


def _line(row: int, state: str, level: str | None, at: int | None, fields: bytes) -> bytes:
    # Canonical JSON by hand: every member is of a known form, and there are a million of them.
    when = "" if at is None else f'"at":{at},'
    how = "" if level is None else f'"level":"{level}",'
    return f'{{{when}"fields":"{fields.hex()}",{how}"row":{row},"state":"{state}"}}'.encode()


def _fields(
    values: tuple[Any, ...], names: TargetNames, parts: _PartsByRow, *, mode: Mode, counts: Mapping[int, int]
) -> dict[str, Any]:
    row, key, version, etag, size, plaintext, *target, reason, state, _level, _at, header, readers = values
    target_version, target_etag, stored_size, ciphertext = target
    fields: dict[str, Any] = {
        "source_key": key,
        "source_size": size,
        "source_version": version,
        "source_etag": etag,
        "reason": reason,
    }
    # Of an object that was found otherwise, or taken back, the wave no longer says what stands there.
    if stored_size is None or State(state) not in _STANDING:
        return fields
    fields |= {
        "plaintext_sha256": _hex(plaintext),
        "target_key": names.target(key),
        "target_version": target_version,
        "target_etag": target_etag,
        "stored_size": stored_size,
        "ciphertext_sha256": _hex(ciphertext),
    }
    whole = ciphertext is not None
    if not whole:
        fields["parts"] = parts.of(row)
        fields["header_sha256"] = _hex(header)
    if mode.seals:
        length = header_length(counts[readers]) if whole else PADDED_HEADER
        # A rewrapped object that was put at once keeps a header whose length its source decides.
        if mode is Mode.ENCRYPT or not whole:
            fields["segments"] = -(-(stored_size - length) // CIPHER_SEGMENT)
    return fields


def ledger_readers(ledger: Ledger) -> dict[int, int]:
    """How many readers each set has that a rewrap put in the place of the wave file's."""
    return {
        number: len(cbor2.loads(body)) for number, body in ledger.query("SELECT id, recipients FROM readers")
    }


def _hex(digest: bytes | None) -> str | None:
    return None if digest is None else digest.hex()


class _PartsByRow:
    """The parts of rows that are asked for in rising order, read in one pass."""

    def __init__(self, ledger: Ledger, first: int, last: int) -> None:
        self._parts = ledger.query(_PARTS, (first, last))
        self._next = next(self._parts, None)

    def of(self, row: int) -> list[list[Any]]:
        found: list[list[Any]] = []
        while self._next is not None and self._next[0] <= row:
            if self._next[0] == row:
                found.append([self._next[1], self._next[2].hex()])
            self._next = next(self._parts, None)
        return found
