"""Keys that are missing or wrong, sources that are damaged, names that are hidden."""

from __future__ import annotations

from pathlib import Path

import pytest

from migrator.core.modes import DatasetClass, Mode, Names
from migrator.envelope.keys import Identity
from providers.errors import Unavailable
from support.crash import Died, Doom
from support.faulty import flipped
from support.waves import UNIT, Wave, content, opened

PLAIN = {"a/small": content("small", 700), "empty": b"", "parts": content("parts", 9 * UNIT + 3)}
STRANGER = Identity.from_private_bytes(content("stranger", 32))


@pytest.mark.parametrize("mode", [Mode.DECRYPT, Mode.REWRAP])
@pytest.mark.parametrize("held", [(), (STRANGER,)], ids=["none", "wrong"])
def test_without_the_right_identity_nothing_is_moved(
    tmp_path: Path, mode: Mode, held: tuple[Identity, ...]
) -> None:
    """A source that no identity opens stops the run with exit 12; with the right one it goes on."""
    wave = Wave.make(tmp_path, PLAIN, mode=mode)
    assert wave.run(identities=held).exit_code == 12
    assert wave.target.objects() == {}
    assert wave.run().exit_code == 0
    wave.check_complete()
    wave.audit()


@pytest.mark.parametrize("mode", [Mode.DECRYPT, Mode.REWRAP])
@pytest.mark.parametrize("key", ["a/small", "parts"])
@pytest.mark.parametrize("damage", ["flipped", "cut", "header", "swapped", "plain"])
def test_damaged_sealed_source_is_rejected(tmp_path: Path, damage: str, key: str, mode: Mode) -> None:
    """A Crypt4GH file that does not open to its end is rejected, and nothing of it stands at the target."""
    wave = Wave.make(tmp_path, PLAIN, mode=mode)
    path = wave.source.path / f"{key}.c4gh"
    body = path.read_bytes()
    step = UNIT + 28
    start = len(body) - len(PLAIN[key]) - 28 * -(-len(PLAIN[key]) // UNIT)
    if damage == "flipped":
        body = flipped(body)
    elif damage == "cut":
        body = body[: start + step] if key == "parts" else body[:-1]
    elif damage == "header":
        body = body[:40] + bytes(20) + body[60:]
    elif damage == "swapped" and key == "parts":
        one, two = body[start : start + step], body[start + step : start + 2 * step]
        body = body[:start] + two + one + body[start + 2 * step :]
    else:
        body = b"no Crypt4GH file at all" * 40
    path.write_bytes(body)
    report = wave.run()
    assert report.exit_code in (3, 12)
    wave.check_complete(but=(key,)) if report.exit_code == 3 else wave.check_visible()
    assert wave.target_key(key) not in wave.target.objects()
    assert wave.target.uploads() == []
    assert wave.target.leftovers() == []


@pytest.mark.parametrize("dataset_class", [DatasetClass.EDS, DatasetClass.SNDS])
@pytest.mark.parametrize("held", [True, False], ids=["custodian", "nobody"])
def test_guarded_wave_resumes_its_parts_only_with_the_custodian(
    tmp_path: Path, held: bool, dataset_class: DatasetClass
) -> None:
    """Half an object is carried on where the root can be opened; else it begins again and the report says so."""
    wave = Wave.make(tmp_path, PLAIN, dataset_class=dataset_class, workers=1)
    wave.target.faults.fail("put_part", lambda: Unavailable("down"), times=None, skip=2)
    assert wave.run(identities=(wave.reader,)).exit_code == 5
    assert wave.recorded_bytes() >= 2 * 3 * (UNIT + 28)
    wave.target.faults.clear()
    before = sum(wave.target.faults.payload)
    report = wave.run(identities=(wave.reader,) if held else ())
    assert report.exit_code == 0
    again = sum(wave.target.faults.payload) - before
    whole = len(wave.target.objects()["parts.c4gh"])
    assert again == (whole - 2 * 3 * (UNIT + 28) if held else whole)
    assert any("begin again" in note for note in report.notes) is not held
    wave.check_complete()
    assert wave.target.uploads() == []
    assert wave.target.leftovers() == []
    wave.audit()


def test_guarded_root_never_lies_in_the_clear(tmp_path: Path) -> None:
    """The ledger of a guarded wave holds no root secret that it could be read with."""
    wave = Wave.make(tmp_path, PLAIN, dataset_class=DatasetClass.SNDS)
    with pytest.raises(Died):
        wave.run(Doom(60))
    ledger = wave.ledger()
    assert list(ledger.query("SELECT clear FROM roots")) == [(None,)]
    ledger.close()


def test_closed_wave_keeps_no_root(tmp_path: Path) -> None:
    """Once all is verified no root secret is left."""
    wave = Wave.make(tmp_path, PLAIN)
    assert wave.run().exit_code == 0
    ledger = wave.ledger()
    assert list(ledger.query("SELECT * FROM roots")) == []
    ledger.close()


@pytest.mark.parametrize("at", range(80, 200, 9))
def test_keyed_names_survive_death(tmp_path: Path, at: int) -> None:
    """Under keyed names no key can be read at the target, and a death at any boundary loses nothing."""
    wave = Wave.make(tmp_path, PLAIN, names=Names.KEYED)
    try:
        wave.run(Doom(at))
    except Died:
        assert wave.run().exit_code == 0
    found = wave.target.objects()
    assert sorted(opened(body, wave.reader) for body in found.values()) == sorted(PLAIN.values())
    assert not any(key.split("/")[-1] in name for name in found for key in PLAIN)
    assert wave.target.uploads() == []
    assert wave.target.leftovers() == []
    wave.audit()
