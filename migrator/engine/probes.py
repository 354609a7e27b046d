"""Saved probes: where they lie, what they say of a wave's target, and when they end it before it begins."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from migrator import __version__
from migrator.core.geometry import DEFAULT_PART_UNITS
from migrator.core.plan import ProbeQuote
from migrator.core.reliance import Reliance, relies_on
from migrator.errors import CapabilityMissing, NothingThere, UsageError
from providers.errors import ConfigInvalid
from providers.probe.exam import ProbeOptions, probe
from providers.probe.overlay import overlaid
from providers.probe.report import MAX_BYTES, ProbeReport, compare, parse_report
from providers.probe.verdict import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from migrator.core.modes import Level
    from migrator.core.plan import Plan
    from providers.location import Location
    from providers.probe.verdict import Seen
    from providers.profile import Profile
    from providers.store import ObjectStore

__all__ = [
    "OLD_DAYS",
    "ProbeShelf",
    "age_days",
    "broken",
    "probe_store",
    "quote",
    "refuse_broken",
    "save_report",
]

OLD_DAYS: Final = 30
"""After so many days a probe is worth doing again: stores are updated."""


class ProbeShelf:
    """A folder of probe reports: ``SITE/BUCKET.json``, and ``local/`` and a digest for local paths.

    Args:
        folder: The folder; made (0700) when something is saved.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path_of(self, location: Location) -> Path:
        """Where the newest report of a location's bucket lies."""
        if location.site is None:
            named = hashlib.sha256(os.path.realpath(os.path.expanduser(location.bucket)).encode())  # noqa: PTH111 - with realpath
            return self.folder / ".local" / f"{named.hexdigest()[:32]}.json"
        return self.folder / location.site / f"{location.bucket}.json"

    def load(self, location: Location, endpoint: str) -> ProbeReport | None:
        """The newest report of a location's bucket; None if there is none, or it is of another endpoint.

        Raises:
            ConfigInvalid: The file is there and is no report, or was changed.
        """
        path = self.path_of(location)
        try:
            if path.stat().st_size > MAX_BYTES:
                raise ConfigInvalid(f"{path}: larger than 1 MiB: no probe report")
            text = path.read_text(encoding="utf-8")
        except (FileNotFoundError, NotADirectoryError):
            return None
        except UnicodeDecodeError:
            raise ConfigInvalid(f"{path}: no probe report") from None
        report = parse_report(text, str(path))
        same = report.site == location.site and report.endpoint == endpoint
        return report if same and (location.site is None or report.bucket == location.bucket) else None


def probe_store(
    store: ObjectStore,
    location: Location,
    profile: Profile,
    *,
    endpoint: str,
    options: ProbeOptions,
    on_seen: Callable[[Seen], None],
) -> ProbeReport:
    """Probe a store and compare it with its profile.

    Raises:
        StoreError: The location is not there, cannot be reached, or nothing may be written there.
    """
    began = datetime.now(UTC).replace(microsecond=0)
    found = probe(store, protocol=profile.protocol, endpoint=endpoint, options=options, on_seen=on_seen)
    return ProbeReport(
        site=location.site,
        bucket=location.bucket,
        endpoint=endpoint,
        profile=profile.name,
        protocol=profile.protocol,
        server=found.server,
        probed_at=began,
        havre=__version__,
        lines=tuple(compare(seen, profile) for seen in found.seen),
        left=found.left,
    )


def save_report(report: ProbeReport, path: Path, *, make_folder: bool) -> None:
    """Write a report, whole or not at all, for its owner alone (0600).

    Raises:
        NothingThere: The folder is not there, and is not to be made.
        UsageError: The path names a folder.
    """
    if path.is_dir():
        raise UsageError(f"{str(path)!r} is a directory", hint="name a file")
    if make_folder:
        path.parent.parent.parent.mkdir(parents=True, exist_ok=True)
        for folder in (path.parent.parent, path.parent):
            folder.mkdir(mode=0o700, exist_ok=True)
    elif not path.parent.is_dir():
        raise NothingThere(f"there is no directory {str(path.parent)!r}", hint="make it, or choose another")
    descriptor, name = tempfile.mkstemp(prefix=".probe-", dir=path.parent)  # created 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(report.to_dict(), file, indent=1, ensure_ascii=False)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def age_days(report: ProbeReport, now: datetime) -> int:
    """Whole days since the probe; 0 where the clocks disagree."""
    return max(0, (now - report.probed_at).days)


def quote(report: ProbeReport) -> ProbeQuote:
    """What a wave file says of a probe."""
    return ProbeQuote(probed_at=report.probed_at, digest=report.digest)


def broken(
    plan: Plan,
    report: ProbeReport,
    profile: Profile,
    *,
    level: Level,
    part_units: int = DEFAULT_PART_UNITS,
) -> list[Reliance]:
    """What the wave relies on and the probe saw broken, against the profile as it is now.

    Args:
        plan: The wave.
        report: The probe of its target.
        profile: What is declared of the target, without the probe.
        level: How the run verifies.
        part_units: Wanted units per part.
    """
    limits = profile.capabilities()
    if plan.probe is not None and plan.probe.digest == report.digest:
        # The plan was made with this probe at hand: objects are cut for as many parts as it saw taken.
        limits = replace(limits, max_parts=overlaid(profile, report).capabilities().max_parts)
    seen = {line.seen.id: line.seen for line in report.lines}
    found = []
    for reliance in relies_on(plan, limits, level=level, part_units=part_units):
        one = seen.get(reliance.check)
        if one is None or one.value is None:
            continue
        if reliance.least is not None:
            failed = one.value < reliance.least
        else:
            failed = compare(one, profile).outcome is Outcome.CONTRADICTS
        if failed:
            found.append(reliance)
    return found


def refuse_broken(
    plan: Plan, report: ProbeReport, profile: Profile, *, level: Level, part_units: int = DEFAULT_PART_UNITS
) -> None:
    """Let a wave begin only where the probe saw nothing broken that it relies on.

    Raises:
        CapabilityMissing: It did; the message names the first promise and how many more there are.
    """
    found = broken(plan, report, profile, level=level, part_units=part_units)
    if not found:
        return
    first = found[0]
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    raise CapabilityMissing(
        f"{report.place}: {first.sentence}{more}, as the probe of {report.probed_at.date()} saw "
        f"({first.check}); the wave relies on it",
        hint=f"{first.hint}; 'havre doctor {report.place} --probe' tries again",
    )
