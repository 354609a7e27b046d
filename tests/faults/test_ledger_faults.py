"""The ledger under trouble: full disks, old copies, changed plans, other waves, newer formats, damage."""

from __future__ import annotations

import errno
import shutil
import sqlite3
from pathlib import Path

import pytest

from migrator.engine import book, budget, session
from migrator.errors import LedgerCorrupt, LedgerError, LedgerForeign, LedgerStorage, LedgerTooNew, PlanStale
from migrator.ledger import connection
from migrator.ledger.ledger import Ledger
from support.crash import Died, Doom
from support.waves import UNIT, Wave, content

PLAIN = {f"{i:0200}": content(f"o{i}", 500) for i in range(60)} | {"parts": content("parts", 9 * UNIT)}


def test_full_disk_under_the_ledger_stops_with_a_clear_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever the disk fills up, the run ends with exit 1 and a hint, and goes on once there is space."""
    plain = connection._connect
    met = 0
    for pages in range(14, 40, 2):
        root = tmp_path / str(pages)
        root.mkdir()
        wave = Wave.make(root, PLAIN, claim=8)

        def small(path: Path, *, read_only: bool, limit: int = pages) -> sqlite3.Connection:
            opened = plain(path, read_only=read_only)
            opened.execute(f"PRAGMA max_page_count = {limit}")
            return opened

        monkeypatch.setattr(connection, "_connect", small)
        stopped: LedgerStorage | None = None
        try:
            assert wave.run().exit_code == 0
        except LedgerStorage as error:
            stopped = error
        if stopped is not None:
            met += 1
            assert stopped.exit_code == 1
            assert "full" in stopped.message
            assert stopped.hint
        monkeypatch.setattr(connection, "_connect", plain)
        wave.check_visible()
        assert wave.run().exit_code == 0
        wave.check_complete()
        wave.audit()
        assert wave.target.uploads() == []
        assert wave.target.leftovers() == []
    assert met > 3


@pytest.mark.parametrize("place", ["book", "spool"])
def test_full_disk_under_working_files_stops_with_a_clear_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """The files that a run writes beside its ledger fill the disk up as visibly as the ledger does."""

    def full(*_args: object, **_named: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    wave = Wave.make(tmp_path, PLAIN)
    if place == "book":
        monkeypatch.setattr(book.tempfile, "TemporaryFile", full)
    else:
        monkeypatch.setattr(session, "SPOOL_ABOVE", 1000)
        monkeypatch.setattr(budget.os, "posix_fallocate", full)
    with pytest.raises(LedgerStorage) as refused:
        wave.run()
    assert refused.value.hint
    monkeypatch.undo()
    wave.check_visible()
    assert wave.run().exit_code == 0
    wave.check_complete()
    assert wave.target.leftovers() == []


def test_older_copy_of_a_ledger_is_refused(tmp_path: Path) -> None:
    """A ledger restored from before the last run is recognised by the record at the target."""
    wave = Wave.make(tmp_path, PLAIN)
    with pytest.raises(Died):
        wave.run(Doom(150))
    shutil.copytree(wave.files.folder, tmp_path / "copy")
    assert wave.run().exit_code == 0
    shutil.rmtree(wave.files.folder)
    shutil.copytree(tmp_path / "copy", wave.files.folder)
    with pytest.raises(LedgerForeign) as refused:
        wave.run()
    assert "older copy" in refused.value.message
    wave.check_complete()


def test_plan_that_was_changed_is_refused(tmp_path: Path) -> None:
    """A wave file edited after its first run is refused, and undoing the edit carries on."""
    wave = Wave.make(tmp_path, PLAIN)
    with pytest.raises(Died):
        wave.run(Doom(150))
    text = wave.files.plan_path.read_text()
    wave.files.plan_path.write_text(text.replace("tags = false", "tags = true"))
    with pytest.raises(PlanStale) as refused:
        wave.run()
    assert refused.value.exit_code == 2
    wave.files.plan_path.write_text(text)
    assert wave.run().exit_code == 0
    wave.check_complete()


def test_ledger_of_another_wave_is_refused(tmp_path: Path) -> None:
    """A ledger folder put beside another wave file is refused."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    one, two = Wave.make(tmp_path / "one", {"a": b"a"}), Wave.make(tmp_path / "two", {"a": b"a"})
    one.run()
    shutil.copytree(one.files.folder, two.files.folder)
    with pytest.raises(LedgerForeign):
        two.run()
    assert two.target.objects() == {}


def test_ledger_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    """A format that this version does not know is not touched."""
    wave = Wave.make(tmp_path, {"a": b"a"})
    wave.run()
    database = sqlite3.connect(wave.files.ledger)
    database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(LedgerTooNew) as refused:
        wave.run()
    assert refused.value.hint


@pytest.mark.parametrize("damage", ["overwritten", "emptied", "text", "middle"])
def test_damaged_ledger_is_refused(tmp_path: Path, damage: str) -> None:
    """A ledger whose file is damaged ends in one sentence and a hint, not in a traceback or a new beginning."""
    wave = Wave.make(tmp_path, PLAIN)
    wave.run()
    whole = bytearray(wave.files.ledger.read_bytes())
    if damage == "overwritten":
        whole[: len(whole) // 2] = bytes(len(whole) // 2)
    elif damage == "middle":
        whole[4096:] = bytes([0xAA]) * (len(whole) - 4096)
    wave.files.ledger.write_bytes(
        {"emptied": b"", "text": b"this is no database" * 500}.get(damage, bytes(whole))
    )
    with pytest.raises(LedgerError) as refused:
        wave.run()
    assert refused.value.hint
    assert refused.value.exit_code == 1
    wave.check_complete()


def test_edited_ledger_fails_its_audit(tmp_path: Path) -> None:
    """A state changed by hand contradicts the chain, and so does a batch changed by hand."""
    wave = Wave.make(tmp_path, PLAIN)
    wave.run()
    for statement in (
        "UPDATE objects SET state=6 WHERE row=1",
        "UPDATE batches SET at_ms=at_ms+1 WHERE seq=3",
    ):
        database = sqlite3.connect(wave.files.ledger)
        database.execute(statement)
        database.commit()
        database.close()
        ledger = Ledger.open(wave.files.ledger, wave_id=wave.plan.id, read_only=True)
        with pytest.raises(LedgerCorrupt):
            ledger.audit()
        ledger.close()
