"""``havre keys wrap`` and ``export``: what a server does for private keys, and the public half of what it signs with."""

from __future__ import annotations

import os
import time
from pathlib import Path

import click

from migrator.cli.group import Invocation, Verb
from migrator.cli.params import FILE, common_options

__all__ = ["export", "wrap"]


@click.command(
    "wrap",
    cls=Verb,
    short_help="Have a server wrap a private key, or wrap it anew.",
    epilog="""
havre keys wrap dataset.sec --wrapped-by vault -o dataset-wrapped.sec
havre keys wrap dataset-wrapped.sec --wrapped-by vault -o dataset-wrapped-2.sec
""",
)
@click.argument("file", type=FILE, metavar="KEY.sec")
@click.option(
    "--wrapped-by", required=True, metavar="NAME", help="The server's key: [custody.NAME] in havre.toml."
)
@click.option("-o", "--output", "out", required=True, type=FILE, metavar="FILE", help="File to write.")
@click.option("--passphrase-env", metavar="VAR",
              help="Environment variable that holds the passphrase of KEY.sec. Else $HAVRE_PASSPHRASE_FILE names a "
              "file, or the terminal is asked.")  # fmt: skip
@common_options
def wrap(invocation: Invocation, file: Path, wrapped_by: str, out: Path, passphrase_env: str | None) -> int:
    """Write a private key anew, so that it takes an OpenBao or HashiCorp Vault server to open it.

    KEY.sec may be locked with a passphrase, or wrapped already: after the server's key was rotated, this wraps
    under its newest version. The key pair stays the same. KEY.sec stays as it is: destroy it and its copies once
    the new file has been tried, since it opens all that it opened before.
    """
    from migrator.cli.key_pairs import kept_how, wrapped_text  # noqa: PLC0415 - loads when used
    from migrator.cli.keyring import Passphrases, open_identity  # noqa: PLC0415 - loads when used
    from migrator.cli.new_files import write_new  # noqa: PLC0415 - loads when used

    identity = open_identity(file, Passphrases(passphrase_env, environ=os.environ))
    text = wrapped_text(identity, wrapped_by)
    write_new(out, text, 0o600)
    _, server = kept_how(text.encode())
    assert server is not None
    if invocation.output.json:
        invocation.output.object(
            {"private": str(out), "fingerprint": identity.fingerprint, "wrapped_by": server}
        )
    else:
        invocation.output.lines(
            [
                f"private key  {out}",
                f"fingerprint  {identity.fingerprint}",
                f"wrapped by   version {server['version']} of the key {server['key']} at {wrapped_by}",
            ]
        )
    invocation.output.hint(f"{file} still opens the data: destroy it once the new file has been tried")
    return 0


@click.command(
    "export",
    cls=Verb,
    short_help="Write the public half of a signing key that a server keeps.",
    epilog="""
havre keys export seal -o seal.pub
havre keys export seal --key-version 1 -o seal-1.pub
""",
)
@click.argument("name")
@click.option("-o", "--output", "out", required=True, type=FILE, metavar="KEY.pub", help="File to write.")
@click.option("--key-version", type=click.IntRange(1), metavar="N", help="Version; default the newest.")
@click.option("--days", type=click.IntRange(1, 36_500), metavar="N",
              help="Days from now that auditors are to accept it; without, it has no end.")  # fmt: skip
@common_options
def export(invocation: Invocation, name: str, out: Path, key_version: int | None, days: int | None) -> int:
    """Write the public half of the key of [custody.NAME], an Ed25519 key of a transit engine, for auditors.

    Evidence is signed with it by '--sign transit:NAME', and checked with '--trust KEY.pub'.
    """
    from migrator.cli.custody import open_transit  # noqa: PLC0415 - loads when used
    from migrator.cli.new_files import write_new  # noqa: PLC0415 - loads when used
    from migrator.evidence.signing_keys import public_text  # noqa: PLC0415 - loads when used
    from migrator.evidence.transit_signer import public_of  # noqa: PLC0415 - loads when used

    until = None if days is None else int(time.time() * 1000) + days * 86_400_000
    public, version = public_of(open_transit(name, invocation.config), version=key_version, valid_until=until)
    write_new(out, public_text(public).decode(), 0o644)
    if invocation.output.json:
        invocation.output.object(
            {"public": str(out), "name": public.name, "keyid": public.keyid, "version": version}
        )
    else:
        invocation.output.lines(
            [f"public key   {out}", f"name         {public.name}", f"key id       {public.keyid}"]
        )
    invocation.output.hint("give it to auditors by a way of its own: a bundle does not say whom to trust")
    return 0
