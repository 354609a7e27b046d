"""Keys that stores are known to change, lose or refuse; what a doctor tries."""

from __future__ import annotations

from typing import Final

__all__ = ["AWKWARD"]

AWKWARD: Final = (
    ("spaces", "a b  c"),
    ("accents", "é/données"),
    ("decomposed accents", "e\u0301"),
    ("other scripts", "数据/данные"),
    ("an emoji", "\U0001f3e5"),
    ("plus, percent and query signs", "a+b%20c?d=e&f#g"),
    ("quotes and angle brackets", "'\"<>"),
    ("a doubled slash", "a//b"),
    ("a trailing slash", "folder/"),
    ("a leading slash", "/lead"),
    ("dot segments", "a/../b"),
    ("a backslash", "a\\b"),
    ("a control character", "a\x01b"),
    ("a trailing dot", "end."),
    ("200 bytes in one piece", "n" * 200),
)
