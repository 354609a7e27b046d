"""The hostile matrix: whatever a server does, a wave ends verified or says why not. None ends done with wrong bytes."""

from __future__ import annotations

from pathlib import Path

import pytest

from migrator.core.modes import Mode
from support.endpoints import S3Server
from support.matrix import AWKWARD, PLAIN, PROFILES, SILENT, WRONG, run_cell
from support.record import MATRIX, Record
from support.seen import running_columns

_RECORD = Record(MATRIX)
_SERVERS = [
    pytest.param(name, id=name, marks=pytest.mark.server(*column.needs))
    for name, column in running_columns().items()
]


@pytest.fixture
def target(request: pytest.FixtureRequest) -> tuple[str, S3Server]:
    """The server that a wave goes to, and its name."""
    return request.param, request.getfixturevalue(request.param)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("mode", [Mode.ENCRYPT, Mode.COPY])
@pytest.mark.parametrize("target", _SERVERS, indirect=True)
@pytest.mark.parametrize("wave", ["objects", "keys"])
def test_no_cell_is_done_with_wrong_bytes(
    tmp_path: Path, target: tuple[str, S3Server], mode: Mode, profile: str, wave: str
) -> None:
    """Each object is proven equal by other people's readers, or is not done and the exit code says so."""
    name, server = target
    objects = {key: key for key in PLAIN} if wave == "objects" else AWKWARD
    cell = run_cell(tmp_path, server, mode=mode, profile=profile, objects=objects)
    assert set(cell.outcomes) == set(objects)
    assert WRONG not in cell.outcomes.values()
    assert SILENT not in cell.outcomes.values()
    assert "REPLACED" not in cell.outcomes.values()
    unfinished = {
        outcome
        for outcome in cell.outcomes.values()
        if not outcome.startswith(("verified", "refused by plan"))
    }
    assert (cell.exit_code == 0) == (not unfinished), cell
    for key, outcome in sorted(cell.outcomes.items()):
        _RECORD.hold(name, f"{profile}/{mode}", key, seen=outcome)
