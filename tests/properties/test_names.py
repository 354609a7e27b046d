"""Target names, for all keys."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator.core.modes import Mode, Names
from migrator.core.names import OWN_PREFIX, TargetNames

_KEYS = st.one_of(
    st.text(min_size=1, max_size=40),
    st.text("ab/.c4gh", min_size=1, max_size=12),
    st.sampled_from(("a", "a.c4gh", "a.c4gh.c4gh", ".c4gh", "a/", "a//b", ".havre/x")),
)
_PAIRS = st.sets(_KEYS, min_size=2, max_size=20)


@given(st.sampled_from((Mode.ENCRYPT, Mode.REWRAP, Mode.COPY)), _PAIRS)
def test_visible_names_are_injective(mode: Mode, keys: set[str]) -> None:
    """No two source keys share a visible target key."""
    names = TargetNames(mode, Names.VISIBLE)
    assert len({names.target(key) for key in keys}) == len(keys)
    assert all(names.collides(key) is None for key in keys)


@given(st.sampled_from(Mode), _PAIRS, st.binary(min_size=32, max_size=32))
def test_keyed_names_are_injective_and_say_nothing(mode: Mode, keys: set[str], name_key: bytes) -> None:
    """Keyed names differ, have one length, and hold nothing of the key."""
    names = TargetNames(mode, Names.KEYED, name_key)
    targets = {names.target(key) for key in keys}
    assert len(targets) == len(keys)
    assert {len(target) for target in targets} == {65 + 5 * mode.seals}
    assert all(names.collides(key) is None for key in keys)
    assert not any(target.startswith(OWN_PREFIX) for target in targets)


@given(_PAIRS)
def test_decrypt_names_what_collides(keys: set[str]) -> None:
    """Under ``decrypt`` two keys share a target exactly if each is what ``collides`` names for the other."""
    names = TargetNames(Mode.DECRYPT, Names.VISIBLE)
    for one in keys:
        for other in keys - {one}:
            assert (names.target(one) == names.target(other)) == (names.collides(one) == other)


@given(_KEYS)
def test_decrypt_undoes_encrypt(key: str) -> None:
    """The way back gives the name it began with."""
    forth, back = TargetNames(Mode.ENCRYPT, Names.VISIBLE), TargetNames(Mode.DECRYPT, Names.VISIBLE)
    assert back.target(forth.target(key)) == key


@pytest.mark.parametrize("name_key", [None, b"", bytes(31)])
def test_keyed_names_need_a_whole_key(name_key: bytes | None) -> None:
    """Without 32 bytes there are no keyed names."""
    with pytest.raises(ValueError, match="32"):
        TargetNames(Mode.ENCRYPT, Names.KEYED, name_key)
