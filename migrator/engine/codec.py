"""What a wave's mode does to the bytes of one object, and how it is undone to check them.

A codec belongs to one object and one generation and is used by several workers at once. ``transform`` turns source
bytes into target bytes, ``plain`` of either side is what ``sha256sum`` would read; ``reopen`` gets the plain bytes
back from stored ones, and raises if these are not what ``transform`` can have made.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from typing import Final, Protocol

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from migrator.engine.entropy import fresh
from migrator.envelope.arithmetic import (
    CIPHER_SEGMENT,
    NONCE,
    PADDED_HEADER,
    SEGMENT,
    header_length,
    plain_length,
)
from migrator.envelope.header import build_header, open_header, parse_header, seal_header
from migrator.envelope.keys import Identity, Recipient
from migrator.envelope.policy import check_foreign
from migrator.envelope.segments import LAST, PREFIX, open_foreign_into, open_into, seal_into

__all__ = [
    "HEADER_PROBE",
    "Codec",
    "CopyCodec",
    "DecryptCodec",
    "EncryptCodec",
    "RewrapCodec",
    "SourceHeader",
    "sha256",
]

HEADER_PROBE: Final = 70_000
"""Bytes read from the start of a Crypt4GH source: enough for a padded header and most foreign ones."""
_STEP: Final = 8


class _Scratch(threading.local):
    """One small buffer a thread: what is opened only to be hashed stays in the processor's cache."""

    def __init__(self) -> None:
        self.view = memoryview(bytearray(_STEP * SEGMENT))


_scratch = _Scratch()


def _steps(
    first_unit: int, sealed: memoryview, *, last: bool
) -> Iterator[tuple[int, memoryview, memoryview, bool]]:
    """Cut sealed segments into small runs: index, sealed bytes, room for the plain bytes, whether it is the end.

    An empty object still is one (empty) run, so that its end is checked too.
    """
    size = len(sealed)
    for start in range(0, max(size, 1), _STEP * CIPHER_SEGMENT):
        piece = sealed[start : start + _STEP * CIPHER_SEGMENT]
        final = last and start + len(piece) == size
        out = _scratch.view[: plain_length(len(piece))]
        yield first_unit + start // CIPHER_SEGMENT, piece, out, final


class Codec(Protocol):
    """One object's transformation."""

    def header(self, padded: bool) -> bytes:  # noqa: FBT001 - two forms of one header
        """A fresh target header (empty where the target has none)."""
        ...

    def prefix(self) -> bytes | None:
        """A fresh nonce prefix for one attempt at one part, where this mode seals segments itself."""
        ...

    def transform(
        self, prefix: bytes | None, first_unit: int, source: memoryview, out: memoryview, *, last: bool
    ) -> memoryview:
        """Write the target bytes of whole units to ``out``; returns their plain bytes."""
        ...

    def reopen(
        self, prefix: bytes | None, first_unit: int, stored: memoryview, *, last: bool
    ) -> Iterator[memoryview]:
        """The plain bytes of stored units (without a header), in pieces that live until the next is drawn.

        Raises:
            SegmentInvalid: They are not what ``transform`` can have made.
        """
        ...


class CopyCodec:
    """Byte for byte."""

    def header(self, padded: bool) -> bytes:  # noqa: ARG002, FBT001
        """None: the bytes are the object."""
        return b""

    def prefix(self) -> None:
        """None: nothing is sealed."""

    def transform(
        self,
        prefix: bytes | None,  # noqa: ARG002
        first_unit: int,  # noqa: ARG002
        source: memoryview,
        out: memoryview,
        *,
        last: bool,  # noqa: ARG002
    ) -> memoryview:
        """Copy, unless the source was read in place."""
        if source.obj is not out.obj:
            out[: len(source)] = source
        return source

    def reopen(
        self,
        prefix: bytes | None,  # noqa: ARG002
        first_unit: int,  # noqa: ARG002
        stored: memoryview,
        *,
        last: bool,  # noqa: ARG002
    ) -> Iterator[memoryview]:
        """The bytes as they are."""
        yield stored


class EncryptCodec:
    """Plain bytes into a Crypt4GH file."""

    def __init__(self, data_key: bytes, recipients: tuple[Recipient, ...]) -> None:
        self._data_key = data_key
        self._cipher = ChaCha20Poly1305(data_key)
        self._recipients = recipients

    def header(self, padded: bool) -> bytes:  # noqa: FBT001
        """A header under a writer key that is forgotten at once."""
        return build_header(
            self._data_key,
            self._recipients,
            writer_private=fresh(32),
            nonces=fresh(NONCE * len(self._recipients)),
            pad_to=PADDED_HEADER if padded else None,
            padding_entropy=fresh if padded else None,
        )

    def prefix(self) -> bytes:
        """Six random bytes."""
        return fresh(PREFIX)

    def transform(
        self, prefix: bytes | None, first_unit: int, source: memoryview, out: memoryview, *, last: bool
    ) -> memoryview:
        """Seal."""
        assert prefix is not None
        seal_into(self._cipher, prefix, first_unit, source, out, last=last)
        return source

    def reopen(
        self, prefix: bytes | None, first_unit: int, stored: memoryview, *, last: bool
    ) -> Iterator[memoryview]:
        """Open strictly: order, completeness and the recorded prefix are checked."""
        for index, piece, out, final in _steps(first_unit, stored, last=last):
            open_into(self._cipher, index, piece, out, last=final, prefix=prefix)
            yield out


class SourceHeader:
    """The opened header of a Crypt4GH source object.

    Args:
        start: The object's first bytes.
        identities: Who may open it.
        size: Bytes of the whole object.

    Raises:
        EnvelopeError: The object is not one these identities can open.
        HeaderTruncated: More of the object's start is needed.
    """

    def __init__(self, start: memoryview, identities: tuple[Identity, ...], *, size: int) -> None:
        parsed = parse_header(start)
        self.length = parsed.length
        self.data_keys = check_foreign(open_header(parsed, identities))
        self.ciphers = tuple(ChaCha20Poly1305(key) for key in self.data_keys)
        first = bytes(start[parsed.length + PREFIX : parsed.length + NONCE])
        index = int.from_bytes(first, "big") if len(first) == NONCE - PREFIX else -1
        # Our own segments say where they stand, and a first one that names another place was moved there; a foreign
        # file's random nonce looks like one of its n places n times in 2^47.
        places = -(-(size - parsed.length) // CIPHER_SEGMENT)
        self.strict = len(self.data_keys) == 1 and 0 <= index & ~LAST < max(places, 1)

    def open_each(self, first_unit: int, sealed: memoryview, *, last: bool) -> Iterator[memoryview]:
        """The plain bytes of whole segments, in pieces that live until the next is drawn."""
        for index, piece, out, final in _steps(first_unit, sealed, last=last):
            if self.strict:
                open_into(self.ciphers[0], index, piece, out, last=final)
            else:
                open_foreign_into(self.ciphers, piece, out)
            yield out

    def open(self, first_unit: int, sealed: memoryview, *, last: bool) -> memoryview:
        """The plain bytes of whole segments, in memory of their own."""
        plain = memoryview(bytearray(plain_length(len(sealed))))
        if self.strict:
            open_into(self.ciphers[0], first_unit, sealed, plain, last=last)
        else:
            open_foreign_into(self.ciphers, sealed, plain)
        return plain


class DecryptCodec(CopyCodec):
    """A Crypt4GH file into plain bytes; what is stored is plain, so reading back is as for a copy."""

    def __init__(self, source: SourceHeader) -> None:
        self._source = source

    def transform(
        self,
        prefix: bytes | None,  # noqa: ARG002
        first_unit: int,
        source: memoryview,
        out: memoryview,
        *,
        last: bool,
    ) -> memoryview:
        """Open."""
        plain = self._source.open(first_unit, source, last=last)
        out[: len(plain)] = plain
        return plain


class RewrapCodec:
    """A Crypt4GH file for new recipients: a new header, the same segments, each opened once to see it is whole."""

    def __init__(self, source: SourceHeader, recipients: tuple[Recipient, ...]) -> None:
        self._source = source
        self._recipients = recipients

    def header(self, padded: bool) -> bytes:  # noqa: FBT001
        """The source's data keys, sealed for the new recipients."""
        packets = len(self._source.data_keys) * len(self._recipients)
        return seal_header(
            self._source.data_keys,
            self._recipients,
            writer_private=fresh(32),
            nonces=fresh(NONCE * packets),
            pad_to=PADDED_HEADER if padded else None,
            padding_entropy=fresh if padded else None,
        )

    def prefix(self) -> None:
        """None: the segments keep theirs."""

    def transform(
        self,
        prefix: bytes | None,  # noqa: ARG002
        first_unit: int,
        source: memoryview,
        out: memoryview,
        *,
        last: bool,
    ) -> memoryview:
        """Copy the segments after opening them."""
        plain = self._source.open(first_unit, source, last=last)
        out[: len(source)] = source
        return plain

    def reopen(
        self,
        prefix: bytes | None,  # noqa: ARG002
        first_unit: int,
        stored: memoryview,
        *,
        last: bool,
    ) -> Iterator[memoryview]:
        """Open as the source was opened."""
        return self._source.open_each(first_unit, stored, last=last)

    @property
    def short_header(self) -> int:
        """Bytes of an unpadded header."""
        return header_length(len(self._recipients) * len(self._source.data_keys))


def sha256(data: memoryview | bytes | bytearray) -> bytes:
    """SHA-256 of a buffer."""
    return hashlib.sha256(data).digest()
