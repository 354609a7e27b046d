"""``havre status``: where a wave stands, from its ledger alone."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

import click

from migrator.cli.group import Invocation, Verb
from migrator.cli.params import WAVE, common_options, names_option
from migrator.cli.wording import percent, problem_lines, status_rows, verified_how

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from migrator.cli.output import Output

__all__ = ["status"]

_PROBLEMS: Final = 1000
_WIDTH: Final = 40
_COLOURS: Final = {"verified": "green", "skipped": "green", "stored": "yellow", "planned": "white"}
_KNOWN: Final = {"wave", "state", "objects", "bytes", "verification"}


@click.command(
    cls=Verb,
    short_help="Say where a wave stands, also while it runs.",
    epilog="""
havre status may.toml
havre status may.toml --problems --names
havre status may.toml --json | jq .objects
havre status may.toml --audit
""",
)
@click.argument("wave", type=WAVE, metavar="WAVE.toml")
@click.option("--problems", "show_problems", is_flag=True, help="List what was not moved, and why.")
@click.option("--limit", type=click.IntRange(min=1), default=_PROBLEMS, show_default=True, metavar="N",
              help="Most problems or notes to list.")  # fmt: skip
@click.option("--notes", "show_notes", is_flag=True, help="List of which objects something could not travel.")
@click.option("--audit", "show_audit", is_flag=True, help="Check the ledger against itself.")
@names_option
@common_options
def status(
    invocation: Invocation, wave: Path, *, show_problems: bool, show_notes: bool, limit: int, show_audit: bool
) -> int:
    """Say where a wave stands. Reads the ledger only, so it works while the wave runs.

    --audit checks the hash chain of the ledger's events, and that they lead to the state it holds.
    """
    from migrator.cli.wiring import wave_files  # noqa: PLC0415 - loads when used
    from migrator.engine import status as ledger  # noqa: PLC0415 - loads when used

    output = invocation.output
    files = wave_files(invocation, wave)
    files.load()
    found: dict[str, Any] = dict(ledger.status(files))
    if show_problems:
        found["problems"] = list(ledger.problems(files, names=output.names, limit=limit))
    if show_notes:
        found["notes"] = list(ledger.notes(files, names=output.names, limit=limit))
    if show_audit:
        found["audit"] = ledger.audit(files)
    if output.json:
        output.object(found)
        return 0
    _print(output, found)
    if show_problems:
        output.lines(problem_lines(found["problems"]) or ["no problems"])
    if show_notes:
        output.lines(
            f"row {note['row']}{' ' + note['key'] if 'key' in note else ''}: {note['note']}"
            for note in found["notes"]
        )
        if not found["notes"]:
            output.lines(["no notes"])
    if show_audit:
        output.lines(f"audit {name.replace('_', ' ')}: {value}" for name, value in found["audit"].items())
    return 0


def _print(output: Output, found: Mapping[str, Any]) -> None:
    """A bar and a small table; rich leaves colours out where they do not belong."""
    from rich.console import Console  # noqa: PLC0415 - loads when used
    from rich.table import Table  # noqa: PLC0415 - see above

    from migrator.core.units import format_size  # noqa: PLC0415 - see above

    objects, size = found["objects"], found["bytes"]
    total = objects["total"]
    done = objects["verified"] + objects["skipped"]
    level = found["verification"]["level"]
    filled = percent(done, total) * _WIDTH // 100
    console = Console(file=sys.stdout, highlight=False, markup=False, soft_wrap=True)
    console.print(f"wave {found['wave']}: {found['state']}", style="bold")
    bar = "#" * filled + "." * (_WIDTH - filled)
    console.print(f"[{bar}] {percent(done, total)} % of {total:,} objects verified or already there")
    console.print(
        f"{format_size(size['stored'])} of {format_size(size['total'])} stored; {verified_how(level)}"
    )
    if size.get("resent"):
        console.print(f"{format_size(size['resent'])} sent a second time after interruptions")
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, count, meaning in status_rows(objects):
        table.add_row(name, f"{count:,}", meaning, style=_COLOURS.get(name, "red"))
    if table.row_count:
        console.print(table)
    for name, value in found.items():
        if name not in _KNOWN and isinstance(value, (str, int, float)) and not isinstance(value, bool):
            output.data(f"{name.replace('_', ' ')}: {value}")
