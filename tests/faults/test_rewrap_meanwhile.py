"""Other commands before, between and after rewraps: what is under way is left to the rewrap, and nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from migrator.core.events import ObjectRejected
from migrator.core.modes import Level, Mode, Names
from migrator.engine.budget import MemoryBudget
from migrator.engine.context import Stop
from migrator.engine.opened import OpenedDriver
from migrator.engine.recorded import Recorded
from migrator.engine.restore import plan_return
from migrator.envelope.errors import NoMatch
from migrator.envelope.keys import Identity
from migrator.errors import NothingThere
from migrator.ledger.ledger import Ledger
from support.crash import Died, Doom
from support.faulty import flipped
from support.rewraps import OTHER, READER, rewrapped, stored_objects
from support.waves import UNIT, Wave, content, folder_place, opened

PLAIN = {"empty": b"", "small": content("small", 1000), "dir/parts": content("parts", 6 * UNIT + 77)}
ONE = {"parts": content("parts", 4 * UNIT)}
THIRD = Identity.from_private_bytes(content("third reader", 32))


def moved(root: Path, plain: dict[str, bytes] | None = None, **more: object) -> Wave:
    """A wave that was migrated."""
    root.mkdir(exist_ok=True)
    wave = Wave.make(root, PLAIN if plain is None else plain, **more)  # type: ignore[arg-type]
    assert wave.run().exit_code == 0
    return wave


def boundaries(root: Path, plain: dict[str, bytes], **more: object) -> int:
    """How many boundaries a rewrap of such a wave has."""
    doom = Doom()
    assert rewrapped(moved(root, plain, **more), doom, add=(OTHER,)).exit_code == 0
    return doom.count


@pytest.mark.parametrize("plain", [ONE, {"small": PLAIN["small"]}], ids=["parts", "at-once"])
def test_verify_between_an_interrupted_rewrap_and_the_next(tmp_path: Path, plain: dict[str, bytes]) -> None:
    """What a cut rewrap has put and not recorded is not taken for damage: the next rewrap takes it for done."""
    codes = set()
    for at in range(8, boundaries(tmp_path / "count", plain) + 1, 2):
        wave = moved(tmp_path / str(at), plain)
        with pytest.raises(Died):
            rewrapped(wave, Doom(at), add=(OTHER,))
        report = wave.verify()
        codes.add(report.exit_code)
        assert (report.exit_code == 5) == any("rewrap" in note for note in report.notes)
        assert rewrapped(wave, add=(OTHER,)).exit_code == 0
        assert wave.verify(identities=(OTHER,)).exit_code == 0
        stored_objects(wave, OTHER)
        wave.audit()
    assert codes == {0, 5}


@pytest.mark.parametrize("mode", [Mode.ENCRYPT, Mode.REWRAP])
@pytest.mark.parametrize("level", [Level.NONE, Level.FULL])
def test_migrate_between_two_rewraps(tmp_path: Path, mode: Mode, level: Level) -> None:
    """Objects that one rewrap left unproven and another left half-way survive a 'migrate' whose source is gone."""
    for at in range(10, boundaries(tmp_path / "count", ONE, mode=mode) + 1, 5):
        wave = moved(tmp_path / str(at), ONE, mode=mode)
        rewrapped(wave, add=(OTHER,), verify=Level.NONE)
        with pytest.raises(Died):
            rewrapped(wave, Doom(at), add=(THIRD,), verify=level)
        for path in wave.source.path.iterdir():
            path.rename(tmp_path / f"{at}-{path.name}")
        assert wave.run().exit_code in {0, 5}
        stored_objects(wave, OTHER)
        assert rewrapped(wave, add=(THIRD,)).exit_code == 0
        stored_objects(wave, THIRD)
        wave.audit()


def test_migrate_takes_no_rewrapped_object_away(tmp_path: Path) -> None:
    """An object that a rewrap stored and that was damaged since is named by 'migrate', which leaves it where it is."""
    wave = moved(tmp_path, ONE)
    rewrapped(wave, add=(OTHER,), verify=Level.NONE)
    path = wave.target.path / "parts.c4gh"
    damaged = flipped(path.read_bytes())
    path.write_bytes(damaged)
    assert wave.run().exit_code == 4
    assert path.read_bytes() == damaged


@pytest.mark.parametrize("readers", [(), (THIRD,)], ids=["plain", "sealed"])
@pytest.mark.parametrize("revoke", [False, True])
def test_restore_is_carried_on_after_a_rewrap(
    tmp_path: Path, readers: tuple[Identity, ...], revoke: bool
) -> None:
    """A restore that was cut before the wave's readers were changed ends after it, for the new reader's key alone."""
    died = 0
    for at in range(20, 70, 12):
        wave = moved(tmp_path / str(at))
        back = folder_place(tmp_path / str(at), "back")
        try:
            wave.restore(back, Doom(at), readers=readers)
        except Died:
            died += 1
        assert rewrapped(wave, add=(OTHER,), remove=(READER,), revoke=revoke).exit_code == 0
        report = wave.restore(back, identities=(OTHER,), readers=readers)
        assert (report.exit_code, report.counts["drifted"]) == (0, 0), wave.reasons()
        found = back.objects()
        if readers:
            found = {key.removesuffix(".c4gh"): opened(body, THIRD) for key, body in found.items()}
        assert found == PLAIN
    assert died > 2


def test_restore_reads_on_while_readers_change(tmp_path: Path) -> None:
    """Objects that are given to other readers while they are restored are found again, as the bytes they were."""
    wave = moved(tmp_path)
    plan = wave.files.load()
    back = plan_return(plan, wave.files, "elsewhere")
    opener, both = wave._opener(Stop(), None), (READER, OTHER)
    with Recorded(plan, wave.files, opener, tmp_path, both, back.plan.compiled_filters) as record:
        view = OpenedDriver(opener("target", True), record, both)
        listed = view.list_page("", None, 10).entries
        assert rewrapped(wave, add=(OTHER,), remove=(READER,), revoke=True).exit_code == 0
        for meta in listed:
            assert bytes(view.read(meta.key, pin=meta.pin).data) == PLAIN[meta.key]
            assert view.head(meta.key).etag == meta.etag
        view.close()


def test_restore_of_a_key_that_was_rejected_is_refused(tmp_path: Path) -> None:
    """A key whose object is not what was sent is not 'restored' by bringing nothing back."""
    wave = moved(tmp_path)
    path = wave.target.path / "small.c4gh"
    path.write_bytes(flipped(path.read_bytes()))
    assert wave.verify().exit_code == 4
    with pytest.raises(NothingThere):
        wave.restore(folder_place(tmp_path, "one"), keys=("small",))
    back = folder_place(tmp_path, "back")
    report = wave.restore(back)
    assert any("1 object(s)" in note for note in report.notes)
    assert set(back.objects()) == {"empty", "dir/parts"}


def test_one_broken_header_keeps_no_other_object_back(tmp_path: Path) -> None:
    """A rewrapped wave, whose sizes only the headers tell, comes back but for the object whose header is broken."""
    wave = moved(tmp_path, mode=Mode.REWRAP)
    path = wave.target.path / "small.c4gh"
    path.write_bytes(b"x" + path.read_bytes()[1:])
    (wave.target.path / "empty.c4gh").unlink()
    back = folder_place(tmp_path, "back")
    assert wave.restore(back).exit_code == 3
    assert back.objects() == {"dir/parts.c4gh": PLAIN["dir/parts"]}


def test_no_book_of_former_readers_is_left(tmp_path: Path) -> None:
    """However late a rewrap dies, the metadata book that former readers open is gone after the next one."""
    last = boundaries(tmp_path / "count", ONE, names=Names.KEYED)
    for at in range(last - 12, last + 1):
        wave = moved(tmp_path / str(at), ONE, names=Names.KEYED)
        change = {"add": (OTHER,), "remove": (READER,), "identities": (READER, OTHER)}
        with pytest.raises(Died):
            rewrapped(wave, Doom(at), **change)  # type: ignore[arg-type]
        assert rewrapped(wave, **change).exit_code == 0  # type: ignore[arg-type]
        (book,) = (wave.target.path / ".havre").glob("*/metadata.*")
        opened(book.read_bytes(), OTHER)
        with pytest.raises(NoMatch):
            opened(book.read_bytes(), READER)


def test_sending_again_gives_a_rewrap_up(tmp_path: Path) -> None:
    """Of a row that is sent anew from the source no rewrap is under way any more, and nothing of it stays."""
    for at in range(16, boundaries(tmp_path / "count", ONE), 4):
        wave = moved(tmp_path / str(at), ONE)
        with pytest.raises(Died):
            rewrapped(wave, Doom(at), add=(OTHER,))
        ledger = Ledger.open(wave.files.ledger, wave_id=wave.plan.id)
        (row,) = ledger.rows("1")
        ledger.append([ObjectRejected(row.row, "asked to be sent again")])
        ledger.close()
        report = wave.run(retry_rejected=True, identities=(READER, OTHER))
        ledger = wave.ledger()
        assert ledger.one("SELECT count(*) FROM rewrapping") == 0
        ledger.close()
        assert (report.exit_code, wave.target.leftovers()) == (0, [])
        # What stood there already was recorded as it is, and is brought over by the next rewrap.
        assert rewrapped(wave, add=(OTHER,)).exit_code == 0
        stored_objects(wave, OTHER)
        wave.audit()


def test_memory_is_reserved_for_parts_as_large_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parts that an earlier run made larger than this one would are reckoned with as they are."""
    wave = moved(tmp_path, {"parts": content("parts", 40 * UNIT)}, part_units=16)
    asked: list[int] = []
    reserve = MemoryBudget.try_reserve

    def watched(budget: MemoryBudget, size: int) -> bool:
        asked.append(size)
        return reserve(budget, size)

    monkeypatch.setattr(MemoryBudget, "try_reserve", watched)
    assert rewrapped(wave, add=(OTHER,), part_units=2).exit_code == 0
    assert max(asked) >= 2 * 16 * UNIT
