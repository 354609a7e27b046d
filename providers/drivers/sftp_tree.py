"""Names beneath a root on an SFTP server, and how a file gets one.

SFTP has no ``openat``: the server resolves every path anew. So each folder on the way to a name is looked at
first, links not followed, in the same flight of requests as the name itself; a link is refused, wherever it
leads. Somebody with write access to the same tree who swaps a folder for a link between the look and the use
is not caught; a server that confines its users (``ChrootDirectory``) is what stops those.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from providers.drivers.sftp_packets import READ, Attrs, StatusError
from providers.drivers.sftp_wire import Session
from providers.errors import AlreadyExists, KeyRefused, NotFound, Unsupported

__all__ = ["Root", "find_root", "listed", "publish", "sync_directory"]

_FOLDER_MODE: Final = 0o700
_OPEN_MODE: Final = 0o600
_MARK_MODE: Final = 0o400
_HARDLINK: Final = b"hardlink@openssh.com"
_RENAME: Final = b"posix-rename@openssh.com"
_FSYNC: Final = b"fsync@openssh.com"
_READDIRS: Final = 4
_LAST_SECOND: Final = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True)
class Root:
    """The directory that nothing leaves: an absolute path of the server, links resolved once."""

    path: bytes

    def at(self, parts: Sequence[str]) -> bytes:
        """The path of a name beneath it."""
        names = [name.encode(errors="surrogateescape") for name in parts]
        return b"/".join([self.path.rstrip(b"/"), *names]) or b"/"

    def ask_way(self, session: Session, parts: Sequence[str]) -> list[int]:
        """Ask what each folder on the way is; ``clear`` tells whether all are folders."""
        return [session.lstat(self.at(parts[:depth])) for depth in range(1, len(parts) + 1)]

    @staticmethod
    def clear(session: Session, numbers: Sequence[int]) -> bool:
        """Whether every folder asked for is there and no link."""
        found = [session.attrs_or_none(number) for number in numbers]
        return all(each is not None and each.is_directory for each in found)

    def status(self, session: Session, parts: Sequence[str]) -> Attrs | None:
        """What a name is, or None where there is none or the way to it is no way."""
        way = self.ask_way(session, parts[:-1])
        number = session.lstat(self.at(parts))
        clear = self.clear(session, way)
        found = session.attrs_or_none(number)
        return found if clear else None

    def make(self, session: Session, parts: Sequence[str]) -> None:
        """Make what is missing of a folder and the way to it (0700), durably.

        Raises:
            KeyRefused: Something on the way is no folder.
        """
        for depth in range(1, len(parts) + 1):
            path = self.at(parts[:depth])
            found = session.attrs_or_none(session.lstat(path))
            if found is None:
                # Another thread may be as quick; what counts is what stands there afterwards.
                with suppress(StatusError):
                    session.done(session.mkdir(path, _FOLDER_MODE))
                found = session.attrs(session.lstat(path))
                sync_directory(session, self.at(parts[: depth - 1]))
            if not found.is_directory:
                raise KeyRefused("a file, a link or a device stands where a folder of the key must be")


def find_root(session: Session, root: str, bucket: str, *, create: bool) -> Root:
    """The directory ``bucket`` beneath ``root``, which is relative to where a login begins.

    Raises:
        NotFound: One of the two is not there.
        KeyRefused: The bucket is a link or a file.
    """
    try:
        base = session.path(session.realpath(root.encode() or b"."))
        status = session.attrs_or_none(session.stat(base))
    except StatusError as error:
        if error.code != StatusError.NO_SUCH_FILE:
            raise
        status = None
    if status is None or not status.is_directory:
        raise NotFound(
            f"the server has no directory {root or '.'!r}",
            hint="check the root of the site; it is relative to the directory in which a login begins",
        )
    found = Root(base)
    inner = session.attrs_or_none(session.lstat(found.at([bucket])))
    if inner is None and create:
        found.make(session, [bucket])
    elif inner is None:
        raise NotFound(
            "there is no such directory on the server", hint="check the location and the root of the site"
        )
    elif not inner.is_directory:
        raise KeyRefused("the bucket is a link or a file on the server, and is not followed")
    return Root(found.at([bucket]))


def listed(session: Session, root: Root, parts: Sequence[str]) -> list[tuple[str, Attrs]] | None:
    """Every name of a folder and what it is; None where it is no folder."""
    way = root.ask_way(session, parts)
    opening = session.opendir(root.at(parts))
    clear = root.clear(session, way)
    try:
        handle = session.handle(opening)
    except StatusError as error:
        if error.code != StatusError.NO_SUCH_FILE:
            raise
        return None
    names: list[tuple[str, Attrs]] = []
    more = clear
    while more:
        for number in [session.readdir(handle) for _ in range(_READDIRS)]:
            found = session.names(number)
            more = more and found is not None
            for name, attrs in found or ():
                if name not in (b".", b".."):
                    names.append((name.decode(errors="surrogateescape"), attrs))
    session.done(session.close_handle(handle))
    return names if clear else None


def sync_directory(session: Session, path: bytes) -> None:
    """Make the names of a directory durable, where the server lets a directory be opened and synced as a file.

    OpenSSH does; a server that refuses is believed to keep names by itself.
    """
    if _FSYNC not in session.extensions:
        return
    try:
        handle = session.handle(session.open(path, READ))
    except StatusError:
        return
    synced, closed = session.extended(_FSYNC, handle), session.close_handle(handle)
    session.forget(synced, closed)


def publish(
    session: Session, root: Root, temporary: bytes, parts: Sequence[str], *, if_absent: bool
) -> Attrs:
    """Give a file that was written aside its name: whole, durable, and only once if so asked.

    For ``if_absent`` the name is made by ``hardlink@openssh.com`` (link(2), which never replaces, on every server
    that has it; a plain RENAME does on some); otherwise by ``posix-rename@openssh.com``, which replaces in one
    step. A death between link and removal leaves one file with two names: taken up again, it is recognised.

    Raises:
        AlreadyExists: ``if_absent`` and the name is taken by another file.
        KeyRefused: The name is a folder, a link or a device.
        Unsupported: The server lacks the extension, or its file system hard links.
    """
    target = root.at(parts)
    way = root.ask_way(session, parts[:-1])
    asked = session.lstat(target), session.lstat(temporary)
    clear = root.clear(session, way)
    there, mine = session.attrs_or_none(asked[0]), session.attrs(asked[1])
    if not clear:
        root.make(session, parts[:-1])
        there = session.attrs_or_none(session.lstat(target))
    if there is not None and there.is_directory:
        raise KeyRefused("the key is also a folder: other keys begin with it")
    if if_absent:
        _link(session, temporary, target)
    else:
        _replace(session, temporary, target, there, mine)
    leftover = session.remove(temporary)
    sync_directory(session, root.at(parts[:-1]))
    session.forget(leftover)
    found = session.attrs_or_none(session.lstat(target))
    if found is None:
        raise NotFound("the file was taken away as soon as it had its name")
    return found


def _link(session: Session, temporary: bytes, target: bytes) -> None:
    if _HARDLINK not in session.extensions:
        raise Unsupported("the server has no hardlink@openssh.com: no create-if-absent")
    try:
        session.done(session.extended(_HARDLINK, temporary, target))
    except StatusError as error:
        # The status tells no more than "failure" for a name that is taken.
        if session.attrs_or_none(session.lstat(target)) is None:
            if error.code in (StatusError.FAILURE, StatusError.UNSUPPORTED):
                raise Unsupported(
                    "the server's file system makes no hard links: no create-if-absent"
                ) from error
            raise
        if not _same(session, temporary, target):
            raise AlreadyExists("there is a file of that name") from error


def _replace(session: Session, temporary: bytes, target: bytes, there: Attrs | None, mine: Attrs) -> None:
    if there is not None and not there.is_file:
        raise KeyRefused("a link, a pipe, a socket or a device has that name and is not replaced")
    if _RENAME not in session.extensions:
        raise Unsupported("the server has no posix-rename@openssh.com: a file cannot be replaced in one step")
    if there is not None and (mine.mtime or 0) <= (there.mtime or 0) < _LAST_SECOND:
        # Times have whole seconds here: each replacement is later than what it replaces, or a pin on an earlier
        # file of the same size and second would hold for it.
        session.done(session.set_times(temporary, (there.mtime or 0) + 1))
    session.done(session.extended(_RENAME, temporary, target))


def _same(session: Session, mine: bytes, other: bytes) -> bool:
    """Whether two names are one file. SFTP shows no inode: a change made through one name must show at the other."""
    for mode in (_MARK_MODE, _OPEN_MODE):
        try:
            session.done(session.set_mode(mine, mode))
        except StatusError:
            return False
        found = session.attrs_or_none(session.lstat(other))
        if found is None or not found.is_file or found.mode is None or found.mode & 0o777 != mode:
            session.forget(session.set_mode(mine, _OPEN_MODE))
            return False
    return True
