"""From an exception to what a person reads and a script branches on. No traceback is ever shown."""

from __future__ import annotations

import errno
import os
import platform
import tempfile
import traceback
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click

from migrator import __version__
from migrator.cli.exits import INTERRUPTED, USAGE
from migrator.cli.output import Output, plain, sentence
from migrator.envelope.errors import EnvelopeError
from migrator.errors import MigrationError
from providers.errors import StoreError

__all__ = ["Failure", "crashed", "describe", "print_failure", "write_crash_report"]

_NOT_FOUND: Final = 10
_OS_HINTS: Final = {
    errno.ENOENT: "check the path",
    errno.EACCES: "check who may read and write it",
    errno.EPERM: "check who may read and write it",
    errno.ENOSPC: "free some space, then run the same command again",
    errno.EROFS: "choose a place that can be written",
}


@dataclass(frozen=True, slots=True)
class Failure:
    """An error as it is reported.

    Attributes:
        code: Stable name, part of the JSON output.
        message: What is wrong, in one sentence.
        hint: What to do about it, if there is something.
        exit_code: What the command exits with.
    """

    code: str
    message: str
    hint: str | None
    exit_code: int

    def to_dict(self) -> dict[str, Any]:
        """The object that ``--json`` prints."""
        return {
            "error": {
                "code": self.code,
                "message": self.message,
                "hint": self.hint,
                "exit_code": self.exit_code,
            }
        }


def describe(error: BaseException) -> Failure | None:
    """What to say about an error; None if nobody expected it."""
    if isinstance(error, (StoreError, MigrationError, EnvelopeError)):
        hint = sentence(error.hint) if error.hint else None
        return Failure(error.code, sentence(str(error)), hint, error.exit_code)
    if isinstance(error, click.UsageError):
        return Failure("usage", _usage_message(error), _usage_hint(error), USAGE)
    if isinstance(error, click.ClickException):
        return Failure("usage", sentence(error.format_message()), None, USAGE)
    if isinstance(error, (click.Abort, KeyboardInterrupt)):
        return Failure("interrupted", "interrupted", None, INTERRUPTED)
    if isinstance(error, OSError) and error.filename is not None and error.errno is not None:
        return _describe_os(error, error.errno)
    if isinstance(error, MemoryError):
        return Failure(
            "out-of-memory", "there is not enough memory", "use a smaller --memory or --workers", 1
        )
    return None


def _describe_os(error: OSError, number: int) -> Failure:
    what = os.strerror(number).lower()
    code = _NOT_FOUND if number == errno.ENOENT else USAGE if number in (errno.EACCES, errno.EISDIR) else 1
    name = "not-found" if code == _NOT_FOUND else "file"
    return Failure(name, plain(f"{os.fsdecode(error.filename)}: {what}"), _OS_HINTS.get(number), code)


def _usage_message(error: click.UsageError) -> str:
    # Click quotes the usage line too; one sentence and a hint are our voice.
    return sentence(error.format_message().split("\n", 1)[0])


def _usage_hint(error: click.UsageError) -> str | None:
    if isinstance(error, click.NoSuchOption) and error.possibilities:
        return f"did you mean {' or '.join(sorted(error.possibilities))}?"
    context = error.ctx
    return None if context is None else f"'{context.command_path} --help' explains it"


def print_failure(failure: Failure, output: Output) -> None:
    """Say it on stderr and, under ``--json``, as one object on stdout too."""
    output.error(failure.message, failure.hint)
    if output.json:
        output.object(failure.to_dict())


def write_crash_report(error: BaseException, *, verb: str, folder: Path | None) -> Path | None:
    """Keep what is known about an error that nobody expected in a file that only its owner reads.

    It holds no argument of the command and no variable of the program, so that no name and no secret gets in
    by way of them.

    Args:
        error: What happened.
        verb: The verb that ran.
        folder: Where to put it; a temporary directory if that is None or cannot be written.

    Returns:
        The file, or None if it could not be written anywhere.
    """
    text = "\n".join(
        [
            f"havre {__version__}, Python {platform.python_version()}, {platform.platform()}",
            f"verb: {verb}",
            f"time: {datetime.now(UTC).isoformat(timespec='seconds')}",
            "",
            *traceback.format_exception(error),
        ]
    )
    for place in (folder, None):
        if place is not None and not place.is_dir():
            continue
        try:
            # mkstemp makes it 0600.
            descriptor, name = tempfile.mkstemp(prefix="havre-crash-", suffix=".txt", dir=place)
            with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
                file.write(text)
        except OSError:
            continue
        return Path(name)
    return None


def crashed(error: BaseException, *, verb: str, folder: Path | None) -> Failure:
    """Write the crash report and say where it is."""
    path = write_crash_report(error, verb=verb, folder=folder)
    kept = f"details are in {path}" if path else "and the details could not be written anywhere"
    return Failure(
        "internal",
        f"something unexpected happened ({type(error).__name__}); {kept}",
        "running the same command again is safe; read the file before you pass it on",
        1,
    )
