"""The command as people run it, from directory to directory: plan, migrate, status, verify, restore."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from support.command import Command, digests

_MIB = 1024 * 1024


@pytest.fixture
def havre(tmp_path: Path) -> Command:
    """A command beside a source with small, empty, large and oddly named objects, a target and a key pair."""
    command = Command(tmp_path)
    source = tmp_path / "src"
    (source / "images/2024").mkdir(parents=True)
    (source / "empty").write_bytes(b"")
    (source / "données é.txt").write_text("bonjour")
    (source / "large").write_bytes(bytes(range(256)) * (9 * _MIB // 256) + b"tail")
    for number in range(5):
        (source / f"images/2024/{number}.dcm").write_bytes(os.urandom(70_000))
    (source / "notes.tmp").write_text("left out")
    (tmp_path / "dst").mkdir()
    command("keys", "generate", "-o", "ds", "--passphrase-env", "PW")
    return command


def plan(havre: Command, *more: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    return havre(
        "plan", "./src", "./dst", "--wave", "may", "--class", "pseudonymised", "--recipient", "ds.pub",
        *more, code=code,
    )  # fmt: skip


def test_there_and_back(havre: Command) -> None:
    """What comes back is what was there, byte for byte, under its own names; the target holds none of it."""
    plan(havre, "--exclude", "*.tmp")
    moved = havre("migrate", "may.toml")
    assert "all of it" in moved.stdout
    assert "verified in full" in moved.stdout
    state = havre.json("status", "may.toml")
    assert (state["wave"], state["state"], state["objects"]["verified"]) == ("may", "done", 8)
    assert (
        sum(count for name, count in state["objects"].items() if name != "total") == state["objects"]["total"]
    )
    target = digests(havre.directory / "dst")
    assert all(name.endswith(".c4gh") for name in target)
    assert not set(target.values()) & set(digests(havre.directory / "src").values())
    havre("verify", "may.toml")
    havre("verify", "may.toml", "--identity", "ds.sec", "--passphrase-env", "PW")
    (havre.directory / "back").mkdir()
    havre("restore", "may.toml", "./back", "--identity", "ds.sec", "--passphrase-env", "PW")
    expected = digests(havre.directory / "src")
    del expected["notes.tmp"]
    assert digests(havre.directory / "back") == expected


def test_second_run_moves_nothing(havre: Command) -> None:
    """A wave that is done stays done, and its events are JSON with the report last."""
    plan(havre)
    havre("migrate", "may.toml", "--quiet")
    before = {path: path.stat().st_mtime_ns for path in (havre.directory / "dst").rglob("*.c4gh")}
    before = {path: time for path, time in before.items() if ".havre" not in path.parts}
    events = havre.events("migrate", "may.toml")
    assert events[-1]["event"] == "report"
    assert (events[-1]["state"], events[-1]["exit_code"], events[-1]["error"]) == ("done", 0, None)
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_interrupted_run_carries_on(havre: Command) -> None:
    """Ctrl-C once ends with 130 and the command that carries on; that command brings the rest."""
    plan(havre)
    with havre.start("migrate", "may.toml", "--json", "--bandwidth", "100KiB/s", "--workers", "2") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        for line in process.stdout:
            if json.loads(line)["event"] == "inventory-sealed":
                break
        process.send_signal(signal.SIGINT)
        rest, err = process.stdout.read(), process.stderr.read()
    assert process.returncode == 130, err
    report = json.loads(rest.splitlines()[-1])
    assert (report["event"], report["state"]) == ("report", "interrupted")
    assert "press Ctrl-C again to stop now" in err
    assert "hint: carry on with: havre migrate may.toml" in err
    assert havre.json("status", "may.toml")["objects"]["planned"] > 0
    assert havre.events("migrate", "may.toml")[-1]["state"] == "done"
    assert havre.json("status", "may.toml", "--audit")["audit"]["sound"] is True


def test_edited_wave_is_refused_once_it_has_run(havre: Command) -> None:
    """After the first run the wave file may not say something else, and a new plan does not take its place."""
    plan(havre)
    havre("migrate", "may.toml", "--quiet")
    wave = havre.directory / "may.toml"
    wave.write_text(wave.read_text().replace('class = "pseudonymised"', 'class = "anonymous"'))
    refused = havre.json("migrate", "may.toml", code=2)
    assert refused["error"]["code"] == "plan-stale"
    assert "already has a ledger" in plan(havre, code=2).stderr


def test_damage_at_the_target_is_found(havre: Command) -> None:
    """One changed byte at the target makes verify exit with 4, and no summary calls it all of it."""
    plan(havre)
    havre("migrate", "may.toml", "--quiet")
    victim = havre.directory / "dst/images/2024/3.dcm.c4gh"
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.write_bytes(data)
    found = havre("verify", "may.toml", code=4)
    assert "verification found differences" in found.stdout
    assert "all of it" not in found.stdout


def test_object_that_changed_is_not_moved(havre: Command) -> None:
    """An object that the target holds with other content is refused, told by row, and by name on request."""
    plan(havre)
    (havre.directory / "dst/empty.c4gh").write_bytes(b"somebody else's")
    refused = havre("migrate", "may.toml", code=3)
    assert "rejected" in refused.stderr
    assert "empty" not in refused.stderr
    assert (havre.directory / "dst/empty.c4gh").read_bytes() == b"somebody else's"
    (problem,) = havre.json("status", "may.toml", "--problems", "--names")["problems"]
    assert (problem["key"], problem["outcome"]) == ("empty", "rejected")
    assert "key" not in havre.json("status", "may.toml", "--problems")["problems"][0]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["migrate", "no.toml"], 10, "there is no wave file 'no.toml'"),
        (["status", "no.toml"], 10, "there is no wave file 'no.toml'"),
        (["ls", "./nowhere"], 10, "there is no such directory"),
        (["ls", "cloud:bucket"], 2, "no site is called 'cloud'"),
        (["--config", "no.toml", "ls", "./src"], 2, "there is no file no.toml"),
        (["keys", "show", "no.pub"], 10, "no.pub: no such file or directory"),
        (["status", "ds.pub"], 2, "the wave file is not valid TOML"),
        (["migrate", "src"], 2, "'src' is a directory"),
    ],
)
def test_missing_things_are_named(havre: Command, arguments: list[str], code: int, said: str) -> None:
    """What is not there is named in one sentence, with the exit code of its kind."""
    answer = havre(*arguments, code=code)
    assert answer.stderr.startswith("havre: ")
    assert said in answer.stderr


def test_restore_needs_the_private_key(havre: Command) -> None:
    """Without a private key restore says what it needs; with a wrong passphrase it ends with 12."""
    plan(havre)
    havre("migrate", "may.toml", "--quiet")
    assert "--identity" in havre("restore", "may.toml", "./back", code=2).stderr
    havre.environment["PW"] = "wrong"
    wrong = havre("restore", "may.toml", "./back", "--identity", "ds.sec", "--passphrase-env", "PW", code=12)
    assert "the passphrase does not open ds.sec" in wrong.stderr


def test_planned_identity_is_used_or_done_without(havre: Command) -> None:
    """A key that the wave file names is tried; without its passphrase an encrypting run carries on and says so."""
    plan(havre, "--identity", "ds.sec", "--passphrase-env", "PW")
    moved = havre("migrate", "may.toml")
    assert moved.stderr.count("carrying on without the private key that the wave file names") == 1
    refused = havre("restore", "may.toml", "./back", code=12)
    assert "needs a passphrase" in refused.stderr
    havre("restore", "may.toml", "./back", "--passphrase-env", "PW")
    assert digests(havre.directory / "back") == digests(havre.directory / "src")


def test_keys_that_the_target_cannot_hold_are_data(havre: Command) -> None:
    """Keys that do not fit are printed one a line with the reason, exit code 13, and no wave file is written."""
    (havre.directory / "src" / ("n" * 253)).write_text("too long with its suffix")
    refused = plan(havre, code=13)
    (line,) = refused.stdout.splitlines()
    key, reason = line.split("\t")
    assert key == "n" * 253
    assert reason
    assert not (havre.directory / "may.toml").exists()


def test_listing_ends_quietly_when_nobody_reads(havre: Command) -> None:
    """`havre ls | head` ends without a word about pipes."""
    with havre.start("ls", "./src", "--quiet") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""


def test_listing_as_json(havre: Command) -> None:
    """`ls --json` is one object that counts what it lists."""
    found = havre.json("ls", "./src")
    assert {one["key"] for one in found["objects"]} == set(digests(havre.directory / "src"))
    assert found["count"] == len(found["objects"])
    assert found["complete"] is True
    assert havre.json("ls", "./src", "--limit", "1")["complete"] is False


def test_second_run_at_the_same_time_is_refused(havre: Command) -> None:
    """While a run holds the ledger another one ends with 11 and names the owner; status still answers."""
    plan(havre)
    with havre.start("migrate", "may.toml", "--json", "--bandwidth", "100KiB/s", "--workers", "2") as process:
        assert process.stdout is not None
        for line in process.stdout:
            if json.loads(line)["event"] == "inventory-sealed":
                break
        assert "another run holds this ledger" in havre("migrate", "may.toml", code=11).stderr
        assert havre.json("status", "may.toml")["objects"]["total"] == 9
        process.send_signal(signal.SIGTERM)
        process.stdout.read()
    assert process.returncode == 130
