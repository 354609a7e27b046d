"""Which readers a request comes to."""

import pytest

from migrator.engine.readers import Change, ReaderSet, decide
from migrator.envelope.keys import Identity, Recipient
from migrator.errors import UsageError


def reader(number: int) -> Recipient:
    """A public key."""
    return Identity.from_private_bytes(bytes([number + 1]) * 32).recipient()


A, B, C = (reader(number) for number in range(3))
PLAN = ReaderSet(number=0, recipients=(A, B))


def decided(sets: list[ReaderSet], *, add: tuple[Recipient, ...] = (), remove: tuple[Recipient, ...] = (), revoke: bool = False) -> Change:  # fmt: skip
    """The change."""
    return decide(sets, add, remove, revoke=revoke)


def test_adding_and_removing_makes_the_next_set() -> None:
    """A new set has the next number, and tells who came and who went."""
    change = decided([PLAN], add=(C,), remove=(A,), revoke=True)
    assert change.is_new
    assert change.to == ReaderSet(number=1, recipients=(B, C), revoke=True)
    assert (change.added, change.removed) == ((C,), (A,))


def test_the_same_request_again_is_the_same_set() -> None:
    """What was decided is not decided twice, whether it is done or not."""
    first = decided([PLAN], add=(C,), remove=(A,)).to
    again = decided([PLAN, first], add=(C,), remove=(A,))
    assert not again.is_new
    assert again.to == first
    assert (again.added, again.removed) == ((C,), (A,))
    assert not decided([PLAN, first]).is_new


def test_revoking_after_a_removal_is_a_new_set() -> None:
    """Readers that were taken out can be shut out later, and once is enough."""
    out = decided([PLAN], remove=(A,)).to
    shut = decided([PLAN, out], remove=(A,), revoke=True)
    assert shut.is_new
    assert shut.to.recipients == (B,)
    assert not decided([PLAN, out, shut.to], remove=(A,), revoke=True).is_new
    assert not decided([PLAN, out, shut.to], remove=(A,)).is_new


@pytest.mark.parametrize(
    ("add", "remove"),
    [((), (A, B)), ((C,), (C,)), ((), (C,)), (tuple(reader(number) for number in range(10, 110)), ())],
    ids=["nobody", "both", "stranger", "too many"],
)
def test_nonsense_is_refused(add: tuple[Recipient, ...], remove: tuple[Recipient, ...]) -> None:
    """Nobody left, one key twice, a key that never was a reader, more readers than a header holds."""
    with pytest.raises(UsageError):
        decided([PLAN], add=add, remove=remove)
