"""Whole objects: written, described, read, replaced, removed."""

from __future__ import annotations

import gzip
import hashlib
from concurrent.futures import ThreadPoolExecutor

import pytest

from providers.errors import (
    AlreadyExists,
    ChecksumRefused,
    Exhausted,
    NotFound,
    RangeInvalid,
    StoreError,
    Unsupported,
)
from providers.model import Attributes, PutOptions, Span
from providers.store import ObjectStore
from support.store_suite import ABSENT, gated, keys_of, put, whole

HEADERS = Attributes(
    content_type="application/dicom",
    content_encoding="gzip",
    content_language="fr",
    content_disposition='attachment; filename="a b.dcm"',
    cache_control="no-store",
)


def test_put_then_read(store: ObjectStore) -> None:
    """What was put is read back whole, with the same size and etag as head says."""
    written = put(store, "a/b.txt", b"0123456789")
    head = store.head("a/b.txt")
    read = store.read("a/b.txt")
    assert bytes(read.data) == b"0123456789"
    assert (written.size, head.size, read.meta.size) == (10, 10, 10)
    assert written.etag == head.etag == read.meta.etag
    assert (written.key, head.key, read.meta.key) == ("a/b.txt",) * 3
    assert head.modified_at is not None
    assert head.modified_at.utcoffset() is not None


def test_ranges(store: ObjectStore) -> None:
    """A span gives exactly its bytes, at the start, within, at the end and over the whole."""
    body = bytes(range(256)) * 40
    put(store, "ranges", body)
    for start, length in ((0, 1), (0, 100), (77, 300), (len(body) - 5, 5), (0, len(body))):
        data = store.read("ranges", span=Span(start=start, length=length)).data
        assert bytes(data) == body[start : start + length]


@pytest.mark.parametrize(
    ("start", "length"),
    [
        pytest.param(10, 1, id="behind"),
        pytest.param(5, 6, id="across-the-end"),
        pytest.param(0, 0, id="empty"),
        pytest.param(-1, 2, id="negative"),
        pytest.param(1000, 1000, id="far-behind"),
    ],
)
def test_range_outside(store: ObjectStore, start: int, length: int) -> None:
    """A span that is not wholly inside the object is refused, not shortened."""
    put(store, "short", b"0123456789")
    with pytest.raises(RangeInvalid):
        store.read("short", span=Span(start=start, length=length))


def test_zero_bytes(store: ObjectStore) -> None:
    """An empty object exists, has size 0, reads as nothing and is listed."""
    put(store, "empty", b"")
    assert store.head("empty").size == 0
    assert whole(store, "empty") == b""
    assert [meta.size for meta in store.list()] == [0]


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_put_takes_any_buffer(store: ObjectStore, kind: type) -> None:
    """Bytes, a bytearray and a memoryview are all bodies."""
    store.put("buffer", kind(b"some bytes"))
    assert whole(store, "buffer") == b"some bytes"


def test_overwrite(store: ObjectStore) -> None:
    """A second put replaces the first, and the etag tells."""
    first = put(store, "twice", b"first")
    second = put(store, "twice", b"second body")
    assert whole(store, "twice") == b"second body"
    assert first.etag != second.etag == store.head("twice").etag
    assert keys_of(store) == ["twice"]


def test_put_if_absent(store: ObjectStore) -> None:
    """Create-if-absent creates once and never replaces."""
    with gated(store.capabilities.put_if_absent):
        store.put("once", b"first", ABSENT)
        with pytest.raises(AlreadyExists):
            store.put("once", b"second", ABSENT)
        assert whole(store, "once") == b"first"


def test_put_if_absent_has_one_winner(store: ObjectStore) -> None:
    """Of several who create the same key at once, one wins and its bytes stay."""
    if not store.capabilities.put_if_absent:
        with pytest.raises(Unsupported):
            store.put("race", b"", ABSENT)
        return

    def create(number: int) -> int | None:
        try:
            store.put("race", b"%d" % number * 1000, PutOptions(if_absent=True, attempt=f"race{number}"))
        except AlreadyExists:
            return None
        return number

    with ThreadPoolExecutor(6) as pool:
        winners = [number for number in pool.map(create, range(6)) if number is not None]
    assert len(winners) == 1
    assert whole(store, "race") == b"%d" % winners[0] * 1000


def test_wrong_checksum_is_refused(store: ObjectStore) -> None:
    """A store that verifies SHA-256 takes no body whose digest is another."""
    assert store.capabilities.verifies_checksum
    with pytest.raises((ChecksumRefused, Exhausted)) as caught:
        store.put("damaged", b"some bytes", PutOptions(attempt="c"), sha256=hashlib.sha256(b"other").digest())
    last = caught.value.__cause__ if isinstance(caught.value, Exhausted) else caught.value
    assert isinstance(last, ChecksumRefused)
    with pytest.raises(NotFound):
        store.head("damaged")


def test_right_checksum_is_taken(store: ObjectStore) -> None:
    """The body's own SHA-256 is no obstacle anywhere."""
    store.put("sound", b"some bytes", PutOptions(), sha256=hashlib.sha256(b"some bytes").digest())
    assert whole(store, "sound") == b"some bytes"


def test_content_headers(store: ObjectStore) -> None:
    """Content headers come back as they were given, from head and from read."""
    with gated(store.capabilities.content_headers):
        store.put("headers", gzip.compress(b"x" * 100), PutOptions(attributes=HEADERS))
        for kept in (store.head("headers").attributes, store.read("headers").meta.attributes):
            assert kept is not None
            for name in ("type", "encoding", "language", "disposition"):
                assert getattr(kept, f"content_{name}") == getattr(HEADERS, f"content_{name}")
            assert kept.cache_control == "no-store"


def test_gzip_is_left_alone(store: ObjectStore) -> None:
    """A body that says it is gzip arrives as it lies there, whole and in spans."""
    with gated(store.capabilities.content_headers):
        packed = gzip.compress(b"plain " * 1000)
        store.put("packed", packed, PutOptions(attributes=Attributes(content_encoding="gzip")))
        assert whole(store, "packed") == packed
        assert bytes(store.read("packed", span=Span(start=2, length=7)).data) == packed[2:9]
        assert bytes(store.read("packed", pin=store.head("packed").pin).data) == packed


def test_metadata(store: ObjectStore) -> None:
    """User metadata comes back, its names perhaps in lower case."""
    with gated(store.capabilities.metadata):
        metadata = {"havre_attempt": "a1b2", "Study": "inner  spaces = kept"}
        store.put("described", b"x", PutOptions(attributes=Attributes(metadata=metadata)))
        kept = store.head("described").attributes
        assert kept is not None
        folded = store.capabilities.metadata_folds_case
        assert dict(kept.metadata) == ({k.lower(): v for k, v in metadata.items()} if folded else metadata)


def test_no_metadata_is_none(store: ObjectStore) -> None:
    """An object that was written without attributes has no metadata, and head says so."""
    put(store, "plain")
    kept = store.head("plain").attributes
    assert kept is not None
    assert dict(kept.metadata) == {}
    assert kept.content_encoding is None


def test_tags(store: ObjectStore) -> None:
    """Tags come back from their own call; an object without tags has none."""
    with gated(store.capabilities.tags):
        tags = {"class": "snds", "site": "a b+c-d.e/f=g:h_i"}
        store.put("tagged", b"x", PutOptions(attributes=Attributes(tags=tags)))
        assert dict(store.read_tags("tagged")) == tags
        store.put("untagged", b"x")
        assert dict(store.read_tags("untagged")) == {}


def test_delete(store: ObjectStore) -> None:
    """A deleted object is gone for head, read and list; its neighbour stays."""
    put(store, "gone")
    put(store, "stays")
    store.delete("gone")
    for look in (store.head, store.read):
        with pytest.raises(NotFound):
            look("gone")
    assert keys_of(store) == ["stays"]


@pytest.mark.parametrize("operation", ["head", "read"])
def test_missing_object(store: ObjectStore, operation: str) -> None:
    """What is not there is NotFound, and the message names the place but not the key."""
    with pytest.raises(NotFound) as caught:
        getattr(store, operation)("no-such-thing")
    assert caught.value.location == store.location
    assert caught.value.operation == operation
    assert "no-such-thing" not in str(caught.value)


def test_bytes_of_every_value(store: ObjectStore) -> None:
    """No byte is changed on the way, whatever its value."""
    body = bytes(range(256)) * 513
    put(store, "binary", body)
    assert whole(store, "binary") == body


def test_threads_share_a_store(store: ObjectStore) -> None:
    """One store serves many threads at once without mixing their objects."""

    def turn(number: int) -> bytes:
        put(store, f"thread/{number}", b"%d" % number * 5000, attempt=f"t{number}")
        return whole(store, f"thread/{number}")

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(turn, range(40))) == [b"%d" % number * 5000 for number in range(40)]


def test_only_store_errors_leave(store: ObjectStore) -> None:
    """Nothing but a StoreError leaves, with the original behind it."""
    with pytest.raises(StoreError) as caught:
        store.head("missing")
    assert type(caught.value).__module__ == "providers.errors"
