"""Who signs: a private half somewhere, a public half that anybody may have."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from migrator.errors import EvidenceInvalid, UsageError

__all__ = [
    "ALGORITHMS",
    "PublicKey",
    "Signer",
    "check_signers",
    "decode_base64",
    "keys_document",
    "mldsa_available",
    "read_keys",
]

ED25519: Final = "ed25519"
MLDSA65: Final = "ml-dsa-65"
ALGORITHMS: Final = {ED25519: 32, MLDSA65: 1952}
"""Algorithm → length of a raw public key in bytes."""
_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_HELD: Final = ("file", "transit")
_MEMBERS: Final = {"name", "algorithm", "keyid", "public", "valid_from", "valid_until", "held"}
_MAX_KEYS: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKey:
    """The public half of a signing key.

    Attributes:
        name: What people call it.
        algorithm: ``ed25519`` or ``ml-dsa-65``.
        public: The raw public key.
        valid_from, valid_until: Milliseconds since 1970, the latter or None.
        held: Where the private half is said to be: ``file`` or ``transit``.
    """

    name: str
    algorithm: str
    public: bytes
    valid_from: int = 0
    valid_until: int | None = None
    held: str = "file"

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise UsageError(
                "the name of a signing key has 1 to 64 letters, digits, dots, dashes and underscores"
            )
        if ALGORITHMS.get(self.algorithm) != len(self.public):
            raise EvidenceInvalid(f"the public key {self.name} has the wrong length or algorithm")

    @property
    def keyid(self) -> str:
        """Hexadecimal SHA-256 of the raw public key."""
        return hashlib.sha256(self.public).hexdigest()

    def verify(self, signature: bytes, message: bytes) -> bool:
        """Whether the signature is right.

        Raises:
            UsageError: It is an ML-DSA key and the installed ``cryptography`` cannot check those.
        """
        try:
            if self.algorithm == ED25519:
                Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
            else:
                _mldsa_public(self.public).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True

    def expired_at(self, at_ms: int) -> bool:
        """Whether the key's time was over then. A wave may well be older than the key that signs for it."""
        return self.valid_until is not None and at_ms > self.valid_until

    def as_json(self) -> dict[str, Any]:
        """The key as ``keys.json`` holds it."""
        return {
            "name": self.name,
            "algorithm": self.algorithm,
            "keyid": self.keyid,
            "public": base64.b64encode(self.public).decode(),
            "valid_from": self.valid_from,
            "valid_until": self.valid_until,
            "held": self.held,
        }


class Signer(Protocol):
    """Something that signs."""

    @property
    def public(self) -> PublicKey:
        """The public half."""

    def sign(self, message: bytes) -> bytes:
        """A signature over the message.

        Raises:
            EvidenceInvalid: The signature that came back is not right.
            CustodyError: The private half cannot be reached or may not be used.
        """


def check_signers(signers: Sequence[Signer]) -> None:
    """Whether readers will take what these sign together.

    Raises:
        UsageError: There are too many, or two have the same name or the same key.
    """
    if len(signers) > _MAX_KEYS:
        raise UsageError(f"at most {_MAX_KEYS} keys sign", hint="give --sign fewer times")
    if len({signer.public.keyid for signer in signers}) != len(signers):
        raise UsageError("a key signs twice", hint="give each signing key once")
    if len({signer.public.name for signer in signers}) != len(signers):
        raise UsageError(
            "two of the signing keys have the same name", hint="sign with keys of different names"
        )


def mldsa_available() -> bool:
    """Whether the installed ``cryptography`` has ML-DSA-65."""
    try:
        from cryptography.hazmat.primitives.asymmetric import mldsa  # noqa: PLC0415 - not in every build
    except ImportError:
        return False
    return hasattr(mldsa, "MLDSA65PublicKey")


def _mldsa_public(raw: bytes) -> Any:
    if not mldsa_available():
        raise UsageError(
            "the installed cryptography package cannot check ML-DSA signatures",
            hint="check on a machine with a newer one, or leave that key out of what you trust",
        )
    from cryptography.hazmat.primitives.asymmetric import mldsa  # noqa: PLC0415 - see above

    return mldsa.MLDSA65PublicKey.from_public_bytes(raw)


def keys_document(keys: Sequence[PublicKey]) -> dict[str, Any]:
    """What ``keys.json`` says."""
    return {"keys": [key.as_json() for key in keys]}


def read_keys(document: Any) -> tuple[PublicKey, ...]:
    """The keys of ``keys.json``.

    Raises:
        EvidenceInvalid: It says what it may not say.
    """
    if not isinstance(document, dict) or set(document) != {"keys"} or not isinstance(document["keys"], list):
        raise EvidenceInvalid("keys.json must hold a list called 'keys'")
    if not 1 <= len(document["keys"]) <= _MAX_KEYS:
        raise EvidenceInvalid(f"keys.json names 1 to {_MAX_KEYS} keys")
    keys = tuple(_read_key(entry) for entry in document["keys"])
    if len({key.keyid for key in keys}) != len(keys) or len({key.name for key in keys}) != len(keys):
        raise EvidenceInvalid("keys.json names a key twice")
    return keys


def _read_key(entry: Any) -> PublicKey:
    if not isinstance(entry, dict) or set(entry) != _MEMBERS:
        raise EvidenceInvalid("an entry of keys.json lacks a member or has one too many")
    texts = all(isinstance(entry[name], str) for name in ("name", "algorithm", "keyid", "public", "held"))
    start, end = entry["valid_from"], entry["valid_until"]
    times = type(start) is int and start >= 0 and (end is None or (type(end) is int and end >= 0))
    if not texts or not times or entry["held"] not in _HELD or not _NAME.fullmatch(entry["name"]):
        raise EvidenceInvalid("an entry of keys.json holds a value that it may not hold")
    raw = decode_base64(entry["public"])
    key = PublicKey(
        name=entry["name"],
        algorithm=entry["algorithm"],
        public=raw,
        valid_from=start,
        valid_until=end,
        held=entry["held"],
    )
    if key.keyid != entry["keyid"]:
        raise EvidenceInvalid(f"the key id of {key.name} in keys.json is not that of its public key")
    return key


def decode_base64(text: str) -> bytes:
    """The bytes of base64 in its one form.

    Raises:
        EvidenceInvalid: It is not base64, or another spelling of it.
    """
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError:
        raise EvidenceInvalid("what must be base64 is not") from None
    if base64.b64encode(raw).decode() != text:
        raise EvidenceInvalid("base64 is not in its one form")
    return raw
