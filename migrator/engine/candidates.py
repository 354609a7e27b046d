"""What a source holds, as rows of a manifest: each thing with its outcome, nothing left unsaid.

Shared by ``plan`` (which counts) and the inventory (which records), so that both see the same wave.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from migrator.core.geometry import cut
from migrator.core.modes import Mode
from migrator.core.names import OWN_PREFIX, TargetNames
from migrator.core.plan import Plan
from migrator.envelope.arithmetic import header_length
from migrator.errors import CapabilityMissing
from migrator.ledger.rows import Listed
from providers.errors import Unsupported
from providers.model import Key, Kind, ObjectMeta
from providers.store import ObjectStore

__all__ = ["REJECTED_KINDS", "SKIPPED_KINDS", "candidates"]

#: Data that a plain read does not give: someone must act before it can be moved.
REJECTED_KINDS: Final = {
    Kind.ARCHIVED: "archived: bring it back from the archive tier first, then plan again",
    Kind.CUSTOMER_KEY: "encrypted at the source under a key of the customer's: this store cannot read it",
    Kind.NOT_A_FILE: "not a regular file (a link, device or unreadable name): its content is not moved",
}
#: No data of a current object: counted, and left where it is.
SKIPPED_KINDS: Final = {
    Kind.DIRECTORY: "directory marker: object stores need none",
    Kind.NONCURRENT_VERSION: "old version: only current objects are moved",
    Kind.DELETE_MARKER: "delete marker: nothing to move",
    Kind.SNAPSHOT: "snapshot: only current objects are moved",
    Kind.SOFT_DELETED: "deleted, still held by the store: only current objects are moved",
}


def candidates(plan: Plan, source: ObjectStore, target: ObjectStore, names: TargetNames) -> Iterator[Listed]:
    """Every thing under the source location that the filters take, with its outcome where it has one already.

    Raises:
        StoreError: A listing failed.
    """
    filters = plan.compiled_filters
    headers = max(1, len(plan.recipients))

    def taken(key: str) -> bool:
        return (plan.include_own or not key.startswith(OWN_PREFIX)) and filters.takes(key)

    for meta in source.list():
        if not taken(meta.key):
            continue
        if meta.kind in SKIPPED_KINDS:
            yield Listed.of(meta, skip=SKIPPED_KINDS[meta.kind])
        elif meta.kind in REJECTED_KINDS:
            yield Listed.of(meta, reject=REJECTED_KINDS[meta.kind])
        else:
            yield Listed.of(meta, reject=_refused(plan.mode, meta, target, names, headers))
    if not source.capabilities.versions:
        return
    try:
        for extra in source.list_extras():
            if taken(extra.key):
                yield Listed(
                    extra.key,
                    extra.size,
                    str(extra.kind),
                    None,
                    extra.version,
                    None,
                    None,
                    SKIPPED_KINDS[extra.kind],
                )
    except Unsupported:
        return


def _refused(
    mode: Mode, meta: ObjectMeta, target: ObjectStore, names: TargetNames, recipients: int
) -> str | None:
    key = names.target(meta.key)
    if key.startswith(OWN_PREFIX):
        return "key refused: .havre/ at the target belongs to havre"
    problem = target.check_key(Key(key))
    if problem is not None:
        return f"key refused: {problem}"
    try:
        cut(
            mode,
            source_size=meta.size,
            source_header=min(meta.size, header_length(1)) if mode.opens else 0,
            short_header=header_length(recipients) if mode.seals else 0,
            limits=target.capabilities,
        )
    except CapabilityMissing as error:
        return error.message
    return None
