"""States from events: prefix-stable, and the table alone decides."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator.core.fold import MAX_PAGE, fold
from migrator.core.states import FINAL, TRANSITIONS, UNFINISHED, EventKind, State, after, allowed_from
from migrator.errors import IllegalTransition

_ROWS = 5
_BEGIN = [[1, 1, 3, b""], [1, 4, _ROWS, b""], [2, _ROWS, 0]]
_ROW_KINDS = sorted({kind for edges in TRANSITIONS.values() for kind in edges})


def _event(kind: EventKind, row: int) -> list[object]:
    ranged = kind in (EventKind.GENERATION_STARTED, EventKind.REWRAP_STARTED)
    return [int(kind), 1, [[row, row]]] if ranged else [int(kind), row]


@st.composite
def _histories(draw: st.DrawFn) -> list[list[object]]:
    states = [State.PLANNED] * (_ROWS + 1)
    events: list[list[object]] = [*_BEGIN]
    for _ in range(draw(st.integers(0, 40))):
        row = draw(st.integers(1, _ROWS))
        edges = TRANSITIONS[states[row]]
        if edges:
            kind = draw(st.sampled_from(sorted(edges)))
            states[row] = edges[kind]
            events.append(_event(kind, row))
    return events


@given(_histories(), st.data())
def test_fold_is_prefix_stable(events: list[list[object]], data: st.DataObject) -> None:
    """Folding in two steps, cut anywhere, gives what folding at once gives."""
    cut = data.draw(st.integers(0, len(events)))
    assert fold(events[cut:], fold(events[:cut])) == fold(events)


@given(_histories(), st.sampled_from(_ROW_KINDS), st.integers(1, _ROWS))
def test_an_illegal_event_raises_and_changes_nothing(
    events: list[list[object]], kind: EventKind, row: int
) -> None:
    """What the table lacks raises and leaves the states as they were."""
    states = fold(events)
    before = bytes(states)
    if kind in TRANSITIONS[State(states[row])]:
        assert fold([_event(kind, row)], states)[row] == TRANSITIONS[State(before[row])][kind]
    else:
        with pytest.raises(IllegalTransition):
            fold([_event(kind, row)], states)
        assert bytes(states) == before


@pytest.mark.parametrize(
    "event",
    [
        [99, 1], ["x"], [], None, 5, [7], [7, "a"], [7, 0], [7, -1], [7, 99], [7, 2**70], [7, None],
        [3, 1, [[0, 1]]], [3, 1, [[2, 1]]], [3, 1, [[1, 2**60]]], [3, 1, 7], [3, 1, [[1]]],
        [1, 1, 3, b""], [2, _ROWS, 0], [26, _ROWS],
    ],
    ids=repr,
)  # fmt: skip
def test_nonsense_is_an_illegal_transition(event: object) -> None:
    """Malformed events, rows that were never listed and a second manifest raise ``IllegalTransition`` alone."""
    with pytest.raises(IllegalTransition):
        fold([event], fold(_BEGIN))  # type: ignore[list-item]


@pytest.mark.parametrize(
    "events",
    [
        [[1, 2, 3, b""]],
        [[1, 0, 3, b""]],
        [[1, 1, 0, b""]],
        [[1, 1, MAX_PAGE + 1, b""]],
        [[2, 1, 0]],
        [[1, 1, 3, b""], [1, 3, 4, b""]],
        [[1, 1, 3, b""], [3, 1, [[1, 1]]]],
    ],
    ids=repr,
)
def test_rows_are_listed_in_turn_and_sealed_before_a_transfer(events: list[list[object]]) -> None:
    """A gap, an overlap, a wrong total or a transfer before the seal is refused."""
    with pytest.raises(IllegalTransition):
        fold(events)


def test_an_unsealed_inventory_may_begin_again() -> None:
    """A restart leaves no row."""
    assert fold([_BEGIN[0], [26, 3], *_BEGIN]) == fold(_BEGIN)


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("kind", list(EventKind))
def test_the_table_alone_decides(state: State, kind: EventKind) -> None:
    """``after`` and ``allowed_from`` say the same as the table for every pair."""
    legal = kind in TRANSITIONS[state]
    assert (state in allowed_from(kind)) == legal
    if legal:
        assert after(state, kind) is TRANSITIONS[state][kind]
    else:
        with pytest.raises(IllegalTransition):
            after(state, kind)


def test_every_state_is_either_unfinished_or_final() -> None:
    """The two lists part the states, and what is unfinished can still become final."""
    assert sorted((*UNFINISHED, *FINAL)) == sorted(State)
    reached = set(FINAL)
    for _ in State:
        reached |= {state for state in State if set(TRANSITIONS[state].values()) & reached}
    assert reached == set(State)
