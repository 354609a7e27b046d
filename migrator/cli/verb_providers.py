"""``havre providers``: what clouds offer, as dated facts, and what a platform would lack there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

import click

from migrator.cli.group import Invocation, Verb
from migrator.cli.output import plain
from migrator.cli.params import FILE, common_options
from migrator.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from providers.gap.model import Lang
    from providers.profile import Profile

__all__ = ["providers"]

_SECTIONS: Final = (
    "law", "certificate", "endpoint", "regions", "limits", "quirks", "keys", "services", "iac", "operations",
)  # fmt: skip
_WIDTH: Final = 120


class _Name(click.ParamType):  # type: ignore[type-arg] # generic only in click's stubs
    """A name or a path; completion offers the names that ship with the command."""

    def __init__(self, name: str, known: Callable[[], Sequence[str]]) -> None:
        self.name = name
        self._known = known

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[click.shell_completion.CompletionItem]:
        """Offer names, or files where a path has been begun."""
        if "/" in incomplete or incomplete.startswith("."):
            return click.Path().shell_complete(ctx, param, incomplete)
        known = self._known()
        return [click.shell_completion.CompletionItem(name) for name in known if name.startswith(incomplete)]


def _profiles() -> Sequence[str]:
    from providers.profile import list_profiles  # noqa: PLC0415 - loads when used

    return list_profiles()


def _blueprints() -> Sequence[str]:
    from providers.gap.blueprint import list_blueprints  # noqa: PLC0415 - loads when used

    return list_blueprints()


_PROFILE: Final = _Name("profile", _profiles)
_BLUEPRINT: Final = _Name("blueprint", _blueprints)


def _lang_option(function: Any) -> Any:
    return click.option(
        "--lang",
        type=click.Choice(["en", "fr"]),
        default="en",
        help="Language of labels; facts stay as they were written.",
    )(function)


@click.group()
def providers() -> None:
    """Show what clouds offer, as dated facts, and what a platform would lack there.

    Every fact has a status (official, operator, measured, vendor, press, memory, not found), a source and a
    date. What a profile does not say is unknown, and unknown is never yes. A NAME is a profile's, a path to a
    profile, or a site of havre.toml; what the operator's facts files state is laid over it.
    """


@providers.command(
    "list",
    cls=Verb,
    short_help="List the profiles.",
    epilog="""
havre providers list
havre providers list --json
""",
)
@_lang_option
@common_options
def list_(invocation: Invocation, lang: Lang) -> int:
    """List the profiles: who signs, and what sources say of HDS and SecNumCloud, service by service."""
    from migrator.cli import facts  # noqa: PLC0415 - loads when used

    profiles = _load(invocation, ())
    if invocation.output.json:
        invocation.output.object({"profiles": [facts.summary_json(profile) for profile in profiles]})
    else:
        _print(invocation, facts.list_lines(profiles, lang))
    return 0


@providers.command(
    "show",
    cls=Verb,
    short_help="Show every fact of a profile.",
    epilog="""
havre providers show scaleway
havre providers show cloud-temple --section certificate --lang fr
havre providers show ./mine.toml --json
""",
)
@click.argument("name", type=_PROFILE)
@click.option("--section", type=click.Choice(_SECTIONS), help="Show this section only.")
@_lang_option
@common_options
def show(invocation: Invocation, name: str, section: str | None, lang: Lang) -> int:
    """Show every fact of a profile with its status, source and date."""
    from migrator.cli import facts  # noqa: PLC0415 - loads when used

    (profile,) = _load(invocation, (name,))
    if invocation.output.json:
        invocation.output.object(facts.profile_json(profile, section))
    else:
        _print(invocation, facts.show_lines(profile, section, lang))
    return 0


@providers.command(
    "compare",
    cls=Verb,
    short_help="Set profiles side by side.",
    epilog="""
havre providers compare azure scaleway
havre providers compare ovhcloud outscale numspot --section certificate --section law
havre providers compare azure scaleway --all --json
""",
)
@click.argument("names", type=_PROFILE, nargs=-1, required=True, metavar="NAME NAME...")
@click.option("--all", "everything", is_flag=True, help="Show what is the same everywhere too.")
@click.option(
    "--section",
    "sections",
    type=click.Choice(_SECTIONS),
    multiple=True,
    help="Compare this section; repeatable.",
)
@_lang_option
@common_options
def compare(
    invocation: Invocation, names: tuple[str, ...], sections: tuple[str, ...], lang: Lang, *, everything: bool
) -> int:
    """Set the facts of profiles side by side; a star marks a row in which they differ."""
    import shutil  # noqa: PLC0415 - loads when used

    from migrator.cli import facts  # noqa: PLC0415 - loads when used

    if len(set(names)) < 2:
        raise UsageError("a comparison takes two names or more", hint="havre providers list shows the names")
    profiles = _load(invocation, names)
    if invocation.output.json:
        invocation.output.object(facts.compare_json(profiles, everything=everything, sections=sections))
    else:
        width = shutil.get_terminal_size((_WIDTH, 24)).columns
        lines = facts.compare_lines(
            profiles, everything=everything, sections=sections, width=width, lang=lang
        )
        _print(invocation, lines)
    return 0


@providers.command(
    "gap",
    cls=Verb,
    short_help="Say what a platform would lack.",
    epilog="""
havre providers gap --blueprint hdh-target
havre providers gap --blueprint eds-hospital --provider scaleway --provider outscale --lang fr
havre providers gap --blueprint ./ours.toml --svg gap.svg --json
""",
)
@click.option(
    "--blueprint", type=_BLUEPRINT, metavar="NAME", help="What the platform needs; a name or a file."
)
@click.option(
    "--provider",
    "names",
    type=_PROFILE,
    multiple=True,
    metavar="NAME",
    help="Study this one, with the facts behind each result; repeatable. Default: every offer.",
)
@click.option("--svg", type=FILE, metavar="FILE.svg", help="Write the picture to this file.")
@click.option(
    "--as-of",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="DATE",
    help="Certificates have to be valid on this day; default today.",
)
@_lang_option
@common_options
def gap(
    invocation: Invocation,
    blueprint: str | None,
    names: tuple[str, ...],
    svg: Path | None,
    as_of: Any,
    lang: Lang,
) -> int:
    """Hold what a platform needs against what each offer has: met, brought by us, missing or unknown.

    The least to close comes first. A result that rests on press or memory says so, and a certificate counts as
    established only where an official list or a document of the operator's was read. Blueprints: hdh-interim,
    hdh-target, eds-hospital, eds-federated, or a file of your own.
    """
    from datetime import UTC, datetime  # noqa: PLC0415 - loads when used

    from providers.gap import load_blueprint, render, study  # noqa: PLC0415 - loads when used
    from providers.gap.study import offers  # noqa: PLC0415 - loads when used

    if blueprint is None:
        raise UsageError("a blueprint is needed", hint=f"--blueprint with one of {', '.join(_blueprints())}")
    if svg is not None and svg.suffix != ".svg":
        raise UsageError("the picture's file must end in .svg", hint="such as --svg gap.svg")
    needs = load_blueprint(blueprint)
    profiles = _load(invocation, names)
    day = datetime.now(UTC).date() if as_of is None else as_of.date()
    result = study(needs, profiles if names else offers(profiles), as_of=day)
    if svg is not None:
        _write(svg, render.to_svg(result, lang))
    if invocation.output.json:
        invocation.output.object(render.to_json(result))
    else:
        _print(invocation, render.table_lines(result, lang))
        for row in result.rows if names else ():
            _print(invocation, ["", *render.row_lines(row, lang)])
    if svg is not None:
        invocation.output.say(f"wrote {svg}")
    return 0


def _load(invocation: Invocation, names: Sequence[str]) -> list[Profile]:
    """Profiles of these names, or all that ship, with the operator's facts laid over them."""
    from providers.profile import list_profiles  # noqa: PLC0415 - loads when used
    from providers.sites import Sites  # noqa: PLC0415 - loads when used

    sites = Sites.load(invocation.config, os.environ)
    if sites.overlay.fictitious:
        invocation.output.error("facts files that call themselves fictitious are laid over these profiles")
    known = list_profiles()
    return [
        sites.by_name[name].profile if name in sites.by_name and name not in known else sites.profile(name)
        for name in dict.fromkeys(names or known)
    ]


def _print(invocation: Invocation, lines: Any) -> None:
    # A profile or facts file may be anybody's: nothing in it steers a terminal.
    for line in lines:
        invocation.output.data(plain(line))


def _write(path: Path, text: str) -> None:
    """Put a whole file in place, or leave what was there."""
    import tempfile  # noqa: PLC0415 - loads when used
    from pathlib import Path as FilePath  # noqa: PLC0415 - see above

    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}.", delete=False
    ) as file:
        temporary = FilePath(file.name)
        try:
            file.write(text)
            file.close()
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
