"""Keys that stores are known to change, lose or refuse, each with the rule that would say so."""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["AWKWARD", "Awkward"]


class Awkward(NamedTuple):
    """A kind of key: its name in check ids, in words, an example, and the rule of ``providers.keys.RULES``."""

    slug: str
    words: str
    key: str
    rule: str | None = None


AWKWARD: Final = (
    Awkward("spaces", "spaces", "a b  c"),
    Awkward("accents", "accents", "é/données"),
    Awkward("decomposed", "decomposed accents", "e\u0301"),
    Awkward("scripts", "other scripts", "数据/данные"),
    Awkward("emoji", "an emoji", "\U0001f3e5"),
    Awkward("query-signs", "plus, percent and query signs", "a+b%20c?d=e&f#g"),
    Awkward("quotes", "quotes and angle brackets", "'\"<>"),
    Awkward("doubled-slash", "a doubled slash", "a//b", "no-empty-segments"),
    Awkward("trailing-slash", "a trailing slash", "folder/", "no-trailing-slash"),
    Awkward("leading-slash", "a leading slash", "/lead", "no-empty-segments"),
    Awkward("dot-segments", "dot segments", "a/../b", "no-dot-segments"),
    Awkward("backslash", "a backslash", "a\\b", "no-backslash"),
    Awkward("control", "a control character", "a\x01b", "no-control"),
    Awkward("trailing-dot", "a trailing dot", "end.", "no-trailing-dot"),
    Awkward("long-piece", "200 bytes in one piece", "n" * 200),
)
