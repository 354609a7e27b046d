"""The normative page says what the code does."""

import importlib.util
import re
import sqlite3
from pathlib import Path

import pytest

from migrator.core import events as e
from migrator.core.states import EventKind, State
from migrator.ledger import chain
from support.ledgers import new_ledger

_ROOT = Path(__file__).parents[2]
_PAGE = (_ROOT / "migrator/docs/ledger.md").read_text(encoding="utf-8")


def _state_diagram():
    spec = importlib.util.spec_from_file_location("state_diagram", _ROOT / "scripts/lib/state_diagram.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_diagram_is_the_table():
    """The page's state diagram is what the script draws from ``TRANSITIONS``."""
    assert _state_diagram().with_diagram(_PAGE) == _PAGE


def test_a_page_without_a_place_is_refused():
    """The script does not guess where a diagram belongs."""
    with pytest.raises(ValueError, match="place"):
        _state_diagram().with_diagram("# Ledger\n")


@pytest.mark.parametrize("kind", list(EventKind))
def test_every_event_is_on_the_page_with_its_fields(kind):
    """Each event's row names its number, name and fields in their order on the wire."""
    (event,) = [each for each, number in e._KINDS.items() if number is kind]
    assert (
        f"| {int(kind)} | `{event.__name__}` | {', '.join(f'`{name}`' for name in event._fields)} |" in _PAGE
    )


@pytest.mark.parametrize("state", list(State))
def test_every_state_is_on_the_page_with_its_number(state):
    """Each state's number stands on the page."""
    assert f"| {int(state)} | `{state.name}` |" in _PAGE


def test_every_table_and_column_is_on_the_page(tmp_path):
    """Each table of a new ledger has a row that names all of its columns."""
    new_ledger(tmp_path / "ledger.sqlite").close()
    connection = sqlite3.connect(tmp_path / "ledger.sqlite")
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type='table'")]
    for table in tables:
        columns = ", ".join(f"`{row[1]}`" for row in connection.execute(f"PRAGMA table_info({table})"))
        assert f"| `{table}` | {columns} |" in _PAGE
    connection.close()


def test_the_worked_example_holds():
    """The event and the digest printed on the page are what the code makes."""
    wire = chain.encode(e.RunEnded("done"))
    assert re.search(r"events = `([0-9a-f]+)`", _PAGE)[1] == wire.hex()
    digest = chain.link(chain.GENESIS, 1, 1_767_225_600_000, wire)
    assert re.search(r"digest = `([0-9a-f]{64})`", _PAGE)[1] == digest.hex()
