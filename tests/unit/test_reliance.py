"""A wave begins only where the probe of its target saw nothing broken that it relies on."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from migrator.core.modes import DatasetClass, Level, Mode, Names
from migrator.core.plan import Estimate, Plan, ProbeQuote, parse_plan
from migrator.core.reliance import relies_on
from migrator.engine.probes import ProbeShelf, age_days, broken, quote, refuse_broken, save_report
from migrator.errors import CapabilityMissing, NothingThere, PlanInvalid, UsageError
from providers.capabilities import MIB, Capabilities
from providers.errors import ConfigInvalid
from providers.location import Location
from providers.probe.report import ProbeReport, compare
from providers.probe.verdict import Seen
from providers.profile import Profile, load_profile
from providers.profile_read import Fact
from providers.profile_spec import Status

NOW = datetime(2026, 11, 22, tzinfo=UTC)
RULES = {"write-read", "empty-object", "overwrite", "absent", "short-read"}


def plan(largest: int | None = 1000, **changes: Any) -> Plan:
    """A wave that copies objects of at most so many bytes."""
    estimate = None
    if largest is not None:
        estimate = Estimate(counted_at=NOW, objects=1, bytes=largest, largest=largest)
    values: dict[str, Any] = {
        "wave": "w",
        "id": "0" * 32,
        "dataset_class": DatasetClass.ANONYMOUS,
        "mode": Mode.COPY,
        "names": Names.VISIBLE,
        "source": "./a",
        "target": "lab:b",
        "estimate": estimate,
    }
    return Plan(**{**values, **changes})


def profile(**quirks: Any) -> Profile:
    """The profile of SeaweedFS, with some quirks said otherwise."""
    base = load_profile("seaweedfs")
    facts = {
        name: Fact(value=value, status=Status.VENDOR, source="test", date="2026")
        for name, value in quirks.items()
    }
    return replace(base, quirks=MappingProxyType({**base.quirks, **facts}))


def report(*seen: Seen, against: Profile | None = None, **changes: Any) -> ProbeReport:
    """A probe that saw this."""
    base = against or profile()
    values: dict[str, Any] = {
        "site": "lab",
        "bucket": "b",
        "endpoint": "http://127.0.0.1:1",
        "profile": base.name,
        "protocol": "s3",
        "server": None,
        "probed_at": NOW,
        "havre": "1",
        "lines": tuple(compare(one, base) for one in seen),
    }
    return ProbeReport(**{**values, **changes})


@pytest.mark.parametrize(
    ("made", "limits", "level", "holds", "leaves"),
    [
        (plan(), {}, Level.FULL, RULES | {"put-fence", "metadata", "key-spaces"}, {"upload", "sha256", "complete-fence"}),
        (plan(), {"put_if_absent": False}, Level.FULL, RULES, {"put-fence"}),
        (plan(), {"metadata": False}, Level.FULL, RULES, {"metadata"}),
        (plan(names=Names.KEYED, mode=Mode.ENCRYPT, recipients=("x",)), {}, Level.FULL, RULES, {"key-spaces"}),
        (plan(100 * MIB), {}, Level.FULL, {"upload", "read-span", "complete-fence", "part-number"}, {"sha256"}),
        (plan(100 * MIB), {"complete_if_absent": False}, Level.FULL, {"upload"}, {"complete-fence"}),
        (plan(None), {}, Level.FULL, {"upload", "complete-fence"}, {"part-number"}),
        (plan(), {}, Level.STORE_CHECKSUM, {"sha256"}, {"part-sha256"}),
        (plan(100 * MIB), {}, Level.STORE_CHECKSUM, {"sha256", "part-sha256"}, set()),
        (plan(), {}, Level.SIZE, RULES, {"sha256"}),
    ],
)  # fmt: skip
def test_what_a_wave_relies_on(
    made: Plan, limits: dict[str, Any], level: Level, holds: set[str], leaves: set[str]
) -> None:
    """A wave relies on what it uses: fences that are declared, parts where there are some, the level asked for."""
    found = {one.check for one in relies_on(made, Capabilities(**limits), level=level)}
    assert holds <= found
    assert not leaves & found


def test_parts_are_counted_from_the_largest_object() -> None:
    """The least number of parts is what the largest object is cut into."""
    found = {one.check: one for one in relies_on(plan(100 * MIB), Capabilities(), level=Level.FULL)}
    assert found["part-number"].least == 13


@pytest.mark.parametrize(
    ("seen", "level", "checks"),
    [
        (Seen(id="put-fence", value=False), Level.FULL, ["put-fence"]),
        (Seen(id="put-fence", value=True), Level.FULL, []),
        (Seen(id="put-fence", value=None), Level.FULL, []),
        (Seen(id="put-race", value=False), Level.FULL, []),
        (Seen(id="sha256", value=False), Level.FULL, []),
        (Seen(id="sha256", value=False), Level.STORE_CHECKSUM, ["sha256"]),
        (Seen(id="metadata", value=False), Level.FULL, ["metadata"]),
        (Seen(id="upload", value=False), Level.FULL, ["upload"]),
        (Seen(id="part-number", value=12), Level.FULL, ["part-number"]),
        (Seen(id="part-number", value=13), Level.FULL, []),
        (Seen(id="key-accents", value=False), Level.FULL, ["key-accents"]),
        (Seen(id="key-trailing-slash", value=False), Level.FULL, []),
        (Seen(id="lock", value=False), Level.FULL, []),
    ],
)
def test_what_was_seen_broken(seen: Seen, level: Level, checks: list[str]) -> None:
    """Only what the wave relies on and the probe saw broken counts; what was not tried says nothing."""
    found = broken(plan(100 * MIB), report(seen), profile(), level=level)
    assert [one.check for one in found] == checks


def test_refusal_is_one_sentence_and_a_hint() -> None:
    """A refused wave exits with 13, says what was seen and when, and what to do."""
    seen = report(Seen(id="put-fence", value=False), Seen(id="key-emoji", value=False))
    with pytest.raises(CapabilityMissing, match=r"lab:b: .* \(and 1 more\).*2026-11-22.*put-fence") as caught:
        refuse_broken(plan(), seen, profile(), level=Level.FULL)
    assert caught.value.exit_code == 13
    assert caught.value.hint is not None
    assert "havre doctor lab:b --probe" in caught.value.hint


def test_corrected_profile_lets_the_wave_begin() -> None:
    """Where the profile says by now what the probe saw, the engine does without, and nothing is refused."""
    seen = report(Seen(id="put-fence", value=False))
    refuse_broken(plan(), seen, profile(put_if_absent=False), level=Level.FULL)


def test_plan_that_quotes_the_probe_is_cut_for_it() -> None:
    """A plan made with the probe at hand counts parts by the limit that the probe saw."""
    seen = report(Seen(id="part-number", value=12))
    assert [one.check for one in broken(plan(100 * MIB), seen, profile(), level=Level.FULL)] == [
        "part-number"
    ]
    made = plan(100 * MIB, probe=quote(seen))
    assert broken(made, seen, profile(), level=Level.FULL) == []


def test_wave_file_keeps_the_quotation() -> None:
    """Date and digest of the probe stand in the wave file, outside of what is fixed by the first run."""
    made = plan(probe=ProbeQuote(probed_at=NOW, digest="a" * 64))
    data = made.to_dict()
    assert data["probe"] == {"probed_at": NOW, "digest": "a" * 64}
    assert made.digest == plan().digest
    import tomli_w

    assert parse_plan(tomli_w.dumps(data)).probe == made.probe


@pytest.mark.parametrize(
    "table",
    ['{digest = "x", probed_at = 2026-01-01T00:00:00Z}', "{}", f'{{digest = "{"a" * 64}", probed_at = 3}}'],
)
def test_odd_quotations_are_refused(table: str) -> None:
    """A quotation that makes no sense makes no wave."""
    import tomli_w

    with pytest.raises(PlanInvalid):
        parse_plan("probe = " + table + "\n" + tomli_w.dumps(plan().to_dict()))


def test_report_is_kept_for_its_owner(tmp_path: Path) -> None:
    """A report lies under its site and bucket, 0600 in folders of 0700, and comes back as it was."""
    shelf = ProbeShelf(tmp_path / "probes")
    place = Location.parse("lab:b/some/prefix")
    made = report(Seen(id="put-fence", value=True))
    assert shelf.load(place, made.endpoint) is None
    save_report(made, shelf.path_of(place), make_folder=True)
    path = tmp_path / "probes/lab/b.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert shelf.load(place, made.endpoint) == made


def test_report_of_another_endpoint_is_none(tmp_path: Path) -> None:
    """A site that points elsewhere by now has no probe."""
    shelf = ProbeShelf(tmp_path)
    place = Location.parse("lab:b")
    save_report(report(), shelf.path_of(place), make_folder=True)
    assert shelf.load(place, "http://127.0.0.1:2") is None


def test_damaged_report_is_said(tmp_path: Path) -> None:
    """A report that cannot be read is not passed over in silence."""
    shelf = ProbeShelf(tmp_path)
    place = Location.parse("lab:b")
    path = shelf.path_of(place)
    path.parent.mkdir()
    for content in (b"{}", b"\xff\xfe", b" " * (1024 * 1024 + 1)):
        path.write_bytes(content)
        with pytest.raises(ConfigInvalid, match="probe report"):
            shelf.load(place, "")


def test_local_paths_have_a_place_of_their_own(tmp_path: Path) -> None:
    """A local path is found again by wherever it leads, and never under a site's name."""
    shelf = ProbeShelf(tmp_path)
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    real, link = (shelf.path_of(Location.parse(str(tmp_path / name))) for name in ("real", "link"))
    assert real == link
    assert real.parent.name == ".local"


def test_file_that_was_named_is_not_guessed(tmp_path: Path) -> None:
    """A folder that is not there is not made for --out, and a folder is no file."""
    with pytest.raises(NothingThere):
        save_report(report(), tmp_path / "no/x.json", make_folder=False)
    with pytest.raises(UsageError):
        save_report(report(), tmp_path, make_folder=False)
    assert list(tmp_path.iterdir()) == []


def test_age_counts_whole_days() -> None:
    """A clock that runs behind makes no negative age."""
    made = report()
    assert age_days(made, NOW.replace(day=25)) == 3
    assert age_days(made, NOW.replace(day=21)) == 0
