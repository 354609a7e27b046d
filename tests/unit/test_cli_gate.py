"""The gate on the command line: asked for itself, by plan, and again by migrate."""

import json
import sqlite3
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from migrator.cli.main import havre
from providers.gate import read_derogation, sign_derogation
from providers.gate.derogations import public_key_text
from support.gates import DEMO, derogation, officer

_TODAY = datetime.now(UTC).date()
_TRUST = f'[trust]\nderogation_keys = ["{public_key_text(officer())}"]\n'
_LAB = (
    '[sites.lab]\nprofile = "seaweedfs"\nendpoint = "https://lab.invalid"\n'
    '[sites.lab.gate]\nregion = "demo-nantes"\n'
)
_HERE = '[worker]\nprovider = "own"\ncountry = "FR"\noperator = "the hospital"\n'
_ABROAD = '[worker]\nprovider = "own"\ncountry = "US"\n'
_FACTS = f'[facts]\nfiles = ["{DEMO}"]\n'


class Desk:
    """A directory with a source, a target, a key pair and a configuration."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("src", "dst"):
            (folder / name).mkdir()
        (folder / "src/one").write_text("one")
        self.run("keys", "generate", "-o", "ds", "--passphrase-env", "PW")

    def configure(self, *parts: str) -> None:
        (self.folder / "havre.toml").write_text("\n".join(parts))

    def run(self, *arguments: str, code: int = 0) -> Result:
        result = CliRunner().invoke(havre, arguments, env={"PW": "secret"})
        assert result.exit_code == code, result.output
        return result

    def json(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        answer = json.loads(self.run(*arguments, "--json", code=code).stdout)
        assert isinstance(answer, dict)
        return answer

    def plan(self, *more: str, code: int = 0) -> Result:
        return self.run(
            "plan",
            "./src",
            "./dst",
            "--wave",
            "may",
            "--class",
            "eds",
            "--recipient",
            "ds.pub",
            *more,
            code=code,
        )

    def wave(self) -> dict[str, Any]:
        return tomllib.loads((self.folder / "may.toml").read_text())

    def ledger_gate(self) -> dict[str, Any]:
        connection = sqlite3.connect(self.folder / "may.havre/ledger.sqlite")
        try:
            (text,) = connection.execute("SELECT value FROM meta WHERE name = 'gate'").fetchone()
        finally:
            connection.close()
        return json.loads(text)

    def decision(self, **changes: Any) -> str:
        """A file with a derogation for the wave may, for today."""
        decided = derogation(
            **{
                "destination": None,
                "wave": "may",
                "rules": ("worker-place",),
                "valid_from": _TODAY,
                "valid_until": _TODAY + timedelta(days=1),
            }
            | changes
        )
        (self.folder / "decision.json").write_bytes(sign_derogation(decided, officer()))
        return "decision.json"


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("HAVRE_PASSPHRASE_FILE", raising=False)
    monkeypatch.delenv("HAVRE_CONFIG", raising=False)
    return Desk(tmp_path)


def test_gate_refuses_what_is_not_established(desk: Desk) -> None:
    """A lab server has no facts, so SNDS data is refused with exit code 6, and nothing is opened for it."""
    desk.configure(_LAB)
    said = desk.run("gate", "lab:data", "--class", "snds", code=6).stdout
    assert said.startswith("verdict    refused, on facts as of ")
    assert "not legal advice" in said.splitlines()[0]
    found = desk.json("gate", "lab:data", "--class", "snds", code=6)
    assert found["outcome"] == "refused"
    assert found["question"]["worker"] is None
    assert desk.json("gate", "lab:data", "--class", "anonymous")["outcome"] == "no-objection"


def test_gate_reads_the_operators_facts(desk: Desk) -> None:
    """With the documents of a facts file, a region and a worker nothing speaks against, until a certificate ends."""
    desk.configure(_LAB, _HERE)
    facts = ("--facts", str(DEMO))
    found = desk.json("gate", "lab:data", "--class", "snds", *facts)
    assert found["outcome"] == "no-objection"
    held = [fact for one in found["reasons"] for fact in one["facts"] if fact["name"].endswith(": held")]
    assert all(fact["status"] == "operator" and fact["document"].startswith("sha256:") for fact in held)
    late = desk.json("gate", "lab:data", "--class", "snds", "--at", "2035-02-01", *facts, code=6)
    assert (late["as_of"], late["outcome"]) == ("2035-02-01", "refused")
    desk.configure(_LAB, _HERE, _FACTS)
    assert desk.json("gate", "lab:data", "--class", "snds", *facts)["facts_digest"] == found["facts_digest"]


def test_gate_speaks_french(desk: Desk) -> None:
    """The same verdict in French, with its caveat."""
    desk.configure(_LAB)
    said = desk.run("gate", "lab:data", "--class", "eds", "--lang", "fr", code=6).stdout
    assert said.startswith("avis       refus, d'après les faits au ")
    assert "ceci n'est pas un avis juridique" in said
    assert "Faits, cités de leurs sources" in said


def test_plan_stops_where_the_gate_refuses(desk: Desk) -> None:
    """Plan writes nothing and opens nothing where the gate refuses, and says which rules."""
    desk.configure(_LAB)
    line = ("plan", "./src", "lab:data", "--wave", "may", "--class", "snds", "--recipient", "ds.pub")
    refused = desk.json(*line, code=6)
    assert refused["error"]["code"] == "gate-refused"
    assert "snds-secnumcloud" in refused["error"]["message"]
    assert "not legal advice" in refused["error"]["message"]
    assert "havre gate lab:data --class snds" in refused["error"]["hint"]
    assert not (desk.folder / "may.toml").exists()


def test_plan_records_the_verdict_and_the_worker(desk: Desk) -> None:
    """The wave file holds outcome, day, digests, reasons and where the migrator runs; the output says conditions."""
    desk.configure(_HERE)
    said = desk.plan()
    assert "gate       conditions, on facts as of " in said.stdout
    assert "condition(s) to meet before data leaves" in said.stderr
    wave = desk.wave()
    record = wave["gate_record"]
    assert wave["gate"] == "conditions"
    assert record["as_of"] == _TODAY
    assert record["worker"] == {"own_premises": True, "country": "FR", "operator": "the hospital"}
    assert "eds-hds: condition" in record["reasons"]
    found = desk.json("gate", "./dst", "--class", "eds", "--from", "./src", "--wave", "may")
    assert (record["rules"], record["facts"]) == (found["rules_digest"], found["facts_digest"])


def test_migrate_keeps_what_it_rests_on(desk: Desk) -> None:
    """The verdict of the day lies in the wave's folder with every fact, and the ledger holds its digest."""
    desk.plan()
    desk.run("migrate", "may.toml", "--quiet")
    kept = json.loads((desk.folder / "may.havre/gate.json").read_text())
    assert kept["outcome"] == desk.ledger_gate()["outcome"] == "conditions"
    assert desk.ledger_gate()["as_of"] == _TODAY.isoformat()
    assert (desk.folder / "may.havre/gate.json").stat().st_mode & 0o777 == 0o600


def test_migrate_asks_again(desk: Desk) -> None:
    """What spoke for nothing at plan time may speak against a run: then nothing is sent, and the refusal is kept."""
    desk.configure(_HERE)
    desk.plan()
    desk.configure(_ABROAD)
    for more in ((), ("--dry-run",)):
        assert desk.json("migrate", "may.toml", *more, code=6)["error"]["code"] == "gate-refused"
    assert not list((desk.folder / "dst").iterdir())
    assert json.loads((desk.folder / "may.havre/gate-refused.json").read_text())["outcome"] == "refused"
    assert not (desk.folder / "may.havre/ledger.sqlite").exists()
    desk.configure(_HERE)
    desk.run("migrate", "may.toml", "--quiet")


def test_restore_asks_where_the_data_would_go(desk: Desk) -> None:
    """The way back leads somewhere too: refused, nothing comes; else the verdict is kept with the restore."""
    desk.configure(_HERE)
    desk.plan()
    desk.run("migrate", "may.toml", "--quiet")
    desk.configure(_ABROAD)
    back = desk.folder / "back"
    way = ("restore", "may.toml", str(back), "--identity", "ds.sec", "--passphrase-env", "PW")
    assert desk.json(*way, code=6)["error"]["code"] == "gate-refused"
    assert not back.exists() or not list(back.iterdir())
    desk.configure(_HERE)
    desk.run(*way, "--quiet")
    (verdict,) = (desk.folder / "may.havre").glob("restore-*.havre/gate.json")
    asked = json.loads(verdict.read_text())["question"]
    assert (asked["mode"], asked["destination"]["name"]) == ("copy", str(back))


def test_a_verdict_in_the_wave_file_is_not_trusted(desk: Desk) -> None:
    """Whoever edits the verdict in the wave file gains nothing."""
    desk.configure(_HERE)
    desk.plan()
    desk.configure(_ABROAD)
    wave = desk.folder / "may.toml"
    wave.write_text(wave.read_text().replace('gate = "conditions"', 'gate = "no-objection"'))
    desk.run("migrate", "may.toml", code=6)


def test_a_derogation_travels_with_the_wave(desk: Desk) -> None:
    """A signed decision lets plan go on, is copied into the wave's folder, and counts there for migrate."""
    desk.configure(_ABROAD, _TRUST)
    desk.plan(code=6)
    assert not (desk.folder / "may.toml").exists()
    decision = desk.decision()
    desk.plan("--derogation", decision)
    record = desk.wave()["gate_record"]
    (copy,) = (desk.folder / "may.havre/derogations").iterdir()
    assert record["derogations"] == [copy.stem]
    assert "worker-place: overridden" in record["reasons"]
    assert copy.read_bytes() == (desk.folder / decision).read_bytes()
    (desk.folder / decision).unlink()
    desk.run("migrate", "may.toml", "--quiet")
    kept = json.loads((desk.folder / "may.havre/gate.json").read_text())
    assert (kept["outcome"], kept["derogations"]) == ("conditions", record["derogations"])


def test_a_derogation_can_come_with_migrate(desk: Desk) -> None:
    """Named at migrate it is kept, and the next run finds it; once its key is not trusted it counts no more."""
    desk.configure(_HERE)
    desk.plan()
    desk.configure(_ABROAD, _TRUST)
    desk.run("migrate", "may.toml", "--derogation", desk.decision(), "--quiet")
    desk.run("migrate", "may.toml", "--quiet")
    desk.configure(_ABROAD)
    assert "does not count: no key is trusted" in desk.run("migrate", "may.toml", code=6).stderr


def test_evidence_holds_the_derogations_that_count(desk: Desk) -> None:
    """What the verdict relies on goes into the bundle; what has ended, or is none, does not."""
    desk.configure(_HERE)
    desk.plan()
    folder = desk.folder / "may.havre/derogations"
    folder.mkdir(parents=True)
    ended = desk.decision(valid_from=_TODAY - timedelta(days=9), valid_until=_TODAY - timedelta(days=1))
    (desk.folder / ended).rename(folder / "old.json")
    (folder / "junk.json").write_text("no JSON")
    desk.configure(_ABROAD, _TRUST)
    desk.run("migrate", "may.toml", "--derogation", desk.decision(), "--quiet")
    desk.run("keys", "generate", "--signing", "-o", "office", "--passphrase-env", "PW")
    signed = ("--sign", "office.sec", "--passphrase-env", "PW", "--out", "papers")
    desk.run("evidence", "may.toml", *signed)
    gate = json.loads((desk.folder / "papers/gate.json").read_bytes())
    names = [path.stem for path in (desk.folder / "papers/derogations").iterdir()]
    assert names == gate["derogations"]
    assert len(names) == 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"valid_from": _TODAY - timedelta(days=9), "valid_until": _TODAY - timedelta(days=1)},
            "it ended on",
        ),
        ({"wave": "june"}, "it is for the wave 'june'"),
        ({"dataset_class": "snds"}, "it is for the class snds"),
        ({"wave": None, "destination": "ovh:elsewhere"}, "it is for the destination"),
    ],
    ids=["ended", "other wave", "other class", "other destination"],
)
def test_a_derogation_for_something_else_is_named(desk: Desk, changes: dict[str, Any], said: str) -> None:
    """A derogation that was named and does not fit ends the command with 6 and the reason."""
    desk.configure(_ABROAD, _TRUST)
    refused = desk.plan("--derogation", desk.decision(**changes), code=6)
    assert said in refused.stderr
    assert not (desk.folder / "may.toml").exists()


def test_an_ended_derogation_in_the_folder_no_longer_counts(desk: Desk) -> None:
    """A run after the last day of a derogation is refused, and told why."""
    desk.configure(_HERE)
    desk.plan()
    desk.configure(_ABROAD, _TRUST)
    ended = desk.decision(valid_from=_TODAY - timedelta(days=9), valid_until=_TODAY - timedelta(days=1))
    folder = desk.folder / "may.havre/derogations"
    folder.mkdir(parents=True)
    (desk.folder / ended).rename(folder / "old.json")
    assert "does not count: it ended on" in desk.run("migrate", "may.toml", code=6).stderr


def test_facts_named_at_plan_count_at_migrate(desk: Desk) -> None:
    """The wave file remembers which facts files were named, and migrate reads them again."""
    desk.configure('[worker]\nprovider = "seaweedfs"\nregion = "demo-nantes"\n')
    desk.plan("--facts", str(DEMO))
    assert desk.wave()["gate_record"]["facts_files"] == [str(DEMO)]
    desk.run("migrate", "may.toml", "--quiet")
    kept = json.loads((desk.folder / "may.havre/gate.json").read_text())
    (place,) = [one for one in kept["reasons"] if one["rule"] == "worker-place"]
    assert place["answer"] == "established"


def test_own_premises_can_be_declared_for_software(desk: Desk) -> None:
    """A site that the controller runs itself is judged as own premises; somebody else's cloud cannot be."""
    lab = '[sites.lab]\nprofile = "seaweedfs"\nendpoint = "https://lab.invalid"\n'
    desk.configure(lab, '[sites.lab.gate]\npremises = "own"\ncountry = "FR"\n')
    found = desk.json("gate", "lab:data", "--class", "eds")
    assert found["outcome"] == "conditions"
    assert found["question"]["destination"]["own_premises"] is True
    desk.configure('[sites.ovh]\nprofile = "ovhcloud"\nregion = "gra"\n[sites.ovh.gate]\npremises = "own"\n')
    assert "not your own" in desk.run("gate", "ovh:data", "--class", "eds", code=2).stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[worker]\n", "'provider' is required"),
        ('[worker]\nprovider = "own"\ncountry = "France"\n', "two capital letters"),
        ('[worker]\nprovider = "own"\nplace = "x"\n', "unknown field 'place'"),
        ('[worker]\nprovider = "nowhere"\n', "no profile is called 'nowhere'"),
        ('worker = "here"\n', "must be a table"),
        (_LAB.replace('region = "demo-nantes"', 'premises = "rented"'), "can only say 'own'"),
        (_LAB.replace('region = "demo-nantes"', "region = 7"), "must be text"),
        ('[trust]\nderogation_keys = ["abc"]\n', "no Ed25519 public key"),
    ],
)
def test_a_declaration_that_makes_no_sense_is_refused(desk: Desk, text: str, said: str) -> None:
    """Slips in [worker], [sites.NAME.gate] and [trust] are named, with exit code 2."""
    desk.configure(text)
    line = ["gate", "./dst", "--class", "eds"]
    if "trust" in text:
        line += ["--derogation", desk.decision()]
    assert said in desk.run(*line, code=2).stderr


def pem(folder: Path, key: Any, passphrase: str | None = None) -> str:
    encryption = NoEncryption() if passphrase is None else BestAvailableEncryption(passphrase.encode())
    (folder / "officer.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
    return "officer.pem"


_DECIDE = ("derogate", "./dst", "--wave", "may", "--class", "eds", "--rule", "worker-place", "--reason", "why",
           "--by", "A. Martin", "-o", "d.json")  # fmt: skip


def test_derogate_signs_what_plan_accepts(desk: Desk) -> None:
    """The file that derogate writes, with the key it prints, takes a refusal back."""
    key = pem(desk.folder, officer(5), "secret")
    until = (_TODAY + timedelta(days=30)).isoformat()
    line = (*_DECIDE, "--until", until, "--key", key, "--passphrase-env", "PW")
    answer = desk.json(*line)
    found = read_derogation((desk.folder / "d.json").read_bytes(), [answer["public_key"]])
    assert (found.destination, found.wave, found.by) == (str(desk.folder / "dst"), "may", "A. Martin")
    assert found.valid_until.isoformat() == until
    desk.configure(_ABROAD, f'[trust]\nderogation_keys = ["{answer["public_key"]}"]\n')
    desk.plan("--derogation", "d.json")
    assert "file exists" in desk.run(*line, code=1).stderr


def test_derogate_refuses_what_it_cannot_sign(desk: Desk) -> None:
    """A wrong passphrase, another kind of key, an unknown rule and a time that ended are named."""
    until = ("--until", (_TODAY + timedelta(days=30)).isoformat())
    locked = pem(desk.folder, officer(5), "another")
    assert (
        "does not open"
        in desk.run(*_DECIDE, *until, "--key", locked, "--passphrase-env", "PW", code=12).stderr
    )
    other = pem(desk.folder, generate_private_key(65537, 2048))
    assert "no Ed25519 private key" in desk.run(*_DECIDE, *until, "--key", other, code=2).stderr
    key = pem(desk.folder, officer(5))
    assert (
        "no rule of the class eds" in desk.run(*_DECIDE, *until, "--key", key, "--rule", "x", code=2).stderr
    )
    assert "ends before" in desk.run(*_DECIDE, "--until", "2020-01-01", "--key", key, code=6).stderr
    assert not (desk.folder / "d.json").exists()
