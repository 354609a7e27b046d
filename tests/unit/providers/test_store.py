"""The portable store over a scripted driver: keys, prefixes, lengths and the one way errors leave."""

from __future__ import annotations

from typing import Any

import pytest

from providers.capabilities import Capabilities
from providers.errors import (
    ConditionFailed,
    Exhausted,
    KeyRefused,
    NotFound,
    RangeInvalid,
    StoreError,
    Throttled,
    Truncated,
    Unavailable,
    Unexpected,
    Unsupported,
)
from providers.layers import open_layers
from providers.layers.limit import AdaptiveLimiter
from providers.model import Attributes, ObjectMeta, Page, PartReceipt, PutOptions, ReadResult, Span
from providers.store import ObjectStore
from support.scripted_driver import ScriptedDriver


def _meta(key: str, size: int = 1) -> ObjectMeta:
    return ObjectMeta(key=key, size=size)  # type: ignore[arg-type]


def _store(driver: Any, prefix: str = "") -> ObjectStore:
    return ObjectStore(driver, prefix=prefix, location="site:bucket")


def _page(*keys: str, token: str | None = None) -> Page:
    return Page(entries=tuple(map(_meta, keys)), next_token=token)  # type: ignore[arg-type]


def test_keys_are_relative_and_exact() -> None:
    """The key `/x` under the prefix `p/` is `p//x`, and comes back as `/x`."""
    driver = ScriptedDriver(head=[_meta("p//x")], list_page=[_page("p//x", "p/y")])
    store = _store(driver, "p/")
    assert store.head("/x").key == "/x"
    assert driver.calls[0][1] == ("p//x",)
    assert [meta.key for meta in store.list()] == ["/x", "y"]


def test_empty_folder_marker_of_the_location_is_left_out() -> None:
    """The empty object that is named like the prefix has no key inside; one with content is an error."""
    empty = Page(entries=(_meta("p/", 0), _meta("p/a", 0)), next_token=None)
    full = Page(entries=(_meta("p/", 5),), next_token=None)
    store = _store(ScriptedDriver(list_page=[empty, full]), "p/")
    assert [meta.key for meta in store.list()] == ["a"]
    with pytest.raises(KeyRefused, match="prefix as its whole key"):
        list(store.list())


def test_repeated_page_token_is_an_error() -> None:
    """A store that gives the same page again is not followed for ever."""
    driver = ScriptedDriver(list_page=[_page("a", token="t"), _page("b", token="u"), _page("c", token="t")])
    with pytest.raises(Unexpected, match="same page"):
        list(_store(driver).list())


def test_listing_outside_the_prefix_is_an_error() -> None:
    """A key that does not start with the prefix asked for is not cut to something else."""
    with pytest.raises(Unexpected, match="does not start"):
        list(_store(ScriptedDriver(list_page=[_page("q/a")]), "p/").list())


def test_listed_key_that_is_no_text_is_refused() -> None:
    """A lone surrogate in a listed key stops the listing."""
    with pytest.raises(KeyRefused, match="Unicode"):
        list(_store(ScriptedDriver(list_page=[_page("a\udcffb")])).list())


@pytest.mark.parametrize("key", ["", "a\ud800", "forbidden", "é" * 10])
def test_refused_keys_never_reach_the_driver(key: str) -> None:
    """Empty, not text, refused by the driver, too long in bytes with its prefix: nothing is sent."""
    driver = ScriptedDriver(capabilities=Capabilities(max_key_bytes=20))
    with pytest.raises(KeyRefused):
        _store(driver, "p/").put(key, b"x")  # type: ignore[arg-type]
    assert driver.calls == []


@pytest.mark.parametrize(
    ("limits", "call"),
    [
        ({"max_put": 3}, lambda store: store.put("k", b"1234")),
        ({"put_if_absent": False}, lambda store: store.put("k", b"", PutOptions(if_absent=True))),
        ({"max_part": 3}, lambda store: store.put_part("k", "u", 1, 0, memoryview(b"1234"))),
        ({"max_parts": 3}, lambda store: store.put_part("k", "u", 4, 0, b"")),
        ({"max_object": 3}, lambda store: store.put_part("k", "u", 1, 3, b"4")),
        ({}, lambda store: store.put_part("k", "u", 0, 0, b"")),
        (
            {"metadata": False},
            lambda store: store.put("k", b"", PutOptions(attributes=Attributes(metadata={"a": "b"}))),
        ),
        (
            {"tags": False},
            lambda store: store.open_upload("k", PutOptions(attributes=Attributes(tags={"a": "b"}))),
        ),
        (
            {"content_headers": False},
            lambda store: store.put("k", b"", PutOptions(attributes=Attributes(cache_control="no-store"))),
        ),
        (
            {"complete_if_absent": False},
            lambda store: store.complete_upload("k", "u", [], PutOptions(if_absent=True)),
        ),
    ],
)
def test_limits_hold_before_a_byte_moves(limits: dict[str, Any], call: Any) -> None:
    """What the store does not declare is Unsupported, and nothing is sent."""
    driver = ScriptedDriver(capabilities=Capabilities().narrowed(**limits))
    with pytest.raises(Unsupported):
        call(_store(driver))
    assert driver.calls == []


@pytest.mark.parametrize("span", [None, Span(start=0, length=5)])
def test_short_and_long_reads_are_truncated(span: Span | None) -> None:
    """A driver that gives another number of bytes than announced is not believed."""
    for data in (b"1234", memoryview(b"123456")):
        driver = ScriptedDriver(read=[ReadResult(meta=_meta("k", 5), data=data)])
        with pytest.raises(Truncated):
            _store(driver).read("k", span=span)


def test_empty_span_is_refused() -> None:
    """A span has at least one byte."""
    with pytest.raises(RangeInvalid):
        _store(ScriptedDriver()).read("k", span=Span(start=0, length=0))


def test_errors_carry_the_place_and_the_cause() -> None:
    """A foreign exception leaves translated, from the original, with operation and location."""
    with pytest.raises(Unexpected) as caught:
        _store(ScriptedDriver(head=[ValueError("sdk")])).head("secret-name")
    assert (caught.value.operation, caught.value.location) == ("head", "site:bucket")
    assert isinstance(caught.value.__cause__, ValueError)
    assert str(caught.value) == "site:bucket: head: ValueError"


def test_a_store_error_keeps_its_own_cause() -> None:
    """An error that a layer raised from its last cause leaves with that cause."""
    cause = Unavailable("down")
    spent = Exhausted("spent")
    spent.__cause__ = cause
    with pytest.raises(Exhausted) as caught:
        _store(ScriptedDriver(head=[spent])).head("k")
    assert caught.value is spent
    assert caught.value.__cause__ is cause
    assert caught.value.location == "site:bucket"


def test_streams_translate_too() -> None:
    """An error in the middle of a stream leaves as a StoreError with the operation's name."""
    store = _store(ScriptedDriver(list_parts=[[ValueError("x")]], list_uploads=[[NotFound("y")]]))
    for stream in (store.list_parts("k", "u"), store.list_uploads()):
        with pytest.raises(StoreError) as caught:
            list(stream)
        assert caught.value.operation in ("list_parts", "list_uploads")


def test_object_whose_etag_completion_does_not_tell_is_looked_at() -> None:
    """The very version that was completed is looked at, and its meta is relative like any other."""
    found = ObjectMeta(key="p/k", size=7, etag="e", version="v")  # type: ignore[arg-type]
    untold = ObjectMeta(key="p/k", size=7, version="v")  # type: ignore[arg-type]
    driver = ScriptedDriver(complete_upload=[untold], head=[found])
    parts = [PartReceipt(number=1, size=5), PartReceipt(number=2, size=2)]
    meta = _store(driver, "p/").complete_upload("k", "u", parts)  # type: ignore[arg-type]
    assert (meta.key, meta.etag, meta.version) == ("k", "e", "v")
    assert driver.calls[1] == ("head", ("p/k",), {"version": "v"})


def test_object_of_another_size_is_not_the_completed_one() -> None:
    """An etag is never taken from an object that has not the size of the parts."""
    driver = ScriptedDriver(complete_upload=[_meta("k", 7)], head=[_meta("k", 6)])
    with pytest.raises(ConditionFailed, match="6 bytes stands there, where 7"):
        _store(driver).complete_upload("k", "u", [PartReceipt(number=1, size=7)])  # type: ignore[arg-type]


def test_trouble_after_a_completion_repeats_the_look_only() -> None:
    """A store that throttles the look is asked for it again, and completes nothing twice."""
    found = ObjectMeta(key="k", size=7, etag="e")  # type: ignore[arg-type]
    driver = ScriptedDriver(complete_upload=[_meta("k", 7)], head=[Throttled("slower"), found])
    layered = open_layers(driver, limiter=AdaptiveLimiter(4), sleep=lambda _: None)  # type: ignore[arg-type]
    meta = _store(layered).complete_upload("k", "u", [PartReceipt(number=1, size=7)])  # type: ignore[arg-type]
    assert meta.etag == "e"
    assert driver.left() == 0


def test_check_falls_back_on_the_smallest_listing() -> None:
    """A driver without a probe of its own is asked for one entry under the prefix."""
    driver = ScriptedDriver(list_page=[_page()])
    _store(driver, "p/").check()
    assert driver.calls == [("list_page", ("p/", None, 1), {})]


def test_closes_its_driver() -> None:
    """Leaving the block closes the driver."""
    driver = ScriptedDriver()
    with _store(driver) as store:
        assert store.check_attributes(Attributes()) == []
    assert driver.closed
