"""The committed pages say what the committed records say, and the records name no wrong cell."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

from support.matrix import PLAIN, PROFILES, WRONG
from support.record import MATRIX, SERVERS_SEEN
from support.seen import COLUMNS

_ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def pages() -> ModuleType:
    """The module that makes the pages."""
    spec = importlib.util.spec_from_file_location("server_pages", _ROOT / "scripts/lib/server_pages.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_pages_are_made_from_the_records(pages: ModuleType) -> None:
    """Both pages are what their records make of them."""
    assert (_ROOT / pages.SERVERS_PAGE).read_text("utf-8") == pages.servers_page()
    assert (_ROOT / pages.MATRIX_PAGE).read_text("utf-8") == pages.matrix_page()


def test_every_server_is_in_both_pages(pages: ModuleType) -> None:
    """No server of the suite is left out of the table or of the matrix."""
    table, matrix = pages.servers_page(), pages.matrix_page()
    for name in COLUMNS:
        assert f"### {name}\n" in table
        assert f"## {name}" in matrix


def test_no_recorded_cell_is_wrong() -> None:
    """The record has no cell that is done with wrong bytes, and no object of others that was replaced."""
    record = json.loads(MATRIX.read_text("utf-8"))
    for name in COLUMNS:
        for profile in PROFILES:
            for mode in ("encrypt", "copy"):
                cells = record[name][f"{profile}/{mode}"]
                assert set(PLAIN) <= set(cells)
                assert WRONG not in cells.values()
                assert "REPLACED" not in cells.values()


def test_doubles_are_named_as_such() -> None:
    """Whoever reads the record of a double is told that it is one."""
    record = json.loads(SERVERS_SEEN.read_text("utf-8"))
    for name, column in COLUMNS.items():
        assert record["servers"][name]["double"] is column.double
        assert column.double == name.startswith("double_")
