"""Keys: kept exactly, or refused before a byte moves."""

from __future__ import annotations

import pytest

from providers.errors import KeyRefused, StoreError
from providers.model import Key, PutOptions
from providers.store import ObjectStore
from support.store_suite import gated, keys_of, put, unfinished, whole

AWKWARD = {
    "space": "a b/c d",
    "spaces-at-ends": " a /b ",
    "plus": "a+b",
    "percent": "a%20b%2Fc%",
    "hash": "a#b",
    "question": "a?b=c&d",
    "empty-segment": "a//b",
    "leading-slash": "/a",
    "trailing-slash": "a/",
    "dot": ".",
    "dot-segment": "a/./b",
    "dot-dot": "..",
    "dot-dot-segment": "a/../b",
    "trailing-dot": "a.",
    "hidden": ".a/..b/...",
    "emoji": "é/日本/🏥",
    "backslash": "a\\b",
    "tab": "a\tb",
    "newline": "a\nb",
    "carriage-return": "a\rb",
    "control": "a\x01b",
    "delete": "a\x7fb",
    "c1-control": "a\x85b",
    "nul": "a\0b",
    "quotes": "a\"b'c`d",
    "xml": "a<b>&amp;c",
    "glob": "a*b[c]{d}",
    "at-colon": "s3://a@b:c",
    "tilde": "~a~",
    "noncharacter": "a\uffffb",
    "bidi": "a\u202eb",
    "long-segment": "s" * 255,
    "too-long-segment": "s" * 256,
    "kelvin": "\u212a",
}


@pytest.mark.parametrize("key", [pytest.param(key, id=name) for name, key in AWKWARD.items()])
def test_awkward_key(store: ObjectStore, key: str) -> None:
    """A key that check_key lets pass comes back exactly, alone; any other is refused and leaves nothing."""
    if store.check_key(Key(key)) is None:
        put(store, key, b"awkward")
        assert whole(store, key) == b"awkward"
        assert store.head(Key(key)).key == key
        assert keys_of(store) == [key]
        store.delete(Key(key))
        assert keys_of(store) == []
    else:
        assert not store.capabilities.any_key or not key.isprintable()
        with pytest.raises(KeyRefused):
            put(store, key)
        assert keys_of(store) == []


@pytest.mark.parametrize("key", ["", "a\ud800b"], ids=["empty", "lone-surrogate"])
def test_no_key_at_all(store: ObjectStore, key: str) -> None:
    """An empty key and one that is no Unicode text are refused by every operation."""
    for call in (
        lambda: put(store, key),
        lambda: store.head(Key(key)),
        lambda: store.read(Key(key)),
        lambda: store.delete(Key(key)),
        lambda: store.open_upload(Key(key), PutOptions(attempt="k")),
    ):
        with pytest.raises(KeyRefused):
            call()


def test_longest_key(store: ObjectStore) -> None:
    """The longest key that is declared works, one byte more is refused; bytes are counted, not characters."""
    room = store.capabilities.max_key_bytes - len(store.prefix.encode())
    key = ("é" + "k" * 97 + "/") * 50
    key = key.encode()[:room].decode(errors="ignore")
    key = key[:-1] + "x" if key.endswith("/") else key
    key += "x" * (room - len(key.encode()))
    if store.check_key(Key(key)) is None:
        put(store, key, b"long")
        assert whole(store, key) == b"long"
        assert keys_of(store) == [key]
    with pytest.raises(KeyRefused):
        put(store, key + "x")


def test_twins_in_unicode_form(store: ObjectStore) -> None:
    """The composed and the decomposed form of a letter are two keys."""
    put(store, "caf\u00e9", b"composed")
    put(store, "cafe\u0301", b"decomposed")
    assert whole(store, "caf\u00e9") == b"composed"
    assert whole(store, "cafe\u0301") == b"decomposed"
    assert keys_of(store) == ["cafe\u0301", "caf\u00e9"]


def test_case_tells_keys_apart(store: ObjectStore) -> None:
    """Keys that differ only by case are two, unless the store declares that it folds them."""
    put(store, "Key", b"upper")
    put(store, "key", b"lower")
    folds = store.capabilities.keys_fold_case
    assert whole(store, "Key") == (b"lower" if folds else b"upper")
    assert len(keys_of(store)) == (1 if folds else 2)


@pytest.mark.parametrize("order", [("a", "a/b"), ("a/b", "a")], ids=["short-first", "long-first"])
def test_key_that_is_also_a_prefix(store: ObjectStore, order: tuple[str, str]) -> None:
    """`a` beside `a/b` works or is refused as declared; what was there first stays readable."""
    first, second = order
    put(store, first, b"first")
    with gated(store.capabilities.keys_nest):
        put(store, second, b"second")
        assert whole(store, second) == b"second"
        assert keys_of(store) == ["a", "a/b"]
    assert whole(store, first) == b"first"


def test_refused_before_a_byte_moves(store: ObjectStore) -> None:
    """What check_key refuses, an upload in parts refuses too when it is opened."""
    for key in AWKWARD.values():
        if store.check_key(Key(key)) is not None:
            with pytest.raises(KeyRefused):
                store.open_upload(Key(key), PutOptions(attempt="r"))
    assert unfinished(store) == []


def test_messages_do_not_quote_keys(store: ObjectStore) -> None:
    """No error about a key says the key: names may be sensitive themselves."""
    name = "patient-1850199"
    for call in (
        lambda: store.head(Key(name)),
        lambda: store.read(Key(name)),
        lambda: put(store, f"{name}\ud800"),
        lambda: put(store, name * 1000),
    ):
        with pytest.raises(StoreError) as caught:
            call()
        assert name not in str(caught.value)
