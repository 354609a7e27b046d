"""A study as a picture: needs by offers, in SVG.

Written by hand, without a clock or a font's measures, so that the same study gives the same bytes. Each state
has a lightness, a pattern and a sign of its own: it can be read in grey, and by eyes that do not tell red from
green. Every cell carries its words as a title, for those who hover and for those who listen.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from providers.gap.model import Lang, Level, Row, Study
from providers.gap.words import WORDS, colon, kind_of, level_word, state_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["to_svg"]

_CELL: Final = 30
_GAP: Final = 3
_STEP: Final = _CELL + _GAP
_MARGIN: Final = 24
_LETTER: Final = 7
"""Width of a letter of 13 pixels, rounded up: no font is measured."""
_LEVEL: Final = 24
_BETWEEN: Final = 14
_FONT: Final = "DejaVu Sans, Verdana, Arial, sans-serif"
_KINDS: Final = ("met", "unestablished", "met-by-us", "missing", "unknown")
_FILL: Final[Mapping[str, str]] = {
    "met": "#0b3c6f",
    "unestablished": "url(#hatch)",
    "met-by-us": "#5aa9c9",
    "missing": "#ffffff",
    "unknown": "#e4e4e4",
}
_EDGE: Final[Mapping[str, str]] = {
    "met": "#0b3c6f",
    "unestablished": "#0b3c6f",
    "met-by-us": "#2f7f9f",
    "missing": "#b03a00",
    "unknown": "#c4c4c4",
}


def to_svg(study: Study, lang: Lang = "en") -> str:
    """The matrix with its legend; offers from left to right, the least to close first."""
    return "\n".join(_Drawing(study, lang).lines()) + "\n"


class _Drawing:
    def __init__(self, study: Study, lang: Lang) -> None:
        self.study, self.lang, self.words = study, lang, WORDS[lang]
        labels = [need.capability.label.get(lang) for need in study.blueprint.needs]
        names = [row.name for row in study.rows]
        self.left = _MARGIN + _LEVEL + max(map(len, labels), default=0) * _LETTER + 12
        slanted = max(map(len, names), default=0) * _LETTER
        self.rise = slanted * 7 // 10 + 12
        self.top = _MARGIN + 52 + self.rise
        levels = [need.level for need in study.blueprint.needs]
        self.split = levels.count(Level.MUST)
        self.rows_end = self.top + len(levels) * _STEP + (_BETWEEN if 0 < self.split < len(levels) else 0)
        grid = self.left + len(names) * _STEP + self.rise
        title = 2 * _MARGIN + len(self._title()) * 10
        self.width = max(grid + _MARGIN, title, self.left + 40 * _LETTER)
        self.height = self.rows_end + 48 + self._legend_rows() * (_STEP + 4) + 24 + _MARGIN

    def _title(self) -> str:
        return self.study.blueprint.title.get(self.lang)

    def lines(self) -> Iterator[str]:
        blueprint = self.study.blueprint
        yield (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{self.width}" height="{self.height}" '
            f'viewBox="0 0 {self.width} {self.height}" role="img" aria-labelledby="title desc" '
            f'lang="{self.lang}" font-family="{_FONT}" font-size="13" fill="#1a1a1a">'
        )
        yield f'<title id="title">{escape(self._title())}: {escape(self.words["title"])}</title>'
        yield f'<desc id="desc">{escape(blueprint.about.get(self.lang))} {escape(self.words["rule"])}</desc>'
        yield (
            '<defs><pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" '
            'patternTransform="rotate(45)"><rect width="6" height="6" fill="#ffffff"/>'
            '<rect width="2" height="6" fill="#6f93b8"/></pattern>'
        )
        yield from (_symbol(kind) for kind in _KINDS)
        yield "</defs>"
        yield f'<rect width="{self.width}" height="{self.height}" fill="#ffffff"/>'
        yield _words(_MARGIN, _MARGIN + 14, self._title(), size=17, weight="bold")
        summary = self.words["summary"].format(
            offers=len(self.study.rows), needs=len(blueprint.needs), day=self.study.as_of
        )
        yield _words(_MARGIN, _MARGIN + 36, summary, colour="#4a4a4a")
        for column, row in enumerate(self.study.rows):
            yield from self._head(column, row)
        for position, need in enumerate(blueprint.needs):
            y = self._y(position)
            label = need.capability.label.get(self.lang)
            yield _words(self.left - 10, y + 20, label, anchor="end")
        yield from self._levels()
        for position in range(len(blueprint.needs)):
            for column, row in enumerate(self.study.rows):
                yield self._cell(column, position, row)
        yield from self._weights()
        yield from self._legend()
        yield "</svg>"

    def _x(self, column: int) -> int:
        return self.left + column * _STEP

    def _y(self, position: int) -> int:
        return self.top + position * _STEP + (_BETWEEN if 0 < self.split <= position else 0)

    def _head(self, column: int, row: Row) -> Iterator[str]:
        x, y = self._x(column) + _CELL // 2 + 4, self.top - 8
        yield (
            f'<text x="{x}" y="{y}" transform="rotate(-45 {x} {y})">{escape(row.name)}'
            f"<title>{escape(row.title)}</title></text>"
        )

    def _levels(self) -> Iterator[str]:
        count = len(self.study.blueprint.needs)
        for level, first, last in ((Level.MUST, 0, self.split), (Level.SHOULD, self.split, count)):
            if first == last:
                continue
            start, end = self._y(first), self._y(last - 1) + _CELL
            x, middle = _MARGIN + 10, (start + end) // 2
            yield f'<path d="M{x + 8} {start}V{end}" stroke="#8a8a8a" stroke-width="2"/>'
            yield (
                f'<text x="{x}" y="{middle}" transform="rotate(-90 {x} {middle})" text-anchor="middle" '
                f'font-weight="bold">{escape(level_word(level, self.lang))}</text>'
            )

    def _cell(self, column: int, position: int, row: Row) -> str:
        cell = row.cells[position]
        label = cell.need.capability.label.get(self.lang)
        said = escape(f"{row.name}, {label}: {state_words(cell, self.lang)}")
        return f"{_use(self._x(column), self._y(position), kind_of(cell))}<title>{said}</title></use>"

    def _weights(self) -> Iterator[str]:
        y = self.rows_end + 16
        for column, row in enumerate(self.study.rows):
            x = self._x(column) + _CELL // 2
            yield _words(x, y, str(row.points(Level.MUST)), anchor="middle", size=11, weight="bold")
            yield _words(x, y + 13, f"+{row.points(Level.SHOULD)}", anchor="middle", size=11)
        yield _words(self.left - 10, y + 6, self.words["effort"], anchor="end", size=11, colour="#4a4a4a")

    def _legend(self) -> Iterator[str]:
        x, y = _MARGIN, self.rows_end + 48
        for kind in _KINDS:
            step = self._legend_step(kind)
            if x > _MARGIN and x + step > self.width - _MARGIN:
                x, y = _MARGIN, y + _STEP + 4
            yield f"{_use(x, y, kind)}</use>"
            yield _words(x + _STEP + 6, y + 20, self.words[kind])
            x += step
        text = f"{self.words['effort']}{colon(self.lang)}{self.words['weight']}"
        yield _words(_MARGIN, self.height - _MARGIN, text, size=11, colour="#4a4a4a")

    def _legend_step(self, kind: str) -> int:
        return _STEP + 6 + len(self.words[kind]) * _LETTER + 24

    def _legend_rows(self) -> int:
        rows, x = 1, _MARGIN
        for kind in _KINDS:
            step = self._legend_step(kind)
            if x > _MARGIN and x + step > self.width - _MARGIN:
                rows, x = rows + 1, _MARGIN
            x += step
        return rows


def _words(
    x: int,
    y: int,
    text: str,
    *,
    anchor: str = "start",
    size: int = 13,
    weight: str = "normal",
    colour: str = "#1a1a1a",
) -> str:
    return (
        f'<text x="{x}" y="{y}" text-anchor="{anchor}" font-size="{size}" font-weight="{weight}" '
        f'fill="{colour}">{escape(text)}</text>'
    )


def _use(x: int, y: int, kind: str) -> str:
    """A cell, still open for its title."""
    return f'<use href="#{kind}" x="{x}" y="{y}">'


def _symbol(kind: str) -> str:
    """How a cell of this kind looks, drawn once."""
    inner = _CELL - 2
    return (
        f'<g id="{kind}"><rect x="1" y="1" width="{inner}" height="{inner}" rx="3" fill="{_FILL[kind]}" '
        f'stroke="{_EDGE[kind]}" stroke-width="2"/>{_SIGN[kind]}</g>'
    )


_LINE: Final = 'fill="none" stroke-linecap="round" stroke-linejoin="round"'
_TICK: Final = "M8 16l5 6l10 -13"
_WAVE: Final = "M7.5 17q3.75 -7 7.5 -2t7.5 -2"
# Signs are drawn, so that no font decides how they look.
_SIGN: Final[Mapping[str, str]] = {
    "met": f'<path d="{_TICK}" {_LINE} stroke="#ffffff" stroke-width="3"/>',
    "unestablished": f'<path d="{_WAVE}" {_LINE} stroke="#ffffff" stroke-width="10"/>'
    f'<path d="{_WAVE}" {_LINE} stroke="#0b3c6f" stroke-width="3.5"/>',
    "met-by-us": '<circle cx="15" cy="15" r="7" fill="none" stroke="#06283d" stroke-width="3"/>',
    "missing": f'<path d="M9 9l12 12m0 -12l-12 12" {_LINE} stroke="#b03a00" stroke-width="3"/>',
    "unknown": f'<path d="M11 11.5a4 4 0 1 1 5.5 3.8q-1.5 0.7 -1.5 3" {_LINE} stroke="#5a5a5a" '
    'stroke-width="2.5"/><circle cx="15" cy="22.5" r="1.7" fill="#5a5a5a"/>',
}
