"""``havre keys``: make a key pair, look at a key file; the other verbs of the group are added here."""

from __future__ import annotations

import base64
import os
import time
from pathlib import Path
from typing import Any

import click

from migrator.cli.group import Invocation, Verb
from migrator.cli.new_files import free_pair, write_pair
from migrator.cli.params import FILE, common_options
from migrator.cli.verb_ceremony import ceremony, check_ceremony
from migrator.cli.verb_custody import export, wrap
from migrator.errors import UsageError

__all__ = ["keys"]

_WHERE_FROM = (
    "Environment variable that holds the passphrase. Else $HAVRE_PASSPHRASE_FILE names a file, or the "
    "terminal is asked."
)


@click.group()
def keys() -> None:
    """Make keys, look at them, have a server keep them, record how they were made.

    Keys are Crypt4GH keys, which other Crypt4GH tools read too. Whoever holds the public half can encrypt for
    the dataset; only the private half and its passphrase open it again. Keep the private half away from both
    clouds, and keep a second copy: nobody can open the data without it.
    """


@keys.command(
    "generate",
    cls=Verb,
    epilog="""
havre keys generate -o dataset
havre keys generate --wrapped-by vault -o dataset
havre keys generate --signing -o office
HAVRE_PASSPHRASE_FILE=/run/secrets/dataset havre keys generate -o dataset
""",
)
@click.option(
    "-o", "--output", "stem", required=True, type=FILE, metavar="NAME", help="Writes NAME.pub, NAME.sec."
)
@click.option("--passphrase-env", metavar="VAR", help=_WHERE_FROM)
@click.option("--wrapped-by", metavar="NAME",
              help="Have the server of [custody.NAME] wrap the private half, instead of a passphrase.")  # fmt: skip
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
    wrapped_by: str | None,
    signing: bool,  # noqa: FBT001 - see above
    algorithm: str,
    days: int | None,
) -> int:
    """Make a key pair: NAME.pub to encrypt for, NAME.sec to open with; with --signing, to check and to sign.

    The private half is locked with a passphrase, which is asked for twice, or wrapped by a key that an OpenBao
    or HashiCorp Vault server keeps (--wrapped-by). No file is ever overwritten.
    """
    if wrapped_by is not None and (signing or passphrase_env is not None):
        raise UsageError(
            "--wrapped-by is for a dataset's key, and takes the place of a passphrase",
            hint="to sign with a server's key, name it where a key file is asked for: --sign transit:NAME",
        )
    if signing:
        return _generate_signing(invocation, stem, passphrase_env, algorithm, days)
    if days is not None or algorithm != "ed25519":
        raise UsageError(
            "--algorithm and --days are for signing keys", hint="add --signing, or leave them out"
        )
    from migrator.cli.key_pairs import make_pair  # noqa: PLC0415 - loads when used
    from migrator.cli.keyring import Passphrases  # noqa: PLC0415 - loads when used

    public, private, identity = make_pair(stem, Passphrases(passphrase_env, environ=os.environ), wrapped_by)
    if invocation.output.json:
        invocation.output.object(
            {"public": str(public), "private": str(private), "fingerprint": identity.fingerprint}
        )
    else:
        invocation.output.lines(
            [f"public key   {public}", f"private key  {private}", f"fingerprint  {identity.fingerprint}"]
        )
    invocation.output.hint(
        "keep a copy of the private key and its passphrase: without them the data is lost"
        if wrapped_by is None
        else "keep a copy of the file, and of the server's key: without either the data is lost"
    )
    return 0


def _generate_signing(
    invocation: Invocation, stem: Path, passphrase_env: str | None, algorithm: str, days: int | None
) -> int:
    from migrator.cli.keyring import Passphrases  # noqa: PLC0415 - loads when used
    from migrator.evidence.signing_keys import new_signing_key, private_pem, public_text  # noqa: PLC0415

    public, private = free_pair(stem)
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


@keys.command("show", cls=Verb, epilog="havre keys show dataset.pub")
@click.argument("file", type=FILE)
@click.option("--passphrase-env", metavar="VAR", help=_WHERE_FROM)
@common_options
def show(invocation: Invocation, file: Path, passphrase_env: str | None) -> int:
    """Say what a key file is and print its fingerprint; never its private half.

    The public half of a locked private key can only be told with its passphrase, and a wrapped one is opened by
    its server: what is printed was found by opening it.
    """
    from migrator.cli.key_pairs import kept_how  # noqa: PLC0415 - loads when used
    from migrator.cli.keyring import Passphrases, open_identity, read_bounded, read_recipient  # noqa: PLC0415
    from migrator.envelope.key_files import MAX_TEXT  # noqa: PLC0415 - loads when used

    text = read_bounded(file, MAX_TEXT)
    if text.lstrip().startswith(b"{"):
        return _show_wrapped(invocation, file, text)
    if b"CRYPT4GH PRIVATE KEY" in text:
        identity = open_identity(file, Passphrases(passphrase_env, environ=os.environ))
        kind, locked, recipient = "private", kept_how(text)[0] == "passphrase-file", identity.recipient()
    else:
        kind, locked, recipient = "public", False, read_recipient(file)
    facts = {
        "kind": kind,
        "locked": locked,
        "fingerprint": recipient.fingerprint,
        "public_key": base64.b64encode(recipient.public).decode(),
    }
    what = f"Crypt4GH {kind} key" + (", locked with a passphrase" if locked else "")
    if kind == "private" and not locked:
        what += ", not locked"
    _tell_key(invocation, facts, what)
    return 0


def _show_wrapped(invocation: Invocation, file: Path, data: bytes) -> int:
    from migrator.cli.key_pairs import kept_how  # noqa: PLC0415 - loads when used
    from migrator.cli.keyring import Passphrases, open_identity  # noqa: PLC0415 - loads when used

    identity = open_identity(file, Passphrases(None, environ=os.environ))
    _, server = kept_how(data)
    assert server is not None
    facts = {
        "kind": "private",
        "locked": True,
        "fingerprint": identity.fingerprint,
        "public_key": base64.b64encode(identity.public).decode(),
        "wrapped_by": server,
    }
    what = f"private key, wrapped by version {server['version']} of the key {server['key']} at {server['custody']}"
    _tell_key(invocation, facts, what)
    return 0


def _tell_key(invocation: Invocation, facts: dict[str, Any], what: str) -> None:
    if invocation.output.json:
        invocation.output.object(facts)
        return
    invocation.output.lines(
        [
            f"kind         {what}",
            f"fingerprint  {facts['fingerprint']}",
            f"public key   {facts['public_key']}",
        ]
    )


for _verb in (wrap, export, ceremony, check_ceremony):
    keys.add_command(_verb)
