"""Headers: who may read an object, as packets that carry its data key. Writing and reading.

Source: GA4GH *File Encryption Standard*, section "Header". The reader never trusts a length: every one is
checked against the bytes at hand and the limits below before it is used. A packet that does not open is
somebody else's and is passed over silently, as the standard demands; what a reader may do with the rest is
decided in ``migrator.envelope.policy``.

The writer's private key opens every packet it sealed. The caller draws a fresh one for every header and
forgets it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

from migrator.envelope.arithmetic import NONCE, PREAMBLE
from migrator.envelope.errors import FormatUnsupported, HeaderInvalid, HeaderTruncated, NoMatch
from migrator.envelope.packets import METHOD_X25519, PacketOpener, PacketSealer, frame

if TYPE_CHECKING:
    from migrator.envelope.keys import Identity, Recipient

__all__ = [
    "MAX_HEADER",
    "MAX_PACKETS",
    "MAX_PADDING_PACKET",
    "MAX_RECIPIENTS",
    "MIN_PADDING_PACKET",
    "Entropy",
    "Header",
    "OpenedHeader",
    "build_header",
    "open_header",
    "parse_header",
    "seal_header",
]

Buffer: TypeAlias = bytes | bytearray | memoryview
Entropy: TypeAlias = Callable[[int], bytes]
"""Returns that many fresh random bytes."""

MAX_RECIPIENTS: Final = 100
MAX_PACKETS: Final = 1_024
MAX_HEADER: Final = 1 << 20
MIN_PADDING_PACKET: Final = 84
MAX_PADDING_PACKET: Final = 184

_MAGIC: Final = b"crypt4gh"
_VERSION: Final = 1
_DATA_KEY: Final = 32
_DATA_PACKET: Final = 0
_EDIT_LIST: Final = 1
_CHACHA20: Final = 0
_MIN_PACKET: Final = 8


@dataclass(frozen=True, slots=True)
class Header:
    """A header taken apart, nothing opened yet.

    Attributes:
        packets: Each from its method on, without its length.
        length: Bytes of the header; the first segment follows.
    """

    packets: tuple[bytes, ...]
    length: int


@dataclass(frozen=True, slots=True)
class OpenedHeader:
    """What the packets of a header held for these identities.

    Attributes:
        data_keys: At least one, each once, in the order of their packets.
        edit_list: Lengths to discard and keep by turns, or None.
        length: Bytes of the header.
    """

    data_keys: tuple[bytes, ...] = field(repr=False)
    edit_list: tuple[int, ...] | None
    length: int


def build_header(
    data_key: bytes,
    recipients: Sequence[Recipient],
    *,
    writer_private: bytes,
    nonces: bytes,
    pad_to: int | None = None,
    padding_entropy: Entropy | None = None,
) -> bytes:
    """Build a header that gives one data key to every recipient.

    Args:
        data_key: 32 bytes.
        recipients: 1 to 100, all different.
        writer_private: 32 bytes, fresh for this header and forgotten after it.
        nonces: 12 fresh bytes for each recipient.
        pad_to: Exact length to pad to, normally ``PADDED_HEADER``; None for a header without padding.
        padding_entropy: Fills the padding; needed with ``pad_to``.

    Raises:
        ValueError: An argument has the wrong length, recipients or nonces repeat, or the padding does not
        fit.
    """
    return seal_header(
        (data_key,),
        recipients,
        writer_private=writer_private,
        nonces=nonces,
        pad_to=pad_to,
        padding_entropy=padding_entropy,
    )


def seal_header(
    data_keys: Sequence[bytes],
    recipients: Sequence[Recipient],
    *,
    writer_private: bytes,
    nonces: bytes,
    pad_to: int | None = None,
    padding_entropy: Entropy | None = None,
) -> bytes:
    """Build a header that gives every recipient each of several data keys, as a foreign file may need.

    Arguments are those of ``build_header``, with 12 bytes of ``nonces`` for each pair of recipient and data
    key.

    Raises:
        ValueError: As ``build_header``.
    """
    if not 1 <= len(recipients) <= MAX_RECIPIENTS or len(set(recipients)) != len(recipients):
        raise ValueError("a header has 1 to 100 recipients, all different")
    if not data_keys or any(len(key) != _DATA_KEY for key in data_keys):
        raise ValueError("a data key has 32 bytes")
    count = len(data_keys) * len(recipients)
    each = [nonces[at : at + NONCE] for at in range(0, len(nonces), NONCE)]
    if len(nonces) != count * NONCE or len(set(each)) != count:
        raise ValueError("each packet needs a nonce of its own")
    sealer = PacketSealer(writer_private)
    opening = _DATA_PACKET.to_bytes(4, "little") + _CHACHA20.to_bytes(4, "little")
    pairs = [(recipient, opening + key) for recipient in recipients for key in data_keys]
    packets = [
        frame(sealer.seal(payload, recipient, nonce))
        for (recipient, payload), nonce in zip(pairs, each, strict=True)
    ]
    if pad_to is not None:
        room = pad_to - PREAMBLE - sum(map(len, packets))
        packets += _padding(room, sealer.public, padding_entropy)
    if len(packets) > MAX_PACKETS:
        raise ValueError("a header has at most 1,024 packets")
    preamble = _MAGIC + _VERSION.to_bytes(4, "little") + len(packets).to_bytes(4, "little")
    return preamble + b"".join(packets)


def _padding(room: int, writer: bytes, entropy: Entropy | None) -> list[bytes]:
    """Fill ``room`` bytes with packets that no identity opens.

    They look like packets for somebody else, because that is the one thing every reader is able to pass over:
    a method it does not know makes htslib's agent hang up. They name the header's own writer key, so that a
    reader that remembers its key agreements computes none for them.
    """
    if room == 0:
        return []
    if room < MIN_PADDING_PACKET or entropy is None:
        raise ValueError("padding needs entropy and room for at least one packet")
    count = -(-room // MAX_PADDING_PACKET)
    short, longer = divmod(room, count)
    start = METHOD_X25519.to_bytes(4, "little") + writer
    lengths = [short + (rank < longer) - 4 - len(start) for rank in range(count)]
    noise = entropy(sum(lengths))
    if len(noise) != sum(lengths):
        raise ValueError("the entropy source returned another length than was asked for")
    packets, at = [], 0
    for length in lengths:
        packets.append(frame(start + noise[at : at + length]))
        at += length
    return packets


def parse_header(data: Buffer) -> Header:
    """Take a header apart.

    Args:
        data: The start of an object; what follows the header is not looked at.

    Raises:
        HeaderTruncated: The header goes on after ``data``; ``needed`` says how many bytes to come back with,
            and is never more than ``MAX_HEADER``.
        HeaderInvalid: It is not a header, or exceeds a limit.
        FormatUnsupported: It is another version of Crypt4GH.
    """
    view = memoryview(data).cast("B")
    magic = bytes(view[: len(_MAGIC)])
    if not _MAGIC.startswith(magic):
        raise HeaderInvalid(
            "this is not a Crypt4GH object", hint="is it encrypted at all? try --mode encrypt"
        )
    if len(view) < PREAMBLE:
        raise HeaderTruncated(PREAMBLE)
    version, count = (int.from_bytes(view[at : at + 4], "little") for at in (8, 12))
    if version != _VERSION:
        raise FormatUnsupported(f"Crypt4GH version {version} is not version 1")
    if not 1 <= count <= MAX_PACKETS:
        raise HeaderInvalid(f"a header with {count} packets is outside 1 to {MAX_PACKETS}")
    packets: list[bytes] = []
    at = PREAMBLE
    for _ in range(count):
        rest_at_least = (count - len(packets)) * _MIN_PACKET
        if len(view) < at + 4:
            raise HeaderTruncated(at + rest_at_least)
        length = int.from_bytes(view[at : at + 4], "little")
        end = at + length
        if length < _MIN_PACKET or end + rest_at_least - _MIN_PACKET > MAX_HEADER:
            raise HeaderInvalid("a header packet has an impossible length")
        if len(view) < end:
            raise HeaderTruncated(end + rest_at_least - _MIN_PACKET)
        packets.append(bytes(view[at + 4 : end]))
        at = end
    return Header(tuple(packets), at)


def open_header(header: Header, identities: Sequence[Identity]) -> OpenedHeader:
    """Open every packet that one of the identities can open.

    Raises:
        NoMatch: No packet with a data key opens.
        HeaderInvalid: A packet opens and makes no sense, or there are two edit lists.
        FormatUnsupported: A packet opens and is of a kind, or names a cipher, that this reader does not know.
    """
    opener = PacketOpener(identities)
    data_keys: dict[bytes, None] = {}
    edit_list: tuple[int, ...] | None = None
    for packet in header.packets:
        payload = opener.open(packet)
        if payload is None:
            continue
        kind = int.from_bytes(payload[:4], "little")
        if len(payload) < _MIN_PACKET:
            raise HeaderInvalid("a header packet opens and is too short")
        if kind == _DATA_PACKET:
            data_keys[_data_key(payload)] = None
        elif kind == _EDIT_LIST and edit_list is None:
            edit_list = _edit_list(payload)
        elif kind == _EDIT_LIST:
            raise HeaderInvalid("a header has at most one edit list")
        else:
            raise FormatUnsupported(f"a header packet is of the unknown type {kind}")
    if not data_keys:
        raise NoMatch
    return OpenedHeader(tuple(data_keys), edit_list, header.length)


def _data_key(payload: bytes) -> bytes:
    """Read data encryption parameters; bytes after the key are allowed padding."""
    method = int.from_bytes(payload[4:8], "little")
    if method != _CHACHA20:
        raise FormatUnsupported(f"the data is encrypted with the unknown method {method}")
    key = payload[8 : 8 + _DATA_KEY]
    if len(key) != _DATA_KEY:
        raise HeaderInvalid("a header packet opens and is too short")
    return key


def _edit_list(payload: bytes) -> tuple[int, ...]:
    """Read an edit list; bytes after it are allowed padding."""
    count = int.from_bytes(payload[4:8], "little")
    if count > (len(payload) - 8) // 8:
        raise HeaderInvalid("an edit list is longer than its packet")
    return tuple(int.from_bytes(payload[at : at + 8], "little") for at in range(8, 8 + 8 * count, 8))
