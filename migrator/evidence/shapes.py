"""Predicates of values, to say what a document must look like, member by member."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from migrator.errors import EvidenceInvalid

__all__ = [
    "Check",
    "check_members",
    "count",
    "hex32",
    "hex64",
    "list_of",
    "matches",
    "members",
    "or_null",
    "text",
]

Check: TypeAlias = Callable[[Any], bool]


def text(value: Any) -> bool:
    """Text, perhaps empty."""
    return isinstance(value, str)


def count(value: Any) -> bool:
    """An integer from 0; true and false are none."""
    return type(value) is int and value >= 0


def matches(pattern: str) -> Check:
    """Text that the pattern covers from end to end."""
    compiled = re.compile(pattern)
    return lambda value: isinstance(value, str) and compiled.fullmatch(value) is not None


hex32: Final = matches(r"[0-9a-f]{32}")
hex64: Final = matches(r"[0-9a-f]{64}")


def list_of(check: Check, *, least: int = 0) -> Check:
    """A list of at least so many such values."""
    return lambda value: (
        isinstance(value, list) and len(value) >= least and all(check(item) for item in value)
    )


def or_null(check: Check) -> Check:
    """Such a value, or null."""
    return lambda value: value is None or check(value)


def members(**checks: Check) -> Check:
    """An object with exactly these members."""
    return lambda value: (
        isinstance(value, dict)
        and set(value) == set(checks)
        and all(check(value[name]) for name, check in checks.items())
    )


def check_members(predicate: Mapping[str, Any], expected: Mapping[str, Check]) -> None:
    """Check that a predicate has exactly these members, each of its kind.

    Raises:
        EvidenceInvalid: A member is missing, surplus, or of another kind.
    """
    if set(predicate) != set(expected):
        odd = sorted(set(predicate) ^ set(expected))
        raise EvidenceInvalid(f"its predicate lacks a member or has one too many: {odd[0][:40]}")
    for name, check in expected.items():
        if not check(predicate[name]):
            raise EvidenceInvalid(f"the member {name} of its predicate is not of its kind")
