"""One header packet: sealed for one recipient, or opened by one identity.

Source: GA4GH *File Encryption Standard*, sections on the header packet and X25519_chacha20_ietf_poly1305.
A packet is method u32, writer's public key [32], nonce [12], ciphertext, tag [16], all little-endian; its key
is the first half of Blake2b-512(X25519 || reader's public key || writer's public key).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import BLAKE2b, Hash

from migrator.envelope.arithmetic import NONCE, TAG
from migrator.envelope.keys import Identity, Recipient

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["METHOD_X25519", "PacketOpener", "PacketSealer", "frame"]

METHOD_X25519: Final = 0
_WRITER: Final = 32
_METHOD: Final = 4
_FRAME: Final = 4
_KEY: Final = 32


def _packet_key(shared: bytes, reader: bytes, writer: bytes) -> bytes:
    digest = Hash(BLAKE2b(64))
    digest.update(shared + reader + writer)
    return digest.finalize()[:_KEY]


def frame(packet: bytes) -> bytes:
    """Put the length in front of a packet; it counts itself."""
    return (len(packet) + _FRAME).to_bytes(4, "little") + packet


class PacketSealer:
    """Seals packets with one writer key. A nonce must not be used twice for the same recipient.

    Raises:
        ValueError: The writer's private key is not 32 bytes.
    """

    __slots__ = ("_writer",)

    def __init__(self, writer_private: bytes) -> None:
        if len(writer_private) != _WRITER:
            raise ValueError("a writer's private key has 32 bytes")
        self._writer = Identity.from_private_bytes(writer_private)

    @property
    def public(self) -> bytes:
        """The writer's public key, which stands in clear in every packet."""
        return self._writer.public

    def seal(self, payload: bytes, recipient: Recipient, nonce: bytes) -> bytes:
        """Seal one payload; the result has no length in front yet."""
        shared = self._writer.key.exchange(recipient.key)
        cipher = ChaCha20Poly1305(_packet_key(shared, recipient.public, self._writer.public))
        sealed = cipher.encrypt(nonce, payload, None)
        return b"".join((METHOD_X25519.to_bytes(4, "little"), self._writer.public, nonce, sealed))


class PacketOpener:
    """Opens packets with any of several identities.

    The key agreement, by far the dearest step, is done once for each pair of identity and writer key: all
    packets of our own headers, padding included, name the same writer, so a padded header opens nearly as
    fast as a short one.
    """

    __slots__ = ("_agreed", "_identities")

    def __init__(self, identities: Sequence[Identity]) -> None:
        self._identities = identities
        self._agreed: dict[bytes, tuple[ChaCha20Poly1305, ...]] = {}

    def open(self, packet: bytes) -> bytes | None:
        """Return the payload, or None for a packet that is somebody else's, of another method, or damaged."""
        if len(packet) < _METHOD + _WRITER + NONCE + TAG:
            return None
        if int.from_bytes(packet[:_METHOD], "little") != METHOD_X25519:
            return None
        writer, rest = packet[_METHOD : _METHOD + _WRITER], packet[_METHOD + _WRITER :]
        for cipher in self._ciphers(writer):
            try:
                return cipher.decrypt(rest[:NONCE], rest[NONCE:], None)
            except InvalidTag:
                continue
        return None

    def _ciphers(self, writer: bytes) -> tuple[ChaCha20Poly1305, ...]:
        known = self._agreed.get(writer)
        if known is None:
            known = self._agreed[writer] = tuple(self._agree(writer))
        return known

    def _agree(self, writer: bytes) -> list[ChaCha20Poly1305]:
        key = X25519PublicKey.from_public_bytes(writer)
        ciphers = []
        for identity in self._identities:
            try:
                shared = identity.key.exchange(key)
            except ValueError:
                # A writer key of low order gives a secret that everybody knows; such a packet is nobody's.
                continue
            ciphers.append(ChaCha20Poly1305(_packet_key(shared, identity.public, writer)))
        return ciphers
