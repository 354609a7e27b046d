"""Questions to a profile: three answers, the facts they rest on, and how firmly."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from providers.errors import ConfigInvalid
from providers.gap.answer import Answer, Verdict, ask
from providers.gap.query import parse_query
from providers.profile import Profile
from providers.profile_spec import Status
from support.made_profiles import a_certificate, a_fact, a_profile

DAY = date(2026, 11, 22)
KMS = {"fact": "services.kms"}
HSM = {"fact": "services.hsm"}


def put(query: dict[str, Any], profile: Profile, day: date = DAY) -> Answer:
    return ask(parse_query("test", query), profile, day)


@pytest.mark.parametrize(
    ("value", "verdict"),
    [("Key Manager", Verdict.YES), (True, Verdict.YES), (False, Verdict.NO), (None, Verdict.UNKNOWN)],
)
def test_a_name_says_yes_and_false_says_no(value, verdict):
    """A product's name answers yes, false answers no, and what was not found answers nothing."""
    assert put(KMS, a_profile(facts={"services.kms": a_fact(value)})).verdict is verdict


def test_an_absent_fact_is_unknown_and_is_named():
    """What the profile does not speak of is unknown, and the answer says which fact was asked for."""
    answer = put(KMS, a_profile())
    assert (answer.verdict, answer.grade, answer.established) == (Verdict.UNKNOWN, None, False)
    assert [(quote.name, quote.fact) for quote in answer.quotes] == [("services.kms", None)]


@pytest.mark.parametrize(
    ("status", "established"),
    [
        (Status.OFFICIAL, True),
        (Status.OPERATOR, True),
        (Status.MEASURED, True),
        (Status.VENDOR, True),
        (Status.PRESS, False),
        (Status.MEMORY, False),
    ],
)
def test_an_answer_is_graded_by_its_fact(status, established):
    """An answer carries the status of its fact, and press and memory establish nothing."""
    answer = put(KMS, a_profile(facts={"services.kms": a_fact("Keys", status)}))
    assert (answer.grade, answer.established) == (status, established)


def test_a_fact_can_be_asked_for_its_value():
    """With 'is' or 'in' only these values say yes."""
    profile = a_profile(facts={"law.non_eu_control": a_fact(False), "keys.custody": a_fact("provider")})
    assert put({"fact": "law.non_eu_control", "is": False}, profile).verdict is Verdict.YES
    assert put({"fact": "law.non_eu_control", "is": True}, profile).verdict is Verdict.NO
    assert put({"fact": "keys.custody", "in": ["customer", "either"]}, profile).verdict is Verdict.NO


def test_any_is_yes_with_one_and_rests_on_the_strongest():
    """One yes is enough; the answer is as firm as its firmest part, and quotes what says yes."""
    profile = a_profile(facts={"services.kms": a_fact("Keys", Status.PRESS), "services.hsm": a_fact("Box")})
    answer = put({"any": [KMS, HSM]}, profile)
    assert (answer.verdict, answer.grade, answer.established) == (Verdict.YES, Status.VENDOR, True)
    assert {quote.name for quote in answer.quotes} == {"services.kms", "services.hsm"}


def test_any_is_unknown_while_one_part_is():
    """A no beside a part that is not known is not yet a no."""
    profile = a_profile(facts={"services.kms": a_fact(False)})
    assert put({"any": [KMS, HSM]}, profile).verdict is Verdict.UNKNOWN
    both = a_profile(facts={"services.kms": a_fact(False), "services.hsm": a_fact(False, Status.PRESS)})
    assert (put({"any": [KMS, HSM]}, both).verdict, put({"any": [KMS, HSM]}, both).grade) == (
        Verdict.NO,
        Status.PRESS,
    )


def test_all_rests_on_the_weakest():
    """All parts have to say yes; the answer is as weak as the weakest, and one no is a no."""
    profile = a_profile(facts={"services.kms": a_fact("Keys", Status.PRESS), "services.hsm": a_fact("Box")})
    answer = put({"all": [KMS, HSM]}, profile)
    assert (answer.verdict, answer.grade, answer.established) == (Verdict.YES, Status.PRESS, False)
    no = a_profile(facts={"services.hsm": a_fact(False)})
    assert put({"all": [KMS, HSM]}, no).verdict is Verdict.NO
    half = a_profile(facts={"services.hsm": a_fact("Box")})
    assert put({"all": [KMS, HSM]}, half).verdict is Verdict.UNKNOWN


def test_prefer_takes_the_first_part_that_knows():
    """A no of the first part is not overruled by the second; where the first is silent, the second speaks."""
    query = {"prefer": [{"fact": "services.second_site"}, {"regions": "FR", "at_least": 2}]}
    regions = {"a": a_fact("FR"), "b": a_fact("FR")}
    assert put(query, a_profile(regions=regions)).verdict is Verdict.YES
    denied = a_profile(facts={"services.second_site": a_fact(False)}, regions=regions)
    assert put(query, denied).verdict is Verdict.NO
    assert put(query, a_profile()).verdict is Verdict.UNKNOWN


def test_too_few_regions_are_unknown_not_no():
    """A profile lists the regions it knows of, and never says that there are no others."""
    query = {"regions": "FR", "at_least": 2}
    answer = put(query, a_profile(regions={"a": a_fact("FR"), "b": a_fact("DE")}))
    assert answer.verdict is Verdict.UNKNOWN
    assert {quote.name for quote in answer.quotes} == {"regions.a.country", "regions.b.country"}


def test_regions_rest_on_as_many_as_are_needed():
    """The best-known regions carry the answer; further ones that are only remembered do not weaken it."""
    regions = {"a": a_fact("FR", Status.MEMORY), "b": a_fact("FR"), "c": a_fact("FR", Status.PRESS)}
    profile = a_profile(regions=regions)
    assert put({"regions": "FR"}, profile).grade is Status.VENDOR
    assert put({"regions": "FR", "at_least": 2}, profile).grade is Status.PRESS


QUALIFIED = {"certificate": "secnumcloud", "version": "3.2"}
HOSTING = {"certificate": "hds", "activities": [1, 2]}


def official(value: Any) -> Any:
    return a_fact(value, Status.OFFICIAL)


def test_no_certificate_is_unknown():
    """A profile without a word on a certificate does not deny it."""
    assert put(QUALIFIED, a_profile()).verdict is Verdict.UNKNOWN


def test_a_vendors_word_meets_and_does_not_establish():
    """What the vendor says of its own qualification is a yes that is not established."""
    profile = a_profile(certificates=(a_certificate("secnumcloud", version=a_fact("3.2")),))
    answer = put(QUALIFIED, profile)
    assert (answer.verdict, answer.grade, answer.established) == (Verdict.YES, Status.VENDOR, False)
    assert all(quote.service == "secnumcloud: Storage" for quote in answer.quotes)


@pytest.mark.parametrize(
    ("until", "established"), [("2027-01-01", True), (None, False)], ids=["dated", "without an end"]
)
def test_an_official_certificate_is_established_within_its_dates(until, established):
    """An official list establishes a certificate if its end is known as well."""
    facts = {"held": official(True), "version": official("3.2")}
    facts |= {"valid_until": official(until)} if until else {}
    answer = put(QUALIFIED, a_profile(certificates=(a_certificate("secnumcloud", **facts),)))
    assert (answer.verdict, answer.established) == (Verdict.YES, established)


@pytest.mark.parametrize(
    ("dates", "remark"),
    [
        ({"valid_until": official("2026-11-21")}, "expired"),
        ({"valid_from": official("2026-11-23")}, "not-yet-valid"),
    ],
)
def test_a_certificate_outside_its_dates_is_not_known_to_be_held(dates, remark):
    """An expired certificate, or one of tomorrow, leaves the question open and says why."""
    facts = {"held": official(True), "version": official("3.2")} | dates
    answer = put(QUALIFIED, a_profile(certificates=(a_certificate("secnumcloud", **facts),)))
    assert answer.verdict is Verdict.UNKNOWN
    assert answer.quotes[0].remark == remark


def test_the_last_day_counts():
    """A certificate is valid on the day it ends."""
    facts = {"held": official(True), "version": official("3.2"), "valid_until": official("2026-11-22")}
    answer = put(QUALIFIED, a_profile(certificates=(a_certificate("secnumcloud", **facts),)))
    assert (answer.verdict, answer.established) == (Verdict.YES, True)


@pytest.mark.parametrize(
    ("facts", "verdict"),
    [
        ({"version": a_fact("3.1")}, Verdict.NO),
        ({}, Verdict.UNKNOWN),
        ({"held": a_fact(False), "version": a_fact("3.2")}, Verdict.NO),
        ({"held": a_fact(None), "version": a_fact("3.2 (candidate)")}, Verdict.UNKNOWN),
    ],
    ids=["another version", "no version", "not held", "only aimed at"],
)
def test_a_version_has_to_be_held(facts, verdict):
    """Another version says no; a version that is not told, or only aimed at, leaves the question open."""
    assert put(QUALIFIED, a_profile(certificates=(a_certificate("secnumcloud", **facts),))).verdict is verdict


@pytest.mark.parametrize(
    ("activities", "verdict"),
    [((1, 2, 3), Verdict.YES), ((1,), Verdict.NO), (None, Verdict.UNKNOWN)],
)
def test_activities_have_to_be_covered(activities, verdict):
    """The certificate's activities have to include those asked for; if they were not found, nothing is known."""
    profile = a_profile(certificates=(a_certificate("hds", activities=a_fact(activities)),))
    assert put(HOSTING, profile).verdict is verdict


def test_one_service_of_several_is_enough_and_is_named():
    """A certificate belongs to a service; the one that holds it carries the answer and is quoted."""
    profile = a_profile(
        certificates=(
            a_certificate("secnumcloud", "VPC", held=a_fact(False)),
            a_certificate("secnumcloud", "Machines", version=a_fact("3.2")),
        )
    )
    answer = put(QUALIFIED, profile)
    assert answer.verdict is Verdict.YES
    assert {quote.service for quote in answer.quotes} == {"secnumcloud: Machines"}
    assert answer.quotes[0].name == "certificate.1.held"


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ({}, "has one of fact"),
        ({"fact": "services.kms", "any": [KMS]}, "has one of fact"),
        ({"fact": "services.km"}, "did you mean 'services.kms'"),
        ({"fact": "services.kms", "was": 1}, "unknown field 'was'"),
        ({"fact": "services.kms", "is": True, "in": [True]}, "not both"),
        ({"fact": "services.kms", "in": []}, "list of values"),
        ({"certificate": "iso"}, "not one of hds"),
        ({"certificate": "hds", "version": 3}, "must be text"),
        ({"certificate": "hds", "activities": [7]}, "from 1 to 6"),
        ({"regions": "France"}, "two capital letters"),
        ({"regions": "FR", "at_least": 0}, "from 1"),
        ({"all": []}, "list of queries"),
        ("services.kms", "is a table"),
        ({"all": [{"any": [{"all": [{"any": [{"all": [KMS]}]}]}]}]}, "nested at most"),
    ],
)
def test_a_wrong_question_is_refused_by_name(raw, said):
    """A question that no profile can answer is refused, with what is wrong and where."""
    with pytest.raises(ConfigInvalid) as caught:
        parse_query("here", raw)
    assert "here" in caught.value.message
    assert said in f"{caught.value.message} {caught.value.hint}"
