"""What predicates must look like, member by member.

Source: the section "Envelopes" of ``migrator/docs/evidence-format.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from migrator.evidence.rewraps import check_rewraps, fits_rewraps
from migrator.evidence.shapes import (
    Check,
    check_members,
    count,
    hex32,
    hex64,
    list_of,
    members,
    or_null,
    text,
)

__all__ = ["check_transfer", "check_verification"]


def _counts(value: Any) -> bool:
    return isinstance(value, dict) and all(type(count) is int and count > 0 for count in value.values())


def _filter(value: Any) -> bool:
    return (
        isinstance(value, list) and len(value) == 2 and value[0] in {"include", "exclude"} and text(value[1])
    )


_TREE: Final = members(root=hex64, size=count)
_TRANSFER: Final[Mapping[str, Check]] = {
    "wave": text,
    "wave_id": hex32,
    "class": text,
    "mode": text,
    "names": text,
    "claim": text,
    "made_at": count,
    "inventory": members(
        independent=or_null(members(name=text, sha256=hex64)),
        listed_from=count,
        listed_to=count,
        rows=count,
    ),
    "filters": list_of(_filter),
    "tree": _TREE,
    "states": _counts,
    "ledger": members(batches=count, head=hex64),
    "recipients": list_of(hex64),
    "limits_of_this": list_of(text),
}
_VERIFICATION: Final[Mapping[str, Check]] = {
    "wave_id": hex32,
    "made_at": count,
    "tree": _TREE,
    "levels": _counts,
    "weakest": or_null(text),
    "from": or_null(count),
    "to": or_null(count),
    "sample": or_null(members(seed=hex64, size=count)),
}


def check_transfer(predicate: Mapping[str, Any]) -> None:
    """Check a predicate ``urn:havre:predicate:transfer:1``.

    Raises:
        EvidenceInvalid: A member is missing, surplus, or of another kind.
    """
    optional = {"rewraps": fits_rewraps} if "rewraps" in predicate else {}
    check_members(predicate, {**_TRANSFER, **optional})
    check_rewraps(predicate)


def check_verification(predicate: Mapping[str, Any]) -> None:
    """Check a predicate ``urn:havre:predicate:verification:1``.

    Raises:
        EvidenceInvalid: A member is missing, surplus, or of another kind.
    """
    check_members(predicate, _VERIFICATION)
