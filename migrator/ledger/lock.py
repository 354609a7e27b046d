"""One writer: an advisory lock with a named owner, on a local file system only.

``flock`` ends with the process, however it ends, so a lock is never left behind. Network file systems are refused:
on some of them neither the lock nor SQLite's write-ahead log can be trusted.
"""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from typing import Final

from migrator.errors import LedgerLocked, LedgerStorage

__all__ = ["LedgerLock", "refuse_network_filesystem"]

_NETWORK: Final = frozenset(
    {
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "smbfs",
        "9p",
        "ceph",
        "glusterfs",
        "lustre",
        "afs",
        "ncpfs",
        "beegfs",
        "gpfs",
    }
)
_NETWORK_FUSE: Final = (
    "fuse.sshfs",
    "fuse.s3fs",
    "fuse.rclone",
    "fuse.glusterfs",
    "fuse.juicefs",
    "fuse.blobfuse",
)


def refuse_network_filesystem(path: Path) -> None:
    """Refuse to keep a ledger where neither locks nor write-ahead logs can be trusted.

    Raises:
        LedgerStorage: ``path`` lies on a network file system.
    """
    kind = _filesystem_of(path.resolve())
    if kind in _NETWORK or kind.startswith(_NETWORK_FUSE):
        raise LedgerStorage(
            f"the ledger would lie on a network file system ({kind})",
            hint="put the wave file on a local disk",
        )


def _filesystem_of(path: Path) -> str:
    try:
        lines = (
            Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
        )
    except OSError:
        return "unknown"
    best, kind = "", "unknown"
    for line in lines:
        left, _, right = line.partition(" - ")
        fields = left.split()
        if len(fields) < 5 or not right:
            continue
        mount = fields[4].replace("\\040", " ")
        inside = str(path) == mount or str(path).startswith(mount.rstrip("/") + "/")
        if inside and len(mount) >= len(best):
            best, kind = mount, right.split()[0]
    return kind


class LedgerLock:
    """The lock file of a wave folder.

    Raises:
        LedgerLocked: Another run holds it; the message names its owner.
    """

    def __init__(self, path: Path, owner: dict[str, object]) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _describe(os.pread(self._descriptor, 4096, 0))
            os.close(self._descriptor)
            raise LedgerLocked(
                f"another run holds this ledger: {holder}",
                hint="wait for it to end or stop it; 'havre status' may be used meanwhile",
            ) from None
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, json.dumps(owner).encode(), 0)

    def release(self) -> None:
        """Give the lock back."""
        os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)


def _describe(raw: bytes) -> str:
    try:
        owner = json.loads(raw)
        return f"{owner['user']} on {owner['host']}, process {owner['pid']}, since {owner['since']}"
    except (ValueError, KeyError, TypeError):
        return "its owner is not known"
