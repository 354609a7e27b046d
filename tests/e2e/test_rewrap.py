"""`havre rewrap` as an operator runs it, on SeaweedFS and on files: others' tools open what it leaves."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from migrator.envelope.header import parse_header
from support.bench import Bench, fill, sha256sum
from support.endpoints import S3Server

pytestmark = pytest.mark.server("seaweedfs")


@pytest.fixture
def bench(tmp_path: Path, seaweedfs: S3Server) -> Bench:
    """The tools, a second key pair, and a wave of all sizes that stands on SeaweedFS."""
    bench = Bench(tmp_path, seaweedfs)
    bench.havre("keys", "generate", "-o", "new", "--passphrase-env", "PW")
    fill(bench.directory / "src")
    bench.havre(
        "plan", "./src", f"there:{bench.bucket}/in", "--wave", "w", "--class", "pseudonymised",
        "--recipient", "ds.pub",
    )  # fmt: skip
    bench.havre("migrate", "w.toml")
    return bench


def rewrap(bench: Bench, *arguments: str) -> dict[str, object]:
    """One rewrap; its report."""
    done = subprocess.run(
        [sys.executable, "-m", "migrator.cli", "rewrap", "w.toml", "--json", "--passphrase-env", "PW", *arguments],
        cwd=bench.directory, env=bench.environment, check=False, capture_output=True, text=True,
    )  # fmt: skip
    report: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    assert report.get("exit_code", done.returncode) == done.returncode, done.stderr
    return report


def stored(bench: Bench) -> dict[str, tuple[bytes, bytes]]:
    """Header and body of every object, by key."""
    client, found = bench.server.client(), {}
    try:
        for entry in client.list_objects_v2(Bucket=bench.bucket, Prefix="in/")["Contents"]:
            if "/.havre/" in entry["Key"]:
                continue
            body = client.get_object(Bucket=bench.bucket, Key=entry["Key"])["Body"].read()
            length = parse_header(memoryview(body)).length
            found[entry["Key"][3:-5]] = body[:length], body[length:]
    finally:
        client.close()
    return found


def opened_by(bench: Bench, key: str) -> None:
    """The crypt4gh command opens every object with this key to what the source holds."""
    fetched = bench.fetched("in")
    for name in stored(bench):
        target = bench.directory / "opened"
        bench.crypt4gh("decrypt", "--sk", key, source=fetched / f"{name}.c4gh", target=target)
        assert sha256sum(target) == sha256sum(bench.directory / "src" / name), name


def test_readers_come_and_go(bench: Bench) -> None:
    """A reader is added, the first one taken out, then shut out: bodies stay until they are to change."""
    before = stored(bench)
    report = rewrap(bench, "--add-recipient", "new.pub", "--identity", "ds.sec", "--identity", "new.sec")
    assert report["exit_code"] == 0, report
    assert report["rewrap"]["objects"]["rewrapped"] == len(before)  # type: ignore[index]
    both = stored(bench)
    assert {name: body for name, (_, body) in both.items()} == {
        name: body for name, (_, body) in before.items()
    }
    assert all(both[name][0] != header for name, (header, _) in before.items())
    opened_by(bench, "ds.sec")
    opened_by(bench, "new.sec")
    again = rewrap(bench, "--add-recipient", "new.pub", "--identity", "ds.sec")
    assert again["rewrap"]["objects"]["rewrapped"] == 0  # type: ignore[index]
    assert stored(bench) == both

    report = rewrap(bench, "--remove-recipient", "ds.pub", "--identity", "new.sec")
    assert report["exit_code"] == 0
    assert any("keep what they had" in note for note in report["notes"])  # type: ignore[attr-defined]
    one = stored(bench)
    assert {name: body for name, (_, body) in one.items()} == {
        name: body for name, (_, body) in before.items()
    }
    with pytest.raises(subprocess.CalledProcessError):
        opened_by(bench, "ds.sec")

    report = rewrap(bench, "--remove-recipient", "ds.pub", "--revoke", "--identity", "new.sec")
    assert report["exit_code"] == 0
    anew = stored(bench)
    assert all(body != one[name][1] for name, (_, body) in anew.items() if body)
    opened_by(bench, "new.sec")
    bench.havre("verify", "w.toml", "--identity", "new.sec", "--passphrase-env", "PW")
    bench.havre("restore", "w.toml", "./back", "--identity", "new.sec", "--passphrase-env", "PW")
    for name in anew:
        assert sha256sum(bench.directory / "back" / name) == sha256sum(bench.directory / "src" / name)
    bench.havre("status", "w.toml", "--audit")


def test_only_first_parts_travel(bench: Bench) -> None:
    """Where the store copies parts, a rewrap sends the first part of a large object and no other."""
    plan = rewrap(bench, "--add-recipient", "new.pub", "--dry-run")["would"]
    total = sum(len(header) + len(body) for header, body in stored(bench).values())
    assert plan["let_the_store_copy_bytes"] > 9_000_000  # type: ignore[index]
    assert plan["send_bytes"] + plan["let_the_store_copy_bytes"] == total  # type: ignore[index]
    assert plan["readers_now"] != plan["readers_then"]  # type: ignore[index]


def test_what_somebody_else_wrote_stays(bench: Bench) -> None:
    """An object that changed at the target is named and left alone, and its neighbours are rewrapped."""
    client = bench.server.client()
    client.put_object(Bucket=bench.bucket, Key="in/short.txt.c4gh", Body=b"somebody else's")
    client.put_object(Bucket=bench.bucket, Key="in/in parts.bam.c4gh", Body=b"somebody else's too")
    report = rewrap(bench, "--add-recipient", "new.pub", "--identity", "ds.sec")
    assert report["exit_code"] == 3
    assert report["rewrap"]["objects"]["changed_at_target"] == 2  # type: ignore[index]
    for key, body in (("short.txt", b"somebody else's"), ("in parts.bam", b"somebody else's too")):
        assert client.get_object(Bucket=bench.bucket, Key=f"in/{key}.c4gh")["Body"].read() == body
    client.close()
    reasons = {problem["reason"] for problem in report["problems"]}  # type: ignore[attr-defined]
    assert all(reason.startswith("changed at target") for reason in reasons)


def test_evidence_tells_the_change(bench: Bench) -> None:
    """A bundle names the readers of now, every change, and what former readers keep; both verifiers take it."""
    rewrap(bench, "--add-recipient", "new.pub", "--identity", "ds.sec")
    rewrap(bench, "--remove-recipient", "ds.pub", "--identity", "new.sec")
    bench.havre("keys", "generate", "--signing", "-o", "office", "--passphrase-env", "PW")
    bench.havre("evidence", "w.toml", "--out", "papers", "--sign", "office.sec", "--passphrase-env", "PW")
    bench.havre("check-evidence", "papers", "--trust", "office.pub")
    root = Path(__file__).parents[2]
    bench.run(
        sys.executable,
        root / "scripts/check_evidence.py",
        "papers",
        "--trust",
        "office.pub",
        stdout=subprocess.DEVNULL,
    )


def test_what_makes_no_sense_is_refused(bench: Bench) -> None:
    """Nothing asked, nobody left, a stranger taken out, a contradiction, no key or a wrong one: nothing changes."""
    before = stored(bench)
    for arguments, code in (
        (("--identity", "ds.sec"), 2),
        (("--remove-recipient", "ds.pub", "--identity", "ds.sec"), 2),
        (("--remove-recipient", "new.pub", "--identity", "ds.sec"), 2),
        (("--add-recipient", "new.pub", "--remove-recipient", "new.pub", "--identity", "ds.sec"), 2),
        (("--add-recipient", "new.pub"), 2),
        (("--add-recipient", "new.pub", "--identity", "new.sec"), 12),
    ):
        done = subprocess.run(
            [
                sys.executable, "-m", "migrator.cli", "rewrap", "w.toml", "--passphrase-env", "PW", *arguments,
            ],
            cwd=bench.directory, env=bench.environment, check=False, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == code, (arguments, done.stderr)
        assert "hint:" in done.stderr
        assert stored(bench) == before
