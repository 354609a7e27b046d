"""`kill -9` of the real command, at drawn instants, again and again; and Ctrl-C; and a disk that fills up."""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import sqlite3
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from migrator.engine.files import WaveFiles
from migrator.engine.status import status
from providers.capabilities import MIB
from support.endpoints import S3Server
from support.harness import S3Harness
from support.waves import FACTS, Place, Wave, content

SMALL = {f"d{i % 3}/small {i}": content(str(i), 3000 + i) for i in range(60)}


class Command:
    """`havre migrate` of one wave as a process."""

    def __init__(self, root: Path, wave: Wave, *flags: str) -> None:
        self.root = root
        self.wave = wave
        self.flags = flags
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("HAVRE_")}
        self.environment = {**inherited, "HOME": str(root), "PYTHONPATH": str(Path(__file__).parents[2])}

    def start(self, *more: str, **how: Any) -> subprocess.Popen[str]:
        """Begin a run."""
        return subprocess.Popen(
            [sys.executable, "-m", "migrator.cli", "migrate", "wave.toml", *self.flags, *more],
            cwd=self.root,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **how,
        )

    def receipts(self) -> int:
        """Objects and parts that the ledger holds receipts for."""
        if not self.wave.files.ledger.exists():
            return 0
        ledger = self.wave.ledger()
        try:
            (objects,) = next(ledger.query("SELECT count(*) FROM objects WHERE state IN (3, 5)"))
            (parts,) = next(ledger.query("SELECT count(*) FROM parts"))
        finally:
            ledger.close()
        return int(objects + parts)

    def reach(self, process: subprocess.Popen[str], receipts: int) -> None:
        """Wait until the run has so many receipts, or is over."""
        while process.poll() is None and self.receipts() < receipts:
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.01)  # a pause between two looks, no measure of anything

    def finish(self, code: int = 0, *more: str) -> str:
        """A whole run; what it said."""
        with self.start(*more) as process:
            out, err = process.communicate(timeout=240)
        assert process.returncode == code, f"{process.returncode}\n{out}\n{err}"
        assert "Traceback" not in err
        return out + err


def kill_again_and_again(command: Command, seed: int, kills: int, most: int) -> None:
    """Kill runs at drawn receipts; then one run ends, and everything is right."""
    draw = random.Random(seed)
    wave = command.wave
    instants = sorted(draw.randrange(most) for _ in range(kills))
    struck = 0
    for instant in instants:
        with command.start() as process:
            command.reach(process, instant)
            process.kill()
            process.communicate()
        struck += process.returncode == -signal.SIGKILL
        wave.check_visible()
    assert struck >= kills // 2
    command.finish()
    wave.check_complete()
    assert wave.target.uploads() == []
    assert wave.target.leftovers() == []
    wave.audit()
    total = sum(map(len, wave.target.objects().values()))
    shown = subprocess.run(
        [sys.executable, "-m", "migrator.cli", "status", "wave.toml", "--json"],
        cwd=command.root,
        env=command.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    said = json.loads(shown.stdout)
    assert said["objects"]["verified"] == said["objects"]["total"] == len(wave.plain)
    assert said["bytes"]["resent"] < total


@pytest.mark.parametrize("seed", [1, 2])
def test_kill_of_a_run_between_directories(tmp_path: Path, seed: int) -> None:
    """Six kills at drawn instants, most of them of resumed runs, cost nothing but time."""
    plain = {**SMALL, "large": content("large", 24 * MIB)}
    wave = Wave.make(tmp_path, plain)
    wave.files.save(replace(wave.plan, source=str(wave.source.path), target=str(wave.target.path)))
    command = Command(tmp_path, wave, "--bandwidth", "24MiB/s", "--part-size", "1MiB", "--workers", "4")
    kill_again_and_again(command, seed, kills=6, most=80)


@pytest.mark.server("seaweedfs")
def test_kill_of_a_run_into_s3(tmp_path: Path, seaweedfs: S3Server) -> None:
    """The same holds before an S3 target."""
    plain = {**SMALL, "large": content("large", 36 * MIB)}
    harness = S3Harness(FACTS["seaweedfs"], seaweedfs)
    target = Place(harness, harness.new_bucket())
    wave = Wave.make(tmp_path, plain, target=target)
    wave.files.save(replace(wave.plan, source=str(wave.source.path), target=f"sea:{target.bucket}"))
    (tmp_path / "havre.toml").write_text(
        f'[sites.sea]\nprofile = "seaweedfs"\nendpoint = "{seaweedfs.endpoint}"\n'
        f'region = "{seaweedfs.region}"\naccess_key_env = "SEA_A"\nsecret_key_env = "SEA_S"\n'
    )
    command = Command(tmp_path, wave, "--bandwidth", "32MiB/s", "--part-size", "5MiB", "--workers", "4")
    command.environment |= {"SEA_A": seaweedfs.access_key, "SEA_S": seaweedfs.secret_key}
    kill_again_and_again(command, 3, kills=5, most=66)


def local(tmp_path: Path, plain: dict[str, bytes], *flags: str) -> Command:
    """A command between two directories."""
    wave = Wave.make(tmp_path, plain)
    wave.files.save(replace(wave.plan, source=str(wave.source.path), target=str(wave.target.path)))
    return Command(tmp_path, wave, *flags)


def test_interrupt_of_the_command(tmp_path: Path) -> None:
    """Ctrl-C once ends with 130 and says how to go on; the next run does."""
    command = local(tmp_path, SMALL | {"large": content("large", 16 * MIB)}, "--bandwidth", "8MiB/s")
    with command.start() as process:
        command.reach(process, 5)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "havre migrate" in err
    assert "Traceback" not in err
    command.wave.check_visible()
    command.flags = ()
    command.finish()
    command.wave.check_complete()


def test_full_disk_under_the_command(tmp_path: Path) -> None:
    """Where the ledger's file may not grow any more the command says so in a sentence, and carries on later."""
    plain = {f"{i:0120}": content(str(i), 10) for i in range(900)}
    command = local(tmp_path, plain)

    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))

    with command.start(preexec_fn=small_files) as process:
        _, err = process.communicate(timeout=120)
    assert process.returncode == 1, err
    assert "disk under the ledger" in err
    assert "hint:" in err
    assert "Traceback" not in err
    command.wave.check_visible()
    command.finish()
    command.wave.check_complete()
    command.wave.audit()


def test_ledger_of_a_killed_run_can_be_read(tmp_path: Path) -> None:
    """Status reads what a killed run left without changing it."""
    command = local(tmp_path, SMALL, "--bandwidth", "64KiB/s")
    with command.start() as process:
        command.reach(process, 5)
        process.kill()
        process.communicate()
    found = status(WaveFiles(tmp_path / "wave.toml"))
    assert found["state"] == "unfinished"
    assert found["objects"]["verified"] + found["objects"]["stored"] >= 5
    database = sqlite3.connect(command.wave.files.ledger)
    assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()
