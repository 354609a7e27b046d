"""A small study of made-up offers that reaches every result."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from providers.gap import Study, load_blueprint, study
from providers.profile_spec import Status
from support.made_profiles import a_certificate, a_fact, a_profile

__all__ = ["BLUEPRINT", "DAY", "made_study"]

BLUEPRINT = Path(__file__).parents[1] / "golden/gap/harbour.toml"
DAY = date(2026, 11, 22)


def made_study() -> Study:
    """Four offers, from one that meets everything to one of which nothing is known."""
    official = {
        "held": a_fact(True, Status.OFFICIAL),
        "version": a_fact("3.2", Status.OFFICIAL),
        "valid_until": a_fact("2027-06-30", Status.OFFICIAL),
    }
    deep = a_profile(
        "deep-water",
        {
            "services.gpu": a_fact("Engines"),
            "services.customer_held_keys": a_fact("Strongroom", Status.OPERATOR),
            "services.bastion": a_fact("Pilot", Status.MEASURED),
        },
        certificates=(a_certificate("secnumcloud", "Berths", **official),),
        regions={"north": a_fact("FR")},
    )
    quay = a_profile(
        "quay",
        {
            "services.gpu": a_fact(False, Status.PRESS),
            "services.object_storage": a_fact("Sheds <dry>"),
            "services.bastion": a_fact(None),
        },
        certificates=(a_certificate("secnumcloud", "Berths", version=a_fact("3.2", Status.PRESS)),),
        regions={"north": a_fact("FR", Status.MEMORY)},
    )
    shoal = a_profile(
        "shoal",
        {
            "services.bastion": a_fact(False),
            "services.customer_held_keys": a_fact(False),
            "services.gpu": a_fact("Oars", Status.PRESS),
        },
        certificates=(a_certificate("secnumcloud", "Berths", held=a_fact(False)),),
        regions={"south": a_fact("DE")},
    )
    return study(load_blueprint(BLUEPRINT), [a_profile("fog"), shoal, quay, deep], as_of=DAY)
