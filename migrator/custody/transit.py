"""What a key of the transit engine does for us: shut a wrapping key, open it again, sign.

Source: "Transit secrets engine (API)" of OpenBao 2.x: ``encrypt``, ``decrypt``, ``sign``, ``keys``; HashiCorp Vault
from 1.13 on answers the same. What comes back is checked here, never believed: a wrapping key is opened again and
compared, a signature is verified under the public key that was read before.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from migrator.custody.server import Refused, Server
from migrator.errors import CustodyError, CustodyKeyUnusable
from providers.custody_place import CustodyPlace

__all__ = ["SigningVersion", "Transit", "version_of"]

_TOKEN: Final = re.compile(r"vault:v([1-9][0-9]{0,8}):([A-Za-z0-9+/]+={0,2})")
_MAX_TOKEN: Final = 4_096
_ED25519: Final = 32
_SIGNATURE: Final = 64
_NOT_FOUND: Final = 404
_CLUES: Final[tuple[tuple[str, str, str], ...]] = (
    (
        "too old",
        "the version of the key {key} that this needs is switched off",
        "have min_decryption_version lowered for as long as it takes to wrap the key file anew ('havre keys wrap')",
    ),
    (
        "too new",
        "the server knows no such version of the key {key}",
        "it may have been restored from an older copy, or be another server than the one that wrapped this",
    ),
    (
        "key not found",
        "the server has no key {key}",
        "check the name; a key that was deleted is gone for good",
    ),
    (
        "message authentication failed",
        "the key {key} did not wrap this, or the file was changed",
        "check that this is the right server and key; take another copy of the file",
    ),
    ("invalid ciphertext", "the key {key} did not wrap this", "take another copy of the file"),
    (
        "non-AEAD",
        "the key {key} is of a type that cannot bind what it wraps",
        "make one with: bao write -f transit/keys/NAME type=aes256-gcm96",
    ),
    ("associated_data", "the key {key} cannot bind what it wraps", "make one of type aes256-gcm96"),
    ("missing 'context'", "the key {key} is a derived one", "make one that is not derived"),
    ("does not support", "the key {key} is of a type that cannot do this", "name a key of the right type"),
)
"""Words of the server, what is wrong, what to do."""


@dataclass(frozen=True, slots=True)
class SigningVersion:
    """One version of an Ed25519 key.

    Attributes:
        version: Counts from 1.
        public: 32 bytes.
        made_ms: When the server made it, milliseconds since 1970.
    """

    version: int
    public: bytes
    made_ms: int


def version_of(text: str) -> int:
    """The version of the key that a ciphertext or signature of the engine names.

    Raises:
        ValueError: It has another form.
    """
    match = _TOKEN.fullmatch(text) if len(text) <= _MAX_TOKEN else None
    if match is None:
        raise ValueError("not the engine's form")
    return int(match[1])


class Transit:
    """A key of a transit engine.

    Args:
        place: The key.
        server: Where it is, with a token that may use it.
    """

    def __init__(self, place: CustodyPlace, server: Server) -> None:
        self.place = place
        self._server = server

    def wrap(self, secret: bytes, binding: bytes) -> str:
        """The secret, encrypted by the newest version of the key and bound to ``binding``.

        Before it is handed back it is opened again, and must not open under another binding: the token needs
        ``update`` on ``encrypt`` and ``decrypt``.

        Raises:
            CustodyError: As ``Server.call``; or what comes back does not open to the secret.
        """
        body = {"plaintext": _text(secret), "associated_data": _text(binding)}
        wrapped = self._member(self._call("POST", "encrypt", body), "ciphertext")
        try:
            version_of(wrapped)
        except ValueError:
            raise self._nonsense() from None
        if self.unwrap(wrapped, binding) != secret:
            raise CustodyError(
                f"{self._server.address} wrapped something else than it was given",
                hint="do not use that server; nothing was written",
            )
        if self._opens(wrapped, binding + b"\0"):
            raise CustodyError(
                f"{self._server.address} does not bind what it wraps to the public key",
                hint="OpenBao, and HashiCorp Vault from 1.13 on, do; nothing was written",
            )
        return wrapped

    def unwrap(self, wrapped: str, binding: bytes) -> bytes:
        """What ``wrap`` was given.

        Raises:
            CustodyError: As ``Server.call``; or the key did not wrap this, or is not to be had.
        """
        body = {"ciphertext": wrapped, "associated_data": _text(binding)}
        try:
            return base64.b64decode(
                self._member(self._call("POST", "decrypt", body), "plaintext"), validate=True
            )
        except ValueError:  # binascii.Error is one, and what is not ASCII raises another
            raise self._nonsense() from None

    def _opens(self, wrapped: str, binding: bytes) -> bool:
        """Whether it opens; a server too old to know of bindings ignores them in silence."""
        try:
            self.unwrap(wrapped, binding)
        except CustodyKeyUnusable:
            return False
        return True

    def signing_version(self, version: int | None = None) -> SigningVersion:
        """A version of an Ed25519 key, by default the newest; the token needs ``read`` on ``keys``.

        Raises:
            CustodyKeyUnusable: There is none, or it is a key of another type.
            CustodyError: As ``Server.call``.
        """
        data = self._call("GET", "keys", None)
        if data.get("type") != "ed25519" or data.get("derived") is True:
            raise CustodyKeyUnusable(
                f"the key {self.place.key} of {self._server.address} is no Ed25519 key",
                hint="make one with: bao write -f transit/keys/NAME type=ed25519",
            )
        wanted = data.get("latest_version") if version is None else version
        versions = data.get("keys")
        if type(wanted) is not int or wanted < 1 or not isinstance(versions, dict):
            raise self._nonsense()
        entry = versions.get(str(wanted))
        if entry is None:
            raise CustodyKeyUnusable(
                f"version {wanted} of the key {self.place.key} is not there, or switched off",
                hint=f"versions in use: {', '.join(sorted(str(name)[:9] for name in versions)[:20])}",
            )
        try:
            public = base64.b64decode(entry["public_key"], validate=True)
            made = datetime.fromisoformat(entry["creation_time"])
        except (binascii.Error, ValueError, TypeError, KeyError):
            raise self._nonsense() from None
        if len(public) != _ED25519 or made.tzinfo is None:
            raise self._nonsense()
        return SigningVersion(wanted, public, max(0, int(made.timestamp() * 1000)))

    def sign(self, message: bytes, version: int) -> bytes:
        """An Ed25519 signature; the token needs ``update`` on ``sign``. The caller verifies it.

        Raises:
            CustodyError: As ``Server.call``; or what comes back is no signature by that version.
        """
        data = self._call("POST", "sign", {"input": _text(message), "key_version": version})
        text = self._member(data, "signature")
        try:
            signature = base64.b64decode(text.rpartition(":")[2], validate=True)
            by = version_of(text)
        except ValueError:  # binascii.Error is one
            raise self._nonsense() from None
        if by != version or len(signature) != _SIGNATURE:
            raise self._nonsense()
        return signature

    def _call(self, method: str, operation: str, body: Mapping[str, Any] | None) -> Mapping[str, Any]:
        place = self.place
        try:
            return self._server.call(method, f"{place.mount}/{operation}/{place.key}", body)
        except Refused as error:
            raise self._explained(error) from error

    def _explained(self, error: Refused) -> CustodyError:
        key = self.place.key
        if error.status == _NOT_FOUND and error.words:
            where = f" in the namespace {self.place.namespace}" if self.place.namespace else ""
            return CustodyKeyUnusable(
                f"{self._server.address} has no transit engine at {self.place.mount}{where}",
                hint="check mount and namespace in the configuration",
            )
        if error.status == _NOT_FOUND:
            return CustodyKeyUnusable(
                f"the server has no key {key}", hint="check the name; a key that was deleted is gone for good"
            )
        for words, message, hint in _CLUES:
            if words in error.words:
                return CustodyKeyUnusable(f"{self._server.address}: {message.format(key=key)}", hint=hint)
        return error

    def _member(self, data: Mapping[str, Any], name: str) -> str:
        value = data.get(name)
        if not isinstance(value, str):
            raise self._nonsense()
        return value

    def _nonsense(self) -> CustodyError:
        return CustodyError(
            f"the answer of {self._server.address} makes no sense",
            hint="check that this is the address of an OpenBao or Vault server",
        )


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
