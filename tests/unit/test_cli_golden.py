"""What people see, as reviewed text: a conversation with the command, and the pages made from its help.

`HAVRE_UPDATE_GOLDEN=1 scripts/test tests/unit/test_cli_golden.py` writes the conversation anew, for review.
"""

import os
import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from migrator.cli.main import havre
from migrator.cli.pages import cli_page, exit_codes_page

_ROOT = Path(__file__).parents[2]
_GOLDEN = _ROOT / "tests/golden/cli/conversation.txt"
_LINES = (
    ["keys", "generate", "-o", "dataset", "--passphrase-env", "PW"],
    ["ls", "./src", "--summary"],
    [
        "plan",
        "./src",
        "./dst",
        "--wave",
        "may",
        "--class",
        "eds",
        "--recipient",
        "dataset.pub",
        "--exclude",
        "*.tmp",
    ],
    ["migrate", "may.toml", "--quiet"],
    ["status", "may.toml", "--audit"],
    ["restore", "may.toml", "./back"],
    ["restore", "may.toml", "./back", "--identity", "dataset.sec", "--passphrase-env", "PW", "--quiet"],
    ["status", "june.toml"],
    ["status", "june.toml", "--json"],
    ["migrate", "may.toml", "--bandwidth", "fast"],
    ["evidence", "may.toml"],
)
_CHANGING = (
    (re.compile(r"[0-9a-f]{64}"), "<digest>"),
    (re.compile(r"[0-9a-f]{32}"), "<id>"),
    (re.compile(r"metadata\.[0-9a-f]{24}\."), "metadata.<name>."),
    (re.compile(r"\b[0-9a-f]{16}\b"), "<16 digits>"),
    (re.compile(r"restore-[0-9a-f]{12}"), "restore-<name>"),
    (re.compile(r"[A-Za-z0-9+/]{43}="), "<public key>"),
    (re.compile(r"\d{4}-\d\d-\d\dT[0-9:.+]+"), "<time>"),
    (re.compile(r"\b20\d\d-\d\d-\d\d\b"), "<day>"),
    (re.compile(r"in \d+s\b"), "in <some>s"),
    (re.compile(r"audit batches: \d+"), "audit batches: <some>"),
)


def test_conversation_is_as_reviewed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the key pair to the way back, everything the command says is what was reviewed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("HAVRE_PASSPHRASE_FILE", raising=False)
    (tmp_path / "src").mkdir()
    (tmp_path / "dst").mkdir()
    for name in ("one", "two", "three.tmp"):
        (tmp_path / "src" / name).write_text(name)
    said = []
    for line in _LINES:
        result = CliRunner().invoke(havre, line, env={"PW": "secret"})
        said.append(f"$ havre {' '.join(line)}\n{result.output}({result.exit_code})\n")
    text = "\n".join(said).replace(str(tmp_path), "/tmp/here")
    for pattern, word in _CHANGING:
        text = pattern.sub(word, text)
    if os.environ.get("HAVRE_UPDATE_GOLDEN"):
        _GOLDEN.write_text(text, encoding="utf-8")
    assert text == _GOLDEN.read_text(encoding="utf-8")


def test_pages_are_made_from_the_code() -> None:
    """The page of verbs and the page of exit codes are what the code makes today."""
    docs = _ROOT / "migrator/docs"
    assert (docs / "cli.md").read_text(encoding="utf-8") == cli_page()
    assert (docs / "exit-codes.md").read_text(encoding="utf-8") == exit_codes_page()


def test_later_verbs_are_absent() -> None:
    """The command offers what works, and nothing that does not work yet."""
    verbs = set(havre.list_commands(click.Context(havre)))
    assert verbs == {
        "providers", "keys", "ls", "doctor", "estate", "gate", "derogate", "plan", "migrate", "status", "verify", "rewrap",
        "restore",
        "evidence", "check-evidence", "prove", "completion",
    }  # fmt: skip
