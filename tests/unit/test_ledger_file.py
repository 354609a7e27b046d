"""The ledger's file: whose it is, who may read it, and what damage is noticed."""

import contextlib
import hashlib
import sqlite3
import stat

import pytest

from migrator.core import events as e
from migrator.core.states import State
from migrator.errors import (
    IllegalTransition,
    LedgerCorrupt,
    LedgerError,
    LedgerForeign,
    LedgerLocked,
    LedgerStorage,
    LedgerTooNew,
    PlanStale,
)
from migrator.ledger.ledger import Ledger
from support.ledgers import DIGEST, WAVE, listed, new_ledger, sealed_ledger, stored

BODY = b"\xa1gcontent"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger.sqlite"


def _edit(path, *statements):
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        connection.execute(statement)
    connection.close()


def _open(path, **given):
    return Ledger.open(path, wave_id=WAVE, plan_digest=DIGEST, **given)


def _finished(path):
    ledger = sealed_ledger(path, 20)
    for row in range(1, 11):
        ledger.append([*stored(row), e.ObjectVerified(row, "full", None)])
    ledger.append([e.GenerationStarted(1, ((11, 11),)), e.UploadOpened(11, "u", 128, 0)])
    ledger.append(
        [e.PartStored(11, 1, 5, bytes(32), bytes(6), "p", bytes(32)), e.ObjectStored(11, 5, *[None] * 6)]
    )
    ledger.append([e.ObjectVerified(11, "full", b"p" * 32)])
    ledger.append(
        [e.ObjectSkipped(12, "there", 7, bytes(32), bytes(32), "e", None), e.ObjectSkipped(13, "old")]
    )
    begun, receipt = stored(14)
    ledger.append([begun, receipt._replace(attributes=hashlib.sha256(BODY).digest())], attributes=[BODY])
    ledger.close()


def test_only_the_owner_may_read_a_ledger(path):
    """The ledger and its write-ahead log are 0600 from their first byte."""
    ledger = sealed_ledger(path, 2)
    files = [path, path.with_name("ledger.sqlite-wal"), path.with_name("ledger.sqlite-shm")]
    assert [stat.S_IMODE(file.stat().st_mode) for file in files] == [0o600] * 3
    ledger.close()


def test_a_ledger_is_never_made_over_a_file(path):
    """Creating refuses what is there already, and says so as one of our errors."""
    path.write_bytes(b"precious")
    with pytest.raises(LedgerStorage):
        new_ledger(path)
    assert path.read_bytes() == b"precious"


def test_a_newer_ledger_is_refused_and_left_as_it_is(path):
    """A format above ours is ``LedgerTooNew``."""
    new_ledger(path).close()
    _edit(path, "PRAGMA user_version = 2")
    before = path.read_bytes()
    with pytest.raises(LedgerTooNew, match="format 2"):
        _open(path)
    assert path.read_bytes() == before


def test_another_wave_and_another_plan_are_told_apart(path):
    """A ledger of another wave is foreign; one of another edition of the plan makes the plan stale."""
    new_ledger(path).close()
    with pytest.raises(LedgerForeign):
        Ledger.open(path, wave_id="f" * 32)
    with pytest.raises(PlanStale):
        Ledger.open(path, wave_id=WAVE, plan_digest="e" * 64)
    Ledger.open(path, wave_id=WAVE).close()


def test_another_programs_database_is_not_touched(path):
    """A SQLite file that is not ours is refused without a byte of it changed."""
    _edit(path, "CREATE TABLE mine (x)", "PRAGMA user_version = 1")
    before = path.read_bytes()
    with pytest.raises(LedgerCorrupt, match="not a ledger"):
        _open(path)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["ledger.sqlite"]


@pytest.mark.parametrize("content", [b"", b"x", b"garbage" * 1000, b"SQLite format 3\x00" + b"\xff" * 5000])
def test_what_is_no_database_is_corrupt(path, content):
    """An empty or foreign file is ``LedgerCorrupt``."""
    path.write_bytes(content)
    with pytest.raises(LedgerCorrupt):
        _open(path)


@pytest.mark.parametrize("kept", [50, 100, 4096, 9000, 0.5, 0.9])
def test_a_truncated_ledger_is_noticed(path, kept):
    """A cut file is noticed when it is opened or audited, as one of our errors."""
    _finished(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept if kept > 1 else kept * len(content))])
    with pytest.raises(LedgerCorrupt):
        _audit(path)


def _audit(path):
    ledger = _open(path)
    try:
        ledger.counts()
        ledger.rows("1")
        ledger.audit()
    finally:
        ledger.close()


def test_a_flipped_bit_never_escapes_as_another_error(path):
    """Bits flipped all over the file are unnoticed only outside of what is audited, and never another exception."""
    _finished(path)
    good = path.read_bytes()
    noticed = 0
    for at in range(0, len(good), 997):
        damaged = bytearray(good)
        damaged[at] ^= 1 << (at % 8)
        path.write_bytes(damaged)
        for beside in ("-wal", "-shm"):
            path.with_name(path.name + beside).unlink(missing_ok=True)
        try:
            _audit(path)
        except (LedgerError, PlanStale):
            noticed += 1
    assert noticed > 0


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE objects SET state=5 WHERE row=15",
        "UPDATE objects SET state=99 WHERE row=15",
        "UPDATE objects SET key='other' WHERE row=15",
        "UPDATE objects SET size=size+1 WHERE row=3",
        "UPDATE objects SET source_etag=NULL WHERE row=3",
        "UPDATE objects SET ciphertext_sha256=zeroblob(31) WHERE row=3",
        "UPDATE objects SET plaintext_sha256=NULL WHERE row=3",
        "UPDATE objects SET plaintext_sha256=NULL WHERE row=11",
        "UPDATE objects SET target_etag='x' WHERE row=3",
        "UPDATE objects SET stored_size=1 WHERE row=3",
        "UPDATE objects SET stored_size=1 WHERE row=15",
        "UPDATE objects SET stored_size=1 WHERE row=12",
        "UPDATE objects SET level='size' WHERE row=12",
        "UPDATE objects SET stored_size=1 WHERE row=13",
        "UPDATE objects SET level='size' WHERE row=3",
        "UPDATE objects SET settled_ms=settled_ms+1 WHERE row=3",
        "UPDATE objects SET settled_ms=settled_ms+1 WHERE row=12",
        "UPDATE objects SET settled_ms=NULL WHERE row=14",
        "UPDATE objects SET attributes=NULL WHERE row=14",
        "UPDATE objects SET attributes=1 WHERE row=3",
        "UPDATE attributes SET body=x'a0'",
        "UPDATE attributes SET digest=zeroblob(32)",
        "DELETE FROM attributes",
        "DELETE FROM objects WHERE row=20",
        "DELETE FROM objects WHERE row=10",
        "DELETE FROM batches WHERE seq=5",
        "DELETE FROM batches WHERE seq=(SELECT max(seq) FROM batches)",
        "UPDATE batches SET at_ms=at_ms+1 WHERE seq=4",
        "UPDATE batches SET events=events || x'80' WHERE seq=4",
        "UPDATE batches SET digest=zeroblob(32) WHERE seq=1",
        "UPDATE batches SET events=7 WHERE seq=4",
        "UPDATE batches SET at_ms=-1 WHERE seq=4",
        "UPDATE meta SET value='zz' WHERE name='wave_id'",
        "DROP TABLE batches",
    ],
)
def test_an_audit_notices_an_edit(path, statement):
    """Rows, receipts, levels and batches that were edited with SQL contradict the chain."""
    _finished(path)
    _audit(path)
    _edit(path, statement)
    with pytest.raises(LedgerCorrupt):
        _audit(path)


def test_attributes_are_entered_once_and_with_what_names_them(path):
    """Objects that share metadata share one body; an event that names a body nobody entered is refused."""
    with contextlib.closing(sealed_ledger(path, 4)) as ledger:
        named = hashlib.sha256(BODY).digest()
        for row in (1, 2):
            begun, receipt = stored(row)
            ledger.append([begun, receipt._replace(attributes=named)], attributes=[BODY])
        assert ledger.all("SELECT body FROM attributes") == [(BODY,)]
        begun, receipt = stored(3)
        with pytest.raises(IllegalTransition):
            ledger.append([begun, receipt._replace(attributes=bytes(32))])
        assert ledger.row(3).state is State.PLANNED


def test_a_reader_cannot_write(path):
    """A ledger opened to read refuses to append, while its writer goes on."""
    writer = sealed_ledger(path, 3)
    reader = _open(path, read_only=True)
    with pytest.raises(LedgerStorage):
        reader.append([e.RunEnded("done")])
    writer.append(stored(1))
    assert reader.audit() == 3
    reader.close()
    writer.close()


def test_another_program_that_writes_is_a_lock(path):
    """A write lock held elsewhere is ``LedgerLocked``, not an unknown error."""
    ledger = sealed_ledger(path, 3)
    ledger._connection.execute("PRAGMA busy_timeout = 0")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(LedgerLocked):
        ledger.append(stored(1))
    other.execute("ROLLBACK")
    other.close()
    ledger.append(stored(1))
    ledger.close()


def _store_on(ledger):
    for row in range(1, 3001):
        ledger.append(stored(row))


def test_a_full_disk_loses_nothing_that_was_acknowledged(path):
    """When the file cannot grow the batch is ``LedgerStorage``; all before it stands, and work goes on afterwards."""
    ledger = sealed_ledger(path, 3000)
    pages = ledger.one("PRAGMA page_count")
    ledger._connection.execute(f"PRAGMA max_page_count = {pages + 4}")
    before = ledger.seq
    with pytest.raises(LedgerStorage):
        _store_on(ledger)
    acknowledged, head = ledger.seq - before, ledger.head
    ledger.close()
    ledger = _open(path)
    assert (ledger.head, ledger.one("SELECT count(*) FROM objects WHERE state=3")) == (head, acknowledged)
    ledger.append(stored(acknowledged + 1))
    ledger.audit()
    ledger.close()


@pytest.mark.parametrize("value", [2**70, "\udc80"])
def test_a_value_that_cannot_be_written_changes_nothing(path, value):
    """Too large a number, or half a surrogate pair in a store's answer, is one of our errors; the batch is undone."""
    ledger = sealed_ledger(path, 3)
    head = ledger.head
    bad = e.ObjectFailed(value, "x") if isinstance(value, int) else e.ObjectFailed(1, value)
    with pytest.raises(LedgerError):
        ledger.append([*stored(2), bad])
    assert ledger.head == head
    assert ledger.row(2).state == 0
    ledger.close()


@pytest.mark.parametrize(
    "batch",
    [
        [e.ManifestSealed(3, 3)],
        [e.InventoryRestarted(3)],
        [e.ObjectsListed(4, 4, bytes(32))],
        [e.GenerationStarted(1, ((1, 4),))],
        [e.GenerationStarted(1, ((2, 1),))],
        [*stored(1), stored(1)[1]],
        [stored(1)[0], e.ObjectVerified(1, "full", None), stored(1)[1]],
        [e.EpochRaised(2), e.EpochRaised(2)],
        [e.ObjectRejected(1, "no"), e.ObjectVerified(1, "full", None)],
        [*stored(1), e.UploadOpened(1, "u", 1, 0)],
        [e.PartStored(1, 1, 1, bytes(32), None, None, None)],
    ],
    ids=repr,
)  # fmt: skip
def test_a_batch_out_of_order_is_undone(path, batch):
    """What contradicts the seal, the table or its own order raises, and the file is as before."""
    ledger = sealed_ledger(path, 3)
    before = list(ledger.query("SELECT * FROM objects")), ledger.head
    with pytest.raises(IllegalTransition):
        ledger.append(batch)
    assert (list(ledger.query("SELECT * FROM objects")), ledger.head) == before
    ledger.audit()
    ledger.close()


def test_nothing_moves_before_the_manifest_is_sealed(path):
    """Rows come in turn, may be thrown away together, and send nothing until the seal."""
    ledger = new_ledger(path)
    ledger.list_objects(1, [listed(1), listed(2)])
    with pytest.raises(LedgerError):
        ledger.append(stored(1))
    for first in (2, 4):
        with pytest.raises(LedgerError):
            ledger.list_objects(first, [listed(9)])
    with pytest.raises(IllegalTransition):
        ledger.append([e.ManifestSealed(3, 0)])
    ledger.append([e.InventoryRestarted(2)])
    ledger.list_objects(1, [listed(7)._replace(reject="no"), listed(8)._replace(skip="there")])
    ledger.append([e.ManifestSealed(2, 0)])
    assert [row.state.word for row in ledger.rows("1")] == ["rejected", "skipped"]
    assert ledger.audit() == 4
    ledger.close()


def test_a_new_generation_forgets_the_parts_of_the_old_one(path):
    """An object that is sent again has neither the upload nor the parts nor the receipt of its earlier copy."""
    ledger = sealed_ledger(path, 1)
    ledger.append([e.GenerationStarted(1, ((1, 1),)), e.UploadOpened(1, "u1", 128, 0)])
    ledger.append(
        [e.PartStored(1, 1, 5, bytes(32), None, "p", None), stored(1)[1], e.ObjectFailed(1, "damaged")]
    )
    ledger.claim(ledger.rows("1"), 1)
    assert ledger.upload_and_parts(1) == (None, [])
    row = ledger.row(1)
    assert (row.generation, row.stored_size, row.target_etag, row.reason) == (2, None, None, None)
    ledger.close()


def test_an_upload_that_was_given_up_is_kept_for_the_sweep(path):
    """An upload of a failed row stays among the forgotten until it is swept."""
    ledger = sealed_ledger(path, 1)
    ledger.append(
        [e.GenerationStarted(1, ((1, 1),)), e.UploadOpened(1, "u1", 128, 0), e.ObjectFailed(1, "x")]
    )
    assert ledger.all("SELECT upload, row FROM forgotten") == [("u1", 1)]
    ledger.append([e.UploadSwept(1, "u1")])
    assert ledger.all("SELECT upload, row FROM forgotten") == []
    ledger.close()


def test_an_object_costs_less_than_600_bytes(path, record_property):
    """Listed, begun, stored and verified, an object takes under 600 bytes of ledger."""
    rows = 20_000
    ledger = sealed_ledger(path, rows)
    for first in range(1, rows, 200):
        ledger.append([e.GenerationStarted(1, ((first, first + 199),))])
        events = []
        for row in range(first, first + 200):
            events += [stored(row)[1], e.ObjectVerified(row, "full", None)]
        ledger.append(events)
    ledger.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    ledger.close()
    size = path.stat().st_size / rows
    record_property("bytes_per_object", round(size))
    assert size < 600
