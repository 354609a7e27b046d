"""Checking a bundle: offline, without a ledger, naming file, line and reason of everything that is wrong.

Source: the section "What a reader checks" of ``migrator/docs/evidence-format.md``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from migrator.core.canonical import decode
from migrator.core.merkle import Tree
from migrator.errors import EvidenceInvalid, NothingThere
from migrator.evidence.bundle import TRANSFER, VERIFICATION
from migrator.evidence.checkpoint import Checkpoint, read_checkpoint
from migrator.evidence.dsse import read_envelope, read_statement
from migrator.evidence.facts import Tally
from migrator.evidence.folders import FOLDERS, inside, is_derogation
from migrator.evidence.manifest_reader import (
    MAX_ROW,
    Fields,
    Opening,
    lines_of,
    openings_of,
    read_row,
    sha256_of,
)
from migrator.evidence.predicates import check_transfer, check_verification
from migrator.evidence.signers import ED25519, PublicKey, read_keys
from migrator.evidence.timestamp import MAX_RESPONSE, Timestamp, judge

if TYPE_CHECKING:
    from cryptography import x509

__all__ = ["Finding", "Verdict", "check_bundle"]

_DOCUMENTS: Final = (
    "gate.json",
    "run.json",
    "keys.json",
    "statements/transfer.json",
    "statements/verification.json",
)
_NEEDED: Final = ("manifest.jsonl", "checkpoint.txt", "plan.toml", *_DOCUMENTS)
_OPTIONAL: Final = ("openings.jsonl", "timestamp.tsr")
_UNSIGNED: Final = (
    "openings.jsonl",
    "timestamp.tsr",
    "statements/transfer.json",
    "statements/verification.json",
)
_MAX_DOCUMENT: Final = 16 * 1024 * 1024
_MAX_FILES: Final = 1000
_MAX_FINDINGS: Final = 100
_DAY: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong: where, and why. ``line`` counts from 1."""

    file: str
    reason: str
    line: int | None = None


@dataclass(slots=True, kw_only=True)
class Verdict:
    """What a check came to.

    Attributes:
        findings: What is wrong; empty for a bundle that holds.
        rows: Rows read.
        opened: Rows with an opening that was right.
        predicates: ``transfer`` and ``verification`` as signed, where they could be read.
        trusted: Names of trusted keys that signed.
        stamped: Whether there is a time-stamp.
        openings_sha256: Digest of the openings that were checked; empty if there are none.
        timestamp: What it says, if a certificate was given to check it with and it holds.
    """

    findings: list[Finding] = field(default_factory=list)
    rows: int = 0
    opened: int = 0
    predicates: dict[str, dict[str, Any]] = field(default_factory=dict)
    trusted: set[str] = field(default_factory=set)
    stamped: bool = False
    timestamp: Timestamp | None = None
    openings_sha256: bytes = b""

    @property
    def holds(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings


def check_bundle(
    folder: Path,
    trusted: Sequence[PublicKey],
    *,
    now_ms: int,
    authorities: Sequence[x509.Certificate] = (),
    on_row: Callable[[int], None] = lambda _row: None,
    on_opening: Callable[[Opening], None] = lambda _opening: None,
) -> Verdict:
    """Check everything that can be checked of a bundle without its ledger or its stores.

    Args:
        folder: The bundle.
        trusted: Keys that the reader trusts, at least one.
        now_ms: The reader's clock, milliseconds since 1970.
        authorities: Certificates of time-stamp authorities that the reader trusts; with one, a time-stamp must hold.
        on_row: Told of every thousandth row.
        on_opening: Told of every opening; what it says counts only if the verdict holds.

    Raises:
        NothingThere: There is no such folder.
    """
    if not folder.is_dir():
        raise NothingThere(f"there is no folder {str(folder)!r}", hint="name the folder of a bundle")
    return _Reader(folder, trusted, now_ms, authorities, on_row, on_opening).read()


class _Naming:
    """Makes a finding of what goes wrong within a block, which then ends there."""

    def __init__(self, wrong: Callable[[str, str], None], file: str) -> None:
        self._wrong, self._file = wrong, file

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _where: object
    ) -> bool:
        if isinstance(error, EvidenceInvalid):
            self._wrong(self._file, error.message)
        elif isinstance(error, OSError):
            self._wrong(self._file, f"it cannot be read: {error.strerror}")
        return isinstance(error, EvidenceInvalid | OSError)


class _Reader:
    def __init__(
        self,
        folder: Path,
        trusted: Sequence[PublicKey],
        now_ms: int,
        authorities: Sequence[x509.Certificate],
        on_row: Callable[[int], None],
        on_opening: Callable[[Opening], None],
    ) -> None:
        self._folder = folder
        self._trusted = tuple(trusted)
        self._now = now_ms
        self._authorities = tuple(authorities)
        self._on_row, self._on_opening = on_row, on_opening
        self._verdict = Verdict()
        self._keys: tuple[PublicKey, ...] = ()
        self._present: set[str] = set()
        self._digests: dict[str, str] = {}

    def read(self) -> Verdict:
        self._list_files()
        with self._naming("keys.json"):
            self._keys = read_keys(self._document("keys.json"))
        checkpoint = self._checkpoint()
        tree, tally, fields = self._manifest()
        if checkpoint is not None and tree is not None:
            with self._naming("manifest.jsonl"):
                if (checkpoint.size, checkpoint.root) != (tree.size, tree.root()):
                    raise EvidenceInvalid("the rows are not those of the checkpoint")
        for name in sorted(self._present):
            if is_derogation(name) or name in {"gate.json", "run.json"}:
                with self._naming(name):
                    self._document(name)
            elif name == "plan.toml":
                with self._naming(name):
                    self._bytes(name)
        self._statement("statements/transfer.json", TRANSFER, tree, tally, checkpoint)
        self._statement("statements/verification.json", VERIFICATION, tree, tally, checkpoint)
        with self._naming("timestamp.tsr"):
            self._timestamp()
        self._openings(fields)
        return self._verdict

    def _naming(self, file: str) -> _Naming:
        return _Naming(self._wrong, file)

    def _wrong(self, file: str, reason: str, line: int | None = None) -> None:
        if len(self._verdict.findings) < _MAX_FINDINGS:
            self._verdict.findings.append(Finding(file, reason, line))

    def _list_files(self) -> None:
        folders = (self._folder, *(self._folder / name for name in FOLDERS))
        # Not much more than is allowed of each, and down into no other folder: somebody may have sent millions.
        found = chain.from_iterable(inside(folder, at_most=_MAX_FILES + 2) for folder in folders)
        for count, path in enumerate(found):
            name = path.relative_to(self._folder).as_posix()
            if count > _MAX_FILES:
                self._wrong(name, "there are too many files")
                return
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                self._wrong(name, "it is neither a file nor a folder")
            elif path.is_dir():
                if name not in FOLDERS:
                    self._wrong(name, "no bundle has such a folder")
            elif name in _NEEDED or name in _OPTIONAL or is_derogation(name):
                self._present.add(name)
            else:
                self._wrong(name, "no bundle has such a file")
        for name in _NEEDED:
            if name not in self._present:
                self._wrong(name, "it is missing")

    def _bytes(self, name: str, limit: int = _MAX_DOCUMENT) -> bytes:
        if name not in self._present:
            raise EvidenceInvalid("it is missing")
        with (self._folder / name).open("rb") as file:
            data = file.read(limit + 1)
        if len(data) > limit:
            raise EvidenceInvalid(f"it is longer than {limit} bytes")
        return data

    def _document(self, name: str) -> Any:
        data = self._bytes(name)
        if not data.endswith(b"\n"):
            raise EvidenceInvalid("its last line has no end")
        return decode(data[:-1])

    def _checkpoint(self) -> Checkpoint | None:
        if "checkpoint.txt" not in self._present:
            return None
        with self._naming("checkpoint.txt"):
            checkpoint = read_checkpoint(self._bytes("checkpoint.txt"))
            signers = checkpoint.signers(self._keys)
            expected = [key for key in self._keys if key.algorithm == ED25519]
            if list(signers) != expected:
                raise EvidenceInvalid(
                    "it is not signed by exactly the Ed25519 keys of keys.json, in their order"
                )
            self._trust(signers, needs_all=False)
            return checkpoint
        return None

    def _manifest(self) -> tuple[Tree | None, Tally, Fields]:
        tree, tally, fields = Tree(), Tally(), Fields(wanted="openings.jsonl" in self._present)
        if "manifest.jsonl" not in self._present:
            return None, tally, fields
        digest = hashlib.sha256()
        with self._naming("manifest.jsonl"):
            for number, line in enumerate(lines_of(self._folder / "manifest.jsonl", MAX_ROW, digest), 1):
                tree.add(line)
                try:
                    row = read_row(line)
                    if row.row != number:
                        raise EvidenceInvalid(f"it calls itself row {row.row}")
                except EvidenceInvalid as error:
                    self._wrong("manifest.jsonl", error.message, number)
                    fields.add(bytes(32))
                    continue
                tally.add(row)
                fields.add(row.fields)
                if number % 1000 == 0:
                    self._on_row(number)
            self._verdict.rows = tree.size
            self._digests["manifest.jsonl"] = digest.hexdigest()
            return tree, tally, fields
        return None, tally, fields

    def _statement(
        self, name: str, kind: str, tree: Tree | None, tally: Tally, checkpoint: Checkpoint | None
    ) -> None:
        if name not in self._present:
            return
        with self._naming(name):
            envelope = read_envelope(self._document(name))
            signers = envelope.signers(self._keys)
            if signers != self._keys:
                raise EvidenceInvalid("it is not signed by exactly the keys of keys.json, in their order")
            self._trust(signers, needs_all=True)
            subjects, predicate = read_statement(envelope.payload, kind)
            self._subjects(name, kind, subjects)
            check = check_transfer if kind == TRANSFER else check_verification
            check(predicate)
            self._verdict.predicates["transfer" if kind == TRANSFER else "verification"] = predicate
            self._against_rows(name, kind, predicate, tree, tally, checkpoint)

    def _trust(self, signers: Sequence[PublicKey], *, needs_all: bool) -> None:
        ids = {key.keyid for key in signers}
        found = [key for key in self._trusted if key.keyid in ids]
        if not found:
            raise EvidenceInvalid("no key that you trust has signed it")
        if needs_all:
            for key in self._trusted:
                if key.algorithm != ED25519 and key.keyid not in ids:
                    raise EvidenceInvalid(f"your key {key.name} has not signed it")
        self._verdict.trusted |= {key.name for key in found}

    def _subjects(self, name: str, kind: str, subjects: dict[str, str]) -> None:
        if kind == TRANSFER:
            expected = (self._present | set(_NEEDED)) - set(_UNSIGNED)
        else:
            expected = {"manifest.jsonl", "checkpoint.txt"}
        if set(subjects) != expected:
            odd = sorted(set(subjects) ^ expected)
            raise EvidenceInvalid(f"its subjects are not the files of this bundle: {odd[0][:80]}")
        for file, digest in subjects.items():
            if file not in self._present:
                continue
            found = self._digests.get(file) or sha256_of(self._folder / file)
            self._digests[file] = found
            if found != digest:
                self._wrong(file, f"it is not the file that {name} was signed over")

    def _against_rows(
        self,
        name: str,
        kind: str,
        predicate: dict[str, Any],
        tree: Tree | None,
        tally: Tally,
        checkpoint: Checkpoint | None,
    ) -> None:
        self._times(name, predicate)
        if checkpoint is not None and predicate["wave_id"] != checkpoint.wave_id:
            self._wrong(name, "it is about another wave than the checkpoint")
        if tree is None:
            return
        if predicate["tree"] != {"root": tree.root().hex(), "size": tree.size}:
            self._wrong(name, "its tree is not that of the rows")
        if kind == TRANSFER:
            found: dict[str, Any] = {"states": dict(tally.states)}
            if predicate["inventory"]["rows"] != tree.size:
                self._wrong(name, "its inventory has another number of rows")
        else:
            found = {
                "levels": dict(tally.levels),
                "weakest": tally.weakest,
                "from": tally.first,
                "to": tally.last,
            }
        for member, value in found.items():
            if predicate[member] != value:
                self._wrong(name, f"its {member} is not what the rows say")

    def _times(self, name: str, predicate: dict[str, Any]) -> None:
        made = predicate["made_at"]
        if made > self._now + _DAY:
            self._wrong(name, "it was made in the future")
        told = self._verdict.predicates.get("transfer", predicate)
        if any(predicate[member] != told[member] for member in ("made_at", "wave_id")):
            self._wrong(name, "it is of another time or wave than the transfer statement")
        # The reader's copy of a key counts too: whoever holds an old key writes what they like in keys.json.
        ids = {key.keyid for key in self._keys}
        for key in (*self._keys, *(key for key in self._trusted if key.keyid in ids)):
            if key.expired_at(made):
                self._wrong(name, f"the key {key.name} had expired when it was made")
            if key.valid_from > self._now + _DAY:
                self._wrong(name, f"the key {key.name} is from the future")

    def _timestamp(self) -> None:
        self._verdict.stamped = "timestamp.tsr" in self._present
        # Without a certificate none is missed. With one the reader expects it: nothing signed tells that it was there.
        if (
            not (self._verdict.stamped or self._authorities)
            or "statements/transfer.json" not in self._present
        ):
            return
        response, stamped = (
            self._bytes("timestamp.tsr", MAX_RESPONSE),
            self._bytes("statements/transfer.json"),
        )
        made_at = self._verdict.predicates.get("transfer", {"made_at": 0})["made_at"]
        self._verdict.timestamp = judge(
            response, stamped, self._authorities, made_at=made_at, now_ms=self._now
        )

    def _openings(self, fields: Fields) -> None:
        if "openings.jsonl" not in self._present:
            return
        with self._naming("openings.jsonl"):
            digest = hashlib.sha256()
            for number, found in enumerate(openings_of(self._folder / "openings.jsonl", digest), 1):
                if fields.of(found.row) != found.fields:
                    reason = f"what it opens of row {found.row} is not what was committed to"
                    self._wrong("openings.jsonl", reason, number)
                    continue
                self._verdict.opened += 1
                self._on_opening(found)
            self._verdict.openings_sha256 = digest.digest()
