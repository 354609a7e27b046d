"""What a probe saw is compared with the profile, kept with its digest, and shown as a table."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from migrator.cli.probe_table import table_lines
from providers.errors import ConfigInvalid
from providers.probe.awkward import AWKWARD
from providers.probe.catalogue import CHECKS
from providers.probe.overlay import changes_of, overlaid
from providers.probe.report import ProbeReport, compare, parse_report
from providers.probe.verdict import Declared, Outcome, Seen, declared_of, judge
from providers.profile import Profile, load_profile
from providers.profile_read import Fact
from providers.profile_spec import Status

GOLDEN = Path(__file__).parents[1] / "golden/cli/probe.txt"
SEEN = (
    Seen(id="write-read", value=True),
    Seen(id="list-order", value=False, detail="a/b before a-"),
    Seen(id="put-fence", value=False, detail="accepted a second creation"),
    Seen(id="put-race", value=False, detail="12 of 12 rounds of 6 with more than one winner, up to 6"),
    Seen(id="sha256", value=True, detail="400 BadDigest"),
    Seen(id="payload-hash", value=True, detail="400 XAmzContentSHA256Mismatch"),
    Seen(id="trailer", value=None, detail="only over https is a checksum sent behind the body"),
    Seen(id="part-number", value=1000, detail="1000 is taken; 10000 is refused: 400 InvalidArgument"),
    Seen(id="key-trailing-slash", value=False, detail="0 of 35 bytes came back"),
    Seen(id="key-spaces", value=True),
)


def canned(profile: Profile, *seen: Seen, **changes: Any) -> ProbeReport:
    """A report of these observations."""
    values: dict[str, Any] = {
        "site": "lab",
        "bucket": "warehouse",
        "endpoint": "https://s3.lab.example",
        "profile": profile.name,
        "protocol": profile.protocol,
        "server": "Lab/1.0",
        "probed_at": datetime(2026, 11, 21, 10, 30, tzinfo=UTC),
        "havre": "1.2.3",
        "lines": tuple(compare(one, profile) for one in seen or SEEN),
    }
    return ProbeReport(**{**values, **changes})


def with_quirks(profile: Profile, **quirks: Any) -> Profile:
    """A profile that says something else."""
    facts = {
        name: Fact(value=value, status=Status.VENDOR, source="test", date="2026")
        for name, value in quirks.items()
    }
    values = {name: getattr(profile, name) for name in Profile.__dataclass_fields__}
    return Profile(**{**values, "quirks": MappingProxyType({**profile.quirks, **facts})})


@pytest.mark.parametrize(
    ("check", "declared", "seen", "outcome"),
    [
        ("put-fence", True, True, Outcome.AS_DECLARED),
        ("put-fence", True, False, Outcome.CONTRADICTS),
        ("put-fence", False, True, Outcome.BETTER),
        ("put-fence", False, False, Outcome.AS_DECLARED),
        ("put-fence", True, None, Outcome.NOT_TRIED),
        ("complete-twice", None, True, Outcome.BETTER),
        ("complete-twice", None, False, Outcome.AS_DECLARED),
        ("parts-repeated", False, True, Outcome.CONTRADICTS),
        ("parts-repeated", None, True, Outcome.AS_DECLARED),
        ("parts-repeated", True, False, Outcome.BETTER),
        ("part-number", 10_000, 10_000, Outcome.AS_DECLARED),
        ("part-number", 10_000, 1000, Outcome.CONTRADICTS),
        ("part-number", 1000, 1000, Outcome.AS_DECLARED),
        ("part-number", 1000, 0, Outcome.CONTRADICTS),
        ("parts-1001", 1000, False, Outcome.AS_DECLARED),
        ("parts-1001", 10_000, False, Outcome.CONTRADICTS),
        ("parts-1001", 1000, True, Outcome.BETTER),
        ("part-too-small", 5_242_880, True, Outcome.AS_DECLARED),
        ("part-too-small", 5_242_880, False, Outcome.BETTER),
    ],
)
def test_verdict(check: str, declared: bool | int | None, seen: bool | int | None, outcome: Outcome) -> None:
    """A store that does less than is declared contradicts it; silence of a profile promises nothing."""
    said = Declared(value=declared, status="vendor", fact="x")
    assert judge(Seen(id=check, value=seen), said) is outcome


def test_hearsay_declares_no_guarantee() -> None:
    """What counts as declared is what the profile comes to, not what somebody once wrote."""
    profile = load_profile("seaweedfs")
    assert declared_of("put-fence", profile) == Declared(
        value=True, status="measured", fact="quirks.put_if_absent"
    )
    hearsay = with_quirks(profile, put_if_absent=True)
    facts = {
        **hearsay.quirks,
        "put_if_absent": Fact(value=True, status=Status.PRESS, source="x", date="2026"),
    }
    values = {name: getattr(hearsay, name) for name in Profile.__dataclass_fields__}
    heard = Profile(**{**values, "quirks": MappingProxyType(facts)})
    assert declared_of("put-fence", heard) == Declared(
        value=False, status="press", fact="quirks.put_if_absent"
    )


@pytest.mark.parametrize("name", ["seaweedfs", "generic-s3", "azure", "filesystem"])
def test_every_check_has_a_declaration(name: str) -> None:
    """For every check a profile says something, or is known to be silent."""
    for check in CHECKS:
        declared = declared_of(check, load_profile(name))
        assert declared.status in {*Status, "protocol", "unknown"}, check


def test_every_kind_of_key_is_checked() -> None:
    """Each awkward key has a check of its own."""
    assert {f"key-{one.slug}" for one in AWKWARD} == {name for name in CHECKS if name.startswith("key-")}


def test_report_survives_its_file() -> None:
    """What is written is what is read, digest included."""
    report = canned(load_profile("seaweedfs"))
    again = parse_report(json.dumps(report.to_dict()), "x.json")
    assert again == report
    assert again.digest == report.digest


def test_changed_report_is_refused() -> None:
    """A report whose content no longer has its digest is not believed."""
    data = canned(load_profile("seaweedfs")).to_dict()
    data["checks"][2]["seen"] = True
    with pytest.raises(ConfigInvalid, match="changed after it was written"):
        parse_report(json.dumps(data), "x.json")


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"format": 2}', '{"format": 1}', '{"format": 1, "site": 3}', "[" * 5000, "9" * 5000],
)
def test_what_is_no_report_is_refused(text: str) -> None:
    """Anything else is refused in one sentence."""
    with pytest.raises(ConfigInvalid, match=r"x\.json"):
        parse_report(text, "x.json")


def test_endless_report_is_refused() -> None:
    """A file larger than 1 MiB is no report."""
    with pytest.raises(ConfigInvalid, match="1 MiB"):
        parse_report(" " * (1024 * 1024 + 1), "x.json")


def test_correction_of_the_profile_is_heeded() -> None:
    """A report is compared with the profile as it is now: correcting it needs no second probe."""
    profile = load_profile("seaweedfs")
    report = canned(profile)
    outcomes = {line.seen.id: line.outcome for line in report.lines}
    assert outcomes["put-fence"] is Outcome.CONTRADICTS
    corrected = with_quirks(profile, put_if_absent=False)
    now = {line.seen.id: line.outcome for line in report.compared_with(corrected)}
    assert now["put-fence"] is Outcome.AS_DECLARED


def test_probe_takes_the_place_of_facts() -> None:
    """What was seen replaces what was declared, with its date and the probe as its source."""
    profile = load_profile("seaweedfs")
    report = canned(profile, *SEEN, Seen(id="part-sha256", value=False))
    seen = overlaid(profile, report)
    can = seen.capabilities()
    assert (can.put_if_absent, can.verifies_checksum, can.max_parts) == (False, False, 1000)
    fact = seen.quirks["put_if_absent"]
    assert (fact.status, fact.date) == (Status.MEASURED, "2026-11-21")
    assert report.digest[:12] in fact.source
    assert profile.capabilities().put_if_absent


def test_probe_can_gain_what_it_tried() -> None:
    """A refused violation and bytes that came back establish what they show; the rest can only become stricter."""
    profile = load_profile("generic-s3")
    report = canned(
        profile,
        Seen(id="put-fence", value=True),
        Seen(id="complete-fence", value=True),
        Seen(id="sha256", value=True),
        Seen(id="part-sha256", value=True),
        Seen(id="keys-nest", value=True),
        Seen(id="complete-etag", value=True),
        Seen(id="part-number", value=10_000),
        Seen(id="key-control", value=True),
    )
    seen = overlaid(profile, report)
    can = seen.capabilities()
    assert (profile.capabilities().keys_nest, can.keys_nest) == (False, True)
    assert (profile.vouches("complete_tells_etag"), seen.vouches("complete_tells_etag")) == (False, True)
    assert (can.put_if_absent, can.complete_if_absent, can.verifies_checksum) == (True, True, True)
    assert can.max_parts == profile.capabilities().max_parts
    assert can.key_rules == profile.capabilities().key_rules


def test_half_of_a_digest_check_gains_nothing() -> None:
    """Checksums count as verified only where objects and parts were both tried."""
    profile = load_profile("generic-s3")
    report = canned(profile, Seen(id="sha256", value=True), Seen(id="part-sha256", value=None))
    assert changes_of(report, profile) == {}
    assert overlaid(profile, report) is profile


def test_broken_keys_become_rules() -> None:
    """A kind of key that was not kept is refused from then on, key by key."""
    profile = load_profile("generic-s3")
    report = canned(profile, Seen(id="key-trailing-slash", value=False))
    assert changes_of(report, profile) == {
        "quirks.key_rules": tuple(sorted({*profile.capabilities().key_rules, "no-trailing-slash"}))
    }


def test_table_is_as_reviewed() -> None:
    """The table of a canned report is what was reviewed. `HAVRE_UPDATE_GOLDEN=1` writes it anew."""
    text = "\n".join(table_lines(canned(load_profile("seaweedfs")))) + "\n"
    if os.environ.get("HAVRE_UPDATE_GOLDEN"):
        GOLDEN.write_text(text, encoding="utf-8")
    assert text == GOLDEN.read_text(encoding="utf-8")
