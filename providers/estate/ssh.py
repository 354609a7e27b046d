"""Commands on a host over SSH: a channel for each, with a time limit and a bounded answer.

The connection is the SFTP driver's: host keys always verified, agent or key file, one jump host.
"""

from __future__ import annotations

import contextlib
import select
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from paramiko import Channel
from paramiko.ssh_exception import SSHException

from providers.drivers.sftp_connect import Connection
from providers.drivers.sftp_settings import SftpSettings
from providers.errors import Unavailable
from providers.estate.commands import Answer
from providers.secrets import Secret
from providers.sftp_place import SftpPlace

__all__ = ["CommandConnection", "Run", "connect"]

Run = Callable[[str], Answer]
"""Runs one command and gives what it said."""

_MOST_OUT: Final = 4 * 1024 * 1024
_MOST_ERR: Final = 16 * 1024
_PIECE: Final = 64 * 1024
_LIMIT: Final = 120.0
_WAIT: Final = 0.05


class CommandConnection(Connection):
    """A logged-in connection on which commands run, one after the other."""

    def run(self, command: str) -> Answer:
        """Run a command; standard input is empty, and there is no terminal.

        Raises:
            Unavailable: The host allows no session, or broke off, or took longer than two minutes.
        """
        try:
            channel = self._transport.open_session(timeout=self._settings.connect_timeout)
        except (SSHException, EOFError, OSError) as error:
            raise Unavailable("the host opens no session for commands") from error
        try:
            channel.settimeout(_LIMIT)
            channel.exec_command(command)
            channel.shutdown_write()
            return _read(channel)
        except (SSHException, EOFError, OSError) as error:
            raise Unavailable("the host broke off while a command ran") from error
        finally:
            with contextlib.suppress(SSHException, EOFError, OSError):
                channel.close()


def connect(
    place: SftpPlace,
    known_hosts: Iterable[Path],
    *,
    password: Secret | None = None,
    key_passphrase: Secret | None = None,
    agent_socket: str | None = None,
) -> CommandConnection:
    """Log in to a host.

    Args:
        place: The host, the way to it and the key file.
        known_hosts: Files of trusted host keys.
        password: Logs in where keys do not.
        key_passphrase: Opens the key file.
        agent_socket: The SSH agent's socket, or None for none.

    Raises:
        Unauthenticated: The host key is not trusted, or the host takes none of the credentials.
        Unavailable: The host cannot be reached.
        ConfigInvalid: A key file cannot be read.
    """
    return CommandConnection(
        SftpSettings(
            place=place,
            bucket="",
            known_hosts=tuple(known_hosts),
            password=password,
            key_passphrase=key_passphrase,
            agent_socket=agent_socket,
        )
    )


def _read(channel: Channel) -> Answer:
    """Both streams to their ends, neither of which may block the other, within the limits."""
    out, err = bytearray(), bytearray()
    cut = False
    give_up = time.monotonic() + _LIMIT
    while True:
        busy = False
        if channel.recv_ready():
            busy = True
            cut = _keep(out, channel.recv(_PIECE), _MOST_OUT) or cut
        if channel.recv_stderr_ready():
            busy = True
            _keep(err, channel.recv_stderr(_PIECE), _MOST_ERR)
        if cut:
            return Answer(status=None, out="", err=_text(err), cut=True)
        if not busy:
            if channel.exit_status_ready() and channel.eof_received:
                break
            if time.monotonic() > give_up:
                raise TimeoutError
            select.select([channel], [], [], _WAIT)
    status = channel.recv_exit_status()
    return Answer(status=status if status >= 0 else None, out=_text(out), err=_text(err))


def _keep(into: bytearray, piece: bytes, most: int) -> bool:
    """Add what fits; whether there was more."""
    room = most - len(into)
    into += piece[:room]
    return len(piece) > room


def _text(data: bytearray) -> str:
    return data.decode("utf-8", errors="replace")
