"""What people and programs see of a gap study, as reviewed text and pictures.

`HAVRE_UPDATE_GOLDEN=1 scripts/test tests/unit/test_gap_render.py` writes the golden files anew, for review.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import xml.dom.minidom
from pathlib import Path

import pytest

from providers.gap import State, list_blueprints, render
from providers.gap.page import gap_pages
from providers.gap.words import MARKS, WORDS
from support.made_studies import made_study

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests/golden/gap"


def held_to(name: str, text: str) -> None:
    path = GOLDEN / name
    if os.environ.get("HAVRE_UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("lang", ["en", "fr"])
def test_the_text_is_as_reviewed(lang):
    """The table and each offer's facts and gaps are what was reviewed, in both languages."""
    study = made_study()
    lines = [*render.table_lines(study, lang)]
    for row in study.rows:
        lines += ["", *render.row_lines(row, lang)]
    held_to(f"study.{lang}.txt", "\n".join(lines) + "\n")


def test_the_json_is_as_reviewed():
    """The JSON form is what was reviewed, and every state and mark of it is one of the documented ones."""
    tree = render.to_json(made_study())
    held_to("study.json", json.dumps(tree, indent=1, ensure_ascii=False) + "\n")
    states = {cell["state"] for offer in tree["offers"] for cell in offer["cells"]}
    assert states == {state.value for state in State}
    for offer in tree["offers"]:
        assert sum(offer["counts"].values()) == len(offer["cells"]) == len(tree["blueprint"]["needs"])


@pytest.mark.parametrize("lang", ["en", "fr"])
def test_the_picture_is_as_reviewed(lang):
    """The picture is the same bytes for the same study."""
    held_to(f"study.{lang}.svg", render.to_svg(made_study(), lang))


def test_the_picture_is_sound_and_speaks():
    """It is well-formed, has a title and a description, and each cell says its words."""
    study = made_study()
    document = xml.dom.minidom.parseString(render.to_svg(study))
    root = document.documentElement
    assert root.getAttribute("role") == "img"
    named = {node.getAttribute("id") for node in document.getElementsByTagName("*")}
    assert set(root.getAttribute("aria-labelledby").split()) <= named
    cells = [node for node in document.getElementsByTagName("use") if node.getElementsByTagName("title")]
    assert len(cells) == len(study.rows) * len(study.blueprint.needs)
    assert {node.getAttribute("href")[1:] for node in cells} == set(MARKS) <= named


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_the_picture_can_be_read_in_grey():
    """Filled states differ in lightness, and every state has a sign of its own."""
    text = render.to_svg(made_study())
    symbols = dict(re.findall(r'<g id="([a-z-]+)">(.*)</g>', text))
    assert set(symbols) == set(MARKS)
    fills = {kind: re.search(r'rx="3" fill="([^"]+)"', body)[1] for kind, body in symbols.items()}
    lights = sorted(luminance(fill) for fill in fills.values() if fill.startswith("#"))
    assert len(lights) == len(MARKS) - 1
    assert all((after + 0.05) / (before + 0.05) > 1.2 for before, after in itertools.pairwise(lights))
    assert fills["unestablished"].startswith("url(")
    assert len({body.partition("/>")[2] for body in symbols.values()}) == len(MARKS)


def test_both_languages_have_the_same_words():
    """No word of the study stands in one language only."""
    assert set(WORDS["en"]) == set(WORDS["fr"])
    assert set(MARKS) <= set(WORDS["en"])


@pytest.fixture(scope="module")
def pages() -> dict[Path, str]:
    """Every page and picture that the code makes."""
    return gap_pages()


def test_the_committed_pages_are_what_the_code_makes(pages):
    """The pages and pictures under providers/docs are what scripts/regenerate would write."""
    stale = [path for path, text in pages.items() if (ROOT / path).read_text(encoding="utf-8") != text]
    assert [str(path) for path in stale] == []


def test_no_picture_is_left_over(pages):
    """No picture stands beside the pages that the code does not make any more."""
    kept = {
        path for folder in ("docs/gap", "docs/fr/gap") for path in (ROOT / "providers" / folder).iterdir()
    }
    assert kept == {ROOT / path for path in pages if path.suffix == ".svg"}


def test_the_pages_show_every_blueprint(pages):
    """Each page has a picture of each blueprint beside it, and each picture's file is made too."""
    for page in (path for path in pages if path.suffix == ".md"):
        shown = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", pages[page])
        assert sorted(Path(one).stem for one in shown) == list(list_blueprints())
        assert all(page.parent / one in pages for one in shown)


def test_the_pages_lead_to_each_other(pages):
    """Each page names the one in the other language, by a link that leads there."""
    for page in (path for path in pages if path.suffix == ".md"):
        (link,) = re.findall(r"\]\(([^)]*gap\.md)\)", pages[page])
        assert Path(os.path.normpath(page.parent / link)) in pages


def test_the_pages_tables_are_even(pages):
    """Every row of a table has as many cells as its head."""
    for page in (path for path in pages if path.suffix == ".md"):
        heads = 0
        for line in pages[page].splitlines():
            if not line.startswith("|"):
                heads = 0
                continue
            cells = len(re.findall(r"(?<!\\)\|", line)) - 1
            heads = heads or cells
            assert cells == heads, line
