"""A directory tree of an SFTP server as a listing of keys: sorted, streaming, resumable, following no link.

The order, the shape of tokens and the escaping of names that are no UTF-8 are those of a directory store
(``providers.drivers._walk``). The server sends attributes with the names, so that a folder of 200,000 files
costs a few hundred answers, and some 60 MB while it is listed.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from operator import itemgetter

from providers.drivers._paths import STAGING
from providers.drivers._walk import leads, names_of, shown_of, time_of, token_of
from providers.drivers.sftp_packets import Attrs
from providers.errors import NotFound
from providers.model import ETag, Key, Kind, ObjectMeta, Page, PageToken

__all__ = ["Walk", "etag_of", "meta_of"]

Scan = Callable[[tuple[str, ...]], list[tuple[str, Attrs]] | None]
_NAME = itemgetter(0)


def etag_of(attrs: Attrs) -> ETag:
    """A weak validator: size, second of the last change, and owner; SFTP 3 shows no inode and no finer time."""
    owner = "-".join(f"{number:x}" for number in attrs.owner or ())
    return ETag(f"{attrs.size or 0:x}-{attrs.mtime or 0:x}-{owner}")


def meta_of(key: str, attrs: Attrs, kind: Kind = Kind.OBJECT) -> ObjectMeta:
    """What is listed of a file."""
    return ObjectMeta(
        key=Key(key),
        size=attrs.size or 0,
        etag=etag_of(attrs),
        modified_at=None if attrs.mtime is None else time_of(attrs.mtime),
        kind=kind,
    )


@dataclass(slots=True)
class _Frame:
    """One directory on the way down: where it is, how its keys begin, its entries, and how far we are."""

    parts: tuple[str, ...]
    shown: str
    entries: list[tuple[str, Attrs]]
    index: int = 0
    unnamable: bool = False


@dataclass(slots=True)
class Walk:
    """One listing under way. Not for two threads at once; holds nothing on the server between pages."""

    prefix: str
    token: PageToken | None = None
    _frames: list[_Frame] | None = field(default=None)

    def page(self, scan: Scan, limit: int) -> Page:
        """The next ``limit`` entries; ``scan`` lists a folder, or gives None where there is none (any more).

        Raises:
            NotFound: The root itself is gone.
        """
        frames = self._frames
        if frames is None:
            frames = self._frames = self._begin(scan)
        entries: list[ObjectMeta] = []
        last: tuple[str, ...] = ()
        while frames:
            frame = frames[-1]
            if frame.index == len(frame.entries):
                frames.pop()
                continue
            if len(entries) == limit:
                self.token = token_of(last)
                return Page(entries=tuple(entries), next_token=self.token)
            name, attrs = frame.entries[frame.index]
            frame.index += 1
            shown, unnamable = shown_of(frame.shown, name.rstrip("/"), unnamable=frame.unnamable)
            if name[-1] == "/":
                below = self._scan(scan, (*frame.parts, name[:-1]), shown + "/", unnamable=unnamable)
                if below is not None:
                    frames.append(below)
                continue
            plain = attrs.is_file and not unnamable
            entries.append(meta_of(shown, attrs, Kind.OBJECT if plain else Kind.NOT_A_FILE))
            last = (*frame.parts, name)
        self.token = None
        return Page(entries=tuple(entries), next_token=None)

    def _begin(self, scan: Scan) -> list[_Frame]:
        """Find the directory that the prefix (and the token) lead to."""
        *parents, _ = self.prefix.split("/")
        frames: list[_Frame] = []
        if any(name in ("", ".", "..") for name in parents):
            return frames
        shown = "".join(f"{name}/" for name in parents)
        behind = [] if self.token is None else names_of(self.token)[len(parents) :]
        parts = tuple(parents)
        unnamable = False
        while True:
            frame = self._scan(scan, parts, shown, unnamable=unnamable)
            if frame is None:
                return frames
            frames.append(frame)
            if not behind:
                return frames
            name, *behind = behind
            if not behind:
                frame.index = bisect_right(frame.entries, name, key=_NAME)
                return frames
            frame.index = bisect_left(frame.entries, name + "/", key=_NAME)
            if frame.index == len(frame.entries) or frame.entries[frame.index][0] != name + "/":
                return frames
            frame.index += 1
            parts = (*parts, name)
            shown, unnamable = shown_of(frame.shown, name, unnamable=frame.unnamable)
            shown += "/"

    def _scan(self, scan: Scan, parts: tuple[str, ...], shown: str, *, unnamable: bool) -> _Frame | None:
        found = scan(parts)
        if found is None:
            if not parts:
                raise NotFound("there is no such directory on the server")
            return None
        entries = [(f"{name}/", attrs) if attrs.is_directory else (name, attrs) for name, attrs in found]
        if parts == STAGING[:1]:
            # Unfinished uploads are no objects; the rest of that folder is what its owner put there.
            entries = [entry for entry in entries if entry[0] != f"{STAGING[1]}/"]
        if self.prefix[len(shown) :]:
            entries = [entry for entry in entries if leads(shown, entry[0], self.prefix, unnamable=unnamable)]
        entries.sort(key=_NAME)
        return _Frame(parts, shown, entries, unnamable=unnamable)
