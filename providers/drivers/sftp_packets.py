"""The packets of SFTP version 3 (draft-ietf-secsh-filexfer-02): numbers, fields, attributes. Pure."""

from __future__ import annotations

import stat
import struct
from dataclasses import dataclass
from typing import Final

from paramiko.ssh_exception import SSHException

__all__ = [
    "APPEND",
    "CREATE",
    "EXCLUSIVE",
    "READ",
    "WRITE",
    "Attrs",
    "Fields",
    "Kind",
    "StatusError",
    "mode_field",
    "size_field",
    "text_field",
    "times_field",
]

READ, WRITE, APPEND, CREATE, EXCLUSIVE = 0x01, 0x02, 0x04, 0x08, 0x20
"""SSH_FXF_*: how a file is opened."""

_HAS_SIZE, _HAS_OWNER, _HAS_MODE, _HAS_TIMES, _HAS_MORE = 1, 2, 4, 8, 0x8000_0000
_U32: Final = struct.Struct(">I")


class Kind:
    """SSH_FXP_*: what a packet is."""

    INIT, VERSION = 1, 2
    OPEN, CLOSE, READ, WRITE, LSTAT, FSTAT, SETSTAT, FSETSTAT = range(3, 11)
    OPENDIR, READDIR, REMOVE, MKDIR, RMDIR, REALPATH, STAT, RENAME = range(11, 19)
    STATUS, HANDLE, DATA, NAME, ATTRS = range(101, 106)
    EXTENDED, EXTENDED_REPLY = 200, 201


class StatusError(Exception):
    """The server answered with a status other than success.

    Attributes:
        code: SSH_FX_*.
        request: What was asked.
    """

    END_OF_FILE: Final = 1
    NO_SUCH_FILE: Final = 2
    PERMISSION_DENIED: Final = 3
    FAILURE: Final = 4
    BAD_MESSAGE: Final = 5
    NO_CONNECTION: Final = 6
    CONNECTION_LOST: Final = 7
    UNSUPPORTED: Final = 8

    def __init__(self, code: int, request: str) -> None:
        super().__init__(f"SFTP status {code} to {request}")
        self.code = code
        self.request = request


@dataclass(frozen=True, slots=True)
class Attrs:
    """What the server says of a file; None where it says nothing. Sizes in bytes, times in seconds."""

    size: int | None = None
    owner: tuple[int, int] | None = None
    mode: int | None = None
    mtime: int | None = None

    @property
    def is_directory(self) -> bool:
        """Whether it is a directory, and no link to one."""
        return self.mode is not None and stat.S_ISDIR(self.mode)

    @property
    def is_file(self) -> bool:
        """Whether it is a plain file, and no link to one."""
        return self.mode is not None and stat.S_ISREG(self.mode)


class Fields:
    """The fields of one packet, each checked against what is left of it."""

    __slots__ = ("_at", "_body")

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._at = 0

    @property
    def left(self) -> int:
        """Bytes not read yet."""
        return len(self._body) - self._at

    def u32(self) -> int:
        """A 32-bit number."""
        return int.from_bytes(self._bytes(4), "big")

    def u64(self) -> int:
        """A 64-bit number."""
        return int.from_bytes(self._bytes(8), "big")

    def text(self) -> bytes:
        """A string, which is bytes."""
        return self._bytes(self.u32())

    def attrs(self) -> Attrs:
        """Attributes; extended ones are passed over."""
        flags = self.u32()
        size = self.u64() if flags & _HAS_SIZE else None
        owner = (self.u32(), self.u32()) if flags & _HAS_OWNER else None
        mode = self.u32() if flags & _HAS_MODE else None
        mtime = None
        if flags & _HAS_TIMES:
            self.u32()
            mtime = self.u32()
        if flags & _HAS_MORE:
            for _ in range(self.u32()):
                self.text()
                self.text()
        return Attrs(size, owner, mode, mtime)

    def _bytes(self, count: int) -> bytes:
        if count > self.left:
            raise SSHException("the server broke the SFTP protocol: a packet ends early")
        self._at += count
        return self._body[self._at - count : self._at]


def text_field(data: bytes) -> bytes:
    """A string."""
    return _U32.pack(len(data)) + data


def mode_field(mode: int | None) -> bytes:
    """Attributes with permissions alone, or none at all."""
    return _U32.pack(0) if mode is None else struct.pack(">II", _HAS_MODE, mode)


def size_field(size: int) -> bytes:
    """Attributes with a size alone."""
    return struct.pack(">IQ", _HAS_SIZE, size)


def times_field(mtime: int) -> bytes:
    """Attributes with both times alone, in seconds."""
    return struct.pack(">III", _HAS_TIMES, mtime, mtime)
