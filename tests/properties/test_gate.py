"""The gate is monotone: whatever gets worse, its verdict never gets better."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from hypothesis import assume, given
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


_STATES = st.dictionaries(
    st.sampled_from(sorted(_FACTS)),
    st.tuples(st.sampled_from((True, True, True, False)), st.sampled_from(_STATUSES)),
)
_NEARLY_ALL = st.builds(
    lambda gone, changed: {
        **{name: (True, Status.OFFICIAL) for name in _FACTS if name not in gone},
        **changed,
    },
    st.sets(st.sampled_from(sorted(_FACTS)), max_size=3),
    st.dictionaries(
        st.sampled_from(sorted(_FACTS)), st.tuples(st.booleans(), st.sampled_from(_STATUSES)), max_size=2
    ),
)
_PLACES = st.one_of(_STATES, _NEARLY_ALL, _NEARLY_ALL)
_CASES = st.builds(
    Case,
    dataset_class=st.sampled_from(DatasetClass),
    there=_PLACES,
    worker=st.one_of(st.none(), _PLACES),
    own=st.booleans(),
    worker_own=st.booleans(),
    worker_country=st.sampled_from((None, "FR", "US")),
    mode=st.sampled_from(("encrypt", "rewrap", "copy", "decrypt")),
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


@given(_CASES, st.sampled_from(sorted(_FACTS)), st.sampled_from(_STATUSES), st.booleans())
def test_an_unfavourable_fact_never_helps(case: Case, name: str, status: Status, at_worker: bool) -> None:
    """A fact that speaks against a place, however known, in addition or in place of another, mends no verdict."""
    assume(_FACTS[name][1] is not None)
    # Taking a certificate's statement away and adding one that it is not held are told apart by other tests.
    assume(
        name.endswith(".held") or not name.startswith(("hds", "secnumcloud")) or _held(case, name, at_worker)
    )
    if at_worker:
        assume(case.worker is not None)
        assert case.worker is not None
        worse = replace(case, worker={**case.worker, name: (False, status)})
    else:
        worse = replace(case, there={**case.there, name: (False, status)})
    assert _weight(worse) >= _weight(case)


def _held(case: Case, name: str, at_worker: bool) -> bool:
    facts = case.worker if at_worker else case.there
    return facts is not None and f"{name.split('.', maxsplit=1)[0]}.held" in facts


@given(_CASES, st.data(), st.booleans())
def test_a_lost_fact_never_helps(case: Case, data: st.DataObject, at_worker: bool) -> None:
    """Taking away a fact that speaks for a place mends no verdict."""
    facts = case.worker if at_worker else case.there
    names = sorted(name for name, (speaks_for, _) in (facts or {}).items() if speaks_for)
    assume(facts is not None and names)
    assert facts is not None
    name = data.draw(st.sampled_from(names))
    field = "worker" if at_worker else "there"
    worse = replace(case, **{field: _without(facts, name)})
    if name.endswith(".held"):
        # With the statement goes the whole certificate, also what spoke against it: never to no objection.
        assert _weight(case) == 0 or _weight(worse) > 0
    else:
        assert _weight(worse) >= _weight(case)


@given(_CASES, st.data(), st.booleans())
def test_a_lower_status_never_helps(case: Case, data: st.DataObject, at_worker: bool) -> None:
    """A fact that is known less well, whatever it says, mends no verdict."""
    facts = case.worker if at_worker else case.there
    assume(facts)
    assert facts is not None
    name = data.draw(st.sampled_from(sorted(facts)))
    speaks_for, status = facts[name]
    lower = data.draw(st.sampled_from([one for one in _STATUSES if one.rank >= status.rank]))
    field = "worker" if at_worker else "there"
    worse = replace(case, **{field: {**facts, name: (speaks_for, lower)}})
    assert _weight(worse) >= _weight(case)


@given(_CASES)
def test_a_day_past_expiry_never_helps(case: Case) -> None:
    """On a day after every certificate ended the verdict is no better than today's."""
    early = {f"{kind}.valid_from" for kind in ("hds", "secnumcloud")}
    # A certificate that has yet to begin would begin on the way: that is another change.
    there = {name: known for name, known in case.there.items() if name not in early}
    case = replace(case, there=there)
    assert _weight(replace(case, at=_AFTER)) >= _weight(case)


@given(_CASES, st.sampled_from(("mode", "own", "worker", "worker_own", "country", "abroad")))
def test_a_worse_way_never_helps(case: Case, change: str) -> None:
    """Losing the seal, the premises or the worker's declaration mends no verdict."""
    worse = {
        "mode": replace(case, mode="copy" if case.mode in {"encrypt", "rewrap"} else "decrypt"),
        "own": replace(case, own=False),
        "worker": replace(case, worker=None) if case.worker_country == "FR" and not case.worker else case,
        "worker_own": replace(case, worker_own=False),
        "country": replace(case, worker_country=None) if case.worker_country == "FR" else case,
        "abroad": replace(case, worker_country="US"),
    }[change]
    assert _weight(worse) >= _weight(case)
