"""A probe's report as lines of text. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from migrator.cli.output import plain
from providers.probe.catalogue import CHECKS
from providers.probe.verdict import Outcome

if TYPE_CHECKING:
    from providers.probe.report import Line, ProbeReport
    from providers.probe.verdict import Declared

__all__ = ["table_lines"]

_HEADS: Final = ("check", "declared", "seen", "verdict")


def table_lines(report: ProbeReport) -> list[str]:
    """Check, declaration with the status of its fact, what was seen, and how the two compare.

    What was measured in words, or why a check was not made, stands on a line of its own beneath.
    """
    rows = [(CHECKS[line.seen.id].words, _declared(line.declared), _seen(line)) for line in report.lines]
    widths = [max(map(len, column)) for column in zip(_HEADS[:3], *rows, strict=True)]

    def row(cells: tuple[str, str, str], last: str) -> str:
        padded = "  ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True))
        return f"{padded}  {last}"

    lines = [
        f"{'place':<11}{plain(report.place)}",
        f"{'endpoint':<11}{plain(report.endpoint) or '-'}",
        f"{'server':<11}{plain(report.server) if report.server else 'not told'}",
        f"{'profile':<11}{plain(report.profile)}",
        f"{'probed':<11}{report.probed_at.isoformat(timespec='seconds')} by havre {report.havre}",
        f"{'digest':<11}{report.digest}",
        "",
        row(_HEADS[:3], _HEADS[3]),
    ]
    for cells, line in zip(rows, report.lines, strict=True):
        lines.append(row(cells, str(line.outcome)))
        if line.seen.detail:
            lines.append(f"    {plain(line.seen.detail)}")
    counts = ", ".join(f"{report.count(outcome)} {outcome}" for outcome in Outcome if report.count(outcome))
    return [*lines, "", f"{'outcome':<11}{counts}"]


def _declared(declared: Declared) -> str:
    return f"{_value(declared.value, '?')} ({declared.status})"


def _seen(line: Line) -> str:
    return _value(line.seen.value, "-")


def _value(value: bool | int | None, none: str) -> str:  # noqa: FBT001 - an observation
    if value is None:
        return none
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}"
