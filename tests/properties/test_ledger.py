"""A ledger driven by any events, against a model of its states and against the fold of its events."""

import sqlite3
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from migrator.core import events as e
from migrator.core.fold import fold
from migrator.core.states import TRANSITIONS, EventKind, State
from migrator.errors import IllegalTransition
from migrator.ledger import chain
from migrator.ledger.ledger import Ledger
from support.ledgers import DIGEST, WAVE, listed, new_ledger

_ROWS = 6
_KINDS = (
    "generation", "generation", "opened", "part", "forgotten", "stored", "stored", "verified", "verified",
    "skipped", "drifted", "rejected", "failed", "failed",
)  # fmt: skip
_KIND = {
    "generation": EventKind.GENERATION_STARTED, "opened": EventKind.UPLOAD_OPENED, "part": EventKind.PART_STORED,
    "forgotten": EventKind.UPLOAD_FORGOTTEN, "stored": EventKind.OBJECT_STORED,
    "verified": EventKind.OBJECT_VERIFIED, "skipped": EventKind.OBJECT_SKIPPED,
    "drifted": EventKind.SOURCE_DRIFTED, "rejected": EventKind.OBJECT_REJECTED, "failed": EventKind.OBJECT_FAILED,
}  # fmt: skip
_STEPS = st.lists(st.tuples(st.sampled_from(_KINDS), st.integers(1, _ROWS + 1)), min_size=1, max_size=6)


class LedgerMachine(RuleBasedStateMachine):
    """``states`` is the model: what each row is, by the table alone; ``held`` are rows with a receipt."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "ledger.sqlite"
        self.ledger = new_ledger(self.path)
        self.ledger.list_objects(1, [listed(row) for row in range(1, _ROWS + 1)])
        self.ledger.append([e.ManifestSealed(_ROWS, 0)])
        self.states = dict.fromkeys(range(1, _ROWS + 1), State.PLANNED)
        self.generations = dict.fromkeys(self.states, 0)
        self.uploads: dict[int, set[int]] = {}
        self.held: set[int] = set()
        self.size = 0
        self.batches = 2

    def _event(self, kind: str, row: int) -> e.Event:
        self.size += 1
        number = self.size
        match kind:
            case "generation":
                return e.GenerationStarted(1, ((row, row),))
            case "opened":
                return e.UploadOpened(row, f"upload-{number}", 128, 0)
            case "part":
                return e.PartStored(row, 1 + number % 3, number, number.to_bytes(32, "big"), None, None, None)
            case "forgotten":
                return e.UploadForgotten(row, "gone")
            case "stored":
                return e.ObjectStored(
                    row, number, None, number.to_bytes(32, "big"), None, f"e{number}", None, None
                )
            case "verified":
                plaintext = number.to_bytes(32, "big") if number % 2 else None
                return e.ObjectVerified(row, "full" if number % 3 else "size", plaintext)
            case "skipped":
                if number % 2:
                    return e.ObjectSkipped(row, "an old version")
                return e.ObjectSkipped(row, "there", number, bytes(32), None, f"e{number}", None)
            case "drifted":
                return e.SourceDrifted(row, "changed")
            case "rejected":
                return e.ObjectRejected(row, "no")
            case _:
                return e.ObjectFailed(row, "timeout")

    def _model(self, steps: list[tuple[str, int]], numbers: list[e.Event]) -> bool:
        """Take the steps in the model, all or none; whether they are legal."""
        states, generations, held = dict(self.states), dict(self.generations), set(self.held)
        uploads = {row: set(parts) for row, parts in self.uploads.items()}
        for (kind, row), event in zip(steps, numbers, strict=True):
            edges = TRANSITIONS[states[row]] if row in states else {}
            if _KIND[kind] not in edges or (kind == "verified" and row not in held):
                return False
            states[row] = edges[_KIND[kind]]
            if kind == "generation":
                generations[row] += 1
                held.discard(row)
                uploads.pop(row, None)
            elif kind == "opened":
                uploads[row] = set()
            elif kind == "part":
                assert isinstance(event, e.PartStored)
                uploads[row].add(event.number)
            elif kind == "stored" or (isinstance(event, e.ObjectSkipped) and event.stored_size is not None):
                held.add(row)
            elif kind == "forgotten" or (kind in {"drifted", "rejected", "failed"} and row not in held):
                uploads.pop(row, None)
        self.states, self.generations, self.held, self.uploads = states, generations, held, uploads
        return True

    @rule(steps=_STEPS)
    def append(self, steps: list[tuple[str, int]]) -> None:
        """Append any batch: taken whole if the model takes it, otherwise not at all."""
        events = [self._event(kind, row) for kind, row in steps]
        head, seq = self.ledger.head, self.ledger.seq
        if self._model(steps, events):
            self.ledger.append(events)
            self.batches += 1
            assert self.ledger.seq == seq + 1
        else:
            with pytest.raises(IllegalTransition):
                self.ledger.append(events)
            assert (self.ledger.head, self.ledger.seq) == (head, seq)

    @rule(ok=st.booleans(), row=st.integers(1, _ROWS))
    def move_on(self, ok: bool, row: int) -> None:
        """Take a row further on the way that most rows go, so that long histories are met too."""
        kind = {
            State.PLANNED: "generation",
            State.READY: "opened" if ok else "stored",
            State.OPEN: "part" if ok else "stored",
            State.STORED: "verified" if ok else "failed",
            State.FAILED: "generation",
            State.VERIFIED: "rejected" if not ok else "verified",
            State.REJECTED: "verified" if row in self.held else "rejected",
        }.get(self.states[row])
        if kind is not None:
            self.append([(kind, row)])

    @rule()
    def reopen(self) -> None:
        """Close the file and open it again."""
        head = self.ledger.head
        self.ledger.close()
        self.ledger = Ledger.open(self.path, wave_id=WAVE, plan_digest=DIGEST)
        assert self.ledger.head == head

    @invariant()
    def agrees(self) -> None:
        """Model, tables and fold say the same."""
        rows = self.ledger.rows("1")
        assert {row.row: row.state for row in rows} == self.states
        assert {row.row: row.generation for row in rows} == self.generations
        assert {row.row for row in rows if row.stored_size is not None} == self.held
        found = {
            row: {part.number for part in self.ledger.parts(row)}
            for row in self.states
            if self.ledger.upload(row)
        }
        assert found == self.uploads
        wire = [
            event
            for (body,) in self.ledger.query("SELECT events FROM batches ORDER BY seq")
            for event in chain.decode(body)
        ]
        assert list(fold(wire))[1:] == [self.states[row] for row in sorted(self.states)]
        assert self.ledger.audit() == self.batches

    def teardown(self) -> None:
        self.ledger.close()
        with sqlite3.connect(self.path) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        connection.close()
        self.folder.cleanup()


TestLedger = LedgerMachine.TestCase
TestLedger.__doc__ = "Any sequence of batches leaves the ledger where the model is, or where it was."
TestLedger.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
