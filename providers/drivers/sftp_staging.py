"""Unfinished uploads on an SFTP server: the same files in the same folder as those of a directory store.

``.havre/uploads`` holds, per upload, one file with all bytes, parts at their offsets, and one with receipts
(``providers.drivers._staging`` says what stands in it). One file per upload needs neither copying nor renaming
of parts when it is completed, and survives any death: bytes are synced (``fsync@openssh.com``) before their
receipt is appended, and the receipt is synced before the part is acknowledged. What has no receipt is written
again. Receipts are appended by the server itself (SSH_FXF_APPEND), so that many threads may add theirs.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from providers.drivers import _staging
from providers.drivers._paths import STAGING
from providers.drivers.sftp_packets import APPEND, CREATE, EXCLUSIVE, READ, WRITE, Attrs, StatusError
from providers.drivers.sftp_tree import Root, listed, sync_directory
from providers.drivers.sftp_wire import Session
from providers.errors import LocalStorageFull, Unexpected, UploadLost
from providers.model import Key, PartReceipt, UploadId, UploadRef

__all__ = ["Staging", "write_durably"]

_PARTS: Final = ".parts"
_MODE: Final = 0o600
_FSYNC: Final = b"fsync@openssh.com"
_STATVFS: Final = b"statvfs@openssh.com"
_AVAILABLE: Final = 4
_LITTLE_ROOM: Final = 256 * 1024
"""One request of bytes: less room than that and a write is refused for it."""
_MOST_RECEIPTS: Final = 128 * 1024 * 1024
_LOST: Final = "there is no such unfinished upload on this key"


class Staging:
    """The staging folder of one root, seen through one session."""

    def __init__(self, session: Session, root: Root) -> None:
        self._session = session
        self._root = root

    def path(self, name: str) -> bytes:
        """The path of a staged file."""
        return self._root.at([*STAGING, name])

    def make(self) -> None:
        """Make the folder; whatever else stands in its place is refused."""
        self._root.make(self._session, STAGING)

    def there(self) -> bool:
        """Whether the folder is there, and no link on the way."""
        return self._root.clear(self._session, self._root.ask_way(self._session, STAGING))

    def begin(self, key: str, attempt: str) -> UploadId:
        """Create both files of an upload, durably; one of this attempt that is there already is taken up."""
        session, name = self._session, _staging.staged_name(key, attempt)
        head = memoryview(_staging.head_line(key, time.time()))
        self.make()
        receipts = self._receipts(name)
        if receipts is None:
            # Nobody was told of an upload whose first line never reached the disk: begin it again.
            path = self.path(name + _PARTS)
            session.forget(session.remove(path))
            handle = session.handle(session.open(path, WRITE | CREATE | EXCLUSIVE, _MODE))
            write_durably(session, handle, 0, head, path)
        data = self.path(name)
        there = session.attrs_or_none(session.lstat(data))
        if there is None and (receipts is None or not receipts.parts):
            handle = session.handle(session.open(data, WRITE | CREATE | EXCLUSIVE, _MODE))
            session.done(session.close_handle(handle))
            sync_directory(session, self._root.at(STAGING))
        return UploadId(attempt)

    def find(self, key: str, upload: UploadId) -> tuple[str, _staging.Upload]:
        """The staged name and the receipts of an upload.

        Raises:
            UploadLost: There is no such upload on this key.
        """
        name = self._name(key, upload)
        if self.there():
            data = self._session.lstat(self.path(name))
            known = self._receipts(name)
            found = self._session.attrs_or_none(data)
            if known is not None and known.key == key and found is not None and found.is_file:
                return name, known
        raise UploadLost(_LOST)

    def write_part(self, key: str, upload: UploadId, part: _staging.Part, body: memoryview) -> None:
        """Put a part's bytes in their place, and only once they are on the disk, its receipt.

        Raises:
            UploadLost: There is no such upload on this key.
        """
        session, name = self._session, self._name(key, upload)
        paths = self.path(name), self.path(name + _PARTS)
        way = self._root.ask_way(session, STAGING)
        files = [session.lstat(path) for path in paths]
        clear = self._root.clear(session, way)
        found = [session.attrs_or_none(number) for number in files]
        if not clear or not all(each is not None and each.is_file for each in found):
            raise UploadLost(_LOST)
        opening = session.open(paths[0], WRITE), session.open(paths[1], WRITE | APPEND)
        try:
            data, receipts = [session.handle(number) for number in opening]
        except StatusError as error:
            if error.code == StatusError.NO_SUCH_FILE:
                raise UploadLost(_LOST) from error
            raise
        write_durably(session, data, part.offset, body, paths[0])
        write_durably(session, receipts, 0, memoryview(_staging.part_line(part)), paths[1])

    def unfinished(self, prefix: str) -> Iterator[UploadRef]:
        """Every upload on a key that starts with ``prefix``, by name."""
        names = sorted(name for name, _ in listed(self._session, self._root, STAGING) or ())
        for name in names:
            if not name.endswith(_PARTS):
                continue
            bare = name.removesuffix(_PARTS)
            known = self._receipts(bare)
            if known is not None and known.key.startswith(prefix):
                yield UploadRef(
                    key=Key(known.key),
                    upload=UploadId(bare.partition("-")[0]),
                    started_at=datetime.fromtimestamp(known.began, UTC),
                )

    def forget(self, key: str, upload: UploadId) -> bool:
        """Remove what an attempt left for a key, an upload or a put that was cut; whether there was any."""
        try:
            name = self._name(key, upload)
        except UploadLost:
            return False
        session = self._session
        asked = [
            session.remove(self.path(left))
            for left, _ in listed(session, self._root, STAGING) or ()
            if left in (name, name + _PARTS) or left.startswith(name + ".")
        ]
        found = False
        for number in asked:
            try:
                session.done(number)
                found = True
            except StatusError as error:
                if error.code != StatusError.NO_SUCH_FILE:
                    raise
        return found

    def remove_receipts(self, name: str) -> None:
        """Remove the receipts of an upload that is complete."""
        self._session.forget(self._session.remove(self.path(name + _PARTS)))

    @staticmethod
    def receipts_of(known: _staging.Upload) -> Iterator[PartReceipt]:
        """The parts that an upload holds, by number."""
        return _staging.receipts_of(known)

    @staticmethod
    def _name(key: str, upload: UploadId) -> str:
        try:
            return _staging.staged_name(key, upload)
        except ValueError:
            raise UploadLost(_LOST) from None

    def _receipts(self, name: str) -> _staging.Upload | None:
        """The receipts of an upload; None where there are none or they say nothing."""
        session, path = self._session, self.path(name + _PARTS)
        status = session.attrs_or_none(session.lstat(path))
        if status is None or not status.is_file:
            return None
        size = status.size or 0
        if size > _MOST_RECEIPTS:
            raise Unexpected("the receipts of an upload are far too large")
        try:
            handle = session.handle(session.open(path, READ))
        except StatusError as error:
            if error.code == StatusError.NO_SUCH_FILE:
                return None
            raise
        text = bytearray(size)
        got = session.read_into(handle, 0, memoryview(text))
        session.done(session.close_handle(handle))
        return _staging.parse(bytes(text[:got]))


def write_durably(session: Session, handle: bytes, offset: int, body: memoryview, path: bytes) -> Attrs:
    """Write at ``offset``, sync (where the server can) and close; what the file is afterwards.

    Raises:
        StatusError: Something of it was refused.
        LocalStorageFull: The server's disk is full.
    """
    try:
        flying = session.write_from(handle, offset, body)
        if _FSYNC in session.extensions:
            flying.append(session.extended(_FSYNC, handle))
        status, closing = session.fstat(handle), session.close_handle(handle)
        for number in flying:
            session.done(number)
    except StatusError as error:
        if error.code == StatusError.FAILURE and _full(session, handle, path):
            raise LocalStorageFull(
                "the server's file system is full",
                hint="have some space freed on the server, then run the same command again to carry on",
            ) from error
        raise
    found = session.attrs(status)
    session.done(closing)
    return found


def _full(session: Session, handle: bytes, path: bytes) -> bool:
    """Whether a write failed for want of space: SFTP 3 has no status for that, statvfs@openssh.com tells."""
    if _STATVFS not in session.extensions:
        return False
    session.close_handle(handle)
    session.settle()
    try:
        room = session.numbers(session.extended(_STATVFS, path))
    except StatusError:
        return False
    return len(room) > _AVAILABLE and room[_AVAILABLE] * room[1] < _LITTLE_ROOM
