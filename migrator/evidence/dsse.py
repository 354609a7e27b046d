"""DSSE envelopes around in-toto statements.

Source: DSSE protocol v1.0.2 (secure-systems-lab/dsse) and in-toto Statement v1, in the one form of the section
"Envelopes" of ``migrator/docs/evidence-format.md``.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from migrator.core.canonical import decode, encode
from migrator.errors import EvidenceInvalid
from migrator.evidence.signers import PublicKey, Signer, decode_base64

__all__ = [
    "PAYLOAD_TYPE",
    "Envelope",
    "pre_authentication",
    "read_envelope",
    "read_statement",
    "seal_statement",
    "statement",
]

PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
_STATEMENT: Final = "https://in-toto.io/Statement/v1"
_MAX_SIGNATURES: Final = 16


@dataclass(frozen=True, slots=True)
class Envelope:
    """An envelope taken apart, no signature checked yet."""

    payload: bytes
    signatures: tuple[tuple[str, bytes], ...]

    def signers(self, keys: Sequence[PublicKey]) -> tuple[PublicKey, ...]:
        """The keys that signed, in the order of the signatures.

        Raises:
            EvidenceInvalid: A signature is wrong, or by a key that is not among ``keys``.
        """
        by_id = {key.keyid: key for key in keys}
        message = pre_authentication(PAYLOAD_TYPE, self.payload)
        found = []
        for keyid, signature in self.signatures:
            key = by_id.get(keyid)
            if key is None:
                raise EvidenceInvalid("a signature is by a key that is nowhere named")
            if not key.verify(signature, message):
                raise EvidenceInvalid(f"the signature by {key.name} is wrong")
            found.append(key)
        return tuple(found)


def pre_authentication(payload_type: str, payload: bytes) -> bytes:
    """DSSE's pre-authentication encoding: what is signed."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def statement(predicate_type: str, subjects: Mapping[str, str], predicate: Mapping[str, Any]) -> bytes:
    """An in-toto statement; ``subjects`` maps file names to hexadecimal SHA-256."""
    return encode(
        {
            "_type": _STATEMENT,
            "subject": [{"name": name, "digest": {"sha256": subjects[name]}} for name in sorted(subjects)],
            "predicateType": predicate_type,
            "predicate": dict(predicate),
        }
    )


def seal_statement(payload: bytes, signers: Sequence[Signer]) -> bytes:
    """The envelope's file, signed by each."""
    message = pre_authentication(PAYLOAD_TYPE, payload)
    signatures = [
        {"keyid": signer.public.keyid, "sig": base64.b64encode(signer.sign(message)).decode()}
        for signer in signers
    ]
    document = {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": PAYLOAD_TYPE,
        "signatures": signatures,
    }
    return encode(document) + b"\n"


def read_envelope(document: Any) -> Envelope:
    """Take an envelope apart.

    Raises:
        EvidenceInvalid: It is not an envelope in its one form.
    """
    if not isinstance(document, dict) or set(document) != {"payload", "payloadType", "signatures"}:
        raise EvidenceInvalid("an envelope lacks a member or has one too many")
    if document["payloadType"] != PAYLOAD_TYPE or not isinstance(document["payload"], str):
        raise EvidenceInvalid("an envelope holds something else than an in-toto statement")
    entries = document["signatures"]
    if not isinstance(entries, list) or not 1 <= len(entries) <= _MAX_SIGNATURES:
        raise EvidenceInvalid("an envelope has no signature, or too many")
    signatures = []
    for entry in entries:
        if not isinstance(entry, dict) or set(entry) != {"keyid", "sig"}:
            raise EvidenceInvalid("a signature lacks a member or has one too many")
        if not isinstance(entry["keyid"], str) or not isinstance(entry["sig"], str):
            raise EvidenceInvalid("a signature holds a value that it may not hold")
        signatures.append((entry["keyid"], decode_base64(entry["sig"])))
    if len({keyid for keyid, _ in signatures}) != len(signatures):
        raise EvidenceInvalid("a key signed twice")
    return Envelope(decode_base64(document["payload"]), tuple(signatures))


def read_statement(payload: bytes, predicate_type: str) -> tuple[dict[str, str], dict[str, Any]]:
    """The subjects (file name → hexadecimal SHA-256) and the predicate of a statement.

    Raises:
        EvidenceInvalid: It is not such a statement in canonical form.
    """
    document = decode(payload)
    members = {"_type", "subject", "predicateType", "predicate"}
    if not isinstance(document, dict) or set(document) != members or document["_type"] != _STATEMENT:
        raise EvidenceInvalid("a payload is no in-toto statement")
    if document["predicateType"] != predicate_type or not isinstance(document["predicate"], dict):
        raise EvidenceInvalid(f"a statement is not of type {predicate_type}")
    subjects: dict[str, str] = {}
    entries = document["subject"]
    if not isinstance(entries, list):
        raise EvidenceInvalid("the subjects of a statement are no list")
    for entry in entries:
        if not isinstance(entry, dict) or set(entry) != {"name", "digest"}:
            raise EvidenceInvalid("a subject lacks a member or has one too many")
        name, digest = entry["name"], entry["digest"]
        if not isinstance(name, str) or not isinstance(digest, dict) or set(digest) != {"sha256"}:
            raise EvidenceInvalid("a subject holds a value that it may not hold")
        subjects[name] = str(digest["sha256"])
    if [entry["name"] for entry in entries] != sorted(subjects):
        raise EvidenceInvalid("subjects are not in order, or stand twice")
    return subjects, document["predicate"]
