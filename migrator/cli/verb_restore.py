"""``havre restore``: bring a wave back, or some of its objects, in plain or for other readers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from migrator.cli.group import Invocation, Verb
from migrator.cli.params import (
    FILE,
    LOCATION,
    WAVE,
    common_options,
    filter_options,
    key_options,
    names_option,
    ordered_filters,
)
from migrator.cli.runs import Run, execute, level_option, make_settings, speed_options
from migrator.cli.verb_gate import gate_options

if TYPE_CHECKING:
    from pathlib import Path

    from migrator.engine.report import Report
    from migrator.engine.restore import Return

__all__ = ["restore"]


@click.command(
    cls=Verb,
    short_help="Bring a wave back, in plain or for other readers.",
    epilog="""
havre restore may.toml ./back --identity dataset.sec
havre restore may.toml ./back --identity dataset.sec --include '/images/2024/**'
havre restore may.toml ./back --identity dataset.sec --key omop/person.parquet
havre restore may.toml scaleway:exit/may --identity dataset.sec --recipient next-host.pub
""",
)
@click.argument("wave", type=WAVE, metavar="WAVE.toml")
@click.argument("destination", type=LOCATION, metavar="DST")
@key_options
@click.option(
    "--recipient",
    "recipients",
    type=FILE,
    multiple=True,
    metavar="KEY.pub",
    help="Seal what is written, for this public key. May be repeated; plain without.",
)
@click.option(
    "--key",
    "keys",
    multiple=True,
    metavar="KEY",
    help="Bring back this object, named as at the wave's source. May be repeated.",
)
@filter_options
@level_option("--verify", "full")
@speed_options
@gate_options
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
    recipients: tuple[Path, ...],
    keys: tuple[str, ...],
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    derogations: tuple[Path, ...],
    facts: tuple[Path, ...],
    **hard: Any,
) -> int:
    """Bring a wave back: open its objects and write them, with their names and attributes, to DST.

    Every object is checked against the digests of the ledger while it is opened. Filters are those
    of 'plan' and apply to the original names.

    With --recipient what is written is sealed again, under fresh keys, for other readers than those
    of the wave: nothing rests in clear in between. Names are kept from readers as they were.

    The gate is asked whether DST may hold the data; where it refuses, the exit code is 6.

    A restore is a wave of its own, in the folder of the one that it brings back: the report names
    its wave file, and 'status', 'verify' and 'evidence' work on it. The same command carries on
    after an interruption.
    """
    from migrator.cli.keyring import read_recipient  # noqa: PLC0415 - loads when used
    from migrator.cli.wiring import wave_files  # noqa: PLC0415 - loads when used
    from migrator.engine.restore import plan_return  # noqa: PLC0415 - loads when used

    settings = make_settings(**hard)
    filters = ordered_filters(ctx, include, exclude)
    if keys and filters:
        raise click.UsageError("--key does not go together with --include or --exclude")
    files = wave_files(invocation, wave)
    back = plan_return(
        files.load(),
        files,
        destination,
        recipients=[read_recipient(path) for path in recipients],
        filters=filters,
        keys=keys,
    )
    verdict = _ask_gate(invocation, back, derogations, facts)

    def engine(run: Run) -> Report:
        from migrator.cli.probes import refuse  # noqa: PLC0415 - loads when used
        from migrator.cli.wiring import load_sites  # noqa: PLC0415 - loads when used
        from migrator.engine.restore import restore as start  # noqa: PLC0415 - loads when used

        refuse(load_sites(invocation), back.plan, run.settings)
        return start(
            run.plan,
            run.files,
            back,
            run.opener,
            run.settings,
            identities=run.identities,
            progress=run.progress,
            stop=run.stop,
            on_event=run.on_event,
            gate=verdict,
        )

    return execute(
        invocation,
        wave,
        engine,
        settings,
        action="restored",
        again=_again(wave, destination, identities, recipients, keys, filters),
        identity_paths=identities,
        passphrase_env=passphrase_env,
        needs_identity=lambda plan: plan.mode.seals,
        own=back.files,
    )


def _ask_gate(
    invocation: Invocation, back: Return, derogations: tuple[Path, ...], facts: tuple[Path, ...]
) -> str:
    """The gate's verdict of today on where the data would go, in short.

    Raises:
        GateRefused: It refuses.
    """
    from datetime import UTC, datetime  # noqa: PLC0415 - loads when used

    from migrator.cli.gatekeeper import ask_again  # noqa: PLC0415 - loads when used

    today = datetime.now(UTC).date()
    return ask_again(invocation, back.plan, back.files, derogations=derogations, facts=facts, at=today)


def _again(
    wave: Path,
    destination: str,
    identities: tuple[Path, ...],
    recipients: tuple[Path, ...],
    keys: tuple[str, ...],
    filters: tuple[tuple[str, str], ...],
) -> tuple[str, ...]:
    """The command line that carries on: the same objects, to the same place, for the same readers."""
    told = [("--identity", str(path)) for path in identities]
    told += [("--recipient", str(path)) for path in recipients]
    told += [("--key", key) for key in keys]
    told += [(f"--{action}", glob) for action, glob in filters]
    return ("havre", "restore", str(wave), destination, *(word for pair in told for word in pair))
