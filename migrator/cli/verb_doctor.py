"""``havre doctor``: a store against its profile, by looking (the default) or by trying each violation (``--probe``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from migrator.cli.group import Invocation, Verb
from migrator.cli.output import sentence
from migrator.cli.params import FILE, LOCATION, common_options

if TYPE_CHECKING:
    from pathlib import Path

    from migrator.engine.doctor import CheckResult
    from providers.probe.report import ProbeReport
    from providers.probe.verdict import Seen

__all__ = ["doctor"]


@click.command(
    cls=Verb,
    epilog="""
havre doctor ovh:warehouse
havre doctor hdh:warehouse/2024 --read-only
havre doctor ovh:warehouse --probe
havre doctor ovh:locked --probe --lock --expensive --json
""",
)
@click.argument("location", type=LOCATION)
@click.option("--read-only", is_flag=True, help="Write nothing: list, and read an object that is there.")
@click.option(
    "--probe", is_flag=True, help="Attempt each violation, compare with the profile, keep the outcome."
)
@click.option("--expensive", is_flag=True, help="Probe: send 1,001 parts too, where parts may be small.")
@click.option("--lock", is_flag=True, help="Probe: write a version under retention for some seconds.")
@click.option(
    "--rounds",
    type=click.IntRange(1, 1000),
    default=12,
    show_default=True,
    metavar="N",
    help="Probe: rounds of creators that write at once.",
)
@click.option(
    "--out",
    type=FILE,
    metavar="FILE",
    help="Probe: where to keep the outcome; default probes/SITE/BUCKET.json beside havre.toml.",
)
@common_options
def doctor(
    invocation: Invocation,
    location: str,
    *,
    read_only: bool,
    probe: bool,
    expensive: bool,
    lock: bool,
    rounds: int,
    out: Path | None,
) -> int:
    """Hold a store against what its profile says of it.

    Writes a few small objects and one upload in parts under .havre/doctor-… of the location, sees which of
    the declared abilities hold, and removes all of it. A store that accepts what it ought to refuse (a wrong
    checksum, a second creation, a stale version) is found out here. Exit code 13 if an ability that the
    profile declares does not hold.

    With --probe each violation is attempted, several creators at once among them, under .havre/probe-… of
    the location. The outcome is compared with the profile, saved with its date and a digest, quoted by
    'plan', and heeded by 'migrate'. Only --lock leaves something that cannot be removed for some seconds,
    and waits for that.
    """
    if probe and read_only:
        raise click.UsageError("--probe writes; it does not go with --read-only")
    if not probe and (expensive or lock or out is not None):
        raise click.UsageError("--expensive, --lock and --out go with --probe only")
    if probe:
        return _probe(invocation, location, expensive=expensive, lock=lock, rounds=rounds, out=out)
    return _examine(invocation, location, read_only=read_only)


def _examine(invocation: Invocation, location: str, *, read_only: bool) -> int:
    from migrator.cli.wiring import load_opener  # noqa: PLC0415 - loads when used
    from migrator.engine import doctor as examination  # noqa: PLC0415 - loads when used

    output = invocation.output

    def on_check(result: CheckResult) -> None:
        if not output.json:
            output.data(
                f"{result.outcome:<9}  {result.name}"
                + (f": {sentence(result.detail)}" if result.detail else "")
            )

    # Two attempts: a checksum that is refused every time is what is hoped for.
    with load_opener(invocation, attempts=2)(location, read_only) as store:
        results = examination.doctor(store, store.capabilities, read_only=read_only, on_check=on_check)
    failed = [result for result in results if result.outcome is examination.Outcome.NOT_HELD]
    if output.json:
        output.object(
            {
                "location": location,
                "checks": [
                    {"name": one.name, "outcome": one.outcome, "detail": one.detail} for one in results
                ],
                "not_held": len(failed),
            }
        )
    if failed:
        output.error(
            f"{len(failed)} of {len(results)} checks did not hold",
            "correct the site's profile, or choose another store, before data moves",
        )
        return 13
    return 0


def _probe(
    invocation: Invocation, text: str, *, expensive: bool, lock: bool, rounds: int, out: Path | None
) -> int:
    from migrator.cli.probe_table import table_lines  # noqa: PLC0415 - loads when used
    from migrator.cli.probes import declared_profile, endpoint_of, shelf_of  # noqa: PLC0415 - loads when used
    from migrator.cli.wiring import load_opener, load_sites  # noqa: PLC0415 - loads when used
    from migrator.engine.probes import probe_store, save_report  # noqa: PLC0415 - loads when used
    from providers.location import Location  # noqa: PLC0415 - loads when used
    from providers.probe.catalogue import CHECKS  # noqa: PLC0415 - loads when used
    from providers.probe.exam import ProbeOptions  # noqa: PLC0415 - loads when used

    output = invocation.output
    location = Location.parse(text)
    sites = load_sites(invocation)
    made = 0

    def on_seen(seen: Seen) -> None:
        nonlocal made
        made += 1
        output.say(f"{made} of {len(CHECKS)}: {CHECKS[seen.id].words}")

    # One attempt: a refusal is an answer here. An examination under way ends with its cleaning, also on Ctrl-C.
    with load_opener(invocation, attempts=1)(text, False) as store:
        report = probe_store(
            store,
            location,
            declared_profile(sites, location),
            endpoint=endpoint_of(sites, location),
            options=ProbeOptions(rounds=rounds, expensive=expensive, lock=lock),
            on_seen=on_seen,
        )
    path = out or shelf_of(sites).path_of(location)
    save_report(report, path, make_folder=out is None)
    if output.json:
        output.object({**report.to_dict(), "location": text, "file": path})
    else:
        output.lines(table_lines(report))
        output.data(f"{'file':<11}{path}")
    return _conclude(invocation, report)


def _conclude(invocation: Invocation, report: ProbeReport) -> int:
    from providers.probe.verdict import Outcome  # noqa: PLC0415 - loads when used

    output = invocation.output
    if report.left:
        output.error(
            f"{report.left} objects or uploads of the probe could not be removed",
            "they lie under .havre/probe-… of the location",
        )
    contradictions = report.count(Outcome.CONTRADICTS)
    if contradictions:
        output.error(
            f"{contradictions} checks contradict the profile",
            "correct the site's profile, or choose another store, before data moves",
        )
        return 13
    return 0
