"""The run dies at every effect in turn, and the next identical run ends with identical bytes."""

from __future__ import annotations

from pathlib import Path

import pytest

from migrator.core.modes import DatasetClass, Mode
from migrator.envelope.keys import Identity
from support.crash import Died, Doom
from support.waves import UNIT, Wave, content

# part_units=3: one part is three units; sealed, a padded header takes the place of the first.
PLAIN = {
    "empty": b"",
    "small": content("small", 1000),
    "dir/part": content("part", 3 * UNIT),
    "dir/parts": content("parts", 6 * UNIT + 77),
}
STEPS = 4


def die_and_carry_on(wave: Wave, at: int, again: int | None = None, *, exact: bool = True) -> bool:
    """Die at boundary `at` (and once more at `again` while resuming), carry on; whether it died at all."""
    doom = Doom(at)
    try:
        report = wave.run(doom)
    except Died:
        pass
    else:
        assert report.exit_code == 0
        assert not doom.dead
        return False
    wave.check_visible()
    if again is not None:
        second = Doom(again)
        try:
            wave.run(second)
        except Died:
            wave.check_visible()
    recorded = wave.recorded_bytes()
    last = Doom()
    report = wave.run(last)
    assert report.exit_code == 0, (doom.where, report, wave.reasons())
    wave.check_complete()
    wave.audit()
    total = sum(map(len, wave.target.objects().values()))
    assert not exact or last.sent_bytes() <= total - recorded, (
        f"{doom.where}: something recorded was sent again"
    )
    assert wave.target.uploads() == [], doom.where
    assert wave.target.leftovers() == [], doom.where
    return True


@pytest.mark.parametrize("start", range(1, STEPS + 1))
@pytest.mark.parametrize("mode", [Mode.ENCRYPT, Mode.COPY])
def test_death_at_any_boundary_loses_nothing(tmp_path: Path, mode: Mode, start: int) -> None:
    """After death at any effect, disk change or commit, the next run completes every object exactly once."""
    at = start
    while True:
        root = tmp_path / str(at)
        root.mkdir()
        if not die_and_carry_on(Wave.make(root, PLAIN, mode=mode), at):
            break
        at += STEPS
    assert at > 60


@pytest.mark.parametrize("mode", [Mode.DECRYPT, Mode.REWRAP])
def test_death_while_opening_sealed_sources(tmp_path: Path, mode: Mode) -> None:
    """What holds for encrypt and copy holds where the source is a Crypt4GH file, tried at every fifth boundary."""
    at = 3
    while True:
        root = tmp_path / str(at)
        root.mkdir()
        if not die_and_carry_on(Wave.make(root, PLAIN, mode=mode), at):
            break
        at += 5
    assert at > 60


@pytest.mark.parametrize("first", [20, 35, 50, 65, 80])
def test_death_during_the_resume_too(tmp_path: Path, first: int) -> None:
    """A resume that dies as well, at any boundary, is carried on like the first run."""
    plain = {"small": PLAIN["small"], "parts": PLAIN["dir/parts"]}
    for again in range(1, 100, 6):
        root = tmp_path / str(again)
        root.mkdir()
        die_and_carry_on(Wave.make(root, plain), first, again)


@pytest.mark.parametrize("identities", ["with", "without"])
def test_death_of_a_guarded_wave(tmp_path: Path, identities: str) -> None:
    """A wave whose root only its custodian opens is carried on too, with the custodian's key and without."""
    reader = Identity.from_private_bytes(content("reader", 32))
    held = (reader,) if identities == "with" else ()
    at = 1
    while True:
        root = tmp_path / str(at)
        root.mkdir()
        wave = Wave.make(root, PLAIN, dataset_class=DatasetClass.EDS)
        wave.opener_of = held[0] if held else None
        if not die_and_carry_on(wave, at, exact=bool(held)):
            break
        at += 1
    assert at > 60
