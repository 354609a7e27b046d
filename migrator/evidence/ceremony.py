"""Key ceremonies: a signed record of which keys were made or shown, before whom, and that each private half opens.

Source: ``migrator/docs/ceremony-format.md``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from migrator.core.canonical import decode
from migrator.envelope.arithmetic import NONCE, SEGMENT_OVERHEAD
from migrator.envelope.errors import EnvelopeError
from migrator.envelope.header import build_header, open_header, parse_header
from migrator.envelope.keys import Identity, Recipient, fingerprint
from migrator.envelope.segments import PREFIX, open_into, seal_into
from migrator.errors import EvidenceInvalid, IntegrityError
from migrator.evidence.dsse import read_envelope, read_statement, seal_statement, statement
from migrator.evidence.facts import dependencies
from migrator.evidence.shapes import Check, check_members, count, hex64, list_of, matches, members, or_null
from migrator.evidence.signers import ED25519, PublicKey, Signer, check_signers, keys_document, read_keys

__all__ = [
    "MAX_RECORD",
    "PREDICATE",
    "Ceremony",
    "CeremonyKey",
    "exercise",
    "read_ceremony",
    "write_ceremony",
]

PREDICATE: Final = "urn:havre:predicate:key-ceremony:1"
MAX_RECORD: Final = 16 * 1024 * 1024
CLAIM: Final = (
    "Before the people named these key pairs were made or shown; with each, data encrypted for the public half was "
    "opened by the private half as it is kept."
)
_LIMITS: Final = (
    "that nobody else holds a copy of a private key or its passphrase",
    "that the people named were there: the record says so, and whoever signed it",
    "that the declared number of copies exists",
)
_DAY: Final = 86_400_000
_TRIAL: Final = 1_000
_KINDS: Final = ("passphrase-file", "wrapped", "unlocked-file")
_WORDS: Final = matches(r"(?s:.+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class CeremonyKey:
    """A key pair as the record describes it.

    Attributes:
        name: Name of the public key file, without its folder.
        public_file: Its contents.
        public: 32 bytes.
        private_file: Contents of the file of the private half as it is kept; only its digest is recorded.
        made: Whether it was made at the ceremony.
        kind: ``passphrase-file``, ``wrapped`` or ``unlocked-file``.
        copies: How many copies of the private half there are to be, as was declared, or None.
        server: Of a wrapped one: address, namespace, mount, key and version.
        tried_ms: When the private half opened the trial.
    """

    name: str
    public_file: bytes
    public: bytes
    private_file: bytes
    made: bool
    kind: str
    copies: int | None
    server: Mapping[str, Any] | None
    tried_ms: int

    def as_json(self) -> dict[str, Any]:
        """The entry of the record."""
        return {
            "name": self.name,
            "algorithm": "x25519",
            "public": self.public.hex(),
            "fingerprint": fingerprint(self.public),
            "made": self.made,
            "held": {
                "kind": self.kind,
                "sha256": hashlib.sha256(self.private_file).hexdigest(),
                "copies": self.copies,
                "server": None if self.server is None else dict(self.server),
            },
            "opened_at": self.tried_ms,
        }


@dataclass(frozen=True, slots=True)
class Ceremony:
    """A record that holds.

    Attributes:
        predicate: What it says.
        subjects: Name of a public key file → hexadecimal SHA-256.
        trusted: Names of the trusted keys that signed.
    """

    predicate: dict[str, Any]
    subjects: dict[str, str]
    trusted: tuple[str, ...]


def exercise(recipient: Recipient, identity: Identity, entropy: Callable[[int], bytes]) -> None:
    """Encrypt for the public half as an object is encrypted, and open it with the private half.

    Raises:
        IntegrityError: It does not come back.
    """
    data_key, plain, prefix = entropy(32), entropy(_TRIAL), entropy(PREFIX)
    header = build_header(data_key, [recipient], writer_private=entropy(32), nonces=entropy(NONCE))
    sealed, back = bytearray(len(plain) + SEGMENT_OVERHEAD), bytearray(len(plain))
    seal_into(ChaCha20Poly1305(data_key), prefix, 0, memoryview(plain), memoryview(sealed), last=True)
    try:
        (found,) = open_header(parse_header(header), [identity]).data_keys
        open_into(ChaCha20Poly1305(found), 0, memoryview(sealed), memoryview(back), last=True)
    except EnvelopeError as error:
        raise IntegrityError(
            "the private half does not open what was encrypted for the public half"
        ) from error
    if bytes(back) != plain:
        raise IntegrityError("what the private half opened is not what was encrypted")


def write_ceremony(
    keys: Sequence[CeremonyKey],
    signers: Sequence[Signer],
    *,
    made_ms: int,
    present: Sequence[str],
    place: str | None,
    owner: Mapping[str, Any],
    clock: Mapping[str, Any],
) -> bytes:
    """The record's file, signed by each.

    Args:
        keys: The key pairs.
        signers: Who signs.
        made_ms: Now, milliseconds since 1970.
        present: Who was there.
        place: Where, or None.
        owner: Who ran it on which host (``user``, ``host``).
        clock: State of the clock (``synchronised``, ``max_error_us``).

    Raises:
        UsageError: A key signs twice, or two have the same name.
        EvidenceInvalid, CustodyError: A signer cannot sign.
    """
    check_signers(signers)
    predicate = {
        "claim": CLAIM,
        "made_at": made_ms,
        "place": place,
        "present": list(present),
        "keys": [key.as_json() for key in keys],
        "signing": keys_document([signer.public for signer in signers])["keys"],
        "run": {"user": owner["user"], "host": owner["host"], **dependencies()},
        "clock": {name: clock[name] for name in ("max_error_us", "synchronised")},
        "limits_of_this": list(_LIMITS),
    }
    subjects = {key.name: hashlib.sha256(key.public_file).hexdigest() for key in keys}
    return seal_statement(statement(PREDICATE, subjects, predicate), signers)


def read_ceremony(data: bytes, trusted: Sequence[PublicKey], *, now_ms: int) -> Ceremony:
    """Check a record.

    Args:
        data: The file.
        trusted: Keys that the reader trusts.
        now_ms: The reader's time, milliseconds since 1970.

    Raises:
        EvidenceInvalid: It does not hold.
    """
    if len(data) > MAX_RECORD or not data.endswith(b"\n"):
        raise EvidenceInvalid("the record is too long, or its last line has no end")
    envelope = read_envelope(decode(data[:-1]))
    subjects, predicate = read_statement(envelope.payload, PREDICATE)
    check_members(predicate, _MEMBERS)
    keys = read_keys({"keys": predicate["signing"]})
    if envelope.signers(keys) != keys:
        raise EvidenceInvalid("it is not signed by exactly the keys that it names, in their order")
    known = _trusted(keys, trusted)
    _check_times(predicate["made_at"], (*keys, *known), now_ms)
    _check_keys(predicate, subjects)
    return Ceremony(predicate, subjects, tuple(key.name for key in known))


def _trusted(keys: Sequence[PublicKey], trusted: Sequence[PublicKey]) -> list[PublicKey]:
    ids = {key.keyid for key in keys}
    known = [key for key in trusted if key.keyid in ids]
    if not known:
        raise EvidenceInvalid("no key that you trust has signed it")
    for key in trusted:
        if key.algorithm != ED25519 and key.keyid not in ids:
            raise EvidenceInvalid(f"your key {key.name} has not signed it")
    return known


def _check_times(made_at: int, keys: Sequence[PublicKey], now_ms: int) -> None:
    if made_at > now_ms + _DAY:
        raise EvidenceInvalid("it says that it was made in the future")
    for key in keys:
        if key.expired_at(made_at):
            raise EvidenceInvalid(f"the time of the key {key.name} was over when it was made")
        if key.valid_from > now_ms + _DAY:
            raise EvidenceInvalid(f"the time of the key {key.name} has not begun")


def _check_keys(predicate: Mapping[str, Any], subjects: Mapping[str, str]) -> None:
    entries = predicate["keys"]
    names = [entry["name"] for entry in entries]
    if sorted(names) != sorted(subjects) or len({entry["public"] for entry in entries}) != len(entries):
        raise EvidenceInvalid("its subjects are not the key pairs that it names, each once")
    if not all(hex64(digest) for digest in subjects.values()):
        raise EvidenceInvalid("a subject has no digest")
    for entry in entries:
        if entry["fingerprint"] != fingerprint(bytes.fromhex(entry["public"])):
            raise EvidenceInvalid(f"the fingerprint of {entry['name']} is not that of its public key")
        if (entry["held"]["kind"] == "wrapped") != (entry["held"]["server"] is not None):
            raise EvidenceInvalid(f"what keeps {entry['name']} is not clear")


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


_SERVER: Final = members(address=_WORDS, namespace=or_null(_WORDS), mount=_WORDS, key=_WORDS, version=count)
_KEY: Final = members(
    name=matches(r"[^/\x00-\x1f]{1,255}"),
    algorithm=lambda value: value == "x25519",
    public=hex64,
    fingerprint=matches(r"[0-9a-f]{16}"),
    made=_flag,
    held=members(
        kind=lambda value: value in _KINDS, sha256=hex64, copies=or_null(count), server=or_null(_SERVER)
    ),
    opened_at=count,
)
_MEMBERS: Final[Mapping[str, Check]] = {
    "claim": _WORDS,
    "made_at": count,
    "place": or_null(_WORDS),
    "present": list_of(_WORDS, least=1),
    "keys": list_of(_KEY, least=1),
    "signing": lambda value: isinstance(value, list),
    "run": members(user=_WORDS, host=_WORDS, version=_WORDS, dependencies_sha256=hex64),
    "clock": members(max_error_us=or_null(count), synchronised=or_null(_flag)),
    "limits_of_this": list_of(_WORDS, least=1),
}
