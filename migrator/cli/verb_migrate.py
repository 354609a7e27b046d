"""``havre migrate``: move a wave, or carry on with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from migrator.cli.group import Invocation, Verb
from migrator.cli.params import WAVE, common_options, key_options, names_option
from migrator.cli.runs import Run, execute, level_option, make_settings, speed_options
from migrator.cli.verb_gate import gate_options

if TYPE_CHECKING:
    from pathlib import Path

    from migrator.engine.report import Report
    from migrator.engine.settings import Settings

__all__ = ["migrate"]


@click.command(
    cls=Verb,
    short_help="Move a wave and verify it, or carry on with it.",
    epilog="""
havre migrate may.toml
havre migrate may.toml --workers 32 --bandwidth 200MiB/s --window 20:00-06:00
havre migrate may.toml --verify sample --sample 5%
havre migrate may.toml --dry-run
""",
)
@click.argument("wave", type=WAVE, metavar="WAVE.toml")
@speed_options
@level_option("--verify", "full")
@key_options
@click.option("--retry-rejected", is_flag=True, help="Try objects again that an earlier run refused.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@gate_options
@names_option
@common_options
def migrate(
    invocation: Invocation,
    wave: Path,
    *,
    identities: tuple[Path, ...],
    passphrase_env: str | None,
    dry_run: bool,
    derogations: tuple[Path, ...],
    facts: tuple[Path, ...],
    **hard: Any,
) -> int:
    """Move a wave: list the source, send each object, verify what the target holds.

    The same command carries on after an interruption, a crash or a power cut: what was
    acknowledged is not sent again, and the report says what was. Ctrl-C once finishes the parts in
    flight; twice stops now.

    An object that is at the target already with the same content is skipped. One with other
    content is refused and left alone. One that changed at the source since it was listed is not
    moved, and named. Exit code 0 means all of it.

    The gate is asked again, on what is known today: a certificate may have run out since the plan.
    Where it refuses, nothing is sent and the exit code is 6.

    A target whose saved probe ('havre doctor LOCATION --probe') saw broken what the wave relies on is refused:
    exit code 13.

    With --json each line is one event, and the last one is the report.
    """
    settings = make_settings(**hard)
    verdict = _ask_gate(invocation, wave, derogations, facts, keep=not dry_run)
    if dry_run:
        return _dry_run(invocation, wave, settings)

    def engine(run: Run) -> Report:
        from migrator.cli.probes import refuse  # noqa: PLC0415 - loads when used
        from migrator.cli.wiring import load_sites  # noqa: PLC0415 - loads when used
        from migrator.engine.run import migrate as start  # noqa: PLC0415 - loads when used

        refuse(load_sites(invocation), run.plan, run.settings)
        return start(
            run.plan,
            run.files,
            run.opener,
            run.settings,
            identities=run.identities,
            progress=run.progress,
            stop=run.stop,
            on_event=run.on_event,
            gate=verdict,
        )

    if settings.window is not None:
        from datetime import datetime  # noqa: PLC0415 - loads when used

        zone = datetime.now().astimezone().tzname()
        invocation.output.say(f"sending between {settings.window} {zone} only")
    return execute(
        invocation,
        wave,
        engine,
        settings,
        action="moved",
        again=("havre", "migrate", str(wave)),
        identity_paths=identities,
        passphrase_env=passphrase_env,
        needs_identity=lambda plan: plan.mode.opens,
    )


def _ask_gate(
    invocation: Invocation,
    wave: Path,
    derogations: tuple[Path, ...],
    facts: tuple[Path, ...],
    *,
    keep: bool,
) -> str:
    """The gate's verdict of today, in short.

    Raises:
        GateRefused: It refuses.
    """
    from datetime import UTC, datetime  # noqa: PLC0415 - loads when used

    from migrator.cli.gatekeeper import ask_again  # noqa: PLC0415 - loads when used
    from migrator.cli.wiring import wave_files  # noqa: PLC0415 - loads when used

    files = wave_files(invocation, wave)
    today = datetime.now(UTC).date()
    return ask_again(
        invocation, files.load(), files, derogations=derogations, facts=facts, at=today, keep=keep
    )


def _dry_run(invocation: Invocation, wave: Path, settings: Settings) -> int:
    from migrator.cli.probes import refuse  # noqa: PLC0415 - loads when used
    from migrator.cli.wiring import load_opener, load_sites, wave_files  # noqa: PLC0415 - loads when used
    from migrator.engine.rehearse import rehearse  # noqa: PLC0415 - loads when used

    files = wave_files(invocation, wave)
    plan = files.load()
    refuse(load_sites(invocation), plan, settings)
    answer = rehearse(plan, files, load_opener(invocation, probed=True))
    if invocation.output.json:
        invocation.output.object(answer)
        return 0
    for name, value in answer["would"].items():
        shown = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else value
        invocation.output.data(f"would {name.replace('_', ' ')}: {shown}")
    return 0
