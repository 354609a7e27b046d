"""Signing keys in files: PKCS #8 PEM locked with a passphrase, and its public half as JSON.

Source: RFC 5958 for the private half; the section "Keys" of ``migrator/docs/evidence-format.md`` for the public half.
PEM of RFC 5280 (SubjectPublicKeyInfo) is read as well, for keys that were brought by other means.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from migrator.core.canonical import decode, encode
from migrator.envelope.errors import WrongPassphrase
from migrator.errors import EvidenceInvalid, UsageError
from migrator.evidence.signers import ED25519, MLDSA65, PublicKey, mldsa_available, read_keys

__all__ = [
    "MAX_FILE",
    "FileSigner",
    "new_signing_key",
    "private_pem",
    "public_text",
    "read_public",
    "read_signer",
]

MAX_FILE: Final = 65_536
_ODD: Final = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class FileSigner:
    """A signing key whose private half is in this process."""

    public: PublicKey
    _private: Any = field(repr=False)

    def sign(self, message: bytes) -> bytes:
        """A signature over the message."""
        signature: bytes = self._private.sign(message)
        return signature


def new_signing_key(name: str, algorithm: str, *, valid_from: int, valid_until: int | None) -> FileSigner:
    """Draw a key.

    Raises:
        UsageError: The name or algorithm is no good, or the installed ``cryptography`` lacks the algorithm.
    """
    private: Any
    if algorithm == ED25519:
        private = Ed25519PrivateKey.generate()
    elif algorithm == MLDSA65:
        if not mldsa_available():
            raise UsageError("the installed cryptography package has no ML-DSA", hint="make an Ed25519 key")
        from cryptography.hazmat.primitives.asymmetric import mldsa  # noqa: PLC0415 - not in every build

        private = mldsa.MLDSA65PrivateKey.generate()
    else:
        raise UsageError(f"there is no algorithm {algorithm!r}", hint=f"choose {ED25519} or {MLDSA65}")
    public = PublicKey(
        name=name,
        algorithm=algorithm,
        public=private.public_key().public_bytes_raw(),
        valid_from=valid_from,
        valid_until=valid_until,
    )
    return FileSigner(public, private)


def private_pem(signer: FileSigner, passphrase: bytes) -> bytes:
    """The private half as PKCS #8 PEM, locked.

    Raises:
        UsageError: The passphrase is empty.
    """
    if not passphrase:
        raise UsageError("a signing key needs a passphrase", hint="give one of at least 12 characters")
    pem: bytes = signer._private.private_bytes(  # noqa: SLF001 - its own module
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(passphrase),
    )
    return pem


def public_text(key: PublicKey) -> bytes:
    """The public half as a file."""
    return encode(key.as_json()) + b"\n"


def read_public(data: bytes, *, name: str) -> PublicKey:
    """A public key from JSON as havre writes it, or from PEM, which gets ``name``.

    Raises:
        UsageError: It is neither.
    """
    try:
        if data.lstrip().startswith(b"-----BEGIN PUBLIC KEY-----"):
            return _from_pem(data, name)
        (key,) = read_keys({"keys": [decode(data.rstrip(b"\n"))]})
    except (EvidenceInvalid, ValueError, UnsupportedAlgorithm) as error:
        raise UsageError(
            f"{name} is no public signing key",
            hint="give NAME.pub as 'havre keys generate --signing' wrote it, or a PEM public key",
        ) from error
    return key


def _from_pem(data: bytes, name: str) -> PublicKey:
    public: Any = serialization.load_pem_public_key(data)
    if not hasattr(public, "public_bytes_raw"):  # RSA, DSA and the curves of NIST
        raise EvidenceInvalid("neither an Ed25519 nor an ML-DSA-65 key")
    algorithm = ED25519 if isinstance(public, Ed25519PublicKey) else MLDSA65
    short = _ODD.sub("-", name)[:64] or "key"
    return PublicKey(name=short, algorithm=algorithm, public=public.public_bytes_raw())


def read_signer(pem: bytes, public: PublicKey, passphrase: bytes | None) -> FileSigner:
    """Open a private half.

    Raises:
        UsageError: It is no private key, or not that of ``public``.
        WrongPassphrase: The passphrase is missing or wrong.
    """
    try:
        private: Any = serialization.load_pem_private_key(pem, passphrase)
    except TypeError as error:
        # PyCA: a passphrase where none is needed, or none where one is.
        if passphrase is None:
            raise WrongPassphrase("the signing key is locked and no passphrase was given") from None
        raise UsageError("the signing key is not locked", hint="lock it, or give no passphrase") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        if passphrase is not None and b"ENCRYPTED" in pem:
            raise WrongPassphrase("the passphrase does not open the signing key") from None
        raise UsageError("the file holds no private signing key") from error
    half = private.public_key()
    if not hasattr(half, "public_bytes_raw") or half.public_bytes_raw() != public.public:
        raise UsageError("the private and the public signing key do not belong together")
    return FileSigner(public, private)
