"""Key files and passphrases: read with a bound, asked for on the terminal, never an argument or printed."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from migrator.envelope.errors import EnvelopeError, WrongPassphrase
from migrator.envelope.key_files import MAX_TEXT, parse_private_text
from migrator.envelope.keys import Identity, Recipient
from migrator.errors import CustodyError, UsageError
from providers.errors import ConfigInvalid

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from migrator.cli.output import Output
    from migrator.core.plan import Plan

__all__ = [
    "PASSPHRASE_FILE",
    "Passphrases",
    "open_identities",
    "open_identity",
    "plan_identities",
    "read_bounded",
    "read_recipient",
]

PASSPHRASE_FILE: Final = "HAVRE_PASSPHRASE_FILE"  # noqa: S105 - a variable's name
_MAX_PASSPHRASE: Final = 4096
_WAYS: Final = (
    "run it on a terminal, set HAVRE_PASSPHRASE_FILE to a file that holds it, or name a variable with "
    "--passphrase-env"
)


def read_bounded(path: Path, limit: int) -> bytes:
    """The contents of a file of at most ``limit`` bytes.

    Raises:
        OSError: It cannot be read.
        UsageError: It is larger.
    """
    with path.open("rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise UsageError(f"{path}: the file is larger than {limit:,} bytes", hint="is this the right file?")
    return data


class Passphrases:
    """Where passphrases come from: the variable that was named, the file the environment names, a person.

    Args:
        variable: What ``--passphrase-env`` named.
        environ: The environment.
        interactive: Whether a person can be asked.
    """

    def __init__(
        self, variable: str | None, *, environ: Mapping[str, str], interactive: bool | None = None
    ) -> None:
        self._variable = variable
        self._environ = environ
        self._interactive = sys.stdin.isatty() and sys.stderr.isatty() if interactive is None else interactive

    @property
    def unattended(self) -> bool:
        """Whether a passphrase can be had without asking."""
        return self._variable is not None or bool(self._environ.get(PASSPHRASE_FILE))

    def find(self) -> bytes | None:
        """The passphrase that the environment holds, or None if it holds none.

        Raises:
            UsageError: The variable or file that was named is empty or missing.
        """
        if self._variable is not None:
            value = self._environ.get(self._variable)
            if not value:
                raise UsageError(f"the environment variable {self._variable} is not set", hint=_WAYS)
            return os.fsencode(value)
        named = self._environ.get(PASSPHRASE_FILE)
        if not named:
            return None
        data = read_bounded(Path(named), _MAX_PASSPHRASE).removesuffix(b"\n").removesuffix(b"\r")
        if not data:
            raise UsageError(f"the passphrase file {named} is empty", hint=_WAYS)
        return data

    def get(self, label: str) -> bytes:
        """The passphrase of the key ``label``.

        Raises:
            WrongPassphrase: There is none and nobody to ask.
            UsageError: As ``find``.
        """
        found = self.find()
        if found is not None:
            return found
        if not self._interactive:
            raise WrongPassphrase(f"{label} needs a passphrase and there is no terminal to ask", hint=_WAYS)
        return _ask(f"passphrase of {label}", confirm=False)

    def get_new(self, label: str) -> bytes:
        """A passphrase for a new key, asked for twice.

        Raises:
            UsageError: There is none and nobody to ask, or as ``find``.
        """
        found = self.find()
        if found is not None:
            return found
        if not self._interactive:
            raise UsageError("a new key needs a passphrase and there is no terminal to ask", hint=_WAYS)
        return _ask(f"passphrase for {label}", confirm=True)


def _ask(prompt: str, *, confirm: bool) -> bytes:
    again = "the same again" if confirm else False
    # Click asks once more as long as the answer is empty.
    answer: str = click.prompt(prompt, hide_input=True, err=True, confirmation_prompt=again)
    return answer.encode("utf-8", "surrogateescape")


def read_recipient(path: Path) -> Recipient:
    """Read a public key file.

    Raises:
        EnvelopeError: It is no usable public key; the message names the file.
        OSError: It cannot be read.
    """
    try:
        return Recipient.from_public_file(read_bounded(path, MAX_TEXT))
    except EnvelopeError as error:
        raise _named(error, path) from None


def open_identity(path: Path, passphrases: Passphrases) -> Identity:
    """Open a private key file: with its passphrase, or with the server that wrapped it.

    Raises:
        EnvelopeError: It is no private key, or the passphrase does not open it; the message names the file.
        OSError: It cannot be read.
        UsageError: A passphrase source that was named holds none.
        CustodyError: The server that wrapped it cannot or will not open it.
        ConfigInvalid: The configuration does not say which server that is.
    """
    text = read_bounded(path, MAX_TEXT)
    if text.lstrip().startswith(b"{"):
        return _open_wrapped(path, text)
    try:
        locked = parse_private_text(text).locked
    except EnvelopeError as error:
        raise _named(error, path) from None
    passphrase = passphrases.get(str(path)) if locked else None
    try:
        return Identity.from_private_file(text, passphrase)
    except WrongPassphrase:
        raise WrongPassphrase(
            f"the passphrase does not open {path}", hint="check the passphrase and the file"
        ) from None


def _open_wrapped(path: Path, data: bytes) -> Identity:
    from migrator.cli.custody import current_transit  # noqa: PLC0415 - most keys have a passphrase
    from migrator.custody.wrapped_key import open_wrapped  # noqa: PLC0415 - see above

    try:
        return open_wrapped(data, current_transit())
    except EnvelopeError as error:
        raise _named(error, path) from None


def open_identities(paths: Sequence[Path], passphrases: Passphrases) -> tuple[Identity, ...]:
    """Open several private key files; errors as ``open_identity``."""
    return tuple(open_identity(path, passphrases) for path in paths)


def plan_identities(
    plan: Plan, paths: Sequence[Path], passphrases: Passphrases, output: Output, *, needed: bool
) -> tuple[Identity, ...]:
    """The identities of a run: those named, else the one that the wave file names.

    Args:
        plan: The wave.
        paths: What ``--identity`` named.
        passphrases: Where passphrases come from.
        output: Told that a run goes on without.
        needed: Whether the run cannot do without an identity.

    Raises:
        EnvelopeError, CustodyError: As ``open_identity``, for a key that was named or is needed.
        OSError: As above.
        UsageError: An identity is needed and none is named.
    """
    if paths:
        return open_identities(paths, passphrases)
    if plan.identity is None:
        if needed:
            raise UsageError(
                "this needs the private key that opens the data", hint="name it with --identity KEY.sec"
            )
        return ()
    try:
        return (open_identity(Path(plan.identity), passphrases),)
    except (OSError, EnvelopeError, CustodyError, ConfigInvalid) as error:
        if needed:
            raise
        reason = error.strerror.lower() if isinstance(error, OSError) and error.strerror else str(error)
        output.say(f"carrying on without the private key that the wave file names: {reason}")
        return ()


def _named(error: EnvelopeError, path: Path) -> EnvelopeError:
    """The same error with the file's name; those that a key file causes take a message and a hint."""
    return type(error)(f"{path}: {error.message}", hint=error.hint)
