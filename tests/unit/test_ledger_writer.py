"""The ledger's thread: order, durability, and what an error does to all who come after."""

import threading

import pytest

from migrator.core import events as e
from migrator.errors import IllegalTransition, LedgerError
from migrator.ledger import chain
from migrator.ledger.ledger import Ledger
from migrator.ledger.writer import LedgerWriter
from support.ledgers import WAVE, sealed_ledger, stored


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger.sqlite"


def _events(path):
    ledger = Ledger.open(path, wave_id=WAVE, read_only=True)
    try:
        return [
            event
            for (body,) in ledger.query("SELECT events FROM batches ORDER BY seq")
            for event in chain.decode(body)
        ]
    finally:
        ledger.close()


def test_a_commit_is_durable_with_all_that_was_posted_before(path):
    """When ``commit`` returns, another connection sees it and what was posted earlier, in that order."""
    writer = LedgerWriter(sealed_ledger(path, 50))
    for row in range(1, 50):
        writer.post(*stored(row))
    writer.commit(*stored(50))
    rows = [event[1] for event in _events(path) if event[0] == 7]
    assert rows == list(range(1, 51))
    writer.close()


def test_a_call_sees_what_was_posted_before(path):
    """``call`` runs after everything that was handed over before it."""
    writer = LedgerWriter(sealed_ledger(path, 3))
    writer.post(*stored(2))
    assert writer.call(lambda ledger: ledger.row(2).stored_size) == 102
    assert writer.call(Ledger.audit) == 3
    writer.close()


def test_close_commits_what_was_posted(path):
    """Nothing that was posted is lost by closing."""
    writer = LedgerWriter(sealed_ledger(path, 600))
    for row in range(1, 601):
        writer.post(*stored(row))
    writer.close()
    writer.close()
    ledger = Ledger.open(path, wave_id=WAVE)
    assert ledger.one("SELECT count(*) FROM objects WHERE state=3") == 600
    assert ledger.seq < 600
    ledger.audit()
    ledger.close()


def test_workers_keep_their_own_order(path):
    """Events of each of several threads stand in the ledger in the order that the thread handed them over."""
    writer = LedgerWriter(sealed_ledger(path, 400))

    def work(first):
        for row in range(first, first + 100):
            intent, receipt = stored(row)
            writer.post(intent)
            (writer.commit if row % 10 == 0 else writer.post)(receipt)

    threads = [threading.Thread(target=work, args=(first,)) for first in (1, 101, 201, 301)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.close()
    rows = [event[1] for event in _events(path) if event[0] == 7]
    for first in (1, 101, 201, 301):
        assert [row for row in rows if first <= row < first + 100] == list(range(first, first + 100))


def test_an_error_poisons_every_later_call(path):
    """After one event that cannot be written nothing more is, and everybody is told the same."""
    writer = LedgerWriter(sealed_ledger(path, 3))
    writer.commit(*stored(1))
    with pytest.raises(IllegalTransition) as caught:
        writer.commit(e.ObjectVerified(2, "full", None))
    for again in (
        lambda: writer.post(*stored(3)),
        lambda: writer.commit(*stored(3)),
        lambda: writer.call(Ledger.counts),
        writer.close,
        writer.close,
    ):
        with pytest.raises(IllegalTransition) as later:
            again()
        assert later.value is caught.value
    ledger = Ledger.open(path, wave_id=WAVE)
    assert [row.row for row in ledger.rows("state=3")] == [1]
    ledger.close()


def test_a_posted_error_is_told_at_close(path):
    """An error that nobody waited for is not lost."""
    writer = LedgerWriter(sealed_ledger(path, 3))
    writer.post(e.ObjectVerified(2, "full", None))
    with pytest.raises(IllegalTransition):
        writer.close()


def test_an_error_that_is_not_the_ledgers_poisons_nothing(path):
    """A function that fails for reasons of its own leaves the writer in use."""
    writer = LedgerWriter(sealed_ledger(path, 3))
    with pytest.raises(ZeroDivisionError):
        writer.call(lambda _: 1 // 0)
    writer.commit(*stored(1))
    writer.close()


def test_a_closed_writer_refuses_at_once(path):
    """Handing over after ``close`` is an error, never a wait without end or an event lost in silence."""
    writer = LedgerWriter(sealed_ledger(path, 3))
    writer.close()
    for late in (
        lambda: writer.post(*stored(1)),
        writer.commit,
        lambda: writer.call(Ledger.counts),
    ):
        with pytest.raises(LedgerError, match="closed"):
            late()
