"""SFTP version 3 on one SSH channel: requests in flight and their answers.

paramiko's own client is not used above its channel: it decodes names as UTF-8 and breaks a whole listing at one
that is not, knows a single extension of OpenSSH, reads with a thread for each span and keeps what comes out of
order. Here requests are written ahead of their answers, bytes land where the caller wants them, and what is in
flight is bounded. Extensions: PROTOCOL of OpenSSH, sections 4.3 to 4.10.

A session belongs to one thread at a time. An answer that breaks the protocol, or none within the channel's
timeout, makes it useless (``usable`` is false): whoever holds it closes it.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from paramiko.ssh_exception import SSHException

from providers.drivers.sftp_packets import (
    Attrs,
    Fields,
    Kind,
    StatusError,
    mode_field,
    size_field,
    text_field,
    times_field,
)
from providers.drivers.sftp_pipe import PatientPipe

if TYPE_CHECKING:
    from paramiko.channel import Channel

__all__ = ["Session"]

_HEAD: Final = struct.Struct(">IBI")
_U32: Final = struct.Struct(">I")
_U64: Final = struct.Struct(">Q")
_SAFE_CHUNK: Final = 32_768
"""What every server takes in one request (draft, section 3)."""
_MOST_CHUNK: Final = 255 * 1024
_MOST_PACKET: Final = 1024 * 1024
_READ_AHEAD: Final = 4 * 1024 * 1024
"""Bytes asked for and not yet here, at most: over 25 ms that allows 160 MiB/s."""
_WRITES_AHEAD: Final = 64
_TAKE: Final = 8 * 1024 * 1024
_SEND: Final = 32_768 - 64
_LIMIT_OF_WRITES: Final = 2
"""Place of the longest write in the reply to limits@openssh.com; that of the longest read is before it."""


class Session:
    """One SFTP session on an open channel whose subsystem runs.

    Attributes:
        extensions: What the server announced, name → version.
        read_size: Bytes that one request reads at most.
        write_size: Bytes that one request writes at most.

    Raises:
        SSHException: The server does not speak SFTP 3.
        EOFError: The channel closed.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._out: list[bytes] = []
        self._next = 0
        self._chunk = memoryview(b"")
        self._asked: dict[int, str] = {}
        self._reads: dict[int, memoryview] = {}
        self._answers: dict[int, tuple[int, bytes]] = {}
        self._handles: set[bytes] = set()
        self._broken = False
        self.read_size = self.write_size = _SAFE_CHUNK
        self.extensions = self._greet()
        if b"limits@openssh.com" in self.extensions:
            self._ask_limits()

    @property
    def usable(self) -> bool:
        """Whether the next request will meet a quiet and open session."""
        channel = self._channel
        busy = self._broken or self._asked or self._out or self._handles
        return not (busy or channel.closed or channel.eof_received)

    def settle(self) -> None:
        """Wait for answers that nobody fetched, unless the session cannot go on anyway."""
        if not self._broken and not self._handles:
            self.forget(*self._asked)

    def close(self) -> None:
        """Close the channel."""
        self._broken = True
        self._channel.close()

    # -- requests: each is queued, and gives the number under which its answer is fetched ------------------

    def lstat(self, path: bytes) -> int:
        """Ask what a name is, links not followed."""
        return self._ask(Kind.LSTAT, "lstat", text_field(path))

    def stat(self, path: bytes) -> int:
        """Ask what a name leads to, links followed."""
        return self._ask(Kind.STAT, "stat", text_field(path))

    def fstat(self, handle: bytes) -> int:
        """Ask what an open file is."""
        return self._ask(Kind.FSTAT, "fstat", text_field(handle))

    def open(self, path: bytes, flags: int, mode: int | None = None) -> int:
        """Ask to open a file; ``mode`` is for a new one."""
        return self._ask(Kind.OPEN, "open", text_field(path) + _U32.pack(flags) + mode_field(mode))

    def close_handle(self, handle: bytes) -> int:
        """Ask to close a file or directory."""
        self._handles.discard(handle)
        return self._ask(Kind.CLOSE, "close", text_field(handle))

    def opendir(self, path: bytes) -> int:
        """Ask to open a directory."""
        return self._ask(Kind.OPENDIR, "opendir", text_field(path))

    def readdir(self, handle: bytes) -> int:
        """Ask for more names of a directory."""
        return self._ask(Kind.READDIR, "readdir", text_field(handle))

    def mkdir(self, path: bytes, mode: int) -> int:
        """Ask to make a directory."""
        return self._ask(Kind.MKDIR, "mkdir", text_field(path) + mode_field(mode))

    def remove(self, path: bytes) -> int:
        """Ask to remove a file."""
        return self._ask(Kind.REMOVE, "remove", text_field(path))

    def realpath(self, path: bytes) -> int:
        """Ask for a path without links."""
        return self._ask(Kind.REALPATH, "realpath", text_field(path))

    def set_mode(self, path: bytes, mode: int) -> int:
        """Ask to set permissions."""
        return self._ask(Kind.SETSTAT, "setstat", text_field(path) + mode_field(mode))

    def set_times(self, path: bytes, mtime: int) -> int:
        """Ask to set both times of a file, in seconds."""
        return self._ask(Kind.SETSTAT, "setstat", text_field(path) + times_field(mtime))

    def truncate(self, handle: bytes, size: int) -> int:
        """Ask to cut an open file at ``size``."""
        return self._ask(Kind.FSETSTAT, "fsetstat", text_field(handle) + size_field(size))

    def extended(self, name: bytes, *texts: bytes) -> int:
        """Ask for an extension whose arguments are strings."""
        body = text_field(name) + b"".join(map(text_field, texts))
        return self._ask(Kind.EXTENDED, name.decode(), body)

    # -- answers --------------------------------------------------------------------------------------------

    def done(self, number: int) -> None:
        """Raises ``StatusError`` unless the request succeeded."""
        name = self._asked[number]
        kind, body = self._answer(number)
        if kind != Kind.STATUS:
            raise self._nonsense("a status was due")
        code = Fields(body).u32()
        if code:
            raise StatusError(code, name)

    def attrs(self, number: int) -> Attrs:
        """The attributes asked for."""
        return Fields(self._payload(number, Kind.ATTRS)).attrs()

    def attrs_or_none(self, number: int) -> Attrs | None:
        """The attributes asked for, or None where there is no such file."""
        try:
            return self.attrs(number)
        except StatusError as error:
            if error.code != StatusError.NO_SUCH_FILE:
                raise
            return None

    def handle(self, number: int) -> bytes:
        """The handle asked for; the session is not quiet before it is closed."""
        handle = Fields(self._payload(number, Kind.HANDLE)).text()
        self._handles.add(handle)
        return handle

    def names(self, number: int) -> list[tuple[bytes, Attrs]] | None:
        """Names and attributes, or None at the end of a directory."""
        try:
            fields = Fields(self._payload(number, Kind.NAME))
        except StatusError as error:
            if error.code != StatusError.END_OF_FILE:
                raise
            return None
        found = []
        for _ in range(fields.u32()):
            name = fields.text()
            fields.text()  # a line for people
            found.append((name, fields.attrs()))
        return found

    def path(self, number: int) -> bytes:
        """The one path asked for."""
        fields = Fields(self._payload(number, Kind.NAME))
        if fields.u32() != 1:
            raise self._nonsense("one path was due")
        return fields.text()

    def numbers(self, number: int) -> list[int]:
        """The 64-bit numbers that an extension replies with."""
        fields = Fields(self._payload(number, Kind.EXTENDED_REPLY))
        return [fields.u64() for _ in range(fields.left // 8)]

    def forget(self, *numbers: int) -> None:
        """Wait for answers whose content does not matter."""
        for number in numbers:
            self._answer(number)

    # -- bytes ----------------------------------------------------------------------------------------------

    def read_into(self, handle: bytes, start: int, into: memoryview) -> int:
        """Fill ``into`` from offset ``start``; how many bytes there were before the file ended.

        At most 4 MiB are asked for ahead of their arrival, whatever the length.
        """
        end = len(into)
        wanted = [(0, end)]
        flying: dict[int, tuple[int, int]] = {}
        ahead = 0
        while wanted or flying:
            # Several requests in one SSH packet: ask for more only when half of the window is empty.
            if ahead <= _READ_AHEAD // 2:
                while wanted and ahead < _READ_AHEAD:
                    at, rest = wanted.pop()
                    size = min(rest, self.read_size)
                    if at >= end or not size:
                        continue
                    if size < rest:
                        wanted.append((at + size, rest - size))
                    where = text_field(handle) + _U64.pack(start + at) + _U32.pack(size)
                    number = self._ask(Kind.READ, "read", where)
                    self._reads[number] = into[at : at + size]
                    flying[number] = (at, size)
                    ahead += size
                self._flush()
            if not flying:
                continue
            number = self._receive()
            if number not in flying:
                continue
            at, size = flying.pop(number)
            ahead -= size
            kind, body = self._answer(number)
            code = Fields(body).u32()
            if kind == Kind.STATUS and code == StatusError.END_OF_FILE:
                end = min(end, at)
            elif kind == Kind.STATUS:
                self.forget(*flying)
                raise StatusError(code, "read")
            elif not code:
                raise self._nonsense("neither data nor the end of the file")
            elif code < size:
                wanted.append((at + code, size - code))
        return end

    def write_from(self, handle: bytes, start: int, body: memoryview) -> list[int]:
        """Write ``body`` at offset ``start``; the numbers of what is on its way and still to be found done."""
        head = text_field(handle)
        flying: list[int] = []
        for at in range(0, len(body), self.write_size):
            piece = body[at : at + self.write_size]
            where = head + _U64.pack(start + at) + _U32.pack(len(piece))
            flying.append(self._ask(Kind.WRITE, "write", where + piece))
            self._flush()
            while flying and (len(flying) >= _WRITES_AHEAD or self._channel.recv_ready()):
                self.done(flying.pop(0))
        return flying

    # -- the channel ----------------------------------------------------------------------------------------

    def _ask(self, kind: int, name: str, body: bytes) -> int:
        number = self._next = (self._next + 1) & 0xFFFF_FFFF
        self._asked[number] = name
        self._out.append(_HEAD.pack(len(body) + 5, kind, number) + body)
        return number

    def _flush(self) -> None:
        if not self._out:
            return
        data = b"".join(self._out)
        self._out.clear()
        try:
            at = 0
            while at < len(data):
                sent = self._channel.send(data[at : at + _SEND])
                if not sent:
                    raise EOFError("the channel is closed")
                at += sent
        except BaseException:
            self._broken = True
            raise

    def _answer(self, number: int) -> tuple[int, bytes]:
        self._flush()
        while number not in self._answers:
            self._receive()
        del self._asked[number]
        self._reads.pop(number, None)
        return self._answers.pop(number)

    def _payload(self, number: int, wanted: int) -> bytes:
        name = self._asked[number]
        kind, body = self._answer(number)
        if kind == Kind.STATUS:
            raise StatusError(Fields(body).u32(), name)
        if kind != wanted:
            raise self._nonsense("an answer of another kind")
        return body

    def _receive(self) -> int:
        """Take one packet in: data goes where it was wanted, the rest is kept for whoever asks."""
        try:
            length, kind, number = _HEAD.unpack(self._take(9))
            rest = length - 5
            if number not in self._asked or number in self._answers or not 0 <= rest <= _MOST_PACKET:
                raise self._nonsense("an answer to nothing that was asked")
            view = self._reads.get(number)
            if view is not None and kind == Kind.DATA:
                (got,) = _U32.unpack(self._take(4))
                if got > len(view) or got != rest - 4:
                    raise self._nonsense("more data than was asked for")
                self._take_into(view[:got])
                self._answers[number] = (kind, _U32.pack(got))
            elif view is not None and kind != Kind.STATUS:
                raise self._nonsense("no data where data was due")
            else:
                self._answers[number] = (kind, bytes(self._take(rest)))
        except BaseException:
            self._broken = True
            raise
        return int(number)

    def _take(self, count: int) -> bytes | memoryview:
        if len(self._chunk) >= count:
            taken, self._chunk = self._chunk[:count], self._chunk[count:]
            return taken
        whole = bytearray(count)
        self._take_into(memoryview(whole))
        return bytes(whole)

    def _take_into(self, into: memoryview) -> None:
        filled, total = 0, len(into)
        while filled < total:
            if not self._chunk:
                pipe = self._channel.in_buffer
                if isinstance(pipe, PatientPipe):
                    pipe.wanted = total - filled
                data = self._channel.recv(_TAKE)
                if not data:
                    raise EOFError("the channel is closed")
                self._chunk = memoryview(data)
            count = min(total - filled, len(self._chunk))
            into[filled : filled + count] = self._chunk[:count]
            self._chunk = self._chunk[count:]
            filled += count

    def _nonsense(self, what: str) -> SSHException:
        self._broken = True
        return SSHException(f"the server broke the SFTP protocol: {what}")

    def _greet(self) -> dict[bytes, bytes]:
        self._out.append(_HEAD.pack(5, Kind.INIT, 3))
        self._flush()
        length, kind, version = _HEAD.unpack(self._take(9))
        if kind != Kind.VERSION or version < 3 or not 5 <= length <= _MOST_PACKET:
            raise self._nonsense("it does not offer version 3")
        fields = Fields(bytes(self._take(length - 5)))
        found = {}
        while fields.left:
            name = fields.text()
            found[name] = fields.text()
        return found

    def _ask_limits(self) -> None:
        """Larger requests where the server says that it takes them."""
        try:
            limits = self.numbers(self.extended(b"limits@openssh.com"))
        except StatusError:
            return
        if len(limits) > _LIMIT_OF_WRITES:
            self.read_size = min(max(limits[_LIMIT_OF_WRITES - 1], _SAFE_CHUNK), _MOST_CHUNK)
            self.write_size = min(max(limits[_LIMIT_OF_WRITES], _SAFE_CHUNK), _MOST_CHUNK)
