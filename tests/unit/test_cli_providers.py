"""`havre providers` on the command line: lists, one profile, several side by side, the gap study.

`HAVRE_UPDATE_GOLDEN=1 scripts/test tests/unit/test_cli_providers.py` writes the golden files anew, for review.
"""

from __future__ import annotations

import json
import os
import re
import xml.dom.minidom
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner, Result

from migrator.cli.main import havre
from migrator.cli.verb_providers import _SECTIONS
from providers.gap import list_blueprints
from providers.profile import list_profiles
from providers.profile_spec import SECTIONS
from support.made_studies import BLUEPRINT

GOLDEN = Path(__file__).parents[1] / "golden/cli"
COMMANDS = ("list", "show", "compare", "gap")
FACT = 'status = "vendor", source = "https://example.org/quay", date = "2026-01-31"'
QUAY = f"""
schema = 1
[profile]
name = "quay"
title = "Quay (made up)"
protocol = "s3"
[law]
entity = {{ value = "Quay SA, Brest", {FACT} }}
non_eu_control = {{ value = false, {FACT} }}
[[certificate]]
service = "Berths"
kind = "hds"
held = {{ value = true, {FACT}, note = "Asked for by telephone." }}
activities = {{ value = [1, 6], {FACT} }}
[[certificate]]
service = "Sheds"
kind = "hds"
held = {{ status = "not_found", source = "the quay's notices", date = "2026-02" }}
[endpoint]
template = {{ value = "https://{{region}}.example.org", {FACT} }}
[regions.north]
country = {{ value = "FR", {FACT} }}
[quirks]
key_rules = {{ value = ["no-control"], {FACT} }}
object_lock = {{ value = true, status = "press", source = "https://example.org/news", date = "2026" }}
[services]
gpu = {{ value = false, {FACT} }}
kms = {{ value = "Strongroom \\u001b[31m", {FACT} }}
"""
SHOAL = f"""
schema = 1
[profile]
name = "shoal"
title = "Shoal (made up)"
protocol = "s3"
kind = "software"
[law]
non_eu_control = {{ value = false, {FACT} }}
[regions.south]
country = {{ value = "DE", {FACT} }}
[services]
gpu = {{ value = "Oars", {FACT} }}
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two made-up profiles in a directory without a configuration."""
    for name in ("HAVRE_CONFIG", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "quay.toml").write_text(QUAY, encoding="utf-8")
    (tmp_path / "shoal.toml").write_text(SHOAL, encoding="utf-8")
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(havre, ["providers", *arguments])


def said(*arguments: str) -> str:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def held_to(name: str, text: str) -> None:
    path = GOLDEN / name
    if os.environ.get("HAVRE_UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def test_help_is_as_reviewed() -> None:
    """The help of the group and of each of its verbs is what was reviewed."""
    lines = [["--help"], *([name, "--help"] for name in COMMANDS)]
    held_to(
        "providers-help.txt", "\n".join(f"$ havre providers {' '.join(one)}\n{said(*one)}" for one in lines)
    )


def test_conversation_is_as_reviewed() -> None:
    """What the verbs say of made-up profiles is what was reviewed, in both languages."""
    lines = (
        ["show", "./quay.toml"],
        ["show", "./quay.toml", "--section", "certificate", "--lang", "fr"],
        ["show", "./shoal.toml", "--section", "certificate"],
        ["compare", "./quay.toml", "./shoal.toml"],
        ["compare", "./quay.toml", "./shoal.toml", "--all", "--section", "law", "--lang", "fr"],
        ["gap", "--blueprint", "./harbour.toml", "--provider", "./quay.toml", "--as-of", "2026-11-22"],
    )
    Path("harbour.toml").write_text(BLUEPRINT.read_text(encoding="utf-8"), encoding="utf-8")
    held_to("providers.txt", "\n".join(f"$ havre providers {' '.join(one)}\n{said(*one)}" for one in lines))


def test_list_names_every_profile_and_quotes_certificates() -> None:
    """Each shipped profile is listed, and each certificate is what a source says of a service on a date."""
    text = said("list")
    for name in list_profiles():
        assert re.search(rf"^{name} ", text, re.MULTILINE), name
    told = re.findall(r"^    (?:hds|secnumcloud) .*$", text, re.MULTILINE)
    assert told
    assert all(
        re.search(r": held = (yes|no|looked for, not found) \[[^\]]*\d{4}[^\]]*\]", one) for one in told
    )


def test_list_in_json_holds_whole_facts() -> None:
    """The JSON form of the list gives each fact with status, source and date."""
    listed = json.loads(said("list", "--json"))["profiles"]
    assert [one["name"] for one in listed] == list(list_profiles())
    facts = [fact for one in listed for held in one["certificates"] for fact in held["facts"].values()]
    assert facts
    assert all({"value", "status", "source", "date"} <= set(fact) for fact in facts)
    assert {one["kind"] for one in listed} == {"offer", "software"}


def test_nothing_is_called_certified_or_compliant() -> None:
    """The words of these verbs judge nobody; only what a fact itself says may use such words."""
    texts = [said(name, "--help") for name in COMMANDS]
    texts.append(said("gap", "--blueprint", str(BLUEPRINT), "--provider", "./quay.toml"))
    texts.append(said("gap", "--blueprint", str(BLUEPRINT), "--provider", "./quay.toml", "--lang", "fr"))
    for text in texts:
        assert not re.search(
            r"complian|is certified|qualified|legal\b|conforme|certifié\b", text, re.IGNORECASE
        )


def test_show_takes_a_name_a_path_and_a_site(here: Path) -> None:
    """A profile is found by its name, by a path, and by the site that uses it."""
    (here / "havre.toml").write_text(
        '[sites.mine]\nprofile = "./quay.toml"\nregion = "north"\n', encoding="utf-8"
    )
    assert json.loads(said("show", "mine", "--json"))["name"] == "quay"
    assert json.loads(said("show", "./quay.toml", "--json"))["name"] == "quay"
    assert json.loads(said("show", "scaleway", "--json"))["name"] == "scaleway"


def test_show_gives_one_section_on_request() -> None:
    """With --section nothing else is shown."""
    shown = json.loads(said("show", "./quay.toml", "--section", "law", "--json"))
    assert set(shown["sections"]) == {"law"}
    assert set(shown["sections"]["law"]) == {"entity", "non_eu_control"}


def test_the_sections_are_those_of_a_profile() -> None:
    """--section offers every section that a profile can have."""
    assert set(_SECTIONS) == {*SECTIONS, "certificate", "regions"}


def test_a_profile_cannot_steer_the_terminal() -> None:
    """Control characters of a profile are shown, not sent."""
    text = said("show", "./quay.toml", "--section", "services")
    assert "\x1b" not in text
    assert r"Strongroom \x1b[31m" in text


def test_compare_marks_and_keeps_only_what_differs() -> None:
    """Without --all only rows that differ are shown; with it, the others come without a mark."""
    rows = json.loads(said("compare", "./quay.toml", "./shoal.toml", "--json"))["rows"]
    assert all(row["differs"] for row in rows)
    names = {row["fact"] for row in rows}
    assert {"law.entity", "services.gpu", "certificate.hds.held", "regions.country"} <= names
    assert "law.non_eu_control" not in names
    everything = said("compare", "./quay.toml", "./shoal.toml", "--all")
    assert "\n  law.non_eu_control" in everything
    assert "\n* law.entity" in everything


def test_compare_needs_two_profiles() -> None:
    """One profile, or the same one twice, is no comparison."""
    for names in (["scaleway"], ["scaleway", "scaleway"]):
        result = run("compare", *names)
        assert result.exit_code == 2
        assert result.stderr.startswith("havre: a comparison takes two names or more\nhint: ")


def test_gap_studies_every_offer_by_default() -> None:
    """Without --provider every offer is studied, and software is not."""
    tree = json.loads(said("gap", "--blueprint", "hdh-target", "--json"))
    names = {offer["name"] for offer in tree["offers"]}
    listed = {one["name"]: one["kind"] for one in json.loads(said("list", "--json"))["profiles"]}
    assert names == {name for name, kind in listed.items() if kind == "offer"}


def test_gap_takes_software_that_is_named() -> None:
    """What is named is studied, whatever it is."""
    tree = json.loads(said("gap", "--blueprint", "hdh-target", "--provider", "./shoal.toml", "--json"))
    assert [offer["name"] for offer in tree["offers"]] == ["shoal"]


def test_gap_writes_a_picture_whole(here: Path) -> None:
    """The picture appears complete, replaces an older one, and leaves nothing beside it."""
    path = here / "gap.svg"
    path.write_text("old", encoding="utf-8")
    result = run("gap", "--blueprint", "eds-hospital", "--provider", "./quay.toml", "--svg", str(path))
    assert result.exit_code == 0
    assert "wrote" in result.stderr
    assert xml.dom.minidom.parse(str(path)).documentElement.tagName == "svg"
    assert [one.name for one in here.iterdir() if "gap" in one.name] == ["gap.svg"]


def test_gap_does_not_write_over_other_files(here: Path) -> None:
    """A picture's file ends in .svg, so that no blueprint or profile is overwritten."""
    result = run("gap", "--blueprint", "eds-hospital", "--svg", "quay.toml")
    assert result.exit_code == 2
    assert (here / "quay.toml").read_text(encoding="utf-8") == QUAY


def test_gap_that_cannot_write_leaves_what_was_there(here: Path) -> None:
    """A folder that is not there ends in one sentence."""
    result = run("gap", "--blueprint", "eds-hospital", "--svg", str(here / "gone" / "gap.svg"))
    assert result.exit_code != 0
    assert result.stderr.startswith("havre: ")
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (["gap"], "a blueprint is needed", "hdh-interim"),
        (["gap", "--blueprint", "hdh-targt"], "no blueprint is called 'hdh-targt'", "hdh-target"),
        (["gap", "--blueprint", "eds-hospital", "--provider", "scalway"], "'scalway'", "scaleway"),
        (["show", "scalway"], "no profile is called 'scalway'", "scaleway"),
        (["show", "./gone.toml"], "gone.toml", ""),
    ],
)
def test_a_mistake_is_one_sentence(arguments: list[str], message: str, hint: str) -> None:
    """A name that is not known ends with exit code 2, the name, and the one that was meant."""
    result = run(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr.splitlines()[0]
    assert hint in result.stderr


FACTS = f"""
schema = 1
fictitious = true
[documents.attestation]
title = "Attestation of Berths (made up)"
sha256 = "{"e3b0c442" * 8}"
by = "A. Martin"
date = "2026-01-15"
[[providers.generic-s3.certificate]]
service = "Berths"
kind = "secnumcloud"
document = "attestation"
held = true
version = "3.2"
valid_from = "2026-01-01"
valid_until = "2099-12-31"
"""


def test_the_operators_facts_are_laid_over(here: Path) -> None:
    """What the operator read in a document establishes a certificate; made-up facts are said to be made up."""
    arguments = ("gap", "--blueprint", str(BLUEPRINT), "--provider", "generic-s3", "--json")
    cells = json.loads(said(*arguments))["offers"][0]["cells"]
    assert [cell["state"] for cell in cells if cell["need"] == "secnumcloud"] == ["unknown"]
    (here / "facts.toml").write_text(FACTS, encoding="utf-8")
    (here / "havre.toml").write_text('[facts]\nfiles = ["facts.toml"]\n', encoding="utf-8")
    result = run(*arguments)
    (cell,) = (one for one in json.loads(result.stdout)["offers"][0]["cells"] if one["need"] == "secnumcloud")
    assert (cell["state"], cell["established"], cell["grade"]) == ("met", True, "operator")
    assert cell["facts"][0]["source"].startswith("fictitious: ")
    assert "fictitious" in result.stderr
    shown = json.loads(said("show", "generic-s3", "--section", "certificate", "--json"))
    held = next(one for one in shown["sections"]["certificate"] if one["service"] == "Berths")
    assert held["facts"]["held"]["document"].startswith("sha256:")


def completions(*words: str) -> list[str]:
    *before, incomplete = words
    found = ShellComplete(havre, {}, "havre", "_HAVRE_COMPLETE").get_completions(
        ["providers", *before], incomplete
    )
    return [item.value for item in found]


def test_names_are_completed() -> None:
    """Completion offers profiles and blueprints that begin as typed, and files where a path is begun."""
    assert completions("show", "scale") == ["scaleway"]
    assert completions("compare", "azure", "outs") == ["outscale"]
    assert completions("gap", "--blueprint", "hdh") == ["hdh-interim", "hdh-target"]
    assert completions("gap", "--blueprint", "eds", "") != list(list_blueprints())
    assert completions("gap", "--provider", "scale") == ["scaleway"]
    assert completions("show", "./q") == ["./q"]


def test_every_verb_has_examples_and_json() -> None:
    """Each verb of the group shows examples and takes --json and --lang."""
    group = havre.get_command(click.Context(havre), "providers")
    assert isinstance(group, click.Group)
    assert set(group.commands) == set(COMMANDS)
    for command in group.commands.values():
        options = {option for param in command.params for option in param.opts}
        assert {"--json", "--lang", "--config", "--quiet"} <= options
        assert command.epilog
