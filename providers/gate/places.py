"""From a configuration to the places that a question speaks of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from providers.declarations import Declared
from providers.errors import ConfigInvalid
from providers.gate.terms import Place
from providers.location import Location
from providers.profile import Profile, load_profile

if TYPE_CHECKING:
    from providers.facts_overlay import Overlay
    from providers.sites import Sites

__all__ = ["destination_place", "worker_place"]

_LOCAL: str = "filesystem"


def destination_place(text: str, sites: Sites, overlay: Overlay | None = None) -> Place:
    """The place that a location names.

    A directory of this machine is the operator's own; a site is what its profile says, its ``[sites.NAME.gate]``
    says which region and service of it, or that the operator runs it on own premises.

    Args:
        text: The location.
        sites: The configuration; the profiles of its sites carry the operator's facts files.
        overlay: Further facts of the operator.

    Raises:
        ConfigInvalid: No such site, or premises called own at a host that others answer for.
    """
    location = Location.parse(text)
    if location.site is None:
        return Place(
            name=text, profile=load_profile(_LOCAL), own=True, declared_in="a directory of this machine"
        )
    site = sites.site(location.site)
    profile = site.profile if overlay is None else site.profile.overlaid(overlay)
    declared = site.gate or Declared(declared_in=f"[sites.{site.name}]")
    region = declared.region or site.region or (site.swift.region if site.swift is not None else None)
    own = declared.own or profile.protocol == _LOCAL
    place = _place(text, profile, declared, own=own)
    return replace(place, region=region or None, service=declared.service or _service(profile))


def worker_place(sites: Sites, overlay: Overlay | None = None) -> Place | None:
    """Where the migrator runs, as ``[worker]`` declares; None if it does not.

    Raises:
        ConfigInvalid: It names a profile that does not exist.
    """
    declared = sites.worker
    if declared is None:
        return None
    profile = None
    if declared.provider is not None:
        profile = _profile(declared.provider, sites).overlaid(sites.overlay)
        profile = profile if overlay is None else profile.overlaid(overlay)
    return _place("worker", profile, declared, own=declared.own)


def _place(name: str, profile: Profile | None, declared: Declared, *, own: bool) -> Place:
    if own and profile is not None and (entity := profile.law.get("entity")) and entity.value is not None:
        raise ConfigInvalid(
            f"{declared.declared_in}: these are the premises of {entity.value}, not your own",
            hint="leave 'premises' out, or use the profile of the software that you run",
        )
    return Place(
        name=name,
        profile=profile,
        region=declared.region,
        service=declared.service,
        own=own,
        country=declared.country,
        operator=declared.operator,
        declared_in=declared.declared_in,
    )


def _service(profile: Profile | None) -> str | None:
    """The object store's name in its vendor's words, where the profile has it."""
    fact = None if profile is None else profile.services.get("object_storage")
    return fact.value if fact is not None and isinstance(fact.value, str) else None


def _profile(name: str, sites: Sites) -> Profile:
    if "/" in name or name.endswith(".toml"):
        base = Path() if sites.origin is None else sites.origin.parent
        return load_profile(base / name)
    return load_profile(name)
