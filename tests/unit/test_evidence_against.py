"""Stored objects against what a bundle opened: sizes, bytes, parts, and what a lying record comes to."""

from __future__ import annotations

import hashlib
import itertools

import pytest

from migrator.errors import IntegrityError
from migrator.evidence.against import compare_stored
from migrator.evidence.manifest_reader import Opening
from providers.drivers.filesystem import FilesystemDriver
from providers.store import ObjectStore

LARGE = bytes(range(256)) * 40_000  # ten million bytes: more than one read


def digest(data):
    return hashlib.sha256(data).hexdigest()


def opened(row, data, **changed):
    values = {
        "target_key": f"o/{row}",
        "target_version": None,
        "stored_size": len(data),
        "ciphertext_sha256": digest(data),
        "parts": None,
    }
    return Opening(row, values | changed, bytes(32))


def in_parts(row, data, *cuts):
    edges = [0, *cuts, len(data)]
    parts = [[end - start, digest(data[start:end])] for start, end in itertools.pairwise(edges)]
    return opened(row, data, ciphertext_sha256=None, parts=parts)


@pytest.fixture
def store(tmp_path):
    """A store with a small, an empty and two large objects."""
    (tmp_path / "o").mkdir()
    for row, data in ((1, b"small"), (2, b""), (3, LARGE), (4, LARGE)):
        (tmp_path / f"o/{row}").write_bytes(data)
    with ObjectStore(FilesystemDriver(tmp_path), location="here") as opened_store:
        yield opened_store


def test_what_is_as_recorded_is_counted(store):
    """Small, empty and large objects, put at once or in parts of any length, hold; a row without an object is counted."""
    found = compare_stored(
        store,
        [
            opened(1, b"small"),
            opened(2, b""),
            opened(3, LARGE),
            in_parts(4, LARGE, 65_564, 9_000_000),
            opened(5, b"", stored_size=None),
        ],
        workers=3,
    )
    assert (found.compared, found.without, found.differences) == (4, 1, [])
    assert found.bytes == 5 + 2 * len(LARGE)


@pytest.mark.parametrize(
    ("opening", "reason"),
    [
        (opened(1, b"smaller"), "the store holds 5 bytes, 7 were recorded"),
        (opened(1, b"tiny"), "the store holds 5 bytes, 4 were recorded"),
        (opened(1, b"s"), "the store holds 5 bytes, 1 were recorded"),
        (opened(1, b""), "the store holds 5 bytes, 0 were recorded"),
        (opened(2, b"x"), "the store holds 0 bytes, 1 were recorded"),
        (opened(3, LARGE + LARGE), f"the store holds {len(LARGE)} bytes, {2 * len(LARGE)} were recorded"),
        (opened(1, b"smalL"), "the stored bytes are not the bytes that were sent"),
        (in_parts(3, LARGE[:-1] + b"x", 9_000_000), "the stored bytes are not the bytes that were sent"),
        (opened(3, LARGE, ciphertext_sha256=None, parts=[[5, "00" * 32]]), "the record does not cover every stored byte"),
        (opened(3, LARGE, ciphertext_sha256=None, parts=[]), "no digest of the stored bytes was opened"),
        (opened(3, LARGE, ciphertext_sha256="zz"), "the digests that were opened make no sense"),
        (opened(9, b"x"), "the object is not there"),
    ],
)  # fmt: skip
def test_what_differs_is_named(store, opening, reason):
    """Each way to differ from the record has its reason, and nothing is counted as compared."""
    found = compare_stored(store, [opening])
    assert (found.compared, found.differences) == (0, [(opening.row, reason)])


def test_many_rows_come_back_in_their_order(store):
    """More rows than are begun ahead of one another: differences are told by rising row."""
    rows = [opened(row, b"small", target_key="o/1" if row % 7 else "o/2") for row in range(1, 1300)]
    found = compare_stored(store, rows, workers=4)
    assert [row for row, _ in found.differences] == list(range(7, 1300, 7))
    assert found.compared == len(rows) - len(found.differences)


def test_a_bundle_that_does_not_open_what_it_takes_ends_it(store):
    """A field that is closed is an error of the whole comparison, however many rows follow."""
    rows = [opened(row, b"small", target_key="o/1") for row in range(1, 900)]
    del rows[3].values["stored_size"]
    with pytest.raises(IntegrityError, match="does not open the field stored_size"):
        compare_stored(store, rows, workers=2)
