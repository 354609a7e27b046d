"""The gate's rules as data: complete, sourced, in two languages, and refused where they make no sense."""

import re
from pathlib import Path

import pytest

from providers.errors import ConfigInvalid
from providers.gate import Consequence, DatasetClass, Rule, RuleStatus, load_rules
from providers.gate.page import gate_page
from providers.gate.rules import parse_rules

_ROOT = Path(__file__).parents[2]
_RULES = load_rules()
_GOOD = """
[[rule]]
id = "one"
classes = ["eds"]
status = "text"
controls = ["C-1"]
sources = ["https://example.org"]
date = "2026-01-01"
statement.en = "It is so."
statement.fr = "C'est ainsi."
silence.then = "condition"
silence.text.en = "Find out."
silence.text.fr = "Cherchez."
against.then = "refused"
against.text.en = "No."
against.text.fr = "Non."
[[rule.ways]]
all = [{ ask = "certificate", kind = "hds" }]
then = "none"
"""


@pytest.mark.parametrize("rule", _RULES, ids=lambda rule: rule.id)
def test_a_rule_says_what_it_says_and_where_it_stands(rule: Rule) -> None:
    """Each rule has a public address, controls, a date, and every text in both languages."""
    assert re.search(r"https://\S+", rule.sources[0])
    assert all(re.fullmatch(r"[A-Z0-9]+-[\w.-]+", control) for control in rule.controls)
    assert re.fullmatch(r"20\d\d(-\d\d){2}", rule.date)
    follows = (rule.silence, rule.against, *(way.follows for way in rule.ways))
    for texts in (rule.statement, *(one.text for one in follows if one.text)):
        assert set(texts) == {"en", "fr"}
        assert texts["en"] != texts["fr"]
        assert all(text.endswith(".") for text in texts.values())


def test_every_class_has_rules_and_snds_has_the_interpretation() -> None:
    """No class goes unasked; that the SNDS demands SecNumCloud 3.2 is marked as an interpretation."""
    for dataset_class in DatasetClass:
        assert any(dataset_class in rule.classes for rule in _RULES)
    (demand,) = [rule for rule in _RULES if rule.id == "snds-secnumcloud"]
    assert demand.status is RuleStatus.INTERPRETATION
    assert demand.silence.consequence is demand.against.consequence is Consequence.REFUSED


def test_no_rule_judges_in_our_words() -> None:
    """No statement and no text calls anything compliant, certified or legal."""
    for rule in _RULES:
        follows = (rule.silence, rule.against, *(way.follows for way in rule.ways))
        for texts in (rule.statement, rule.note, *(one.text for one in follows)):
            for text in texts.values():
                assert (
                    re.search(r"complian|certified|\blegal|certifié|\bconforme|\bléga", text, re.IGNORECASE)
                    is None
                ), text


def test_pages_are_made_from_the_rules() -> None:
    """The English page and its French counterpart are what the rules make today, and name every rule."""
    for path, language in (("providers/docs/gate.md", "en"), ("migrator/docs/fr/gate.md", "fr")):
        text = (_ROOT / path).read_text(encoding="utf-8")
        assert text == gate_page(language)
        assert all(f"`{rule.id}`" in text for rule in _RULES)


def test_a_good_rule_is_read() -> None:
    """The rule that the refusals below are made from is good itself."""
    (rule,) = parse_rules(_GOOD, "rules.toml")
    assert rule.id == "one"
    assert rule.against.text["fr"] == "Non."


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('status = "text"', 'status = "law"', "law"),
        ('classes = ["eds"]', 'classes = ["all"]', "all"),
        ('classes = ["eds"]', "classes = []", "'classes' must be a list"),
        ('sources = ["https://example.org"]', "", "'sources' must be a list"),
        ('statement.fr = "C\'est ainsi."', "", "'fr' is required"),
        ('silence.text.fr = "Cherchez."', "", "'fr' is required"),
        ('kind = "hds"', 'kind = "iso"', "kind is one of"),
        ('ask = "certificate", kind = "hds"', 'ask = "certificate"', "lacks kind"),
        ('ask = "certificate"', 'ask = "oracle"', "no query is called 'oracle'"),
        ('kind = "hds" }', 'kind = "hds", colour = "red" }', "unknown field 'colour'"),
        ('then = "none"', 'then = "note"', "a text stands wherever something follows"),
        ('silence.then = "condition"', 'silence.then = "refuse"', "refuse"),
        ('against.then = "refused"', 'against.then = "note"', "must not get milder"),
        ('silence.then = "condition"', 'silence.then = "note"', "at least a condition"),
        (
            'ask = "certificate", kind = "hds"',
            'ask = "fact", section = "law", name = "hue", equals = 1',
            "known name",
        ),
        (
            'ask = "certificate", kind = "hds"',
            'ask = "fact", section = "law", name = "entity"',
            "'equals' or",
        ),
        ("[[rule]]", "[[rules]]", "unknown field 'rules'"),
        ("[[rule]]", "[[rule", "not TOML"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(old: str, new: str, said: str) -> None:
    """A slip in a rule is named with its place; consequences out of order are refused too."""
    assert old in _GOOD
    with pytest.raises(ConfigInvalid, match=re.escape(said)) as caught:
        parse_rules(_GOOD.replace(old, new, 1), "rules.toml")
    assert str(caught.value).startswith("rules.toml")
