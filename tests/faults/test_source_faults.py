"""A source that does not hold still: each case is an outcome that shows, and never an object that looks right."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from migrator.core.modes import Mode
from providers.errors import Truncated, Unavailable
from support.waves import UNIT, Wave, content

SIZE = 6 * UNIT + 5


def changes(path: Path) -> None:
    """Other bytes, same length."""
    path.write_bytes(content("other", path.stat().st_size))


def shrinks(path: Path) -> None:
    """Fewer bytes."""
    os.truncate(path, 10)


def grows(path: Path) -> None:
    """More bytes."""
    with path.open("ab") as file:
        file.write(b"more")


def disappears(path: Path) -> None:
    """No file."""
    path.unlink()


def on(key: str) -> Callable[[tuple[Any, ...], dict[str, Any]], bool]:
    """Calls about one key."""
    return lambda args, _named: args[0] == key


WAYS = (changes, shrinks, grows, disappears)
SIZES = {"single": 1000, "parts": SIZE}


def make(tmp_path: Path, size: int, mode: Mode = Mode.ENCRYPT) -> Wave:
    """A wave with one object that will not hold still and one that will."""
    return Wave.make(tmp_path, {"moving": content("moving", size), "still": b"still"}, mode=mode)


def check_drifted(wave: Wave) -> None:
    """The moving object is drifted, nothing of it stands or lies at the target, the other one is there."""
    report = wave.run()
    assert report.exit_code == 3
    assert report.counts["drifted"] == 1, (report, wave.reasons())
    assert report.counts["verified"] == 1
    wave.check_complete(but=("moving",))
    assert wave.target.uploads() == []
    assert wave.target.leftovers() == []
    wave.audit()
    wave.source.faults.verify_all_fired()
    wave.target.faults.verify_all_fired()
    assert wave.run().exit_code == 3


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_source_that_moves_after_listing_is_drifted(
    tmp_path: Path, size: int, way: Callable[[Path], None]
) -> None:
    """What changed between listing and reading is not moved."""
    wave = make(tmp_path, size)
    wave.target.faults.before("list", lambda: way(wave.source.path / "moving"))
    check_drifted(wave)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("mode", [Mode.ENCRYPT, Mode.COPY])
def test_source_that_moves_between_parts_is_drifted(
    tmp_path: Path, mode: Mode, way: Callable[[Path], None]
) -> None:
    """What changed between two parts is not completed, and its upload is aborted."""
    wave = make(tmp_path, SIZE, mode)
    wave.target.faults.after("put_part", lambda: way(wave.source.path / "moving"))
    check_drifted(wave)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("mode", [Mode.ENCRYPT, Mode.COPY])
@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_source_that_moves_before_the_read_back_is_drifted(
    tmp_path: Path, size: int, mode: Mode, way: Callable[[Path], None]
) -> None:
    """A weakly pinned source that changed before its second reading leaves no object behind."""
    wave = make(tmp_path, size, mode)
    wave.target.faults.before(
        "read",
        lambda: way(wave.source.path / "moving"),
        wants=on(wave.target_key("moving")),
    )
    check_drifted(wave)


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_source_that_reads_differently_twice_is_not_trusted(tmp_path: Path, size: int) -> None:
    """A file whose second reading differs, though nothing else about it changed, is rejected and removed."""
    wave = make(tmp_path, size)
    reads = {"single": 1, "parts": 3}["single" if size < UNIT else "parts"]
    wave.source.faults.corrupt(skip=reads, wants=on("moving"))
    report = wave.run()
    assert report.exit_code == 4
    assert report.counts["rejected"] == 1
    wave.check_complete(but=("moving",))
    assert wave.target.uploads() == []


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_source_that_keeps_ending_early_fails_visibly(tmp_path: Path, size: int) -> None:
    """Bodies that end early are read again; where they always do, the object fails and the next run moves it."""
    wave = make(tmp_path, size)
    wave.source.faults.fail("read", lambda: Truncated("ended early"), times=None, wants=on("moving"))
    report = wave.run()
    assert report.exit_code == 3
    assert report.counts["failed"] == 1
    wave.check_complete(but=("moving",))
    assert wave.target.uploads() == []
    wave.source.faults.verify_all_fired()
    wave.source.faults.clear()
    assert wave.run().exit_code == 0
    wave.check_complete()
    wave.audit()


def test_body_that_ends_early_once_is_read_again(tmp_path: Path) -> None:
    """One body that ends early does no harm."""
    wave = make(tmp_path, SIZE)
    wave.source.faults.fail("read", lambda: Truncated("ended early"), times=2, wants=on("moving"))
    assert wave.run().exit_code == 0
    wave.check_complete()
    wave.source.faults.verify_all_fired()


def test_source_that_moves_between_two_runs_is_drifted(tmp_path: Path) -> None:
    """An object that was half-way up when the run stopped is given up if its source changed meanwhile."""
    wave = make(tmp_path, SIZE)
    wave.settings = replace(wave.settings, workers=1)
    wave.target.faults.fail("put_part", lambda: Unavailable("down"), times=None, skip=2)
    assert wave.run().exit_code == 5
    assert wave.target.uploads() != []
    wave.target.faults.clear()
    changes(wave.source.path / "moving")
    check_drifted(wave)
