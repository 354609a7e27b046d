"""After the run: what was changed at the target is found, and the way back gives the very bytes."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from migrator.core.modes import Level, Mode, Names
from migrator.engine.restore import plan_return
from migrator.envelope.errors import NoMatch
from migrator.envelope.keys import Identity
from migrator.errors import NothingThere, UsageError
from providers.errors import Unauthenticated
from support.crash import Died, Doom
from support.faulty import flipped
from support.waves import UNIT, Wave, content, folder_place, opened

PLAIN = {
    "dir/one": content("one", 900),
    "dir/two": content("two", 900),
    "empty": b"",
    "parts": content("parts", 7 * UNIT + 3),
}


@pytest.mark.parametrize("mode", [Mode.ENCRYPT, Mode.COPY])
@pytest.mark.parametrize("held", [True, False], ids=["identity", "none"])
@pytest.mark.parametrize("harm", ["flipped", "deleted", "swapped", "cut"])
def test_harm_done_afterwards_is_found(tmp_path: Path, harm: str, held: bool, mode: Mode) -> None:
    """A flipped byte, a deleted object, a swapped pair and a cut one are each found: exit 4."""
    wave = Wave.make(tmp_path, PLAIN, mode=mode)
    assert wave.run().exit_code == 0
    identities = (wave.reader,) if held and mode.seals else ()
    report = wave.verify(identities=identities)
    assert (report.exit_code, report.counts["verified"], report.level) == (0, 4, "full")
    one, two, parts = (wave.target.path / wave.target_key(key) for key in ("dir/one", "dir/two", "parts"))
    if harm == "flipped":
        parts.write_bytes(flipped(parts.read_bytes()))
    elif harm == "deleted":
        one.unlink()
    elif harm == "cut":
        parts.write_bytes(parts.read_bytes()[:-1])
    else:
        kept = one.read_bytes()
        one.write_bytes(two.read_bytes())
        two.write_bytes(kept)
    report = wave.verify(identities=identities)
    assert report.exit_code == 4
    assert report.counts["rejected"] == (2 if harm == "swapped" else 1)
    assert wave.verify(verify=Level.SIZE).exit_code == 4
    wave.audit()


def test_verify_with_a_wrong_key_says_so(tmp_path: Path) -> None:
    """An identity that opens nothing is not a difference of the data."""
    wave = Wave.make(tmp_path, PLAIN)
    wave.run()
    report = wave.verify(identities=(Identity.from_private_bytes(content("stranger", 32)),))
    assert report.exit_code == 12
    assert isinstance(report.error, NoMatch)
    assert report.counts["verified"] == 4


def test_verify_that_cannot_read_is_not_a_difference(tmp_path: Path) -> None:
    """Expired credentials stop a verification; no object is called damaged for it."""
    wave = Wave.make(tmp_path, PLAIN)
    wave.run()
    wave.target.faults.fail("read", lambda: Unauthenticated("expired"), times=None)
    report = wave.verify()
    assert report.exit_code == 1
    assert report.counts["verified"] == 4


@pytest.mark.parametrize("names", list(Names))
@pytest.mark.parametrize("mode", [Mode.ENCRYPT, Mode.COPY, Mode.REWRAP, Mode.DECRYPT])
def test_restore_gives_the_source_back(tmp_path: Path, mode: Mode, names: Names) -> None:
    """What was moved comes back under its own name, byte for byte."""
    wave = Wave.make(tmp_path, PLAIN, mode=mode, names=names)
    assert wave.run().exit_code == 0
    back = folder_place(tmp_path, "back")
    report = wave.restore(back)
    assert report.exit_code == 0, report
    if mode in (Mode.ENCRYPT, Mode.COPY):
        assert back.objects() == PLAIN
    else:
        assert sorted(back.objects().values()) == sorted(PLAIN.values())
    assert not (back.path / ".havre/uploads").is_dir() or back.leftovers() == []


def test_restore_of_one_object(tmp_path: Path) -> None:
    """Filters choose what comes back."""
    wave = Wave.make(tmp_path, PLAIN)
    wave.run()
    back = folder_place(tmp_path, "back")
    assert wave.restore(back, filters=(("include", "dir/two"), ("exclude", "*"))).exit_code == 0
    assert back.objects() == {"dir/two": PLAIN["dir/two"]}


def test_restore_needs_the_key(tmp_path: Path) -> None:
    """Without an identity nothing begins; with a wrong one nothing comes back."""
    wave = Wave.make(tmp_path, PLAIN)
    wave.run()
    back = folder_place(tmp_path, "back")
    with pytest.raises(UsageError):
        wave.restore(back, identities=())
    stranger = Identity.from_private_bytes(content("stranger", 32))
    with pytest.raises(NoMatch):
        wave.restore(back, identities=(stranger,))
    assert back.objects() == {}
    assert wave.restore(back).exit_code == 0
    assert back.objects() == PLAIN


@pytest.mark.parametrize("key", ["dir/one", "parts"])
def test_damaged_object_is_not_restored(tmp_path: Path, key: str) -> None:
    """An object damaged at the target does not come back as if it were right, nor do the others suffer."""
    wave = Wave.make(tmp_path, PLAIN)
    wave.run()
    path = wave.target.path / f"{key}.c4gh"
    path.write_bytes(flipped(path.read_bytes()))
    back = folder_place(tmp_path, "back")
    assert wave.restore(back).exit_code in (3, 4)
    assert back.objects() == {name: body for name, body in PLAIN.items() if name != key}
    assert back.uploads() == []


def test_restore_overwrites_nothing(tmp_path: Path) -> None:
    """A file of others at the destination is left alone and named."""
    wave = Wave.make(tmp_path, PLAIN)
    wave.run()
    back = folder_place(tmp_path, "back")
    back.put("dir/one", b"mine")
    assert wave.restore(back).exit_code == 3
    assert back.objects() == {**PLAIN, "dir/one": b"mine"}


@pytest.mark.parametrize("start", range(1, 5))
@pytest.mark.parametrize("mode", [Mode.ENCRYPT, Mode.COPY])
def test_restore_that_died_is_carried_on(tmp_path: Path, mode: Mode, start: int) -> None:
    """A restore that dies at any boundary ends, run again, with the very bytes and nothing left aside."""
    wave = Wave.make(tmp_path, PLAIN, mode=mode)
    wave.run()
    at, died = start, True
    while died:
        (tmp_path / str(at)).mkdir()
        back = folder_place(tmp_path / str(at), "back")
        for folder in wave.files.folder.glob("restore-*"):
            folder.rename(tmp_path / str(at) / folder.name)
        try:
            wave.restore(back, Doom(at))
            died = False
        except Died:
            assert all(PLAIN[key] == body for key, body in back.objects().items())
        assert wave.restore(back).exit_code == 0
        assert back.objects() == PLAIN
        assert back.uploads() == []
        assert back.leftovers() == []
        at += 8
    assert at > 40


@pytest.mark.parametrize("mode", [Mode.ENCRYPT, Mode.COPY, Mode.REWRAP, Mode.DECRYPT])
@pytest.mark.parametrize("names", list(Names))
def test_restore_for_other_readers(tmp_path: Path, mode: Mode, names: Names) -> None:
    """Brought back in sealed form, a wave opens for its new readers and for nobody else, byte for byte."""
    wave = Wave.make(tmp_path, PLAIN, mode=mode, names=names)
    assert wave.run().exit_code == 0
    away, reader = folder_place(tmp_path, "away"), Identity.from_private_bytes(content("next host", 32))
    report = wave.restore(away, readers=(reader,))
    assert report.exit_code == 0, report
    stored = [body for key, body in away.objects().items() if not key.startswith(".havre/")]
    assert sorted(opened(body, reader) for body in stored) == sorted(PLAIN.values())
    for body in stored:
        with pytest.raises(NoMatch):
            opened(body, wave.reader)


@pytest.mark.parametrize("start", range(1, 5))
def test_sealed_restore_that_died_is_carried_on(tmp_path: Path, start: int) -> None:
    """A restore for other readers that dies at any boundary ends, run again, with the very bytes."""
    wave = Wave.make(tmp_path, PLAIN)
    wave.run()
    reader = Identity.from_private_bytes(content("next host", 32))
    at, died = start, True
    while died:
        (tmp_path / str(at)).mkdir()
        away = folder_place(tmp_path / str(at), "away")
        for left in wave.files.folder.glob("restore-*"):
            left.rename(tmp_path / str(at) / left.name)
        try:
            wave.restore(away, Doom(at), readers=(reader,))
            died = False
        except Died:
            pass
        assert wave.restore(away, readers=(reader,)).exit_code == 0
        found = {key: body for key, body in away.objects().items() if not key.startswith(".havre/")}
        assert {key.removesuffix(".c4gh"): opened(body, reader) for key, body in found.items()} == PLAIN
        assert away.leftovers() == []
        at += 8
    assert at > 40


def test_damaged_object_is_not_sealed_again(tmp_path: Path) -> None:
    """An object damaged at the target is not given to other readers as if it were right."""
    wave = Wave.make(tmp_path, PLAIN)
    wave.run()
    path = wave.target.path / "parts.c4gh"
    path.write_bytes(flipped(path.read_bytes()))
    away, reader = folder_place(tmp_path, "away"), Identity.from_private_bytes(content("next host", 32))
    assert wave.restore(away, readers=(reader,)).exit_code in (3, 4)
    assert "parts.c4gh" not in away.objects()


def test_replaced_object_is_not_restored(tmp_path: Path) -> None:
    """A whole object of the same size and key that another put in place does not pass for the one recorded."""
    wave = Wave.make(tmp_path, {"a": b"first", "b": b"other"})
    wave.run()
    first, other = (wave.target.path / f"{key}.c4gh" for key in "ab")
    before = first.stat()
    first.write_bytes(other.read_bytes())
    os.utime(first, ns=(before.st_atime_ns, before.st_mtime_ns))
    back = folder_place(tmp_path, "back")
    assert wave.restore(back).exit_code == 3
    assert back.objects() == {"b": b"other"}


def test_restore_of_named_keys(tmp_path: Path) -> None:
    """Keys name objects exactly, whatever a glob would make of their characters."""
    odd = {"a[1]*.csv": b"one", "a1x.csv": b"two", "d/e": b"below", "{x,y}\\?": b"three"}
    wave = Wave.make(tmp_path, odd, names=Names.KEYED)
    wave.run()
    for key in ("a[1]*.csv", "{x,y}\\?"):
        back = folder_place(tmp_path, f"back-{len(key)}")
        assert wave.restore(back, keys=(key,)).exit_code == 0
        assert back.objects() == {key: odd[key]}
    with pytest.raises(NothingThere):
        wave.restore(folder_place(tmp_path, "none"), keys=("a*",))


def test_a_restore_is_a_wave_that_can_be_verified(tmp_path: Path) -> None:
    """Its wave file says what it brings back, its ledger verifies, and 'migrate' does not take it for a wave."""
    wave = Wave.make(tmp_path, PLAIN)
    wave.run()
    back = folder_place(tmp_path, "back")
    assert wave.restore(back).exit_code == 0
    assert wave.returned is not None
    plan = wave.returned.load()
    assert plan.restores is not None
    assert plan.restores.id == wave.files.load().id
    again = replace(wave, files=wave.returned)
    assert again.verify().counts["verified"] == len(PLAIN)
    with pytest.raises(UsageError):
        again.run()
    with pytest.raises(UsageError):
        plan_return(plan, wave.returned, "elsewhere")
