"""From what the operator named to logged-in hosts: places, key files and the agent, as the SFTP driver has them."""

from __future__ import annotations

import getpass
import os
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from migrator.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from migrator.cli.group import Invocation
    from providers.errors import StoreError
    from providers.estate.hosts import HostReport
    from providers.secrets import Secret
    from providers.sftp_place import SftpPlace

__all__ = ["HostPlace", "ask_host", "host_places", "unreached"]

_MACHINE: Final = Path("/etc/ssh/ssh_known_hosts")


@dataclass(frozen=True, slots=True, kw_only=True)
class HostPlace:
    """A host and how to log in to it.

    Attributes:
        name: What the operator called it.
        place: The host, the way to it and the key file.
        known_hosts: Files of trusted host keys.
        password: Logs in where keys do not.
        key_passphrase: Opens the key file.
        agent_socket: The SSH agent's socket.
    """

    name: str
    place: SftpPlace
    known_hosts: tuple[Path, ...]
    password: Secret | None = None
    key_passphrase: Secret | None = None
    agent_socket: str | None = None


def host_places(
    invocation: Invocation,
    targets: Sequence[str],
    *,
    site: str | None,
    ssh_key: Path | None,
    known_hosts: Path | None,
    jump: str | None,
) -> list[HostPlace]:
    """Every host that was named, in the order given; the site's server comes last.

    Args:
        invocation: Names the configuration.
        targets: ``[user@]host[:port]``.
        site: Name of an SFTP site, or None.
        ssh_key: Private key, or None for the agent.
        known_hosts: File of trusted host keys, or None for the user's and the machine's.
        jump: Jump host, or None.

    Raises:
        UsageError: There is no host, or a name is none.
        ConfigInvalid: The site is not known, or no SFTP site.
    """
    environ = os.environ
    home = Path(environ.get("HOME", "/"))
    usual = (home / ".ssh/known_hosts", _MACHINE)
    places = [
        HostPlace(
            name=text,
            place=_place(text, jump, ssh_key),
            known_hosts=usual if known_hosts is None else (known_hosts,),
            agent_socket=environ.get("SSH_AUTH_SOCK"),
        )
        for text in targets
    ]
    if site is not None:
        own = _of_site(invocation, site, environ, home)
        if ssh_key is not None:
            own = replace(own, place=replace(own.place, key_file=ssh_key))
        places.append(own if known_hosts is None else replace(own, known_hosts=(known_hosts,)))
    if not places:
        raise UsageError("name at least one host, or --site", hint="write [user@]host[:port]")
    return places


def ask_host(place: HostPlace, *, sudo: bool) -> HostReport:
    """Log in to a host and ask it everything.

    Raises:
        Unauthenticated: The host key is not trusted, or the host takes none of the credentials.
        Unavailable: The host cannot be reached, or broke off.
    """
    from providers.estate.hosts import HostReport, collect  # noqa: PLC0415 - loads when used
    from providers.estate.ssh import connect  # noqa: PLC0415 - loads when used

    connection = connect(
        place.place,
        place.known_hosts,
        password=place.password,
        key_passphrase=place.key_passphrase,
        agent_socket=place.agent_socket,
    )
    try:
        facts, untold = collect(connection.run, sudo=sudo)
    finally:
        connection.close()
    return HostReport(host=place.name, asked_at=datetime.now(UTC), facts=facts, untold=untold)


def unreached(place: HostPlace, error: StoreError) -> HostReport:
    """The report of a host that did not let itself be asked: every question is untold, for that reason."""
    from providers.estate.commands import QUESTIONS  # noqa: PLC0415 - loads when used
    from providers.estate.hosts import HostReport  # noqa: PLC0415 - loads when used

    untold = {question.name: error.message for question in QUESTIONS}
    return HostReport(host=place.name, asked_at=datetime.now(UTC), untold=untold)


def _place(text: str, jump: str | None, key_file: Path | None) -> SftpPlace:
    from providers.sftp_place import SftpPlace, parse_hop  # noqa: PLC0415 - loads when used

    user = getpass.getuser()
    server = parse_hop(text, user)
    if server is None:
        raise UsageError(f"{text!r} is no host", hint="write [user@]host[:port]")
    way = None if jump is None else parse_hop(jump, server.user)
    if jump is not None and way is None:
        raise UsageError(f"{jump!r} is no jump host", hint="write [user@]host[:port]")
    return SftpPlace(server=server, jump=way, key_file=key_file)


def _of_site(invocation: Invocation, name: str, environ: Mapping[str, str], home: Path) -> HostPlace:
    from providers.errors import ConfigInvalid, Unauthenticated  # noqa: PLC0415 - loads when used
    from providers.secrets import Secret  # noqa: PLC0415 - loads when used
    from providers.sites import Sites  # noqa: PLC0415 - loads when used

    site = Sites.load(invocation.config, environ).site(name)
    place = site.sftp
    if place is None:
        raise ConfigInvalid(f"site {name!r} is no SFTP site", hint="name its hosts one by one")

    def own(path: Path | None) -> Path | None:
        return home.joinpath(*path.parts[1:]) if path is not None and path.parts[:1] == ("~",) else path

    def secret(field: str) -> Secret | None:
        variable = site.variables.get(field)
        if variable is None:
            return None
        value = environ.get(variable)
        if not value:
            raise Unauthenticated(
                f"the environment variable {variable} is not set",
                hint=f"set {variable}, which site {name} names as {field}_env",
            )
        return Secret(value)

    known = own(place.known_hosts)
    return HostPlace(
        name=name,
        place=replace(place, key_file=own(place.key_file)),
        known_hosts=(home / ".ssh/known_hosts", _MACHINE) if known is None else (known,),
        password=secret("password"),
        key_passphrase=secret("key_passphrase"),
        agent_socket=environ.get("SSH_AUTH_SOCK"),
    )
