"""What an SFTP driver is told when it is built."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from providers.capabilities import Capabilities
from providers.protocols import SFTP_BASE
from providers.secrets import Secret
from providers.sftp_place import SftpPlace

__all__ = ["CHANNELS_PER_CONNECTION", "MAX_CONNECTIONS", "SftpSettings"]

MAX_CONNECTIONS: Final = 2
"""SSH connections of one driver. Two keep a server of two cores busy and survive a bad path; with four, sixteen
threads cost this side twice the processor time per byte (measured: each connection has a thread of its own)."""
CHANNELS_PER_CONNECTION: Final = 8
"""Sessions on one connection. ``sshd`` allows ten (MaxSessions)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SftpSettings:
    """One directory of one SFTP server.

    Attributes:
        place: The server, the way to it, and its root.
        bucket: Directory beneath the root.
        known_hosts: Files of trusted host keys; those that are not there hold none.
        key_passphrase: Opens ``place.key_file``.
        password: Logs in where keys do not, or on top of them.
        agent_socket: Socket of the SSH agent to ask where there is no key file, or None.
        capabilities: Narrower than ``SFTP_BASE``, if a profile says so.
        max_connections: Most sessions (SFTP channels) at once; they share fewer SSH connections.
        connect_timeout: Seconds for a TCP connection, and again for each step of the handshake.
        timeout: Seconds without any answer after which a session is given up.
        create: Make the bucket's directory (0700) if it is missing; never the root.
    """

    place: SftpPlace
    bucket: str
    known_hosts: tuple[Path, ...]
    key_passphrase: Secret | None = None
    password: Secret | None = None
    agent_socket: str | None = None
    capabilities: Capabilities = field(default_factory=lambda: SFTP_BASE)
    max_connections: int = 16
    connect_timeout: float = 30.0
    timeout: float = 60.0
    create: bool = False
