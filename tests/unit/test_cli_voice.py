"""How the command speaks: errors in one sentence, exit codes, crash reports, no traceback."""

import errno
import json
import os
import stat
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from migrator.cli import failures
from migrator.cli.exits import EXIT_CODES
from migrator.cli.group import Invocation, VerbGroup
from migrator.cli.main import havre
from migrator.cli.output import Output, plain, printable, sentence, to_json
from migrator.envelope.errors import EnvelopeError, KeyFileInvalid, NoMatch, WrongPassphrase
from migrator.errors import IntegrityError, LedgerLocked, MigrationError, NothingThere, PlanInvalid
from providers.errors import ConfigInvalid, Exhausted, NotFound, StoreError, Unauthenticated, Unsupported


def run(*arguments: str) -> Result:
    return CliRunner().invoke(havre, list(arguments))


def all_subclasses(kind: type) -> set[type]:
    return {kind}.union(*(all_subclasses(one) for one in kind.__subclasses__()))


@pytest.mark.parametrize(
    ("error", "code", "exit_code"),
    [
        (NotFound("no such bucket", location="ovh:b"), "not-found", 10),
        (Unauthenticated("expired"), "unauthenticated", 1),
        (Exhausted("still down"), "exhausted", 5),
        (Unsupported("no tags"), "unsupported", 13),
        (ConfigInvalid("no such site"), "config-invalid", 2),
        (PlanInvalid("not a plan"), "plan-invalid", 2),
        (NothingThere("no wave"), "not-found", 10),
        (LedgerLocked("taken"), "ledger-locked", 11),
        (IntegrityError("other bytes"), "integrity", 4),
        (NoMatch(), "no-match", 12),
        (WrongPassphrase("wrong"), "wrong-passphrase", 12),
        (KeyFileInvalid("not a key"), "key-file-invalid", 2),
        (FileNotFoundError(errno.ENOENT, "x", "gone"), "not-found", 10),
        (PermissionError(errno.EACCES, "x", "closed"), "file", 2),
        (OSError(errno.ENOSPC, "x", "full"), "file", 1),
        (click.UsageError("No such thing"), "usage", 2),
        (KeyboardInterrupt(), "interrupted", 130),
        (MemoryError(), "out-of-memory", 1),
    ],
)
def test_error_has_code_and_exit_code(error: BaseException, code: str, exit_code: int) -> None:
    """Each family of errors keeps its stable name and its exit code."""
    failure = failures.describe(error)
    assert failure is not None
    assert (failure.code, failure.exit_code) == (code, exit_code)
    assert failure.message
    assert not failure.message.endswith(".")


def test_every_exit_code_is_in_the_table() -> None:
    """No error class of ours exits with a code that the table does not explain."""
    known = {code for code, _ in EXIT_CODES}
    kinds = all_subclasses(StoreError) | all_subclasses(MigrationError) | all_subclasses(EnvelopeError)
    assert {kind.exit_code for kind in kinds} <= known


def test_unknown_error_is_not_described() -> None:
    """An error that nobody expected gets no made-up explanation."""
    assert failures.describe(ValueError("x")) is None
    assert failures.describe(OSError("no file, no number")) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("The bucket is gone.", "the bucket is gone"),
        ("S3 says no", "S3 says no"),
        ("TOML is expected", "TOML is expected"),
        ("A key", "a key"),
        ("wait...", "wait..."),
        ("two\nlines", "two lines"),
        ("colour \x1b[31m", "colour \\x1b[31m"),
    ],
)
def test_sentences_keep_the_house_voice(text: str, said: str) -> None:
    """Messages start in lower case, end without a full stop and cannot steer a terminal."""
    assert sentence(text) == said


def test_keys_are_printed_reversibly() -> None:
    """A key's control characters, bidirectional marks and backslashes appear as escapes."""
    assert printable("a\tb\nc\\d\x1b\u202e") == "a\\tb\\nc\\\\d\\x1b\\u202e"
    assert printable("données/é") == "données/é"
    assert plain("x\u202ey") == "x\\u202ey"


def test_json_is_ascii_on_one_line() -> None:
    """JSON survives every encoding, and paths, times and enums have a form."""
    line = to_json({"key": "é\n", "path": Path("a"), "raw": b"\x01"})
    assert line.isascii()
    assert "\n" not in line
    assert json.loads(line) == {"key": "é\n", "path": "a", "raw": "01"}
    with pytest.raises(TypeError):
        to_json(object())


def test_usage_error_speaks_our_voice() -> None:
    """A wrong option is one sentence and one hint on stderr, exit code 2, nothing on stdout."""
    result = run("status", "--zzz", "x.toml")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.splitlines() == [
        "havre: no such option '--zzz'",
        "hint: 'havre status --help' explains it",
    ]


def test_unknown_verb_gets_a_suggestion() -> None:
    """A mistyped verb is answered with the nearest one."""
    result = run("migrat")
    assert result.exit_code == 2
    assert "there is no verb 'migrat'; did you mean migrate?" in result.stderr


def test_no_verb_prints_the_help_and_fails() -> None:
    """Without a verb the help goes to stderr with exit code 2."""
    result = run()
    assert result.exit_code == 2
    assert "Usage: havre" in result.stderr
    assert result.stdout == ""


def test_json_error_is_an_object_on_stdout(tmp_path: Path) -> None:
    """Under --json an error is one object on stdout, and still a sentence on stderr."""
    result = run("status", str(tmp_path / "no.toml"), "--json")
    assert result.exit_code == 10
    error = json.loads(result.stdout)["error"]
    assert (error["code"], error["exit_code"]) == ("not-found", 10)
    assert result.stderr.startswith("havre: there is no wave file")


def test_json_usage_error_is_an_object_too() -> None:
    """Even a command line that cannot be read answers in JSON where JSON was asked for."""
    result = run("ls", "--json")
    assert result.exit_code == 2
    assert json.loads(result.stdout)["error"]["code"] == "usage"


def test_crash_leaves_a_report_and_no_traceback(tmp_path: Path) -> None:
    """An unexpected error ends in one sentence that names a file which only its owner reads."""

    @click.command()
    @click.pass_obj
    def crash(invocation: Invocation) -> None:
        invocation.folder = tmp_path
        raise ZeroDivisionError("unforeseen")

    group = VerbGroup("havre", sections={})
    group._where["crash"] = f"{__name__}:crash"
    group.get_command = lambda *_: crash  # type: ignore[method-assign,assignment]
    result = CliRunner().invoke(group, ["crash"])
    (report,) = tmp_path.iterdir()
    assert result.exit_code == 1
    assert "Traceback" not in result.stderr + result.stdout
    assert str(report) in result.stderr
    assert "ZeroDivisionError: unforeseen" in report.read_text()
    assert stat.S_IMODE(report.stat().st_mode) == 0o600


def test_crash_report_falls_back_to_a_temporary_directory(tmp_path: Path) -> None:
    """Where the wave has no folder, the report lands elsewhere instead of nowhere."""
    path = failures.write_crash_report(ValueError("x"), verb="plan", folder=tmp_path / "absent")
    assert path is not None
    assert path.read_text().startswith("havre ")
    path.unlink()


def test_quiet_leaves_errors(capsys: pytest.CaptureFixture[str]) -> None:
    """--quiet drops remarks and hints about what to do next, never errors."""
    output = Output(quiet=True)
    output.say("a remark")
    output.hint("a next step")
    output.error("it broke", "mend it")
    assert capsys.readouterr().err == "havre: it broke\nhint: mend it\n"


def test_reader_that_leaves_does_not_end_a_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """When nobody reads the events any more, it is said once and the run carries on."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w", buffering=1) as pipe:
        monkeypatch.setattr("sys.stdout", pipe)
        output = Output(json=True)
        output.event({"event": "one"})
        output.event({"event": "two"})
    monkeypatch.undo()
    assert capsys.readouterr().err.count("nobody reads standard output any more") == 1
