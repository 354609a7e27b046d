"""From the events of a ledger to the state of every row: the definition that the stored states must agree with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from migrator.core.states import EventKind, State, after

__all__ = ["fold"]

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
    }
)


def fold(events: Iterable[Sequence[Any]], states: bytearray | None = None) -> bytearray:
    """Apply wire events ``[kind, *fields]`` to the states of rows (index = row; row 0 is not used).

    One byte a row, so that a hundred million rows can be folded in a hundred megabytes. ``states`` may hold the
    result of an earlier fold: folding in two steps gives what folding at once gives.

    Raises:
        IllegalTransition: The events contradict the state table.
    """
    states = bytearray(1) if states is None else states
    for event in events:
        kind = EventKind(event[0])
        if kind in _ABOUT_ONE_ROW:
            row = event[1]
            states[row] = after(State(states[row]), kind)
        elif kind is EventKind.GENERATION_STARTED:
            for first, last in event[2]:
                for row in range(first, last + 1):
                    states[row] = after(State(states[row]), kind)
        elif kind is EventKind.OBJECTS_LISTED:
            states.extend(bytes(event[2] + 1 - len(states)))
        elif kind is EventKind.INVENTORY_RESTARTED:
            states = states[:1]
    return states
