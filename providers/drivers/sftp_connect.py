"""An SSH connection: TCP without delay, a verified host, a login. One hop through a jump host at most.

The host's key is compared before anything of ours is sent, for the jump host as for the server. Algorithms are
named one by one, so that what a library still carries for old servers (CBC, SHA-1, 3DES, MD5, groups of 2048
bits) is never offered.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from threading import Lock
from typing import Final, Self, cast

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from paramiko.agent import AgentSSH
from paramiko.pkey import PKey, UnknownKeyType
from paramiko.ssh_exception import (
    AuthenticationException,
    BadAuthenticationType,
    IncompatiblePeer,
    PasswordRequiredException,
    SSHException,
)

from providers.drivers.sftp_hosts import key_types_of, require_trusted, trusted_keys
from providers.drivers.sftp_pipe import PatientPipe
from providers.drivers.sftp_settings import CHANNELS_PER_CONNECTION, SftpSettings
from providers.errors import ConfigInvalid, Unauthenticated, Unavailable
from providers.secrets import Secret
from providers.sftp_place import Hop

__all__ = ["Connection", "load_key"]

KEY_EXCHANGES: Final = (
    "mlkem768x25519-sha256",
    "curve25519-sha256@libssh.org",
    "ecdh-sha2-nistp256",
    "ecdh-sha2-nistp384",
    "ecdh-sha2-nistp521",
    "diffie-hellman-group16-sha512",
)
CIPHERS: Final = (
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "aes128-ctr",
    "aes192-ctr",
    "aes256-ctr",
)
MACS: Final = (
    "hmac-sha2-256-etm@openssh.com",
    "hmac-sha2-512-etm@openssh.com",
    "hmac-sha2-256",
    "hmac-sha2-512",
)
HOST_KEYS: Final = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512",
    "rsa-sha2-256",
)
_RSA: Final = ("rsa-sha2-512", "rsa-sha2-256")
_MOST_AGENT_KEYS: Final = 5
"""``sshd`` hangs up after six failed tries (MaxAuthTries)."""
_KEEPALIVE: Final = 15
_OTHERS: Final = 0o077
_WINDOW: Final = 8 * 1024 * 1024
_LOG: Final = "havre.ssh"

# paramiko logs failures with their tracebacks; what matters of them is in our errors.
_logger = logging.getLogger(_LOG)
_logger.addHandler(logging.NullHandler())
_logger.propagate = False

_Login = tuple[str, Callable[[paramiko.Transport, str], Sequence[str]]]


class Connection:
    """A logged-in connection. Channels may be opened from many threads.

    Attributes:
        channels: How many are in use; whoever opens and closes them counts.
        room: How many there may be, as far as is known.

    Raises:
        Unauthenticated: A host key is not trusted, or the server takes none of our credentials.
        ConfigInvalid: A key file cannot be read or opened.
        Unavailable: The server cannot be reached, or does not come to speak SSH.
    """

    def __init__(self, settings: SftpSettings) -> None:
        self._settings = settings
        self._jump: paramiko.Transport | None = None
        self._lock = Lock()
        place = settings.place
        sock: object
        if place.jump is None:
            sock = _tcp(place.server, settings.connect_timeout)
        else:
            self._jump = self._login(_tcp(place.jump, settings.connect_timeout), place.jump)
            sock = self._through(self._jump, place.server)
        try:
            self._transport = self._login(sock, place.server)
        except BaseException:
            if self._jump is not None:
                self._jump.close()
            raise
        self.channels = 0
        self.room = CHANNELS_PER_CONNECTION

    @property
    def alive(self) -> bool:
        """Whether the connection stands, as far as this side can tell."""
        return self._transport.is_active()

    def open_sftp(self) -> paramiko.Channel:
        """A channel on which the server's SFTP subsystem runs.

        Raises:
            ChannelException: The server allows no further channel.
            SSHException: The server has no SFTP subsystem, or the connection broke.
        """
        channel = self._transport.open_session(window_size=_WINDOW, timeout=self._settings.connect_timeout)
        channel.settimeout(self._settings.timeout)
        # Before anything can have come in: a server speaks only when it is spoken to.
        channel.in_buffer = PatientPipe()
        channel.invoke_subsystem("sftp")
        return channel

    def close(self) -> None:
        """Close it, and the jump host behind it."""
        for transport in (self._transport, self._jump):
            if transport is not None:
                transport.close()
                # Its thread lets go of the socket; a program that ends meanwhile must not wait for it long.
                transport.join(1)

    def _login(self, sock: object, hop: Hop) -> paramiko.Transport:
        settings = self._settings
        known = trusted_keys(settings.known_hosts, hop)
        transport = paramiko.Transport(cast("socket.socket", sock))
        try:
            transport.set_log_channel(_LOG)
            transport.banner_timeout = transport.handshake_timeout = settings.connect_timeout
            transport.auth_timeout = settings.connect_timeout
            _restrict(transport, key_types_of(known))
            try:
                transport.start_client(timeout=settings.connect_timeout)
                shown = transport.get_remote_server_key().asbytes()
            except IncompatiblePeer as error:
                raise Unauthenticated(
                    f"{hop.name} and this program have no modern algorithm in common",
                    hint="ask the server's operator for AES, SHA-2 and Curve25519 or ECDH (OpenSSH 6.5 or later)",
                ) from error
            except (SSHException, EOFError, OSError) as error:
                raise Unavailable(f"{hop.name} did not come to speak SSH") from error
            require_trusted(known, shown, hop, settings.known_hosts)
            self._authenticate(transport, hop)
            transport.set_keepalive(_KEEPALIVE)
        except BaseException:
            transport.close()
            with suppress(OSError):
                cast("socket.socket", sock).close()
            raise
        return transport

    def _through(self, jump: paramiko.Transport, server: Hop) -> paramiko.Channel:
        try:
            return jump.open_channel(
                "direct-tcpip",
                (server.host, server.port),
                ("127.0.0.1", 0),
                window_size=_WINDOW,
                timeout=self._settings.connect_timeout,
            )
        except (SSHException, EOFError, OSError) as error:
            jump.close()
            raise Unavailable(
                f"the jump host did not connect to {server.name}",
                hint="check that the jump host allows TCP forwarding and reaches the server",
            ) from error

    def _authenticate(self, transport: paramiko.Transport, hop: Hop) -> None:
        """Try what the site names, in order; a server may ask for two of them."""
        refused: list[str] = []
        with ExitStack() as held:
            for name, login in self._logins(held):
                try:
                    if not login(transport, hop.user):
                        return
                except BadAuthenticationType:
                    refused.append(f"{name} (not offered)")
                except AuthenticationException:
                    refused.append(name)
                except (SSHException, EOFError, OSError) as error:
                    if not transport.is_active():
                        raise Unavailable(f"{hop.name} hung up during the login") from error
                    refused.append(name)
                else:
                    refused.append(f"{name} (not enough)")
        if not refused:
            raise Unauthenticated(
                f"there is nothing to log in to {hop.name} with: no key file, no password, no key in an ssh agent",
                hint="name key_file or password_env in the site, or load a key with ssh-add",
            )
        raise Unauthenticated(
            f"{hop.name} lets {hop.user!r} in with none of: {', '.join(refused)}",
            hint="check user, key_file and password_env of the site, and authorized_keys on the server",
        )

    def _logins(self, held: ExitStack) -> list[_Login]:
        settings = self._settings
        found: list[_Login] = []
        key_file = settings.place.key_file
        if key_file is not None:
            key = load_key(key_file, settings.key_passphrase)
            found.append(("the key file", _publickey(key)))
        elif settings.agent_socket is not None:
            agent = held.enter_context(_Agent(settings.agent_socket))
            for number, held_key in enumerate(agent.get_keys()[:_MOST_AGENT_KEYS], 1):
                found.append((f"key {number} of the ssh agent", _publickey(held_key)))
        password = settings.password
        if password is not None:
            found.append(
                ("the password", lambda transport, user: transport.auth_password(user, password.reveal()))
            )
        return found


class _Agent(AgentSSH):
    """The keys of the agent behind one socket; none where nobody answers there."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # An agent that is gone, or talks nonsense, holds no key.
        with suppress(SSHException, OSError, ValueError):
            self._socket.connect(path)
            self._connect(self._socket)  # type: ignore[attr-defined]  # the stubs leave it out

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()


def _publickey(key: PKey) -> Callable[[paramiko.Transport, str], Sequence[str]]:
    return lambda transport, user: transport.auth_publickey(user, key)


def load_key(path: Path, passphrase: Secret | None) -> PKey:
    """Read a private key.

    Raises:
        ConfigInvalid: It cannot be read, is no key of a kind we use, or the passphrase does not open it.
    """
    text = None if passphrase is None else passphrase.reveal()
    try:
        if path.stat().st_mode & _OTHERS:
            raise ConfigInvalid(
                f"the key file {path} is open to others than its owner", hint=f"run chmod 600 {path}"
            )
    except OSError as error:
        raise ConfigInvalid(f"cannot read the key file {path}: {error.strerror}") from error
    kinds = (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey)
    protected = False
    for kind in kinds:
        try:
            return kind.from_private_key_file(str(path), password=text)
        except PasswordRequiredException:
            protected = True
        except OSError as error:
            raise ConfigInvalid(f"cannot read the key file {path}: {error.strerror}") from error
        except (SSHException, ValueError, TypeError, IndexError, UnknownKeyType, UnsupportedAlgorithm):
            continue
    if protected:
        raise ConfigInvalid(
            f"the key file {path} is protected by a passphrase",
            hint="name the environment variable that holds it as key_passphrase_env, or use an ssh agent",
        )
    if passphrase is not None:
        raise ConfigInvalid(
            f"the key file {path} does not open with its passphrase, or is no private key",
            hint="check the environment variable that the site names as key_passphrase_env",
        )
    raise ConfigInvalid(
        f"the key file {path} holds no private key of a kind that is used here",
        hint="make one with ssh-keygen -t ed25519",
    )


def _restrict(transport: paramiko.Transport, known: Sequence[str]) -> None:
    """Offer modern algorithms only, and first the kinds of host key that are known for this host."""
    options = transport.get_security_options()
    preferred = [name for kind in known for name in (_RSA if kind == "ssh-rsa" else (kind,))]
    order = [name for name in preferred if name in HOST_KEYS]
    order += [name for name in HOST_KEYS if name not in order]
    available = set(options.kex)
    options.kex = tuple(name for name in KEY_EXCHANGES if name in available)
    options.ciphers = CIPHERS
    options.digests = MACS
    options.key_types = tuple(order)
    options.compression = ("none",)


def _tcp(hop: Hop, timeout: float) -> socket.socket:
    """A connected socket with Nagle's algorithm off: with it, small requests wait for each other's answers."""
    try:
        sock = socket.create_connection((hop.host, hop.port), timeout)
    except socket.gaierror as error:
        raise Unavailable(
            f"the name {hop.host!r} does not resolve", hint="check the host (or jump host) of the site"
        ) from error
    except OSError as error:
        why = error.strerror or "no answer"
        raise Unavailable(f"cannot connect to {hop.name}: {why.lower()}") from error
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock
