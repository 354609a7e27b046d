"""A study as text and as JSON; the picture is drawn in ``picture``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from providers.gap.model import POINTS, Cell, Effort, Lang, Level, Ours, Row, State, Study, Text
from providers.gap.picture import to_svg
from providers.gap.words import WORDS, colon, kind_of, level_word, mark_of, quote_line, state_words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from providers.gap.answer import Quote

__all__ = ["row_lines", "table_lines", "to_json", "to_svg"]

_KINDS = ("met", "unestablished", "met-by-us", "missing", "unknown")


def table_lines(study: Study, lang: Lang = "en") -> Iterator[str]:
    """The matrix, needs by offers, and the offers in order of what is left to close."""
    words, blueprint = WORDS[lang], study.blueprint
    yield f"{blueprint.title.get(lang)} ({blueprint.name})"
    yield words["summary"].format(offers=len(study.rows), needs=len(blueprint.needs), day=study.as_of)
    yield ""
    labels = [need.capability.label.get(lang) for need in blueprint.needs]
    level = max(len(level_word(one, lang)) for one in Level)
    wide = max(map(len, labels), default=0)
    numbers = "".join(f"{number:>3}" for number in range(1, len(study.rows) + 1))
    yield " " * (level + 2 + wide) + numbers
    for position, (need, label) in enumerate(zip(blueprint.needs, labels, strict=True)):
        marks = "".join(f"{mark_of(row.cells[position]):>3}" for row in study.rows)
        yield f"{level_word(need.level, lang):<{level}}  {label:<{wide}}{marks}"
    yield ""
    yield words["legend"]
    yield ""
    yield words["ranking"].format(points=", ".join(str(points) for points in POINTS.values()))
    yield ""
    heads = (*("+", "~", "o", "-", "?"), words["musts"], words["shoulds"])
    name = max((len(row.name) for row in study.rows), default=0)
    name = max(name, len(words["offer"]))
    yield f" #  {words['offer']:<{name}}" + "".join(f"{head:>{max(5, len(head) + 2)}}" for head in heads)
    for number, row in enumerate(study.rows, 1):
        figures = (*_counts(row).values(), row.points(Level.MUST), row.points(Level.SHOULD))
        yield f"{number:>2}  {row.name:<{name}}" + "".join(
            f"{figure:>{max(5, len(head) + 2)}}" for figure, head in zip(figures, heads, strict=True)
        )


def row_lines(row: Row, lang: Lang = "en") -> Iterator[str]:
    """One offer: every need with the facts, then what is left to close."""
    words = WORDS[lang]
    yield f"{row.name}{colon(lang)}{row.title}"
    for cell in row.cells:
        yield ""
        yield f"{mark_of(cell)} {cell.need.capability.label.get(lang)} ({level_word(cell.need.level, lang)})"
        yield f"    {state_words(cell, lang)}"
        if cell.ours is not None:
            yield from (f"    {line}" for line in _ours_lines(cell, cell.ours, lang))
        yield from (f"    {quote_line(quote, lang)}" for quote in cell.quotes)
    yield ""
    if not row.gaps:
        yield words["nothing-open"]
        return
    yield f"{words['to-close']}{colon(lang).rstrip()}"
    for cell in row.gaps:
        effort = cell.effort
        assert effort is not None
        label = cell.need.capability.label.get(lang)
        level = level_word(cell.need.level, lang)
        kind = words[kind_of(cell)]
        first = f"{words['find-out']} " if cell.state is State.UNKNOWN else ""
        yield f"  {effort.step}  {label} ({level}, {kind}){colon(lang)}{first}{effort.reason.get(lang)}"


def _ours_lines(cell: Cell, ours: Ours, lang: Lang) -> Iterator[str]:
    words = WORDS[lang]
    place = words["planned"] if ours.where is None else ours.where
    applies = cell.state is State.MET_BY_US or ours.where is None
    who = words["ours"] if applies else words["ours-if"]
    yield f"{who}{colon(lang)}{ours.what.get(lang)} ({place})"
    if ours.limits is not None:
        yield f"{words['limits']}{colon(lang)}{ours.limits.get(lang)}"


def _counts(row: Row) -> dict[str, int]:
    kinds = [kind_of(cell) for cell in row.cells]
    return {kind: kinds.count(kind) for kind in _KINDS}


def to_json(study: Study) -> dict[str, Any]:
    """The study as a tree of JSON values."""
    blueprint = study.blueprint
    return {
        "blueprint": {
            "name": blueprint.name,
            "title": _text(blueprint.title),
            "about": _text(blueprint.about),
            "needs": [
                {
                    "name": need.name,
                    "label": _text(need.capability.label),
                    "level": need.level.value,
                    "basis": need.basis.value,
                    "why": _text(need.why),
                    "sources": [
                        {
                            "text": _text(source.text),
                            "url": source.url,
                            "status": source.status,
                            "date": source.date,
                        }
                        for source in need.sources
                    ],
                    "offers": {state.value: count for state, count in study.tally(need.name).items()},
                }
                for need in blueprint.needs
            ],
        },
        "as_of": study.as_of.isoformat(),
        "offers": [_row(row) for row in study.rows],
    }


def _row(row: Row) -> dict[str, Any]:
    return {
        "name": row.name,
        "title": row.title,
        "counts": _counts(row),
        "weight": {"must": row.points(Level.MUST), "should": row.points(Level.SHOULD)},
        "cells": [_cell(cell) for cell in row.cells],
        "gaps": [cell.need.name for cell in row.gaps],
    }


def _cell(cell: Cell) -> dict[str, Any]:
    return {
        "need": cell.need.name,
        "level": cell.need.level.value,
        "state": cell.state.value,
        "grade": None if cell.grade is None else cell.grade.value,
        "established": cell.established,
        "facts": [_quote(quote) for quote in cell.quotes],
        "ours": None if cell.ours is None else _ours(cell.ours, applies=cell.state is State.MET_BY_US),
        "effort": None if cell.effort is None else _effort(cell.effort),
    }


def _quote(quote: Quote) -> dict[str, Any]:
    fact = quote.fact
    found: dict[str, Any] = {"name": quote.name}
    if quote.service is not None:
        found["service"] = quote.service
    if fact is None:
        return found | {"status": "absent"}
    value = list(fact.value) if isinstance(fact.value, tuple) else fact.value
    found |= {"value": value, "status": fact.status.value, "source": fact.source, "date": fact.date}
    if fact.note is not None:
        found["note"] = fact.note
    if quote.remark is not None:
        found["remark"] = quote.remark
    return found


def _ours(ours: Ours, *, applies: bool) -> dict[str, Any]:
    return {
        "what": _text(ours.what),
        "state": ours.state,
        "where": ours.where,
        "limits": None if ours.limits is None else _text(ours.limits),
        "applies": applies,
    }


def _effort(effort: Effort) -> dict[str, Any]:
    return {"step": effort.step, "reason": _text(effort.reason)}


def _text(text: Text) -> dict[str, str]:
    return {"en": text.en, "fr": text.fr}
