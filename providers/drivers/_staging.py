"""Unfinished uploads of a filesystem store: bytes in one file, receipts in another, in ``.havre/uploads``.

An upload is called after its attempt and its key: ``ATTEMPT-KEYDIGEST``. ``ATTEMPT-KEYDIGEST.parts`` has one
JSON line that says which key it is for and when it began, then a line ``[number, offset, size]`` per
part, appended only once the part's bytes are on the disk: what it names survives a power cut. A line that was
cut is ignored. The file of a single put is ``ATTEMPT-KEYDIGEST.SERIAL.put`` and lives for one call.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from providers.errors import UploadLost
from providers.model import Key, PartReceipt, UploadId, UploadRef

__all__ = [
    "Part",
    "Upload",
    "begin",
    "find",
    "forget",
    "head_line",
    "parse",
    "part_line",
    "receipts_of",
    "staged_name",
    "unfinished",
    "write_all",
    "write_part",
]

_PARTS: Final = ".parts"
_ATTEMPT: Final = re.compile(r"[0-9a-z]{1,32}")
_FILE: Final = os.O_CLOEXEC | os.O_NOFOLLOW


@dataclass(frozen=True, slots=True)
class Part:
    """One acknowledged part: where its bytes begin and how many they are."""

    number: int
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Upload:
    """What the receipts of an upload say."""

    key: str
    began: float
    parts: dict[int, Part]


def staged_name(key: str, attempt: str) -> str:
    """The name of the staging file of one attempt on one key.

    Raises:
        ValueError: The attempt is not 1-32 characters of ``[0-9a-z]``.
    """
    if not _ATTEMPT.fullmatch(attempt):
        raise ValueError("an attempt is 1 to 32 characters of 0-9 and a-z")
    return f"{attempt}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"


def begin(staging: int, key: str, attempt: str) -> UploadId:
    """Create both files of an upload, durably; one of this attempt that is there already is taken up."""
    name = staged_name(key, attempt)
    head = head_line(key, time.time())
    try:
        receipts = os.open(name + _PARTS, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FILE, 0o600, dir_fd=staging)
    except FileExistsError:
        if _read(staging, name) is not None:
            return UploadId(attempt)
        # Its first line never reached the disk, so nobody was told of this upload: begin it again.
        receipts = os.open(name + _PARTS, os.O_WRONLY | os.O_TRUNC | _FILE, dir_fd=staging)
    try:
        write_all(receipts, head)
        os.close(os.open(name, os.O_WRONLY | os.O_CREAT | _FILE, 0o600, dir_fd=staging))
        os.fsync(receipts)
    finally:
        os.close(receipts)
    os.fsync(staging)
    return UploadId(attempt)


def find(staging: int, key: str, upload: UploadId) -> tuple[str, Upload]:
    """The staging name and receipts of an upload.

    Raises:
        UploadLost: There is no such upload on this key.
    """
    if _ATTEMPT.fullmatch(upload):
        name = staged_name(key, upload)
        known = _read(staging, name)
        if known is not None and known.key == key and _exists(staging, name):
            return name, known
    raise UploadLost("there is no such unfinished upload on this key")


def write_part(staging: int, name: str, part: Part, body: memoryview) -> None:
    """Put a part's bytes in their place, and only once they are on the disk, its receipt."""
    data = os.open(name, os.O_WRONLY | _FILE, dir_fd=staging)
    try:
        write_all(data, body, part.offset)
        os.fdatasync(data)
    finally:
        os.close(data)
    receipts = os.open(name + _PARTS, os.O_WRONLY | os.O_APPEND | _FILE, dir_fd=staging)
    try:
        os.write(receipts, part_line(part))
        os.fdatasync(receipts)
    finally:
        os.close(receipts)


def receipts_of(upload: Upload) -> Iterator[PartReceipt]:
    """The parts that an upload holds, by number."""
    for number in sorted(upload.parts):
        yield PartReceipt(number=number, size=upload.parts[number].size)


def unfinished(staging: int, prefix: str) -> Iterator[UploadRef]:
    """Every upload on a key that starts with ``prefix``, by name."""
    for name in sorted(os.listdir(staging)):
        if not name.endswith(_PARTS):
            continue
        bare = name.removesuffix(_PARTS)
        known = _read(staging, bare)
        # Receipts whose data file is gone are what a death in the middle of a completion leaves.
        if known is not None and known.key.startswith(prefix):
            yield UploadRef(
                key=Key(known.key),
                upload=UploadId(bare.partition("-")[0]),
                started_at=datetime.fromtimestamp(known.began, UTC),
            )


def forget(staging: int, key: str, upload: UploadId) -> bool:
    """Remove what an attempt left for a key, an upload or a put that was cut; whether there was any."""
    if not _ATTEMPT.fullmatch(upload):
        return False
    name = staged_name(key, upload)
    found = False
    for leftover in os.listdir(staging):
        if leftover in (name, name + _PARTS) or leftover.startswith(name + "."):
            with suppress(FileNotFoundError):
                os.unlink(leftover, dir_fd=staging)
                found = True
    return found


def write_all(descriptor: int, body: bytes | memoryview, offset: int | None = None) -> None:
    """Write every byte, at ``offset`` or where the descriptor stands."""
    rest = memoryview(body)
    while rest.nbytes:
        if offset is None:
            done = os.write(descriptor, rest)
        else:
            done = os.pwrite(descriptor, rest, offset)
            offset += done
        rest = rest[done:]


def _exists(staging: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=staging, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _read(staging: int, name: str) -> Upload | None:
    """The receipts of an upload; None where there are none or they say nothing."""
    try:
        descriptor = os.open(name + _PARTS, os.O_RDONLY | _FILE, dir_fd=staging)
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, "rb") as receipts:
        return parse(receipts.read())


def head_line(key: str, began: float) -> bytes:
    """The first line of receipts: which key they are for, and when the upload began (seconds of the epoch)."""
    return json.dumps({"key": key, "began": began}).encode() + b"\n"


def part_line(part: Part) -> bytes:
    """The receipt of a part. The newline before it keeps it whole behind one that a power cut left unfinished."""
    return b"\n%s\n" % json.dumps([part.number, part.offset, part.size]).encode()


def parse(receipts: bytes) -> Upload | None:
    """What receipts say; None where they do not even name the key."""
    first, *lines = receipts.split(b"\n")
    try:
        head = json.loads(first)
        upload = Upload(key=str(head["key"]), began=float(head["began"]), parts={})
    except (ValueError, KeyError, TypeError):
        return None
    for line in lines:
        try:
            number, offset, size = json.loads(line)
        except (ValueError, TypeError):
            continue
        upload.parts[number] = Part(number, offset, size)
    return upload
