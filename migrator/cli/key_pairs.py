"""Making a dataset's key pair, and saying how the private half of one is kept."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from migrator.cli.new_files import free_pair, write_pair

if TYPE_CHECKING:
    from pathlib import Path

    from migrator.cli.keyring import Passphrases
    from migrator.envelope.keys import Identity

__all__ = ["kept_how", "make_pair", "wrapped_text"]


def make_pair(stem: Path, passphrases: Passphrases, wrapped_by: str | None) -> tuple[Path, Path, Identity]:
    """Draw a key pair and write both files: the private half locked, or wrapped by a server.

    Args:
        stem: ``NAME.pub`` and ``NAME.sec`` are written.
        passphrases: Where the passphrase comes from, if no server wraps it.
        wrapped_by: Name of the custodian, or None.

    Returns:
        The public file, the private file, the key.

    Raises:
        UsageError: A file is there already, or there is no passphrase.
        CustodyError: The server cannot or will not wrap it. No file was written.
    """
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey  # noqa: PLC0415

    from migrator.envelope.arithmetic import NONCE  # noqa: PLC0415 - loads when used
    from migrator.envelope.key_files import SALT  # noqa: PLC0415 - loads when used
    from migrator.envelope.keys import Identity  # noqa: PLC0415 - loads when used

    public, private = free_pair(stem)
    if wrapped_by is None:
        passphrase = passphrases.get_new(str(private))
        identity = Identity.from_private_bytes(X25519PrivateKey.generate().private_bytes_raw())
        text = identity.to_private_file(passphrase=passphrase, salt=os.urandom(SALT), nonce=os.urandom(NONCE))
    else:
        identity = Identity.from_private_bytes(X25519PrivateKey.generate().private_bytes_raw())
        text = wrapped_text(identity, wrapped_by)
    write_pair(private, text, public, identity.recipient().to_public_file())
    return public, private, identity


def wrapped_text(identity: Identity, custodian: str) -> str:
    """The file of a private key that a server wraps.

    Raises:
        CustodyError: The server cannot or will not.
        ConfigInvalid: The configuration does not say which server that is.
    """
    from migrator.cli.custody import current_transit  # noqa: PLC0415 - most keys have a passphrase
    from migrator.custody.wrapped_key import wrap_identity  # noqa: PLC0415 - see above

    return wrap_identity(identity, current_transit()(custodian), entropy=os.urandom).to_text()


def kept_how(data: bytes) -> tuple[str, dict[str, Any] | None]:
    """How a private key file is kept: ``passphrase-file``, ``unlocked-file``, or ``wrapped`` and by what.

    Raises:
        KeyFileInvalid: It is no private key file.
    """
    from migrator.custody.wrapped_key import parse_wrapped  # noqa: PLC0415 - loads when used
    from migrator.envelope.key_files import parse_private_text  # noqa: PLC0415 - loads when used

    if not data.lstrip().startswith(b"{"):
        return ("passphrase-file" if parse_private_text(data).locked else "unlocked-file"), None
    kept = parse_wrapped(data)
    return "wrapped", {
        "custody": kept.custody,
        "namespace": kept.namespace,
        "mount": kept.mount,
        "key": kept.key,
        "version": kept.version,
    }
