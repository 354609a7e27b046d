"""Uploads in parts: in any order, taken up again, given up, visible only when complete."""

from __future__ import annotations

import hashlib
import random
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from providers.errors import AlreadyExists, ConditionFailed, NotFound, StoreError, Unsupported, UploadLost
from providers.model import Attributes, ETag, Key, PutOptions, Span, UploadId
from providers.store import ObjectStore
from support.store_suite import gated, keys_of, part_bodies, put, send_parts, unfinished, whole

KEY = Key("large/object.bin")
PLAIN = PutOptions(attempt="a1")


def test_two_parts(store: ObjectStore) -> None:
    """Parts become one object, whole, when the upload is completed and not before."""
    bodies = part_bodies(store, 2)
    upload = store.open_upload(KEY, PLAIN)
    receipts = send_parts(store, KEY, upload, bodies)
    assert keys_of(store) == []
    with pytest.raises(NotFound):
        store.head(KEY)
    meta = store.complete_upload(KEY, upload, receipts, PLAIN)
    assert whole(store, KEY) == b"".join(bodies)
    assert meta.size == store.head(KEY).size == sum(map(len, bodies))
    assert meta.etag == store.head(KEY).etag
    assert unfinished(store) == []


def test_one_short_part(store: ObjectStore) -> None:
    """A single part may be shorter than the smallest: it is the last."""
    upload = store.open_upload(KEY, PLAIN)
    receipts = send_parts(store, KEY, upload, [b"short"])
    store.complete_upload(KEY, upload, receipts, PLAIN)
    assert whole(store, KEY) == b"short"


def test_parts_from_threads_out_of_order(store: ObjectStore) -> None:
    """Parts may be sent by many threads in any order."""
    bodies = part_bodies(store, 5)
    upload = store.open_upload(KEY, PLAIN)
    starts = [sum(map(len, bodies[:index])) for index in range(len(bodies))]
    turns = list(enumerate(zip(starts, bodies, strict=True), 1))
    random.Random(7).shuffle(turns)
    with ThreadPoolExecutor(4) as pool:
        receipts = list(
            pool.map(lambda turn: store.put_part(KEY, upload, turn[0], turn[1][0], turn[1][1]), turns)
        )
    receipts.sort(key=lambda receipt: receipt.number)
    assert [receipt.number for receipt in receipts] == [1, 2, 3, 4, 5]
    store.complete_upload(KEY, upload, receipts, PLAIN)
    assert whole(store, KEY) == b"".join(bodies)


def test_part_sent_again(store: ObjectStore) -> None:
    """The last acknowledged part of a number counts, and is listed once."""
    bodies = part_bodies(store, 2)
    upload = store.open_upload(KEY, PLAIN)
    store.put_part(KEY, upload, 1, 0, b"Z" * len(bodies[0]))
    receipts = send_parts(store, KEY, upload, bodies)
    assert [part.number for part in store.list_parts(KEY, upload)] == [1, 2]
    store.complete_upload(KEY, upload, receipts, PLAIN)
    assert whole(store, KEY) == b"".join(bodies)


def test_last_part_sent_again_shorter(store: ObjectStore) -> None:
    """A last part that is sent again shorter leaves nothing of the longer one."""
    bodies = part_bodies(store, 2)
    upload = store.open_upload(KEY, PLAIN)
    send_parts(store, KEY, upload, [bodies[0], bodies[1] + b" and its tail"])
    receipts = send_parts(store, KEY, upload, bodies)
    store.complete_upload(KEY, upload, receipts, PLAIN)
    assert whole(store, KEY) == b"".join(bodies)


def test_list_parts(store: ObjectStore) -> None:
    """Parts that were acknowledged are listed with their sizes, in order, as a resume needs them."""
    bodies = part_bodies(store, 3)
    upload = store.open_upload(KEY, PLAIN)
    sent = send_parts(store, KEY, upload, bodies)
    held = list(store.list_parts(KEY, upload))
    assert [(part.number, part.size) for part in held] == [(part.number, part.size) for part in sent]


def test_complete_from_listed_parts(store: ObjectStore) -> None:
    """What list_parts tells is enough to complete: nothing else need survive a crash."""
    bodies = part_bodies(store, 2)
    upload = store.open_upload(KEY, PLAIN)
    send_parts(store, KEY, upload, bodies)
    store.complete_upload(KEY, upload, list(store.list_parts(KEY, upload)), PLAIN)
    assert whole(store, KEY) == b"".join(bodies)


def test_list_uploads(store: ObjectStore) -> None:
    """An unfinished upload is listed under its key and found by prefix."""
    with gated(store.capabilities.lists_uploads):
        upload = store.open_upload(KEY, PLAIN)
        send_parts(store, KEY, upload, [b"begun"])
        assert [(found.key, found.upload) for found in store.list_uploads()] == [(KEY, upload)]
        assert [found.key for found in store.list_uploads("large/")] == [KEY]
        assert list(store.list_uploads("elsewhere/")) == []


def test_abort(store: ObjectStore) -> None:
    """An upload that was given up leaves no object, no upload and no parts."""
    upload = store.open_upload(KEY, PLAIN)
    send_parts(store, KEY, upload, [b"begun"])
    store.abort_upload(KEY, upload)
    assert keys_of(store) == []
    assert unfinished(store) == []
    with pytest.raises(UploadLost):
        list(store.list_parts(KEY, upload))


def test_abort_spares_the_object(store: ObjectStore) -> None:
    """Giving up an upload does not touch the object that stands under the key."""
    put(store, KEY, b"here before")
    upload = store.open_upload(KEY, PLAIN)
    send_parts(store, KEY, upload, [b"begun"])
    store.abort_upload(KEY, upload)
    assert whole(store, KEY) == b"here before"


def test_abort_of_one_attempt_spares_another(store: ObjectStore) -> None:
    """Two uploads on one key are two: one can be given up and the other completed."""
    one = store.open_upload(KEY, PutOptions(attempt="one"))
    two = store.open_upload(KEY, PutOptions(attempt="two"))
    assert one != two
    send_parts(store, KEY, one, [b"of the first"])
    store.abort_upload(KEY, one)
    receipts = send_parts(store, KEY, two, [b"of the second"])
    store.complete_upload(KEY, two, receipts, PutOptions(attempt="two"))
    assert whole(store, KEY) == b"of the second"


def test_unknown_upload_cannot_be_aborted(store: ObjectStore) -> None:
    """An upload that the store does not know is UploadLost."""
    upload = store.open_upload(KEY, PLAIN)
    send_parts(store, KEY, upload, [b"begun"])
    store.abort_upload(KEY, upload)
    with pytest.raises(UploadLost):
        store.abort_upload(KEY, upload)


def test_completed_twice(store: ObjectStore) -> None:
    """A second completion gives the same object again or UploadLost, and never harms it."""
    bodies = part_bodies(store, 2)
    upload = store.open_upload(KEY, PLAIN)
    receipts = send_parts(store, KEY, upload, bodies)
    first = store.complete_upload(KEY, upload, receipts, PLAIN)
    try:
        again = store.complete_upload(KEY, upload, receipts, PLAIN)
    except UploadLost:
        pass
    else:
        assert again.etag == first.etag
    assert whole(store, KEY) == b"".join(bodies)


def test_complete_of_an_unknown_upload(store: ObjectStore) -> None:
    """Completing an upload that was given up is UploadLost and makes nothing."""
    upload = store.open_upload(KEY, PLAIN)
    receipts = send_parts(store, KEY, upload, [b"begun"])
    store.abort_upload(KEY, upload)
    with pytest.raises(UploadLost):
        store.complete_upload(KEY, upload, receipts, PLAIN)
    assert keys_of(store) == []


def test_part_of_an_unknown_upload(store: ObjectStore) -> None:
    """A part for an upload that was given up is UploadLost, where the store gives uploads names."""
    upload = store.open_upload(KEY, PLAIN)
    store.abort_upload(KEY, upload)
    with pytest.raises(UploadLost):
        store.put_part(KEY, UploadId(upload), 1, 0, b"late")


def test_complete_if_absent(store: ObjectStore) -> None:
    """A completion that must not replace does not, and what stood there stays."""
    once = PutOptions(if_absent=True, attempt="a2")
    put(store, KEY, b"here before")
    with gated(store.capabilities.complete_if_absent):
        upload = store.open_upload(KEY, once)
        receipts = send_parts(store, KEY, upload, [b"too late"])
        with pytest.raises(AlreadyExists):
            store.complete_upload(KEY, upload, receipts, once)
        assert whole(store, KEY) == b"here before"


def test_complete_if_absent_creates(store: ObjectStore) -> None:
    """A completion that must not replace makes the object where there is none."""
    once = PutOptions(if_absent=True, attempt="a3")
    with gated(store.capabilities.complete_if_absent):
        upload = store.open_upload(KEY, once)
        receipts = send_parts(store, KEY, upload, [b"the first"])
        store.complete_upload(KEY, upload, receipts, once)
        assert whole(store, KEY) == b"the first"


def test_complete_replaces(store: ObjectStore) -> None:
    """Without that wish a completion replaces what stands under the key."""
    put(store, KEY, b"here before")
    upload = store.open_upload(KEY, PLAIN)
    receipts = send_parts(store, KEY, upload, [b"the newer"])
    store.complete_upload(KEY, upload, receipts, PLAIN)
    assert whole(store, KEY) == b"the newer"


def test_parts_must_be_those_that_were_sent(store: ObjectStore) -> None:
    """A completion that names a part which was never sent makes no object."""
    upload = store.open_upload(KEY, PLAIN)
    bodies = part_bodies(store, 2)
    first, second = send_parts(store, KEY, upload, bodies)
    invented = type(second)(number=3, size=5, etag=second.etag)
    with pytest.raises(StoreError):
        store.complete_upload(KEY, upload, [first, second, invented], PLAIN)
    assert keys_of(store) == []


def test_attributes_of_an_upload(store: ObjectStore) -> None:
    """Metadata and headers that an upload was opened with are the object's."""
    with gated(store.capabilities.metadata and store.capabilities.content_headers):
        options = PutOptions(
            attempt="a4",
            attributes=Attributes(content_type="application/dicom", metadata={"havre_attempt": "a4"}),
        )
        upload = store.open_upload(KEY, options)
        receipts = send_parts(store, KEY, upload, [b"described"])
        store.complete_upload(KEY, upload, receipts, options)
        kept = store.head(KEY).attributes
        assert kept is not None
        assert kept.content_type == "application/dicom"
        assert dict(kept.metadata) == {"havre_attempt": "a4"}


def test_part_numbers_have_limits(store: ObjectStore) -> None:
    """Part 0 and one more than the most are refused before they are sent."""
    upload = store.open_upload(KEY, PLAIN)
    for number in (0, store.capabilities.max_parts + 1):
        with pytest.raises(Unsupported):
            store.put_part(KEY, upload, number, 0, b"x")


def _parted(store: ObjectStore, key: Key, bodies: list[bytes], options: PutOptions = PLAIN) -> ETag:
    upload = store.open_upload(key, options)
    meta = store.complete_upload(key, upload, send_parts(store, key, upload, bodies), options)
    assert meta.etag is not None
    return meta.etag


def test_part_copied_within_the_store(store: ObjectStore) -> None:
    """A part copied from a span of an object holds just those bytes; the object itself stays as it is."""
    bodies = part_bodies(store, 3)
    _parted(store, KEY, bodies)
    before = store.head(KEY)
    again = PutOptions(attempt="copied")
    with gated(store.capabilities.copy_parts):
        upload = store.open_upload(KEY, again)
        first = bytes(reversed(bodies[0]))
        receipts = [store.put_part(KEY, upload, 1, 0, first)]
        at = len(first)
        for number, body in enumerate(bodies[1:], 2):
            span = Span(start=at, length=len(body))
            digest = hashlib.sha256(body).digest()
            receipts.append(
                store.copy_part(KEY, upload, number, at, KEY, span, pin=before.pin, sha256=digest)
            )
            at += len(body)
        assert whole(store, KEY) == b"".join(bodies)
        store.complete_upload(KEY, upload, receipts, again)
        assert whole(store, KEY) == first + b"".join(bodies[1:])


def test_part_copied_of_a_changed_object(store: ObjectStore) -> None:
    """A copy under a stale pin is refused, or its store is no less honest afterwards: the source tells."""
    bodies = part_bodies(store, 2)
    _parted(store, KEY, bodies)
    before = store.head(KEY)
    put(store, KEY, b"changed meanwhile" * 10)
    with gated(store.capabilities.copy_parts):
        upload = store.open_upload(KEY, PLAIN)
        span = Span(start=0, length=16)
        try:
            with pytest.raises((ConditionFailed, NotFound)):
                store.copy_part(KEY, upload, 1, 0, KEY, span, pin=before.pin)
        finally:
            with suppress(UploadLost):  # an upload that begins with its first part was never begun
                store.abort_upload(KEY, upload)


def test_part_copied_under_a_wrong_digest(store: ObjectStore) -> None:
    """A copy whose bytes are not those on record is refused by the copy, or at the latest by the completion."""
    if not (store.capabilities.copy_parts and store.capabilities.verifies_checksum):
        return
    bodies = part_bodies(store, 2)
    _parted(store, KEY, bodies)
    pin = store.head(KEY).pin
    upload = store.open_upload(KEY, PLAIN)
    wrong = hashlib.sha256(b"something else").digest()
    with pytest.raises(StoreError):
        store.complete_upload(
            KEY,
            upload,
            [
                store.copy_part(
                    KEY, upload, 1, 0, KEY, Span(start=0, length=len(bodies[0])), pin=pin, sha256=wrong
                )
            ],
            PLAIN,
        )
    assert whole(store, KEY) == b"".join(bodies)
    store.abort_upload(KEY, upload)


def test_complete_if_match(store: ObjectStore) -> None:
    """A completion that may replace one object only replaces that one, and leaves any other."""
    bodies = part_bodies(store, 2)
    stale = _parted(store, KEY, [bodies[0], b"older"], PutOptions(attempt="older"))
    current = _parted(store, KEY, bodies, PutOptions(attempt="current"))
    with gated(store.capabilities.complete_if_match):
        for etag, holds in ((stale, False), (current, True)):
            options = PutOptions(if_match=etag, attempt="fenced" if holds else "late")
            upload = store.open_upload(KEY, options)
            receipts = send_parts(store, KEY, upload, [bodies[0], b"replaced"])
            if holds:
                store.complete_upload(KEY, upload, receipts, options)
                break
            with pytest.raises((AlreadyExists, ConditionFailed)):
                store.complete_upload(KEY, upload, receipts, options)
            assert whole(store, KEY) == b"".join(bodies)
        assert whole(store, KEY) == bodies[0] + b"replaced"


def test_put_if_match(store: ObjectStore) -> None:
    """A put that may replace one object only replaces that one, and leaves any other or none."""
    stale = put(store, KEY, b"first").etag
    current = put(store, KEY, b"second, longer").etag
    with gated(store.capabilities.put_if_match):
        for key, etag in ((KEY, stale), (Key("nothing there"), current)):
            with pytest.raises((AlreadyExists, ConditionFailed, NotFound)):
                put(store, key, b"late", if_match=etag)
        assert whole(store, KEY) == b"second, longer"
        put(store, KEY, b"third", if_match=current)
        assert whole(store, KEY) == b"third"
