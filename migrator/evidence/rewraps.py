"""What a bundle says of readers that were changed after the transfer.

Source: the member ``rewraps`` of ``urn:havre:predicate:transfer:1`` in ``migrator/docs/evidence-format.md``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

import cbor2

from migrator.errors import EvidenceInvalid
from migrator.evidence.shapes import count, hex64, list_of, members
from migrator.ledger.ledger import Ledger

__all__ = ["check_rewraps", "fits_rewraps", "former_readers", "left_behind", "recipients_now", "rewraps_of"]

_ENTRY: Final = members(
    at=count,
    headers=hex64,
    objects=count,
    readers=list_of(hex64),
    revoked=lambda value: isinstance(value, bool),
)
_FORMER: Final = (
    "that readers who were taken out can read no more: copies they made, data keys they opened and old versions of "
    "objects that the target keeps still open for them"
)
_BEHIND: Final = (
    "that all objects are for these recipients: {} were not brought over to them, and open as before"
)
_FORMER_REVOKED: Final = (
    "that readers who were taken out can read no more: copies they made and old versions of objects that the target "
    "keeps still open for them"
)


def rewraps_of(ledger: Ledger) -> list[dict[str, Any]]:
    """Every set of readers after the wave file's own, with how many objects were brought over to it."""
    found = []
    for number, changed_ms, body, revoked in ledger.query(
        "SELECT id, changed_ms, recipients, revoke FROM readers ORDER BY id"
    ):
        digest, objects = hashlib.sha256(), 0
        for row, before, after in ledger.query(
            "SELECT row, header_before, header_after FROM rewraps WHERE readers=? ORDER BY id", (number,)
        ):
            digest.update(row.to_bytes(8, "big") + before + after)
            objects += 1
        found.append(
            {
                "at": changed_ms,
                "headers": digest.hexdigest(),
                "objects": objects,
                "readers": sorted(public.hex() for public in cbor2.loads(body)),
                "revoked": bool(revoked),
            }
        )
    return found


def recipients_now(planned: Sequence[str], rewraps: Sequence[Mapping[str, Any]]) -> list[str]:
    """Whom the objects are for: the last set, or the wave file's."""
    return list(rewraps[-1]["readers"]) if rewraps else sorted(planned)


def former_readers(planned: Sequence[str], rewraps: Sequence[Mapping[str, Any]]) -> list[str]:
    """What is not established where somebody was taken out."""
    before, open_still, gone = set(planned), False, False
    for entry in rewraps:
        lost = before - set(entry["readers"])
        gone = gone or bool(lost)
        # A later revocation closes what an earlier removal left open.
        open_still = (open_still or bool(lost)) and not entry["revoked"]
        before = set(entry["readers"])
    if open_still:
        return [_FORMER]
    return [_FORMER_REVOKED] if gone else []


def left_behind(ledger: Ledger) -> list[str]:
    """What is not established where objects were not brought over to the last set of readers."""
    objects = ledger.one(
        "SELECT count(*) FROM objects WHERE stored_size IS NOT NULL AND state<>7 "
        "AND readers<(SELECT coalesce(max(id), 0) FROM readers)"
    )
    return [_BEHIND.format(objects)] if objects else []


def fits_rewraps(value: Any) -> bool:
    """Whether a member ``rewraps`` has the form that it must have."""
    return list_of(_ENTRY, least=1)(value)


def check_rewraps(predicate: Mapping[str, Any]) -> None:
    """Hold the member against the recipients, where there is one.

    Raises:
        EvidenceInvalid: The last set is not that of the recipients.
    """
    told = predicate.get("rewraps")
    if told and told[-1]["readers"] != predicate["recipients"]:
        raise EvidenceInvalid("its rewraps do not end with its recipients")
