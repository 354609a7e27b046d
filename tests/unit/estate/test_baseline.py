"""Baselines are data with sources, and a host is held against them without a guess."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from providers.errors import ConfigInvalid
from providers.estate.baseline import baseline_names, load_baseline
from providers.estate.commands import QUESTIONS, Answer
from providers.estate.hosts import HostReport, Outcome, attest, collect
from providers.estate.model import Setting

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
HARDENED: dict[str, Setting] = {
    "sshd.strictmodes": "yes",
    "sshd.ciphers": ("aes256-ctr", "chacha20-poly1305@openssh.com"),
    "sshd.macs": ("hmac-sha2-512-etm@openssh.com",),
    "sshd.permitemptypasswords": "no",
    "sshd.passwordauthentication": "no",
    "sshd.pubkeyauthentication": "yes",
    "sshd.maxauthtries": 3,
    "sshd.logingracetime": 30,
    "sshd.permitrootlogin": "no",
    "sshd.printlastlog": "yes",
    "sshd.permituserenvironment": "no",
    "sshd.allowtcpforwarding": "no",
    "sshd.x11forwarding": "no",
    "sshd.kexalgorithms": ("curve25519-sha256",),
    "time.synchronised": True,
    "updates.security": 0,
    "updates.lists_at": (NOW - timedelta(days=6)).isoformat(),
    "disks.plain_mounts": ("/boot",),
    "ports.beyond_loopback": ("tcp/22",),
}


def outcomes(facts: dict[str, Setting], untold: dict[str, str] | None = None) -> dict[str, Outcome]:
    report = HostReport(host="h", asked_at=NOW, facts=facts, untold=untold or {})
    return {
        one.expectation.id: one.outcome
        for name in baseline_names()
        for one in attest(report, load_baseline(name))
    }


def test_shipped_baselines_say_where_they_come_from() -> None:
    """Every expectation has a source with address, status and date."""
    assert baseline_names() == ("anssi-openssh", "linux-host")
    for name in baseline_names():
        baseline = load_baseline(name)
        assert baseline.name == name
        for one in baseline.expectations:
            assert one.source.url
            assert one.source.status in {"official", "vendor", "press", "memory"}
            assert one.source.date


def test_a_hardened_host_is_as_expected() -> None:
    """A host that does all of it differs in nothing."""
    assert set(outcomes(HARDENED).values()) == {Outcome.AS_EXPECTED}


@pytest.mark.parametrize(
    ("fact", "value", "identifier"),
    [
        ("sshd.permitrootlogin", "without-password", "root-login"),
        ("sshd.ciphers", ("aes256-ctr", "3des-cbc"), "ciphers"),
        ("sshd.macs", ("hmac-sha1",), "macs"),
        ("sshd.maxauthtries", 6, "max-auth-tries"),
        ("sshd.logingracetime", 0, "login-grace-time"),
        ("sshd.kexalgorithms", ("diffie-hellman-group1-sha1",), "old-key-exchange"),
        ("time.synchronised", False, "clock"),
        ("updates.security", 1, "security-updates"),
        ("updates.lists_at", (NOW - timedelta(days=8)).isoformat(), "package-lists"),
        ("disks.plain_mounts", ("/", "/boot"), "disk-encryption"),
        ("ports.beyond_loopback", ("tcp/22", "tcp/9100"), "open-ports"),
    ],
)
def test_each_deviation_is_one_finding(fact: str, value: Setting, identifier: str) -> None:
    """One thing that is otherwise makes one finding differ, and no other."""
    found = outcomes({**HARDENED, fact: value})
    assert {name for name, outcome in found.items() if outcome is not Outcome.AS_EXPECTED} == {identifier}
    assert found[identifier] is Outcome.DIFFERS


@pytest.mark.parametrize("fact", sorted(HARDENED))
def test_what_was_not_told_is_never_good(fact: str) -> None:
    """Without its fact an expectation is not established."""
    facts = {name: value for name, value in HARDENED.items() if name != fact}
    assert list(outcomes(facts).values()).count(Outcome.NOT_ESTABLISHED) == 1


@pytest.mark.parametrize("fact", sorted(HARDENED))
def test_a_fact_of_another_kind_is_never_good(fact: str) -> None:
    """A fact of a kind that cannot be compared is not as expected."""
    wrong: Setting = "x" if not isinstance(HARDENED[fact], str) else True
    found = outcomes({**HARDENED, fact: wrong})
    assert list(found.values()).count(Outcome.AS_EXPECTED) == len(found) - 1


def test_why_something_is_not_established_is_said() -> None:
    """The finding repeats why the question was not answered."""
    report = HostReport(host="h", asked_at=NOW, untold={"sshd": "this login may not ask it"})
    texts = {one.text for one in attest(report, load_baseline("anssi-openssh"))}
    assert texts == {"this login may not ask it"}


def test_the_first_way_that_answers_is_taken() -> None:
    """Where one command is missing the next is asked; where all are, the question is untold."""
    asked: list[str] = []

    def run(command: str) -> Answer:
        asked.append(command)
        if "chronyc" in command:
            return Answer(status=0, out="Leap status : Normal\n")
        return Answer(status=127, out="", err="not found")

    facts, untold = collect(run)
    assert facts["time.told_by"] == "chronyc"
    assert not any("adjtimex" in command for command in asked)
    assert set(untold) == {question.name for question in QUESTIONS} - {"time"}


def test_rights_are_asked_for_on_request_only() -> None:
    """Sudo is run only where it was asked for, and an ordinary login is tried after it."""

    def run(command: str) -> Answer:
        seen.append(command)
        return Answer(status=1, out="", err="sudo: a password is required")

    seen: list[str] = []
    collect(run)
    assert not any("sudo" in command for command in seen)
    seen.clear()
    _, untold = collect(run, sudo=True)
    sshd = [command for command in seen if "sshd -T" in command]
    assert ["sudo" in command for command in sshd] == [True, False]
    assert untold["sshd"] == "this login may not ask it"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("nonsense", "not TOML"),
        ('name = "x"\ntitle = "y"\n', "expect"),
        ('name = "x"\ntitle = "y"\nwhat = 1\n', "unknown field"),
        (
            'name="x"\ntitle="y"\n[[expect]]\nid="a"\ntitle="t"\nfact="f"\nrule="is"\nvalue=true\nsource="s"\n',
            "no source",
        ),
        (
            'name="x"\ntitle="y"\n[sources.s]\ntitle="t"\nurl="u"\nstatus="sure"\ndate="2026"\n[[expect]]\nid="a"\n',
            "status",
        ),
        (
            (
                'name="x"\ntitle="y"\n[sources.s]\ntitle="t"\nurl="u"\nstatus="memory"\ndate="2026"\n'
                '[[expect]]\nid="a"\ntitle="t"\nfact="f"\nrule="guess"\nsource="s"\n'
            ),
            "rule",
        ),
    ],
)
def test_a_baseline_that_makes_no_sense_is_refused(tmp_path: Path, text: str, complaint: str) -> None:
    """A baseline of one's own is checked, and the complaint names the field."""
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(ConfigInvalid, match=complaint):
        load_baseline(path)


def test_a_baseline_that_is_not_there_names_those_that_are() -> None:
    """The hint lists what is shipped."""
    with pytest.raises(ConfigInvalid) as caught:
        load_baseline("nope")
    assert "anssi-openssh" in str(caught.value.hint)
