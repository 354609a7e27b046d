"""The SFTP session before servers that answer oddly: short, out of order, too much, nonsense."""

from __future__ import annotations

import random
import struct
from typing import Any

import pytest
from paramiko.ssh_exception import SSHException

from providers.drivers.sftp_errors import translate
from providers.drivers.sftp_packets import Attrs, Fields, Kind, StatusError, text_field
from providers.drivers.sftp_staging import write_durably
from providers.drivers.sftp_wire import Session
from providers.errors import (
    KeyRefused,
    LocalStorageFull,
    NotFound,
    PermissionDenied,
    Unavailable,
    Unexpected,
    Unsupported,
)


def packet(kind: int, number: int, body: bytes = b"") -> bytes:
    return struct.pack(">IBI", len(body) + 5, kind, number) + body


def status(number: int, code: int) -> bytes:
    return packet(Kind.STATUS, number, struct.pack(">I", code) + text_field(b"words") + text_field(b""))


class Channel:
    """A channel whose other end is a function from one request to the packets that answer it."""

    closed = eof_received = False
    in_buffer = None

    def __init__(self, answer: Any, greeting: bytes = packet(Kind.VERSION, 3)) -> None:
        self._answer = answer
        self._in = b""
        self._out = greeting
        self.requests: list[tuple[int, int, bytes]] = []
        self.draw = random.Random(5)

    def send(self, data: bytes) -> int:
        taken = data[: self.draw.randrange(1, len(data) + 1)]
        self._in += taken
        while len(self._in) >= 4 and len(self._in) >= 4 + (length := struct.unpack(">I", self._in[:4])[0]):
            request, self._in = self._in[4 : 4 + length], self._in[4 + length :]
            kind, number = struct.unpack(">BI", request[:5])
            if kind != Kind.INIT:
                self.requests.append((kind, number, request[5:]))
                self._out += self._answer(kind, number, request[5:])
        return len(taken)

    def recv_ready(self) -> bool:
        return bool(self._out)

    def recv(self, most: int) -> bytes:
        count = self.draw.randrange(1, 50_000)
        taken, self._out = self._out[: min(most, count)], self._out[min(most, count) :]
        return taken

    def close(self) -> None:
        self.closed = True


def reader(content: bytes, most: int) -> Any:
    """A server of one file that never sends more than `most` bytes at once."""

    def answer(kind: int, number: int, body: bytes) -> bytes:
        assert kind == Kind.READ
        fields = Fields(body)
        fields.text()
        start, length = fields.u64(), fields.u32()
        data = content[start : start + min(length, most)]
        return packet(Kind.DATA, number, text_field(data)) if data else status(number, 1)

    return answer


@pytest.mark.parametrize("most", [1000, 32_768, 10**6])
def test_reads_are_put_together(most):
    """What comes in pieces, shorter than asked for, is the file byte for byte."""
    content = random.Random(1).randbytes(300_000)
    session = Session(Channel(reader(content, most)))
    into = bytearray(200_000)
    assert session.read_into(b"h", 50_000, memoryview(into)) == 200_000
    assert bytes(into) == content[50_000:250_000]
    assert session.usable


def test_a_file_that_ends_early_is_told():
    """Beyond the end of a file there is nothing, and the count says where that was."""
    content = bytes(range(250)) * 400
    session = Session(Channel(reader(content, 7000)))
    into = bytearray(150_000)
    assert session.read_into(b"h", 0, memoryview(into)) == len(content)
    assert bytes(into[: len(content)]) == content
    assert session.usable


def test_what_is_asked_for_ahead_is_bounded():
    """However long the span, only some MiB are under way at once."""
    seen = []

    class Slow(Channel):
        def recv(self, most: int) -> bytes:
            seen.append(len(self.requests) * 32_768 - got[0])
            data = super().recv(most)
            got[0] += len(data)
            return data

    got = [0]
    content = bytes(12 * 1024 * 1024)
    session = Session(Slow(reader(content, 10**6)))
    assert session.read_into(b"h", 0, memoryview(bytearray(len(content)))) == len(content)
    assert max(seen) < 5 * 1024 * 1024


def test_a_read_that_is_refused_leaves_a_quiet_session():
    """After a refused read nothing is under way: the session goes on."""
    session = Session(Channel(lambda _kind, number, _body: status(number, 4)))
    with pytest.raises(StatusError) as caught:
        session.read_into(b"h", 0, memoryview(bytearray(500_000)))
    assert (caught.value.code, caught.value.request) == (4, "read")
    assert session.usable


def test_answers_may_come_in_any_order():
    """An answer is found by its number, not by its place."""
    waiting = []

    def answer(_kind: int, number: int, body: bytes) -> bytes:
        size = len(Fields(body).text())
        waiting.append(packet(Kind.ATTRS, number, struct.pack(">IQ", 1, size)))
        return b"".join(reversed(waiting)) if len(waiting) == 3 else b""

    session = Session(Channel(answer))
    numbers = [session.lstat(name) for name in (b"a", b"bb", b"ccc")]
    assert [session.attrs(number).size for number in numbers] == [1, 2, 3]
    assert session.usable


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(
            lambda number: packet(Kind.DATA, number, text_field(b"x" * 33_000)), id="more-than-asked"
        ),
        pytest.param(lambda number: packet(Kind.DATA, number, struct.pack(">I", 9) + b"x"), id="length-lies"),
        pytest.param(lambda number: packet(Kind.DATA, number, text_field(b"")), id="nothing-and-no-end"),
        pytest.param(lambda number: packet(Kind.DATA, number + 7, text_field(b"x")), id="another-number"),
        pytest.param(lambda number: packet(Kind.ATTRS, number, bytes(4)), id="another-kind"),
        pytest.param(lambda number: struct.pack(">IBI", 2**31, Kind.STATUS, number), id="endless-packet"),
        pytest.param(lambda number: struct.pack(">IBI", 4, Kind.STATUS, number), id="packet-too-short"),
    ],
)
def test_nonsense_ends_the_session(reply):
    """A server that breaks the protocol gets an error, no memory, and no second chance."""
    session = Session(Channel(lambda _kind, number, _body: reply(number)))
    with pytest.raises(SSHException):
        session.read_into(b"h", 0, memoryview(bytearray(30_000)))
    assert not session.usable


def test_a_packet_that_ends_early_is_nonsense():
    """A field that runs over the end of its packet is an error, not a short value."""
    session = Session(Channel(lambda _kind, number, _body: packet(Kind.STATUS, number, b"\0")))
    with pytest.raises(SSHException, match="ends early"):
        session.done(session.remove(b"a"))


def test_a_closed_channel_is_an_end():
    """A channel that ends while an answer is due raises EOFError."""
    session = Session(Channel(lambda *_: b""))
    with pytest.raises(EOFError):
        session.attrs(session.lstat(b"a"))
    assert not session.usable


@pytest.mark.parametrize("greeting", [packet(Kind.VERSION, 2), packet(Kind.STATUS, 3), b"\xff" * 9])
def test_a_server_of_another_protocol(greeting):
    """What does not greet with version 3 or later is no SFTP server."""
    with pytest.raises(SSHException):
        Session(Channel(lambda *_: b"", greeting))


def test_writes_are_checked():
    """A write that is refused is an error although later ones are on their way."""
    seen = []

    def answer(_kind: int, number: int, _body: bytes) -> bytes:
        seen.append(number)
        return status(number, 4 if len(seen) == 3 else 0)

    session = Session(Channel(answer))

    def write() -> None:
        for number in session.write_from(b"h", 0, memoryview(bytes(500_000))):
            session.done(number)

    with pytest.raises(StatusError):
        write()


def test_attributes_that_are_left_out():
    """A server may tell nothing of a file, or more than we know: both are read."""
    assert Fields(bytes(4)).attrs() == Attrs()
    extended = struct.pack(">III", 0x8000_0004, 0o100644, 1) + text_field(b"a") + text_field(b"b")
    assert Fields(extended).attrs() == Attrs(mode=0o100644)


def test_an_open_handle_is_not_quiet():
    """A session whose handles are not closed is given up, not lent to somebody else."""
    session = Session(Channel(lambda _kind, number, _body: packet(Kind.HANDLE, number, text_field(b"h1"))))
    handle = session.handle(session.open(b"a", 1))
    assert not session.usable
    session.forget(session.close_handle(handle))
    assert session.usable


def full_disk(room: int) -> Any:
    """A server that refuses writes, and tells the room left in blocks of 4 KiB."""

    def answer(kind: int, number: int, body: bytes) -> bytes:
        if kind == Kind.WRITE:
            return status(number, 4)
        if kind == Kind.EXTENDED and Fields(body).text() == b"statvfs@openssh.com":
            return packet(
                Kind.EXTENDED_REPLY, number, struct.pack(">11Q", 4096, 4096, 9, 9, room, 0, 0, 0, 1, 0, 255)
            )
        return packet(Kind.ATTRS, number, bytes(4)) if kind == Kind.FSTAT else status(number, 0)

    return answer


@pytest.mark.parametrize(("room", "error"), [(1, LocalStorageFull), (10_000, StatusError)])
def test_a_full_disk_is_told_apart(room, error):
    """A refused write is a full disk where there is no room left, and nothing in particular where there is."""
    greeting = packet(Kind.VERSION, 3, text_field(b"statvfs@openssh.com") + text_field(b"2"))
    session = Session(Channel(full_disk(room), greeting))
    with pytest.raises(error):
        write_durably(session, b"h", 0, memoryview(bytes(100_000)), b"/path")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (StatusError(2, "lstat"), NotFound),
        (StatusError(3, "open"), PermissionDenied),
        (StatusError(4, "write"), Unavailable),
        (StatusError(4, "mkdir"), Unexpected),
        (StatusError(5, "open"), KeyRefused),
        (StatusError(7, "read"), Unavailable),
        (StatusError(8, "setstat"), Unsupported),
        (SSHException("x"), Unavailable),
        (EOFError(), Unavailable),
        (TimeoutError(), Unavailable),
        (ConnectionResetError(), Unavailable),
        (ValueError("/a/secret/path"), Unexpected),
    ],
)
def test_errors_are_classified(error, kind):
    """Each status and each end of a connection has its class, and no message holds a path."""
    found = translate(error)
    assert type(found) is kind
    assert "secret" not in str(found)
