"""Pages about profiles: the committed ones are what the code writes, and they repeat facts without judging."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from providers.facts_overlay import load_overlay
from providers.profile import list_profiles, load_profile
from providers.profile_page import index, page, pages
from providers.profile_read import Fact
from providers.profile_spec import Status

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "providers" / "docs"
PAGES = pages()


@pytest.mark.parametrize("name", sorted(PAGES))
def test_the_committed_pages_are_what_the_code_writes(name):
    """A page that differs was edited by hand, or the facts changed: run scripts/regenerate."""
    assert (DOCS / name).read_text("utf-8") == PAGES[name]


def test_there_is_a_page_for_every_profile_and_the_index_leads_to_each():
    """No profile is without a page, and no page is out of reach."""
    assert set(PAGES) == {"index.md", *(f"{name}.md" for name in list_profiles())}
    linked = set(re.findall(r"\]\(([a-z0-9-]+\.md)\)", PAGES["index.md"]))
    assert linked == set(PAGES) - {"index.md"}


@pytest.mark.parametrize("name", list_profiles())
def test_a_page_repeats_every_fact_with_a_source(name):
    """A page has one row a fact, and every number in it leads to a source."""
    profile = load_profile(name)
    text = page(profile)
    body, _, sources = text.partition("## Sources")
    rows = [line for line in body.splitlines() if re.match(r"\|.*\|.*\|.*\| \d+ \|.*\|$", line)]
    assert len(rows) == len(profile.facts())
    numbers = {int(line.rsplit("|", 3)[1]) for line in rows}
    assert numbers == {int(line.split(".")[0]) for line in sources.split("\n") if line[:1].isdigit()}


@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_table_keeps_its_shape(name):
    """Every row of a table has as many cells as its head, whatever stands in a fact."""
    table: int | None = None
    for line in PAGES[name].splitlines():
        if not line.startswith("|"):
            table = None
            continue
        cells = len(re.findall(r"(?<!\\)\|", line))
        table = table or cells
        assert cells == table, line


def test_what_a_fact_says_cannot_break_out_of_its_cell():
    """Bars, line breaks and tags in a value or a note stay text."""
    hostile = Fact(
        value="a | b\n# c <script>",
        status=Status.VENDOR,
        source="https://example.org x",
        date="2026",
        note="d|e",
    )
    profile = replace(load_profile("generic-s3"), law={"entity": hostile})
    text = page(profile)
    assert "| entity | a \\| b # c &lt;script> | vendor, 2026 | 1 | d\\|e |" in text
    assert "1. <https://example.org> x" in text


def test_an_operators_fact_names_its_document_and_reader():
    """A fact of a facts file is shown with who read it and the digest of what was read."""
    overlay = load_overlay(ROOT / "providers" / "examples" / "facts.toml")
    text = page(load_profile("generic-s3").overlaid(overlay))
    assert "| seat | FR | operator, 2026-10-02 |" in text
    assert "read by B. Durand, legal counsel; sha256:248d6a61" in text
    assert "fictitious: " in text


def test_the_index_tells_statuses_apart():
    """An answer of the press never looks like an official one, and what was not found is not no."""
    azure = load_profile("azure")
    official = replace(azure.law["non_eu_control"], status=Status.OFFICIAL)
    azure = replace(azure, law={**azure.law, "non_eu_control": official})
    text = index([load_profile("s3ns"), azure, load_profile("numspot")])
    rows = {line.split("|")[1].strip(): line for line in text.splitlines() if line.startswith("| [")}
    assert "yes (official)" in rows["[azure](azure.md)"]
    assert "yes (press)" in rows["[s3ns](s3ns.md)"]
    assert "NumSpot platform: not found" in rows["[numspot](numspot.md)"]
    services = {line.split("|")[1].strip(): line for line in text.splitlines() if line.count("|") == 5}
    assert [cell.strip() for cell in services["second site"].split("|")[2:5]] == ["memory", "?", "none"]


@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_page_judges_nothing(name):
    """Facts are repeated; no page calls an offer compliant, or says what law allows."""
    outside_facts = "\n".join(line for line in PAGES[name].splitlines() if not line.startswith("|"))
    outside_facts = outside_facts.split("## Sources")[0]
    assert not re.search(r"\b(compliant|certified|legal)\b", outside_facts, re.IGNORECASE)
