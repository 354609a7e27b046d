"""The pages say what the code says: links lead somewhere, verbs, codes and contracts are all there."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from migrator import errors as migration_errors
from migrator.cli.exits import EXIT_CODES
from migrator.cli.main import havre
from migrator.core.modes import DatasetClass, Level, Mode
from migrator.engine.planner import KeysRefused
from migrator.engine.settle import TargetTaken
from migrator.envelope import errors as envelope_errors
from migrator.errors import MigrationError
from providers import errors as store_errors

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "migrator" / "docs"
ADRS = sorted((DOCS / "adr").glob("[0-9]*.md"))
PAGES = sorted(
    {*ROOT.glob("*.md"), *ROOT.glob("providers/*.md"), *ROOT.glob("migrator/*.md"), *DOCS.rglob("*.md")}
)
GUIDES = (DOCS / "operations.md", DOCS / "fr" / "operations.md")
LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
COMMAND = re.compile(r"^(?:\.venv/bin/)?havre (.+?)(?:\s+#.*)?$", re.MULTILINE)


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def prose(page: Path) -> str:
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    kept = (re.sub(r"[^\w\- ]", "", title.lower()) for title in HEADING.findall(prose(page)))
    return {title.strip().replace(" ", "-") for title in kept}


def verbs(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from verbs(command, (*path, name))
        else:
            yield (*path, name), command


VERBS = dict(verbs(havre))


def error_codes() -> dict[str, int]:
    modules = (migration_errors, envelope_errors, store_errors)
    found = [value for module in modules for value in vars(module).values() if isinstance(value, type)]
    return {kind.code: kind.exit_code for kind in (*found, KeysRefused, TargetTaken) if hasattr(kind, "code")}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link leads to a file or folder of the repository, and to a heading if it names one."""
    for target in LINK.findall(prose(page)):
        if target.startswith(("https://", "http://", "mailto:")):
            continue
        place, _, anchor = target.partition("#")
        found = (page.parent / place).resolve() if place else page
        assert found.exists(), f"{name_of(page)} links to {target}"
        assert found.is_relative_to(ROOT), f"{name_of(page)} links out of the repository: {target}"
        if anchor:
            assert anchor in anchors(found), f"{name_of(page)} links to a heading that is not there: {target}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_nothing_is_left_to_write(page: Path) -> None:
    """No page holds a mark for something that is still to be written."""
    found = re.search(
        r"\b(TODO|FIXME|XXX|TBD)\b|lorem ipsum", page.read_text(encoding="utf-8"), re.IGNORECASE
    )
    assert found is None, f"{name_of(page)}: {found[0]}" if found else ""


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_page_has_one_title(page: Path) -> None:
    """A page starts with its title, and has no second one."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    assert text.startswith("# ")
    assert len(re.findall(r"^# ", text, re.MULTILINE)) == 1


@pytest.mark.parametrize("record", ADRS, ids=lambda path: path.stem)
def test_a_decision_has_its_parts(record: Path) -> None:
    """A decision record has its number, status, date, context, drivers, outcome and consequences."""
    text = record.read_text(encoding="utf-8")
    assert text.startswith(f"# {int(record.stem[:4])}. ")
    assert re.search(r"^- Status: (accepted|proposed|rejected|superseded by .+)$", text, re.MULTILINE)
    assert re.search(r"^- Date: 20\d\d-[01]\d-[0-3]\d$", text, re.MULTILINE)
    for part in ("Context", "Drivers", "Outcome", "Consequences"):
        assert f"\n## {part}\n" in text, f"{record.name} lacks {part}"


def test_decisions_have_numbers_of_their_own() -> None:
    """No two decision records share a number."""
    numbers = [path.stem[:4] for path in ADRS]
    assert len(numbers) == len(set(numbers)) > 0


def test_every_decision_stands_in_the_index() -> None:
    """The index names each decision record once."""
    listed = LINK.findall((DOCS / "adr" / "README.md").read_text(encoding="utf-8"))
    assert sorted(listed) == [path.name for path in ADRS]


@pytest.mark.parametrize("page", [DOCS / "json-output.md", DOCS / "cli.md"], ids=name_of)
def test_every_verb_is_described(page: Path) -> None:
    """The reference pages speak of every verb."""
    text = page.read_text(encoding="utf-8")
    for path in VERBS:
        told = f"havre {' '.join(path)}" in text
        assert told or (page.name == "json-output.md" and f"`{path[0]}`" in text), path


@pytest.mark.parametrize("page", GUIDES, ids=name_of)
def test_the_guide_takes_the_operator_through_every_verb(page: Path) -> None:
    """Each operator's guide shows every verb but the shell's completion."""
    shown = page.read_text(encoding="utf-8")
    for path in VERBS:
        assert path == ("completion",) or f"havre {' '.join(path)}" in shown, path


@pytest.mark.parametrize("page", [*GUIDES, ROOT / "README.md", ROOT / "CONTRIBUTING.md"], ids=name_of)
def test_shown_commands_parse(page: Path) -> None:
    """Commands in shell blocks name verbs and options that exist."""
    for block in re.findall(r"^```sh\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
        for line in COMMAND.findall(block):
            words = line.replace("'", "").split()
            if words[0].startswith("-"):
                continue
            path = next((known for known in VERBS if tuple(words[: len(known)]) == known), None)
            assert path is not None, f"{name_of(page)}: havre {line}"
            known = {
                option for param in VERBS[path].params for option in (*param.opts, *param.secondary_opts)
            }
            for word in words[len(path) :]:
                assert not word.startswith("-") or word in known, f"{name_of(page)}: havre {line}: {word}"


@pytest.mark.parametrize("page", GUIDES, ids=name_of)
def test_the_guide_says_what_each_exit_code_asks(page: Path) -> None:
    """Each operator's guide has a row for every exit code, and none that does not exist."""
    rows = [int(code) for code in re.findall(r"^\| (\d+) \|", page.read_text(encoding="utf-8"), re.MULTILINE)]
    assert rows == [code for code, _ in EXIT_CODES]


def test_the_two_guides_have_the_same_sections_and_commands() -> None:
    """The French guide has as many sections as the English one, and shows the same commands."""
    texts = [page.read_text(encoding="utf-8") for page in GUIDES]
    numbers = [re.findall(r"^## (\d+)\.", text, re.MULTILINE) for text in texts]
    assert numbers[0] == numbers[1] != []
    assert COMMAND.findall(texts[0]) == COMMAND.findall(texts[1]) != []


def test_every_error_code_is_told_with_its_exit_code() -> None:
    """The page on JSON output names each error code in the row of its exit code."""
    rows = re.findall(
        r"^\| (.+) \| +(\d+) \|", (DOCS / "json-output.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    told = {code: int(number) for codes, number in rows for code in re.findall(r"`([a-z-]+)`", codes)}
    known = error_codes()
    assert len(known) > 30
    assert {code: told.get(code) for code in known} == known
    assert issubclass(KeysRefused, MigrationError)


def test_words_of_the_plan_stand_in_the_glossary() -> None:
    """The glossary names every mode, class and verification level."""
    text = (DOCS / "glossary.md").read_text(encoding="utf-8")
    for word in (*Mode, *DatasetClass, *Level):
        assert f"`{word}`" in text, word


def test_every_runtime_dependency_has_its_reason() -> None:
    """The record on dependencies gives a reason for each package that pyproject.toml asks for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (record,) = (DOCS / "adr").glob("0012-*.md")
    text = record.read_text(encoding="utf-8")
    for requirement in project["dependencies"]:
        name = re.split(r"[^A-Za-z0-9-]", requirement)[0]
        assert f"\n| `{name}`" in text, name


def test_architecture_counts_the_import_contracts() -> None:
    """The architecture page lists as many contracts as import-linter holds, and says which layer is which."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    text = (DOCS / "architecture.md").read_text(encoding="utf-8")
    part = text[text.index("import-linter holds") : text.index("## How a store is reached")]
    assert len(re.findall(r"^\d+\. ", part, re.MULTILINE)) == len(contracts["contracts"])
    for folder in ("core", "envelope", "ledger", "engine", "cli"):
        assert f"`migrator/{folder}/`" in text


def test_named_modules_are_there() -> None:
    """Each module that the architecture page names as the home of a line exists."""
    text = (DOCS / "architecture.md").read_text(encoding="utf-8")
    table = text[text.index("## Where does a line live?") :]
    for path in re.findall(r"`([a-z_/]+\.py)`", table):
        found = [
            base / path for base in (ROOT, ROOT / "migrator", ROOT / "providers") if (base / path).is_file()
        ]
        assert found, path


def test_guarantees_are_numbered_without_a_gap() -> None:
    """The threat model numbers assumptions, guarantees and what is not guaranteed from 1, without a gap."""
    text = (DOCS / "threat-model.md").read_text(encoding="utf-8")
    for letter in "AGN":
        numbers = [int(number) for number in re.findall(rf"^- \*\*{letter}(\d+)", text, re.MULTILINE)]
        assert numbers == list(range(1, len(numbers) + 1)) != []
        quoted = {int(number) for number in re.findall(rf"\b{letter}(\d+)\b", text)}
        assert quoted <= set(numbers)
