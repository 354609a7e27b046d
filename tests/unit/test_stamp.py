"""The stamp's name: letters alone when written, known under every spelling that stores make of it."""

import pytest

from migrator.core.stamp import STAMP_NAME, is_stamp_name, stamp_in


def test_name_has_letters_alone() -> None:
    """No store drops, refuses or rewrites the name of the stamp."""
    assert STAMP_NAME.isascii()
    assert STAMP_NAME.isalpha()
    assert STAMP_NAME.islower()


@pytest.mark.parametrize("name", ["havrestamp", "havre_stamp", "havre-stamp", "Havre_Stamp", "HAVRESTAMP"])
def test_stamp_is_found_under_every_spelling(name: str) -> None:
    """What an earlier version wrote, and what a store made of it, is the stamp."""
    assert is_stamp_name(name)
    assert stamp_in({"site": "h-7", name: "w.a"}) == "w.a"


@pytest.mark.parametrize("name", ["stamp", "havre", "havrestamp2", "havre stamp", "my-havre-stamp"])
def test_other_names_are_no_stamp(name: str) -> None:
    """Metadata of an object's own is not taken for the stamp."""
    assert not is_stamp_name(name)
    assert stamp_in({name: "w.a"}) is None


def test_todays_name_comes_first() -> None:
    """Where an object carries an earlier stamp as well, the one that this version wrote counts."""
    assert stamp_in({"havre_stamp": "earlier", "havrestamp": "now"}) == "now"
