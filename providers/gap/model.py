"""The values of a gap study: what a platform needs, what a profile answers, what is left to close.

Frozen and without behaviour beyond arithmetic. A text that people read stands in English and French.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final, Literal, TypeAlias

from providers.gap.answer import Quote
from providers.gap.query import Query
from providers.profile_spec import Status

__all__ = [
    "POINTS",
    "Basis",
    "Blueprint",
    "Capability",
    "Cell",
    "Effort",
    "Lang",
    "Level",
    "Need",
    "Ours",
    "Row",
    "Source",
    "State",
    "Study",
    "Text",
]

Lang: TypeAlias = Literal["en", "fr"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """One text in both languages."""

    en: str
    fr: str

    def get(self, lang: Lang) -> str:
        """The text in this language."""
        return self.fr if lang == "fr" else self.en


class Level(StrEnum):
    """How much a platform needs something."""

    MUST = "must"
    """Without it the platform cannot be what the blueprint describes."""
    SHOULD = "should"
    """Without it the platform works, with more of its own work or risk."""


class Basis(StrEnum):
    """Whether a source itself names a need."""

    TEXT = "text"
    """It does."""
    INTERPRETATION = "interpretation"
    """We conclude it from what the source says."""


class State(StrEnum):
    """How an offer stands to a need."""

    MET = "met"
    """A fact says that the offer has it."""
    MET_BY_US = "met-by-us"
    """This project brings it; what the offer has is not established or not there."""
    MISSING = "missing"
    """A fact says that the offer lacks it, and nothing of ours that exists stands in."""
    UNKNOWN = "unknown"
    """No fact says either. Never a yes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a need was read.

    Attributes:
        name: The blueprint's short name for it.
        text: What it is.
        url: Where it is public.
        status: ``text`` (the text itself), ``copy`` (a copy or translation by others), ``owner`` (the
            platform's own publication) or ``press``.
        date: When it said so, ``YYYY``, ``YYYY-MM`` or ``YYYY-MM-DD``.
    """

    name: str
    text: Text
    url: str
    status: str
    date: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """What closing a gap takes, in coarse steps: ``S`` days, ``M`` weeks, ``L`` months or another offer."""

    step: Literal["S", "M", "L"]
    reason: Text

    @property
    def points(self) -> int:
        """A weight for sorting, not an estimate."""
        return POINTS[self.step]


POINTS: Final[Mapping[str, int]] = {"S": 1, "M": 3, "L": 9}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ours:
    """What this project brings where an offer lacks something.

    Attributes:
        what: What it is.
        state: ``exists``, or ``planned``: then it closes nothing yet.
        where: A verb or page of this project; None where planned.
        limits: What it does not cover.
        needs: What the offer must have for it to work; None for nothing.
    """

    what: Text
    state: Literal["exists", "planned"]
    where: str | None = None
    limits: Text | None = None
    needs: Query | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Capability:
    """Something a platform may need, and how to see in a profile whether an offer has it."""

    name: str
    label: Text
    query: Query
    effort: Effort
    ours: Ours | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """A capability that a blueprint asks for, why, and who says so."""

    capability: Capability
    level: Level
    basis: Basis
    why: Text
    sources: tuple[Source, ...]

    @property
    def name(self) -> str:
        """The capability's name."""
        return self.capability.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Blueprint:
    """A platform, as the list of what it needs; the musts come first."""

    name: str
    title: Text
    about: Text
    needs: tuple[Need, ...]

    @property
    def sources(self) -> tuple[Source, ...]:
        """Every source that a need names, once, in order of appearance."""
        return tuple({source.name: source for need in self.needs for source in need.sources}.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """How one offer answers one need.

    Attributes:
        need: The need.
        state: The result.
        grade: The weakest status that the result rests on; None where no fact carries it.
        established: Whether it rests on facts that can carry it: for a certificate an official text or the
            operator's own document, within its dates; else also the vendor or a measurement. What this
            project brings is established where the offer has what it needs.
        quotes: The facts, for and against, with those that were asked for and are not there.
        ours: What this project brings, or plans to bring.
        effort: What closing it takes; None where it is closed. What is met but not
            established is to be confirmed.
    """

    need: Need
    state: State
    grade: Status | None
    established: bool
    quotes: tuple[Quote, ...]
    ours: Ours | None
    effort: Effort | None

    @property
    def open(self) -> bool:
        """Whether there is something left to close."""
        return self.effort is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One offer against every need, in the blueprint's order."""

    name: str
    title: str
    cells: tuple[Cell, ...]

    def cell(self, need: str) -> Cell:
        """The cell of this need.

        Raises:
            KeyError: The blueprint has no such need.
        """
        for cell in self.cells:
            if cell.need.name == need:
                return cell
        raise KeyError(need)

    def count(self, state: State, *, established: bool | None = None) -> int:
        """How many cells are in this state."""
        return sum(cell.state is state and established in {None, cell.established} for cell in self.cells)

    @property
    def gaps(self) -> tuple[Cell, ...]:
        """What is open: the smallest effort first, then musts before shoulds, missing before unknown."""
        order = sorted(
            (cell for cell in self.cells if cell.effort is not None),
            key=lambda cell: (
                cell.effort.points if cell.effort else 0,
                cell.need.level is not Level.MUST,
                cell.state is State.UNKNOWN,
            ),
        )
        return tuple(order)

    def points(self, level: Level) -> int:
        """The weight of what is open at this level. What is unknown weighs as much as what is missing."""
        return sum(cell.effort.points for cell in self.cells if cell.effort and cell.need.level is level)

    @property
    def order(self) -> tuple[int, int, int, str]:
        """Sorts rows: the least to close first."""
        lacking = self.count(State.MISSING) + self.count(State.UNKNOWN)
        return (self.points(Level.MUST), self.points(Level.SHOULD), lacking, self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """A blueprint against offers, the least to close first.

    Attributes:
        blueprint: What was asked for.
        as_of: The day on which certificates had to be valid.
        rows: One for each offer.
    """

    blueprint: Blueprint
    as_of: date
    rows: tuple[Row, ...]

    def tally(self, need: str) -> Mapping[State, int]:
        """How many offers stand how to one need."""
        states = [row.cell(need).state for row in self.rows]
        return {state: states.count(state) for state in State}
