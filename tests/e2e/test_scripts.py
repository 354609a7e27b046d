"""The scripts that show and measure: that they run, and that what they rest on holds."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from support.require import require_server

_LIB = Path(__file__).parents[2] / "scripts/lib"


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(_LIB))


def test_originals_are_the_same_every_time(library: None, tmp_path: Path) -> None:
    """Two extractions hold the same objects with the same bytes, and one of them is large."""
    require_server("seaweedfs")  # installed together with pydicom
    from extraction import make_items

    first, second = (
        [(item.key, item.size, item.sha256()) for item in make_items(tmp_path / name)] for name in "ab"
    )
    assert first == second
    assert max(size for _, size, _ in first) > 150 * 1024 * 1024
    assert min(size for _, size, _ in first) == 0


@pytest.mark.parametrize(("value", "met"), [(0.75, True), (0.76, False)])
def test_marks_know_their_side(library: None, value: float, met: bool) -> None:
    """A mark is met at its limit, and missed beyond it, whichever side that is."""
    from measuring import Mark

    assert Mark(what="smaller is better", value=value, at_most=0.75).met is met
    assert Mark(what="larger is better", value=-value, at_least=-0.75).met is met


def test_a_command_is_measured_without_its_starter(library: None, tmp_path: Path) -> None:
    """The peak of a small command stays small, although a large process asked for it."""
    from measuring import run_measured

    ballast = bytearray(256 * 1024 * 1024)
    cost = run_measured(["/bin/sh", "-c", "exit 0"], environment={}, cwd=tmp_path)
    assert cost.peak < len(ballast) // 4


@pytest.mark.parametrize("name", ["small", "large", "memory", "cores", "resume"])
def test_every_benchmark_runs(tmp_path: Path, name: str) -> None:
    """With tiny sizes a benchmark ends well and reports its rounds and its marks."""
    require_server("seaweedfs")
    report = tmp_path / "report.json"
    command = [sys.executable, _LIB / "bench.py", name, "--quick", "--json", report, "--workdir", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (result,) = json.loads(report.read_text())["results"]
    assert result["name"] == name
    assert result["rounds"]
    assert result["marks"]
