"""The gate's verdicts on made-up facts: each can be reached, and only what is established counts."""

import json
import re
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from migrator.cli.gate_wording import gate_lines
from providers.gate import Answer, Consequence, Outcome, Place, Reason, Verdict, evaluate, load_rules
from providers.profile import Certificate, Profile, list_profiles, load_profile
from providers.profile_read import Fact
from providers.profile_spec import Status
from support.gates import DAY, HOME, asked, demo_place, verdict

LOCAL = Place(name="/archive", profile=load_profile("filesystem"), own=True)
CLASSES = ("snds", "eds", "pseudonymised", "anonymous")


def reason(found: Verdict, rule: str) -> Reason:
    return next(one for one in found.reasons if one.rule == rule)


def changed(place: Place, kind: str, **facts: Fact | None) -> Place:
    """The place with other facts of its certificate; None takes one away."""
    assert place.profile is not None
    certificates = []
    for held in place.profile.certificates:
        mine = held.kind == kind and held.service == place.service
        kept = {**held.facts, **facts} if mine else held.facts
        certificates.append(
            Certificate(
                service=held.service, kind=held.kind, facts={name: one for name, one in kept.items() if one}
            )
        )
    return replace(place, profile=replace(place.profile, certificates=tuple(certificates)))


def fact(value: Any, status: str = "official") -> Fact:
    return Fact(value=value, status=Status(status), source="made up", date="2026-11-01")


@pytest.mark.parametrize(
    ("dataset_class", "profile", "outcome"),
    [
        ("snds", "seaweedfs", "no-objection"),
        ("eds", "seaweedfs", "no-objection"),
        ("pseudonymised", "seaweedfs", "no-objection"),
        ("anonymous", "seaweedfs", "no-objection"),
        ("snds", "minio", "refused"),
        ("eds", "minio", "conditions"),
        ("pseudonymised", "minio", "no-objection"),
        ("snds", "generic-s3", "refused"),
        ("eds", "generic-s3", "refused"),
        ("pseudonymised", "generic-s3", "conditions"),
        ("anonymous", "generic-s3", "no-objection"),
    ],
)
def test_the_demonstration_reaches_every_verdict(dataset_class: str, profile: str, outcome: str) -> None:
    """The facts file of the demonstration leads to each verdict, as its comment says."""
    found = verdict(dataset_class, demo_place(profile))
    assert found.outcome == outcome
    assert all(
        fact.source.startswith("fictitious: ") for one in found.reasons for fact in one.facts if fact.document
    )


def test_without_rules_nothing_is_evaluated() -> None:
    """Where no rule was asked the verdict says so, and is no objection's absence."""
    found = evaluate(asked("snds", demo_place("seaweedfs")), (), at=DAY)
    assert found.outcome is Outcome.NOT_EVALUATED


@pytest.mark.parametrize("profile", list_profiles())
@pytest.mark.parametrize("dataset_class", ["snds", "eds"])
def test_public_facts_alone_establish_no_qualification(profile: str, dataset_class: str) -> None:
    """No profile as shipped lets guarded data go to somebody else's place: that takes a document in hand."""
    shipped = load_profile(profile)
    service = shipped.services.get("object_storage")
    place = Place(
        name="x:y",
        profile=shipped,
        region=next(iter(shipped.regions), None),
        service=None if service is None or not isinstance(service.value, str) else service.value,
    )
    assert verdict(dataset_class, place).outcome is Outcome.REFUSED


@pytest.mark.parametrize(
    ("dataset_class", "outcome"),
    [
        ("snds", "conditions"),
        ("eds", "conditions"),
        ("pseudonymised", "no-objection"),
        ("anonymous", "no-objection"),
    ],
)
def test_own_premises_need_no_certificate(dataset_class: str, outcome: str) -> None:
    """A directory is the operator's own: what HDS and SecNumCloud ask of hosts becomes conditions, with the source."""
    found = verdict(dataset_class, LOCAL)
    assert found.outcome == outcome
    if dataset_class == "eds":
        own = reason(found, "eds-hds")
        assert own.consequence is Consequence.CONDITION
        assert "needs no HDS certificate" in own.text["en"]
        assert any("esante.gouv.fr" in source for source in own.sources)


def test_hds_and_secnumcloud_are_asked_separately() -> None:
    """A service that holds one of the two is refused for the other, and the answer says which."""
    without = changed(demo_place("seaweedfs"), "secnumcloud", held=fact(False, "press"))
    found = verdict("snds", without)
    assert reason(found, "snds-secnumcloud").answer is Answer.CONTRADICTED
    assert reason(found, "snds-hds").answer is Answer.ESTABLISHED
    assert found.outcome is Outcome.REFUSED
    assert verdict("eds", without).outcome is Outcome.NO_OBJECTION


@pytest.mark.parametrize("service", [None, "Another store", "Demonstration"])
def test_a_qualification_belongs_to_a_service(service: str | None) -> None:
    """What another service of the same host holds does not count, and is quoted all the same."""
    found = verdict("snds", demo_place("seaweedfs", service=service))
    one = reason(found, "snds-secnumcloud")
    assert one.answer is Answer.NOT_ESTABLISHED
    assert one.consequence is Consequence.REFUSED
    assert [fact.value for fact in one.facts if "Demonstration store" in fact.name] == [True]


@pytest.mark.parametrize("status", ["measured", "vendor", "press", "memory"])
@pytest.mark.parametrize("name", ["held", "valid_until", "version"])
def test_only_texts_and_documents_establish_a_qualification(status: str, name: str) -> None:
    """What the vendor or the press says of a certificate does not establish it."""
    place = demo_place("seaweedfs")
    assert place.profile is not None
    (held,) = place.profile.certificate("secnumcloud", place.service)
    weak = replace(held.facts[name], status=Status(status))
    one = reason(verdict("snds", changed(place, "secnumcloud", **{name: weak})), "snds-secnumcloud")
    assert one.answer is Answer.NOT_ESTABLISHED
    assert [gap.code for gap in one.gaps] == ["weak"]


@pytest.mark.parametrize(
    ("facts", "at", "gap"),
    [
        ({"valid_until": None}, DAY, "missing"),
        ({"valid_until": fact("2026-11-21")}, DAY, "expired"),
        ({}, date(2035, 3, 1), "expired"),
        ({"valid_from": fact("2026-11-23")}, DAY, "early"),
        ({"version": fact("3.1")}, DAY, "older"),
        ({"version": fact("renewed")}, DAY, "older"),
        ({"version": None}, DAY, "missing"),
    ],
)
def test_what_ran_out_or_is_older_is_not_established(
    facts: dict[str, Fact | None], at: date, gap: str
) -> None:
    """Dates and version are held to the day that is asked for; the last day still counts."""
    one = reason(
        verdict("snds", changed(demo_place("seaweedfs"), "secnumcloud", **facts), at=at), "snds-secnumcloud"
    )
    assert one.consequence is Consequence.REFUSED
    assert gap in [found.code for found in one.gaps]
    last = verdict("snds", demo_place("seaweedfs"), at=date(2035, 1, 14))
    assert last.outcome is Outcome.NO_OBJECTION


@pytest.mark.parametrize("version", ["3.2", "3.2 (2022)", "3.10", "4"])
def test_versions_are_compared_as_numbers(version: str) -> None:
    """3.10 is newer than 3.2, and what follows the number does not matter."""
    place = changed(demo_place("seaweedfs"), "secnumcloud", version=fact(version))
    assert verdict("snds", place).outcome is Outcome.NO_OBJECTION


def test_activities_and_regions_are_looked_at() -> None:
    """A certificate that leaves out an activity asks for a condition, one that leaves out the region is refused."""
    place = demo_place("seaweedfs")
    some = verdict("eds", changed(place, "hds", activities=fact((1, 2))))
    assert some.outcome is Outcome.CONDITIONS
    assert [gap.value for gap in reason(some, "hds-activities").gaps] == ["3"]
    elsewhere = verdict("eds", changed(place, "hds", regions=fact(("demo-brest",))))
    assert reason(elsewhere, "hds-region").answer is Answer.CONTRADICTED
    assert elsewhere.outcome is Outcome.REFUSED


def test_what_a_certificate_is_bound_to_is_told() -> None:
    """Options that a certificate depends on become a condition that names them."""
    one = reason(verdict("eds", demo_place("minio")), "hds-strings")
    assert one.consequence is Consequence.CONDITION
    assert [gap.text() for gap in one.gaps] == ["it is bound to: option 'health data' ordered for the bucket"]


def test_control_from_outside_the_union_refuses_the_main_base() -> None:
    """However it is known, control or a seat outside the Union stands against SNDS data, even beside a qualification."""
    place = demo_place("seaweedfs")
    assert place.profile is not None
    for name, value in (("non_eu_control", True), ("hq_country", "US")):
        law = {**place.profile.law, name: fact(value, "memory")}
        outside = replace(place, profile=replace(place.profile, law=law))
        one = reason(verdict("snds", outside), "snds-eu-law")
        assert (one.answer, one.consequence) == (Answer.CONTRADICTED, Consequence.REFUSED)
        assert verdict("eds", outside).outcome is Outcome.CONDITIONS


@pytest.mark.parametrize(
    ("mode", "snds", "eds", "pseudonymised"),
    [
        ("encrypt", "no-objection", "no-objection", "no-objection"),
        ("rewrap", "no-objection", "no-objection", "no-objection"),
        ("copy", "refused", "conditions", "conditions"),
        ("decrypt", "refused", "conditions", "conditions"),
    ],
)
def test_who_holds_the_keys_matters(mode: str, snds: str, eds: str, pseudonymised: str) -> None:
    """Only the modes that seal for the owner's keys need no further word."""
    place = demo_place("seaweedfs")
    found = [verdict(one, place, mode=mode).outcome for one in ("snds", "eds", "pseudonymised")]
    assert found == [snds, eds, pseudonymised]


@pytest.mark.parametrize(
    ("worker", "snds", "eds", "pseudonymised"),
    [
        (None, "conditions", "conditions", "conditions"),
        (HOME, "no-objection", "no-objection", "no-objection"),
        (replace(HOME, country=None), "conditions", "conditions", "conditions"),
        (replace(HOME, country="US"), "refused", "refused", "conditions"),
        (demo_place("seaweedfs", name="worker"), "no-objection", "no-objection", "no-objection"),
        (demo_place("generic-s3", name="worker"), "refused", "refused", "conditions"),
        (demo_place("generic-s3", name="worker", country="FR"), "refused", "refused", "conditions"),
    ],
    ids=["undeclared", "home", "nowhere", "overseas", "hosted", "hosted overseas", "said to be here"],
)
def test_where_the_worker_runs_is_part_of_the_question(
    worker: Place | None, snds: str, eds: str, pseudonymised: str
) -> None:
    """Plain data passes through the worker's memory, so its place is asked for; a declaration beats no fact."""
    place = demo_place("seaweedfs")
    found = [verdict(one, place, worker=worker).outcome for one in ("snds", "eds", "pseudonymised")]
    assert found == [snds, eds, pseudonymised]


def test_a_verdict_is_canonical_json() -> None:
    """A verdict has one JSON form, its digests cover rules and facts, and the same question gives the same."""
    place = demo_place("seaweedfs")
    one, again = verdict("snds", place), verdict("snds", place)
    assert one.to_dict() == again.to_dict() == json.loads(json.dumps(one.to_dict()))
    other = verdict("snds", changed(place, "hds", attestation=fact("DEMO-0009")))
    assert other.rules_digest == one.rules_digest
    assert other.facts_digest != one.facts_digest
    assert verdict("eds", place).rules_digest != one.rules_digest


@pytest.mark.parametrize("language", ["en", "fr"])
@pytest.mark.parametrize("dataset_class", CLASSES)
@pytest.mark.parametrize("profile", ["seaweedfs", "minio", "generic-s3"])
def test_no_output_judges_in_its_own_words(profile: str, dataset_class: str, language: str) -> None:
    """Every output has day and caveat, and calls nothing compliant, certified or legal outside a quotation."""
    text = "\n".join(gate_lines(verdict(dataset_class, demo_place(profile)), language))
    caveat = {"en": "on facts as of 2026-11-22; not legal advice", "fr": "d'après les faits au 2026-11-22"}
    assert caveat[language] in text
    own_words = re.sub(r"“[^”]*”|not legal advice|https?://\S+", "", text)
    assert re.search(r"complian|certified|\blegal|certifié|conform|\bléga", own_words, re.IGNORECASE) is None


def test_lines_lead_from_the_verdict_to_the_facts() -> None:
    """A reader meets the verdict, then the reasons, then each fact with its status and date."""
    lines = gate_lines(verdict("eds", demo_place("minio")))
    assert lines[0].startswith("verdict    conditions, on facts as of")
    order = [lines.index(head) for head in ("Reasons", "What follows", "Facts, as quoted from their sources")]
    assert order == sorted(order)
    facts = "\n".join(lines[order[2] :])
    assert "hds of Demonstration quay: valid_until: “2035-01-14”" in facts
    assert "operator, 2026-09-14; fictitious: " in facts


def test_the_profiles_facts_stay_as_they_are() -> None:
    """Judging changes nothing: the same profile object answers again."""
    place = demo_place("seaweedfs")
    before: Profile | None = place.profile
    evaluate(asked("snds", place), load_rules(), at=DAY)
    assert place.profile is before
