"""What ``migrate``, ``verify`` and ``restore`` have in common: settings, signals, display, the end report."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from migrator.cli.failures import describe
from migrator.cli.params import SHARE, SIZE, SPEED, WINDOW
from migrator.cli.wording import problem_lines, report_lines

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from migrator.cli.group import Invocation
    from migrator.core.plan import Plan
    from migrator.engine.context import Stop
    from migrator.engine.files import WaveFiles
    from migrator.engine.opening import Opener
    from migrator.engine.progress import Progress, Snapshot
    from migrator.engine.report import Report
    from migrator.engine.settings import Settings
    from migrator.envelope.keys import Identity

__all__ = ["LEVELS", "Run", "execute", "level_option", "make_settings", "speed_options"]

F = TypeVar("F", bound=Callable[..., Any])
LEVELS: Final = ("size", "store-checksum", "sample", "full")
_SEGMENT: Final = 65_536
_SAMPLE: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one engine run is handed.

    Attributes:
        plan: The wave.
        files: Where it lives.
        opener: Opens its stores.
        settings: How hard to work.
        identities: Opened private keys.
        progress: Counters to move.
        stop: Asked for when the operator wants an end.
        on_event: Told about events, or None.
    """

    plan: Plan
    files: WaveFiles
    opener: Opener
    settings: Settings
    identities: tuple[Identity, ...]
    progress: Progress
    stop: Stop
    on_event: Callable[[dict[str, Any]], None] | None


def speed_options(function: F) -> F:
    """Add what says how hard to work."""
    for option in (
        click.option("--part-size", type=SIZE, metavar="SIZE", help="Wanted part size; default 8MiB."),
        click.option(
            "--memory", type=SIZE, default="96MiB", show_default=True, metavar="SIZE",
            help="Memory for all buffers together.",
        ),
        click.option(
            "--window", type=WINDOW, metavar="20:00-06:00", help="Send in this daily window only, local time."
        ),
        click.option(
            "--bandwidth", type=SPEED, metavar="SPEED", help="Most bytes a second, such as 200MiB/s."
        ),
        click.option(
            "--workers", type=click.IntRange(1, 1024), default=16, show_default=True, metavar="N",
            help="Threads that move objects and parts.",
        ),
    ):  # fmt: skip
        function = option(function)
    return function


def level_option(name: str, default: str) -> Callable[[F], F]:
    """Add the verification level and the share of a sample."""

    def add(function: F) -> F:
        function = click.option(
            "--sample",
            type=SHARE,
            metavar="SHARE",
            help="Share verified in full under 'sample'; default 10%.",
        )(function)
        return click.option(
            name, "level", type=click.Choice(LEVELS), default=default, show_default=True,
            help="How stored objects are verified. 'full' reads each back, opens it, hashes it again.",
        )(function)  # fmt: skip

    return add


def make_settings(
    *,
    workers: int,
    memory: int,
    bandwidth: int | None = None,
    window: Any = None,
    part_size: int | None = None,
    level: str = "full",
    sample: float | None = None,
    retry_rejected: bool = False,
) -> Settings:
    """Settings from options.

    Raises:
        UsageError: ``--sample`` without the level that samples.
    """
    from migrator.core.modes import Level  # noqa: PLC0415 - commands that run nothing start faster
    from migrator.engine.settings import Settings  # noqa: PLC0415 - see above

    verify = Level(level)
    if sample is not None and verify is not Level.SAMPLE:
        raise click.UsageError("--sample goes with the level 'sample' only")
    settings = Settings(
        workers=workers,
        memory=memory,
        bandwidth=bandwidth,
        window=window,
        verify=verify,
        sample=_SAMPLE if sample is None else sample,
        retry_rejected=retry_rejected,
    )
    return settings if part_size is None else replace(settings, part_units=max(1, part_size // _SEGMENT))


def execute(
    invocation: Invocation,
    wave: Path,
    engine: Callable[[Run], Report],
    settings: Settings,
    *,
    action: str,
    again: Sequence[str],
    identity_paths: Sequence[Path],
    passphrase_env: str | None,
    needs_identity: Callable[[Plan], bool],
    own: WaveFiles | None = None,
) -> int:
    """Run the engine on a wave, show it, and report how it ended.

    Args:
        invocation: This call of the command.
        wave: The wave file.
        engine: Starts the run.
        settings: How hard to work.
        action: What the run does to objects, for the report.
        again: The command line that carries on.
        identity_paths: What ``--identity`` named.
        passphrase_env: What ``--passphrase-env`` named.
        needs_identity: Whether the run cannot do without a private key.
        own: Where the run keeps its own ledger, if that is not the wave's.

    Returns:
        The exit code of the report.
    """
    from migrator.cli.display import Display  # noqa: PLC0415 - commands that run nothing start faster
    from migrator.cli.interrupts import Interrupts  # noqa: PLC0415 - see above
    from migrator.cli.keyring import Passphrases, plan_identities  # noqa: PLC0415 - see above
    from migrator.cli.wiring import Pace, load_opener, wave_files  # noqa: PLC0415 - see above
    from migrator.engine.context import Stop  # noqa: PLC0415 - see above
    from migrator.engine.progress import Progress  # noqa: PLC0415 - see above

    output = invocation.output
    files = wave_files(invocation, wave)
    plan = files.load()
    passphrases = Passphrases(passphrase_env, environ=os.environ)
    identities = plan_identities(plan, identity_paths, passphrases, output, needed=needs_identity(plan))
    stop, progress, pace = Stop(), Progress(), Pace()
    # Every worker may have one request under way, and the listing and the sweep one each.
    opener = load_opener(
        invocation, stop=stop.event, connections=settings.workers + 2, pace=pace, probed=True
    )
    with ExitStack() as stack:
        flow = _flow_of_check if action == "verified" else _flow_of(settings.verify.value)
        stack.enter_context(Display(progress, output, pace=pace, flow=flow))
        stack.enter_context(Interrupts(stop, output.error))
        report = engine(
            Run(
                plan=plan,
                files=files,
                opener=opener,
                settings=settings,
                identities=identities,
                progress=progress,
                stop=stop,
                on_event=output.event if output.json else None,
            )
        )
    _tell(invocation, own or files, report, action=action, again=again)
    return report.exit_code


def _flow_of(level: str) -> Callable[[Snapshot], int]:
    """Bytes that are through: where each is read back, it is half-way when it was sent."""
    if level == "full":
        return lambda snapshot: (snapshot.sent_bytes + snapshot.checked_bytes) // 2
    return lambda snapshot: snapshot.sent_bytes


def _flow_of_check(snapshot: Snapshot) -> int:
    return snapshot.checked_bytes


def _tell(
    invocation: Invocation, files: WaveFiles, report: Report, *, action: str, again: Sequence[str]
) -> None:
    output = invocation.output
    problems: Sequence[dict[str, Any]] = report.problems
    if output.names and problems and action != "verified":
        from migrator.engine.status import problems as named_problems  # noqa: PLC0415 - only on request

        problems = named_problems(files, names=True, limit=len(problems)) or problems
    failure = None if report.error is None else describe(report.error)
    if output.json:
        output.event(
            {
                "event": "report",
                "wave": report.wave,
                "state": report.state,
                "exit_code": report.exit_code,
                "objects": report.counts,
                "bytes": report.bytes,
                "verification": {"level": report.level},
                "seconds": round(report.seconds, 3),
                "resent_objects": report.resent_objects,
                "notes": report.notes,
                "problems": problems,
                **report.details,
                **({"error": None} if failure is None else failure.to_dict()),
            }
        )
    else:
        output.lines(report_lines(report, action=action))
        output.data(f"{'ledger':<10}{files.folder}")
        for line in problem_lines(problems):
            output.error(line)
    if failure is not None and report.state != "interrupted":
        output.error(failure.message, failure.hint)
    _next(invocation, report, files, again=again, hinted=failure is not None and failure.hint is not None)


def _next(
    invocation: Invocation, report: Report, files: WaveFiles, *, again: Sequence[str], hinted: bool
) -> None:
    output = invocation.output
    command = shlex.join(again)
    wave = shlex.quote(str(files.plan_path))
    if report.state == "interrupted":
        output.error("interrupted; nothing that was acknowledged is lost", f"carry on with: {command}")
    elif report.state == "stopped" or report.exit_code == 5:
        if not hinted:
            output.hint(f"carry on with: {command}")
    elif report.exit_code == 0:
        output.hint(f"prove it again at any time with: havre verify {wave}")
    else:
        output.hint(f"see what was not moved with: havre status {wave} --problems --names")
