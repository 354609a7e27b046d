"""The study itself: each need put to each profile.

The order of results, from worst to best, is: missing, unknown, met but not established, met by us, met. A
favourable fact never moves a cell down this order: what only press says of an offer does not displace what
this project brings for certain, and what is not said is never met.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Final

from providers.gap.answer import Answer, Verdict, ask
from providers.gap.model import Blueprint, Cell, Effort, Need, Row, State, Study, Text
from providers.profile_spec import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from providers.profile import Profile

__all__ = ["newest_fact", "offers", "rank", "study"]


_CONFIRM: Final = Effort(
    step="S",
    reason=Text(
        en="confirm it: have the provider show the document, and enter it as an operator's fact",
        fr="le confirmer : se faire montrer le document et l'inscrire comme fait de l'opérateur",
    ),
)


def study(blueprint: Blueprint, profiles: Sequence[Profile], *, as_of: date | None = None) -> Study:
    """Hold a blueprint against profiles.

    Args:
        blueprint: What the platform needs.
        profiles: The offers, with an operator's facts laid over them where there are any.
        as_of: The day on which certificates have to be valid; by default the day of the newest fact.

    Returns:
        The offers, the least to close first.
    """
    day = as_of or newest_fact(profiles)
    rows = [
        Row(
            name=profile.name,
            title=profile.title,
            cells=tuple(_cell(need, profile, day) for need in blueprint.needs),
        )
        for profile in profiles
    ]
    return Study(blueprint=blueprint, as_of=day, rows=tuple(sorted(rows, key=lambda row: row.order)))


def offers(profiles: Iterable[Profile]) -> tuple[Profile, ...]:
    """The profiles of what a host sells: software that anybody installs has nobody who answers for it."""
    return tuple(profile for profile in profiles if profile.kind == KINDS[0])


def newest_fact(profiles: Iterable[Profile]) -> date:
    """The day of the newest fact; a year or month counts as its first day."""
    dates = [fact.date for profile in profiles for fact in profile.facts().values()]
    newest = max(dates, default="1970-01-01")
    return date.fromisoformat((newest + "-01-01")[:10])


def _cell(need: Need, profile: Profile, as_of: date) -> Cell:
    answer = ask(need.capability.query, profile, as_of)
    ours = need.capability.ours
    quotes = answer.quotes
    if ours is not None and ours.state == "exists" and not _sure(answer):
        base = None if ours.needs is None else ask(ours.needs, profile, as_of)
        if base is not None:
            quotes = tuple({quote.name: quote for quote in (*quotes, *base.quotes)}.values())
        if base is None or base.verdict is Verdict.YES:
            return Cell(
                need=need,
                state=State.MET_BY_US,
                grade=None if base is None else base.grade,
                established=base is None or base.established,
                quotes=quotes,
                ours=ours,
                effort=None,
            )
    state = {Verdict.YES: State.MET, Verdict.NO: State.MISSING, Verdict.UNKNOWN: State.UNKNOWN}[
        answer.verdict
    ]
    effort: Effort | None = need.capability.effort
    if state is State.MET:
        effort = None if answer.established else _CONFIRM
    return Cell(
        need=need,
        state=state,
        grade=answer.grade,
        established=answer.established,
        quotes=quotes,
        ours=None if state is State.MET else ours,
        effort=effort,
    )


def _sure(answer: Answer) -> bool:
    return answer.verdict is Verdict.YES and answer.established


def rank(cell: Cell) -> int:
    """Where a cell stands between missing (0) and met on established facts (5)."""
    if cell.state is State.MET:
        return 5 if cell.established else 2
    if cell.state is State.MET_BY_US:
        return 4 if cell.established else 3
    return 1 if cell.state is State.UNKNOWN else 0
