"""A directory as a bucket: ``/srv/data`` holds the object ``a/b`` in the file ``/srv/data/a/b``.

Keys are paths, kept exactly or refused; symbolic links are never followed on the way. Metadata, content
headers and tags have no place in a plain file and are refused, not dropped. The pin is weak: an etag is made
of the inode, size and times, compared before and after each read.

Durability costs: a put is written aside, synced, given its name without replacing (``link``) or in one
rename, and its folder is synced: two or three syncs per object, which the file system joins when many threads
ask at once. A part is synced before it is acknowledged, for its receipt goes into a ledger that outlives a
power cut.
"""

from __future__ import annotations

import itertools
import os
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Final

from providers import keys
from providers.capabilities import Capabilities
from providers.drivers import _staging
from providers.drivers._errno import translate
from providers.drivers._files import (
    described,
    lost_attributes,
    read_exactly,
    refuse_version,
    require_file,
)
from providers.drivers._paths import (
    STAGING,
    descend,
    folds_case,
    key_problem,
    sync_directory,
)
from providers.drivers._publish import check_parts, publish
from providers.drivers._walk import Walk, etag_of, meta_of
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
from providers.protocols import FILESYSTEM_BASE

__all__ = ["FilesystemDriver"]

_PATH_MAX: Final = 4095
_WALKS: Final = 8
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_CREATE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class FilesystemDriver:
    """The files beneath one directory.

    Args:
        root: The directory; a link in its own path is resolved once, here.
        capabilities: Narrower than ``FILESYSTEM_BASE``, if a profile says so.
        create: Make the directory (0700) if it is missing.

    Nothing is opened until the first operation, which raises ``FileNotFoundError`` where the root is missing.
    """

    def __init__(self, root: Path, *, capabilities: Capabilities | None = None, create: bool = False) -> None:
        self._root = root.resolve()
        self._given = capabilities or FILESYSTEM_BASE
        self._create = create
        self._lock = Lock()
        self._root_descriptor: int | None = None
        self._walks: OrderedDict[tuple[str, PageToken], Walk] = OrderedDict()
        self._serial = itertools.count()

    @cached_property
    def capabilities(self) -> Capabilities:
        """What this directory can do: its path counts in the longest key, case folding is looked for."""
        room = _PATH_MAX - len(os.fsencode(self._root)) - 1
        return self._given.narrowed(
            max_key_bytes=min(self._given.max_key_bytes, room),
            keys_fold_case=self._given.keys_fold_case or folds_case(self._root),
        )

    def check_key(self, key: Key) -> str | None:
        """Why the key is no path beneath the root, or None."""
        return key_problem(key) or keys.refused(key, self.capabilities)

    def check_attributes(self, attributes: Attributes) -> list[str]:
        """What a plain file cannot keep."""
        return lost_attributes(attributes)

    def check_bucket(self) -> None:
        """Raises ``OSError`` unless the root is there and can be listed."""
        with os.scandir(self._base()) as entries:
            next(entries, None)

    def head(self, key: Key, *, version: VersionId | None = None) -> ObjectMeta:
        """The file's size, times and weak etag; its attributes are empty."""
        refuse_version(version)
        *parents, name = _segments(key)
        try:
            directory = descend(self._base(), parents)
            try:
                status = os.stat(name, dir_fd=directory, follow_symlinks=False)
            finally:
                os.close(directory)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NotFound("there is no such file") from error
        require_file(status)
        return described(key, status)

    def list_page(self, prefix: str, token: PageToken | None, limit: int) -> Page:
        """Files in the order of their keys; a listing that goes on from its last page scans nothing again."""
        walk = None
        if token is not None:
            with self._lock:
                walk = self._walks.pop((prefix, token), None)
        if walk is None:
            walk = Walk(self._base(), prefix, token)
        page = walk.page(limit)
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
        *parents, name = _segments(key)
        file = self._open(parents, name)
        try:
            before = os.fstat(file)
            require_file(before)
            etag = etag_of(before)
            if pin is not None and (pin.etag not in (None, etag) or pin.size not in (None, before.st_size)):
                raise ConditionFailed("the file is not the one that was listed")
            start, length = (0, before.st_size) if span is None else (span.start, span.length)
            if span is not None and span.end > before.st_size:
                raise RangeInvalid(f"the span ends at {span.end}, the file at {before.st_size}")
            data = read_exactly(file, start, length, into)
            if etag_of(os.fstat(file)) != etag:
                raise ConditionFailed("the file changed while it was read")
            if len(data) != length:
                raise Truncated(f"{len(data)} bytes came of {length}")
        finally:
            os.close(file)
        return ReadResult(meta=described(key, before), data=data)

    def read_tags(self, key: Key, *, version: VersionId | None = None) -> Mapping[str, str]:
        """Raises ``Unsupported``: a file has no tags."""
        del key, version
        raise Unsupported("a file has no tags")

    def put(self, key: Key, body: Buffer, options: PutOptions, *, sha256: bytes | None = None) -> ObjectMeta:
        """Write a whole file aside, then give it its name; nothing here checks ``sha256``."""
        del sha256
        self._check_write(key, options)
        temporary = f"{_staging.staged_name(key, options.attempt)}.{os.getpid()}x{next(self._serial)}.put"
        staging = descend(self._base(), STAGING, create=True)
        try:
            file = os.open(temporary, _CREATE, 0o600, dir_fd=staging)
            try:
                _staging.write_all(file, memoryview(body).cast("B"))
                os.fsync(file)
                self._publish(key, staging, temporary, if_absent=options.if_absent)
                return meta_of(key, os.fstat(file))
            except BaseException:
                # best effort: a temporary file that stays is found again by its attempt.
                with suppress(OSError):
                    os.unlink(temporary, dir_fd=staging)
                raise
            finally:
                os.close(file)
        finally:
            os.close(staging)

    def open_upload(self, key: Key, options: PutOptions) -> UploadId:
        """Begin an upload; its id is the attempt, and opening the same attempt again takes it up."""
        self._check_write(key, options)
        staging = descend(self._base(), STAGING, create=True)
        try:
            return _staging.begin(staging, key, options.attempt)
        finally:
            os.close(staging)

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
        """Write a part in its place; it is on the disk when this returns."""
        staging = self._staging()
        try:
            name, _ = _staging.find(staging, key, upload)
            view = memoryview(body).cast("B")
            _staging.write_part(staging, name, _staging.Part(number, offset, view.nbytes), view)
        finally:
            os.close(staging)
        return PartReceipt(number=number, size=view.nbytes, sha256=sha256)

    def list_parts(self, key: Key, upload: UploadId) -> Iterator[PartReceipt]:
        """The parts that are on the disk, by number."""
        staging = self._staging()
        try:
            _, known = _staging.find(staging, key, upload)
        finally:
            os.close(staging)
        yield from _staging.receipts_of(known)

    def list_uploads(self, prefix: str) -> Iterator[UploadRef]:
        """Unfinished uploads on keys that start with ``prefix``; a put that was cut is not among them."""
        try:
            staging = descend(self._base(), STAGING)
        except FileNotFoundError:
            self.check_bucket()
            return
        try:
            yield from list(_staging.unfinished(staging, prefix))
        finally:
            os.close(staging)

    def complete_upload(
        self, key: Key, upload: UploadId, parts: Sequence[PartReceipt], options: PutOptions
    ) -> ObjectMeta:
        """Check that the parts are there and meet end to end, then give the file its name.

        Raises:
            UploadLost: There is no such upload (it may have been completed: look at the object).
            ConditionFailed: The parts named are not those on the disk, or leave a gap.
        """
        staging = self._staging()
        try:
            name, known = _staging.find(staging, key, upload)
            size = check_parts(known, parts)
            file = os.open(name, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=staging)
            try:
                written = os.fstat(file).st_size
                if written < size:
                    raise ConditionFailed("the file is shorter than its parts")
                if written > size:
                    os.ftruncate(file, size)
                os.fsync(file)
                self._publish(key, staging, name, if_absent=options.if_absent)
                meta = meta_of(key, os.fstat(file))
            finally:
                os.close(file)
            _staging.forget(staging, key, upload)
        finally:
            os.close(staging)
        return meta

    def abort_upload(self, key: Key, upload: UploadId) -> None:
        """Remove what an attempt left unfinished: an upload, or the temporary file of a put that was cut."""
        staging = self._staging()
        try:
            if not _staging.forget(staging, key, upload):
                raise UploadLost("there is no such unfinished upload on this key")
        finally:
            os.close(staging)

    def delete(self, key: Key, *, version: VersionId | None = None) -> None:
        """Remove a file, durably; folders stay."""
        refuse_version(version)
        *parents, name = _segments(key)
        try:
            directory = descend(self._base(), parents)
            try:
                require_file(os.stat(name, dir_fd=directory, follow_symlinks=False))
                os.unlink(name, dir_fd=directory)
                sync_directory(directory)
            finally:
                os.close(directory)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NotFound("there is no such file") from error

    def translate(self, error: Exception) -> StoreError:
        """Classify by ``errno``; paths stay out of the message."""
        return translate(error)

    def close(self) -> None:
        """Forget listings under way and close the root."""
        with self._lock:
            self._walks.clear()
            descriptor, self._root_descriptor = self._root_descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def _base(self) -> int:
        """The root's descriptor, opened on first use so that a missing root is an operation's error."""
        descriptor = self._root_descriptor
        if descriptor is None:
            with self._lock:
                if self._root_descriptor is None:
                    if self._create:
                        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
                    self._root_descriptor = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                descriptor = self._root_descriptor
        return descriptor

    def _staging(self) -> int:
        try:
            return descend(self._base(), STAGING)
        except FileNotFoundError as error:
            self.check_bucket()
            raise UploadLost("there is no such unfinished upload on this key") from error

    def _open(self, parents: Sequence[str], name: str) -> int:
        try:
            directory = descend(self._base(), parents)
            try:
                return os.open(name, _READ, dir_fd=directory)
            finally:
                os.close(directory)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NotFound("there is no such file") from error

    def _check_write(self, key: Key, options: PutOptions) -> None:
        _segments(key)
        require_options(self._given, options)

    def _publish(self, key: Key, staging: int, temporary: str, *, if_absent: bool) -> None:
        *parents, name = _segments(key)
        directory = descend(self._base(), parents, create=True)
        try:
            publish(staging, temporary, directory, name, if_absent=if_absent)
        finally:
            os.close(directory)


def _segments(key: Key) -> list[str]:
    problem = key_problem(key)
    if problem is not None:
        raise KeyRefused(f"the key {problem}")
    return key.split("/")
