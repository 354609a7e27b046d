"""Where everything that a person or a program reads leaves: data on stdout, messages on stderr.

A message is ``havre: ...``, lower case, without a full stop; what to do about it follows as ``hint: ...``.
Keys come from other people's buckets, so nothing unprintable reaches a terminal as it is.
"""

from __future__ import annotations

import dataclasses
import io
import json
import os
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Any, Final, TextIO

__all__ = ["Output", "plain", "printable", "sentence", "silence", "to_json", "use_tolerant_streams"]

_ESCAPES: Final = {"\n": "\\n", "\t": "\\t", "\r": "\\r", "\\": "\\\\"}


def printable(text: str) -> str:
    """The text with every character that could steer a terminal or break a line written as an escape."""
    if text.isprintable() and "\\" not in text:
        return text
    return "".join(_ESCAPES.get(char) or (char if char.isprintable() else _escaped(char)) for char in text)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape", "surrogatepass").decode("ascii")


def plain(text: str) -> str:
    """A message without control characters: an error may quote what a server or a file said."""
    return "".join(
        char if char.isprintable() else (" " if char.isspace() else _escaped(char)) for char in text
    )


def sentence(text: str) -> str:
    """The text as messages are written: lower-case start, no full stop."""
    text = plain(text).strip()
    text = text[:-1] if text.endswith(".") and not text.endswith("..") else text
    # An abbreviation or a name of one capital word stays as it is: "S3", "HTTP", "TOML".
    return text[:1].lower() + text[1:] if text[1:2].islower() or text[1:2] == " " else text


def _fallback(value: object) -> object:
    if isinstance(value, date):  # a datetime is one too
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return dict(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, BaseException):
        return sentence(str(value))
    raise TypeError(f"{type(value).__name__} has no JSON form")


def to_json(value: object) -> str:
    """One line of ASCII JSON: it survives every encoding and every log."""
    return json.dumps(value, default=_fallback)


def use_tolerant_streams() -> None:
    """Let no character that the terminal's encoding lacks end a command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


class Output:
    """The two streams of one command.

    Attributes:
        json: Whether stdout carries JSON.
        quiet: Whether progress and remarks are left out (errors never are).
        names: Whether object names may be shown.
        write_message: Where a line for stderr goes; a live display puts itself in between.
    """

    def __init__(self, *, json: bool = False, quiet: bool = False, names: bool = False) -> None:
        self.json = json
        self.quiet = quiet
        self.names = names
        self.write_message: Callable[[str], None] = _to_stderr
        self._lock = threading.Lock()
        self._reader_left = False

    def data(self, text: str) -> None:
        """A line of the answer, on stdout."""
        sys.stdout.write(text + "\n")

    def object(self, value: object) -> None:
        """The answer as one JSON object, on stdout."""
        self.data(to_json(value))
        sys.stdout.flush()

    def event(self, value: Mapping[str, Any]) -> None:
        """One event of a run as one line; called from any thread.

        A reader that goes away does not end a run that moves data: it is said once and the run carries on.
        """
        line = to_json(value)
        with self._lock:
            if self._reader_left:
                return
            try:
                sys.stdout.write(line + "\n")
                sys.stdout.flush()
            except BrokenPipeError:
                self._reader_left = True
        if self._reader_left:
            silence(sys.stdout)
            self.error("nobody reads standard output any more; the run carries on")

    def say(self, text: str) -> None:
        """A remark on stderr; left out when quiet."""
        if not self.quiet:
            self.write_message(f"havre: {sentence(text)}")

    def error(self, text: str, hint: str | None = None) -> None:
        """A message on stderr that is never left out, and what to do."""
        self.write_message(f"havre: {sentence(text)}")
        if hint:
            self.write_message(f"hint: {sentence(hint)}")

    def hint(self, text: str) -> None:
        """What to do next, on stderr; left out when quiet."""
        if not self.quiet:
            self.write_message(f"hint: {sentence(text)}")

    def lines(self, lines: Iterable[str]) -> None:
        """Several lines of the answer."""
        for line in lines:
            self.data(line)


def _to_stderr(line: str) -> None:
    # What was said before on the other stream comes before, also where both go to one file.
    with suppress(BrokenPipeError):
        sys.stdout.flush()
    try:
        sys.stderr.write(line + "\n")
        sys.stderr.flush()
    except BrokenPipeError:
        silence(sys.stderr)


def silence(stream: TextIO) -> None:
    """Point a stream whose reader went away at nothing, so that the interpreter's last flush succeeds."""
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):
        return  # a stream of a test has none
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, descriptor)
    os.close(null)
