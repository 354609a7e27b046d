"""Profiles made for a test: only the facts it names, about offers that do not exist."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from providers.profile import Certificate, Fact, Profile
from providers.profile_read import FactValue
from providers.profile_spec import SECTIONS, Status

__all__ = ["a_certificate", "a_fact", "a_profile"]

SOURCE = "https://example.org/made-up"


def a_fact(value: FactValue | None, status: Status = Status.VENDOR, *, date: str = "2026-01-31") -> Fact:
    """A fact; without a value it was looked for and not found."""
    return Fact(value=value, status=Status.NOT_FOUND if value is None else status, source=SOURCE, date=date)


def a_certificate(kind: str, service: str = "Storage", /, **facts: Fact) -> Certificate:
    """A certificate of one service; it is held unless the facts say otherwise."""
    return Certificate(service=service, kind=kind, facts={"held": a_fact(True)} | facts)


def a_profile(
    name: str = "quay",
    facts: Mapping[str, Fact] | None = None,
    *,
    certificates: tuple[Certificate, ...] = (),
    regions: Mapping[str, Fact] | None = None,
    kind: str = "offer",
) -> Profile:
    """A profile with these facts by dotted name, and regions by name with their country."""
    sections: dict[str, Any] = {section: {} for section in SECTIONS}
    for dotted, fact in (facts or {}).items():
        section, _, field = dotted.partition(".")
        sections[section][field] = fact
    return Profile(
        name=name,
        title=f"{name.capitalize()} (made up)",
        protocol="s3",
        origin=f"{name}.toml",
        kind=kind,
        certificates=certificates,
        regions={region: {"country": fact} for region, fact in (regions or {}).items()},
        **sections,
    )
