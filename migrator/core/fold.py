"""From the events of a ledger to the state of every row: the definition that the stored states must agree with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from migrator.core.states import EventKind, State, after
from migrator.errors import IllegalTransition

__all__ = ["MAX_PAGE", "fold"]

MAX_PAGE: Final = 1_000_000
"""Most rows that one ``OBJECTS_LISTED`` may enter."""

_ABOUT_ONE_ROW = frozenset(
    {
        EventKind.UPLOAD_OPENED,
        EventKind.PART_STORED,
        EventKind.UPLOAD_FORGOTTEN,
        EventKind.OBJECT_STORED,
        EventKind.OBJECT_VERIFIED,
        EventKind.OBJECT_SKIPPED,
        EventKind.SOURCE_DRIFTED,
        EventKind.OBJECT_REJECTED,
        EventKind.OBJECT_FAILED,
        EventKind.REWRAP_OPENED,
        EventKind.REWRAP_PART_STORED,
        EventKind.OBJECT_REWRAPPED,
        EventKind.REWRAP_FORGOTTEN,
    }
)


def fold(events: Iterable[Sequence[Any]], states: bytearray | None = None) -> bytearray:
    """Apply wire events ``[kind, *fields]`` to the states of rows.

    One byte a row, so that a hundred million rows can be folded in a hundred megabytes; the byte at 0, which is no
    row, says whether the manifest is sealed. ``states`` may hold the result of an earlier fold, and is changed in
    place: folding in two steps gives what folding at once gives.

    Raises:
        IllegalTransition: The events contradict the state table, each other, or the form of an event.
    """
    states = bytearray(1) if states is None else states
    for event in events:
        try:
            _step(states, EventKind(event[0]), event)
        except (ValueError, TypeError, IndexError, OverflowError):
            raise IllegalTransition("an event has not the form that its kind has") from None
    return states


def _step(states: bytearray, kind: EventKind, event: Sequence[Any]) -> None:
    if kind in _ABOUT_ONE_ROW:
        _change(states, event[1], kind)
    elif kind in (EventKind.GENERATION_STARTED, EventKind.REWRAP_STARTED):
        if not states[0]:
            raise IllegalTransition("no transfer may begin before the manifest is sealed")
        for first, last in event[2]:
            if first > last:
                raise IllegalTransition(f"a generation of rows {first} to {last}")
            for row in range(first, last + 1):
                _change(states, row, kind)
    elif kind is EventKind.OBJECTS_LISTED:
        first, last = event[1], event[2]
        if states[0] or first != len(states) or not first <= last < first + MAX_PAGE:
            raise IllegalTransition(f"rows {first} to {last} cannot be listed after row {len(states) - 1}")
        states.extend(bytes(last + 1 - first))
    elif kind is EventKind.MANIFEST_SEALED:
        if states[0] or event[1] != len(states) - 1:
            raise IllegalTransition(
                f"a manifest of {len(states) - 1} rows cannot be sealed as one of {event[1]}"
            )
        states[0] = 1
    elif kind is EventKind.INVENTORY_RESTARTED:
        if states[0]:
            raise IllegalTransition("a sealed manifest cannot be thrown away")
        del states[1:]


def _change(states: bytearray, row: int, kind: EventKind) -> None:
    if not 0 < row < len(states):
        raise IllegalTransition(f"{kind.name} of row {row}, which was never listed")
    states[row] = after(State(states[row]), kind)
