"""From the source's listing to sealed rows in the ledger, page by page, so that memory does not grow.

An inventory that was cut is begun again; a sealed one is never touched. Listing orders differ between stores, so the
target's listing is joined in the ledger, never merged as a stream.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from migrator.core.events import InventoryRestarted, ManifestSealed, ObjectRejected
from migrator.core.modes import Mode, Names
from migrator.core.names import OWN_PREFIX, SUFFIX
from migrator.engine.candidates import candidates
from migrator.engine.clashes import Clashes, can_clash
from migrator.engine.context import Context
from migrator.engine.sweep import remember_foreign
from migrator.errors import Interrupted
from migrator.ledger.ledger import Ledger, key_hash
from migrator.ledger.rows import Listed

__all__ = ["sealed", "take_inventory"]

_PAGE = 1000


def sealed(ledger: Ledger) -> bool:
    """Whether the wave's manifest is complete."""
    return ledger.meta("sealed_rows") is not None


def take_inventory(context: Context) -> None:
    """List the source into the ledger and seal the manifest, unless that is done already.

    Raises:
        Interrupted: The run was stopped meanwhile; the next one lists again.
        StoreError: A listing failed.
    """
    call = context.writer.call
    if call(sealed):
        return
    known = call(Ledger.one, "SELECT count(*) FROM objects")
    if known:
        context.writer.commit(InventoryRestarted(known))
    rows, size = 0, 0
    clashing = can_clash(context.mode, context.plan.names, context.target.capabilities)
    with Clashes(context.names, context.target.capabilities) as clashes:
        for page in _pages(candidates(context.plan, context.source, context.target, context.names)):
            if context.stop:
                raise Interrupted("stopped while listing the source")
            first = rows + 1
            call(Ledger.list_objects, first, page)
            rows += len(page)
            moved = [item for item in page if item.skip is None and item.reject is None]
            size += sum(item.size for item in moved)
            if clashing:
                for item in moved:
                    clashes.add(item.key)
            context.progress.listed = rows
        if clashing:
            for key, reason in clashes.found():
                row = call(Ledger.by_key, key)
                if row is not None:
                    context.writer.commit(ObjectRejected(row.row, reason))
    _look_at_target(context)
    remember_foreign(context)
    context.writer.commit(ManifestSealed(rows, size))


def _pages(items: Iterator[Listed]) -> Iterator[list[Listed]]:
    while page := list(islice(items, _PAGE)):
        yield page


def _look_at_target(context: Context) -> None:
    """Mark the rows whose target key is taken already."""
    if context.plan.names is Names.KEYED:
        return  # a keyed name does not lead back to a row; the fence or a HEAD finds what stands there
    taken: list[tuple[int, str]] = []
    statement = "UPDATE objects SET seen_at_target=1 WHERE key_hash=? AND key=? AND state=0"

    def mark() -> None:
        found = list(taken)
        taken.clear()
        context.writer.call(Ledger.execute_many, statement, found)

    for meta in context.target.list():
        if context.stop:
            raise Interrupted("stopped while listing the target")
        if meta.key.startswith(OWN_PREFIX):
            continue
        taken.extend((key_hash(key), key) for key in _source_keys(context.mode, meta.key))
        if len(taken) >= _PAGE:
            mark()
    if taken:
        mark()


def _source_keys(mode: Mode, target_key: str) -> Iterator[str]:
    if mode is Mode.ENCRYPT:
        if target_key.endswith(SUFFIX):
            yield target_key.removesuffix(SUFFIX)
    elif mode is Mode.DECRYPT:
        yield target_key
        yield target_key + SUFFIX
    else:
        yield target_key
