"""From a source key to a target key: visible with a suffix, or keyed so that nothing can be read from it.

``.havre/`` under a wave's prefix belongs to havre: a source key there is left out of an inventory, and no object of
data may be written there.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from migrator.core.modes import Mode, Names

__all__ = ["OWN_PREFIX", "SUFFIX", "TargetNames"]

OWN_PREFIX: Final = ".havre/"
SUFFIX: Final = ".c4gh"


class TargetNames:
    """The key mapping of one wave. ``name_key`` (32 bytes) is needed for keyed names only."""

    def __init__(self, mode: Mode, names: Names, name_key: bytes | None = None) -> None:
        if names is Names.KEYED and (name_key is None or len(name_key) != 32):
            raise ValueError("keyed names need a key of 32 bytes")
        self._mode = mode
        self._name_key = name_key if names is Names.KEYED else None

    def target(self, key: str) -> str:
        """The target key of a source key. Two source keys never share one, but see ``collides``."""
        if self._name_key is not None:
            digest = hmac.digest(self._name_key, key.encode(), hashlib.sha256).hex()
            name = f"{digest[:2]}/{digest[2:]}"
            return name + SUFFIX if self._mode.seals else name
        if self._mode is Mode.ENCRYPT:
            return key + SUFFIX
        if self._mode is Mode.DECRYPT:
            return key.removesuffix(SUFFIX)
        return key

    def collides(self, key: str) -> str | None:
        """A source key that would have the same target, if there can be one (``a`` beside ``a.c4gh``)."""
        if self._name_key is None and self._mode is Mode.DECRYPT:
            if not key.endswith(SUFFIX):
                return key + SUFFIX
            bare = key.removesuffix(SUFFIX)
            # "a.c4gh.c4gh" becomes "a.c4gh", but a source key of that name becomes "a".
            return None if bare.endswith(SUFFIX) else bare
        return None
