"""Salted commitments to the fields of a row, so that evidence proves them without telling them.

Source: the section "Fields and commitments" of ``migrator/docs/evidence-format.md``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from migrator.core.canonical import encode

__all__ = ["FIELDS", "SALT", "Salts", "commit", "fields_digest", "row_commitments"]

FIELDS: Final = (
    "source_key",
    "source_version",
    "source_etag",
    "source_size",
    "plaintext_sha256",
    "target_key",
    "target_version",
    "target_etag",
    "stored_size",
    "ciphertext_sha256",
    "parts",
    "header_sha256",
    "segments",
    "reason",
)
SALT: Final = 16
_LABEL: Final = b"havre/evidence/salt/v1"
_HEADS: Final = {name: bytes([len(name)]) + name.encode() for name in FIELDS}


class Salts:
    """The salts of every row of one state of one ledger.

    Args:
        secret: The ledger's ``evidence_key``, 32 bytes.
        head: The ledger's head, 32 bytes: another state gives other salts.

    Raises:
        ValueError: One of them has another length.
    """

    def __init__(self, secret: bytes, head: bytes) -> None:
        if len(secret) != 32 or len(head) != 32:
            raise ValueError("an evidence key and a ledger's head have 32 bytes")
        self._start = hashlib.shake_256(_LABEL + secret + head)

    def of(self, row: int) -> tuple[bytes, ...]:
        """One 16-byte salt for each of ``FIELDS``."""
        stream = self._start.copy()
        stream.update(row.to_bytes(8, "big"))
        drawn = stream.digest(SALT * len(FIELDS))
        return tuple(drawn[at : at + SALT] for at in range(0, len(drawn), SALT))

    def __repr__(self) -> str:
        return "Salts(<secret>)"


def commit(name: str, salt: bytes, value: Any) -> bytes:
    """The commitment to one field.

    Raises:
        KeyError: There is no such field.
        ValueError: The salt has another length, or the value no canonical form.
    """
    if len(salt) != SALT:
        raise ValueError("a salt has 16 bytes")
    return hashlib.sha256(b"\x01" + salt + _HEADS[name] + encode(value)).digest()


def row_commitments(salts: tuple[bytes, ...], values: Mapping[str, Any]) -> tuple[bytes, ...]:
    """The commitments to all fields of a row, in their order; a field that is not given is null."""
    return tuple(commit(name, salt, values.get(name)) for name, salt in zip(FIELDS, salts, strict=True))


def fields_digest(commitments: tuple[bytes, ...]) -> bytes:
    """What a row holds of its fields.

    Raises:
        ValueError: There is not one commitment for each field.
    """
    if len(commitments) != len(FIELDS):
        raise ValueError("there is one commitment for each field")
    return hashlib.sha256(b"\x02" + b"".join(commitments)).digest()
