"""``havre verify``: prove a wave again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from migrator.cli.group import Invocation, Verb
from migrator.cli.params import WAVE, common_options, key_options, names_option
from migrator.cli.runs import Run, execute, level_option, make_settings, speed_options

if TYPE_CHECKING:
    from pathlib import Path

    from migrator.engine.report import Report

__all__ = ["verify"]


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
