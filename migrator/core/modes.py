"""What a wave does to bytes, which class of data it moves, how far it verifies."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["DatasetClass", "Level", "Mode", "Names"]


class Mode(StrEnum):
    """What happens to an object's bytes on the way."""

    ENCRYPT = "encrypt"
    REWRAP = "rewrap"
    COPY = "copy"
    DECRYPT = "decrypt"

    @property
    def seals(self) -> bool:
        """Whether the target is a Crypt4GH file that this wave writes a header for."""
        return self in (Mode.ENCRYPT, Mode.REWRAP)

    @property
    def opens(self) -> bool:
        """Whether the source must be a Crypt4GH file."""
        return self in (Mode.REWRAP, Mode.DECRYPT)


class DatasetClass(StrEnum):
    """How sensitive a dataset is in French law's terms (design of the gate)."""

    SNDS = "snds"
    EDS = "eds"
    PSEUDONYMISED = "pseudonymised"
    ANONYMOUS = "anonymous"

    @property
    def guarded(self) -> bool:
        """Whether names are keyed and the root secret sealed unless the operator says otherwise."""
        return self in (DatasetClass.SNDS, DatasetClass.EDS)


class Level(StrEnum):
    """How an object was verified. ``none`` is a visible outcome, never silence.

    ``ciphertext`` is reached, never asked for: every stored byte was read back and compared with the digests recorded
    when it was sent, and nothing was decrypted, because no key was at hand.
    """

    NONE = "none"
    SIZE = "size"
    STORE_CHECKSUM = "store-checksum"
    SAMPLE = "sample"
    CIPHERTEXT = "ciphertext"
    FULL = "full"


class Names(StrEnum):
    """Whether object names stay readable at the target."""

    VISIBLE = "visible"
    KEYED = "keyed"
