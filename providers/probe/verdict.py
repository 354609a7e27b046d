"""What was seen against what is declared. Pure, and done anew whenever a report is read.

A profile may be corrected after a probe: what counts is what was seen then and what is declared now.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from providers import keys
from providers.probe.awkward import AWKWARD
from providers.probe.catalogue import CHECKS, KEY_CHECK

if TYPE_CHECKING:
    from providers.profile import Profile

__all__ = ["Declared", "Outcome", "Seen", "declared_of", "judge"]

_AWKWARD: Final = {one.slug: one.key for one in AWKWARD}
_CAPABILITIES: Final = {"verifies_sha256": "verifies_checksum"}
_MANY: Final = 1001
PROTOCOL: Final = "protocol"
UNKNOWN: Final = "unknown"


class Outcome(StrEnum):
    """How a check compares with the profile."""

    AS_DECLARED = "as-declared"
    CONTRADICTS = "contradicts"
    BETTER = "better"
    NOT_TRIED = "not-tried"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What one check saw.

    Attributes:
        id: Which check.
        value: Whether the store does it, or a number; None where it was not tried.
        detail: The measurement in words, or why it was not tried.
    """

    id: str
    value: bool | int | None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What a profile says of one check.

    Attributes:
        value: The declaration; None where the profile is silent.
        status: Status of the fact, ``protocol`` for what comes with the protocol, or ``unknown``.
        fact: Its dotted name, or "".
    """

    value: bool | int | None
    status: str
    fact: str


def declared_of(check_id: str, profile: Profile) -> Declared:
    """What the profile says of a check.

    Raises:
        KeyError: There is no such check.
    """
    check = CHECKS[check_id]
    section, _, name = check.fact.partition(".")
    can = profile.capabilities()
    if not check.fact:
        return Declared(value=True, status=PROTOCOL, fact="")
    if section == "capability":
        return Declared(value=can.pin == "strong", status=PROTOCOL, fact="")
    if check.fact == "keys":
        text = _AWKWARD[check_id.removeprefix(KEY_CHECK)]
        held = keys.refused(f"k/{text}", can) is None
        rules = profile.quirks.get("key_rules")
        status = PROTOCOL if rules is None else str(rules.status)
        return Declared(value=held, status=status, fact="quirks.key_rules")
    facts = {"quirks": profile.quirks, "limits": profile.limits, "keys": profile.keys}[section]
    fact = facts.get(name)
    status = str(fact.status) if fact is not None else UNKNOWN
    capability = _CAPABILITIES.get(name, name)
    if section != "keys" and hasattr(can, capability):
        # What counts is what the profile comes to: hearsay establishes no guarantee.
        return Declared(
            value=getattr(can, capability),
            status=status if fact is not None else PROTOCOL,
            fact=check.fact,
        )
    value = fact.value if fact is not None and isinstance(fact.value, (bool, int)) else None
    return Declared(value=value, status=status, fact=check.fact)


def judge(seen: Seen, declared: Declared) -> Outcome:
    """How one observation compares.

    A limit is a number that the store must reach; whether it takes more is no promise and does not count.
    """
    check = CHECKS[seen.id]
    if seen.value is None:
        return Outcome.NOT_TRIED
    if check.fact.startswith("limits.") and not isinstance(seen.value, bool):
        wanted = declared.value or 0
        return Outcome.AS_DECLARED if seen.value >= wanted else Outcome.CONTRADICTS
    if check.id == "part-too-small":
        # The limit is declared as a number; a store that takes less than it needs is easier to serve.
        return Outcome.AS_DECLARED if seen.value else Outcome.BETTER
    if check.id == "parts-1001":
        assumed = (declared.value or 0) >= _MANY
    else:
        assumed = (not check.good) if declared.value is None else bool(declared.value)
    if seen.value == assumed:
        return Outcome.AS_DECLARED
    return Outcome.BETTER if seen.value == check.good else Outcome.CONTRADICTS
