"""Saved probes for the verbs: where they lie, and how they reach a plan, a run and an opener."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from migrator.engine.probes import OLD_DAYS, ProbeShelf, age_days, broken, quote, refuse_broken
from providers.location import Location
from providers.probe.overlay import overlaid
from providers.profile import load_profile

if TYPE_CHECKING:
    from migrator.core.modes import Level
    from migrator.core.plan import Plan
    from migrator.engine.planner import PlanResult
    from migrator.engine.settings import Settings
    from providers.probe.report import ProbeReport
    from providers.profile import Profile
    from providers.sites import Sites

__all__ = ["declared_profile", "endpoint_of", "probe_of", "quoted", "refuse", "shelf_of", "with_probe"]


def shelf_of(sites: Sites) -> ProbeShelf:
    """``probes/`` beside ``havre.toml``; without such a file in the user's own state folder."""
    if sites.origin is not None:
        return ProbeShelf(sites.origin.resolve().parent / "probes")
    state = os.environ.get("XDG_STATE_HOME")
    base = Path(state) if state else Path.home() / ".local" / "state"
    return ProbeShelf(base / "havre" / "probes")


def declared_profile(sites: Sites, location: Location) -> Profile:
    """What is declared of the store behind a location."""
    return load_profile("filesystem") if location.site is None else sites.site(location.site).profile


def endpoint_of(sites: Sites, location: Location) -> str:
    """The endpoint of a location's site, or ""."""
    return "" if location.site is None else sites.site(location.site).endpoint


def probe_of(sites: Sites, text: str) -> ProbeReport | None:
    """The newest saved probe of a location's bucket, if there is one.

    Raises:
        ConfigInvalid: The file is no report, or was changed.
    """
    location = Location.parse(text)
    return shelf_of(sites).load(location, endpoint_of(sites, location))


def with_probe(sites: Sites, location: Location) -> Sites:
    """The configuration with this location's site as its bucket was seen to be."""
    report = None if location.site is None else probe_of(sites, str(location))
    if report is None or location.site is None:
        return sites
    site = sites.site(location.site)
    seen = replace(site, profile=overlaid(site.profile, report))
    return replace(sites, by_name=MappingProxyType({**sites.by_name, location.site: seen}))


def refuse(sites: Sites, plan: Plan, settings: Settings) -> None:
    """End a wave before it begins where a probe saw broken what it relies on.

    Raises:
        CapabilityMissing: It did.
    """
    report = probe_of(sites, plan.target)
    if report is not None:
        profile = declared_profile(sites, Location.parse(plan.target))
        refuse_broken(plan, report, profile, level=settings.verify, part_units=settings.part_units)


def quoted(
    sites: Sites, result: PlanResult, *, level: Level
) -> tuple[PlanResult, dict[str, Any] | None, str]:
    """A plan that quotes the newest probe of its target.

    Returns:
        The plan with the quotation and a warning for each promise that was seen broken; what JSON says of the
        probe; and what the operator should do about it, or "".
    """
    report = probe_of(sites, result.plan.target)
    location = Location.parse(result.plan.target)
    if report is None:
        do = f"try what this target does with its data first: havre doctor {location.place} --probe"
        return result, None, "" if location.is_local else do
    plan = replace(result.plan, probe=quote(report))
    found = broken(plan, report, declared_profile(sites, location), level=level)
    warnings = [
        f"{one.sentence}, as the probe of {report.probed_at.date()} saw ({one.check}); 'migrate' will refuse"
        for one in found
    ]
    age = age_days(report, datetime.now(UTC))
    told = {
        "probed_at": report.probed_at,
        "digest": report.digest,
        "age_days": age,
        "broken": [one.check for one in found],
    }
    do = (
        ""
        if age <= OLD_DAYS
        else f"the probe is {age} days old; renew it: havre doctor {location.place} --probe"
    )
    return replace(result, plan=plan, warnings=(*result.warnings, *warnings)), told, do
