"""``havre plan``: look at a source and a target, and write the wave file for review."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from migrator.cli.group import Invocation, Verb
from migrator.cli.output import printable
from migrator.cli.params import FILE, LOCATION, common_options, filter_options, ordered_filters
from migrator.cli.verb_gate import gate_options

if TYPE_CHECKING:
    from migrator.cli.gatekeeper import Asked
    from migrator.engine.planner import PlanRequest, PlanResult
    from migrator.envelope.keys import Identity

__all__ = ["plan"]


@click.command(
    cls=Verb,
    short_help="Look at source and target, write the wave file.",
    epilog="""
havre plan hdh:warehouse ovh:warehouse --wave may --class eds --recipient dataset.pub
havre plan ./exports ovh:exports --wave images --class pseudonymised --recipient dataset.pub \\
    --exclude '*.tmp' --include '/images/**'
havre plan ovh:warehouse ./back --wave back --class eds --mode decrypt --identity dataset.sec
""",
)
@click.argument("source", type=LOCATION, metavar="SRC")
@click.argument("target", type=LOCATION, metavar="DST")
@click.option("--wave", required=True, metavar="NAME", help="What to call it.")
@click.option(
    "--class",
    "dataset_class",
    required=True,
    type=click.Choice(["snds", "eds", "pseudonymised", "anonymous"]),
    help="How sensitive the data is.",
)
@click.option(
    "--mode",
    type=click.Choice(["encrypt", "rewrap", "copy", "decrypt"]),
    default="encrypt",
    show_default=True,
    help="encrypt: into Crypt4GH. rewrap: for new recipients. copy: as it is. decrypt: the way back.",
)
@click.option(
    "--recipient",
    "recipients",
    type=FILE,
    multiple=True,
    metavar="KEY.pub",
    help="Public key that may read the target. May be repeated.",
)
@click.option(
    "--identity",
    type=FILE,
    metavar="KEY.sec",
    help="Private key: opens the source (rewrap, decrypt), or tries the recipient's key out (encrypt).",
)
@click.option(
    "--passphrase-env",
    metavar="VAR",
    help="Environment variable that holds the passphrase. Else $HAVRE_PASSPHRASE_FILE names a file, or the "
    "terminal is asked.",
)
@filter_options
@click.option(
    "--names",
    type=click.Choice(["visible", "keyed"]),
    help="Whether names stay readable at the target; default keyed for snds and eds, else visible.",
)
@click.option("--clear-attributes", is_flag=True, help="Copy metadata and content headers in clear.")
@click.option("--tags", is_flag=True, help="Carry object tags: one more request an object.")
@click.option("--include-own", is_flag=True, help="Take the source's .havre/ too.")
@gate_options
@click.option("-o", "--output", "wave_file", type=FILE, metavar="FILE", help="Wave file; default NAME.toml.")
@common_options
@click.pass_context
def plan(
    ctx: click.Context,
    /,
    invocation: Invocation,
    *,
    wave: str,
    wave_file: Path | None,
    recipients: tuple[Path, ...],
    identity: Path | None,
    passphrase_env: str | None,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    derogations: tuple[Path, ...],
    facts: tuple[Path, ...],
    **choices: Any,
) -> int:
    """Plan a wave: list the source, check the target, write NAME.toml for review.

    Nothing is moved. Keys that the target cannot hold are found here, before a byte is sent; then
    no wave file is written, the keys are printed with the reason, and the exit code is 13.

    The gate is asked first ('havre gate' shows all that it says). Where it refuses, exit code 6.

    Filters apply in the order given and the first that matches a key decides. If there is an
    --include, keys that nothing matches are left out. '*' stays within one folder, '**' does not,
    a leading '/' means the root of SRC.
    """
    from migrator.cli.gatekeeper import record_of  # noqa: PLC0415 - loads when used
    from migrator.cli.keyring import Passphrases, open_identity, read_recipient  # noqa: PLC0415 - see below
    from migrator.core.modes import DatasetClass, Mode, Names  # noqa: PLC0415 - loads when used
    from migrator.engine.planner import PlanRequest  # noqa: PLC0415 - loads when used

    asked = _ask(invocation, wave, derogations, facts, choices)
    opened: tuple[Identity, ...] = ()
    if identity is not None:
        opened = (open_identity(identity, Passphrases(passphrase_env, environ=os.environ)),)
    names = choices["names"]
    request = PlanRequest(
        source=choices["source"],
        target=choices["target"],
        wave=wave,
        dataset_class=DatasetClass(choices["dataset_class"]),
        mode=Mode(choices["mode"]),
        recipients=tuple(read_recipient(path) for path in recipients),
        # Absolute, so that the wave file means the same from every directory.
        identity=None if identity is None else os.path.abspath(identity),  # noqa: PTH100 - links stay
        identities=opened,
        filters=ordered_filters(ctx, include, exclude),
        names=None if names is None else Names(names),
        clear_attributes=choices["clear_attributes"],
        tags=choices["tags"],
        include_own=choices["include_own"],
        gate=str(asked.verdict.outcome),
        gate_record=record_of(asked),
    )
    return _plan(invocation, request, wave_file or Path(f"{wave}.toml"), asked)


def _ask(
    invocation: Invocation,
    wave: str,
    derogations: tuple[Path, ...],
    facts: tuple[Path, ...],
    choices: dict[str, Any],
) -> Asked:
    """What the gate says, before anything is opened; a refusal ends the command.

    Raises:
        GateRefused: The gate refuses and no derogation overrides it.
    """
    from datetime import UTC, datetime  # noqa: PLC0415 - loads when used

    from migrator.cli.gatekeeper import ask, refusal  # noqa: PLC0415 - loads when used
    from migrator.core.modes import DatasetClass  # noqa: PLC0415 - loads when used

    asked = ask(
        invocation,
        dataset_class=DatasetClass(choices["dataset_class"]),
        mode=choices["mode"],
        target=choices["target"],
        source=choices["source"],
        wave=wave,
        derogations=derogations,
        facts=facts,
        at=datetime.now(UTC).date(),
    )
    if asked.verdict.outcome == "refused":
        raise refusal(asked.verdict)
    return asked


def _plan(invocation: Invocation, request: PlanRequest, path: Path, asked: Asked) -> int:
    from datetime import UTC, datetime  # noqa: PLC0415 - loads when used

    from migrator.cli.display import Display  # noqa: PLC0415 - loads when used
    from migrator.cli.gatekeeper import keep_derogations  # noqa: PLC0415 - loads when used
    from migrator.cli.probes import quoted  # noqa: PLC0415 - loads when used
    from migrator.cli.wiring import load_opener, load_sites, wave_files  # noqa: PLC0415 - loads when used
    from migrator.core.modes import Level  # noqa: PLC0415 - loads when used
    from migrator.engine.planner import KeysRefused, make_plan  # noqa: PLC0415 - loads when used
    from migrator.engine.progress import Progress  # noqa: PLC0415 - loads when used

    output = invocation.output
    opener = load_opener(invocation, probed=True)
    progress = Progress(phase="listing")

    def on_listed(count: int) -> None:
        progress.listed = count

    files = wave_files(invocation, path)
    try:
        with Display(progress, output):
            result = make_plan(request, opener, now=datetime.now(UTC), on_listed=on_listed)
    except KeysRefused as error:
        from migrator.cli.failures import describe  # noqa: PLC0415 - only on this path

        failure = describe(error)
        assert failure is not None
        output.error(failure.message, failure.hint)
        if output.json:
            refused = [{"key": key, "reason": reason} for key, reason in error.refused]
            output.object({**failure.to_dict(), "refused": refused, "refused_count": error.count})
        else:
            output.lines(f"{printable(key)}\t{reason}" for key, reason in error.refused)
        return failure.exit_code
    result, told, do = quoted(load_sites(invocation), result, level=Level.FULL)
    files.save(result.plan)
    keep_derogations(files, asked)
    _show(invocation, result, path, told)
    _tell_conditions(invocation, asked)
    if do:
        output.hint(do)
    return 0


def _show(invocation: Invocation, result: PlanResult, path: Path, probe: dict[str, Any] | None) -> None:
    from migrator.cli.wording import plan_lines  # noqa: PLC0415 - loads when used

    output = invocation.output
    for warning in result.warnings:
        output.error(warning)
    if output.json:
        output.object(
            {
                "wave_file": path,
                "plan": result.plan.to_dict(),
                "digest": result.plan.digest,
                "warnings": result.warnings,
                "kinds": result.kinds,
                "parts": result.parts,
                "existing_at_target": result.existing_at_target,
                "probe": probe,
            }
        )
    else:
        output.lines(plan_lines(result, str(path)))
    output.hint(f"review {path}, then run: havre migrate {path}")


def _tell_conditions(invocation: Invocation, asked: Asked) -> None:
    verdict = asked.verdict
    count = len(verdict.conditions) + len(verdict.derogations)
    if count:
        invocation.output.hint(
            f"the gate names {count} condition(s) to meet before data leaves; read them with: havre gate "
            f"{shlex.quote(verdict.question.destination.name)} --class {verdict.question.dataset_class} "
            f"--mode {verdict.question.mode}"
        )
