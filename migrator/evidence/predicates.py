"""What predicates must look like, member by member.

Source: the section "Envelopes" of ``migrator/docs/evidence-format.md``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from migrator.errors import EvidenceInvalid

__all__ = ["check_transfer", "check_verification"]

_HEX32: Final = re.compile(r"[0-9a-f]{32}")
_HEX64: Final = re.compile(r"[0-9a-f]{64}")
_Check = Callable[[Any], bool]


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _counts(value: Any) -> bool:
    return isinstance(value, dict) and all(type(count) is int and count > 0 for count in value.values())


def _hex32(value: Any) -> bool:
    return isinstance(value, str) and _HEX32.fullmatch(value) is not None


def _hex64(value: Any) -> bool:
    return isinstance(value, str) and _HEX64.fullmatch(value) is not None


def _list_of(check: _Check) -> _Check:
    return lambda value: isinstance(value, list) and all(check(item) for item in value)


def _or_null(check: _Check) -> _Check:
    return lambda value: value is None or check(value)


def _members(**checks: _Check) -> _Check:
    return lambda value: (
        isinstance(value, dict)
        and set(value) == set(checks)
        and all(check(value[name]) for name, check in checks.items())
    )


def _filter(value: Any) -> bool:
    return (
        isinstance(value, list) and len(value) == 2 and value[0] in {"include", "exclude"} and _text(value[1])
    )


_TREE: Final = _members(root=_hex64, size=_count)
_TRANSFER: Final[Mapping[str, _Check]] = {
    "wave": _text,
    "wave_id": _hex32,
    "class": _text,
    "mode": _text,
    "names": _text,
    "claim": _text,
    "made_at": _count,
    "inventory": _members(
        independent=_or_null(_members(name=_text, sha256=_hex64)),
        listed_from=_count,
        listed_to=_count,
        rows=_count,
    ),
    "filters": _list_of(_filter),
    "tree": _TREE,
    "states": _counts,
    "ledger": _members(batches=_count, head=_hex64),
    "recipients": _list_of(_hex64),
    "limits_of_this": _list_of(_text),
}
_VERIFICATION: Final[Mapping[str, _Check]] = {
    "wave_id": _hex32,
    "made_at": _count,
    "tree": _TREE,
    "levels": _counts,
    "weakest": _or_null(_text),
    "from": _or_null(_count),
    "to": _or_null(_count),
    "sample": _or_null(_members(seed=_hex64, size=_count)),
}


def check_transfer(predicate: Mapping[str, Any]) -> None:
    """Check a predicate ``urn:havre:predicate:transfer:1``.

    Raises:
        EvidenceInvalid: A member is missing, surplus, or of another kind.
    """
    _check(predicate, _TRANSFER)


def check_verification(predicate: Mapping[str, Any]) -> None:
    """Check a predicate ``urn:havre:predicate:verification:1``.

    Raises:
        EvidenceInvalid: A member is missing, surplus, or of another kind.
    """
    _check(predicate, _VERIFICATION)


def _check(predicate: Mapping[str, Any], members: Mapping[str, _Check]) -> None:
    if set(predicate) != set(members):
        odd = sorted(set(predicate) ^ set(members))
        raise EvidenceInvalid(f"its predicate lacks a member or has one too many: {odd[0][:40]}")
    for name, check in members.items():
        if not check(predicate[name]):
            raise EvidenceInvalid(f"the member {name} of its predicate is not of its kind")
