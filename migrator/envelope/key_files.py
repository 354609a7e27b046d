"""The text of Crypt4GH key files. Pure: salt and nonce are arguments, files are the caller's.

Source: the key format of the reference implementation (crypt4gh.readthedocs.io, "Key Format"): three lines of
PEM-like text around base64. A public key is 32 raw bytes. A private key is ``c4gh-v1`` and strings with
2-byte big-endian lengths: KDF name, KDF options (4-byte rounds and salt; absent for ``none``), cipher name,
key, and optionally a comment. Sizes are bounded before anything is decoded, and the cost of a KDF is fixed
(scrypt, N = 2**14, r = 8, p = 1: 16 MiB), so a hostile file cannot ask for more.
"""

from __future__ import annotations

import binascii
from dataclasses import dataclass, field
from typing import Final, NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from migrator.envelope.arithmetic import NONCE, TAG
from migrator.envelope.errors import FormatUnsupported, KeyFileInvalid, WrongPassphrase

__all__ = [
    "KEY",
    "MAX_TEXT",
    "SALT",
    "PrivateKeyFile",
    "parse_private_text",
    "parse_public_text",
    "private_text",
    "public_text",
]

KEY: Final = 32
SALT: Final = 16
MAX_TEXT: Final = 16_384
MAX_SALT: Final = 64
MAX_COMMENT: Final = 1_024
_MAGIC: Final = b"c4gh-v1"
_PUBLIC: Final = "CRYPT4GH PUBLIC KEY"
_PRIVATE: Final = "CRYPT4GH PRIVATE KEY"
_CIPHER: Final = b"chacha20_poly1305"
_OTHER_KDFS: Final = (b"bcrypt", b"pbkdf2_hmac_sha256")


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivateKeyFile:
    """A private key file taken apart, still locked if it is.

    Attributes:
        locked: Whether a passphrase is needed.
        comment: What the maker of the key wrote about it; not authenticated.
    """

    locked: bool
    comment: bytes
    _salt: bytes = field(repr=False)
    _key: bytes = field(repr=False)

    def unlock(self, passphrase: bytes | None) -> bytes:
        """Return the 32 secret bytes; a passphrase for a key that is not locked is ignored.

        Raises:
            WrongPassphrase: The passphrase is missing or wrong, or the file was damaged (the tag cannot
            tell).
        """
        if not self.locked:
            return self._key
        if passphrase is None:
            raise WrongPassphrase("the private key is locked and no passphrase was given")
        try:
            nonce, sealed = self._key[:NONCE], self._key[NONCE:]
            return ChaCha20Poly1305(_passphrase_key(passphrase, self._salt)).decrypt(nonce, sealed, None)
        except InvalidTag:
            raise WrongPassphrase("the passphrase does not open the private key") from None


def _passphrase_key(passphrase: bytes, salt: bytes) -> bytes:
    return Scrypt(salt=salt, length=KEY, n=1 << 14, r=8, p=1).derive(passphrase)


def parse_public_text(text: str | bytes) -> bytes:
    """Return the 32 raw bytes of a public key file.

    Raises:
        KeyFileInvalid: The text is not a Crypt4GH public key.
        FormatUnsupported: It is an OpenSSH key.
    """
    raw = _unwrap(text, _PUBLIC)
    if len(raw) != KEY:
        raise KeyFileInvalid("a Crypt4GH public key has 32 bytes")
    return raw


def public_text(raw: bytes) -> str:
    """Write a public key file.

    Raises:
        ValueError: The key is not 32 bytes.
    """
    if len(raw) != KEY:
        raise ValueError("a public key has 32 bytes")
    return _wrap(raw, _PUBLIC)


def parse_private_text(text: str | bytes) -> PrivateKeyFile:
    """Take a private key file apart, without opening it.

    Raises:
        KeyFileInvalid: The text is not a Crypt4GH private key.
        FormatUnsupported: The key is locked with another KDF than scrypt, or it is an OpenSSH key.
    """
    raw = _unwrap(text, _PRIVATE)
    if not raw.startswith(_MAGIC):
        raise KeyFileInvalid("the private key does not start with c4gh-v1")
    kdf, rest = _take(raw[len(_MAGIC) :])
    options = b""
    if kdf in _OTHER_KDFS:
        raise FormatUnsupported(
            f"the private key is locked with {kdf.decode()}",
            hint="lock it with scrypt: crypt4gh-keygen --relock --sk FILE",
        )
    if kdf == b"scrypt":
        options, rest = _take(rest)
    elif kdf != b"none":
        raise KeyFileInvalid("the private key names an unknown key derivation")
    cipher, rest = _take(rest)
    key, rest = _take(rest)
    comment, rest = _take(rest) if rest else (b"", b"")
    locked = kdf == b"scrypt"
    salt = options[4:]
    wanted = (_CIPHER, NONCE + KEY + TAG) if locked else (b"none", KEY)
    if rest or (cipher, len(key)) != wanted or (locked and not 1 <= len(salt) <= MAX_SALT):
        raise KeyFileInvalid("the private key file is damaged")
    return PrivateKeyFile(locked=locked, comment=comment, _salt=salt, _key=key)


def private_text(raw: bytes, *, passphrase: bytes, salt: bytes, nonce: bytes, comment: bytes = b"") -> str:
    """Write a private key file locked with a passphrase; one without is not written.

    Args:
        raw: The 32 secret bytes.
        passphrase: Not empty; UTF-8 by convention.
        salt: 16 fresh random bytes.
        nonce: 12 fresh random bytes.
        comment: Stands in clear; at most 1,024 bytes.

    Raises:
        ValueError: An argument has the wrong length.
    """
    if len(raw) != KEY or len(salt) != SALT or len(nonce) != NONCE:
        raise ValueError("a private key, its salt or its nonce has the wrong length")
    if not passphrase or len(comment) > MAX_COMMENT:
        raise ValueError("the passphrase is empty or the comment too long")
    sealed = nonce + ChaCha20Poly1305(_passphrase_key(passphrase, salt)).encrypt(nonce, raw, None)
    # The rounds field is unused by scrypt; the reference implementation writes 0.
    strings = [b"scrypt", bytes(4) + salt, _CIPHER, sealed, *([comment] if comment else [])]
    return _wrap(_MAGIC + b"".join(len(s).to_bytes(2, "big") + s for s in strings), _PRIVATE)


def _wrap(raw: bytes, label: str) -> str:
    body = binascii.b2a_base64(raw, newline=False).decode()
    return f"-----BEGIN {label}-----\n{body}\n-----END {label}-----\n"


def _unwrap(text: str | bytes, label: str) -> bytes:
    """Return the bytes between the two lines that name ``label``."""
    if len(text) > MAX_TEXT:
        raise KeyFileInvalid("a key file has at most 16,384 bytes")
    try:
        lines = (text.decode("ascii") if isinstance(text, bytes) else text).split()
        plain = text.encode("ascii") if isinstance(text, str) else text
    except UnicodeError:
        raise KeyFileInvalid("a key file is ASCII text") from None
    if plain.startswith(b"ssh-") or b"OPENSSH PRIVATE KEY" in plain:
        _refuse_openssh()
    begin, end = f"-----BEGIN {label}-----".split(), f"-----END {label}-----".split()
    if lines[: len(begin)] != begin or lines[-len(end) :] != end:
        other = _PRIVATE if label == _PUBLIC else _PUBLIC
        if f"-----BEGIN {other}-----".encode() in plain:
            raise KeyFileInvalid(
                f"this is a {other.split()[1].lower()} key", hint=f"give the {label.split()[1].lower()} key"
            )
        raise KeyFileInvalid("this is not a Crypt4GH key file")
    try:
        return binascii.a2b_base64("".join(lines[len(begin) : -len(end)]), strict_mode=True)
    except binascii.Error:
        raise KeyFileInvalid("the key file is not valid base64") from None


def _refuse_openssh() -> NoReturn:
    raise FormatUnsupported(
        "this is an OpenSSH key",
        hint="make a Crypt4GH key pair: havre keys generate, or crypt4gh-keygen",
    )


def _take(raw: bytes) -> tuple[bytes, bytes]:
    """Split off one string with a 2-byte big-endian length."""
    end = 2 + int.from_bytes(raw[:2], "big")
    if len(raw) < 2 or len(raw) < end:
        raise KeyFileInvalid("the private key file ends early")
    return raw[2:end], raw[end:]
