"""Data keys, derived from a wave's root secret so that none has to be stored.

Source: RFC 5869 (HKDF) with SHA-256. The info string is a label and length-prefixed fields, so that no two
different sets of fields give the same string. A data key must never seal two different plaintexts: the caller
makes the generation durable before any ciphertext leaves, and takes a new one when the source has changed.
"""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

__all__ = ["DATA_KEY", "ROOT_SECRET", "DataKeys", "derive_data_key"]

ROOT_SECRET: Final = 32
DATA_KEY: Final = 32
MAX_FIELD: Final = 65_536
MAX_GENERATION: Final = (1 << 64) - 1
_SALT: Final = b"havre/object-format/v1"
_LABEL: Final = b"havre/data-key/v1"


class DataKeys:
    """A root secret that has been through HKDF-Extract once; deriving costs one HKDF-Expand.

    Raises:
        ValueError: The root secret is not 32 bytes.
    """

    __slots__ = ("_pseudorandom_key",)

    def __init__(self, root_secret: bytes) -> None:
        if len(root_secret) != ROOT_SECRET:
            raise ValueError("a root secret has 32 bytes")
        extract = HMAC(_SALT, SHA256())
        extract.update(root_secret)
        self._pseudorandom_key = extract.finalize()

    def __repr__(self) -> str:
        return "DataKeys(<secret>)"

    def derive(self, *, object_id: bytes, source_version: bytes, generation: int) -> bytes:
        """Derive the 32-byte data key of one object version and generation.

        Args:
            object_id: What names the object within its wave; 1 to 65,536 bytes.
            source_version: The pin of the source as the ledger has it; empty to 65,536 bytes.
            generation: Counts the times this version was encrypted anew; 0 to 2**64 - 1.

        Raises:
            ValueError: A field is out of its range.
        """
        if not 1 <= len(object_id) <= MAX_FIELD or len(source_version) > MAX_FIELD:
            raise ValueError("an object id or source version is empty or too long")
        if not 0 <= generation <= MAX_GENERATION:
            raise ValueError("a generation has 64 bits")
        info = b"".join(
            (
                _LABEL,
                len(object_id).to_bytes(4, "big"),
                object_id,
                len(source_version).to_bytes(4, "big"),
                source_version,
                generation.to_bytes(8, "big"),
            )
        )
        return HKDFExpand(SHA256(), DATA_KEY, info).derive(self._pseudorandom_key)


def derive_data_key(root_secret: bytes, *, object_id: bytes, source_version: bytes, generation: int) -> bytes:
    """Derive one data key; ``DataKeys`` is cheaper for more than one.

    Raises:
        ValueError: The root secret or a field is out of its range.
    """
    keys = DataKeys(root_secret)
    return keys.derive(object_id=object_id, source_version=source_version, generation=generation)
