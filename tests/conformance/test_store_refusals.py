"""Places that are not there and people who are not known: the right error, before any harm."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from providers.errors import NotFound, PermissionDenied, StoreError, Unauthenticated
from providers.model import PutOptions
from providers.store import ObjectStore
from support.harness import Harness

CALLS: dict[str, Callable[[ObjectStore], object]] = {
    "check": lambda store: store.check(),
    "list": lambda store: list(store.list()),
    "head": lambda store: store.head("a"),
    "read": lambda store: store.read("a"),
    "put": lambda store: store.put("a", b"x", PutOptions(attempt="m")),
}


@pytest.fixture
def nowhere(harness: Harness) -> Iterator[ObjectStore]:
    """A store on a bucket that is not there."""
    bucket = harness.new_bucket()
    harness.drop_bucket(bucket)
    with ObjectStore(harness.driver(bucket), location="nowhere:bucket") as store:
        yield store


@pytest.mark.parametrize("call", CALLS)
def test_missing_bucket(nowhere: ObjectStore, call: str) -> None:
    """Every operation on a bucket that is not there is NotFound, and names the place."""
    with pytest.raises(NotFound) as caught:
        CALLS[call](nowhere)
    assert caught.value.location == "nowhere:bucket"


def test_check_of_a_bucket_that_is_there(store: ObjectStore) -> None:
    """A bucket that is there and open to us passes the check."""
    store.check()


@pytest.mark.parametrize("call", CALLS)
def test_wrong_secret(harness: Harness, call: str) -> None:
    """A wrong secret ends every operation as a matter of credentials, and is in no message."""
    bucket = harness.new_bucket()
    driver = harness.intruder(bucket)
    assert driver is not None
    with ObjectStore(driver, location="intruder:bucket") as store:
        with pytest.raises((Unauthenticated, PermissionDenied)) as caught:
            CALLS[call](store)
        assert isinstance(caught.value, StoreError)
        assert "d3Jvbmc" not in f"{caught.value} {caught.value.hint}"
    harness.drop_bucket(bucket)
