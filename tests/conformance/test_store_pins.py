"""Pins: a read finds the object that was listed, or says that it did not."""

from __future__ import annotations

import pytest

from providers.errors import ConditionFailed, NotFound, RangeInvalid, StoreError, Unsupported
from providers.model import ETag, Pin, Span, VersionId
from providers.store import ObjectStore
from support.harness import Harness
from support.store_suite import put

FIRST = b"0123456789" * 10
CHANGES = {
    "same-size": b"9876543210" * 10,
    "grown": FIRST + b"more",
    "shrunk": FIRST[:40],
    "emptied": b"",
}


def test_pin_that_holds(store: ObjectStore) -> None:
    """A pin on what is there changes nothing."""
    pin = put(store, "pinned", FIRST).pin
    assert bytes(store.read("pinned", pin=pin).data) == FIRST
    assert bytes(store.read("pinned", span=Span(start=3, length=4), pin=pin).data) == b"3456"


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("spanned", [True, False], ids=["span", "whole"])
def test_pin_on_what_was_replaced(store: ObjectStore, change: str, spanned: bool) -> None:
    """An object that was replaced since no longer matches, however its size compares."""
    pin = put(store, "pinned", FIRST).pin
    put(store, "pinned", CHANGES[change], attempt="second")
    with pytest.raises((ConditionFailed, RangeInvalid) if spanned else ConditionFailed):
        store.read("pinned", span=Span(start=30, length=20) if spanned else None, pin=pin)


def test_pin_on_what_was_deleted(store: ObjectStore) -> None:
    """An object that is gone is NotFound, pinned or not."""
    pin = put(store, "pinned", FIRST).pin
    store.delete("pinned")
    with pytest.raises(NotFound):
        store.read("pinned", pin=pin)


def test_pin_of_the_wrong_etag(store: ObjectStore) -> None:
    """An etag that is not the object's is refused, and the bytes with it."""
    put(store, "pinned", FIRST)
    put(store, "other", b"other")
    other = store.head("other").etag
    assert other is not None
    with pytest.raises(ConditionFailed):
        store.read("pinned", pin=Pin(etag=ETag(other)))


def test_pin_of_the_size_alone(store: ObjectStore) -> None:
    """A size is a pin too, where nothing better was listed."""
    put(store, "pinned", FIRST)
    assert bytes(store.read("pinned", pin=Pin(size=len(FIRST))).data) == FIRST
    with pytest.raises(ConditionFailed):
        store.read("pinned", pin=Pin(size=len(FIRST) + 1))


def test_version_where_there_are_none(harness: Harness) -> None:
    """A store that keeps no versions does not read the current object in place of one."""
    bucket = harness.new_bucket()
    store = ObjectStore(harness.driver(bucket), location="plain")
    try:
        put(store, "pinned", FIRST)
        with pytest.raises(StoreError) as caught:
            store.read("pinned", pin=Pin(version=VersionId("v1")))
        assert (
            isinstance(caught.value, (Unsupported, NotFound, ConditionFailed)) or caught.value.status == 400
        )
    finally:
        store.close()
        harness.drop_bucket(bucket)
