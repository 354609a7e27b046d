"""``havre verify`` and ``havre restore``: prove a wave again, bring it back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from migrator.cli.group import Invocation, Verb
from migrator.cli.params import (
    LOCATION,
    WAVE,
    common_options,
    filter_options,
    key_options,
    names_option,
    ordered_filters,
)
from migrator.cli.runs import Run, execute, level_option, make_settings, speed_options

if TYPE_CHECKING:
    from pathlib import Path

    from migrator.engine.report import Report

__all__ = ["restore", "verify"]


@click.command(
    cls=Verb,
    short_help="Prove again what the target holds.",
    epilog="""
havre verify may.toml
havre verify may.toml --level full --identity dataset.sec
havre verify may.toml --level sample --sample 1%
""",
)
@click.argument("wave", type=WAVE, metavar="WAVE.toml")
@level_option("--level", "full")
@speed_options
@key_options
@names_option
@common_options
def verify(
    invocation: Invocation,
    wave: Path,
    *,
    identities: tuple[Path, ...],
    passphrase_env: str | None,
    **hard: Any,
) -> int:
    """Prove again that the target holds what the ledger recorded.

    Nothing is written at the target. With a private key every object is opened and the digest of
    what comes out is compared with the one taken at the source; without, the encrypted bytes are
    compared with those that were sent. Exit code 4 if anything differs.
    """
    settings = make_settings(**hard)

    def engine(run: Run) -> Report:
        from migrator.engine.reverify import reverify  # noqa: PLC0415 - loads when used

        return reverify(
            run.plan,
            run.files,
            run.opener,
            run.settings,
            identities=run.identities,
            progress=run.progress,
            stop=run.stop,
            on_event=run.on_event,
        )

    return execute(
        invocation,
        wave,
        engine,
        settings,
        action="verified",
        again=("havre", "verify", str(wave), "--level", str(settings.verify)),
        identity_paths=identities,
        passphrase_env=passphrase_env,
        needs_identity=lambda plan: plan.mode.opens,
    )


@click.command(
    cls=Verb,
    short_help="Bring a wave back.",
    epilog="""
havre restore may.toml ./back --identity dataset.sec
havre restore may.toml ./back --identity dataset.sec --include '/images/2024/**'
""",
)
@click.argument("wave", type=WAVE, metavar="WAVE.toml")
@click.argument("destination", type=LOCATION, metavar="DST")
@key_options
@filter_options
@speed_options
@names_option
@common_options
@click.pass_context
def restore(
    ctx: click.Context,
    /,
    invocation: Invocation,
    wave: Path,
    destination: str,
    *,
    identities: tuple[Path, ...],
    passphrase_env: str | None,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    **hard: Any,
) -> int:
    """Bring a wave back: open its objects and write them, with their names and attributes, to DST.

    Every object is checked against the digests of the ledger while it is opened. Filters are those
    of 'plan' and apply to the original names.
    """
    settings = make_settings(**hard)
    filters = ordered_filters(ctx, include, exclude)

    def engine(run: Run) -> Report:
        from migrator.engine.restore import restore as start  # noqa: PLC0415 - loads when used

        return start(
            run.plan,
            run.files,
            run.opener,
            destination,
            run.settings,
            identities=run.identities,
            progress=run.progress,
            stop=run.stop,
            on_event=run.on_event,
            filters=filters,
        )

    return execute(
        invocation,
        wave,
        engine,
        settings,
        action="restored",
        again=("havre", "restore", str(wave), destination),
        identity_paths=identities,
        passphrase_env=passphrase_env,
        needs_identity=lambda plan: plan.mode.seals,
    )
