"""What the verbs read from a command line, and what they refuse."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from migrator.cli.group import Verb
from migrator.cli.main import havre
from migrator.cli.params import SHARE, SIZE, SPEED, filter_options, ordered_filters
from migrator.cli.runs import make_settings
from migrator.cli.wiring import absolute_location
from migrator.core.modes import Level


def run(*arguments: str) -> Result:
    return CliRunner().invoke(havre, list(arguments))


@click.command(cls=Verb)
@filter_options
@click.option("--other", multiple=True)
@click.pass_context
def filtering(ctx: click.Context, include: tuple[str, ...], exclude: tuple[str, ...], **_: object) -> None:
    for action, glob in ordered_filters(ctx, include, exclude):
        click.echo(f"{action} {glob}")


def test_filters_keep_their_order() -> None:
    """Includes and excludes apply in the order in which they were typed, whatever stands between."""
    line = ["--exclude", "a", "--other", "o", "--include", "b", "--include=c", "--exclude", "d"]
    result = CliRunner().invoke(filtering, line)
    assert result.stdout.splitlines() == ["exclude a", "include b", "include c", "exclude d"]


def test_no_filters_is_an_empty_list() -> None:
    """Without filters there is nothing to apply."""
    assert CliRunner().invoke(filtering, []).stdout == ""


def test_plan_writes_filters_in_order(tmp_path: Path) -> None:
    """The wave file holds the filters as they were typed."""
    (tmp_path / "src").mkdir()
    (tmp_path / "dst").mkdir()
    wave = tmp_path / "w.toml"
    result = run(
        "plan", str(tmp_path / "src"), str(tmp_path / "dst"), "--wave", "w", "--class", "anonymous",
        "--mode", "copy", "--exclude", "*.tmp", "--include", "/a/**", "--exclude", "b", "-o", str(wave),
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    filters = tomllib.loads(wave.read_text())["filters"]
    assert filters == [["exclude", "*.tmp"], ["include", "/a/**"], ["exclude", "b"]]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--workers", "0"], "--workers"),
        (["--bandwidth", "fast"], "'fast' is not a speed"),
        (["--bandwidth", "0"], "'0' is not a speed"),
        (["--window", "20-06"], "'20-06' is not a time window"),
        (["--memory", "0"], "a size above zero is needed"),
        (["--part-size", "8 apples"], "'8 apples' is not a size"),
        (["--sample", "0%"], "'0%' is not a share"),
        (["--sample", "150%"], "'150%' is not a share"),
        (["--sample", "10%"], "--sample goes with the level 'sample' only"),
        (["--verify", "maybe"], "'maybe'"),
    ],
)
def test_senseless_option_is_a_usage_error(arguments: list[str], said: str) -> None:
    """A value that makes no sense ends with exit code 2 and says which, before anything is opened."""
    result = run("migrate", "w.toml", *arguments)
    assert result.exit_code == 2
    assert said in result.stderr


def test_values_are_read() -> None:
    """Sizes, speeds and shares become numbers."""
    assert SIZE.convert("8MiB", None, None) == 8 * 1024**2
    assert SPEED.convert("1.5MB/s", None, None) == 1_500_000
    assert SHARE.convert("10%", None, None) == pytest.approx(0.1)
    assert SHARE.convert("0.25", None, None) == pytest.approx(0.25)


def test_settings_follow_the_options() -> None:
    """A part size becomes whole units of 64 KiB, at least one, and the sample goes to its level."""
    settings = make_settings(workers=3, memory=1 << 20, part_size=1, level="sample", sample=0.5)
    assert (settings.workers, settings.memory, settings.part_units) == (3, 1 << 20, 1)
    assert (settings.verify, settings.sample) == (Level.SAMPLE, 0.5)


def test_local_locations_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wave file means the same from every directory; a site's location stays as it is."""
    monkeypatch.chdir(tmp_path)
    assert absolute_location("./a") == f"{tmp_path}/a"
    assert absolute_location("../b") == f"{tmp_path.parent}/b"
    assert absolute_location("ovh:bucket/p") == "ovh:bucket/p/"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(shell: str) -> None:
    """Each shell's script hands the word list back to this command."""
    result = run("completion", shell)
    assert result.exit_code == 0
    assert f"_HAVRE_COMPLETE={shell}_complete" in result.stdout


def test_completion_offers_verbs() -> None:
    """What completion asks for is answered with verbs."""
    environment = {"_HAVRE_COMPLETE": "bash_complete", "COMP_WORDS": "havre mig", "COMP_CWORD": "1"}
    answer = subprocess.run(
        [sys.executable, "-m", "migrator.cli"],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.stdout == "plain,migrate\n"


def test_version_is_printed() -> None:
    """--version prints name and version."""
    result = run("--version")
    assert (result.exit_code, result.stdout.split()[0]) == (0, "havre")


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["completion", "bash"], ["migrate", "--help"]]
)
def test_help_loads_no_store_and_no_engine(arguments: list[str]) -> None:
    """What needs no store answers without loading one: no SDK, no SQLite, no cryptography."""
    heavy = (
        "boto3",
        "botocore",
        "azure",
        "obstore",
        "sqlite3",
        "cryptography",
        "rich",
        "migrator.engine",
        "tenacity",
    )
    program = (
        "import sys\n"
        "from migrator.cli.main import havre\n"
        f"havre.main({arguments!r}, standalone_mode=False)\n"
        f"print(sorted(name for name in {heavy!r} if name in sys.modules), file=sys.stderr)\n"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stderr == "[]\n"
