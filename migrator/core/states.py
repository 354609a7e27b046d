"""The states of one object, as a table: what may follow what.

The diagram in ``migrator/docs/ledger.md`` is drawn from ``TRANSITIONS``. An event that the table does not allow
raises and changes nothing.
"""

from __future__ import annotations

from enum import IntEnum
from types import MappingProxyType
from typing import Final

from migrator.errors import IllegalTransition

__all__ = ["FINAL", "TRANSITIONS", "UNFINISHED", "EventKind", "State", "after", "allowed_from"]


class State(IntEnum):
    """Where one object stands. The numbers are written in ledgers: never reuse one."""

    PLANNED = 0
    READY = 1
    OPEN = 2
    STORED = 3
    FAILED = 4
    VERIFIED = 5
    SKIPPED = 6
    DRIFTED = 7
    REJECTED = 8

    @property
    def word(self) -> str:
        """The lower-case name used in output."""
        return self.name.lower()


class EventKind(IntEnum):
    """What can happen to an object or a wave. The numbers are written in ledgers: never reuse one."""

    OBJECTS_LISTED = 1
    MANIFEST_SEALED = 2
    GENERATION_STARTED = 3
    UPLOAD_OPENED = 4
    PART_STORED = 5
    UPLOAD_FORGOTTEN = 6
    OBJECT_STORED = 7
    OBJECT_VERIFIED = 8
    OBJECT_SKIPPED = 9
    SOURCE_DRIFTED = 10
    OBJECT_REJECTED = 11
    OBJECT_FAILED = 12
    REWRAP_STARTED = 13
    REWRAP_OPENED = 14
    REWRAP_PART_STORED = 15
    OBJECT_REWRAPPED = 16
    REWRAP_FORGOTTEN = 17
    RUN_STARTED = 20
    RUN_ENDED = 21
    EPOCH_RAISED = 22
    ROOT_SEALED = 23
    ROOT_DROPPED = 24
    BOOK_STORED = 25
    INVENTORY_RESTARTED = 26
    UPLOAD_SWEPT = 27
    READERS_CHANGED = 28


_S = State
_E = EventKind


# A rewrap leaves a row as it is until the new object has taken the old one's place: then it is STORED once more.
def _rewrap(state: State) -> dict[EventKind, State]:
    return {
        _E.REWRAP_STARTED: state,
        _E.REWRAP_OPENED: state,
        _E.REWRAP_PART_STORED: state,
        _E.REWRAP_FORGOTTEN: state,
        _E.OBJECT_REWRAPPED: _S.STORED,
    }


# GENERATION_STARTED leaves READY for READY when a run ended between intent and effect, leaves FAILED when the
# next run tries again, leaves REJECTED when the operator asks for another try, and leaves STORED when the read-back
# found damage that a fresh copy can mend.
TRANSITIONS: Final = MappingProxyType(
    {
        _S.PLANNED: MappingProxyType(
            {
                _E.GENERATION_STARTED: _S.READY,
                _E.OBJECT_SKIPPED: _S.SKIPPED,
                _E.OBJECT_REJECTED: _S.REJECTED,
                _E.SOURCE_DRIFTED: _S.DRIFTED,
                _E.OBJECT_FAILED: _S.FAILED,
            }
        ),
        _S.READY: MappingProxyType(
            {
                _E.GENERATION_STARTED: _S.READY,
                _E.UPLOAD_OPENED: _S.OPEN,
                _E.OBJECT_STORED: _S.STORED,
                _E.OBJECT_SKIPPED: _S.SKIPPED,
                _E.OBJECT_REJECTED: _S.REJECTED,
                _E.SOURCE_DRIFTED: _S.DRIFTED,
                _E.OBJECT_FAILED: _S.FAILED,
            }
        ),
        _S.OPEN: MappingProxyType(
            {
                _E.PART_STORED: _S.OPEN,
                _E.UPLOAD_FORGOTTEN: _S.READY,
                _E.OBJECT_STORED: _S.STORED,
                _E.OBJECT_REJECTED: _S.REJECTED,
                _E.SOURCE_DRIFTED: _S.DRIFTED,
                _E.OBJECT_FAILED: _S.FAILED,
            }
        ),
        _S.STORED: MappingProxyType(
            {
                _E.OBJECT_VERIFIED: _S.VERIFIED,
                _E.OBJECT_REJECTED: _S.REJECTED,
                _E.OBJECT_FAILED: _S.FAILED,
                _E.SOURCE_DRIFTED: _S.DRIFTED,
                _E.GENERATION_STARTED: _S.READY,
                **_rewrap(_S.STORED),
            }
        ),
        _S.FAILED: MappingProxyType({_E.GENERATION_STARTED: _S.READY}),
        _S.VERIFIED: MappingProxyType(
            {
                _E.OBJECT_VERIFIED: _S.VERIFIED,
                _E.OBJECT_REJECTED: _S.REJECTED,
                **_rewrap(_S.VERIFIED),
            }
        ),
        _S.SKIPPED: MappingProxyType({_E.OBJECT_REJECTED: _S.REJECTED, **_rewrap(_S.SKIPPED)}),
        _S.DRIFTED: MappingProxyType({}),
        _S.REJECTED: MappingProxyType(
            {
                _E.OBJECT_VERIFIED: _S.VERIFIED,
                _E.OBJECT_REJECTED: _S.REJECTED,
                _E.GENERATION_STARTED: _S.READY,
            }
        ),
    }
)

UNFINISHED: Final = (State.PLANNED, State.READY, State.OPEN, State.STORED, State.FAILED)
FINAL: Final = (State.VERIFIED, State.SKIPPED, State.DRIFTED, State.REJECTED)


def after(state: State, event: EventKind) -> State:
    """The state an event leads to.

    Raises:
        IllegalTransition: The table does not allow it.
    """
    try:
        return TRANSITIONS[state][event]
    except KeyError:
        raise IllegalTransition(f"{event.name} cannot follow {state.name}") from None


def allowed_from(event: EventKind) -> tuple[State, ...]:
    """Every state in which an event may happen."""
    return tuple(state for state, edges in TRANSITIONS.items() if event in edges)
