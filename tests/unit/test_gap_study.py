"""The gap study: what is met, by whom, and that good news never makes a result worse."""

from __future__ import annotations

from datetime import date

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from providers.gap import Level, State, list_blueprints, load_blueprint, study
from providers.gap.model import Row
from providers.gap.study import newest_fact, offers, rank
from providers.profile import Certificate, Fact, Profile, list_profiles, load_profile
from providers.profile_spec import SECTIONS, Status
from support.made_profiles import a_certificate, a_fact, a_profile
from support.made_studies import BLUEPRINT, DAY, made_study

BLUEPRINTS = [load_blueprint(name) for name in list_blueprints()]
GOOD_STATUSES = [status for status in Status if status is not Status.NOT_FOUND]
GOOD = {
    "law.non_eu_control": False,
    "keys.custody": "customer",
    "keys.service": "Keys",
    "quirks.verifies_sha256": True,
    "quirks.object_lock": True,
    "iac.pulumi": "pulumi-quay",
    "iac.terraform": "quay/quay",
    "operations.erasure": "overwritten within a day",
    "endpoint.template": "https://{region}.example.org",
} | {f"services.{name}": name for name in SECTIONS["services"]}
"""The value of each fact that speaks for an offer."""
BAD = {name: (not value if isinstance(value, bool) else False) for name, value in GOOD.items()}

statuses = st.sampled_from(GOOD_STATUSES)
days = st.sampled_from(["2020-01-01", "2026-11-22", "2030-01-01"])


@st.composite
def certificates(draw: st.DrawFn) -> Certificate:
    """A certificate with any facts, for or against."""
    status = draw(statuses)
    facts = {"held": a_fact(draw(st.sampled_from([True, False, None])), status)}
    for name, values in {
        "version": ["3.2", "3.1", None],
        "activities": [(1, 2, 3, 4, 5, 6), (1,), None],
        "valid_until": ["2020-01-01", "2030-01-01", None],
        "valid_from": ["2020-01-01", "2030-01-01"],
    }.items():
        if draw(st.booleans()):
            facts[name] = a_fact(draw(st.sampled_from(values)), status)
    return a_certificate(draw(st.sampled_from(["hds", "secnumcloud"])), **facts)


@st.composite
def profiles(draw: st.DrawFn) -> Profile:
    """A profile with any of the facts that the study asks for."""
    facts: dict[str, Fact] = {}
    for name in draw(st.sets(st.sampled_from(sorted(GOOD)))):
        value = draw(st.sampled_from([GOOD[name], BAD[name], None]))
        facts[name] = a_fact(value, draw(statuses))
    regions = draw(st.dictionaries(st.sampled_from("abc"), st.sampled_from(["FR", "DE", None]), max_size=3))
    return a_profile(
        "any",
        facts,
        certificates=tuple(draw(st.lists(certificates(), max_size=3))),
        regions={name: a_fact(country, draw(statuses)) for name, country in regions.items()},
    )


def row_of(blueprint, profile: Profile) -> Row:
    (row,) = study(blueprint, [profile], as_of=DAY).rows
    return row


def facts_of(profile: Profile) -> dict[str, Fact]:
    return {
        f"{section}.{name}": fact for section in SECTIONS for name, fact in getattr(profile, section).items()
    }


def rebuilt(profile: Profile, **changes) -> Profile:
    parts = {
        "facts": facts_of(profile),
        "certificates": profile.certificates,
        "regions": {name: region["country"] for name, region in profile.regions.items()},
    } | changes
    return a_profile(profile.name, parts.pop("facts"), **parts)


@st.composite
def good_news(draw: st.DrawFn) -> tuple[Profile, Profile]:
    """A profile, and the same one with one more fact in its favour."""
    before = draw(profiles())
    status = draw(statuses)
    facts = facts_of(before)
    silent = sorted(name for name in GOOD if name not in facts or facts[name].value is None)
    which = draw(st.sampled_from(["fact", "region", "certificate"] if silent else ["region", "certificate"]))
    if which == "fact":
        name = draw(st.sampled_from(silent))
        return before, rebuilt(before, facts=facts | {name: a_fact(GOOD[name], status)})
    if which == "region":
        regions = {name: region["country"] for name, region in before.regions.items()}
        return before, rebuilt(before, regions=regions | {"new": a_fact("FR", status)})
    held = a_certificate(
        draw(st.sampled_from(["hds", "secnumcloud"])),
        held=a_fact(True, status),
        version=a_fact("3.2", status),
        activities=a_fact((1, 2, 3, 4, 5, 6), status),
        valid_until=a_fact("2030-01-01", status),
    )
    return before, rebuilt(before, certificates=(*before.certificates, held))


@given(pair=good_news(), blueprint=st.sampled_from(BLUEPRINTS))
@settings(max_examples=150, deadline=None)
def test_good_news_never_worsens_a_cell(pair, blueprint):
    """One more fact in an offer's favour moves no result down, and adds nothing to what is left to close."""
    before, after = (row_of(blueprint, profile) for profile in pair)
    for old, new in zip(before.cells, after.cells, strict=True):
        assert rank(new) >= rank(old), old.need.name
    assert after.order[:2] <= before.order[:2]


@given(profile=profiles(), blueprint=st.sampled_from(BLUEPRINTS))
@settings(max_examples=100, deadline=None)
def test_what_is_met_quotes_a_fact_with_a_value(profile, blueprint):
    """Nothing is met, or even brought by us to a store, without a fact that says so."""
    for cell in row_of(blueprint, profile).cells:
        if cell.state in {State.MET, State.MET_BY_US}:
            assert any(quote.fact is not None and quote.fact.value is not None for quote in cell.quotes)
            assert cell.grade is not None
        if cell.state is State.MET and cell.grade in {Status.PRESS, Status.MEMORY}:
            assert not cell.established


@pytest.mark.parametrize("blueprint", BLUEPRINTS, ids=lambda one: one.name)
def test_a_silent_profile_meets_nothing(blueprint):
    """Of an offer of which nothing is said, everything is unknown, and everything is left to close."""
    row = row_of(blueprint, a_profile("fog"))
    assert {cell.state for cell in row.cells} == {State.UNKNOWN}
    assert len(row.gaps) == len(blueprint.needs)
    assert not any(cell.established for cell in row.cells)


@given(profile=profiles(), blueprint=st.sampled_from(BLUEPRINTS), data=st.data())
@settings(max_examples=100, deadline=None)
def test_taking_every_quoted_fact_away_leaves_nothing_met(profile, blueprint, data):
    """A result rests on what it quotes: without those facts it is not met any more."""
    row = row_of(blueprint, profile)
    cell = data.draw(st.sampled_from(row.cells))
    quoted = {quote.name for quote in cell.quotes}
    bare = rebuilt(
        profile,
        facts={name: fact for name, fact in facts_of(profile).items() if name not in quoted},
        regions={
            name: region["country"]
            for name, region in profile.regions.items()
            if f"regions.{name}.country" not in quoted
        },
        certificates=tuple(
            held
            for number, held in enumerate(profile.certificates)
            if f"certificate.{number}.held" not in quoted
        ),
    )
    if cell.state is State.MET:
        assert row_of(blueprint, bare).cell(cell.need.name).state is not State.MET


def test_ours_stands_in_where_the_offer_lacks_it():
    """What this project brings closes a gap and says what it does not cover."""
    cell = made_study().rows[1].cell("customer-keys")
    assert (cell.state, cell.effort) == (State.MET_BY_US, None)
    assert cell.ours is not None
    assert cell.ours.limits is not None


def test_ours_needs_a_store_to_work_on():
    """Client-side encryption closes nothing at an offer that is not known to have a store."""
    assert made_study().rows[-1].cell("customer-keys").state is State.UNKNOWN


def test_what_is_only_planned_closes_nothing():
    """A component that does not exist yet is shown, and the gap stays open."""
    cells = {row.name: row.cell("pilot") for row in made_study().rows}
    assert (cells["shoal"].state, cells["quay"].state) == (State.MISSING, State.UNKNOWN)
    assert cells["shoal"].ours is not None
    assert cells["shoal"].ours.state == "planned"
    assert cells["shoal"].effort is not None


def test_press_does_not_displace_what_we_bring():
    """Where only press says that the offer has it, what this project brings still counts."""
    facts = {
        "services.customer_held_keys": a_fact("Vault", Status.PRESS),
        "services.object_storage": a_fact("Store"),
    }
    blueprint = load_blueprint("hdh-target")
    assert row_of(blueprint, a_profile("p", facts)).cell("customer-keys").state is State.MET_BY_US


def test_met_on_press_is_left_to_confirm():
    """What is met but not established is still open, at the smallest effort."""
    cell = made_study().rows[1].cell("secnumcloud")
    assert (cell.state, cell.grade, cell.established) == (State.MET, Status.PRESS, False)
    assert cell.effort is not None
    assert cell.effort.step == "S"


def test_rows_come_with_the_least_to_close_first():
    """Offers are sorted by what is open among the musts, then the shoulds."""
    rows = made_study().rows
    assert [row.name for row in rows] == ["deep-water", "quay", "shoal", "fog"]
    assert rows[0].gaps == ()
    weights = [(row.points(Level.MUST), row.points(Level.SHOULD)) for row in rows]
    assert weights == sorted(weights)


def test_a_small_must_outweighs_a_large_should():
    """An offer that lacks a should comes before one that lacks a must, however small."""
    held = {name: a_fact(value) for name, value in GOOD.items()}
    regions = {"a": a_fact("FR")}
    no_gpu = a_profile("no-gpu", held | {"services.gpu": a_fact(False)}, regions=regions)
    no_pilot = a_profile("an-idle-pilot", held | {"services.bastion": a_fact(False)}, regions=regions)
    rows = study(load_blueprint(BLUEPRINT), [no_pilot, no_gpu], as_of=DAY).rows
    assert [(row.name, row.points(Level.SHOULD)) for row in rows] == [("no-gpu", 9), ("an-idle-pilot", 0)]
    assert rows[0].points(Level.MUST) + 1 == rows[1].points(Level.MUST)


def test_gaps_come_with_the_smallest_effort_first():
    """An offer's gaps are sorted by effort, a must before a should of the same effort."""
    gaps = made_study().rows[2].gaps
    points = [cell.effort.points for cell in gaps if cell.effort]
    assert points == sorted(points)
    assert gaps[0].need.name == "pilot"


def test_a_must_comes_before_a_should():
    """A blueprint's needs are read with the musts first."""
    levels = [need.level for need in made_study().blueprint.needs]
    assert levels == sorted(levels, key=list(Level).index)


def test_software_is_no_offer():
    """What anybody can install is left out of a study of offers."""
    chosen = offers([a_profile("quay"), a_profile("program", kind="software")])
    assert [profile.name for profile in chosen] == ["quay"]


def test_the_day_is_that_of_the_newest_fact_unless_given():
    """A study without a day takes the newest fact's, where a year counts as its first day."""
    old, new = a_fact("Keys", date="2025"), a_fact("Box", date="2025-03")
    profile = a_profile(facts={"services.kms": old, "services.hsm": new})
    assert newest_fact([profile]) == date(2025, 3, 1)
    assert study(BLUEPRINTS[0], [profile]).as_of == date(2025, 3, 1)
    assert newest_fact([]) == date(1970, 1, 1)


def test_a_need_that_is_not_there_is_a_key_error():
    """A row knows its own needs only."""
    with pytest.raises(KeyError):
        made_study().rows[0].cell("sails")


def test_every_shipped_offer_answers_every_blueprint():
    """Each offer has a cell for each need of each blueprint, and every quoted fact a source and a date."""
    chosen = offers(load_profile(name) for name in list_profiles())
    assert len(chosen) > 3
    for blueprint in BLUEPRINTS:
        for row in study(blueprint, chosen).rows:
            assert [cell.need.name for cell in row.cells] == [need.name for need in blueprint.needs]
            assert all(cell.quotes for cell in row.cells)
            assert all(
                quote.fact.source and quote.fact.date
                for cell in row.cells
                for quote in cell.quotes
                if quote.fact is not None
            )
