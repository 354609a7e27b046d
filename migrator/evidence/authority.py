"""Asking a time-stamp authority: one request over HTTP, bounded in bytes and seconds, never redirected.

Source: RFC 3161 section 3.4. Answers are signed, so that plain http is as good as https against forgery; it lets
others see that, and when, something was stamped.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Sequence
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, urlsplit

from migrator.errors import EvidenceInvalid, TimestampFailed, UsageError
from migrator.evidence.timestamp import MAX_RESPONSE, Timestamp, verify_timestamp

if TYPE_CHECKING:
    from cryptography import x509

__all__ = ["SECONDS", "check_url", "request_timestamp"]

SECONDS: Final = 30.0
"""How long an authority may take for its whole answer."""
_OK: Final = 200
_VISIBLE: Final = range(0x21, 0x7F)
_HINT: Final = "try again later, name another authority, or leave --timestamp out"


def check_url(url: str) -> None:
    """Whether an authority can be asked at this address; asks nothing.

    Raises:
        UsageError: It is neither an http nor an https address, or holds a password.
    """
    _split(url)


def request_timestamp(
    url: str, stamped: bytes, authorities: Sequence[x509.Certificate], *, seconds: float = SECONDS
) -> tuple[bytes, Timestamp]:
    """Have bytes stamped, and check the answer before anybody keeps it.

    Args:
        url: The authority's http or https address.
        stamped: What to stamp; only its SHA-256 is sent.
        authorities: Certificates that the answer must lead to. Without any its signature is not checked.
        seconds: For the whole exchange.

    Returns:
        The response in DER, and what it says.

    Raises:
        TimestampFailed: There is no answer, or none that holds.
        UsageError: The address makes no sense.
    """
    from rfc3161_client import HashAlgorithm, TimestampRequestBuilder  # noqa: PLC0415 - loads when used

    parts = _split(url)
    request = TimestampRequestBuilder().data(stamped).hash_algorithm(HashAlgorithm.SHA256).build()
    answer = _exchange(parts, request.as_bytes(), seconds)
    try:
        return answer, verify_timestamp(answer, stamped, authorities, nonce=request.nonce)
    except EvidenceInvalid as error:
        raise TimestampFailed(
            f"the answer of the time-stamp authority {parts.hostname} cannot be used: {error.message}",
            hint=_HINT,
        ) from None


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        sensible = (
            parts.scheme in {"http", "https"} and parts.hostname and (parts.port is None or parts.port > 0)
        )
    except ValueError:
        sensible = False
    if not sensible or not all(ord(character) in _VISIBLE for character in url):
        raise UsageError(
            "the address of a time-stamp authority must begin with http:// or https://",
            hint="give it as the authority publishes it",
        )
    if parts.username is not None or parts.password is not None:
        raise UsageError(
            "the address of a time-stamp authority may not hold a user or password",
            hint="others can see the command line; choose an authority that asks for none",
        )
    return parts


def _exchange(parts: SplitResult, query: bytes, seconds: float) -> bytes:
    host = parts.hostname or ""
    connection = (
        HTTPSConnection(host, parts.port, timeout=seconds, context=ssl.create_default_context())
        if parts.scheme == "https"
        else HTTPConnection(host, parts.port, timeout=seconds)
    )
    late = threading.Event()

    def cut() -> None:
        # The time-out above is one of each wait. This ends an answer that comes drop by drop.
        late.set()
        if connection_socket is not None:
            with suppress(OSError):
                connection_socket.shutdown(socket.SHUT_RDWR)

    connection_socket: socket.socket | None = None
    watch = threading.Timer(seconds, cut)
    watch.daemon = True
    try:
        with closing(connection):
            watch.start()
            connection.connect()
            connection_socket = connection.sock
            if late.is_set():
                raise TimeoutError
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request("POST", path, query, {"Content-Type": "application/timestamp-query"})
            answer = connection.getresponse()
            data = answer.read(MAX_RESPONSE + 1) if answer.status == _OK else b""
            status = answer.status
    except (OSError, HTTPException, ValueError) as error:
        reason = "it took too long" if late.is_set() or isinstance(error, TimeoutError) else _named(error)
        raise TimestampFailed(
            f"the time-stamp authority {host} gave no answer: {reason}", hint=_HINT
        ) from None
    finally:
        watch.cancel()
    if late.is_set():
        raise TimestampFailed(f"the time-stamp authority {host} gave no answer: it took too long", hint=_HINT)
    if status != _OK:
        redirected = ", and redirections are not followed" if 300 <= status < 400 else ""
        raise TimestampFailed(
            f"the time-stamp authority {host} answered with HTTP status {status}{redirected}", hint=_HINT
        )
    if len(data) > MAX_RESPONSE:
        raise TimestampFailed(
            f"the time-stamp authority {host} answered with more than {MAX_RESPONSE} bytes", hint=_HINT
        )
    return data


def _named(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return "its certificate for https is not trusted"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return "the answer is no HTTP"
