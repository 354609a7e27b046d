"""Facts files: what an operator read in documents of theirs goes over profiles, and mistakes are named."""

from __future__ import annotations

import json
import tomllib
from datetime import date
from importlib import resources
from pathlib import Path

import jsonschema
import pytest

from providers.errors import ConfigInvalid
from providers.facts_overlay import Overlay, load_overlay, read_overlay
from providers.facts_spec import facts_schema
from providers.profile import load_profile
from providers.profile_spec import Status
from providers.sites import Sites

EXAMPLE = Path(__file__).resolve().parents[2] / "providers" / "examples" / "facts.toml"
TODAY = date(2026, 11, 22)
DIGEST = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
DOCUMENT = f"""
[documents.paper]
title = "Attestation"
sha256 = "{DIGEST}"
by = "A. Martin"
date = "2026-09-14"
"""
CERTIFICATE = """
[[providers.scaleway.certificate]]
service = "Object Storage"
kind = "secnumcloud"
document = "paper"
held = true
valid_from = "2026-06-01"
valid_until = "2029-05-31"
"""
LAW = '[providers.scaleway.law]\ndocument = "paper"\nnon_eu_control = false\n'
MINE = 'schema = 1\n[profile]\nname = "mine"\ntitle = "Mine"\nprotocol = "s3"\n'


@pytest.fixture
def write(tmp_path):
    def write_text(body: str, *, head: str = "schema = 1\n" + DOCUMENT, name: str = "facts.toml") -> Path:
        path = tmp_path / name
        path.write_text(head + body, encoding="utf-8")
        return path

    return write_text


def refusal(path: Path) -> ConfigInvalid:
    with pytest.raises(ConfigInvalid) as caught:
        load_overlay(path, today=TODAY)
    assert caught.value.exit_code == 2
    return caught.value


def test_the_committed_schema_is_the_one_the_code_states():
    """The JSON Schema file is generated from the specification and cannot drift from it."""
    committed = (resources.files("providers") / "facts.schema.json").read_text("utf-8")
    assert json.loads(committed) == facts_schema()
    jsonschema.Draft202012Validator.check_schema(facts_schema())


def test_the_example_loads_satisfies_the_schema_and_calls_itself_fictitious():
    """Whoever copies the example starts from a file that works and that nobody takes for true."""
    jsonschema.validate(tomllib.loads(EXAMPLE.read_text("utf-8")), facts_schema())
    overlay = load_overlay(EXAMPLE)
    assert overlay.fictitious
    facts = [fact for stated in overlay.by_provider.values() for fact in stated.values()]
    assert facts
    assert all(fact.source.startswith("fictitious: ") for fact in facts)


def test_an_operators_fact_replaces_the_profiles(write):
    """The fact carries document, reader and date; everything else stays as the profile has it."""
    plain = load_profile("scaleway")
    profile = plain.overlaid(load_overlay(write(CERTIFICATE), today=TODAY))
    (held,) = profile.certificate("secnumcloud", "Object Storage")
    assert held.held.value is True
    assert held.held.status is Status.OPERATOR
    assert held.held.establishes
    assert (held.held.document, held.held.by, held.held.date) == (
        f"sha256:{DIGEST}",
        "A. Martin",
        "2026-09-14",
    )
    assert held.facts["valid_until"].value == "2029-05-31"
    assert held.facts["version"] == plain.certificate("secnumcloud", "Object Storage")[0].facts["version"]
    assert profile.law == plain.law
    assert profile.certificate("hds") == plain.certificate("hds")
    assert plain.certificate("secnumcloud")[0].held.value is False


def test_a_profile_of_which_nothing_is_stated_stays_itself(write):
    """An overlay touches the providers that it names and no other."""
    overlay = load_overlay(write(CERTIFICATE), today=TODAY)
    azure = load_profile("azure")
    assert azure.overlaid(overlay) is azure
    assert azure.overlaid(Overlay()) is azure


def test_every_section_that_a_document_can_answer_for_is_laid_over(write):
    """Law, limits, keys, services, regions and new certificates all reach the profile, and its capabilities."""
    body = """
[providers.docaposte.law]
document = "paper"
parents = ["La Poste (France)"]
[providers.docaposte.limits]
document = "paper"
max_parts = 500
note = "annex 2"
[providers.docaposte.keys]
document = "paper"
custody = "customer"
[providers.docaposte.services]
document = "paper"
hsm = "Example HSM"
gpu = false
[providers.docaposte.regions.paris]
document = "paper"
country = "FR"
hds = true
[[providers.docaposte.certificate]]
service = "Private cloud"
kind = "hds"
document = "paper"
held = true
activities = [1, 2]
"""
    path = write(body)
    jsonschema.validate(tomllib.loads(path.read_text()), facts_schema())
    profile = load_profile("docaposte").overlaid(load_overlay(path, today=TODAY))
    stated = {name: fact for name, fact in profile.facts().items() if fact.status is Status.OPERATOR}
    assert {name: fact.value for name, fact in stated.items()} == {
        "law.parents": ("La Poste (France)",),
        "limits.max_parts": 500,
        "keys.custody": "customer",
        "services.hsm": "Example HSM",
        "services.gpu": False,
        "regions.paris.country": "FR",
        "regions.paris.hds": True,
        "certificate.2.held": True,
        "certificate.2.activities": (1, 2),
    }
    assert stated["limits.max_parts"].note == "annex 2"
    assert profile.capabilities().max_parts == 500
    assert profile.certificates[2].service == "Private cloud"


@pytest.mark.parametrize(
    ("body", "message", "hint"),
    [
        ("[providers.scalway.law]\n", "no profile is called 'scalway'", "scaleway"),
        ("[providers.scaleway.laws]\n", "unknown field 'laws'", "law"),
        ("[providers.scaleway.quirks]\n", "unknown field 'quirks'", "certificate"),
        (
            LAW.replace("non_eu_control", "non_eu_controls"),
            "unknown field 'non_eu_controls'",
            "non_eu_control",
        ),
        (LAW.replace("false", '"no"'), "law.non_eu_control: must be true or false", None),
        (LAW.replace('document = "paper"\n', ""), "field 'document' is required", None),
        (LAW.replace('"paper"', '"papers"'), "no document is called 'papers'", "did you mean 'paper'?"),
        (LAW.replace('"paper"', '"zzz"'), "no document is called 'zzz'", "[documents.zzz]"),
        (
            '[providers.scaleway.regions.fr-pra]\ndocument = "paper"\nhds = true',
            "no region 'fr-pra'",
            "'fr-par'",
        ),
        (CERTIFICATE.replace("secnumcloud", "iso27001"), "kind 'iso27001'", None),
        (
            CERTIFICATE.replace("Object Storage", "object  storage"),
            "no service is called",
            "'Object Storage'",
        ),
        (
            CERTIFICATE.replace("Object Storage", "Instances").replace("held = true\n", ""),
            "'held' is req",
            "Obj",
        ),
        (CERTIFICATE.replace("2029-05-31", "2029-02-30"), "'2029-02-30' is not a day", None),
        (CERTIFICATE.replace("2029-05-31", "soon"), "does not have the form", None),
        (CERTIFICATE.replace("2029-05-31", "2026-11-21"), "ran out on 2026-11-21", "held = false"),
        (CERTIFICATE.replace("2026-06-01", "2029-06-01"), "before it begins", None),
        (CERTIFICATE + CERTIFICATE, "certificate.Object Storage.secnumcloud.held is stated twice", None),
        (CERTIFICATE.replace("[[", "[").replace("]]", "]"), "written as", None),
        ("[rules]\n", "unknown field 'rules'", None),
        (DOCUMENT.replace("paper", "Paper"), "name is made of", None),
        (DOCUMENT.replace("paper", "other").replace(DIGEST, DIGEST.upper()), "64 hexadecimal", "sha256sum"),
        (DOCUMENT.replace("paper", "other").replace("2026-09-14", "2026-09"), "'2026-09' is not a day", None),
        (
            DOCUMENT.replace("paper", "other").replace('by = "A. Martin"\n', ""),
            "field 'by' is required",
            None,
        ),
        (DOCUMENT.replace("paper", "other") + 'url = "ftp://x"\n', "must begin with https://", None),
        (DOCUMENT.replace("paper", "other") + 'pages = "3"\n', "unknown field 'pages'", None),
    ],
)
def test_what_a_facts_file_may_not_say_is_named(write, body, message, hint):
    """Each mistake is refused in one sentence with the file, and a hint where there is one to give."""
    error = refusal(write(body))
    assert message in error.message
    assert "facts.toml" in error.message
    assert "\n" not in error.message
    if hint is not None:
        assert hint in (error.hint or "")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("= x", "not TOML"),
        ("schema = 2\n", "'schema' must be 1"),
        ('schema = 1\nfictitious = "yes"\n', "true or false"),
        ("schema = 1\nproviders = 3\n", "must be a table"),
        ("schema = 1\n#" + "x" * 1024 * 1024, "at most"),
    ],
)
def test_a_file_that_is_no_facts_file_is_refused(write, text, message):
    """Parse errors, versions of another time and files without end are configuration errors."""
    assert message in refusal(write("", head=text)).message


def test_files_that_cannot_be_read_are_refused(tmp_path):
    """No error of the file system or the decoder leaves the loader."""
    assert "cannot read" in refusal(tmp_path / "none.toml").message
    (tmp_path / "latin.toml").write_bytes(b"# \xe9\n")
    assert "not UTF-8" in refusal(tmp_path / "latin.toml").message


def test_a_document_read_tomorrow_is_a_mistake(write):
    """A date of reading that lies ahead is refused, because the calendar of the file is wrong."""
    path = write(LAW, head="schema = 1\n" + DOCUMENT.replace("2026-09-14", "2026-11-23"))
    assert "after today" in refusal(path).message
    assert load_overlay(path, today=date(2026, 11, 23)).by_provider


def test_a_certificate_that_ran_out_may_be_stated_as_not_held(write):
    """Whoever records that an attestation was not renewed is not refused for its date."""
    path = write(CERTIFICATE.replace("2029-05-31", "2026-11-21").replace("held = true", "held = false"))
    profile = load_profile("scaleway").overlaid(load_overlay(path, today=TODAY))
    (held,) = profile.certificate("secnumcloud", "Object Storage")
    assert held.held.value is False
    assert held.facts["valid_until"].value == "2026-11-21"


def test_the_last_day_still_counts(write):
    """A certificate is refused from the day after its last one."""
    path = write(CERTIFICATE)
    assert load_overlay(path, today=date(2029, 5, 31)).by_provider
    with pytest.raises(ConfigInvalid, match="ran out on 2029-05-31"):
        load_overlay(path, today=date(2029, 6, 1))


def test_two_files_may_not_state_one_fact(write):
    """Which of two documents holds is for the operator to say, not for the order of files."""
    one = read_overlay(write(LAW, name="one.toml"))
    with pytest.raises(ConfigInvalid, match=r"two\.toml: scaleway: law\.non_eu_control") as caught:
        one.joined(read_overlay(write(LAW, name="two.toml")))
    assert caught.value.hint is not None
    both = one.joined(read_overlay(write(CERTIFICATE, name="three.toml")))
    assert len(both.by_provider["scaleway"]) == 4
    assert len(both.origins) == 2


def test_a_site_carries_its_facts(tmp_path, write):
    """Files named in havre.toml are read beside it, and the site's profile comes with them laid over."""
    write(CERTIFICATE)
    config = tmp_path / "havre.toml"
    config.write_text(
        '[facts]\nfiles = ["facts.toml"]\n[sites.one]\nprofile = "scaleway"\nregion = "fr-par"\n'
    )
    sites = Sites.load(config, {})
    assert sites.facts == (tmp_path / "facts.toml",)
    (held,) = sites.site("one").profile.certificate("secnumcloud")
    assert held.held.status is Status.OPERATOR
    assert sites.profile("scaleway") == sites.site("one").profile
    assert sites.profile("azure") == load_profile("azure")


def test_a_run_in_hand_outlives_a_certificate_but_a_question_does_not(tmp_path, write):
    """An attestation that ran out does not keep sites from opening; asking for the profile is refused."""
    write(CERTIFICATE.replace("2026-06-01", "2019-06-01").replace("2029-05-31", "2020-05-31"))
    config = tmp_path / "havre.toml"
    config.write_text(
        '[facts]\nfiles = ["facts.toml"]\n[sites.one]\nprofile = "scaleway"\nregion = "fr-par"\n'
    )
    sites = Sites.load(config, {})
    (held,) = sites.site("one").profile.certificate("secnumcloud")
    assert held.facts["valid_until"].value == "2020-05-31"
    with pytest.raises(ConfigInvalid, match="ran out on 2020-05-31"):
        sites.profile("scaleway")


def test_a_facts_file_may_speak_of_a_profile_of_ones_own(tmp_path, write):
    """A profile given as a file is known to the facts files of the same configuration."""
    (tmp_path / "mine.toml").write_text(MINE)
    write(LAW.replace("scaleway", "mine"))
    config = tmp_path / "havre.toml"
    config.write_text(
        '[facts]\nfiles = ["facts.toml"]\n[sites.one]\nprofile = "./mine.toml"\n'
        'region = "x"\nendpoint = "https://s3.example.org"\n'
    )
    profile = Sites.load(config, {}).site("one").profile
    assert profile.law["non_eu_control"].status is Status.OPERATOR


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ('[facts]\nfile = ["facts.toml"]', "unknown field 'file'"),
        ('[facts]\nfiles = "facts.toml"', "must be a list of file names"),
        ('[facts]\nfiles = ["none.toml"]', "cannot read facts file"),
        ('facts = "facts.toml"', "must be a table"),
    ],
)
def test_a_wrong_facts_section_is_refused(tmp_path, table, message):
    """The configuration names what is wrong with its [facts]."""
    config = tmp_path / "havre.toml"
    config.write_text(table + "\n")
    with pytest.raises(ConfigInvalid, match=message):
        Sites.load(config, {})


def test_an_account_that_is_part_of_the_endpoint_is_asked_for(tmp_path):
    """Where a profile's endpoint holds the account, a site without one is refused, and one with it resolves."""
    config = tmp_path / "havre.toml"
    config.write_text('[sites.one]\nprofile = "cloud-temple"\n')
    with pytest.raises(ConfigInvalid, match="field 'account' is required"):
        Sites.load(config, {})
    config.write_text('[sites.one]\nprofile = "cloud-temple"\naccount = "acme"\n')
    assert Sites.load(config, {}).site("one").endpoint == "https://acme.s3.fr1.cloud-temple.com"
