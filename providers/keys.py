"""Why a store cannot hold a key: one pure function over the limits in ``Capabilities``.

Drivers call ``refused`` from ``check_key`` and add only what their protocol alone knows. Reasons never quote
the key, since names may themselves be sensitive.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from providers.capabilities import Capabilities

__all__ = ["RULES", "refused"]

_FIRST_PRINTABLE: Final = 0x20
_DELETE: Final = 0x7F


def _has_control(key: str) -> bool:
    return any(ord(char) < _FIRST_PRINTABLE or ord(char) == _DELETE for char in key)


def _has_xml_forbidden(key: str) -> bool:
    """Whether XML 1.0 cannot carry the key in a listing, not even escaped."""
    return any(
        (ord(char) < _FIRST_PRINTABLE and char not in "\t\n\r") or char in "\ufffe\uffff" for char in key
    )


RULES: Final[Mapping[str, tuple[Callable[[str], bool], str]]] = {
    "no-trailing-slash": (lambda key: key.endswith("/"), "ends with '/'"),
    "no-leading-slash": (lambda key: key.startswith("/"), "begins with '/'"),
    "no-empty-segments": (
        lambda key: key.startswith("/") or "//" in key,
        "has an empty piece between slashes",
    ),
    "no-dot-segments": (
        lambda key: any(piece in {".", ".."} for piece in key.split("/")),
        "has a piece '.' or '..'",
    ),
    "no-trailing-dot": (
        lambda key: any(piece.endswith(".") for piece in key.split("/")),
        "has a piece that ends with '.'",
    ),
    "no-backslash": (lambda key: "\\" in key, "contains a backslash"),
    "no-control": (_has_control, "contains a control character"),
    "no-xml-forbidden": (_has_xml_forbidden, "contains a character that XML listings cannot carry"),
    "no-nul": (lambda key: "\0" in key, "contains a NUL character"),
}
"""Rule name → (whether a key breaks it, the reason in words)."""


_PLAIN: Final = re.compile(r"[A-Za-z0-9_-]+(?:[./][A-Za-z0-9_-]+)*")
"""Keys of nothing but words between single dots and slashes, which most keys are."""


def refused(key: str, capabilities: Capabilities) -> str | None:
    """Why a store with these capabilities cannot hold ``key``, or None if it can.

    Args:
        key: The absolute key within the bucket.
        capabilities: The store's, narrowed by its profile.

    Returns:
        A reason that reads on from "the key ..." and does not contain the key.

    Raises:
        KeyError: ``capabilities.key_rules`` names a rule that does not exist.
    """
    if not key:
        return "is empty"
    longest = capabilities.max_segment_bytes
    if len(key) <= min(capabilities.max_key_bytes, longest or len(key)) and _PLAIN.fullmatch(key):
        return None  # breaks no rule there is
    try:
        encoded = key.encode()
    except UnicodeEncodeError:
        return "is not valid Unicode text"
    if len(encoded) > capabilities.max_key_bytes:
        return f"is {len(encoded)} bytes long, more than the {capabilities.max_key_bytes} this store takes"
    if longest is not None and any(len(piece) > longest for piece in encoded.split(b"/")):
        return f"has a piece between slashes longer than the {longest} bytes this store takes"
    for name in sorted(capabilities.key_rules):
        breaks, reason = RULES[name]
        if breaks(key):
            return reason
    return None
