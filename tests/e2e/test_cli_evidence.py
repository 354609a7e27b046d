"""Evidence from the command line: written by an operator, checked by an auditor who has a key and a folder."""

import json
import os
from pathlib import Path

import pytest

from support.command import PASSPHRASE, Command
from support.require import require_server
from support.tsa import Authority, serving


@pytest.fixture
def moved(tmp_path: Path) -> Command:
    """A wave that was moved and verified, and a signing key."""
    command = Command(tmp_path)
    (tmp_path / "src/images").mkdir(parents=True)
    (tmp_path / "dst").mkdir()
    (tmp_path / "src/empty").write_bytes(b"")
    (tmp_path / "src/large").write_bytes(os.urandom(20 * 1024 * 1024))
    for number in range(3):
        (tmp_path / f"src/images/{number}.dcm").write_bytes(os.urandom(70_000))
    command("keys", "generate", "-o", "ds", "--passphrase-env", "PW")
    command("keys", "generate", "--signing", "-o", "office", "--passphrase-env", "PW")
    command(
        *("plan", "./src", "./dst", "--wave", "may", "--class", "pseudonymised"),
        *("--recipient", "ds.pub", "--names", "visible", "-o", "may.toml"),
    )
    command("migrate", "may.toml")
    return command


def evidence(command: Command, out: str, *more: str) -> None:
    command("evidence", "may.toml", "--sign", "office.sec", "--passphrase-env", "PW", "--out", out, *more)


def test_an_auditor_checks_a_bundle_and_the_store(moved: Command) -> None:
    """The bundle holds, the store is what it says, and a damaged or missing object is named by its row."""
    evidence(moved, "papers", "--open", "target")
    verdict = moved.json("check-evidence", "papers", "--trust", "office.pub")
    assert (verdict["holds"], verdict["rows"], verdict["trusted"]) == (True, 5, ["office"])
    assert verdict["transfer"]["states"] == {"verified": 5}
    assert verdict["verification"]["weakest"] == "full"
    found = moved.json("check-evidence", "papers", "--trust", "office.pub", "--against", "./dst")["against"]
    assert (found["compared"], found["differences"]) == (5, [])
    assert found["bytes"] == sum(path.stat().st_size for path in moved.directory.glob("dst/**/*.c4gh")
                                 if ".havre" not in path.parts)  # fmt: skip

    large = moved.directory / "dst/large.c4gh"
    content = bytearray(large.read_bytes())
    content[len(content) // 2] ^= 1
    large.write_bytes(content)
    (moved.directory / "dst/images/1.dcm.c4gh").unlink()
    found = moved.json("check-evidence", "papers", "--trust", "office.pub", "--against", "./dst", code=4)
    reasons = {difference["reason"] for difference in found["against"]["differences"]}
    assert reasons == {"the stored bytes are not the bytes that were sent", "the object is not there"}
    told = moved("check-evidence", "papers", "--trust", "office.pub").stdout
    assert "the bundle holds" in told
    assert "not established" in told


def test_names_that_a_restore_was_asked_for_are_said_to_be_told(moved: Command) -> None:
    """The wave file of a restore of one object names it, in clear, and whoever writes its evidence is told so."""
    asked = ("--key", "images/1.dcm", "--identity", "ds.sec", "--passphrase-env", "PW")
    moved("restore", "may.toml", "./back", *asked)
    (wave,) = moved.directory.glob("may.havre/restore-*.toml")
    signed = ("--sign", "office.sec", "--passphrase-env", "PW", "--out", "papers")
    told = moved("evidence", str(wave), *signed)
    assert "images/1.dcm" in (moved.directory / "papers/plan.toml").read_text(encoding="utf-8")
    assert "images/1.dcm" not in (moved.directory / "papers/manifest.jsonl").read_text(encoding="utf-8")
    assert "plan.toml in it is the wave file as it is" in told.stderr


def test_what_the_wave_no_longer_vouches_for_is_not_compared(moved: Command) -> None:
    """An object that a verification rejected is told as rejected: nothing is said to stand there, nothing differs."""
    (moved.directory / "dst/images/1.dcm.c4gh").unlink()
    moved("verify", "may.toml", code=4)
    evidence(moved, "papers", "--open", "target")
    verdict = moved.json("check-evidence", "papers", "--trust", "office.pub", "--against", "./dst")
    assert verdict["transfer"]["states"] == {"rejected": 1, "verified": 4}
    assert (verdict["against"]["compared"], verdict["against"]["differences"]) == (4, [])


def test_a_recipient_checks_plain_bytes_too(moved: Command) -> None:
    """With a private key and everything opened, stored objects are decrypted and hashed."""
    evidence(moved, "papers", "--open", "all")
    found = moved.json(
        *("check-evidence", "papers", "--trust", "office.pub", "--against", "./dst"),
        *("--identity", "ds.sec", "--passphrase-env", "PW"),
    )
    assert found["against"]["decrypted"] == 5


def test_what_was_not_compared_is_said(moved: Command) -> None:
    """No plain byte counts as compared without its digest, no row that is not opened, and no size as a byte."""
    evidence(moved, "papers", "--open", "target")
    against = ("check-evidence", "papers", "--trust", "office.pub", "--against", "./dst")
    found = moved.json(*against, "--identity", "ds.sec", "--passphrase-env", "PW")["against"]
    assert (found["compared"], found["decrypted"], found["not_opened"]) == (5, 0, 0)
    assert "no byte read" in moved(*against, "--level", "size").stdout
    openings = moved.directory / "papers/openings.jsonl"
    openings.write_bytes(b"".join(openings.read_bytes().splitlines(keepends=True)[1:]))
    found = moved.json(*against, code=3)["against"]
    assert (found["compared"], found["not_opened"]) == (4, 1)
    assert "not compared  1 rows" in moved(*against, code=3).stdout


def test_a_verdict_that_was_asked_in_vain_does_not_hide_the_one_a_run_rests_on(moved: Command) -> None:
    """The bundle holds the verdict that the ledger names, whatever `gate.json` says since; a lost one is missed."""
    folder = moved.directory / "may.havre"
    (folder / "gate.json").write_text("{}")
    evidence(moved, "papers")
    assert json.loads((moved.directory / "papers/gate.json").read_bytes())["outcome"] != "not-evaluated"
    for kept in (folder / "verdicts").iterdir():
        kept.unlink()
    sign = ("--sign", "office.sec", "--passphrase-env", "PW")
    refused = moved("evidence", "may.toml", *sign, "--out", "again", code=2)
    assert "missing or was changed" in refused.stderr


def test_a_restore_has_evidence_of_its_own(moved: Command) -> None:
    """What came back for other readers is stated, signed, and held against what stands at the destination."""
    moved("keys", "generate", "-o", "next", "--passphrase-env", "PW")
    told = moved("restore", "may.toml", "./away", "--recipient", "next.pub", "--identity", "ds.sec",
                 "--passphrase-env", "PW").stdout  # fmt: skip
    (wave,) = moved.directory.glob("may.havre/restore-*.toml")
    assert wave.stem in told
    moved(
        "evidence",
        str(wave),
        "--sign",
        "office.sec",
        "--passphrase-env",
        "PW",
        "--out",
        "back",
        "--open",
        "all",
    )
    verdict = moved.json("check-evidence", "back", "--trust", "office.pub", "--against", "./away",
                         "--identity", "next.sec", "--passphrase-env", "PW")  # fmt: skip
    assert verdict["transfer"]["states"] == {"verified": 5}
    assert "the wave may (" in verdict["transfer"]["claim"]
    assert (verdict["against"]["compared"], verdict["against"]["differences"]) == (5, [])
    moved("verify", str(wave), "--identity", "next.sec", "--passphrase-env", "PW")
    assert "restore" in moved("migrate", str(wave), code=2).stderr
    one = moved.events("restore", "may.toml", "./one", "--key", "images/1.dcm", "--identity", "ds.sec",
                       "--passphrase-env", "PW")[-1]  # fmt: skip
    assert one["objects"]["total"] == 1
    source, back = (moved.directory / place / "images/1.dcm" for place in ("src", "one"))
    assert back.read_bytes() == source.read_bytes()
    assert not [path for path in moved.directory.glob("one/.havre/**/*") if path.is_file()]


def test_a_bundle_tells_no_name_and_needs_no_ledger(moved: Command) -> None:
    """Nothing in a bundle names an object, and checking it needs nothing but the folder and the key."""
    evidence(moved, "papers")
    folder = moved.directory / "papers"
    for path in folder.rglob("*"):
        assert not path.is_file() or b".dcm" not in path.read_bytes()
    for name in ("may.havre", "src", "dst"):
        (moved.directory / name).rename(moved.directory / f"away-{name}")
    moved("check-evidence", "papers", "--trust", "office.pub")
    refused = moved("check-evidence", "papers", "--trust", "office.pub", "--against", "./away-dst", code=2)
    assert "--open target" in refused.stderr
    manifest = folder / "manifest.jsonl"
    manifest.write_bytes(manifest.read_bytes().replace(b'"row":2', b'"row":7'))
    found = moved.json("check-evidence", "papers", "--trust", "office.pub", code=4)
    assert {"file": "manifest.jsonl", "line": 2, "reason": "it calls itself row 7"} in found["findings"]


def test_a_proof_of_one_object(moved: Command) -> None:
    """A proof shows the digest of one file and is refused once it was changed."""
    moved(
        *("prove", "may.toml", "images/1.dcm", "--sign", "office.sec", "--passphrase-env", "PW"),
        *("-o", "proof.json"),
    )
    found = moved.json("prove", "--check", "proof.json", "--trust", "office.pub")
    (row,) = found["rows"]
    assert row["opened"]["source_key"] == "images/1.dcm"
    assert (row["state"], row["level"]) == ("verified", "full")
    path = moved.directory / "proof.json"
    assert b"images/2.dcm" not in path.read_bytes()
    document = json.loads(path.read_bytes())
    document["rows"][0]["opened"]["source_key"]["value"] = "images/2.dcm"
    path.write_bytes(json.dumps(document, sort_keys=True, separators=(",", ":")).encode() + b"\n")
    moved("prove", "--check", "proof.json", "--trust", "office.pub", code=4)


def test_a_time_stamp_is_asked_for_kept_and_checked(moved: Command) -> None:
    """A bundle is dated, or not written, or written without a date where that was allowed; a reader is told which."""
    require_server("openssl")
    authority = Authority(moved.directory / "tsa")
    ca = ("--timestamp-ca", "tsa/root.pem")
    check = ("check-evidence", "papers", "--trust", "office.pub")
    with serving(lambda handler, query: handler.send(authority.answer(query))) as url:
        evidence(moved, "papers", "--timestamp", url, *ca)
    found = moved.json(*check, *ca)["timestamp"]
    assert (found["checked"], found["authority"]) == (True, "CN=Authority of tests")
    assert moved.json(*check)["timestamp"] == {"checked": False}
    assert "present, not checked" in moved(*check).stdout
    assert "by CN=Authority of tests, which you trust" in moved(*check, *ca).stdout

    sign = ("--sign", "office.sec", "--passphrase-env", "PW", "--out", "other")
    with serving(lambda handler, _: handler.send(b"no")) as url:
        refused = moved("evidence", "may.toml", *sign, "--timestamp", url, *ca, code=5)
        assert "time-stamp authority 127.0.0.1" in refused.stderr
        assert not (moved.directory / "other").exists()
        told = moved.json("evidence", "may.toml", *sign, "--timestamp", url, "--timestamp-optional")
    assert "missing" in told["timestamp"]
    missed = moved.json("check-evidence", "other", "--trust", "office.pub", *ca, code=4)
    assert [finding["file"] for finding in missed["findings"]] == ["timestamp.tsr"]
    moved("evidence", "may.toml", *sign, *ca, code=2)
    moved("evidence", "may.toml", *sign, "--timestamp", "ftp://x/", code=2)


def test_what_is_asked_wrongly_is_said_in_a_sentence(moved: Command) -> None:
    """A folder that is there, a wrong passphrase, another key, an unknown object and field: nothing is written."""
    evidence(moved, "papers")
    moved("evidence", "may.toml", "--sign", "office.sec", "--passphrase-env", "PW", "--out", "papers", code=2)
    moved.environment["WRONG"] = PASSPHRASE + "!"
    moved("evidence", "may.toml", "--sign", "office.sec", "--passphrase-env", "WRONG", "--out", "p2", code=12)
    moved("keys", "generate", "--signing", "-o", "other", "--passphrase-env", "PW")
    moved("check-evidence", "papers", "--trust", "other.pub", code=4)
    moved("check-evidence", "papers", "--trust", "ds.pub", code=2)
    moved("check-evidence", "nothing", "--trust", "office.pub", code=10)
    sign = ("--sign", "office.sec", "--passphrase-env", "PW", "-o", "proof.json")
    moved("prove", "may.toml", "nothing", *sign, code=10)
    moved("prove", "may.toml", "empty", "--field", "nothing", *sign, code=2)
    moved("prove", "may.toml", code=2)
    assert not (moved.directory / "p2").exists()
    assert not (moved.directory / "proof.json").exists()
    private = (moved.directory / "office.sec").read_bytes()
    assert b"ENCRYPTED" in private
    assert (moved.directory / "office.sec").stat().st_mode & 0o077 == 0
