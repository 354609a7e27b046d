"""Objects of ours are known again by their stamp, whatever a store or an earlier version made of its name."""

from __future__ import annotations

from pathlib import Path

import pytest

from migrator.engine import settle
from support.crash import Died, Doom
from support.endpoints import S3Server
from support.harness import S3Harness
from support.waves import FACTS, UNIT, Place, Wave, content

UNITS = 80
PLAIN = {"parts": content("parts", UNITS * UNIT + 3 * UNIT)}


class _DiesAfterCompletion(Doom):
    """Dies when an upload was completed and nobody was told."""

    def pass_by(self, name: str) -> None:
        with self._lock:
            self.look()
            if name == "after complete_upload":
                self.where = name
                raise Died(name)


def _place(server: S3Server) -> Place:
    harness = S3Harness(FACTS[server.kind], server)
    return Place(harness, harness.new_bucket())


def _dies_and_is_known_again(wave: Wave, monkeypatch: pytest.MonkeyPatch, written_as: str | None) -> None:
    with monkeypatch.context() as earlier:
        if written_as is not None:
            earlier.setattr(settle, "STAMP_NAME", written_as)
        with pytest.raises(Died):
            wave.run(_DiesAfterCompletion())
    again = Doom()
    assert wave.run(again).exit_code == 0, wave.reasons()
    assert again.sent_bytes() == 0
    wave.check_complete()
    wave.audit()


@pytest.mark.server("swift-s3api")
def test_object_in_parts_is_known_again_behind_s3api(
    tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Swift's S3 front rewrites names of metadata of an upload in parts, and the object is ours all the same."""
    target = _place(request.getfixturevalue("swift-s3api"))
    wave = Wave.make(tmp_path, PLAIN, target=target, part_units=UNITS)
    _dies_and_is_known_again(wave, monkeypatch, None)


@pytest.mark.server("moto")
@pytest.mark.parametrize("written_as", ["havre_stamp", "havre-stamp"])
def test_earlier_stamps_are_read(
    tmp_path: Path, moto: S3Server, monkeypatch: pytest.MonkeyPatch, written_as: str
) -> None:
    """A run resumes over what an earlier version stamped, as it wrote the name and as a store rewrote it."""
    wave = Wave.make(tmp_path, PLAIN, target=_place(moto), part_units=UNITS)
    _dies_and_is_known_again(wave, monkeypatch, written_as)
