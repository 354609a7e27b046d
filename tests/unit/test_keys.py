"""Which keys a store refuses follows from its capabilities alone."""

from __future__ import annotations

import pytest

from providers.capabilities import Capabilities
from providers.keys import RULES, refused


@pytest.mark.parametrize(
    ("rule", "bad", "good"),
    [
        ("no-trailing-slash", "a/", "a/b"),
        ("no-leading-slash", "/a", "a/b"),
        ("no-empty-segments", "a//b", "a/"),
        ("no-empty-segments", "/a", "a"),
        ("no-dot-segments", "a/../b", "a/..b"),
        ("no-dot-segments", ".", ".a"),
        ("no-trailing-dot", "a./b", "a.b"),
        ("no-backslash", "a\\b", "a/b"),
        ("no-control", "a\x7f", "aé"),
        ("no-control", "a\nb", "a b"),
        ("no-xml-forbidden", "a\x01", "a\nb"),
        ("no-xml-forbidden", "a\uffff", "a\ufffd"),
        ("no-nul", "a\0", "a\x01"),
    ],
)
def test_a_rule_refuses_what_it_names_and_nothing_beside(rule, bad, good):
    """Each rule has a key that breaks it and a near one that does not."""
    capabilities = Capabilities(key_rules=frozenset({rule}))
    assert refused(bad, capabilities) == RULES[rule][1]
    assert refused(good, capabilities) is None
    assert refused(bad, Capabilities()) is None


def test_every_rule_is_exercised():
    """A new rule needs a case above."""
    assert len(RULES) == 9


def test_lengths_are_counted_in_bytes():
    """A key of 600 two-byte characters is longer than 1,024 bytes."""
    assert "1200 bytes" in (refused("é" * 600, Capabilities()) or "")
    assert refused("é" * 512, Capabilities()) is None


def test_the_pieces_between_slashes_have_a_limit_of_their_own():
    """A short key can still have too long a piece."""
    capabilities = Capabilities(max_segment_bytes=255)
    assert "255 bytes" in (refused("a/" + "é" * 128, capabilities) or "")
    assert refused("/".join(["s" * 255] * 3), capabilities) is None


def test_empty_keys_and_broken_text_are_never_held():
    """No store holds an empty key, nor one that is not Unicode."""
    assert refused("", Capabilities()) == "is empty"
    assert refused("a\ud800", Capabilities()) == "is not valid Unicode text"
