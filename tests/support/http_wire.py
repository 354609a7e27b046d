"""Read HTTP/1.1 messages off a socket without changing a byte of them.

Owns where a message begins and ends (RFC 9112, sections 2, 6 and 7) and nothing else: heads and
bodies come out as the bytes that came in, so that they can be passed on under their signature.
"""

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

__all__ = ["Framing", "Head", "Wire", "WireError"]

_PIECE_BYTES = 64 * 1024
_HEAD_LIMIT_BYTES = 256 * 1024

Framing = int | Literal["chunked", "until-close"]
"""How a body's end is known: its length in bytes, chunked coding, or the end of the connection."""


class WireError(OSError):
    """The other side closed in the middle of a message, or what it sent is not HTTP/1.1."""


@dataclass(frozen=True, slots=True)
class Head:
    """The start line and header fields of one message, parsed beside the bytes they came as."""

    raw: bytes
    start: tuple[str, str, str]
    fields: dict[str, str]

    @property
    def expects_continue(self) -> bool:
        """Whether the client waits for "100 Continue" before it sends the body."""
        return self.fields.get("expect", "").lower() == "100-continue"

    @property
    def closes(self) -> bool:
        """Whether the sender ends the connection after this message."""
        return "close" in self.fields.get("connection", "").lower() or "HTTP/1.0" in self.start

    def request_framing(self) -> Framing:
        """Return how the body of this request ends; without a length there is none."""
        return self._framing(otherwise=0)

    def response_framing(self, method: str) -> Framing:
        """Return how the body of this answer to `method` ends."""
        status = int(self.start[1])
        if method == "HEAD" or status in {204, 304} or self.is_interim:
            return 0
        return self._framing(otherwise="until-close")

    @property
    def is_interim(self) -> bool:
        """Whether this is a 1xx answer, after which the real one follows."""
        return self.start[1].startswith("1")

    def _framing(self, otherwise: Framing) -> Framing:
        if "chunked" in self.fields.get("transfer-encoding", "").lower():
            return "chunked"
        length = self.fields.get("content-length")
        return otherwise if length is None else int(length)


class Wire:
    """One connection, read message by message."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self._buffer = b""

    def head(self) -> Head | None:
        """Read the next message's head, or return None when the other side is done.

        Raises:
            WireError: the connection ended inside the head, or the head is not HTTP/1.1.
        """
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            if len(self._buffer) > _HEAD_LIMIT_BYTES:
                raise WireError("the head of a message does not end")
            if not self._fill():
                if self._buffer:
                    raise WireError("the connection ended inside a head")
                return None
        raw, self._buffer = self._buffer[: end + 4], self._buffer[end + 4 :]
        first, *lines = raw[:end].decode("latin-1").split("\r\n")
        words = first.split(" ", 2)
        if len(words) < 2 or not first.isprintable():
            raise WireError(f"not the start line of a message: {first[:40]!r}")
        pairs = (line.partition(":") for line in lines)
        fields = {name.strip().lower(): value.strip() for name, _, value in pairs}
        return Head(raw, (words[0], words[1], words[2] if len(words) > 2 else ""), fields)

    def body(self, framing: Framing) -> Iterator[bytes]:
        """Yield the body in pieces, as it came: the marks of chunked coding stay in.

        Raises:
            WireError: the connection ended before the body did.
        """
        if framing == "until-close":
            while self._buffer or self._fill():
                yield self._take(_PIECE_BYTES)
        elif framing == "chunked":
            yield from self._chunks()
        else:
            yield from self._exactly(framing)

    def _chunks(self) -> Iterator[bytes]:
        while True:
            line = self._line()
            yield line
            size = int(line.split(b";")[0], 16)
            if size == 0:
                break
            yield from self._exactly(size + 2)
        while (trailer := self._line()) != b"\r\n":
            yield trailer
        yield trailer

    def _exactly(self, count: int) -> Iterator[bytes]:
        while count:
            if not self._buffer and not self._fill():
                raise WireError("the connection ended inside a body")
            piece = self._take(min(count, _PIECE_BYTES))
            count -= len(piece)
            yield piece

    def _line(self) -> bytes:
        while (end := self._buffer.find(b"\r\n")) < 0:
            if len(self._buffer) > _HEAD_LIMIT_BYTES or not self._fill():
                raise WireError("the connection ended inside a chunked body")
        return self._take(end + 2)

    def _take(self, count: int) -> bytes:
        piece, self._buffer = self._buffer[:count], self._buffer[count:]
        return piece

    def _fill(self) -> bool:
        more = self.socket.recv(_PIECE_BYTES)
        self._buffer += more
        return bool(more)
