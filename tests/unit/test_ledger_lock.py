"""One writer, on a local disk; and what a killed one leaves behind."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from migrator.errors import LedgerLocked, LedgerStorage
from migrator.ledger.ledger import Ledger
from migrator.ledger.lock import LedgerLock, refuse_network_filesystem
from support.ledgers import WAVE, sealed_ledger

_OWNER = {"user": "ada", "host": "pc", "pid": 7, "since": "2026-01-01T00:00:00+00:00"}
_HOLD = """
import sys
from pathlib import Path
from migrator.ledger.lock import LedgerLock
lock = LedgerLock(Path(sys.argv[1]), {"user": "ada", "host": "pc", "pid": 7, "since": "then"})
print("held", flush=True)
sys.stdin.read()
"""
_COMMIT = """
import os, sys
from pathlib import Path
from migrator.ledger.ledger import Ledger
from migrator.ledger.writer import LedgerWriter
from support.ledgers import WAVE, stored
writer = LedgerWriter(Ledger.open(Path(sys.argv[1]), wave_id=WAVE))
for row in range(1, 20001):
    writer.commit(*stored(row))
    os.write(1, b"%d\\n" % row)
"""
_LIMITED = """
import resource, sys
from pathlib import Path
from migrator.errors import LedgerStorage
from migrator.ledger.ledger import Ledger
from support.ledgers import WAVE, stored
path = Path(sys.argv[1])
ledger = Ledger.open(path, wave_id=WAVE)
size = path.stat().st_size + 65536
resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
try:
    for row in range(1, 3001):
        ledger.append(stored(row))
        print(row, flush=True)
except LedgerStorage as error:
    print("storage", flush=True)
"""


def _python(code: str, path: Path) -> subprocess.Popen[str]:
    tests = Path(__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": f"{tests}:{tests.parent}"}
    return subprocess.Popen(
        [sys.executable, "-c", code, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )


def test_a_second_run_is_told_who_holds_the_ledger(tmp_path):
    """Another process's lock is refused with its owner's name, and is gone when that process is killed."""
    path = tmp_path / "lock"
    with _python(_HOLD, path) as process:
        assert process.stdout.readline() == "held\n"
        with pytest.raises(LedgerLocked, match="ada on pc, process 7, since then") as caught:
            LedgerLock(path, _OWNER)
        assert caught.value.exit_code == 11
        process.kill()
    lock = LedgerLock(path, _OWNER)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    lock.release()
    lock.release()
    LedgerLock(path, _OWNER).release()


@pytest.mark.parametrize("said", [b"", b"[]", b"\xff", b"{", b"[" * 4000, b'{"user": "a"}'])
def test_a_lock_with_nonsense_in_it_still_locks(tmp_path, said):
    """An owner who cannot be read is not known; the lock holds all the same."""
    path = tmp_path / "lock"
    lock = LedgerLock(path, _OWNER)
    path.write_bytes(said)
    with pytest.raises(LedgerLocked, match="not known"):
        LedgerLock(path, _OWNER)
    lock.release()


def test_an_owner_cannot_write_on_the_terminal(tmp_path):
    """Control characters in an owner's name do not reach a message."""
    lock = LedgerLock(tmp_path / "lock", {**_OWNER, "user": "a\x1b[2J\n"})
    with pytest.raises(LedgerLocked) as caught:
        LedgerLock(tmp_path / "lock", _OWNER)
    assert caught.value.message.isprintable()
    lock.release()


@pytest.mark.parametrize("place", ["missing/lock", "folder", "link"])
def test_a_lock_that_cannot_be_made_is_a_storage_error(tmp_path, place):
    """No folder, a folder in its place, or a link to elsewhere: one of our errors."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(LedgerStorage):
        LedgerLock(tmp_path / place, _OWNER)
    assert not (tmp_path / "elsewhere").exists()


def _mounts(tmp_path, *mounts):
    file = tmp_path / "mountinfo"
    lines = [f"{n} 1 0:{n} / {at} rw shared:1 - {kind} src rw" for n, (at, kind) in enumerate(mounts, 20)]
    file.write_text("\n".join([*lines, "broken", ""]))
    return file


@pytest.mark.parametrize(
    "kind", ["nfs4", "nfs", "cifs", "9p", "ceph", "fuse.sshfs", "fuse.blobfuse2", "fuse.gcsfuse"]
)
def test_a_network_file_system_is_refused_by_name(tmp_path, kind):
    """Where locks cannot be trusted no ledger is begun."""
    mounts = _mounts(tmp_path, ("/", "ext4"), ("/net", kind))
    with pytest.raises(LedgerStorage, match=kind):
        refuse_network_filesystem(Path("/net/wave.havre"), mounts=mounts)
    refuse_network_filesystem(Path("/network/wave.havre"), mounts=mounts)


def test_the_innermost_and_last_mount_counts(tmp_path):
    """A local disk within a share is local, a share over a disk is a share, and odd names are read."""
    mounts = _mounts(
        tmp_path, ("/", "nfs4"), ("/local", "xfs"), ("/over", "ext4"), ("/over", "nfs"), ("/a\\040b\\011c", "nfs"),
    )  # fmt: skip
    refuse_network_filesystem(Path("/local/wave.havre"), mounts=mounts)
    for there in ("/x", "/over/x", "/a b\tc/x"):
        with pytest.raises(LedgerStorage):
            refuse_network_filesystem(Path(there), mounts=mounts)


def test_without_a_mount_table_nothing_is_refused(tmp_path):
    """Where the system has no such table the check says nothing."""
    refuse_network_filesystem(tmp_path, mounts=tmp_path / "none")


@pytest.mark.parametrize("acknowledged", [1, 7, 60])
def test_what_was_acknowledged_survives_a_kill(tmp_path, acknowledged):
    """After SIGKILL in the middle of commits the ledger holds every acknowledged row and its chain is whole."""
    path = tmp_path / "ledger.sqlite"
    sealed_ledger(path, 20_000).close()
    with _python(_COMMIT, path) as process:
        said = [process.stdout.readline() for _ in range(acknowledged)]
        process.send_signal(signal.SIGKILL)
        said += process.stdout.readlines()
    last = max(int(line) for line in said if line.endswith("\n"))
    assert process.returncode == -signal.SIGKILL
    ledger = Ledger.open(path, wave_id=WAVE)
    rows = [row.row for row in ledger.rows("state=3")]
    assert rows == list(range(1, len(rows) + 1))
    assert last <= len(rows) <= last + 1
    ledger.audit()
    ledger.close()


def test_a_disk_that_is_full_for_the_whole_process(tmp_path):
    """When writing fails under the ledger the run gets ``LedgerStorage``; what was acknowledged is there afterwards."""
    path = tmp_path / "ledger.sqlite"
    sealed_ledger(path, 3000).close()
    with _python(_LIMITED, path) as process:
        out, _ = process.communicate(timeout=120)
    *rows, verdict = out.splitlines()
    assert verdict == "storage"
    assert rows
    ledger = Ledger.open(path, wave_id=WAVE)
    assert [row.row for row in ledger.rows("state=3")] == [int(row) for row in rows]
    ledger.audit()
    ledger.close()
