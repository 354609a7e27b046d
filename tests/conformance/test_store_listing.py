"""Listings: each object once, whole pages, the prefix meant literally."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from providers.errors import Unsupported
from providers.model import Kind, PutOptions
from providers.store import ObjectStore
from support.harness import S3Harness
from support.store_suite import keys_of, put
from support.swift_harness import SwiftHarness

OpenStore = Callable[..., ObjectStore]


def test_empty_bucket(store: ObjectStore) -> None:
    """A new bucket lists nothing."""
    assert list(store.list()) == []
    assert list(store.list("no/such/prefix/")) == []


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6, 7])
def test_pages_meet(open_store: OpenStore, count: int) -> None:
    """With pages of three, every object comes once: below, at and above whole pages."""
    store = open_store(list_limit=3)
    keys = [f"page/{number:03}" for number in range(count)]
    for key in keys:
        put(store, key)
    listed = [meta.key for meta in store.list()]
    assert sorted(listed) == keys
    assert len(listed) == count


def test_pages_in_nested_folders(open_store: OpenStore) -> None:
    """Pages that end inside folders lose and repeat nothing, whatever order the store has."""
    store = open_store(list_limit=2)
    keys = ["a", "a-", "a.b/c", "b/1", "b/2", "b/c/1", "b/c/d/1", "b/c0", "b0", "c/x/y/z", "d"]
    for key in keys:
        put(store, key)
    assert keys_of(store) == sorted(keys)
    assert keys_of(store, "b/") == ["b/1", "b/2", "b/c/1", "b/c/d/1", "b/c0"]


def test_one_page_limit_is_honoured(open_store: OpenStore) -> None:
    """A page never holds more than was asked for, and one object a page works too."""
    store = open_store(list_limit=1)
    for number in range(4):
        put(store, f"one/{number}")
    assert keys_of(store) == [f"one/{number}" for number in range(4)]


def test_prefix_is_a_string(store: ObjectStore) -> None:
    """A prefix is the beginning of keys and no folder: `ab` finds `ab`, `abc` and `ab/d`, not `a`."""
    for key in ("a", "abc", "abd/e", "b/ab"):
        put(store, key)
    assert keys_of(store, "ab") == ["abc", "abd/e"]
    assert keys_of(store, "abd") == ["abd/e"]
    assert keys_of(store, "abd/") == ["abd/e"]
    assert keys_of(store, "abd/e") == ["abd/e"]
    assert keys_of(store, "abd/ef") == []
    assert keys_of(store, "B") == []


def test_prefix_with_odd_characters(store: ObjectStore) -> None:
    """A prefix with spaces, signs and letters beyond ASCII is matched literally."""
    put(store, "d é+%/x &1")
    put(store, "d e/x")
    assert keys_of(store, "d é+%/x &") == ["d é+%/x &1"]
    assert keys_of(store, "d é+%/") == ["d é+%/x &1"]


def test_listed_meta(store: ObjectStore) -> None:
    """A listing tells size, etag and time as head does, and that it is an object."""
    put(store, "described", b"12345")
    (listed,) = store.list()
    head = store.head("described")
    assert (listed.key, listed.size, listed.etag) == (head.key, head.size, head.etag)
    assert listed.kind is Kind.OBJECT
    assert listed.kind.readable
    assert listed.modified_at is not None
    assert bytes(store.read("described", pin=listed.pin).data) == b"12345"


def test_siblings_of_the_location_stay_outside(open_store: OpenStore) -> None:
    """A location sees and touches nothing beside its prefix, even where names begin alike."""
    store = open_store()
    inside = ObjectStore(store._driver, prefix=store.prefix + "p/", location="inside")
    put(store, "p/x", b"inside")
    put(store, "p-x", b"beside")
    put(store, "pp/x", b"beside")
    assert keys_of(inside) == ["x"]
    assert bytes(inside.read("x").data) == b"inside"
    put(inside, "y", b"new")
    assert keys_of(store) == ["p-x", "p/x", "p/y", "pp/x"]


def test_many_objects(store: ObjectStore) -> None:
    """More objects than one small page are all listed, once each."""
    keys = [f"many/{number % 7}/{number:04}" for number in range(250)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: store.put(key, b"x", PutOptions(attempt=f"m{key[-4:]}")), keys))
    assert keys_of(store) == sorted(keys)


def test_extras_of_a_plain_bucket(store: ObjectStore) -> None:
    """A bucket that never kept old versions has no extras, or says that it cannot tell."""
    put(store, "twice", b"1")
    put(store, "twice", b"2")
    try:
        found = list(store.list_extras())
    except Unsupported:
        found = []
    assert found == []


def test_versions(harness: object) -> None:
    """In a bucket with versions, old ones and delete markers are extras, and old bytes can be pinned."""
    assert isinstance(harness, S3Harness | SwiftHarness)
    bucket = harness.new_bucket(versioned=True)
    store = ObjectStore(harness.driver(bucket), location="versions")
    try:
        store.check()
        assert store.capabilities.versions
        assert store.capabilities.pin_by_version
        first = put(store, "kept", b"first")
        second = put(store, "kept", b"second one")
        put(store, "removed", b"gone soon")
        store.delete("removed")
        assert first.version != second.version
        assert bytes(store.read("kept", pin=first.pin).data) == b"first"
        assert store.head("kept", version=first.version).size == len(b"first")
        (current,) = store.list()
        assert (current.key, current.version, current.size) == ("kept", second.version, len(b"second one"))
        extras = sorted((extra.key, extra.kind.value, extra.size) for extra in store.list_extras())
        assert extras == [
            ("kept", "noncurrent-version", 5),
            ("removed", "delete-marker", 0),
            ("removed", "noncurrent-version", 9),
        ]
        store.delete("kept", version=first.version)
        assert [extra.key for extra in store.list_extras("kept")] == []
    finally:
        store.close()
        harness.drop_bucket(bucket)
