"""Recipients (who may read) and identities (who reads): the two halves of an X25519 key pair.

Parsing a key costs more than using it, so both keep the library's key object. Neither shows secret bytes when
printed. An identity's secret leaves through ``to_private_file`` only, locked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Self

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256, Hash

from migrator.envelope.errors import KeyFileInvalid
from migrator.envelope.key_files import (
    KEY,
    parse_private_text,
    parse_public_text,
    private_text,
    public_text,
)

__all__ = ["Identity", "Recipient", "fingerprint"]

_FINGERPRINT: Final = 8
# Any scalar finds out whether a point has low order; this one protects nothing.
_PROBE: Final = X25519PrivateKey.from_private_bytes(bytes(range(KEY)))


def fingerprint(public: bytes) -> str:
    """Name a public key in 16 hexadecimal digits: the start of the SHA-256 of its 32 bytes.

    It is for people to tell keys apart. 64 bits do not resist somebody who looks for a second key with the
    same name, so evidence quotes the whole public key.
    """
    digest = Hash(SHA256())
    digest.update(public)
    return digest.finalize()[:_FINGERPRINT].hex()


@dataclass(frozen=True, slots=True)
class Recipient:
    """A public key that objects are encrypted for.

    Attributes:
        public: 32 bytes.
    """

    public: bytes
    key: X25519PublicKey = field(repr=False, compare=False)

    @classmethod
    def from_public_bytes(cls, raw: bytes) -> Self:
        """Prepare a raw public key.

        Raises:
            KeyFileInvalid: It is not 32 bytes, or a point of low order, with which anyone could read.
        """
        if len(raw) != KEY:
            raise KeyFileInvalid("a Crypt4GH public key has 32 bytes")
        key = X25519PublicKey.from_public_bytes(raw)
        try:
            _PROBE.exchange(key)
        except ValueError:
            raise KeyFileInvalid("the public key protects nothing: it is a point of low order") from None
        return cls(bytes(raw), key)

    @classmethod
    def from_public_file(cls, text: str | bytes) -> Self:
        """Prepare the contents of a public key file.

        Raises:
            KeyFileInvalid: The text is not a usable Crypt4GH public key.
            FormatUnsupported: It is an OpenSSH key.
        """
        return cls.from_public_bytes(parse_public_text(text))

    def to_public_file(self) -> str:
        """Write the contents of a public key file."""
        return public_text(self.public)

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits for people; see ``fingerprint``."""
        return fingerprint(self.public)


@dataclass(frozen=True, slots=True)
class Identity:
    """A private key that opens objects.

    Attributes:
        public: 32 bytes, its public half.
    """

    public: bytes
    key: X25519PrivateKey = field(repr=False, compare=False)

    @classmethod
    def from_private_bytes(cls, raw: bytes) -> Self:
        """Prepare 32 secret bytes.

        Raises:
            KeyFileInvalid: There are not 32.
        """
        if len(raw) != KEY:
            raise KeyFileInvalid("a Crypt4GH private key has 32 bytes")
        key = X25519PrivateKey.from_private_bytes(raw)
        return cls(key.public_key().public_bytes_raw(), key)

    @classmethod
    def from_private_file(cls, text: str | bytes, passphrase: bytes | None = None) -> Self:
        """Open the contents of a private key file.

        To ask for a passphrase only where one is needed, look at ``parse_private_text(text).locked`` first.

        Raises:
            KeyFileInvalid: The text is not a Crypt4GH private key.
            FormatUnsupported: The key is locked with another KDF than scrypt, or it is an OpenSSH key.
            WrongPassphrase: The key is locked and the passphrase is missing or wrong.
        """
        return cls.from_private_bytes(parse_private_text(text).unlock(passphrase))

    def to_private_file(self, *, passphrase: bytes, salt: bytes, nonce: bytes, comment: bytes = b"") -> str:
        """Write the contents of a locked private key file; arguments as in ``private_text``.

        Raises:
            ValueError: An argument has the wrong length.
        """
        raw = self.key.private_bytes_raw()
        return private_text(raw, passphrase=passphrase, salt=salt, nonce=nonce, comment=comment)

    def recipient(self) -> Recipient:
        """The public half, as somebody to encrypt for."""
        return Recipient(self.public, self.key.public_key())

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits for people; see ``fingerprint``."""
        return fingerprint(self.public)
