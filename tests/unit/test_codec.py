"""What reading back may take for granted: the nonces are those that were recorded when the part was sent."""

import os

import pytest

from migrator.engine.codec import EncryptCodec
from migrator.envelope.arithmetic import body_length
from migrator.envelope.errors import SegmentInvalid
from migrator.envelope.keys import Identity

_PLAIN = os.urandom(200_000)


def _sealed(codec: EncryptCodec) -> tuple[bytes, memoryview]:
    prefix, out = codec.prefix(), memoryview(bytearray(body_length(len(_PLAIN))))
    codec.transform(prefix, 0, memoryview(_PLAIN), out, last=True)
    return prefix, out


def _codec() -> EncryptCodec:
    return EncryptCodec(os.urandom(32), (Identity.from_private_bytes(os.urandom(32)).recipient(),))


def test_reopening_gives_the_plain_bytes() -> None:
    """What was sealed opens again, piece by piece, to the same bytes."""
    codec = _codec()
    prefix, stored = _sealed(codec)
    assert b"".join(bytes(piece) for piece in codec.reopen(prefix, 0, stored, last=True)) == _PLAIN


def test_another_attempts_segments_are_refused() -> None:
    """The same bytes under the same key are not what was sent if another attempt's nonces sealed them."""
    codec = _codec()
    recorded, _ = _sealed(codec)
    _, stored = _sealed(codec)
    with pytest.raises(SegmentInvalid):
        list(codec.reopen(recorded, 0, stored, last=True))
