"""``havre keys``: make a key pair, look at a key file."""

from __future__ import annotations

import base64
import os
import time
from pathlib import Path

import click

from migrator.cli.group import Invocation, Verb
from migrator.cli.params import FILE, common_options
from migrator.errors import UsageError

__all__ = ["keys", "write_new"]

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
havre keys generate --signing -o office
HAVRE_PASSPHRASE_FILE=/run/secrets/dataset havre keys generate -o dataset
""",
)
@click.option(
    "-o", "--output", "stem", required=True, type=FILE, metavar="NAME", help="Writes NAME.pub, NAME.sec."
)
@click.option("--passphrase-env", metavar="VAR", help=_WHERE_FROM)
@click.option("--signing", is_flag=True, help="Make a key that signs evidence, not one that opens data.")
@click.option("--algorithm", type=click.Choice(["ed25519", "ml-dsa-65"]), default="ed25519", show_default=True,
              help="With --signing.")  # fmt: skip
@click.option("--days", type=click.IntRange(1, 36_500), metavar="N",
              help="With --signing: days that the key may sign; without, it has no end.")  # fmt: skip
@common_options
def generate(
    invocation: Invocation,
    stem: Path,
    passphrase_env: str | None,
    signing: bool,  # noqa: FBT001 - see above
    algorithm: str,
    days: int | None,
) -> int:
    """Make a key pair: NAME.pub to encrypt for, NAME.sec to open with; with --signing, to check and to sign.

    The private half is locked with a passphrase, which is asked for twice. No file is ever overwritten.
    """
    if signing:
        return _generate_signing(invocation, stem, passphrase_env, algorithm, days)
    if days is not None or algorithm != "ed25519":
        raise UsageError(
            "--algorithm and --days are for signing keys", hint="add --signing, or leave them out"
        )
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey  # noqa: PLC0415

    from migrator.cli.keyring import Passphrases  # noqa: PLC0415 - loads when used
    from migrator.envelope.arithmetic import NONCE  # noqa: PLC0415 - loads when used
    from migrator.envelope.key_files import SALT  # noqa: PLC0415 - loads when used
    from migrator.envelope.keys import Identity  # noqa: PLC0415 - loads when used

    public, private = _free(stem)
    passphrase = Passphrases(passphrase_env, environ=os.environ).get_new(str(private))
    identity = Identity.from_private_bytes(X25519PrivateKey.generate().private_bytes_raw())
    text = identity.to_private_file(passphrase=passphrase, salt=os.urandom(SALT), nonce=os.urandom(NONCE))
    write_pair(private, text, public, identity.recipient().to_public_file())
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


def _generate_signing(
    invocation: Invocation, stem: Path, passphrase_env: str | None, algorithm: str, days: int | None
) -> int:
    from migrator.cli.keyring import Passphrases  # noqa: PLC0415 - loads when used
    from migrator.evidence.signing_keys import new_signing_key, private_pem, public_text  # noqa: PLC0415

    public, private = _free(stem)
    now = int(time.time() * 1000)
    signer = new_signing_key(
        stem.name, algorithm, valid_from=now, valid_until=None if days is None else now + days * 86_400_000
    )
    passphrase = Passphrases(passphrase_env, environ=os.environ).get_new(str(private))
    write_pair(private, private_pem(signer, passphrase).decode(), public, public_text(signer.public).decode())
    facts = {
        "public": str(public),
        "private": str(private),
        "keyid": signer.public.keyid,
        "algorithm": algorithm,
    }
    if invocation.output.json:
        invocation.output.object(facts)
    else:
        invocation.output.lines(
            [f"public key   {public}", f"private key  {private}", f"key id       {signer.public.keyid}"]
        )
    invocation.output.hint(
        "give the public key to auditors by a way of its own: a bundle does not say whom to trust"
    )
    return 0


def _free(stem: Path) -> tuple[Path, Path]:
    public, private = Path(f"{stem}.pub"), Path(f"{stem}.sec")
    for path in (public, private):
        if path.exists() or path.is_symlink():
            raise UsageError(f"{path} is there already", hint="choose another name with -o")
    return public, private


def write_pair(private: Path, secret: str, public: Path, text: str) -> None:
    """Write both halves, or neither.

    Raises:
        OSError: A file is there already, or cannot be written.
    """
    write_new(private, secret, 0o600)
    try:
        write_new(public, text, 0o644)
    except BaseException:
        private.unlink()
        raise


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


def write_new(path: Path, text: str, mode: int) -> None:
    """Write a file that was not there, or leave none.

    Raises:
        OSError: It is there, or cannot be written.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise
