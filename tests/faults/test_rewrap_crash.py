"""A rewrap dies at every effect in turn; the same rewrap again brings every object over, exactly once."""

from __future__ import annotations

from pathlib import Path

import pytest

from migrator.core.modes import DatasetClass, Mode, Names
from migrator.envelope.errors import NoMatch
from migrator.envelope.keys import Identity
from support.crash import Died, Doom
from support.endpoints import S3Server
from support.harness import S3Harness
from support.rewraps import OTHER, READER, body_of, rewrapped, stored_objects
from support.waves import FACTS, UNIT, Place, Wave, content, opened

PLAIN = {
    "empty": b"",
    "small": content("small", 1000),
    "dir/part": content("part", 3 * UNIT),
    "dir/parts": content("parts", 6 * UNIT + 77),
}
UNITS = 80
LARGE = {"small é": content("small", 1000), "parts": content("parts", 3 * UNITS * UNIT - 3 * UNIT)}


def check_visible(wave: Wave) -> None:
    """Every object is there, whole, for the readers before or for those after."""
    found = wave.target.objects()
    assert set(found) == {wave.target_key(key) for key in wave.plain}
    for key, stored in found.items():
        readable = [one for one in (READER, OTHER) if _opens(stored, one)]
        assert readable, f"{key} opens for nobody"
        assert opened(stored, readable[0]) == wave.plain[key.removesuffix(".c4gh")], key


def _opens(stored: bytes, identity: Identity) -> bool:
    try:
        opened(stored, identity)
    except NoMatch:
        return False
    return True


def die_and_carry_on(wave: Wave, at: int, *, revoke: bool, again: int | None = None) -> bool:
    """Die at boundary `at` of a rewrap, carry on; whether it died at all."""
    assert wave.run().exit_code == 0
    before = wave.target.objects()
    change = {"add": (OTHER,), "remove": (READER,), "revoke": revoke, "identities": (READER, OTHER)}
    doom = Doom(at)
    try:
        assert rewrapped(wave, doom, **change).exit_code == 0
    except Died:
        check_visible(wave)
        if again is not None:
            try:
                rewrapped(wave, Doom(again), **change)
            except Died:
                check_visible(wave)
        report = rewrapped(wave, **change)
        assert report.exit_code == 0, (doom.where, report, wave.reasons())
    after = stored_objects(wave, OTHER)
    for key, stored in after.items():
        assert not _opens(stored, READER), f"{key} still opens for the former reader: {doom.where}"
        if body_of(stored):
            assert (body_of(stored) == body_of(before[key])) is not revoke, key
    wave.audit()
    assert wave.target.uploads() == [], doom.where
    assert wave.target.leftovers() == [], doom.where
    return doom.dead


@pytest.mark.parametrize("start", [1, 2])
@pytest.mark.parametrize("revoke", [False, True])
def test_death_at_any_boundary(tmp_path: Path, start: int, revoke: bool) -> None:
    """After death at any effect, disk change or commit every object is whole, and the next rewrap ends the work."""
    at, died = start, True
    while died:
        root = tmp_path / str(at)
        root.mkdir()
        died = die_and_carry_on(Wave.make(root, PLAIN), at, revoke=revoke)
        at += 4
    assert at > 60


def test_death_during_the_resume_too(tmp_path: Path) -> None:
    """A rewrap that dies while it carries on is carried on like the first."""
    plain = {"small": PLAIN["small"], "parts": PLAIN["dir/parts"]}
    for first in (30, 45, 60):
        for again in range(1, 80, 9):
            root = tmp_path / f"{first}-{again}"
            root.mkdir()
            die_and_carry_on(Wave.make(root, plain), first, revoke=again % 2 == 0, again=again)


def test_death_of_a_guarded_wave_with_keyed_names(tmp_path: Path) -> None:
    """A wave of keyed names, whose keys do not lead back to rows, survives as well."""
    at, died = 4, True
    while died:
        root = tmp_path / str(at)
        root.mkdir()
        wave = Wave.make(root, {"one": PLAIN["dir/parts"]}, dataset_class=DatasetClass.EDS, names=Names.KEYED)
        assert wave.run().exit_code == 0
        (key,) = wave.target.objects()
        doom = Doom(at)
        try:
            rewrapped(wave, doom, add=(OTHER,))
        except Died:
            assert rewrapped(wave, add=(OTHER,)).exit_code == 0
        assert opened(wave.target.objects()[key], OTHER) == PLAIN["dir/parts"]
        assert wave.target.uploads() == []
        wave.audit()
        died = doom.dead
        at += 5
    assert at > 30


@pytest.mark.server("seaweedfs")
@pytest.mark.parametrize(("start", "mode"), [(1, Mode.ENCRYPT), (6, Mode.REWRAP)])
def test_death_before_s3(tmp_path: Path, seaweedfs: S3Server, start: int, mode: Mode) -> None:
    """A store that copies parts itself keeps every object whole, and no upload of ours is left."""
    at, died = start, True
    while died:
        root = tmp_path / str(at)
        root.mkdir()
        harness = S3Harness(FACTS["seaweedfs"], seaweedfs)
        target = Place(harness, harness.new_bucket())
        wave = Wave.make(root, LARGE, target=target, part_units=UNITS, mode=mode)
        died = die_and_carry_on(wave, at, revoke=at % 4 == 3)
        harness.drop_bucket(target.bucket)
        at += 13
    assert at > 30
