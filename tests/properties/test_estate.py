"""Drift and cleaning, for every estate that Hypothesis thinks of."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from providers.estate.clean import LEFT_OUT, clean_item, clean_tags, clean_text, clean_value
from providers.estate.compare import Change, Finding, drift
from providers.estate.model import Absence, Estate, Item, Kind, Reason, Section, Setting, State

WHEN = datetime(2026, 11, 22, tzinfo=UTC)
FILLED = (Kind.NODES, Kind.BUCKETS)
SETTINGS: st.SearchStrategy[Setting] = st.one_of(
    st.sampled_from(["", "x", "1"]),
    st.integers(0, 2),
    st.booleans(),
    st.sampled_from([(), ("x",), ("x", "y")]),
)


@st.composite
def items(draw: st.DrawFn) -> Item:
    settings = draw(st.dictionaries(st.sampled_from("pqrs"), SETTINGS, max_size=3))
    unknown = draw(st.dictionaries(st.sampled_from("stu"), st.sampled_from(Absence), max_size=1))
    return Item(
        id=draw(st.sampled_from("abc")),
        name=draw(st.sampled_from(["", "n"])),
        region=draw(st.none() | st.sampled_from(["fr", "gra"])),
        tags=draw(st.dictionaries(st.sampled_from("kl"), st.sampled_from("12"), max_size=1)),
        settings={name: value for name, value in settings.items() if name not in unknown},
        unknown=unknown,
    )


@st.composite
def sections(draw: st.DrawFn, kind: Kind) -> Section:
    state = draw(st.sampled_from(State))
    if state is State.NOT_ASKED:
        return Section.not_asked(kind, draw(st.sampled_from(Absence)), "why")
    reasons = [] if state is State.COMPLETE else [Reason(absence=Absence.FAILED, text="cut")]
    found = draw(st.lists(items(), max_size=2, unique_by=lambda item: item.id))
    return Section.of(kind, found, asked="test", reasons=reasons)


@st.composite
def estates(draw: st.DrawFn) -> Estate:
    """Two kinds are filled; the others could not be asked, which says nothing more."""
    chosen = draw(st.sets(st.sampled_from(FILLED), max_size=2))
    return Estate(
        site="s",
        profile="p",
        asked_at=WHEN,
        sections=tuple(
            draw(sections(kind)) if kind in chosen else Section.not_asked(kind, Absence.NOT_SUPPORTED, "why")
            for kind in Kind
        ),
    )


def swapped(finding: Finding) -> Finding:
    turn = {Change.ADDED: Change.REMOVED, Change.REMOVED: Change.ADDED}
    return replace(
        finding,
        change=turn.get(finding.change, finding.change),
        before=finding.after,
        after=finding.before,
        name="",
        text="",
    )


@given(estates())
def test_an_estate_does_not_drift_from_itself(estate: Estate) -> None:
    """Compared with itself an estate shows no change, only what could not be listed in full."""
    assert {one.change for one in drift(estate, estate)} <= {Change.NOT_COMPARABLE}
    partial = any(section.state is State.PARTIAL for section in estate.sections)
    assert bool(drift(estate, estate)) == partial


@given(estates(), estates())
def test_drift_is_symmetrical(before: Estate, after: Estate) -> None:
    """Swapping the two estates swaps added with removed and before with after, and loses nothing."""
    there = {swapped(one).to_dict().__repr__() for one in drift(before, after)}
    back = {replace(one, name="", text="").to_dict().__repr__() for one in drift(after, before)}
    assert there == back


@given(estates(), estates())
def test_nothing_is_called_removed_that_could_not_be_listed(before: Estate, after: Estate) -> None:
    """Removed is said only where the later listing is complete, added only where the earlier one was."""
    for finding in drift(before, after):
        if finding.change is Change.REMOVED:
            assert after.section(finding.kind).state is State.COMPLETE
        if finding.change is Change.ADDED:
            assert before.section(finding.kind).state is State.COMPLETE


@given(estates(), st.sampled_from(FILLED), st.text(max_size=3))
def test_every_changed_setting_is_found(estate: Estate, kind: Kind, value: str) -> None:
    """A setting that changes in a complete section is one finding, with both values."""
    section = estate.section(kind)
    if not section.items:
        return
    item = section.items[0]
    before = replace(item, settings={**item.settings, "chosen": f"{value}!"}, unknown={})
    after = replace(item, settings={**item.settings, "chosen": value}, unknown={})

    def with_item(one: Item) -> Estate:
        held = replace(section, items=(one, *section.items[1:]))
        return replace(
            estate, sections=tuple(held if other.kind is kind else other for other in estate.sections)
        )

    found = [one for one in drift(with_item(before), with_item(after)) if one.change is Change.CHANGED]
    assert [(one.setting, one.before, one.after) for one in found] == [("chosen", f"{value}!", value)]


@given(estates())
def test_estates_survive_their_file(estate: Estate) -> None:
    """What is written as JSON is read back as it was."""
    assert Estate.from_dict(json.loads(json.dumps(estate.to_dict()))) == estate


@given(st.lists(items(), max_size=6), st.randoms(use_true_random=False))
def test_order_does_not_matter(found: list[Item], random: object) -> None:
    """A section prints the same whatever order its items came in."""
    shuffled = list(found)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    keep = {item.id: item for item in found}
    one = Section.of(Kind.NODES, list(keep.values()), asked="x")
    other = Section.of(Kind.NODES, [item for item in shuffled if keep[item.id] is item], asked="x")
    assert one == other


@given(st.text(max_size=2000))
def test_texts_are_bounded(text: str) -> None:
    """No text is longer than its bound, and every text can be written as JSON."""
    cleaned = clean_text(text)
    assert len(cleaned) <= 512
    json.dumps(cleaned).encode("ascii")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=600) | st.datetimes(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=10,
)


@given(VALUES)
def test_any_answer_becomes_a_setting_or_nothing(value: object) -> None:
    """Whatever a provider answers, a setting is a text, a number, yes or no, or a list of texts."""
    cleaned = clean_value(value)
    assert cleaned is None or isinstance(cleaned, (str, int, bool, tuple))
    if isinstance(cleaned, tuple):
        assert all(isinstance(one, str) for one in cleaned)


@given(
    st.sampled_from(
        ["password", "DB_PASSWD", "api-key", "secretName", "x-token", "user_data", "private-key"]
    ),
    st.text(min_size=1, max_size=20),
)
def test_tags_that_name_a_secret_lose_it(name: str, value: str) -> None:
    """The value of a tag whose name speaks of a secret is left out."""
    assert clean_tags({name: value}) == {name: LEFT_OUT}


@given(st.dictionaries(st.text(max_size=5), VALUES, max_size=4))
def test_any_mapping_becomes_an_item(extra: Mapping[str, object]) -> None:
    """An item can be made of anything, and prints."""
    json.dumps(clean_item(identifier=extra, name=extra, tags=extra, settings=extra).to_dict())
