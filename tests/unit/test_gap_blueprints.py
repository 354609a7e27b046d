"""Blueprints: what ships is well-formed, needs have public sources, and mistakes are named."""

from __future__ import annotations

import json
import tomllib
from importlib import resources
from pathlib import Path

import click
import jsonschema
import pytest

from migrator.cli.main import havre
from providers.errors import ConfigInvalid
from providers.gap import Level, list_blueprints, load_blueprint
from providers.gap.spec import schema
from support.made_studies import BLUEPRINT

NAMES = ("eds-federated", "eds-hospital", "hdh-interim", "hdh-target")
FOLDER = Path(str(resources.files("providers.gap")))
FILES = [FOLDER / "capabilities.toml", *(FOLDER / "blueprints" / f"{name}.toml" for name in NAMES), BLUEPRINT]
GOOD = BLUEPRINT.read_text(encoding="utf-8")


def test_the_four_platforms_ship():
    """The blueprints that the command's help names are there, and no others."""
    assert list_blueprints() == NAMES


def test_the_committed_schema_is_the_one_the_code_states():
    """The JSON Schema file is generated from the specification and cannot drift from it."""
    assert json.loads((FOLDER / "blueprint.schema.json").read_text("utf-8")) == schema()
    jsonschema.Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_shipped_file_satisfies_the_schema(path):
    """Loader and schema accept the same files."""
    jsonschema.validate(tomllib.loads(path.read_text("utf-8")), schema())


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_blueprint_loads_under_its_name(name):
    """Each blueprint is called as its file, has musts, and says of each need why and who says so."""
    blueprint = load_blueprint(name)
    assert blueprint.name == name
    assert any(need.level is Level.MUST for need in blueprint.needs)
    for need in blueprint.needs:
        assert need.sources
        assert need.why.en != need.why.fr
        assert all(source.url.startswith("http") and source.date for source in need.sources)


def test_every_shared_capability_and_source_is_used():
    """Nothing in the shared file is left over."""
    document = tomllib.loads(FILES[0].read_text("utf-8"))
    needs = [need for name in NAMES for need in load_blueprint(name).needs]
    assert set(document["capability"]) == {need.name for need in needs}
    assert set(document["source"]) == {source.name for need in needs for source in need.sources}


def test_what_exists_of_ours_can_be_pointed_at():
    """Every component that is said to exist names a verb of this command; planned ones name none."""
    verbs = {f"havre {name}" for name in havre.list_commands(click.Context(havre))}
    ours = {
        need.name: need.capability.ours
        for name in NAMES
        for need in load_blueprint(name).needs
        if need.capability.ours
    }
    assert {one.state for one in ours.values()} == {"exists", "planned"}
    for name, one in ours.items():
        assert (one.where in verbs) == (one.state == "exists"), name


def test_a_blueprint_of_ones_own_is_loaded_from_a_file(tmp_path):
    """A path loads a file, which may use shared capabilities and define its own."""
    path = tmp_path / "mine.toml"
    path.write_text(GOOD, encoding="utf-8")
    assert load_blueprint(path) == load_blueprint(str(path)) == load_blueprint(BLUEPRINT)
    assert {need.name for need in load_blueprint(path).needs} >= {"pilot", "gpu"}


def test_an_unknown_blueprint_is_refused_with_the_nearest_name():
    """A typing mistake in a blueprint's name is answered with the name that was meant."""
    with pytest.raises(ConfigInvalid, match="'hdh-targt'") as caught:
        load_blueprint("hdh-targt")
    assert "hdh-target" in str(caught.value.hint)


WRONG = [
    ("schema = 1", "schema = 2", "field 'schema' must be 1"),
    ("schema = 1", "schema = 1\nsails = 3", "unknown field 'sails'"),
    ('name = "harbour"', 'name = "Harbour 1"', "is no name"),
    (
        'title = { en = "Harbour <test> & platform", fr = "Plateforme d\'essai <port>" }',
        'title = "x"',
        "title",
    ),
    (', fr = "Une plateforme que personne n\'exploite." }', " }", "field 'fr'"),
    ('url = "https://example.org/notice"', 'url = "ftp://example.org"', "is not a public address"),
    ('status = "owner"', 'status = "rumour"', "status 'rumour' is not one of"),
    ('date = "2026-01"', 'date = "January"', "is not YYYY"),
    ('fact = "services.bastion"', 'fact = "services.bastions"', "no profile holds a fact"),
    ('step = "S"', 'step = "XL"', "step 'XL' is not one of"),
    ('state = "planned"', 'state = "exists"', "what exists says where"),
    ('state = "planned"', 'state = "planned", where = "havre ls"', "what exists says where"),
    ('capability = "gpu"', 'capability = "gpus"', "no capability is called 'gpus'"),
    ('capability = "gpu"', 'capability = "pilot"', "is asked for twice"),
    ('level = "should"', 'level = "could"', "level 'could' is not one of"),
    ('basis = "interpretation"', 'basis = "rumour"', "basis 'rumour' is not one of"),
    ('sources = ["notice", "gdpr"]', 'sources = ["notices"]', "no source is called 'notices'"),
    ('sources = ["notice", "gdpr"]', "sources = []", "at least one source"),
    ("[[need]]", "[need]", "not TOML"),
]


@pytest.mark.parametrize(("good", "bad", "said"), WRONG, ids=[said for _, _, said in WRONG])
def test_a_mistake_is_refused_by_name(tmp_path, good, bad, said):
    """What a blueprint may not say is refused with the file's name and the field."""
    assert good in GOOD
    path = tmp_path / "mine.toml"
    path.write_text(GOOD.replace(good, bad, 1), encoding="utf-8")
    with pytest.raises(ConfigInvalid) as caught:
        load_blueprint(path)
    assert str(path) in caught.value.message
    assert said in caught.value.message


def test_a_blueprint_without_needs_is_refused(tmp_path):
    """A platform that needs nothing is a mistake."""
    path = tmp_path / "mine.toml"
    path.write_text(GOOD[: GOOD.index("[[need]]")], encoding="utf-8")
    with pytest.raises(ConfigInvalid, match="at least one"):
        load_blueprint(path)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    """A missing file and one that is not text end in one sentence."""
    with pytest.raises(ConfigInvalid, match=r"gone\.toml"):
        load_blueprint(tmp_path / "gone.toml")
    path = tmp_path / "bytes.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigInvalid, match="not UTF-8"):
        load_blueprint(path)
