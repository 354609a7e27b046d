"""Orphan uploads: ours are aborted, everybody else's are reported and left alone.

Ours is an upload id that the ledger recorded and no longer wants, one whose id carries an attempt of a row, or an
unrecorded one on exactly the target key of a row whose intent is open, begun after that intent (by the store's
clock, whose distance from ours the epoch record showed).
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from migrator.core.events import UploadSwept
from migrator.core.modes import Mode, Names
from migrator.core.names import OWN_PREFIX, SUFFIX
from migrator.core.stamp import attempt_token
from migrator.core.states import State
from migrator.engine.context import Context
from migrator.ledger.ledger import Ledger
from migrator.ledger.rows import Row
from providers.errors import NotFound, StoreError, Unsupported, UploadLost
from providers.model import Key, UploadRef

__all__ = ["Swept", "clear_unanswered", "remember_foreign", "sweep"]

_TOLERANCE = timedelta(seconds=5)
_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep did: uploads of ours aborted, of others left alone, of ours that could not be aborted."""

    aborted: int = 0
    foreign: int = 0
    kept: int = 0


def sweep(context: Context) -> Swept:
    """Abort the orphan uploads of this wave under the target's prefix.

    Raises:
        StoreError: The listing failed.
    """
    if not context.target.capabilities.lists_uploads:
        return Swept()
    aborted = foreign = kept = 0
    try:
        uploads = list(context.target.list_uploads())
    except Unsupported:
        return Swept()
    intent = _Intent.of(context)
    intents = _intents(context, uploads)
    own = f"{OWN_PREFIX}{context.wave_id.hex()}/"
    for upload in uploads:
        if upload.key.startswith(own):
            # A metadata book that was cut: this folder is named for the wave's random id, so it is ours.
            aborted += _abort(context, upload)
            continue
        row = _row_of(context, upload, intents)
        if row is None or not _is_ours(context, upload, row, intent):
            foreign += 1
            continue
        if _is_wanted(context, upload, row):
            continue
        if not _abort(context, upload):
            kept += 1
            continue
        context.writer.commit(UploadSwept(row.row, upload.upload))
        aborted += 1
    return Swept(aborted, foreign, kept)


def remember_foreign(context: Context) -> None:
    """Write down the uploads that are there before this wave has opened any: whatever key they are on, not ours.

    Raises:
        StoreError: They cannot be listed.
    """
    if not context.target.capabilities.lists_uploads or context.target.capabilities.upload_needs_attempt:
        return  # an upload id made of an attempt says itself whose it is
    try:
        there = [str(upload.upload) for upload in context.target.list_uploads()]
    except Unsupported:
        return
    context.writer.call(Ledger.set_meta, foreign_uploads=json.dumps(there))


@dataclass(frozen=True, slots=True)
class _Intent:
    """Since when uploads on our keys can be ours (by the store's clock), and which of them are not."""

    since: datetime
    foreign: frozenset[str]

    @classmethod
    def of(cls, context: Context) -> _Intent:
        """As the ledger has it."""
        sealed_ms = context.writer.call(Ledger.meta, "sealed_ms")
        since = datetime.fromtimestamp((sealed_ms or 0) / 1000, UTC) + timedelta(seconds=context.skew)
        there = context.writer.call(Ledger.meta, "foreign_uploads")
        return cls(since - _TOLERANCE, frozenset(json.loads(there or "[]")))


def clear_unanswered(context: Context, row: Row, key: Key) -> None:
    """Abort the uploads that a lost answer left on one key of a row whose intent is open, before another is opened.

    Raises:
        StoreError: They cannot be listed, or one that is ours cannot be aborted.
    """
    intent = _Intent.of(context)
    for upload in list(context.target.list_uploads(key)):
        if upload.key == key and _is_ours(context, upload, row, intent):
            with suppress(UploadLost, NotFound):
                context.target.abort_upload(key, upload.upload)


def _abort(context: Context, upload: UploadRef) -> bool:
    try:
        context.target.abort_upload(upload.key, upload.upload)
    except (UploadLost, NotFound):
        return True  # gone already
    except StoreError:
        return False  # counted and reported; the next sweep tries again
    return True


def _intents(context: Context, uploads: list[UploadRef]) -> dict[str, Row]:
    """Begun rows by target key, as far as these uploads are on them; only where a key does not lead to its row."""
    if context.plan.names is not Names.KEYED or not uploads:
        return {}
    keys, found, after = {str(upload.key) for upload in uploads}, {}, 0
    for row in context.writer.call(Ledger.rows, "row IN (SELECT row FROM rewrapping)"):
        if (key := str(context.target_key(row))) in keys:
            found[key] = row
    while rows := context.writer.call(Ledger.begun, after, _PAGE):
        after = rows[-1].row
        for row in rows:
            if (key := str(context.target_key(row))) in keys:
                found[key] = row
    return found


def _row_of(context: Context, upload: UploadRef, intents: dict[str, Row]) -> Row | None:
    call = context.writer.call
    if context.plan.names is Names.KEYED:
        number = call(
            Ledger.one,
            "SELECT row FROM uploads WHERE upload=? UNION SELECT row FROM forgotten WHERE upload=? "
            "UNION SELECT row FROM rewrapping WHERE upload=?",
            (upload.upload,) * 3,
        )
        return intents.get(upload.key) if number is None else call(Ledger.row, number)
    key: str = upload.key
    names = [key]
    if context.mode is Mode.ENCRYPT:
        names = [key.removesuffix(SUFFIX)] if key.endswith(SUFFIX) else []
    elif context.mode is Mode.DECRYPT:
        names = [key + SUFFIX, key]
    for name in names:
        row = call(Ledger.by_key, name)
        if row is not None and context.target_key(row) == key:
            return row
    return None


def _is_ours(context: Context, upload: UploadRef, row: Row, intent: _Intent) -> bool:
    recorded = context.writer.call(
        Ledger.one,
        "SELECT 1 FROM uploads WHERE row=? AND upload=? UNION SELECT 1 FROM forgotten WHERE row=? AND upload=? "
        "UNION SELECT 1 FROM rewrapping WHERE row=? AND upload=?",
        (row.row, upload.upload) * 3,
    )
    if recorded:
        return True
    attempts = (
        attempt_token(context.stamp_key, row.row, generation) for generation in range(row.generation, 0, -1)
    )
    if context.target.capabilities.upload_needs_attempt:
        return upload.upload in attempts
    if upload.upload in intent.foreign or upload.started_at is None:
        return False
    rewrap, _ = context.writer.call(Ledger.rewrapping, row.row)
    if rewrap is not None and rewrap.upload is None:
        # The answer to its opening may have been lost: on this key, since its intent, nobody else opens uploads.
        since = datetime.fromtimestamp(rewrap.begun_ms / 1000, UTC) + timedelta(seconds=context.skew)
        return upload.started_at > since - _TOLERANCE
    begun = row.generation > 0 and upload.started_at > intent.since
    return begun and row.state in (State.READY, State.OPEN, State.FAILED)


def _is_wanted(context: Context, upload: UploadRef, row: Row) -> bool:
    rewrap, _ = context.writer.call(Ledger.rewrapping, row.row)
    if rewrap is not None and rewrap.upload == upload.upload:
        return True
    current = context.writer.call(Ledger.upload, row.row)
    return row.state is State.OPEN and current is not None and current.upload == upload.upload
