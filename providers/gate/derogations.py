"""Derogations: signed decisions of a named person to go on although a rule refuses.

A derogation is a JSON document in a DSSE envelope (https://github.com/secure-systems-lab/dsse/blob/master/protocol.md),
signed with Ed25519. It overrides the rules that it names, for one class, for the wave or the destination that it
names, from one day to another, and nothing else. Whose signatures count, the configuration says.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, ClassVar, Final, NoReturn

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from providers.errors import ConfigInvalid

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

__all__ = [
    "DEROGATION_TYPE",
    "MAX_DEROGATION",
    "Derogation",
    "DerogationRefused",
    "key_id",
    "public_key_text",
    "read_derogation",
    "sign_derogation",
]

DEROGATION_TYPE: Final = "application/vnd.havre.derogation+json"
MAX_DEROGATION: Final = 64 * 1024
"""Bytes that a derogation file may have at most."""
_SCHEMA: Final = 1
_KEY: Final = 32
_CLASSES: Final = ("snds", "eds", "pseudonymised", "anonymous")
_TEXTS: Final = ("class", "reason", "by", "valid_from", "valid_until")
_FIELDS: Final = frozenset({*_TEXTS, "schema", "wave", "destination", "rules"})


class DerogationRefused(ConfigInvalid):
    """A derogation is not what it must be: its form, its signature, its key, its dates or what it names."""

    code: ClassVar[str] = "derogation-refused"
    exit_code: ClassVar[int] = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Derogation:
    """What was decided.

    Attributes:
        wave: The wave it is for, or None for any wave to the destination.
        destination: The location it is for, with all below it, or None for any destination of the wave.
        dataset_class: The class it is for.
        rules: Ids of the rules it overrides.
        reason: Why, in the decider's words.
        by: Who decided.
        valid_from: First day.
        valid_until: Last day.
        digest: SHA-256 of the file, hexadecimal; empty before it is signed.
        key: Id of the key that signed it: SHA-256 of the public key, hexadecimal; empty before.
    """

    wave: str | None = None
    destination: str | None = None
    dataset_class: str
    rules: tuple[str, ...]
    reason: str
    by: str
    valid_from: date
    valid_until: date
    digest: str = ""
    key: str = ""

    def refusal(self, *, dataset_class: str, destination: str, wave: str | None, at: date) -> str | None:
        """Why it does not speak of this case on this day; None if it does."""
        if at < self.valid_from:
            return f"it is valid from {self.valid_from} only"
        if at > self.valid_until:
            return f"it ended on {self.valid_until}"
        if dataset_class != self.dataset_class:
            return f"it is for the class {self.dataset_class}"
        if self.wave is not None and wave != self.wave:
            return f"it is for the wave {self.wave!r}"
        if self.destination is not None and not _within(destination, self.destination):
            return f"it is for the destination {self.destination!r}"
        return None

    def overrides(self, rule: str) -> bool:
        """Whether it names this rule."""
        return rule in self.rules

    def to_payload(self) -> dict[str, Any]:
        """The document that is signed."""
        values = {
            "schema": _SCHEMA,
            "wave": self.wave,
            "destination": self.destination,
            "class": self.dataset_class,
            "rules": list(self.rules),
            "reason": self.reason,
            "by": self.by,
            "valid_from": self.valid_from.isoformat(),
            "valid_until": self.valid_until.isoformat(),
        }
        return {name: value for name, value in values.items() if value is not None}


def sign_derogation(derogation: Derogation, key: Ed25519PrivateKey) -> bytes:
    """The file of a derogation: one line of canonical JSON, an envelope with one signature.

    Raises:
        DerogationRefused: It names neither wave nor destination, no rule, or ends before it begins.
    """
    payload = _canonical(derogation.to_payload())
    _parse(payload)
    public = key.public_key().public_bytes_raw()
    envelope = {
        "payloadType": DEROGATION_TYPE,
        "payload": base64.b64encode(payload).decode(),
        "signatures": [
            {"keyid": key_id(public), "sig": base64.b64encode(key.sign(_signed_bytes(payload))).decode()}
        ],
    }
    return _canonical(envelope) + b"\n"


def read_derogation(data: bytes, trusted: Iterable[str]) -> Derogation:
    """A derogation whose signature one of the trusted keys made; whom and when it is for is not judged here.

    Args:
        data: The file.
        trusted: Public keys: base64 of the 32 bytes each.

    Raises:
        DerogationRefused: It is malformed, or no trusted key signed it.
        ConfigInvalid: A trusted key is no Ed25519 public key.
    """
    keys = {key_id(raw): Ed25519PublicKey.from_public_bytes(raw) for raw in map(_public_key, trusted)}
    if not keys:
        raise DerogationRefused(
            "no key is trusted to sign derogations",
            hint='write the public key into havre.toml: [trust] derogation_keys = ["…"]',
        )
    envelope = _document(data)
    if set(envelope) != {"payloadType", "payload", "signatures"}:
        _malformed("it is no signed envelope")
    if envelope["payloadType"] != DEROGATION_TYPE:
        _malformed("its payload is of another type")
    payload = _base64(envelope["payload"])
    signatures = envelope["signatures"]
    if not isinstance(signatures, list) or not all(isinstance(one, dict) for one in signatures):
        _malformed("its signatures make no sense")
    signer = _signer(payload, signatures, keys)
    values = _parse(payload)
    return Derogation(**values, digest=hashlib.sha256(data).hexdigest(), key=signer)


def key_id(public: bytes) -> str:
    """The id of a public key: SHA-256 of its 32 bytes, hexadecimal."""
    return hashlib.sha256(public).hexdigest()


def public_key_text(key: Ed25519PrivateKey) -> str:
    """The public half as ``[trust] derogation_keys`` takes it."""
    return base64.b64encode(key.public_key().public_bytes_raw()).decode()


def _signer(payload: bytes, signatures: list[dict[str, Any]], keys: dict[str, Ed25519PublicKey]) -> str:
    # The key id is a hint that anybody can write; every trusted key is tried on every signature.
    for signature in signatures:
        for name, key in keys.items():
            try:
                key.verify(_base64(signature.get("sig")), _signed_bytes(payload))
            except InvalidSignature:
                continue
            return name
    raise DerogationRefused(
        "no trusted key signed this derogation",
        hint="check who signed it, and [trust] derogation_keys in havre.toml",
    )


def _signed_bytes(payload: bytes) -> bytes:
    """DSSE's pre-authentication encoding."""
    kind = DEROGATION_TYPE.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def _parse(payload: bytes) -> dict[str, Any]:
    document = _document(payload)
    schema = document.get("schema")
    if type(schema) is not int or schema != _SCHEMA or set(document) - _FIELDS:
        _malformed("it has fields that this version does not know")
    for name in _TEXTS:
        if not isinstance(document.get(name), str) or not document[name].strip():
            _malformed(f"it lacks {name!r}")
    for name in ("wave", "destination"):
        if name in document and (not isinstance(document[name], str) or not document[name]):
            _malformed(f"{name!r} makes no sense")
    if "wave" not in document and "destination" not in document:
        _malformed("it names neither a wave nor a destination")
    rules = document.get("rules")
    if not isinstance(rules, list) or not rules or not all(isinstance(rule, str) and rule for rule in rules):
        _malformed("it names no rule")
    if document["class"] not in _CLASSES:
        _malformed("its class is not known")
    first, last = _day(document["valid_from"]), _day(document["valid_until"])
    if last < first:
        _malformed("it ends before it begins")
    return {
        "wave": document.get("wave"),
        "destination": document.get("destination"),
        "dataset_class": document["class"],
        "rules": tuple(rules),
        "reason": document["reason"],
        "by": document["by"],
        "valid_from": first,
        "valid_until": last,
    }


def _document(data: bytes) -> dict[str, Any]:
    """A JSON object in the one form it can have: no member twice, nothing that a reader could take otherwise."""
    if len(data) > MAX_DEROGATION:
        _malformed(f"it is larger than {MAX_DEROGATION:,} bytes")
    try:
        document = json.loads(data)
        canonical = _canonical(document)
    except (ValueError, RecursionError):
        _malformed("it is not JSON")
    if not isinstance(document, dict) or data.removesuffix(b"\n") != canonical:
        _malformed("it is not in canonical form (sorted members, no spaces, one line)")
    return document


def _canonical(value: object) -> bytes:
    return json.dumps(
        value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False
    ).encode()


def _base64(text: object) -> bytes:
    try:
        return base64.b64decode(text if isinstance(text, str) else "!", validate=True)
    except (binascii.Error, ValueError):
        _malformed("it is not base64 where it must be")


def _public_key(text: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != _KEY:
        raise ConfigInvalid(
            "a key in [trust] derogation_keys is no Ed25519 public key",
            hint="write base64 of its 32 bytes: openssl pkey -in key.pem -pubout -outform DER | tail -c 32 | base64",
        )
    return raw


def _day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        _malformed("a day is not written as YYYY-MM-DD")
    if day.isoformat() != text:
        _malformed("a day is not written as YYYY-MM-DD")
    return day


def _within(location: str, named: str) -> bool:
    outer = named.rstrip("/")
    return location.rstrip("/") == outer or location.startswith(outer + "/")


def _malformed(why: str) -> NoReturn:
    raise DerogationRefused(f"the derogation cannot be used: {why}", hint="have it signed anew")
