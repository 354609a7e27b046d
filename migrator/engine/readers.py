"""Who a wave's objects are for: the wave file's recipients, and every set that a rewrap has put in their place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cbor2

from migrator.core.plan import Plan
from migrator.engine.recipients import read_recipients
from migrator.envelope.errors import EnvelopeError
from migrator.envelope.header import MAX_RECIPIENTS
from migrator.envelope.keys import Recipient, fingerprint
from migrator.errors import LedgerCorrupt, UsageError
from migrator.ledger.ledger import Ledger

__all__ = ["Change", "ReaderSet", "current_recipients", "decide", "fingerprints", "reader_sets"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderSet:
    """One set of readers.

    Attributes:
        number: Its place in the ledger; 0 is the wave file's.
        recipients: Whoever can open what is sealed for it.
        revoke: What is brought over to it gets a fresh data key.
        changed_ms: When it was decided, milliseconds since 1970; None for the wave file's.
    """

    number: int
    recipients: tuple[Recipient, ...]
    revoke: bool = False
    changed_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a rewrap is to lead to.

    Attributes:
        to: The set that every object is to be for.
        is_new: The ledger does not have it yet.
        added: Readers that it has and the set before lacks.
        removed: Readers that it lacks and the set before has.
    """

    to: ReaderSet
    is_new: bool
    added: tuple[Recipient, ...]
    removed: tuple[Recipient, ...]


def reader_sets(ledger: Ledger, plan: Plan) -> list[ReaderSet]:
    """Every set, the wave file's first.

    Raises:
        LedgerCorrupt: A set holds what is no public key.
    """
    found = [ReaderSet(number=0, recipients=read_recipients(plan))]
    for number, changed_ms, body, revoke in ledger.query(
        "SELECT id, changed_ms, recipients, revoke FROM readers ORDER BY id"
    ):
        try:
            recipients = tuple(map(Recipient.from_public_bytes, cbor2.loads(body)))
        except (EnvelopeError, cbor2.CBORError, ValueError, TypeError):
            raise LedgerCorrupt(f"the readers {number} of the ledger are no public keys") from None
        found.append(
            ReaderSet(number=number, recipients=recipients, revoke=bool(revoke), changed_ms=changed_ms)
        )
    return found


def current_recipients(ledger: Ledger, plan: Plan) -> tuple[Recipient, ...]:
    """Whom the wave's objects are to be for now."""
    return reader_sets(ledger, plan)[-1].recipients


def fingerprints(recipients: Sequence[Recipient]) -> list[str]:
    """How people name them, in order."""
    return [fingerprint(recipient.public) for recipient in recipients]


def decide(
    sets: Sequence[ReaderSet], add: Sequence[Recipient], remove: Sequence[Recipient], *, revoke: bool
) -> Change:
    """What adding and removing these readers comes to; the same request again comes to the same set.

    Raises:
        UsageError: It contradicts itself, names a reader that never was one, or would leave none.
    """
    last, before = sets[-1], sets[-2] if len(sets) > 1 else sets[-1]
    if both := set(add) & set(remove):
        raise UsageError(
            f"the reader {fingerprint(next(iter(both)).public)} is to be added and removed",
            hint="name each key once",
        )
    ever = {recipient for known in sets for recipient in known.recipients}
    for recipient in remove:
        if recipient not in ever:
            raise UsageError(
                f"{fingerprint(recipient.public)} is not a reader of this wave",
                hint=f"readers now: {', '.join(fingerprints(last.recipients))}",
            )
    kept = [recipient for recipient in last.recipients if recipient not in set(remove)]
    wanted = tuple(dict.fromkeys([*kept, *add]))
    if not wanted:
        raise UsageError("nobody could read the objects any more", hint="add a reader with --add-recipient")
    if len(wanted) > MAX_RECIPIENTS:
        raise UsageError(
            f"an object has at most {MAX_RECIPIENTS} readers, not {len(wanted)}", hint="remove some"
        )
    if set(wanted) == set(last.recipients) and (last.revoke or not revoke):
        # Asked for before: whatever of it is still to be done is done now.
        return _change(last, before, is_new=False)
    new = ReaderSet(number=last.number + 1, recipients=wanted, revoke=revoke)
    return _change(new, last, is_new=True)


def _change(to: ReaderSet, before: ReaderSet, *, is_new: bool) -> Change:
    return Change(
        to=to,
        is_new=is_new,
        added=tuple(one for one in to.recipients if one not in before.recipients),
        removed=tuple(one for one in before.recipients if one not in to.recipients),
    )
