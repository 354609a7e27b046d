"""Files that were not there before: whole on the disk, or not there at all."""

from __future__ import annotations

import errno
import os
import secrets
from pathlib import Path
from typing import Final

from migrator.errors import UsageError

__all__ = ["free_pair", "write_new", "write_pair"]

_NO_UNNAMED: Final = (errno.EISDIR, errno.EOPNOTSUPP, errno.EINVAL)
_NO_LINK: Final = (errno.ENOENT, errno.EPERM, errno.EXDEV)
"""No /proc, or no hard links."""


def free_pair(stem: Path) -> tuple[Path, Path]:
    """The paths of a public and a private key file, ``NAME.pub`` and ``NAME.sec``.

    Raises:
        UsageError: One of them is there already.
    """
    public, private = Path(f"{stem}.pub"), Path(f"{stem}.sec")
    for path in (public, private):
        if path.exists() or path.is_symlink():
            raise UsageError(f"{path} is there already", hint="choose another name")
    return public, private


def write_pair(private: Path, secret: str, public: Path, text: str) -> None:
    """Write both halves, or neither.

    Raises:
        OSError: A file is there already, or cannot be written.
    """
    write_new(private, secret, 0o600)
    try:
        write_new(public, text, 0o644)
    except BaseException:
        private.unlink()
        raise


def write_new(path: Path, text: str, mode: int) -> None:
    """Write a file that was not there; killed at any instant, it stands whole or not at all.

    Raises:
        OSError: It is there, or cannot be written.
    """
    data = text.encode()
    if not _write_unnamed(path, data, mode):
        _write_named(path, data, mode)
    _keep(path.parent)


def _write_unnamed(path: Path, data: bytes, mode: int) -> bool:
    """Give the file its name only when it is whole; False where the system or file system cannot do that."""
    unnamed = getattr(os, "O_TMPFILE", None)
    if unnamed is None:
        return False
    try:
        descriptor = os.open(path.parent, os.O_WRONLY | unnamed | os.O_CLOEXEC, mode)
    except OSError as error:
        if error.errno in _NO_UNNAMED:
            return False
        error.filename = os.fspath(path)
        raise
    try:
        _fill(descriptor, data)
        # Any descriptor makes Python call linkat(2), which alone follows this link.
        os.link(f"/proc/self/fd/{descriptor}", path, src_dir_fd=descriptor, follow_symlinks=True)
    except FileExistsError as error:
        error.filename, error.filename2 = os.fspath(path), None
        raise
    except OSError as error:
        if error.errno not in _NO_LINK:
            error.filename = os.fspath(path)
            raise
        return False
    finally:
        os.close(descriptor)
    return True


def _write_named(path: Path, data: bytes, mode: int) -> None:
    """The same where the file system has no files without a name; a crash may leave ``.NAME.*.tmp``."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        try:
            _fill(descriptor, data)
        finally:
            os.close(descriptor)
        try:
            os.link(temporary, path)
        except OSError as error:
            error.filename, error.filename2 = os.fspath(path), None
            raise
    finally:
        temporary.unlink()


def _fill(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
    os.fsync(descriptor)


def _keep(folder: Path) -> None:
    """Make the new name durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
