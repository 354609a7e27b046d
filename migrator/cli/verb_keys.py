"""``havre keys``: make a key pair, look at a key file."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import click

from migrator.cli.group import Invocation, Verb
from migrator.cli.params import FILE, common_options
from migrator.errors import UsageError

__all__ = ["keys"]

_WHERE_FROM = (
    "Environment variable that holds the passphrase. Else $HAVRE_PASSPHRASE_FILE names a file, or the "
    "terminal is asked."
)


@click.group()
def keys() -> None:
    """Make a dataset's key pair, or look at a key file.

    Keys are Crypt4GH keys, which other Crypt4GH tools read too. Whoever holds the public half can encrypt for
    the dataset; only the private half and its passphrase open it again. Keep the private half away from both
    clouds, and keep a second copy: nobody can open the data without it.
    """


@keys.command(
    "generate",
    cls=Verb,
    epilog="""
havre keys generate -o dataset
HAVRE_PASSPHRASE_FILE=/run/secrets/dataset havre keys generate -o dataset
""",
)
@click.option(
    "-o", "--output", "stem", required=True, type=FILE, metavar="NAME", help="Writes NAME.pub, NAME.sec."
)
@click.option("--passphrase-env", metavar="VAR", help=_WHERE_FROM)
@common_options
def generate(invocation: Invocation, stem: Path, passphrase_env: str | None) -> int:
    """Make a key pair: NAME.pub to encrypt for, NAME.sec to open with.

    The private half is locked with a passphrase, which is asked for twice. No file is ever overwritten.
    """
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey  # noqa: PLC0415

    from migrator.cli.keyring import Passphrases  # noqa: PLC0415 - loads when used
    from migrator.envelope.arithmetic import NONCE  # noqa: PLC0415 - loads when used
    from migrator.envelope.key_files import SALT  # noqa: PLC0415 - loads when used
    from migrator.envelope.keys import Identity  # noqa: PLC0415 - loads when used

    public, private = Path(f"{stem}.pub"), Path(f"{stem}.sec")
    for path in (public, private):
        if path.exists() or path.is_symlink():
            raise UsageError(f"{path} is there already", hint="choose another name with -o")
    passphrase = Passphrases(passphrase_env, environ=os.environ).get_new(str(private))
    identity = Identity.from_private_bytes(X25519PrivateKey.generate().private_bytes_raw())
    text = identity.to_private_file(passphrase=passphrase, salt=os.urandom(SALT), nonce=os.urandom(NONCE))
    _write_new(private, text, 0o600)
    try:
        _write_new(public, identity.recipient().to_public_file(), 0o644)
    except BaseException:
        private.unlink()
        raise
    if invocation.output.json:
        invocation.output.object(
            {"public": str(public), "private": str(private), "fingerprint": identity.fingerprint}
        )
    else:
        invocation.output.lines(
            [f"public key   {public}", f"private key  {private}", f"fingerprint  {identity.fingerprint}"]
        )
    invocation.output.hint("keep a copy of the private key and its passphrase: without them the data is lost")
    return 0


@keys.command("show", cls=Verb, epilog="havre keys show dataset.pub")
@click.argument("file", type=FILE)
@click.option("--passphrase-env", metavar="VAR", help=_WHERE_FROM)
@common_options
def show(invocation: Invocation, file: Path, passphrase_env: str | None) -> int:
    """Say what a key file is and print its fingerprint; never its private half.

    The public half of a locked private key can only be told with its passphrase.
    """
    from migrator.cli.keyring import Passphrases, open_identity, read_bounded, read_recipient  # noqa: PLC0415
    from migrator.envelope.key_files import MAX_TEXT, parse_private_text  # noqa: PLC0415 - loads when used

    text = read_bounded(file, MAX_TEXT)
    if b"CRYPT4GH PRIVATE KEY" in text:
        identity = open_identity(file, Passphrases(passphrase_env, environ=os.environ))
        kind, locked, recipient = "private", parse_private_text(text).locked, identity.recipient()
    else:
        kind, locked, recipient = "public", False, read_recipient(file)
    facts = {
        "kind": kind,
        "locked": locked,
        "fingerprint": recipient.fingerprint,
        "public_key": base64.b64encode(recipient.public).decode(),
    }
    if invocation.output.json:
        invocation.output.object(facts)
    else:
        what = f"Crypt4GH {kind} key" + (", locked with a passphrase" if locked else "")
        if kind == "private" and not locked:
            what += ", not locked"
        invocation.output.lines(
            [
                f"kind         {what}",
                f"fingerprint  {facts['fingerprint']}",
                f"public key   {facts['public_key']}",
            ]
        )
    return 0


def _write_new(path: Path, text: str, mode: int) -> None:
    """Write a file that was not there, or leave none.

    Raises:
        OSError: It is there, or cannot be written.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise
