"""A missing server skips or fails a test as HAVRE_TEST_REQUIRE says."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
CASES = """
import pytest
import support.require

@pytest.fixture(autouse=True)
def nothing_is_installed(monkeypatch):
    monkeypatch.setattr(support.require, "missing", lambda name: f"{name} is absent")

def test_server():
    support.require.require_server("moto")

@pytest.mark.skip(reason="for no good reason")
def test_other_skip():
    pass

@pytest.mark.xfail(reason="known", strict=True)
def test_expected_failure():
    raise ValueError
"""


def _outcomes(tmp_path: Path, required: str) -> str:
    (tmp_path / "test_cases.py").write_text(CASES)
    options = ["-p", "conftest", "-p", "no:randomly", "-p", "no:cacheprovider", "-c", os.devnull, "-ra"]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "--rootdir", str(tmp_path), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(TESTS), "HAVRE_TEST_REQUIRE": required},
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    return run.stdout


@pytest.mark.parametrize(
    ("required", "summary"),
    [
        pytest.param("", "2 skipped, 1 xfailed", id="nothing-required"),
        pytest.param("azurite", "2 skipped, 1 xfailed", id="another-server"),
        pytest.param("azurite, moto", "1 failed, 1 skipped, 1 xfailed", id="this-server"),
        pytest.param("all", "1 failed, 1 xfailed, 1 error", id="all"),
    ],
)
def test_what_is_required_decides_between_skip_and_failure(
    tmp_path: Path, required: str, summary: str
) -> None:
    """A skip becomes a failure for a server that is named, and every skip does under `all`."""
    output = _outcomes(tmp_path, required)
    assert summary in output.splitlines()[-1]
    assert "moto is absent" in output


STAGE = """
import pytest

@pytest.mark.server("ceph", "seaweedfs")
def test_of_the_stage():
    pass

def test_of_every_run():
    pass
"""


@pytest.mark.parametrize(
    ("required", "summary", "named"),
    [
        pytest.param("", "1 passed, 1 deselected", True, id="nothing-required"),
        pytest.param("all", "1 passed, 1 deselected", True, id="all"),
        pytest.param("all,ceph", "1 error", False, id="the-stage"),
    ],
)
def test_a_stage_that_nobody_asked_for_is_left_out_and_named(
    tmp_path: Path, required: str, summary: str, named: bool
) -> None:
    """Tests of a stage are left out, which is no skip, until it is named; then its server must be there."""
    (tmp_path / "test_cases.py").write_text(STAGE)
    # Nothing is installed in the subprocess: what the stage asks for is then missed, not left out.
    (tmp_path / "absent.py").write_text(
        "import support.require\nsupport.require.missing = '{} is absent'.format\n"
    )
    plugins = "-p conftest -p absent -p no:randomly -p no:cacheprovider"
    options = [*plugins.split(), "-c", os.devnull]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "--rootdir", str(tmp_path), str(tmp_path)],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(TESTS), str(tmp_path)]),
            "HAVRE_TEST_REQUIRE": required,
        },
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    lines = run.stdout.splitlines()
    assert summary in lines[-1]
    assert ("not asked for: the stage ceph (scripts/test --ceph)" in lines) is named
