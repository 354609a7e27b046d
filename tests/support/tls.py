"""A throwaway certificate authority, a TLS front before any plain server, and a proxy that only tunnels.

Keys are made for one test run and lie, 0600, in its temporary directory. Trailers of the S3 protocol travel only
over https, so a suite on plain http never sees them: `TlsFront` gives any server of the suite an https address.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

__all__ = ["Authority", "Certificate", "ConnectProxy", "TlsFront"]

_CHUNK = 256 * 1024
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A server's certificate and key as PEM files, and the file of the authority that issued it."""

    certificate: Path
    key: Path
    authority: Path


class Authority:
    """A certificate authority of one test run.

    Attributes:
        bundle: PEM file of its own certificate: what a client names to trust it.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name(
            [x509.NameAttribute(x509.NameOID.COMMON_NAME, "throwaway authority of a test")]
        )
        own = (
            _builder(self._name, self._name, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(sign=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        self.bundle = directory / "authority.pem"
        self.bundle.write_bytes(own.public_bytes(serialization.Encoding.PEM))

    def issue(self, *names: str) -> Certificate:
        """A server certificate for these host names and addresses, valid for a day."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, names[0])])
        issued = (
            _builder(subject, self._name, key.public_key())
            .add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(sign=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
            )
            .sign(self._key, hashes.SHA256())
        )
        stem = f"server-{issued.serial_number:x}"
        certificate, private = self._directory / f"{stem}.pem", self._directory / f"{stem}.key"
        certificate.write_bytes(issued.public_bytes(serialization.Encoding.PEM))
        private.touch(mode=0o600)
        private.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return Certificate(certificate=certificate, key=private, authority=self.bundle)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY)
        .not_valid_after(now + _DAY)
    )


def _usage(*, sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign,
        key_cert_sign=sign,
        crl_sign=sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


class _Listener:
    """Accepts connections on an ephemeral port of 127.0.0.1, one thread each, until the block ends."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        # Closing alone does not wake the thread that waits in accept().
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()
        with self._lock:
            left = list(self._open)
        for connection in left:
            _end(connection)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve_one, args=(connection,), daemon=True).start()

    def _serve_one(self, connection: socket.socket) -> None:
        with self._lock:
            self._open.add(connection)
        try:
            with suppress(OSError):
                self._serve(connection)
        finally:
            _end(connection)
            with self._lock:
                self._open.discard(connection)

    def _serve(self, connection: socket.socket) -> None:
        raise NotImplementedError


class TlsFront(_Listener):
    """Https before a server that speaks plain http on 127.0.0.1.

    Attributes:
        endpoint: Its https URL.
    """

    def __init__(self, port: int, certificate: Certificate) -> None:
        super().__init__()
        self._upstream = port
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate.certificate, certificate.key)
        self.endpoint = f"https://127.0.0.1:{self.port}"

    def _serve(self, connection: socket.socket) -> None:
        inner = self._context.wrap_socket(connection, server_side=True)
        with socket.create_connection(("127.0.0.1", self._upstream)) as upstream:
            _join(inner, upstream)


class ConnectProxy(_Listener):
    """An HTTP proxy that opens tunnels (CONNECT) to ports of 127.0.0.1 and does nothing else.

    Attributes:
        url: What a client names as its proxy.
        tunnels: The `host:port` of every tunnel that was asked for.
    """

    def __init__(self) -> None:
        super().__init__()
        self.url = f"http://127.0.0.1:{self.port}"
        self.tunnels: list[str] = []

    def _serve(self, connection: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            more = connection.recv(_CHUNK)
            if not more:
                return
            head += more
        method, target, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
        if method != "CONNECT":
            connection.sendall(b"HTTP/1.1 405 Method Not Allowed\r\ncontent-length: 0\r\n\r\n")
            return
        self.tunnels.append(target)
        with socket.create_connection(("127.0.0.1", int(target.rpartition(":")[2]))) as upstream:
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            _join(connection, upstream)


def _join(one: socket.socket, other: socket.socket) -> None:
    """Carry bytes both ways until either side ends."""
    back = threading.Thread(target=_carry, args=(other, one), daemon=True)
    back.start()
    _carry(one, other)
    back.join()


def _carry(source: socket.socket, target: socket.socket) -> None:
    try:
        with suppress(OSError, ValueError):
            while data := source.recv(_CHUNK):
                target.sendall(data)
    finally:
        _end(source)
        _end(target)


def _end(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
