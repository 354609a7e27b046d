"""Give a file that was written aside its name: whole, durable, and only once if so asked."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence

from providers.drivers._paths import sync_directory
from providers.drivers._staging import Upload
from providers.errors import AlreadyExists, ConditionFailed, KeyRefused, Unsupported
from providers.model import PartReceipt

__all__ = ["check_parts", "publish"]


def publish(staging: int, temporary: str, directory: int, name: str, *, if_absent: bool) -> None:
    """Move ``temporary`` of ``staging`` to ``name`` in ``directory``; both are descriptors.

    A link, which never replaces, for ``if_absent``; a rename otherwise. A crash between link and unlink
    leaves one file with two names: taken up again, it is the same file and not a second one.

    Raises:
        AlreadyExists: ``if_absent`` and the name is taken by another file.
        KeyRefused: The name is a folder, a link or a device.
        Unsupported: ``if_absent`` on a file system without hard links.
    """
    there = _status(directory, name)
    if there is not None and stat.S_ISDIR(there.st_mode):
        raise KeyRefused("the key is also a folder: other keys begin with it")
    if if_absent:
        try:
            os.link(temporary, name, src_dir_fd=staging, dst_dir_fd=directory, follow_symlinks=False)
        except FileExistsError as error:
            there = _status(directory, name)
            mine = os.stat(temporary, dir_fd=staging, follow_symlinks=False)
            if there is None or (there.st_dev, there.st_ino) != (mine.st_dev, mine.st_ino):
                raise AlreadyExists("there is a file of that name") from error
        except OSError as error:
            if error.errno in (errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK):
                raise Unsupported("this file system has no hard links: no create-if-absent") from error
            raise
        os.unlink(temporary, dir_fd=staging)
    else:
        if there is not None and not stat.S_ISREG(there.st_mode):
            raise KeyRefused("a link, a pipe, a socket or a device has that name and is not replaced")
        mine = os.stat(temporary, dir_fd=staging, follow_symlinks=False)
        if there is not None and (there.st_dev, there.st_ino) == (mine.st_dev, mine.st_ino):
            # Named before a crash and taken up again: a rename between two names of one file does nothing.
            os.unlink(temporary, dir_fd=staging)
        else:
            os.replace(temporary, name, src_dir_fd=staging, dst_dir_fd=directory)
    sync_directory(directory)


def check_parts(upload: Upload, parts: Sequence[PartReceipt]) -> int:
    """The size of the object that these parts make.

    Raises:
        ConditionFailed: A part is not there, has another size, or does not begin where the one before it
        ends.
    """
    end = 0
    before = 0
    for part in parts:
        held = upload.parts.get(part.number)
        if held is None or held.size != part.size:
            raise ConditionFailed(f"part {part.number} is not the one that was written")
        if part.number <= before or held.offset != end:
            raise ConditionFailed(f"part {part.number} does not begin where the part before it ends")
        before = part.number
        end += held.size
    return end


def _status(directory: int, name: str) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return None
