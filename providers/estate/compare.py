"""What changed between two estates: findings, computed without a clock or a network.

``drift(a, a)`` is empty unless a listing of ``a`` is partial; swapping the arguments swaps ``added`` with ``removed``
and ``before`` with ``after``. A thing that is missing because a section could not be asked is never called
removed: that section is a finding of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from providers.estate.model import Estate, Item, Kind, Section, Setting, State

__all__ = ["Change", "Finding", "drift"]


class Change(StrEnum):
    """What kind of difference it is."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    NOT_COMPARABLE = "not-comparable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One difference.

    Attributes:
        kind: Section.
        change: What happened.
        id: The item; empty where a whole section is meant.
        name: What people call the item.
        setting: ``name``, ``region``, ``created``, ``tag:…`` or the name of a setting; empty for a whole item.
        before: Its value then; None where it was not known or not there.
        after: Its value now.
        text: Why it cannot be compared; empty for the other changes.
    """

    kind: Kind
    change: Change
    id: str = ""
    name: str = ""
    setting: str = ""
    before: Setting | None = None
    after: Setting | None = None
    text: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "kind": self.kind.value,
            "change": self.change.value,
            "id": self.id,
            "name": self.name,
            "setting": self.setting,
            "before": list(self.before) if isinstance(self.before, tuple) else self.before,
            "after": list(self.after) if isinstance(self.after, tuple) else self.after,
            "text": self.text,
        }


def drift(before: Estate, after: Estate) -> tuple[Finding, ...]:
    """Every difference between two estates, section by section, by id.

    Args:
        before: What was found, or is declared.
        after: What is found now.
    """
    return tuple(finding for kind in Kind for finding in _sections(before.section(kind), after.section(kind)))


def _sections(before: Section, after: Section) -> Iterator[Finding]:
    kind = before.kind
    if before.state is State.NOT_ASKED and after.state is State.NOT_ASKED:
        return
    if State.NOT_ASKED in {before.state, after.state}:
        which = "before" if before.state is State.NOT_ASKED else "now"
        yield Finding(
            kind=kind,
            change=Change.NOT_COMPARABLE,
            text=f"{which} this could not be asked: {_why(before, after)}",
        )
        return
    old = {item.id: item for item in before.items}
    new = {item.id: item for item in after.items}
    # What a partial listing lacks may well be there.
    if before.state is State.PARTIAL or after.state is State.PARTIAL:
        yield Finding(
            kind=kind,
            change=Change.NOT_COMPARABLE,
            text=f"the listing is not complete: {_why(before, after)}",
        )
    for identifier in sorted(old.keys() | new.keys()):
        if identifier not in new:
            if after.state is State.COMPLETE:
                yield _whole(kind, Change.REMOVED, old[identifier])
        elif identifier not in old:
            if before.state is State.COMPLETE:
                yield _whole(kind, Change.ADDED, new[identifier])
        else:
            yield from _items(kind, old[identifier], new[identifier])


def _why(before: Section, after: Section) -> str:
    texts = {reason.text for section in (before, after) for reason in section.reasons}
    return "; ".join(sorted(texts))


def _whole(kind: Kind, change: Change, item: Item) -> Finding:
    return Finding(kind=kind, change=change, id=item.id, name=item.name)


def _items(kind: Kind, before: Item, after: Item) -> Iterator[Finding]:
    old, new = _fields(before), _fields(after)
    for name in sorted(old.keys() | new.keys() | before.unknown.keys() | after.unknown.keys()):
        hidden = [why for why in (before.unknown.get(name), after.unknown.get(name)) if why is not None]
        same = old.get(name) == new.get(name) and type(old.get(name)) is type(new.get(name))
        if hidden:
            if len(hidden) == 1:
                yield Finding(
                    kind=kind,
                    change=Change.NOT_COMPARABLE,
                    id=after.id,
                    name=after.name,
                    setting=name,
                    before=old.get(name),
                    after=new.get(name),
                    text=f"one side could not be asked: {hidden[0].value}",
                )
        elif not same:
            yield Finding(
                kind=kind,
                change=Change.CHANGED,
                id=after.id,
                name=after.name,
                setting=name,
                before=old.get(name),
                after=new.get(name),
            )


def _fields(item: Item) -> dict[str, Setting]:
    fields: dict[str, Setting] = {"name": item.name, **item.settings}
    fields.update({f"tag:{name}": text for name, text in item.tags.items()})
    if item.region is not None:
        fields["region"] = item.region
    if item.created is not None:
        fields["created"] = item.created
    return fields
