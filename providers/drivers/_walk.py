r"""A directory tree as a listing of keys: sorted, streaming, resumable, never following a link.

Names of one directory are sorted with a ``/`` behind the directories among them, and directories are entered
where they stand; the keys of a tree then come in the order of their characters. Memory is the names of the
directories on the way down (200,000 names of one directory are some 20 MB), never the tree.

What cannot be an object is listed all the same as ``NOT_A_FILE``: symbolic links, pipes, sockets, devices,
and whatever bears a name that is no UTF-8. The latter is shown escaped behind an empty segment
(``dir//caf\xe9``), a shape that no file's own key can have. Empty directories are nothing: object stores
have none.
"""

from __future__ import annotations

import base64
import os
import stat
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from datetime import UTC, datetime

from providers.drivers._paths import STAGING, descend
from providers.model import ETag, Key, Kind, ObjectMeta, Page, PageToken

__all__ = [
    "Walk",
    "etag_of",
    "leads",
    "meta_of",
    "names_of",
    "shown_of",
    "time_of",
    "token_of",
]


def etag_of(status: os.stat_result) -> ETag:
    """A weak validator: which file this is, its size and when its bytes or its inode last changed."""
    return ETag(
        f"{status.st_ino:x}-{status.st_size:x}-{status.st_mtime_ns:x}-{status.st_ctime_ns:x}",
    )


def meta_of(key: str, status: os.stat_result, kind: Kind = Kind.OBJECT) -> ObjectMeta:
    """What is listed of a file."""
    return ObjectMeta(
        key=Key(key),
        size=status.st_size,
        etag=etag_of(status),
        modified_at=time_of(status.st_mtime),
        kind=kind,
    )


def time_of(seconds: float) -> datetime | None:
    """A file's time in UTC, or None where it is beyond the calendar."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return None


@dataclass(slots=True)
class _Frame:
    """One directory on the way down: where it is, how its keys begin, its names, and how far we are."""

    parts: tuple[str, ...]
    shown: str
    names: list[str]
    index: int = 0
    unnamable: bool = False


@dataclass(slots=True)
class Walk:
    """One listing under way. Not for two threads at once; ``token`` names the place behind the last page.

    Holds no descriptor between pages, so that an abandoned listing costs memory only.
    """

    root: int
    prefix: str
    token: PageToken | None = None
    _frames: list[_Frame] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Find the directory that the prefix (and the token) lead to."""
        *parents, _ = self.prefix.split("/")
        if any(name in ("", ".", "..") for name in parents):
            return
        shown = "".join(f"{name}/" for name in parents)
        behind = [] if self.token is None else names_of(self.token)[len(parents) :]
        parts = tuple(parents)
        unnamable = False
        while True:
            frame = self._scan(parts, shown, unnamable=unnamable)
            if frame is None:
                return
            self._frames.append(frame)
            if not behind:
                return
            name, *behind = behind
            if not behind:
                frame.index = bisect_right(frame.names, name)
                return
            frame.index = bisect_left(frame.names, name + "/")
            if frame.index == len(frame.names) or frame.names[frame.index] != name + "/":
                return
            frame.index += 1
            parts = (*parts, name)
            shown, unnamable = shown_of(frame.shown, name, unnamable=frame.unnamable)
            shown += "/"

    def page(self, limit: int) -> Page:
        """The next ``limit`` entries.

        Raises:
            OSError: A directory cannot be read. One that is gone meanwhile is passed over.
        """
        entries: list[ObjectMeta] = []
        last: tuple[str, ...] = ()
        directory: int | None = None
        try:
            while self._frames:
                frame = self._frames[-1]
                if frame.index == len(frame.names):
                    self._frames.pop()
                    _close(directory)
                    directory = None
                    continue
                if len(entries) == limit:
                    self.token = token_of(last)
                    return Page(entries=tuple(entries), next_token=self.token)
                name = frame.names[frame.index]
                frame.index += 1
                if name[-1] == "/":
                    shown, unnamable = shown_of(frame.shown, name[:-1], unnamable=frame.unnamable)
                    below = self._scan((*frame.parts, name[:-1]), shown + "/", unnamable=unnamable)
                    if below is not None:
                        self._frames.append(below)
                        _close(directory)
                        directory = None
                    continue
                try:
                    if directory is None:
                        directory = descend(self.root, frame.parts)
                    status = os.stat(name, dir_fd=directory, follow_symlinks=False)
                except (FileNotFoundError, NotADirectoryError):
                    continue
                shown, unnamable = shown_of(frame.shown, name, unnamable=frame.unnamable)
                plain = stat.S_ISREG(status.st_mode) and not unnamable
                entries.append(meta_of(shown, status, Kind.OBJECT if plain else Kind.NOT_A_FILE))
                last = (*frame.parts, name)
        finally:
            _close(directory)
        self.token = None
        return Page(entries=tuple(entries), next_token=None)

    def _scan(self, parts: tuple[str, ...], shown: str, *, unnamable: bool) -> _Frame | None:
        try:
            directory = descend(self.root, parts)
        except (FileNotFoundError, NotADirectoryError):
            if not parts:
                raise
            return None
        try:
            with os.scandir(directory) as found:
                names = [
                    f"{entry.name}/" if entry.is_dir(follow_symlinks=False) else entry.name for entry in found
                ]
        finally:
            os.close(directory)
        if parts == STAGING[:1]:
            # Unfinished uploads are no objects; the rest of that folder is what its owner put there.
            names = [name for name in names if name != f"{STAGING[1]}/"]
        names.sort()
        frame = _Frame(parts, shown, names, unnamable=unnamable)
        rest = self.prefix[len(shown) :]
        if rest:
            frame.names = [name for name in names if leads(shown, name, self.prefix, unnamable=unnamable)]
        return frame


def leads(shown: str, name: str, prefix: str, *, unnamable: bool) -> bool:
    """Whether ``name`` (a directory ends with ``/``) of the directory ``shown`` is or holds what is listed."""
    whole, _ = shown_of(shown, name.rstrip("/"), unnamable=unnamable)
    return (f"{whole}/" if name[-1] == "/" else whole).startswith(prefix)


def shown_of(shown: str, name: str, *, unnamable: bool) -> tuple[str, bool]:
    """How the key of ``name`` in the directory ``shown`` reads, and whether it (or a folder above) is no UTF-8."""
    if name.isascii():
        return shown + name, unnamable
    try:
        name.encode()
    except UnicodeEncodeError:
        plain = name.replace("\\", "\\\\").encode(errors="surrogateescape").decode(errors="backslashreplace")
        return f"{shown}/{plain}", True
    return shown + name, unnamable


def token_of(parts: tuple[str, ...]) -> PageToken:
    """The token of the page that ends with this path."""
    return PageToken(base64.urlsafe_b64encode(os.fsencode("/".join(parts))).decode())


def names_of(token: PageToken) -> list[str]:
    """The path behind which a page begins."""
    return os.fsdecode(base64.urlsafe_b64decode(token)).split("/")


def _close(directory: int | None) -> None:
    if directory is not None:
        os.close(directory)
