"""Signing keys of the command line: where the files are and who is asked for passphrases."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from migrator.cli.custody import current_transit, transit_name
from migrator.cli.keyring import Passphrases, read_bounded
from migrator.envelope.errors import WrongPassphrase
from migrator.errors import UsageError
from migrator.evidence.signing_keys import MAX_FILE, read_public, read_signer

if TYPE_CHECKING:
    from migrator.evidence.signers import PublicKey, Signer

__all__ = ["open_signer", "read_public_key"]


def read_public_key(path: Path) -> PublicKey:
    """A public signing key.

    Raises:
        UsageError: It is none.
        OSError: It cannot be read.
    """
    return read_public(read_bounded(path, MAX_FILE), name=path.stem)


def open_signer(path: Path, passphrase_env: str | None) -> Signer:
    """Open a signing key: ``NAME.sec``, with ``NAME.pub`` beside it, or ``transit:NAME``, which a server keeps.

    Raises:
        CustodyError: The server that keeps it cannot be asked, or has no such key.
        ConfigInvalid: The configuration does not say which server that is.
        UsageError: It is none, or its public half is missing.
        WrongPassphrase: The passphrase is missing or wrong.
        OSError: It cannot be read.
    """
    custodian = transit_name(path)
    if custodian is not None:
        from migrator.evidence.transit_signer import transit_signer  # noqa: PLC0415 - most keys are files

        return transit_signer(current_transit()(custodian))
    beside = path.with_suffix(".pub")
    if not beside.is_file():
        raise UsageError(
            f"{beside} is missing", hint="keep the public half of a signing key beside its private half"
        )
    pem = read_bounded(path, MAX_FILE)
    locked = b"ENCRYPTED" in pem
    passphrase = Passphrases(passphrase_env, environ=os.environ).get(str(path)) if locked else None
    try:
        return read_signer(pem, read_public_key(beside), passphrase)
    except WrongPassphrase:
        raise WrongPassphrase(
            f"the passphrase does not open {path}", hint="check the passphrase and the file"
        ) from None
