r"""Which keys a wave takes: globs in the order given, the first match decides (rclone's rules).

``*`` matches within one path segment, ``**`` across segments, ``?`` one character but ``/``, ``[a-c]`` and ``[^a-c]``
one character of a set or outside it, ``{one,two}`` one of several globs; ``\\`` takes the next character as it is. A
glob that starts with ``/`` is anchored at the location's root; any other may match after any slash. A glob that ends
in ``/`` means everything below that directory. If a list holds an include, a key that nothing matches is left out;
otherwise it is taken. Source: https://rclone.org/filtering/ and rclone's ``fs/filter/glob.go``.

One departure: an include without a leading slash that holds a slash or ``**`` matches at any depth, as rclone's manual
says; rclone itself does not enter the directories where it would. Whatever rclone would read as a regular expression
(``{{...}}``, ``[[:alpha:]]``, ``[\d]``) or differently from a shell (``[!a]``) is refused: a filter that means
something else than its author thought leaves data behind.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from migrator.errors import PlanInvalid

__all__ = ["Filters", "Rule"]

_MAX_GLOB: Final = 4096
_MAX_SHOWN: Final = 80
_TOKEN: Final = re.compile(r"\*+|\[[^\]]*\]|\{\{|\\.|.", re.DOTALL)
_PIECES: Final = {"*": "[^/]*", "**": ".*", "?": "[^/]", "{": "(?:", "}": ")"}
_REFUSED: Final = {
    "{{": ("has a regular expression", "only globs are read; {a,b} is one of two"),
    "[": ("has an open bracket", "write \\[ for a plain bracket"),
    "]": ("closes with ] what is not open", "write \\] for a plain bracket"),
    "\\": ("ends in a backslash", "write two for a plain one"),
}


@dataclass(frozen=True, slots=True)
class Rule:
    """One glob and what it decides."""

    action: Literal["include", "exclude"]
    glob: str


@dataclass(frozen=True, slots=True)
class Filters:
    """An ordered list of rules, compiled once.

    Raises:
        PlanInvalid: A glob cannot be read.
    """

    rules: tuple[Rule, ...] = ()
    _compiled: tuple[tuple[re.Pattern[str], bool], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        compiled = tuple((_compile(rule.glob), rule.action == "include") for rule in self.rules)
        object.__setattr__(self, "_compiled", compiled)

    def takes(self, key: str) -> bool:
        """Whether the wave takes this key."""
        for pattern, include in self._compiled:
            if pattern.search(key):
                return include
        return not any(include for _, include in self._compiled)

    @classmethod
    def of(cls, pairs: Sequence[tuple[Literal["include", "exclude"], str]]) -> Filters:
        """Filters from (action, glob) pairs."""
        return cls(tuple(Rule(action, glob) for action, glob in pairs))


def _compile(glob: str) -> re.Pattern[str]:
    if not glob or len(glob) > _MAX_GLOB:
        raise PlanInvalid(
            f"a glob has between 1 and {_MAX_GLOB} characters, this one has {len(glob)}",
            hint="give a pattern such as '*.dcm' or '/images/**'",
        )
    anchored = glob.startswith("/")
    plain = glob.removeprefix("/")
    body = _translate(plain + "**" if glob.endswith("/") else plain, glob)
    try:
        return re.compile(("^" if anchored else "(?:^|/)") + body + r"\Z", re.DOTALL)
    except (re.error, RecursionError, OverflowError):
        raise _unreadable(glob, "has a set or a group that makes no sense", "check its brackets") from None


def _unreadable(glob: str, problem: str, hint: str) -> PlanInvalid:
    shown = glob if len(glob) <= _MAX_SHOWN else glob[:_MAX_SHOWN] + "..."
    return PlanInvalid(f"the glob {shown!r} {problem}", hint=hint)


def _translate(text: str, glob: str) -> str:
    depth = 0
    out: list[str] = []
    for piece in _TOKEN.findall(text):
        if piece in _REFUSED:
            raise _unreadable(glob, *_REFUSED[piece])
        if piece == "{":
            depth += 1
        elif piece == "}":
            if not depth:
                raise _unreadable(glob, "closes with } what is not open", "write \\} for a plain brace")
            depth -= 1
        out.append(_regex(piece, glob, in_braces=depth > 0))
    if depth:
        raise _unreadable(glob, "has an open brace", "write \\{ for a plain brace")
    return "".join(out)


def _regex(piece: str, glob: str, *, in_braces: bool) -> str:
    if piece in _PIECES:
        return _PIECES[piece]
    if piece == "," and in_braces:
        return "|"
    if piece[0] == "*":
        raise _unreadable(glob, "has more than two stars in a row", "** matches across slashes")
    if piece[0] == "[":
        return _set(piece[1:-1], glob)
    return re.escape(piece[-1])


def _set(body: str, glob: str) -> str:
    """A character set; its characters are escaped so that nothing but ranges has a meaning in it."""
    negated = body.startswith("^")
    members = body[1:] if negated else body
    if not members:
        raise _unreadable(glob, "has an empty set", "write \\[ for a plain bracket")
    if members.startswith("!") and not negated:
        raise _unreadable(glob, "has a set that starts with !", "write [^a] for any character but a")
    if "[" in members or "\\" in members:
        raise _unreadable(
            glob, "has a bracket or backslash in a set", "name the set's characters, as in [a-c_]"
        )
    escaped = "".join(char if char == "-" else re.escape(char) for char in members)
    # A leading or trailing dash is itself; two in a row would be a set difference to a later Python.
    if "--" in escaped:
        raise _unreadable(glob, "has two dashes in a row in a set", "put a single dash first or last")
    return f"[{'^' if negated else ''}{escaped}]"
