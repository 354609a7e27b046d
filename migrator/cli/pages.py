"""The pages ``migrator/docs/cli.md`` and ``exit-codes.md``, made from the command itself."""

from __future__ import annotations

import click

from migrator.cli.exits import EXIT_CODES
from migrator.cli.main import havre

__all__ = ["cli_page", "exit_codes_page"]

_WIDTH = 100


def cli_page() -> str:
    """The help of every verb, in the order of the work."""
    lines = [
        "# The `havre` command",
        "",
        "Made by `scripts/regenerate` from the command's own help; edit that instead.",
        "",
        "```text",
        _help(havre, "havre", None),
        "```",
    ]
    context = click.Context(havre, info_name="havre", terminal_width=_WIDTH)
    for name in havre.list_commands(context):
        command = havre.get_command(context, name)
        assert command is not None
        lines += _section(command, context, name)
    return "\n".join(lines) + "\n"


def exit_codes_page() -> str:
    """The table of exit codes."""
    rows = [f"| {code} | {meaning} |" for code, meaning in EXIT_CODES]
    return "\n".join(
        [
            "# Exit codes",
            "",
            "Made by `scripts/regenerate`. A code that is not here means failure.",
            "0 means all of it: a run that left one object behind does not exit with 0.",
            "",
            "| code | meaning |",
            "|---:|---|",
            *rows,
            "",
        ]
    )


def _section(command: click.Command, parent: click.Context, name: str) -> list[str]:
    path = f"{parent.command_path} {name}"
    lines = ["", f"## `{path}`", "", "```text", _help(command, name, parent), "```"]
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=name, parent=parent, terminal_width=_WIDTH)
        for child in command.list_commands(context):
            found = command.get_command(context, child)
            assert found is not None
            lines += _section(found, context, child)
    return lines


def _help(command: click.Command, name: str, parent: click.Context | None) -> str:
    context = click.Context(
        command, info_name=name, parent=parent, terminal_width=_WIDTH, help_option_names=["-h", "--help"]
    )
    return "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
