"""What a plain file is as an object: what it can keep, how it is described, how its bytes are read."""

from __future__ import annotations

import os
import stat

from providers.drivers._walk import etag_of, time_of
from providers.errors import KeyRefused, NotFound, Unsupported
from providers.model import NO_ATTRIBUTES, Attributes, Buffer, Key, ObjectMeta, VersionId

__all__ = [
    "described",
    "lost_attributes",
    "read_exactly",
    "refuse_version",
    "require_file",
]


def lost_attributes(attributes: Attributes) -> list[str]:
    """What a plain file cannot keep of these, one sentence each."""
    headers = (
        ("Content-Type", attributes.content_type),
        ("Content-Encoding", attributes.content_encoding),
        ("Content-Language", attributes.content_language),
        ("Content-Disposition", attributes.content_disposition),
        ("Cache-Control", attributes.cache_control),
    )
    lost = [f"a file keeps no {name}" for name, value in headers if value is not None]
    if attributes.metadata:
        lost.append("a file keeps no user metadata")
    if attributes.tags:
        lost.append("a file keeps no tags")
    return lost


def refuse_version(version: VersionId | None) -> None:
    """Raises ``Unsupported`` for a version: a file has none."""
    if version is not None:
        raise Unsupported("a file has no versions")


def require_file(status: os.stat_result) -> None:
    """Raises ``NotFound`` for a folder and ``KeyRefused`` for what is neither folder nor file."""
    if stat.S_ISDIR(status.st_mode):
        raise NotFound("there is a folder of that name, and no file")
    if not stat.S_ISREG(status.st_mode):
        raise KeyRefused("this is a symbolic link, a pipe, a socket or a device, and no file")


def described(key: Key, status: os.stat_result) -> ObjectMeta:
    """A file as ``head`` tells it: with attributes, which are none."""
    return ObjectMeta(
        key=key,
        size=status.st_size,
        etag=etag_of(status),
        modified_at=time_of(status.st_mtime),
        attributes=NO_ATTRIBUTES,
    )


def read_exactly(file: int, start: int, length: int, into: memoryview | None = None) -> Buffer:
    """``length`` bytes from ``start``, or what there is of them; one read where one is enough.

    ``into`` is read into if it is long enough.
    """
    if into is not None and len(into) >= length:
        got = 0
        while got < length:
            count = os.preadv(file, [into[got:length]], start + got)
            if not count:
                break
            got += count
        return into[:got]
    first = os.pread(file, length, start)
    if len(first) == length or not first:
        return first
    whole = bytearray(first)
    while len(whole) < length:
        more = os.pread(file, length - len(whole), start + len(whole))
        if not more:
            break
        whole += more
    return whole
