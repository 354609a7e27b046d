"""Private key files whose key is kept by a server: ``havre-wrapped-key/1``.

Source: ``migrator/docs/wrapped-key-format.md``. The private key is sealed under a wrapping key that is drawn for this
file, and the server encrypts the wrapping key: it never sees the private key, and the file without the server opens
nothing. Pure but for the server: entropy is an argument, files are the caller's.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from migrator.core.canonical import decode, encode
from migrator.custody.transit import Transit, version_of
from migrator.envelope.errors import EnvelopeError, KeyFileInvalid
from migrator.envelope.keys import Identity, Recipient
from migrator.errors import EvidenceInvalid
from providers.custody_place import CustodyPlace, valid_key, valid_path
from providers.errors import ConfigInvalid
from providers.location import SITE_NAME

__all__ = ["FORMAT", "MAX_FILE", "WrappedKey", "open_wrapped", "parse_wrapped", "wrap_identity"]

FORMAT: Final = "havre-wrapped-key/1"
MAX_FILE: Final = 16_384
_BINDING: Final = b"havre/custody/wrap/1\0"
_NONCE: Final = 12
_KEY: Final = 32
_SEALED: Final = 48
_HINT: Final = "take another copy of the file"


@dataclass(frozen=True, slots=True, kw_only=True)
class WrappedKey:
    """A file taken apart, nothing opened yet.

    Attributes:
        custody: What the configuration called the key at the server.
        mount, key, namespace: Which key wrapped it.
        public: 32 bytes: the public half, as the file says; opening the file shows whether it is.
        wrapped: The wrapping key as the server encrypted it.
    """

    custody: str
    mount: str
    key: str
    namespace: str | None
    public: bytes
    wrapped: str
    _nonce: bytes = field(repr=False)
    _sealed: bytes = field(repr=False)

    @property
    def version(self) -> int:
        """Version of the server's key."""
        return version_of(self.wrapped)

    @property
    def recipient(self) -> Recipient:
        """The public half, as the file says."""
        return Recipient.from_public_bytes(self.public)

    def head(self) -> dict[str, Any]:
        """All members that the seal covers."""
        return {
            "custody": self.custody,
            "format": FORMAT,
            "key": self.key,
            "mount": self.mount,
            "namespace": self.namespace,
            "public": base64.b64encode(self.public).decode(),
            "wrapped": self.wrapped,
        }

    def to_text(self) -> str:
        """The file."""
        sealed = {"nonce": self._nonce, "sealed": self._sealed}
        body = {name: base64.b64encode(value).decode() for name, value in sealed.items()}
        return encode({**self.head(), **body}).decode() + "\n"

    def open(self, wrapping_key: bytes) -> Identity:
        """The private key.

        Raises:
            KeyFileInvalid: The wrapping key does not open it, or it is not the other half of ``public``.
        """
        damaged = KeyFileInvalid("the wrapped key file is damaged", hint=_HINT)
        if len(wrapping_key) != _KEY:
            raise damaged
        try:
            raw = ChaCha20Poly1305(wrapping_key).decrypt(self._nonce, self._sealed, encode(self.head()))
        except InvalidTag:
            raise damaged from None
        identity = Identity.from_private_bytes(raw)
        if identity.public != self.public:
            raise damaged
        return identity


def wrap_identity(identity: Identity, transit: Transit, *, entropy: Callable[[int], bytes]) -> WrappedKey:
    """Seal a private key so that only the server opens it again; it shows that before it is handed back.

    Args:
        identity: The private key.
        transit: The server's key.
        entropy: Gives so many random bytes.

    Raises:
        CustodyError: The server cannot, will not, or does not do what it says.
    """
    place, wrapping_key, nonce = transit.place, entropy(_KEY), entropy(_NONCE)
    made = WrappedKey(
        custody=place.name,
        mount=place.mount,
        key=place.key,
        namespace=place.namespace,
        public=identity.public,
        wrapped=transit.wrap(wrapping_key, _BINDING + identity.public),
        _nonce=nonce,
        _sealed=b"",
    )
    sealed = ChaCha20Poly1305(wrapping_key).encrypt(
        nonce, identity.key.private_bytes_raw(), encode(made.head())
    )
    done = replace(made, _sealed=sealed)
    done.open(wrapping_key)
    return done


def open_wrapped(data: bytes, find: Callable[[str], Transit]) -> Identity:
    """Open a file with the server that the configuration names; the file itself decides no address.

    Args:
        data: The file.
        find: From a custodian's name to its key at the server.

    Raises:
        KeyFileInvalid: It is no such file, or damaged.
        ConfigInvalid: The configuration knows no such custodian, or means another key by it.
        CustodyError: The server cannot or will not open it.
    """
    kept = parse_wrapped(data)
    transit = find(kept.custody)
    _same_key(kept, transit.place)
    return kept.open(transit.unwrap(kept.wrapped, _BINDING + kept.public))


def _same_key(kept: WrappedKey, place: CustodyPlace) -> None:
    if (kept.mount, kept.key, kept.namespace) != (place.mount, place.key, place.namespace):
        raise ConfigInvalid(
            f"the key file was wrapped by the key {kept.key} at {kept.mount}, and [custody.{place.name}] is "
            f"{place.key} at {place.mount}",
            hint="set mount, key and namespace in the configuration to those of the file",
        )


def parse_wrapped(data: bytes) -> WrappedKey:
    """Take a file apart, without asking anybody.

    Raises:
        KeyFileInvalid: It is not in the form that the format page gives.
    """
    if len(data) > MAX_FILE:
        raise KeyFileInvalid("a wrapped key file has at most 16,384 bytes", hint=_HINT)
    try:
        document = decode(data.removesuffix(b"\n"))
    except EvidenceInvalid:
        raise KeyFileInvalid(
            "this is no wrapped key file: it is not canonical JSON",
            hint="private keys are Crypt4GH key files, or files that 'havre keys wrap' made",
        ) from None
    members = {"custody", "format", "key", "mount", "namespace", "nonce", "public", "sealed", "wrapped"}
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise KeyFileInvalid(
            f"this is no wrapped key file of the format {FORMAT}",
            hint="a file of a newer format needs a newer version of havre",
        )
    damaged = KeyFileInvalid("the wrapped key file is damaged", hint=_HINT)
    texts = {name: value for name, value in document.items() if isinstance(value, str)}
    space = document.get("namespace")
    if set(document) != members or set(texts) != members - ({"namespace"} if space is None else set()):
        raise damaged
    if space is not None and not valid_path(space):
        raise damaged
    if not (SITE_NAME.fullmatch(texts["custody"]) and valid_path(texts["mount"]) and valid_key(texts["key"])):
        raise damaged
    try:
        version_of(texts["wrapped"])
        raw = {name: base64.b64decode(texts[name], validate=True) for name in ("nonce", "public", "sealed")}
        Recipient.from_public_bytes(raw["public"])
    except (ValueError, EnvelopeError):
        raise damaged from None
    if len(raw["nonce"]) != _NONCE or len(raw["sealed"]) != _SEALED:
        raise damaged
    found = WrappedKey(
        custody=texts["custody"],
        mount=texts["mount"],
        key=texts["key"],
        namespace=space,
        public=raw["public"],
        wrapped=texts["wrapped"],
        _nonce=raw["nonce"],
        _sealed=raw["sealed"],
    )
    if found.to_text().encode() != data:
        raise damaged
    return found
