"""The gate is monotone: whatever gets worse, its verdict never gets better."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from providers.gate import DatasetClass, Outcome, Place, Question, evaluate, load_rules
from providers.profile import Certificate, load_profile
from providers.profile_read import Fact
from providers.profile_spec import Status

_DAY, _AFTER = date(2026, 11, 22), date(2036, 1, 1)
_BASE = load_profile("generic-s3")
_CERTIFICATE = {
    "held": (True, False),
    "valid_until": ("2030-06-30", "2020-01-01"),
    "valid_from": ("2026-01-01", "2026-12-24"),
    "version": ("3.2", "3.1"),
    "activities": ((1, 2, 3), (1, 2)),
    "attestation": ("N-1", None),
    "regions": (("here",), ("there",)),
    "conditions": (None, ("an option",)),
}
_FACTS: Mapping[str, tuple[Any, Any]] = {
    "law.non_eu_control": (False, True),
    "law.hq_country": ("FR", "US"),
    "regions.country": ("FR", "US"),
    "regions.hds": (True, False),
    "regions.secnumcloud": (True, False),
    **{f"{kind}.{name}": values for kind in ("hds", "secnumcloud") for name, values in _CERTIFICATE.items()},
}
"""Dotted name → the value that speaks for a place and the one that speaks against it; None where there is none."""
_STATUSES = tuple(sorted(set(Status) - {Status.NOT_FOUND}, key=lambda status: status.rank))
_WEIGHTS = {Outcome.NO_OBJECTION: 0, Outcome.CONDITIONS: 1, Outcome.REFUSED: 2}

Known = tuple[bool, Status]
"""Whether a fact speaks for the place, and how well it is known."""

_MANY = settings(max_examples=40, deadline=None)


@dataclass(frozen=True)
class Case:
    dataset_class: DatasetClass
    there: Mapping[str, Known]
    worker: Mapping[str, Known] | None
    own: bool
    worker_own: bool
    worker_country: str | None
    mode: str
    at: date


_NAMES = st.sampled_from(sorted(_FACTS))
_KNOWN = st.tuples(st.booleans(), st.sampled_from(_STATUSES))
_FINE: Mapping[str, Known] = {
    name: (True, Status.OFFICIAL) for name, (good, _) in _FACTS.items() if good is not None
}
"""A place that nothing speaks against: most verdicts are told apart close to it."""
_NEAR = st.builds(
    lambda gone, changed: {
        **{name: known for name, known in _FINE.items() if name not in gone},
        **changed,
    },
    st.sets(_NAMES, max_size=1),
    st.dictionaries(_NAMES, _KNOWN, max_size=1),
)
_PLACES = st.one_of(st.just(_FINE), _NEAR, _NEAR, st.dictionaries(_NAMES, _KNOWN))
_CASES = st.builds(
    Case,
    dataset_class=st.sampled_from(("snds", "snds", "eds", "eds", "pseudonymised", "anonymous")).map(
        DatasetClass
    ),
    there=_PLACES,
    worker=st.one_of(st.just(_FINE), _PLACES, st.none()),
    own=st.booleans(),
    worker_own=st.booleans(),
    worker_country=st.sampled_from((None, "FR", "FR", "US")),
    mode=st.sampled_from(("encrypt", "encrypt", "rewrap", "copy", "decrypt")),
    at=st.just(_DAY),
)


def _place(name: str, facts: Mapping[str, Known], *, own: bool = False, country: str | None = None) -> Place:
    sections: dict[str, dict[str, Fact]] = {"law": {}, "regions": {}, "hds": {}, "secnumcloud": {}}
    for dotted, (speaks_for, status) in facts.items():
        value = _FACTS[dotted][0 if speaks_for else 1]
        if value is not None:
            section, field = dotted.split(".")
            sections[section][field] = Fact(value=value, status=status, source="made up", date="2026-11-01")
    certificates = tuple(
        Certificate(service="store", kind=kind, facts=sections[kind])
        for kind in ("hds", "secnumcloud")
        if "held" in sections[kind]
    )
    profile = replace(
        _BASE, law=sections["law"], regions={"here": sections["regions"]}, certificates=certificates
    )
    return Place(name=name, profile=profile, region="here", service="store", own=own, country=country)


def _weight(case: Case) -> int:
    worker = None
    if case.worker is not None:
        worker = _place("worker", case.worker, own=case.worker_own, country=case.worker_country)
    question = Question(
        dataset_class=case.dataset_class,
        destination=_place("there", case.there, own=case.own),
        mode=case.mode,
        worker=worker,
    )
    return _WEIGHTS[evaluate(question, load_rules(), at=case.at).outcome]


def _without(facts: Mapping[str, Known], name: str) -> dict[str, Known]:
    return {other: known for other, known in facts.items() if other != name}


def _facts(case: Case, side: str) -> Mapping[str, Known]:
    """What is known of the destination (``there``) or of the worker."""
    return getattr(case, side) or {}


def _with(case: Case, side: str, facts: Mapping[str, Known]) -> Case:
    return replace(case, **{side: facts})


def _sides(case: Case) -> tuple[str, ...]:
    return ("there",) if case.worker is None else ("there", "worker")


@_MANY
@given(_CASES, st.sampled_from(_STATUSES))
def test_an_unfavourable_fact_never_helps(case: Case, status: Status) -> None:
    """A fact that speaks against a place, however known, in addition or in place of another, mends no verdict."""
    before = _weight(case)
    for side in _sides(case):
        for name, (_, bad) in _FACTS.items():
            kind, _, field = name.partition(".")
            # What speaks of a certificate that is not stated at all belongs to none.
            stated = f"{kind}.held" in _facts(case, side) or kind in {"law", "regions"} or field == "held"
            if bad is not None and stated:
                worse = _with(case, side, {**_facts(case, side), name: (False, status)})
                assert _weight(worse) >= before, name


@_MANY
@given(_CASES)
def test_a_lost_fact_never_helps(case: Case) -> None:
    """Taking away a fact that speaks for a place mends no verdict."""
    before = _weight(case)
    for side in _sides(case):
        facts = _facts(case, side)
        for lost in [name for name, (speaks_for, _) in facts.items() if speaks_for]:
            worse = _with(case, side, {name: known for name, known in facts.items() if name != lost})
            if lost.endswith(".held"):
                # With the statement goes the whole certificate, also what spoke against it: never to no objection.
                assert before == 0 or _weight(worse) > 0, lost
            else:
                assert _weight(worse) >= before, lost


@_MANY
@given(_CASES, st.tuples(st.sampled_from(_STATUSES), st.sampled_from(_STATUSES)), st.booleans())
def test_a_lower_status_never_helps(case: Case, statuses: tuple[Status, Status], speaks_for: bool) -> None:
    """A fact that is known less well, whatever it says, mends no verdict."""
    better, worse = sorted(statuses, key=lambda status: status.rank)
    for side in _sides(case):
        facts = _facts(case, side)
        for name in _FACTS:
            high, low = (_with(case, side, {**facts, name: (speaks_for, known)}) for known in (better, worse))
            assert _weight(low) >= _weight(high), name


@_MANY
@given(_CASES)
def test_a_day_past_expiry_never_helps(case: Case) -> None:
    """On a day after every certificate ended the verdict is no better than today's."""
    early = {f"{kind}.valid_from" for kind in ("hds", "secnumcloud")}
    # A certificate that has yet to begin would begin on the way: that is another change.
    case = _with(case, "there", {name: known for name, known in case.there.items() if name not in early})
    assert _weight(replace(case, at=_AFTER)) >= _weight(case)


@_MANY
@given(_CASES)
def test_a_worse_way_never_helps(case: Case) -> None:
    """Losing the seal, the premises or the worker's declaration mends no verdict."""
    before = _weight(case)
    worse = {
        "mode": replace(case, mode="copy" if case.mode in {"encrypt", "rewrap"} else "decrypt"),
        "own": replace(case, own=False),
        "worker's premises": replace(case, worker_own=False),
        "abroad": replace(case, worker_country="US"),
    }
    if case.worker_country == "FR":
        worse["country"] = replace(case, worker_country=None)
    for change, other in worse.items():
        assert _weight(other) >= before, change
