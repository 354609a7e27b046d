"""Which keys a wave takes: globs in the order given, the first match decides (rclone's rules).

``*`` matches within one path segment, ``**`` across segments, ``?`` one character but ``/``, ``[abc]`` and
``{one,two}`` as usual. A glob that starts with ``/`` is anchored at the location's root; any other may match after
any slash. If a list holds an include, a key that nothing matches is left out; otherwise it is taken. Source:
https://rclone.org/filtering/.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from migrator.errors import PlanInvalid

__all__ = ["Filters", "Rule"]

_MAX_GLOB: Final = 1024


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
    body = _translate(glob.removeprefix("/"))
    try:
        return re.compile(("^" if anchored else "(?:^|/)") + body + r"\Z", re.DOTALL)
    except re.error:
        raise PlanInvalid(f"the glob {glob!r} cannot be read", hint="check its brackets and braces") from None


def _translate(glob: str) -> str:
    out: list[str] = []
    at = 0
    depth = 0
    while at < len(glob):
        char = glob[at]
        at += 1
        if char == "*":
            stars = 1
            while at < len(glob) and glob[at] == "*":
                stars += 1
                at += 1
            out.append("[^/]*" if stars == 1 else ".*")
        elif char == "?":
            out.append("[^/]")
        elif char == "[":
            end = glob.find("]", at + 1)
            if end < 0:
                raise PlanInvalid(
                    f"the glob {glob!r} has an open bracket", hint="write \\[ for a plain bracket"
                )
            body = glob[at:end].replace("\\", "\\\\")
            out.append("[" + ("^" + body[1:] if body.startswith(("!", "^")) else body) + "]")
            at = end + 1
        elif char == "{":
            depth += 1
            out.append("(?:")
        elif char == "}" and depth:
            depth -= 1
            out.append(")")
        elif char == "," and depth:
            out.append("|")
        elif char == "\\" and at < len(glob):
            out.append(re.escape(glob[at]))
            at += 1
        else:
            out.append(re.escape(char))
    if depth:
        raise PlanInvalid(f"the glob {glob!r} has an open brace", hint="write \\{ for a plain brace")
    return "".join(out)
