"""Which keys obstore can be trusted with.

obstore's path type strips leading and trailing slashes silently, refuses empty and dot segments, and may
change control characters; such a key would name another object. The predicate is conservative: a key it
rejects is merely sent another way.
"""

from __future__ import annotations

__all__ = ["round_trips"]


def round_trips(key: str) -> bool:
    """Whether obstore addresses exactly this key, byte for byte."""
    if not key.isprintable() or "\\" in key:
        return False
    return not any(piece in {"", ".", ".."} for piece in key.split("/"))
