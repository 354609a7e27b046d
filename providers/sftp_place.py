"""Where an SFTP server is and how it is reached, read from a site's table; free of SDK imports."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from providers.errors import ConfigInvalid

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["DEFAULT_PORT", "Hop", "SftpPlace", "parse_hop", "sftp_place"]

DEFAULT_PORT: Final = 22
_LAST_PORT: Final = 65_535
_HOP: Final = re.compile(
    r"(?:(?P<user>[^@\s/]+)@)?(?P<host>\[[0-9A-Fa-f:.]+(?:%\w+)?\]|[^@:\s/\[\]]+)(?::(?P<port>\d{1,5}))?"
)
_HOST: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]+(?:%\w+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One SSH server on the way: ``user`` at ``host``, TCP port ``port``."""

    host: str
    user: str
    port: int = DEFAULT_PORT

    @property
    def name(self) -> str:
        """How ``known_hosts`` calls it (sshd(8)): the host, or ``[host]:port`` off the usual port."""
        host = self.host.lower()
        return host if self.port == DEFAULT_PORT else f"[{host}]:{self.port}"

    @property
    def url(self) -> str:
        """The server as a URL: ``sftp://host:port``, an IPv6 address in brackets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"sftp://{host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SftpPlace:
    """An SFTP server and a directory on it.

    Attributes:
        server: The server itself.
        jump: The server through which it is reached, or None.
        root: Directory that holds the buckets; empty for the one a login begins in.
        known_hosts: File of trusted host keys, or None for the user's and the machine's own.
        key_file: Private key to log in with, or None for the agent (or the password).
    """

    server: Hop
    jump: Hop | None = None
    root: str = ""
    known_hosts: Path | None = None
    key_file: Path | None = None


def sftp_place(where: str, table: Mapping[str, Any], folder: Path) -> SftpPlace:
    """Read a site's table whose names and types are checked already.

    Args:
        where: What messages call the table.
        table: The table.
        folder: What relative paths of this machine are relative to; ``~/`` is left for whoever opens them.

    Raises:
        ConfigInvalid: Host, port, user, root or jump host make no sense.
    """
    port = table.get("port", DEFAULT_PORT)
    host = table["host"]
    if port > _LAST_PORT:
        raise ConfigInvalid(f"{where}: field 'port' must be a port from 1 to {_LAST_PORT}")
    if _HOST.fullmatch(host) is None:
        raise ConfigInvalid(
            f"{where}: field 'host' must be a host name or an address",
            hint="user and port have fields of their own",
        )
    root = table.get("root", "")
    if "\0" in root or ".." in root.split("/"):
        raise ConfigInvalid(f"{where}: field 'root' must be a path without '..'")
    server = Hop(host=host, port=port, user=table["user"])
    jump = table.get("jump")
    return SftpPlace(
        server=server,
        jump=None if jump is None else _hop(where, jump, server.user),
        root=root,
        known_hosts=_path(table.get("known_hosts"), folder),
        key_file=_path(table.get("key_file"), folder),
    )


def parse_hop(text: str, user: str) -> Hop | None:
    """A server written as ``user@host:port``, ``user@host`` or ``host``; None where the text is none of these.

    Args:
        text: What somebody wrote.
        user: Who logs in where the text does not say.
    """
    found = _HOP.fullmatch(text)
    port = int(found["port"] or DEFAULT_PORT) if found else 0
    if found is None or not 1 <= port <= _LAST_PORT or _HOST.fullmatch(found["host"].strip("[]")) is None:
        return None
    return Hop(host=found["host"].strip("[]"), port=port, user=found["user"] or user)


def _hop(where: str, text: str, user: str) -> Hop:
    hop = parse_hop(text, user)
    if hop is None:
        raise ConfigInvalid(
            f"{where}: field 'jump' is no jump host",
            hint='write it as "user@host:port", "user@host" or "host"',
        )
    return hop


def _path(text: str | None, folder: Path) -> Path | None:
    if text is None:
        return None
    return Path(text) if text.startswith("~/") else folder / text
