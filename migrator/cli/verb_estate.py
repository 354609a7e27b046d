"""``havre estate``: what a site holds, and how its hosts stand against a baseline. Nothing is changed."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from migrator.cli.group import Verb
from migrator.cli.output import printable
from migrator.cli.params import FILE, common_options
from migrator.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from migrator.cli.group import Invocation
    from migrator.cli.output import Output
    from providers.estate.compare import Finding
    from providers.estate.hosts import HostFinding, HostReport
    from providers.estate.model import Estate, Section, Setting

__all__ = ["estate"]

_DIFFERS = 4
_SHORT = 3


@click.command(
    cls=Verb,
    short_help="List what a site holds, or hold its hosts against a baseline.",
    epilog="""
havre estate ovh --save before.json
havre estate ovh --against before.json
havre estate --hosts worker1.example.org admin@bastion.example.org:2222
havre estate --hosts --site hospital --baseline anssi-openssh --json
""",
)
@click.argument("targets", nargs=-1, metavar="SITE | HOST...")
@click.option("--save", type=FILE, metavar="FILE", help="Keep the answer as JSON, for --against.")
@click.option("--against", type=FILE, metavar="FILE", help="Report what changed since FILE was saved.")
@click.option("--hosts", is_flag=True, help="Ask hosts over SSH instead: [user@]host[:port].")
@click.option(
    "--site", metavar="SITE", help="With --hosts: the server of an SFTP site, as it is logged in to."
)
@click.option(
    "--baseline",
    "baselines",
    multiple=True,
    metavar="NAME|FILE",
    help="With --hosts: what to expect; default all that are shipped. May be repeated.",
)
@click.option(
    "--ssh-key", type=FILE, metavar="FILE", help="With --hosts: private key; default the SSH agent."
)
@click.option(
    "--known-hosts", type=FILE, metavar="FILE", help="With --hosts: trusted host keys; default the user's."
)
@click.option("--jump", metavar="HOST", help="With --hosts: jump host, [user@]host[:port].")
@click.option(
    "--sudo", is_flag=True, help="With --hosts: try 'sudo -n' where a login without rights sees less."
)
@common_options
def estate(
    invocation: Invocation,
    targets: tuple[str, ...],
    *,
    save: Path | None,
    against: Path | None,
    hosts: bool,
    site: str | None,
    baselines: tuple[str, ...],
    ssh_key: Path | None,
    known_hosts: Path | None,
    jump: str | None,
    sudo: bool,
) -> int:
    """List what a site holds: nodes, volumes, images, networks, DNS zones, stores and buckets with their settings.

    Only calls that read are let through. What could not be asked is said, and is never an empty list. Whom to
    ask besides the site's own store stands in its [estate] table.

    With --hosts the hosts are logged in to over SSH, their keys verified, and a fixed list of commands that only
    read is run: configuration of sshd, clock, disks, pending updates, listening ports. The answers are held
    against baselines whose every expectation names its source.

    Exit code 4 if something changed or differs; else 3 if something that ought to answer did not.
    """
    if hosts:
        if save or against:
            raise UsageError("--save and --against compare sites, not hosts")
        from migrator.cli.hosts import host_places  # noqa: PLC0415 - loads when used

        places = host_places(
            invocation, targets, site=site, ssh_key=ssh_key, known_hosts=known_hosts, jump=jump
        )
        return _attest(invocation, places, baselines, sudo=sudo)
    if site or baselines or ssh_key or known_hosts or jump or sudo:
        raise UsageError("--site, --baseline, --ssh-key, --known-hosts, --jump and --sudo go with --hosts")
    if len(targets) != 1:
        raise UsageError("name one site", hint="write 'havre estate SITE', or --hosts and some hosts")
    return _site(invocation, targets[0], save=save, against=against)


def _site(invocation: Invocation, name: str, *, save: Path | None, against: Path | None) -> int:
    from providers.estate.compare import drift  # noqa: PLC0415 - loads when used
    from providers.estate.gather import gather  # noqa: PLC0415 - loads when used
    from providers.estate.model import Estate  # noqa: PLC0415 - loads when used
    from providers.sites import Sites  # noqa: PLC0415 - loads when used

    output = invocation.output
    before = None if against is None else Estate.from_dict(_load(against))
    site = Sites.load(invocation.config, os.environ).site(name)

    def on_section(section: Section) -> None:
        if not output.json and before is None:
            _show_section(output, section)

    found = gather(site, environ=os.environ, now=datetime.now(UTC), on_section=on_section)
    if save is not None:
        _keep(save, found)
        output.say(f"kept in {save}")
    if before is not None and before.site != found.site:
        output.say(f"{against} is about site {before.site}, not {found.site}")
    changes = () if before is None else drift(before, found)
    if output.json:
        answer = found.to_dict()
        output.object(answer if before is None else {**answer, "drift": [one.to_dict() for one in changes]})
    elif before is not None:
        for change in changes:
            _show_change(output, change)
        output.say(f"{len(changes)} differences since {before.asked_at.isoformat(timespec='seconds')}")
    if changes:
        return _DIFFERS
    if found.short:
        output.say("some of it could not be asked")
        return _SHORT
    return 0


def _attest(
    invocation: Invocation, places: Sequence[HostPlace], names: tuple[str, ...], *, sudo: bool
) -> int:
    from migrator.cli.hosts import ask_host, unreached  # noqa: PLC0415 - loads when used
    from providers.errors import StoreError  # noqa: PLC0415 - loads when used
    from providers.estate.baseline import baseline_names, load_baseline  # noqa: PLC0415 - loads when used
    from providers.estate.hosts import HOSTS_FORMAT, Outcome, attest  # noqa: PLC0415 - loads when used

    output = invocation.output
    baselines = [load_baseline(name) for name in names or baseline_names()]
    reports, findings = [], []
    for place in places:
        try:
            report = ask_host(place, sudo=sudo)
        except StoreError as error:
            # One host that is away must not hide how the others stand.
            if len(places) == 1:
                raise
            output.error(f"{place.name}: {error.message}", error.hint)
            report = unreached(place, error)
        mine = [finding for baseline in baselines for finding in attest(report, baseline)]
        reports.append(report)
        findings += mine
        if not output.json:
            _show_host(output, report, mine)
    if output.json:
        output.object(
            {
                "format": HOSTS_FORMAT,
                "hosts": [report.to_dict() for report in reports],
                "findings": [finding.to_dict() for finding in findings],
                "counts": {
                    outcome.value: sum(one.outcome is outcome for one in findings) for outcome in Outcome
                },
            }
        )
    if any(one.outcome is Outcome.DIFFERS for one in findings):
        return _DIFFERS
    return _SHORT if any(one.outcome is Outcome.NOT_ESTABLISHED for one in findings) else 0


def _load(path: Path) -> object:
    try:
        return json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is no JSON") from error


def _keep(path: Path, found: Estate) -> None:
    """Write the estate beside the file and put it in place at once; only its owner reads it."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(json.dumps(found.to_dict(), indent=1) + "\n")
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def _words(value: Setting | None) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return printable(", ".join(value) if isinstance(value, tuple) else str(value))


def _show_section(output: Output, section: Section) -> None:
    count = len(section.items)
    title = section.kind.value.replace("_", " ")
    output.data(f"{title}: {section.state.value if section.state.value != 'complete' else count}")
    for reason in section.reasons:
        output.data(f"  {reason.absence.value}: {printable(reason.text)}")
    for item in section.items:
        name = f"  {printable(item.name)}" if item.name not in {"", item.id} else ""
        output.data(
            f"  {printable(item.id)}{name}" + (f"  ({printable(item.region)})" if item.region else "")
        )
        for field, value in sorted(item.settings.items()):
            output.data(f"    {field}: {_words(value)}")
        for field, why in sorted(item.unknown.items()):
            output.data(f"    {field}: ? ({why.value})")


def _show_change(output: Output, change: Finding) -> None:
    where = f"{change.kind.value.replace('_', ' ')}"
    what = f" {printable(change.id)}" if change.id else ""
    if change.text:
        output.data(f"{change.change.value:<14}  {where}{what} {change.setting}: {printable(change.text)}")
    elif change.setting:
        output.data(
            f"{change.change.value:<14}  {where}{what} {printable(change.setting)}: "
            f"{_words(change.before)} -> {_words(change.after)}"
        )
    else:
        output.data(f"{change.change.value:<14}  {where}{what}  {printable(change.name)}")


def _show_host(output: Output, report: HostReport, findings: Sequence[HostFinding]) -> None:
    system = " ".join(_words(report.facts.get(name)) for name in ("os.pretty_name", "system.kernel"))
    output.data(f"{printable(report.host)}: {system}")
    for one in findings:
        expected = one.expectation
        detail = printable(one.text) if one.observed is None else _words(one.observed)
        number = f" {expected.recommendation}" if expected.recommendation else ""
        output.data(f"  {one.outcome.value:<15}  {one.baseline}/{expected.id}{number}: {detail}")


if TYPE_CHECKING:
    from migrator.cli.hosts import HostPlace
