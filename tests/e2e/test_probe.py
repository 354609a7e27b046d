"""`havre doctor --probe` as people run it, and what plan and migrate make of what it saw."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.endpoints import S3Server

_PROFILES = Path(__file__).parents[2] / "providers/profiles"
_CLAIMS = ("put_if_absent", "complete_if_absent", "verifies_sha256")


class Command:
    """Runs `havre` in a directory with a source of its own."""

    def __init__(self, directory: Path, **environment: str) -> None:
        self.directory = directory
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("HAVRE_")}
        self.environment = {**inherited, "HOME": str(directory), **environment}
        (directory / "src").mkdir()
        (directory / "src/a").write_bytes(b"the first\n" * 100)
        (directory / "src/b").write_bytes(b"the second\n" * 50)

    def __call__(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "migrator.cli", *arguments],
            cwd=self.directory, env=self.environment, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=240, check=False,
        )  # fmt: skip
        assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        return done

    def json(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        return json.loads(self(*arguments, "--json", code=code).stdout)


@pytest.fixture
def shelf(tmp_path: Path) -> Command:
    """A command with a site of directories."""
    (tmp_path / "shelf/warehouse").mkdir(parents=True)
    (tmp_path / "havre.toml").write_text('[sites.shelf]\nprofile = "filesystem"\nroot = "shelf"\n')
    return Command(tmp_path)


def plan(havre: Command, target: str, wave: str = "w") -> dict[str, Any]:
    return havre.json("plan", "./src", target, "--wave", wave, "--class", "anonymous", "--mode", "copy")


def test_probe_is_kept_and_quoted(shelf: Command) -> None:
    """A probe is saved for its owner alone, and a plan made afterwards quotes its date and digest."""
    before = plan(shelf, "shelf:warehouse/x", "before")
    assert before["probe"] is None
    report = shelf.json("doctor", "shelf:warehouse", "--probe", "--rounds", "2")
    saved = shelf.directory / "probes/shelf/warehouse.json"
    assert Path(report["file"]) == saved
    assert saved.stat().st_mode & 0o777 == 0o600
    assert json.loads(saved.read_text())["digest"] == report["digest"]
    assert report["counts"]["contradicts"] == 0
    after = plan(shelf, "shelf:warehouse/x")
    assert after["probe"]["digest"] == report["digest"]
    assert after["probe"]["age_days"] == 0
    assert after["probe"]["broken"] == []
    assert after["plan"]["probe"]["digest"] == report["digest"]
    assert shelf.json("migrate", "w.toml", "--dry-run")["would"]


def test_probe_that_is_missing_is_suggested(shelf: Command) -> None:
    """A plan for a target that was never probed says how to do that."""
    done = shelf("plan", "./src", "shelf:warehouse", "--wave", "w", "--class", "anonymous", "--mode", "copy")
    assert "havre doctor shelf:warehouse --probe" in done.stderr
    assert "probe " not in done.stdout


def test_probe_that_was_changed_ends_the_run(shelf: Command) -> None:
    """A saved probe that somebody edited is not believed: exit code 2, and how to make another."""
    shelf("doctor", "shelf:warehouse", "--probe", "--rounds", "1", "-q")
    plan(shelf, "shelf:warehouse")
    saved = shelf.directory / "probes/shelf/warehouse.json"
    saved.write_text(saved.read_text().replace('"seen": true', '"seen": false', 1))
    done = shelf("migrate", "w.toml", "-q", code=2)
    assert "changed after it was written" in done.stderr
    assert "--probe" in done.stderr


def test_table_and_progress(shelf: Command) -> None:
    """The table goes to standard output, each check as it is made to standard error; --out names the file."""
    done = shelf("doctor", "shelf:warehouse", "--probe", "--rounds", "1", "--out", "mine.json")
    assert "refuse to create an object twice" in done.stdout
    assert "as-declared" in done.stdout
    assert "havre: 1 of " in done.stderr
    assert (shelf.directory / "mine.json").stat().st_mode & 0o777 == 0o600
    assert not (shelf.directory / "probes").exists()


@pytest.mark.parametrize(
    "options", [["--probe", "--read-only"], ["--lock"], ["--expensive"], ["--out", "x.json"]]
)
def test_options_that_do_not_go_together(shelf: Command, options: list[str]) -> None:
    """What belongs to a probe is refused without one, and a probe writes."""
    shelf("doctor", "shelf:warehouse", *options, code=2)


def claiming(directory: Path, value: str) -> None:
    """A profile that says the same of every guarantee."""
    lines = [
        line
        for line in (_PROFILES / "generic-s3.toml").read_text().splitlines()
        if not line.startswith(tuple(f"{name} = " for name in _CLAIMS))
    ]
    facts = [
        f'{name} = {{ value = {value}, status = "vendor", source = "a leaflet", date = "2026" }}'
        for name in _CLAIMS
    ]
    at = lines.index("[quirks]") + 1
    (directory / "own.toml").write_text("\n".join([*lines[:at], *facts, *lines[at:]]) + "\n")


@pytest.mark.server("rclone")
def test_wave_is_refused_that_relies_on_what_was_seen_broken(tmp_path: Path, rclone: S3Server) -> None:
    """A target that only nods is found out by the probe, the plan warns, and migrate moves nothing.

    Once the profile says what the store does, the same probe lets the same wave through, verified in full.
    """
    claiming(tmp_path, "true")
    bucket = rclone.new_bucket()
    (tmp_path / "havre.toml").write_text(
        f'[sites.lab]\nprofile = "./own.toml"\nendpoint = "{rclone.endpoint}"\nregion = "{rclone.region}"\n'
        'access_key_env = "A"\nsecret_key_env = "S"\n'
    )
    havre = Command(tmp_path, A=rclone.access_key, S=rclone.secret_key)
    report = havre.json("doctor", f"lab:{bucket}", "--probe", "--rounds", "2", "-q", code=13)
    broken = {one["id"] for one in report["checks"] if one["outcome"] == "contradicts"}
    assert {"put-fence", "complete-fence", "sha256", "part-sha256"} <= broken
    made = plan(havre, f"lab:{bucket}/data")
    assert "put-fence" in made["probe"]["broken"]
    assert any("'migrate' will refuse" in warning for warning in made["warnings"])
    refused = havre("migrate", "w.toml", "-q", code=13)
    assert "put-fence" in refused.stderr
    assert f"havre doctor lab:{bucket} --probe" in refused.stderr
    havre("migrate", "w.toml", "--dry-run", code=13)
    listed = havre.json("ls", f"lab:{bucket}")
    assert [one["key"] for one in listed["objects"] if not one["key"].startswith(".havre/")] == []
    claiming(tmp_path, "false")
    done = havre("migrate", "w.toml", "-q")
    assert "2 stored and verified" in done.stdout


@pytest.mark.server("moto")
def test_run_takes_its_target_as_it_was_seen(tmp_path: Path, moto: S3Server) -> None:
    """Digests that nobody verifies end a wave that wants them, and no other: that one reads everything back."""
    claiming(tmp_path, "true")
    bucket = moto.new_bucket()
    (tmp_path / "havre.toml").write_text(
        f'[sites.lab]\nprofile = "./own.toml"\nendpoint = "{moto.endpoint}"\nregion = "{moto.region}"\n'
        'access_key_env = "A"\nsecret_key_env = "S"\n'
    )
    havre = Command(tmp_path, A=moto.access_key, S=moto.secret_key)
    report = havre.json("doctor", f"lab:{bucket}", "--probe", "--rounds", "1", "-q", code=13)
    assert {"sha256", "part-sha256"} <= {
        one["id"] for one in report["checks"] if one["outcome"] == "contradicts"
    }
    made = plan(havre, f"lab:{bucket}/data")
    assert made["probe"]["broken"] == []
    refused = havre("migrate", "w.toml", "-q", "--verify", "store-checksum", code=13)
    assert "digest is another" in refused.stderr
    done = havre("migrate", "w.toml", "-q")
    assert "2 stored and verified" in done.stdout
    again = havre("verify", "w.toml", "-q", "--level", "store-checksum", code=13)
    assert "does not verify a checksum of ours" in again.stderr
