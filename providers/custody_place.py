"""``[custody.NAME]``: a key at an OpenBao or HashiCorp Vault server and how it is reached; free of SDK imports.

The table names where the token is and never holds it. What is done with the key is ``migrator.custody``'s business.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from providers.errors import ConfigInvalid, Unauthenticated
from providers.location import SITE_NAME
from providers.profile_read import refuse_unknown, table_of, text_of
from providers.secrets import Secret
from providers.site_rules import check_endpoint, refuse_literal_secrets

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["DEFAULT_MOUNT", "TOKEN_VARIABLES", "CustodyPlace", "read_custody", "valid_key", "valid_path"]

DEFAULT_MOUNT: Final = "transit"
TOKEN_VARIABLES: Final = ("BAO_TOKEN", "VAULT_TOKEN")
"""Where a token is looked for if the table names none, as the servers' own commands do."""
_FIELDS: Final = frozenset({"address", "mount", "key", "namespace", "ca_bundle", "token_file", "token_env"})
_KEY: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_PATH: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*")
_MAX_PATH: Final = 256
_TOKEN: Final = re.compile(r"[\x21-\x7e]{1,4096}")
_MAX_TOKEN: Final = 4_098


def valid_key(text: str) -> bool:
    """Whether the text can be the name of a key: it becomes part of a URL."""
    return _KEY.fullmatch(text) is not None


def valid_path(text: str) -> bool:
    """Whether the text can be a mount or namespace: it becomes part of a URL, or of a header."""
    return len(text) <= _MAX_PATH and _PATH.fullmatch(text) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class CustodyPlace:
    """A key at a server.

    Attributes:
        name: What the configuration calls it.
        address: Base URL, without a slash at its end; https, or plain http to this machine.
        mount: Path of the transit engine.
        key: Name of the key there.
        namespace: Namespace, or None.
        ca_bundle: PEM file of trusted authorities instead of the system's, or None.
        token_file: File that holds the token, or None.
        token_env: Environment variable that holds the token, or None.
    """

    name: str
    address: str
    mount: str
    key: str
    namespace: str | None = None
    ca_bundle: Path | None = None
    token_file: Path | None = None
    token_env: str | None = None

    def token(self, environ: Mapping[str, str]) -> Secret:
        """The token: from the file or variable that the table names, else from ``BAO_TOKEN`` or ``VAULT_TOKEN``.

        Raises:
            ConfigInvalid: The file cannot be read, others may read it, or what it holds is no token.
            Unauthenticated: There is none.
        """
        where = f"[custody.{self.name}]"
        if self.token_file is not None:
            return _checked(where, _read_token(where, self.token_file))
        names = TOKEN_VARIABLES if self.token_env is None else (self.token_env,)
        for name in names:
            if value := environ.get(name):
                return _checked(where, value)
        raise Unauthenticated(
            f"{where}: the environment variable {' or '.join(names)} is not set",
            hint="set it to a token that may use this key, or name a token_file",
        )


def read_custody(where: str, name: str, raw: object, folder: Path) -> CustodyPlace:
    """Check a table.

    Args:
        where: File and table, for messages.
        name: What the configuration calls it.
        raw: What stands there.
        folder: What relative paths are relative to.

    Raises:
        ConfigInvalid: A field is unknown, missing, of a wrong type, or a credential itself.
    """
    if SITE_NAME.fullmatch(name) is None:
        raise ConfigInvalid(f"{where}: a name is made of letters, digits, '.', '_' and '-'")
    table: dict[str, Any] = table_of(where, raw)
    refuse_literal_secrets(
        where, {key: value for key, value in table.items() if key not in {"key", "token_file"}}
    )
    refuse_unknown(where, table, _FIELDS)
    for field, value in table.items():
        if not isinstance(value, str) or not value:
            raise ConfigInvalid(f"{where}: field {field!r} must be text")
    if "token_file" in table and "token_env" in table:
        raise ConfigInvalid(f"{where}: give 'token_file' or 'token_env', not both")
    mount, key = table.get("mount", DEFAULT_MOUNT).strip("/"), text_of(where, table, "key")
    namespace = table["namespace"].strip("/") if "namespace" in table else None
    if not valid_key(key):
        raise ConfigInvalid(f"{where}: field 'key' must be a key's name: letters, digits, '.', '_' and '-'")
    for field, path in (("mount", mount), ("namespace", namespace)):
        if path is not None and not valid_path(path):
            raise ConfigInvalid(f"{where}: field {field!r} must be a path such as transit or team/transit")
    bundle, file = table.get("ca_bundle"), table.get("token_file")
    return CustodyPlace(
        name=name,
        address=check_endpoint(where, text_of(where, table, "address"), insecure_http=False),
        mount=mount,
        key=key,
        namespace=namespace,
        ca_bundle=None if bundle is None else folder / Path(bundle).expanduser(),
        token_file=None if file is None else folder / Path(file).expanduser(),
        token_env=table.get("token_env"),
    )


def _read_token(where: str, path: Path) -> str:
    try:
        with path.open("rb") as file:
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o007:
                raise ConfigInvalid(
                    f"{where}: everybody on this machine may read {path}", hint=f"chmod 600 {path}"
                )
            data = file.read(_MAX_TOKEN + 1)
    except OSError as error:
        raise ConfigInvalid(f"{where}: cannot read {path}: {error.strerror}") from error
    return data.decode("ascii", "replace").removesuffix("\n").removesuffix("\r")


def _checked(where: str, value: str) -> Secret:
    if _TOKEN.fullmatch(value) is None:
        raise ConfigInvalid(f"{where}: what should be a token is none: a token is one word of ASCII")
    return Secret(value)
