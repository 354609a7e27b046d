"""Effects at the target whose answer may be lost: done again, or found to be done, but never guessed.

A put or a completion under create-if-absent is not repeated by the retry layer, because after a lost answer the
second try would meet the first one's object. Here that object is looked at: our stamp with this attempt's token (or,
where a store keeps no metadata, the very same bytes) means that it was done.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar

import tenacity

from migrator.core.stamp import STAMP_NAME, attempt_token, stamp_in
from migrator.engine.context import Context
from migrator.errors import MigrationError
from migrator.ledger.rows import Row
from providers.errors import (
    AlreadyExists,
    ConditionFailed,
    Exhausted,
    NotFound,
    StoreError,
    Throttled,
    Truncated,
    Unavailable,
    UploadLost,
)
from providers.model import Attributes, Buffer, Key, ObjectMeta, PartReceipt, PutOptions, Span, UploadId
from providers.store import ObjectStore

__all__ = [
    "TargetTaken",
    "complete_settled",
    "discard",
    "discard_attempts",
    "holds",
    "open_settled",
    "put_options",
    "put_settled",
    "same_object",
]


_T = TypeVar("_T")
_READ = 8 * 1024 * 1024
_PASSING = (Unavailable, Truncated, Throttled)


class TargetTaken(MigrationError):
    """Something that is not ours stands at the target key."""

    code = "target-taken"
    exit_code = 3


def put_options(context: Context, row: Row, attributes: Attributes, *, replace: bool) -> PutOptions:
    """How this attempt writes its object: stamped, and only where nothing stands (unless it replaces our own)."""
    attempt = context.attempt(row)
    if context.target.capabilities.metadata:
        metadata = {**attributes.metadata, STAMP_NAME: context.stamp(attempt)}
        attributes = Attributes(
            content_type=attributes.content_type,
            content_encoding=attributes.content_encoding,
            content_language=attributes.content_language,
            content_disposition=attributes.content_disposition,
            cache_control=attributes.cache_control,
            metadata=metadata,
            tags=attributes.tags,
        )
    return PutOptions(attributes=attributes, if_absent=not replace, attempt=attempt)


def discard(target: ObjectStore, key: Key, attempt: str) -> None:
    """Remove what a killed run left aside of one attempt on a key, where the store keeps such things.

    A directory writes a put beside the object before it gives it its name; no listing shows what was cut there,
    but the attempt names it. Stores that keep metadata take a put whole or not at all.
    """
    if target.capabilities.metadata or not target.capabilities.upload_needs_attempt:
        return
    with suppress(UploadLost, NotFound):
        target.abort_upload(key, UploadId(attempt))


def discard_attempts(context: Context, row: Row, last: int) -> None:
    """Remove what attempts at a row, up to generation ``last``, left aside."""
    for generation in range(1, last + 1):
        attempt = attempt_token(context.stamp_key, row.row, generation)
        discard(context.target, context.target_key(row), attempt)


def put_settled(
    context: Context,
    key: Key,
    body: Buffer,
    options: PutOptions,
    *,
    sha256: bytes,
    former: ObjectMeta | None = None,
) -> ObjectMeta:
    """Put an object and know that it was put. ``former`` is what stands there and is to be replaced, if anything is.

    Raises:
        TargetTaken: Another object stands there.
        StoreError: The store refuses, or its trouble outlasts the retries.
    """
    target = context.target

    def ours() -> ObjectMeta | None:
        found = _find(context, key)
        if found is None or (former is not None and same_object(former, found)):
            return None
        if target.capabilities.metadata:
            if _stamped(found, options):
                return found
        elif holds(target, found, [(len(body), sha256)]):
            return found
        raise TargetTaken("another object stands at the target key")

    if options.if_absent and not target.capabilities.put_if_absent:
        # The store has no fence: look first. Two writers at once are kept apart by the ledger's lock alone.
        found = ours()
        if found is not None:
            return found
        options = PutOptions(attributes=options.attributes, if_absent=False, attempt=options.attempt)
    put = _fenced(options, lambda: target.put(key, body, options, sha256=sha256))
    return _repeat(context, put, ours)


def complete_settled(
    context: Context,
    key: Key,
    upload: UploadId,
    parts: list[PartReceipt],
    options: PutOptions,
    *,
    former: ObjectMeta | None = None,
) -> ObjectMeta:
    """Complete an upload and know that it was completed. ``former`` is as for ``put_settled``.

    Raises:
        TargetTaken: Another object stands there.
        UploadLost: The upload is gone and the object is not there.
        StoreError: The store refuses, or its trouble outlasts the retries.
    """
    target = context.target

    def ours() -> ObjectMeta | None:
        found = _find(context, key)
        if found is None or (former is not None and same_object(former, found)):
            return None
        if target.capabilities.metadata:
            if _stamped(found, options):
                return found
        elif holds(target, found, [(part.size, part.sha256) for part in parts]):
            return found
        raise TargetTaken("another object stands at the target key")

    if options.if_absent and not target.capabilities.complete_if_absent:
        found = ours()
        if found is not None:
            return found
        options = PutOptions(attributes=options.attributes, if_absent=False, attempt=options.attempt)
    complete = _fenced(options, lambda: target.complete_upload(key, upload, parts, options))
    return _repeat(context, complete, ours)


def holds(target: ObjectStore, found: ObjectMeta, pieces: Sequence[tuple[int, bytes | None]]) -> bool:
    """Whether an object consists of these pieces (size and SHA-256 each), end to end. Reads all of it.

    Raises:
        StoreError: It cannot be read, or changed meanwhile.
    """
    if found.size != sum(size for size, _ in pieces):
        return False
    start = 0
    for size, wanted in pieces:
        digest = hashlib.sha256()
        for at in range(start, start + size, _READ):
            span = Span(start=at, length=min(_READ, start + size - at))
            digest.update(target.read(found.key, span=span, pin=found.pin).data)
        if digest.digest() != wanted:
            return False
        start += size
    return True


def open_settled(context: Context, key: Key, options: PutOptions, clear: Callable[[], None]) -> UploadId:
    """Open an upload and know that no other one was opened on the way.

    ``clear`` aborts what a lost answer may have left, before another upload is opened. A store whose upload ids
    are our attempts gives the same upload again; one that lists no uploads is not asked twice.

    Raises:
        StoreError: The store refuses, or its trouble outlasts the retries.
    """
    target = context.target
    capabilities = target.capabilities
    if options.if_absent and not capabilities.complete_if_absent:
        # The store has no fence to ask for; complete_settled looks at the key before it completes.
        options = PutOptions(attributes=options.attributes, if_absent=False, attempt=options.attempt)

    def gone() -> None:
        if not capabilities.upload_needs_attempt:
            clear()

    if not (capabilities.upload_needs_attempt or capabilities.lists_uploads):
        return target.open_upload(key, options)
    return _repeat(context, lambda: target.open_upload(key, options), gone)


def same_object(one: ObjectMeta, other: ObjectMeta) -> bool:
    """Whether two looks at a key saw one state of it, as far as the store tells."""
    if one.size != other.size:
        return False
    if one.version is not None and other.version is not None and one.version != other.version:
        return False
    return one.etag is None or other.etag is None or _bare(one.etag) == _bare(other.etag)


def _bare(etag: str) -> str:
    return etag.removeprefix("W/").strip('"')  # stores quote them in some answers and not in others


def _fenced(options: PutOptions, effect: Callable[[], _T]) -> Callable[[], _T]:
    if options.if_match is None:
        return effect

    def attempt() -> _T:
        try:
            return effect()
        except ConditionFailed as failed:  # what some stores call it; what stands there tells the rest
            raise AlreadyExists("another object stands there") from failed

    return attempt


def _repeat(context: Context, effect: Callable[[], _T], ours: Callable[[], _T | None]) -> _T:
    def attempt() -> _T:
        try:
            return effect()
        except AlreadyExists:
            found = ours()
            if found is None:
                raise Unavailable("the store says that the key is taken and that nothing is there") from None
            return found
        except UploadLost:
            found = ours()
            if found is None:
                raise
            return found
        except (Unavailable, Truncated):
            found = ours()
            if found is None:
                raise
            return found

    try:
        return attempt()  # nearly always; what waits is built only when something went wrong
    except _PASSING:
        policy = context.settings.settle
    if context.stop:
        return attempt()
    context.stop.pause(policy.first_delay)
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(_PASSING),
        stop=(
            tenacity.stop_after_attempt(policy.attempts)
            | tenacity.stop_before_delay(policy.budget)
            | tenacity.stop_when_event_set(context.stop.event)
        ),
        wait=tenacity.wait_exponential_jitter(
            multiplier=policy.first_delay, max=policy.max_delay, jitter=policy.jitter
        ),
        sleep=context.stop.pause,
    )
    try:
        return retrying(attempt)
    except tenacity.RetryError as spent:
        cause = spent.last_attempt.exception()
        assert isinstance(cause, StoreError)
        raise Exhausted(
            cause.message, operation=cause.operation, location=cause.location, status=cause.status
        ) from cause


def _find(context: Context, key: Key) -> ObjectMeta | None:
    try:
        return context.target.head(key)
    except NotFound:
        return None


def _stamped(found: ObjectMeta, options: PutOptions) -> bool:
    written = stamp_in(options.attributes.metadata)
    return found.attributes is not None and stamp_in(found.attributes.metadata) == written
