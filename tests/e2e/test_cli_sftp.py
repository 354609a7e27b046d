"""The command from a hospital's SFTP server to S3 and back, as people run it; and what it says when it may not."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.endpoints import S3Server
from support.sshd import Sshd, SshdPlace, new_key

pytestmark = pytest.mark.server("sftp", "seaweedfs")
_PASSPHRASE = "correct horse"
_MIB = 1024 * 1024


class Command:
    """Runs `havre` in a directory of its own, where no agent and no home of the user's is in reach."""

    def __init__(self, directory: Path, bucket: str, sea: S3Server) -> None:
        self.directory = directory
        self.bucket = bucket
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("HAVRE_", "SSH_"))}
        self.environment = {
            **kept,
            "HOME": str(directory),
            "PW": _PASSPHRASE,
            "SEA_A": sea.access_key,
            "SEA_S": sea.secret_key,
        }

    def __call__(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "migrator.cli", *arguments],
            cwd=self.directory,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        return done


@pytest.fixture
def write_sites(tmp_path: Path, sftp: SshdPlace, seaweedfs: S3Server):
    """Writes `havre.toml`: the hospital with what a test changes of it, and the S3 target."""

    def write(**more: str) -> Command:
        sea = (
            f'[sites.sea]\nprofile = "seaweedfs"\nendpoint = "{seaweedfs.endpoint}"\n'
            f'region = "{seaweedfs.region}"\naccess_key_env = "SEA_A"\nsecret_key_env = "SEA_S"\n'
        )
        (tmp_path / "havre.toml").write_text(f"{sftp.site('hospital', **more)}\n{sea}")
        return Command(tmp_path, sftp.new_bucket(), seaweedfs)

    return write


def digests(root: Path) -> dict[str, str]:
    """SHA-256 by path; havre's own objects left out."""
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*")
        if path.is_file() and ".havre" not in path.relative_to(root).parts
    }


def test_there_and_back(write_sites, sftp: SshdPlace, seaweedfs: S3Server) -> None:
    """From SFTP to S3, encrypted and verified in full, and back to SFTP: every byte under its own name."""
    havre = write_sites()
    source = sftp.root / havre.bucket
    (source / "images/2024").mkdir(parents=True)
    (source / "empty").write_bytes(b"")
    (source / "données é.txt").write_text("bonjour")
    (source / "large").write_bytes(os.urandom(17 * _MIB + 5))
    for number in range(5):
        (source / f"images/2024/{number}.dcm").write_bytes(os.urandom(70_000))
    target = seaweedfs.new_bucket()
    havre("keys", "generate", "-o", "ds", "--passphrase-env", "PW")
    havre(
        *("plan", f"hospital:{havre.bucket}", f"sea:{target}/in", "--wave", "may"),
        *("--class", "pseudonymised", "--recipient", "ds.pub"),
    )
    moved = havre("migrate", "may.toml", "--verify", "full", "--part-size", "5MiB")
    assert "verified in full" in moved.stdout
    back = havre.bucket + "-back"
    havre("restore", "may.toml", f"hospital:{back}/again", "--identity", "ds.sec", "--passphrase-env", "PW")
    assert digests(sftp.root / back / "again") == digests(source)
    assert not list((sftp.root / back / ".havre/uploads").iterdir())


def test_look_and_doctor(write_sites, sftp: SshdPlace) -> None:
    """`ls`, `doctor` and its probe work on an SFTP location as on any other, and the profile holds."""
    havre = write_sites()
    (sftp.root / havre.bucket / "a").mkdir()
    (sftp.root / havre.bucket / "a/b.txt").write_text("x" * 9)
    assert "a/b.txt" in havre("ls", f"hospital:{havre.bucket}").stdout
    havre("doctor", f"hospital:{havre.bucket}")
    found = havre("doctor", f"hospital:{havre.bucket}", "--probe").stdout
    assert "as-declared" in found
    assert "contradicts" not in found


def test_unknown_host(write_sites, tmp_path: Path) -> None:
    """A host that is not known ends the command with one sentence and the way out, and exit 1."""
    (tmp_path / "nobody").write_text("")
    havre = write_sites(known_hosts=str(tmp_path / "nobody"))
    said = havre("ls", f"hospital:{havre.bucket}", code=1).stderr
    assert "the host key of [127.0.0.1]:" in said
    assert "hint: compare the fingerprint" in said


def test_no_key_and_no_agent(write_sites) -> None:
    """Without key, password and agent the command says what it could log in with."""
    havre = write_sites(key_file="")
    assert "hint: name key_file or password_env" in havre("ls", f"hospital:{havre.bucket}", code=1).stderr


def test_wrong_passphrase(write_sites, tmp_path: Path) -> None:
    """A passphrase that does not open the key is a matter of configuration: exit 2, and never shown."""
    new_key(tmp_path / "protected", passphrase="another")
    havre = write_sites(key_file=str(tmp_path / "protected"), key_passphrase_env="PW")
    said = havre("ls", f"hospital:{havre.bucket}", code=2).stderr
    assert "does not open with its passphrase" in said
    assert _PASSPHRASE not in said


def test_missing_root(write_sites) -> None:
    """A root that the server does not have is not found: exit 10."""
    havre = write_sites(root="no/such/root")
    assert "hint: check the root of the site" in havre("ls", f"hospital:{havre.bucket}", code=10).stderr


def test_through_a_jump_host(write_sites, sftp: SshdPlace, tmp_path: Path) -> None:
    """A site with a jump host is reached through it; both hosts stand in one file of known hosts."""
    with Sshd(tmp_path / "bastion", options=("AllowTcpForwarding yes",)) as bastion:
        (bastion.directory / "authorized_keys").write_text(Path(f"{sftp.key_file}.pub").read_text())
        known = tmp_path / "both"
        known.write_text(sftp.known_hosts.read_text() + bastion.place.known_hosts.read_text())
        jump = f"{bastion.place.user}@127.0.0.1:{bastion.place.port}"
        havre = write_sites(jump=jump, known_hosts=str(known))
        (sftp.root / havre.bucket / "through").write_text("x")
        assert "through" in havre("ls", f"hospital:{havre.bucket}").stdout
