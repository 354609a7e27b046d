"""Plans through TOML and back, and what hostile edits do."""

import tomllib
from datetime import UTC, date, datetime
from typing import Any

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from migrator.core.gate_record import GateRecord
from migrator.core.modes import DatasetClass, Mode, Names
from migrator.core.plan import Estimate, Plan, parse_plan
from migrator.errors import PlanInvalid

_TEXT = st.text(st.characters(blacklist_categories=("Cs",)), min_size=1, max_size=40)
_WHEN = st.datetimes(min_value=datetime.fromisoformat("2000-01-01"), timezones=st.just(UTC))
_COUNT = st.integers(0, 2**63 - 1)


@st.composite
def _plans(draw: st.DrawFn) -> Plan:
    mode = draw(st.sampled_from(Mode))
    return Plan(
        wave=draw(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True)),
        id=draw(st.binary(min_size=16, max_size=16)).hex(),
        dataset_class=draw(st.sampled_from(DatasetClass)),
        mode=mode,
        source=draw(_TEXT),
        target=draw(_TEXT),
        recipients=tuple(draw(st.lists(_TEXT, min_size=1, max_size=3))) if mode.seals else (),
        identity=draw(_TEXT) if mode.opens else draw(st.none() | _TEXT),
        names=draw(st.sampled_from(Names)),
        clear_attributes=draw(st.booleans()),
        tags=draw(st.booleans()),
        include_own=draw(st.booleans()),
        filters=tuple(
            draw(
                st.lists(
                    st.tuples(
                        st.sampled_from(("include", "exclude")), st.sampled_from(("*.dcm", "/a/**", "é\n"))
                    ),
                    max_size=3,
                )
            )
        ),
        canary=draw(st.sampled_from(("opened", "not-exercised", "not-needed"))),
        created_at=draw(st.none() | _WHEN),
        estimate=draw(
            st.none()
            | st.builds(
                Estimate,
                counted_at=_WHEN,
                objects=_COUNT,
                bytes=_COUNT,
                left_out=st.dictionaries(_TEXT, _COUNT),
            )
        ),
    )


@given(_plans())
def test_a_plan_survives_its_file(plan: Plan) -> None:
    """What is written is read again as the same plan with the same digest."""
    again = parse_plan(tomli_w.dumps(plan.to_dict()))
    assert again == plan
    assert again.digest == plan.digest


_GOOD: dict[str, Any] = Plan(
    wave="w",
    id="0" * 32,
    dataset_class=DatasetClass.EDS,
    mode=Mode.ENCRYPT,
    source="./a",
    target="./b",
    recipients=("AA==",),
    identity="key",
    filters=(("include", "*"),),
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
    estimate=Estimate(counted_at=datetime(2026, 1, 1, tzinfo=UTC), objects=1, bytes=2, left_out={"x": 1}),
).to_dict()
_NAIVE = datetime.fromisoformat("2026-01-01T01:02:03")
_HOSTILE: tuple[Any, ...] = (
    0, 1, -1, 2**62, 1.5, float("nan"), True, False, "", "nonsense", "x" * 70_000, "a\nb", "\x00", [], [[]],
    ["a", 1], [["include"]], [["include", 1]], [["maybe", "*"]], [["include", "["]], [{"a": 1}], {}, {"a": 1},
    {"objects": 1}, _NAIVE, _NAIVE.date(), _NAIVE.time(),
)  # fmt: skip


def _refused_or_read(text: str) -> Plan | None:
    try:
        plan = parse_plan(text)
    except PlanInvalid as error:
        refused = error
    else:
        assert len(plan.digest) == 64
        return plan
    assert 0 < len(refused.message) < 400
    assert "\n" not in refused.message
    assert refused.hint
    return None


@pytest.mark.parametrize("name", [*_GOOD, "unknown", "Wave", ""])
@pytest.mark.parametrize("value", _HOSTILE, ids=lambda value: repr(value)[:20])
def test_a_hostile_field_is_refused_in_one_sentence(name: str, value: Any) -> None:
    """Any value in any field gives a plan or ``PlanInvalid`` with one sentence and a hint."""
    plan = _refused_or_read(tomli_w.dumps({**_GOOD, name: value}))
    if name in {"unknown", "Wave", ""}:
        assert plan is None


@pytest.mark.parametrize("name", ["counted_at", "objects", "bytes", "left_out", "unknown"])
@pytest.mark.parametrize("value", _HOSTILE, ids=lambda value: repr(value)[:20])
def test_a_hostile_estimate_is_refused_in_one_sentence(name: str, value: Any) -> None:
    """The estimate is held to its types too."""
    plan = _refused_or_read(tomli_w.dumps({**_GOOD, "estimate": {**_GOOD["estimate"], name: value}}))
    if plan is not None:
        assert plan.estimate is not None
        assert isinstance(plan.estimate.counted_at, datetime)
        assert type(plan.estimate.objects) is type(plan.estimate.bytes) is int


_GATE = GateRecord(
    as_of=date(2026, 1, 1),
    rules="0" * 64,
    facts="1" * 64,
    reasons=("eds-hds: condition",),
    worker={"provider": "outscale", "own_premises": True},
    service="Object Storage",
    region="eu-west-2",
    facts_files=("/facts.toml",),
    derogations=("2" * 64,),
)


def test_what_the_gate_said_survives_the_file() -> None:
    """The record of the gate is read as it was written, and the digest does not depend on it."""
    text = tomli_w.dumps({**_GOOD, "gate": "conditions", "gate_record": _GATE.to_dict()})
    plan = parse_plan(text)
    assert plan.gate_record == _GATE
    assert parse_plan(tomli_w.dumps(plan.to_dict())) == plan
    assert plan.digest == parse_plan(tomli_w.dumps(_GOOD)).digest


@pytest.mark.parametrize("name", [*_GATE.to_dict(), "unknown"])
@pytest.mark.parametrize("value", _HOSTILE, ids=lambda value: repr(value)[:20])
def test_a_hostile_record_of_the_gate_is_refused_in_one_sentence(name: str, value: Any) -> None:
    """The gate's record is held to its types too."""
    plan = _refused_or_read(tomli_w.dumps({**_GOOD, "gate_record": {**_GATE.to_dict(), name: value}}))
    if plan is not None:
        assert plan.gate_record is not None
        assert not isinstance(plan.gate_record.as_of, datetime)
    if name == "unknown":
        assert plan is None


@pytest.mark.parametrize("name", ["format", "wave", "id", "class", "mode", "source", "target", "recipients"])
def test_a_missing_field_is_named(name: str) -> None:
    """What a plan cannot be without is asked for."""
    with pytest.raises(PlanInvalid) as caught:
        parse_plan(tomli_w.dumps({key: value for key, value in _GOOD.items() if key != name}))
    assert name.rstrip("s") in caught.value.message


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\x00",
        "a = ",
        "a = 1\na = 2",
        "x = " + "9" * 5000,
        "x = " + "[" * 5000,
        "\ud800",
        "# " + "x" * 2**20,
        "x = " + "{a=" * 5000,
        "é" * 600_000,
    ],
    ids=range(10),
)
def test_a_file_that_is_no_plan_is_refused(text: str) -> None:
    """Broken, bottomless and oversized files end in ``PlanInvalid``, never in another exception."""
    assert _refused_or_read(text) is None


@given(st.text(max_size=200), st.integers(0, 2000), st.integers(0, 50))
def test_any_edit_is_read_or_refused(text: str, at: int, removed: int) -> None:
    """Text pasted anywhere over a plan gives a plan or ``PlanInvalid``."""
    good = tomli_w.dumps(_GOOD)
    at = min(at, len(good))
    _refused_or_read(good[:at] + text + good[at + removed :])


def test_the_digest_covers_what_must_not_change() -> None:
    """Each field that decides what is moved, and how, changes the digest; counts and dates do not."""
    base = parse_plan(tomli_w.dumps(_GOOD)).digest
    changes: dict[str, Any] = {
        "wave": "v", "id": "1" * 32, "class": "snds", "source": "./c", "target": "./c", "recipients": ["BB=="],
        "names": "keyed", "clear_attributes": True, "tags": True, "include_own": True,
        "filters": [["exclude", "*"]], "mode": "rewrap",
    }  # fmt: skip
    digests = {
        name: parse_plan(tomli_w.dumps({**_GOOD, name: value})).digest for name, value in changes.items()
    }
    assert len({base, *digests.values()}) == len(changes) + 1
    same = {**_GOOD, "canary": "opened", "created_at": datetime(2027, 1, 1, tzinfo=UTC), "gate": "conditions"}
    del same["estimate"], same["identity"]
    assert parse_plan(tomli_w.dumps(same)).digest == base
    assert tomllib.loads(tomli_w.dumps(_GOOD)) == _GOOD
