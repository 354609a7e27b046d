"""A directory of an SFTP server as a bucket: ``a/b`` is the file ``b`` in its folder ``a``.

The keys, the order of listings and the folder of unfinished uploads are those of a directory store
(``filesystem``): what one of the two has written the other can take up. Written for OpenSSH, whose extensions
(PROTOCOL, section 4) give what SFTP 3 lacks: sync, a rename that replaces, a link that does not, room left.

Uploads keep all parts in one temporary file, each at its offset, with a file of receipts beside it
(``sftp_staging`` says why that survives any death). The pin is weak: size, second of the last change and owner,
compared before and after each read. SFTP has no checksums: what was written is known by reading it back.
"""

from __future__ import annotations

import itertools
import os
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from threading import Lock
from typing import Final

from paramiko.ssh_exception import SSHException

from providers import keys
from providers.capabilities import Capabilities
from providers.drivers import _staging
from providers.drivers._files import lost_attributes, refuse_version
from providers.drivers._paths import key_problem
from providers.drivers._publish import check_parts
from providers.drivers.sftp_connect import Connection
from providers.drivers.sftp_errors import translate
from providers.drivers.sftp_packets import CREATE, EXCLUSIVE, READ, WRITE, Attrs
from providers.drivers.sftp_pool import SessionPool
from providers.drivers.sftp_settings import SftpSettings
from providers.drivers.sftp_staging import Staging, write_durably
from providers.drivers.sftp_tree import Root, find_root, listed, publish, sync_directory
from providers.drivers.sftp_walk import Walk, etag_of, meta_of
from providers.drivers.sftp_wire import Session
from providers.errors import (
    ConditionFailed,
    KeyRefused,
    NotFound,
    RangeInvalid,
    StoreError,
    Truncated,
    Unsupported,
    UploadLost,
)
from providers.limits import require_options
from providers.model import (
    NO_ATTRIBUTES,
    Attributes,
    Buffer,
    Extra,
    Key,
    ObjectMeta,
    Page,
    PageToken,
    PartReceipt,
    Pin,
    PutOptions,
    ReadResult,
    Span,
    UploadId,
    UploadRef,
    VersionId,
)

__all__ = ["SftpDriver", "SftpSettings"]

_WALKS: Final = 8
_MODE: Final = 0o600
_TRIES: Final = 8


class SftpDriver:
    """The files beneath one directory of an SFTP server.

    Nothing is connected until the first operation.
    """

    def __init__(self, settings: SftpSettings) -> None:
        self._settings = settings
        self._pool = SessionPool(lambda: Connection(settings), settings.max_connections)
        self._lock = Lock()
        self._root: Root | None = None
        self._walks: OrderedDict[tuple[str, PageToken], Walk] = OrderedDict()
        self._serial = itertools.count()

    @property
    def capabilities(self) -> Capabilities:
        """What this server can do, as its profile says."""
        return self._settings.capabilities

    def check_key(self, key: Key) -> str | None:
        """Why the key is no path beneath the root, or None."""
        return key_problem(key) or keys.refused(key, self.capabilities)

    def check_attributes(self, attributes: Attributes) -> list[str]:
        """What a plain file cannot keep."""
        return lost_attributes(attributes)

    def check_bucket(self) -> None:
        """Raises ``NotFound`` unless the directory is there and can be listed."""
        with self._pool.lend() as session:
            if listed(session, self._base(session), ()) is None:
                raise NotFound("there is no such directory on the server")

    def head(self, key: Key, *, version: VersionId | None = None) -> ObjectMeta:
        """The file's size, time and weak etag; its attributes are empty."""
        refuse_version(version)
        with self._pool.lend() as session:
            return _described(key, _file(self._base(session).status(session, _segments(key))))

    def list_page(self, prefix: str, token: PageToken | None, limit: int) -> Page:
        """Files in the order of their keys; a listing that goes on from its last page scans nothing again."""
        walk = None
        if token is not None:
            with self._lock:
                walk = self._walks.pop((prefix, token), None)
        if walk is None:
            walk = Walk(prefix, token)
        with self._pool.lend() as session:
            base = self._base(session)
            page = walk.page(lambda parts: listed(session, base, parts), limit)
        if page.next_token is not None:
            with self._lock:
                self._walks[(prefix, page.next_token)] = walk
                while len(self._walks) > _WALKS:
                    self._walks.popitem(last=False)
        return page

    def list_extras(self, prefix: str) -> Iterator[Extra]:
        """Nothing: a file has no older versions."""
        del prefix
        yield from ()

    def read(
        self, key: Key, *, span: Span | None = None, pin: Pin | None = None, into: memoryview | None = None
    ) -> ReadResult:
        """The bytes of a span, or of the whole file; the file is compared before and after.

        Raises:
            NotFound: There is no such file.
            ConditionFailed: It is not the pinned one, or it changed while it was read.
            RangeInvalid: The span ends behind the file.
            Truncated: Fewer bytes came than the file's size promised, though nothing else about it changed.
        """
        refuse_version(None if pin is None else pin.version)
        with self._pool.lend() as session:
            base, parts = self._base(session), _segments(key)
            # A pipe would hold the server up when it is opened: look first.
            before = _file(base.status(session, parts))
            etag, size = etag_of(before), before.size or 0
            if pin is not None and (pin.etag not in (None, etag) or pin.size not in (None, size)):
                raise ConditionFailed("the file is not the one that was listed")
            start, length = (0, size) if span is None else (span.start, span.length)
            if span is not None and span.end > size:
                raise RangeInvalid(f"the span ends at {span.end}, the file at {size}")
            view = (
                into[:length] if into is not None and len(into) >= length else memoryview(bytearray(length))
            )
            handle = session.handle(session.open(base.at(parts), READ))
            opened = session.fstat(handle)
            got = session.read_into(handle, start, view)
            after, closed = session.fstat(handle), session.close_handle(handle)
            seen = {etag_of(session.attrs(number)) for number in (opened, after)}
            session.done(closed)
            if seen != {etag}:
                raise ConditionFailed("the file changed while it was read")
            if got != length:
                raise Truncated(f"{got} bytes came of {length}")
        return ReadResult(meta=_described(key, before), data=view)

    def read_tags(self, key: Key, *, version: VersionId | None = None) -> Mapping[str, str]:
        """Raises ``Unsupported``: a file has no tags."""
        del key, version
        raise Unsupported("a file has no tags")

    def put(self, key: Key, body: Buffer, options: PutOptions, *, sha256: bytes | None = None) -> ObjectMeta:
        """Write a whole file aside, then give it its name; nothing here checks ``sha256``."""
        del sha256
        parts = self._check_write(key, options)
        serial = f"{os.getpid()}x{next(self._serial)}"
        name = f"{_staging.staged_name(key, options.attempt)}.{serial}.put"
        try:
            with self._pool.lend() as session:
                base = self._base(session)
                staging = Staging(session, base)
                if not staging.there():
                    staging.make()
                path = staging.path(name)
                handle = session.handle(session.open(path, WRITE | CREATE | EXCLUSIVE, _MODE))
                write_durably(session, handle, 0, memoryview(body).cast("B"), path)
                found = publish(session, base, path, parts, if_absent=options.if_absent)
        except BaseException:
            self._remove_aside(name)
            raise
        return meta_of(key, found)

    def _remove_aside(self, name: str) -> None:
        """Remove a temporary file; best effort: one that stays is found again by its attempt."""
        # The error that brought us here is the one to tell.
        with suppress(Exception):
            for _ in range(_TRIES):
                # What cut the transfer may have cut idle connections too, which only shows in use.
                with suppress(SSHException, EOFError, OSError), self._pool.lend() as session:
                    session.forget(session.remove(Staging(session, self._base(session)).path(name)))
                    return

    def open_upload(self, key: Key, options: PutOptions) -> UploadId:
        """Begin an upload; its id is the attempt, and opening the same attempt again takes it up."""
        self._check_write(key, options)
        with self._pool.lend() as session:
            return Staging(session, self._base(session)).begin(key, options.attempt)

    def put_part(
        self,
        key: Key,
        upload: UploadId,
        number: int,
        offset: int,
        body: Buffer,
        *,
        sha256: bytes | None = None,
    ) -> PartReceipt:
        """Write a part in its place; it is on the server's disk when this returns."""
        view = memoryview(body).cast("B")
        part = _staging.Part(number, offset, view.nbytes)
        with self._pool.lend() as session:
            Staging(session, self._base(session)).write_part(key, upload, part, view)
        return PartReceipt(number=number, size=view.nbytes, sha256=sha256)

    def list_parts(self, key: Key, upload: UploadId) -> Iterator[PartReceipt]:
        """The parts that are on the server's disk, by number."""
        with self._pool.lend() as session:
            _, known = Staging(session, self._base(session)).find(key, upload)
        yield from _staging.receipts_of(known)

    def list_uploads(self, prefix: str) -> Iterator[UploadRef]:
        """Unfinished uploads on keys that start with ``prefix``; a put that was cut is not among them."""
        with self._pool.lend() as session:
            found = list(Staging(session, self._base(session)).unfinished(prefix))
        yield from found

    def complete_upload(
        self, key: Key, upload: UploadId, parts: Sequence[PartReceipt], options: PutOptions
    ) -> ObjectMeta:
        """Check that the parts are there and meet end to end, then give the file its name.

        Raises:
            UploadLost: There is no such upload (it may have been completed: look at the object).
            ConditionFailed: The parts named are not those on the disk, or leave a gap.
        """
        with self._pool.lend() as session:
            base = self._base(session)
            staging = Staging(session, base)
            name, known = staging.find(key, upload)
            size = check_parts(known, parts)
            path = staging.path(name)
            handle = session.handle(session.open(path, WRITE))
            written = session.attrs(session.fstat(handle)).size or 0
            if written > size:
                session.done(session.truncate(handle, size))
            write_durably(session, handle, 0, memoryview(b""), path)
            if written < size:
                raise ConditionFailed("the file is shorter than its parts")
            found = publish(session, base, path, _segments(key), if_absent=options.if_absent)
            staging.remove_receipts(name)
        return meta_of(key, found)

    def abort_upload(self, key: Key, upload: UploadId) -> None:
        """Remove what an attempt left unfinished: an upload, or the temporary file of a put that was cut."""
        with self._pool.lend() as session:
            if not Staging(session, self._base(session)).forget(key, upload):
                raise UploadLost("there is no such unfinished upload on this key")

    def delete(self, key: Key, *, version: VersionId | None = None) -> None:
        """Remove a file, durably where the server can; folders stay."""
        refuse_version(version)
        with self._pool.lend() as session:
            base, parts = self._base(session), _segments(key)
            _file(base.status(session, parts))
            session.done(session.remove(base.at(parts)))
            sync_directory(session, base.at(parts[:-1]))

    def translate(self, error: Exception) -> StoreError:
        """Classify by SFTP status or kind of exception; paths stay out of the message."""
        return translate(error)

    def close(self) -> None:
        """Forget listings under way and close every connection."""
        with self._lock:
            self._walks.clear()
        self._pool.close()

    def _base(self, session: Session) -> Root:
        """The root, resolved once by the server; a missing one is an operation's error."""
        root = self._root
        if root is None:
            settings = self._settings
            root = find_root(session, settings.place.root, settings.bucket, create=settings.create)
            self._root = root
        return root

    def _check_write(self, key: Key, options: PutOptions) -> list[str]:
        require_options(self.capabilities, options)
        return _segments(key)


def _segments(key: Key) -> list[str]:
    problem = key_problem(key)
    if problem is not None:
        raise KeyRefused(f"the key {problem}")
    return key.split("/")


def _file(found: Attrs | None) -> Attrs:
    """What was found, if it is a plain file.

    Raises:
        NotFound: There is nothing, or a folder.
        KeyRefused: It is a link, a pipe, a socket or a device.
    """
    if found is None:
        raise NotFound("there is no such file")
    if found.is_directory:
        raise NotFound("there is a folder of that name, and no file")
    if not found.is_file:
        raise KeyRefused("this is a symbolic link, a pipe, a socket or a device, and no file")
    return found


def _described(key: Key, found: Attrs) -> ObjectMeta:
    meta = meta_of(key, found)
    return ObjectMeta(
        key=meta.key,
        size=meta.size,
        etag=meta.etag,
        modified_at=meta.modified_at,
        attributes=NO_ATTRIBUTES,
    )
