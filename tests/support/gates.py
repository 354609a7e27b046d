"""Questions for the gate: the demonstration's facts, and a derogation's keys."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from providers.facts_overlay import read_overlay
from providers.gate import DatasetClass, Derogation, Place, Question, Verdict, evaluate, load_rules
from providers.profile import load_profile

__all__ = ["DAY", "DEMO", "HOME", "asked", "demo_place", "derogation", "officer", "verdict"]

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "providers/examples/gate-demo.toml"
"""The facts file, marked fictitious, with which every verdict can be reached."""
DAY = date(2026, 11, 22)
HOME = Place(name="worker", own=True, country="FR", operator="the hospital")
"""A worker on the controller's own premises in France."""
_SERVICES = {
    "seaweedfs": "Demonstration store",
    "minio": "Demonstration quay",
    "generic-s3": "Overseas store",
}


def demo_place(profile: str, **changes: Any) -> Place:
    """A place of the demonstration: ``seaweedfs`` is fine, ``minio`` has conditions, ``generic-s3`` is outside."""
    found = load_profile(profile).overlaid(read_overlay(DEMO))
    place = Place(name="there:data", profile=found, region="demo-nantes", service=_SERVICES[profile])
    return replace(place, **changes)


def asked(dataset_class: str, place: Place, **changes: Any) -> Question:
    """A question about a class of data and a place, from a worker at home."""
    return replace(
        Question(dataset_class=DatasetClass(dataset_class), destination=place, worker=HOME), **changes
    )


def verdict(dataset_class: str, place: Place, *, at: date = DAY, **changes: Any) -> Verdict:
    """What the gate's own rules say."""
    return evaluate(asked(dataset_class, place, **changes), load_rules(), at=at)


def officer(seed: int = 1) -> Ed25519PrivateKey:
    """A key that is the same in every run."""
    return Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)


def derogation(**changes: Any) -> Derogation:
    """A derogation for eds data to there:data, for November 2026."""
    return replace(
        Derogation(
            destination="there:data",
            dataset_class="eds",
            rules=("eds-hds",),
            reason="certificate under way",
            by="A. Martin, data protection officer",
            valid_from=date(2026, 11, 1),
            valid_until=date(2026, 11, 30),
        ),
        **changes,
    )
