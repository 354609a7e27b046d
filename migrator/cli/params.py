"""Parameter types and the options that several verbs share."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, ParamSpec, TypeVar

import click

from migrator.cli.group import Invocation, Verb
from migrator.core.units import Window, parse_size, parse_speed
from migrator.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = [
    "LOCATION",
    "SHARE",
    "SIZE",
    "SPEED",
    "WAVE",
    "WINDOW",
    "common_options",
    "filter_options",
    "key_options",
    "names_option",
    "ordered_filters",
]

P = ParamSpec("P")
R = TypeVar("R")
_SHARE: Final = re.compile(r"(\d{1,3}(?:\.\d{1,4})?)\s*(%?)")


class _Parsed(click.ParamType):  # type: ignore[type-arg] # generic only in click's stubs
    """A value read by a pure function, whose error becomes a usage error that names the option."""

    def __init__(self, name: str, read: Callable[[str], object]) -> None:
        self.name = name
        self._read = read

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read the text; what has been read already passes."""
        if not isinstance(value, str):
            return value
        try:
            return self._read(value)
        except UsageError as error:
            self.fail(f"{error.message}: {error.hint}" if error.hint else error.message, param, ctx)


def _positive_size(text: str) -> int:
    size = parse_size(text)
    if size < 1:
        raise UsageError("a size above zero is needed", hint="write it as 128MiB")
    return size


def _share(text: str) -> float:
    match = _SHARE.fullmatch(text.strip())
    share = float(match[1]) / (100 if match[2] else 1) if match else 0.0
    if not 0 < share <= 1:
        raise UsageError(f"{text!r} is not a share", hint="write it as 10% or 0.1")
    return share


def _location(text: str) -> str:
    from migrator.cli.wiring import absolute_location  # noqa: PLC0415 - loads the stores' errors only when used

    return absolute_location(text)


SIZE: Final = _Parsed("size", _positive_size)
SPEED: Final = _Parsed("speed", parse_speed)
WINDOW: Final = _Parsed("window", Window.parse)
SHARE: Final = _Parsed("share", _share)
WAVE: Final = click.Path(path_type=Path)
FILE: Final = click.Path(path_type=Path)


class _Location(_Parsed):
    """A location; completion offers directories and files."""

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[click.shell_completion.CompletionItem]:
        """Offer paths: what a site holds is not asked for while typing."""
        return click.Path().shell_complete(ctx, param, incomplete)


LOCATION: Final = _Location("location", _location)


def common_options(function: Callable[P, R]) -> Callable[..., R]:
    """Add ``--config``, ``--json`` and ``--quiet``, and hand the verb its ``Invocation`` first."""

    @click.option("--config", type=FILE, metavar="FILE", help="Sites file; default ./havre.toml.")
    @click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output.")
    @click.option("--quiet", "-q", is_flag=True, help="Print no progress and no remarks.")
    @click.pass_context
    @functools.wraps(function)
    def verb(
        ctx: click.Context, /, *args: Any, config: Path | None, as_json: bool, quiet: bool, **kwargs: Any
    ) -> R:
        invocation = ctx.find_object(Invocation) or Invocation()
        invocation.config = config or invocation.config
        invocation.output.json = as_json
        invocation.output.quiet = quiet
        invocation.verb = ctx.command_path
        names = kwargs.pop("show_names", False)
        invocation.output.names = names
        return function(invocation, *args, **kwargs)  # type: ignore[arg-type] # the verb's own parameters

    return verb


def names_option(function: Callable[P, R]) -> Callable[P, R]:
    """Add ``--names``."""
    return click.option(
        "--names", "show_names", is_flag=True, help="Show object names, not row numbers only."
    )(function)


def key_options(function: Callable[P, R]) -> Callable[P, R]:
    """Add ``--identity`` and ``--passphrase-env``."""
    function = click.option(
        "--passphrase-env",
        metavar="VAR",
        help="Environment variable that holds the passphrase. Else $HAVRE_PASSPHRASE_FILE names a file, or "
        "the terminal is asked.",
    )(function)
    return click.option(
        "--identity",
        "identities",
        type=FILE,
        multiple=True,
        metavar="KEY.sec",
        help="Private key file. May be repeated.",
    )(function)


def filter_options(function: Callable[P, R]) -> Callable[P, R]:
    """Add ``--include`` and ``--exclude``."""
    function = click.option(
        "--exclude", multiple=True, metavar="GLOB", help="Leave out keys that match. May be repeated."
    )(function)
    return click.option(
        "--include",
        multiple=True,
        metavar="GLOB",
        help="Take keys that match. May be repeated; rules apply in the order given.",
    )(function)


def ordered_filters(
    ctx: click.Context, include: Sequence[str], exclude: Sequence[str]
) -> tuple[tuple[Literal["include", "exclude"], str], ...]:
    """The filters in the order in which they stood on the command line."""
    includes, excludes = iter(include), iter(exclude)
    filters: list[tuple[Literal["include", "exclude"], str]] = []
    for name in ctx.meta.get(Verb.ORDER, ()):
        if name == "include":
            filters.append(("include", next(includes)))
        elif name == "exclude":
            filters.append(("exclude", next(excludes)))
    return tuple(filters)
