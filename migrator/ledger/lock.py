"""One writer: an advisory lock with a named owner, on a local file system only.

``flock`` ends with the process, however it ends, so a lock is never left behind. Network file systems are refused:
on some of them neither the lock nor SQLite's write-ahead log can be trusted.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Final

from migrator.errors import LedgerLocked, LedgerStorage

__all__ = ["LedgerLock", "refuse_network_filesystem"]

_NETWORK: Final = frozenset(
    {
        "nfs",
        "nfs4",
        "cifs",
        "smb2",
        "smb3",
        "smbfs",
        "9p",
        "ceph",
        "glusterfs",
        "lustre",
        "afs",
        "coda",
        "davfs",
    }
    | {"ncpfs", "beegfs", "gpfs", "pvfs2", "vboxsf"}
)
_NETWORK_FUSE: Final = (
    "fuse.sshfs", "fuse.s3fs", "fuse.s3ql", "fuse.rclone", "fuse.glusterfs", "fuse.juicefs", "fuse.blobfuse",
    "fuse.gcsfuse", "fuse.goofys", "fuse.ceph", "fuse.curlftpfs", "fuse.davfs", "fuse.mfs", "fuse.gvfsd",
)  # fmt: skip
_MOUNTS: Final = Path("/proc/self/mountinfo")
_ESCAPED: Final = re.compile(r"\\([0-7]{3})")


def refuse_network_filesystem(path: Path, *, mounts: Path = _MOUNTS) -> None:
    """Refuse to keep a ledger where neither locks nor write-ahead logs can be trusted.

    ``mounts`` has the form of Linux's ``/proc/self/mountinfo`` (proc(5)); where there is none, nothing is refused.

    Raises:
        LedgerStorage: ``path`` lies on a network file system.
    """
    kind = _filesystem_of(path.resolve(), mounts)
    if kind in _NETWORK or kind.startswith(_NETWORK_FUSE):
        raise LedgerStorage(
            f"the ledger would lie on a network file system ({kind})",
            hint="put the wave file on a local disk",
        )


def _filesystem_of(path: Path, mounts: Path) -> str:
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").split("\n")
    except OSError:
        return "unknown"
    best, kind = "", "unknown"
    for line in lines:
        left, _, right = line.partition(" - ")
        fields = left.split()
        if len(fields) < 5 or not right:
            continue
        mount = _ESCAPED.sub(lambda found: chr(int(found[1], 8)), fields[4])
        inside = str(path) == mount or str(path).startswith(mount.rstrip("/") + "/")
        if inside and len(mount) >= len(best):
            best, kind = mount, right.split()[0]
    return kind


class LedgerLock:
    """The lock file of a wave folder.

    Raises:
        LedgerLocked: Another run holds it; the message names its owner.
        LedgerStorage: The lock file cannot be made or locked.
    """

    def __init__(self, path: Path, owner: dict[str, object]) -> None:
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise LedgerStorage(
                f"the lock of the ledger cannot be made: {error.strerror}", hint="check the wave's folder"
            ) from None
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _describe(os.pread(self._descriptor, 4096, 0))
            os.close(self._descriptor)
            raise LedgerLocked(
                f"another run holds this ledger: {holder}",
                hint="wait for it to end or stop it; 'havre status' may be used meanwhile",
            ) from None
        except OSError as error:
            os.close(self._descriptor)
            raise LedgerStorage(
                f"the ledger cannot be locked: {error.strerror}", hint="put the wave file on a local disk"
            ) from None
        # best effort: the owner is there to be named; the lock holds on a full disk too
        with suppress(OSError):
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, json.dumps(owner).encode(), 0)

    def release(self) -> None:
        """Give the lock back; a second time does nothing."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            with suppress(OSError):  # best effort: an owner who stays written is not one who holds the lock
                os.ftruncate(descriptor, 0)
            os.close(descriptor)


def _describe(raw: bytes) -> str:
    try:
        owner = json.loads(raw)
        said = f"{owner['user']} on {owner['host']}, process {owner['pid']}, since {owner['since']}"
        return "".join(char if char.isprintable() else "?" for char in said)
    except (ValueError, KeyError, TypeError, RecursionError):
        return "its owner is not known"
