"""What a site's table in ``havre.toml`` may say, per protocol, and what it must never say."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from providers.errors import ConfigInvalid
from providers.profile_read import refuse_unknown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from providers.protocols import Protocol

__all__ = ["FIELDS", "check_endpoint", "check_fields", "is_loopback", "refuse_literal_secrets"]

_WEB: Final[dict[str, type]] = {
    "endpoint": str,
    "insecure_http": bool,
    "ca_bundle": str,
    "max_connections": int,
}
FIELDS: Final[Mapping[Protocol, Mapping[str, type]]] = {
    "s3": _WEB
    | {
        "profile": str,
        "region": str,
        "account": str,
        "addressing": str,
        "aws_profile": str,
        "access_key_env": str,
        "secret_key_env": str,
        "session_token_env": str,
    },
    "azure_blob": _WEB
    | {"profile": str, "account": str, "account_key_env": str, "sas_env": str, "api_version": str},
    "filesystem": {"profile": str, "root": str},
    "sftp": {
        "profile": str,
        "host": str,
        "port": int,
        "user": str,
        "root": str,
        "known_hosts": str,
        "key_file": str,
        "key_passphrase_env": str,
        "password_env": str,
        "jump": str,
        "max_connections": int,
    },
    "swift": _WEB
    | {"profile": str, "cloud": str, "region": str, "auth_url": str, "user_env": str, "key_env": str},
}
"""Protocol → field → type."""

_WORDS: Final[dict[type, str]] = {str: "text", bool: "true or false", int: "a whole number from 1"}
_SECRET: Final = re.compile(
    r"key|secret|password|passwd|passphrase|token|sas|credential|connection_string", re.IGNORECASE
)
_PATHS: Final = frozenset({"key_file"})
"""Fields that are called after a credential and hold the path of a file."""
_ENV_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,79}")
_TOGETHER: Final = (
    ("access_key_env", "secret_key_env"),
    ("secret_key_env", "access_key_env"),
    ("session_token_env", "access_key_env"),
    ("user_env", "key_env"),
    ("key_env", "user_env"),
    ("key_env", "auth_url"),
    ("key_passphrase_env", "key_file"),
)
_REQUIRED: Final[Mapping[Protocol, tuple[str, ...]]] = {
    "azure_blob": ("account",),
    "filesystem": ("root",),
    "sftp": ("host", "user"),
}
_APART: Final = (("aws_profile", "access_key_env"), ("account_key_env", "sas_env"), ("cloud", "auth_url"))


def refuse_literal_secrets(where: str, table: Mapping[str, Any]) -> None:
    """Refuse fields that look like a credential itself, and "names of variables" that cannot be names.

    Raises:
        ConfigInvalid: Such a field stands there; its value is not repeated.
    """
    for field, value in table.items():
        if field in _PATHS or not _SECRET.search(field):
            continue
        if not field.endswith("_env"):
            raise ConfigInvalid(
                f"{where}: field {field!r}: a credential never stands in this file",
                hint=f'put it into an environment variable and write {field}_env = "NAME_OF_THE_VARIABLE"',
            )
        if not isinstance(value, str) or _ENV_NAME.fullmatch(value) is None:
            raise ConfigInvalid(
                f"{where}: field {field!r} must be the name of an environment variable, not a credential"
            )


def check_fields(where: str, table: dict[str, Any], protocol: Protocol) -> None:
    """Check names, types and combinations of a site's fields.

    Raises:
        ConfigInvalid: A field is unknown, of a wrong type, or at odds with another.
    """
    known = FIELDS[protocol]
    refuse_unknown(where, table, known)
    for field, value in table.items():
        expected = known[field]
        if type(value) is not expected or value == "" or (type(value) is int and value < 1):
            raise ConfigInvalid(f"{where}: field {field!r} must be {_WORDS[expected]}")
    for field, needed in _TOGETHER:
        if field in table and needed not in table:
            raise ConfigInvalid(f"{where}: field {field!r} needs {needed!r} beside it")
    for field, other in _APART:
        if field in table and other in table:
            raise ConfigInvalid(f"{where}: give {field!r} or {other!r}, not both")
    if table.get("addressing", "path") not in {"path", "virtual", "auto"}:
        raise ConfigInvalid(f"{where}: field 'addressing' must be path, virtual or auto")
    for required in _REQUIRED.get(protocol, ()):
        if required not in table:
            raise ConfigInvalid(f"{where}: field {required!r} is required")


def check_endpoint(where: str, url: str, *, insecure_http: bool) -> str:
    """The endpoint without a trailing slash.

    Plain http is let through to this machine itself, and elsewhere only on request.

    Raises:
        ConfigInvalid: It is no http(s) URL, carries credentials or a query, or is plain http elsewhere.
    """
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError:
        parts, host = urlsplit(""), None
    if parts.scheme not in {"http", "https"} or not host:
        raise ConfigInvalid(f"{where}: endpoint is not an http(s) URL")
    if parts.username is not None or parts.query or parts.fragment:
        raise ConfigInvalid(
            f"{where}: endpoint must hold neither user, password nor query",
            hint="name the environment variable of the credential instead",
        )
    if parts.scheme == "http" and not insecure_http and not is_loopback(host):
        raise ConfigInvalid(
            f"{where}: endpoint is plain http to another machine",
            hint="use https, or write insecure_http = true if that network is trusted",
        )
    return url.rstrip("/")


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
