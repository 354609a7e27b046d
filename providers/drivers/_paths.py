"""Keys as paths beneath a root that nothing may leave.

Every component is opened by ``openat`` with ``O_NOFOLLOW`` from the root's own descriptor: a symbolic link
on the way, even one put there while we work, is refused by the kernel and not by a check that may come too
early.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

__all__ = ["MAX_SEGMENT", "STAGING", "descend", "folds_case", "key_problem", "sync_directory"]

MAX_SEGMENT: Final = 255
"""Longest file name in bytes on every file system worth naming."""
STAGING: Final = (".havre", "uploads")
"""Where unfinished uploads lie, beneath the root, so that a rename never crosses a file system."""
_STAGING_PREFIX: Final = "/".join(STAGING) + "/"
_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def key_problem(key: str) -> str | None:
    """Why ``key`` is no path beneath a root, or None. Kept exactly or refused, never mangled."""
    if "\0" in key:
        return "contains a NUL character, which no file name can"
    if key.startswith(_STAGING_PREFIX) or key == _STAGING_PREFIX[:-1]:
        return "lies where unfinished uploads are kept"
    for segment in key.split("/"):
        if not segment:
            return "has an empty piece, or begins or ends with '/', which no path can"
        if segment in (".", ".."):
            return "has a piece '.' or '..', which is no file name"
        if len(segment) > MAX_SEGMENT or (
            not segment.isascii() and len(segment.encode(errors="surrogateescape")) > MAX_SEGMENT
        ):
            return f"has a piece longer than the {MAX_SEGMENT} bytes of a file name"
    return None


def descend(root: int, parts: Sequence[str], *, create: bool = False) -> int:
    """A descriptor of the directory ``parts`` beneath the descriptor ``root``; the caller closes it.

    Args:
        root: Descriptor of a directory, left open.
        parts: Names from the root downwards; none gives a second descriptor of the root.
        create: Make missing directories (0700), each durable in its parent before it is used.

    Raises:
        OSError: ``ENOENT``; ``ENOTDIR`` where a component is a file or a symbolic link.
    """
    here = os.dup(root)
    try:
        for name in parts:
            try:
                below = os.open(name, _DIRECTORY, dir_fd=here)
            except FileNotFoundError:
                if not create:
                    raise
                with suppress(FileExistsError):
                    os.mkdir(name, 0o700, dir_fd=here)
                os.fsync(here)
                below = os.open(name, _DIRECTORY, dir_fd=here)
            os.close(here)
            here = below
    except BaseException:
        os.close(here)
        raise
    return here


def sync_directory(directory: int) -> None:
    """Make the names in a directory durable; file systems that cannot say ``EINVAL`` and are believed."""
    try:
        os.fsync(directory)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise


def folds_case(root: Path) -> bool:
    """Whether names beneath ``root`` that differ only by case are one, as far as looking can tell.

    Nothing is written: the first name with letters in the root (or the root's own name) is looked up with its
    case swapped. A root that is not there folds nothing.
    """
    try:
        with os.scandir(root) as entries:
            named = next((entry.path for entry in entries if entry.name.swapcase() != entry.name), str(root))
        mine = os.lstat(named)
        folder, name = os.path.split(named)
        swapped = os.lstat(os.path.join(folder, name.swapcase()))  # noqa: PTH118 - the name may be no text
    except OSError:
        return False
    if name.swapcase() == name or stat.S_IFMT(mine.st_mode) != stat.S_IFMT(swapped.st_mode):
        return False
    return (mine.st_dev, mine.st_ino) == (swapped.st_dev, swapped.st_ino)
