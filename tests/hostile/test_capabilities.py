"""The capability table: each check on each server, held against what was recorded of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

import support.dialect_guards
import support.dialect_objects
import support.dialect_uploads  # noqa: F401 - these register their checks
from support.dialect import CHECKS, Subject, subject
from support.record import SERVERS_SEEN, Record
from support.seen import COLUMNS, running_columns, version_of
from support.tls import Authority

MARKS = ("yes", "no", "lies", "part")
_RECORD = Record(SERVERS_SEEN)
_SERVERS = [
    pytest.param(name, id=name, marks=pytest.mark.server(*column.needs))
    for name, column in running_columns().items()
]


@pytest.fixture(scope="module")
def subjects(authority: Authority, request: pytest.FixtureRequest) -> Iterator[dict[str, Subject]]:
    """The servers under check, each made ready on first use."""
    with ExitStack() as stack:

        class Ready(dict[str, Subject]):
            def __missing__(self, name: str) -> Subject:
                server = request.getfixturevalue(name)
                self[name] = stack.enter_context(subject(server, authority))
                return self[name]

        yield Ready()


_CASES = [
    pytest.param(name, check, id=f"{name}-{check}", marks=pytest.mark.server(*column.needs))
    for name, column in running_columns().items()
    for check in column.only or CHECKS
]


# What earlier tests left in the server's folder (nanio), or whether its sweep of empty folders has come by (SeaweedFS),
# decides which of these it answers; neither is "yes".
_UNSTEADY = {
    ("seaweedfs", "odd_keys"): (
        (
            "lies: refused ./ piece, ../ piece, 256-byte piece; another body: dir/ with a body; "
            "not listed as given: a//b, backslash"
        ),
        "lies: refused ./ piece, ../ piece, 256-byte piece; not listed as given: a//b, dir/ with a body, backslash",
    ),
    ("nanio", "nested_keys"): ("no: refused 500 InternalError", "lies: the second destroys the first"),
}


# Which odd keys it refuses changes between runs; that it takes them all would be news.
_CHANGING = {("nanio", "odd_keys")}


@pytest.mark.parametrize(("server", "name"), _CASES)
def test_what_was_recorded_is_what_is_seen(subjects: dict[str, Subject], server: str, name: str) -> None:
    """A server does in this check what the record says; a race that is not lost this time contradicts nothing."""
    one = CHECKS[name]
    seen = one.run(subjects[server])
    assert seen.partition(":")[0] in MARKS
    if (server, name) in _CHANGING and not _RECORD.writing:
        assert not seen.startswith("yes")
        return
    lost = "lies: more than one winner"
    may_be = () if one.settled or seen == lost else (lost,)
    unsteady = _UNSTEADY.get((server, name), ())
    _RECORD.hold(
        "servers", server, "checks", name, seen=seen, may_be=unsteady if seen in unsteady else may_be
    )


@pytest.mark.parametrize("server", _SERVERS)
def test_version_is_the_recorded_one(server: str) -> None:
    """What was recorded was seen on the version that is installed."""
    _RECORD.hold("servers", server, "version", seen=version_of(server))


def test_record_knows_checks_and_servers() -> None:
    """The titles and the order that pages print are those of the tests; a server that is gone is gone there too."""
    _RECORD.hold("titles", seen=[[name, one.title] for name, one in CHECKS.items()])
    _RECORD.hold("order", seen=list(COLUMNS))
    for name, column in COLUMNS.items():
        _RECORD.hold("servers", name, "title", seen=column.title)
        _RECORD.hold("servers", name, "double", seen=column.double)
