"""The ``havre`` command's frame: verbs in the order of the work, one voice for errors, no slow import.

Verbs live in modules of their own, which are imported when they are asked for; those import stores, ledger
and engine inside their functions. So ``--help``, ``--version`` and completion answer at once.
"""

from __future__ import annotations

import importlib
import signal
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import click

from migrator.cli import failures
from migrator.cli.exits import INTERRUPTED, USAGE, exit_code_lines
from migrator.cli.output import Output, use_tolerant_streams

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["Invocation", "Verb", "VerbGroup"]


@dataclass(slots=True)
class Invocation:
    """What one call of the command knows about itself.

    Attributes:
        output: Its two streams.
        config: The configuration file that was named before the verb.
        verb: Which verb runs.
        folder: The wave's folder, once it is known: a crash report goes there.
    """

    output: Output = field(default_factory=Output)
    config: Path | None = None
    verb: str = "none"
    folder: Path | None = None


class Verb(click.Command):
    """A verb. It remembers the order in which options of different names were given.

    ``--exclude a --include b`` is not ``--include b --exclude a``; the order is kept in ``ctx.meta`` as a
    tuple of parameter names, once per occurrence.
    """

    ORDER: Final = "migrator.cli.order"

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments and keep the order of the options."""
        # The parser eats its list, and only it tells the order.
        _, _, order = self.make_parser(ctx).parse_args(list(args))
        ctx.meta[self.ORDER] = tuple(param.name for param in order)
        return super().parse_args(ctx, args)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        """Print the examples as they are written."""
        if self.epilog:
            _print_block(formatter, "Examples", self.epilog.strip().splitlines())


class VerbGroup(click.Group):
    """The command itself.

    Args:
        sections: Heading → verb → where it is defined (``module:attribute``).
    """

    def __init__(self, *args: Any, sections: dict[str, dict[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.sections = sections
        self._where = {verb: where for verbs in sections.values() for verb, where in verbs.items()}

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Every verb in the order of the work."""
        return list(self._where)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's
        """Import the verb's module."""
        where = self._where.get(cmd_name)
        if where is None:
            return None
        module, _, attribute = where.partition(":")
        command = getattr(importlib.import_module(module), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{where} is not a command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb; a typing mistake gets a suggestion."""
        if args and args[0] not in self._where and not args[0].startswith("-"):
            import difflib  # noqa: PLC0415 - only on this path

            close = difflib.get_close_matches(args[0], self._where, 1)
            suggestion = f"; did you mean {close[0]}?" if close else ""
            raise click.UsageError(f"there is no verb {args[0]!r}{suggestion}", ctx=ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Print the verbs by section."""
        for heading, verbs in self.sections.items():
            commands = [(name, self.get_command(ctx, name)) for name in verbs]
            with formatter.section(heading):
                formatter.write_dl(
                    [(name, one.get_short_help_str(limit=90)) for name, one in commands if one is not None]
                )

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        """Print the exit codes."""
        _print_block(formatter, "Exit codes", exit_code_lines())

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,  # noqa: FBT001, FBT002 - click's signature
        **extra: Any,
    ) -> Any:
        """Run a command line and report how it ended; errors never leave, except as an exit code."""
        arguments = list(sys.argv[1:] if args is None else args)
        invocation = Invocation(output=Output(json="--json" in arguments))
        use_tolerant_streams()
        code = self._run(arguments, prog_name or "havre", complete_var, invocation, extra)
        try:
            sys.stdout.flush()
        except BrokenPipeError:
            _pipe_closed()
            code = code or 1
        if standalone_mode:
            sys.exit(code)
        return code

    def _run(
        self,
        arguments: list[str],
        prog_name: str,
        complete_var: str | None,
        invocation: Invocation,
        extra: dict[str, Any],
    ) -> int:
        try:
            code = super().main(
                arguments, prog_name, complete_var, standalone_mode=False, obj=invocation, **extra
            )
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.format_message(), err=True)
            return USAGE
        except BrokenPipeError:
            _pipe_closed()
            return 1
        except Exception as error:  # noqa: BLE001 - the one place where everything ends
            return self._report(error, invocation)
        return code if isinstance(code, int) else 0

    def _report(self, error: Exception, invocation: Invocation) -> int:
        failure = failures.describe(error)
        if failure is None:
            failure = failures.crashed(error, verb=invocation.verb, folder=invocation.folder)
        if failure.exit_code == INTERRUPTED:
            # A second Ctrl-C while this is said must not show a traceback.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            failures.print_failure(failure, invocation.output)
        except BrokenPipeError:
            _pipe_closed()
        return failure.exit_code


def _pipe_closed() -> None:
    from migrator.cli.output import silence  # noqa: PLC0415 - only on this path

    silence(sys.stdout)


def _print_block(formatter: click.HelpFormatter, heading: str, lines: Sequence[str]) -> None:
    """Print lines as they are, under a heading: examples and tables must not be wrapped."""
    formatter.write_paragraph()
    formatter.write_heading(heading)
    for line in lines:
        formatter.write(f"  {line.rstrip()}\n" if line.strip() else "\n")
