"""One call to an OpenBao or HashiCorp Vault server: HTTPS, a token, a bounded answer, a clear error.

Source: the HTTP API of OpenBao 2.x (openbao.org/api-docs), which HashiCorp Vault 1.x shares. Every call made here may
be repeated without harm: encrypting, decrypting, signing and reading change nothing at the server.
"""

from __future__ import annotations

import json
import logging
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import tenacity
import urllib3

from migrator.errors import CustodyDenied, CustodyError, CustodyUnavailable, CustodyUntrusted
from providers.errors import ConfigInvalid
from providers.secrets import Secret

__all__ = ["MAX_ANSWER", "Refused", "Server"]

MAX_ANSWER: Final = 1_048_576
"""Bytes of an answer; one to us has a few hundred."""
_MAX_WORDS: Final = 200
_CHUNK: Final = 65_536
_CONNECT: Final = 5.0
_READ: Final = 30.0
_WHOLE: Final = 60.0
_ATTEMPTS: Final = 4
_LONGEST_WAIT: Final = 5.0
_LATER: Final = frozenset({429, 502, 503, 504})
_OK: Final = 200
_REDIRECTS: Final = range(300, 400)
_DENIED: Final = 403
_SEALED: Final = 503


class Refused(CustodyError):
    """The server answered with an error that only the caller can explain.

    Attributes:
        status: HTTP status.
        words: What the server says, bounded and printable.
    """

    def __init__(self, where: str, status: int, words: str) -> None:
        super().__init__(
            f"{where} refused: {words or 'no reason given'} ({status})",
            hint="its log and audit log tell more",
        )
        self.status = status
        self.words = words


class _Later(Exception):
    """Worth another attempt."""

    def __init__(self, failure: CustodyUnavailable, wait: float | None = None) -> None:
        super().__init__(str(failure))
        self.failure = failure
        self.wait = wait


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: bytes
    wait: float | None


class Server:
    """A server and the token it is shown.

    Certificates are always checked. Redirects are not followed, so that the token goes to the address that the
    configuration names and to no other; no proxy is used.

    Args:
        address: Base URL without a slash at its end.
        token: Shown with each call, as a header.
        namespace: Namespace, or None.
        ca_bundle: PEM file of trusted authorities instead of the system's, or None.
        sleep: Waits so many seconds between attempts.

    Raises:
        ConfigInvalid: The file of trusted authorities cannot be used.
    """

    def __init__(
        self,
        address: str,
        token: Secret,
        *,
        namespace: str | None = None,
        ca_bundle: Path | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        # At DEBUG urllib3 writes down each path: the names of keys are nobody's business.
        logger = logging.getLogger("urllib3.connectionpool")
        logger.setLevel(max(logger.level, logging.INFO))
        self.address = address
        self._token = token
        self._namespace = namespace
        self._sleep = sleep
        self._pool = urllib3.PoolManager(
            ssl_context=_trust(ca_bundle),
            retries=False,
            timeout=urllib3.Timeout(connect=_CONNECT, read=_READ),
        )

    def close(self) -> None:
        """Release the connections."""
        self._pool.clear()

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        """The member ``data`` of the answer.

        Args:
            method: ``GET`` or ``POST``.
            path: Below ``/v1/``; made of names that were checked.
            body: What is sent as JSON.

        Raises:
            CustodyUnavailable: The server is sealed, out of reach or overloaded, also at the last attempt.
            CustodyUntrusted: Its certificate is not trusted, or it wants us to go elsewhere.
            CustodyDenied: It does not take the token, or not for this.
            Refused: It answered with another error.
            CustodyError: Its answer makes no sense.
        """
        answer = self._patiently(method, path, body)
        if answer.status == _DENIED:
            raise self._denied()
        if answer.status != _OK:
            raise Refused(self.address, answer.status, self._words(answer.body))
        try:
            document = json.loads(answer.body)
            data = document["data"]
        except (ValueError, RecursionError, KeyError, TypeError):
            data = None
        if not isinstance(data, dict):
            raise CustodyError(
                f"the answer of {self.address} makes no sense",
                hint="check that this is the address of the API",
            )
        return data

    def _patiently(self, method: str, path: str, body: Mapping[str, Any] | None) -> _Answer:
        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(_ATTEMPTS),
            retry=tenacity.retry_if_exception_type(_Later),
            wait=_pause,
            sleep=self._sleep,
            reraise=True,
        )
        try:
            return retrying(self._once, method, path, body)
        except _Later as error:
            raise error.failure from error.__cause__

    def _once(self, method: str, path: str, body: Mapping[str, Any] | None) -> _Answer:
        try:
            answer = self._send(method, path, body)
        except urllib3.exceptions.SSLError as error:
            raise CustodyUntrusted(
                f"the certificate of {self.address} is not trusted: {_reason(error)}",
                hint="name the file of the authority that issued it as ca_bundle, if it is the right server",
            ) from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            later = CustodyUnavailable(
                f"{self.address} cannot be reached ({type(error).__name__})",
                hint="check the address and the network, then run the same command again",
            )
            raise _Later(later) from error
        if answer.status in _REDIRECTS:
            raise CustodyUntrusted(
                f"{self.address} sends us to another address, and the token does not follow",
                hint="write the address of the active server into the configuration",
            )
        if answer.status in _LATER:
            words = self._words(answer.body)
            if answer.status == _SEALED and "sealed" in words:
                raise CustodyUnavailable(
                    f"the server {self.address} is sealed",
                    hint="have its keepers unseal it, then run the same command again",
                )
            later = CustodyUnavailable(
                f"{self.address} is not ready ({answer.status})", hint="run the same command again later"
            )
            raise _Later(later, answer.wait)
        return answer

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None) -> _Answer:
        headers = {
            "X-Vault-Token": self._token.reveal(),
            "X-Vault-Request": "true",
            "Accept-Encoding": "identity",
        }
        if self._namespace is not None:
            headers["X-Vault-Namespace"] = self._namespace
        until = time.monotonic() + _WHOLE
        response = self._pool.request(
            method,
            f"{self.address}/v1/{path}",
            body=None if body is None else json.dumps(body).encode(),
            headers=headers,
            preload_content=False,
            redirect=False,
        )
        try:
            data = bytearray()
            while piece := response.read1(_CHUNK, decode_content=False):
                data += piece
                if len(data) > MAX_ANSWER:
                    raise CustodyError(f"the answer of {self.address} is too large")
                if time.monotonic() > until:
                    raise urllib3.exceptions.ReadTimeoutError(self._pool, path, "the answer took too long")  # type: ignore[arg-type] # any pool
            return _Answer(response.status, bytes(data), _seconds(response.headers.get("Retry-After")))
        finally:
            # A body that was not read to its end would poison the next call on this connection.
            if response.length_remaining not in {0, None}:
                response.close()
            response.release_conn()

    def _denied(self) -> CustodyDenied:
        """Tell a token that is over from one that may not do this, where the server says so much."""
        answer = self._patiently("GET", "auth/token/lookup-self", None)
        if answer.status == _OK:
            return CustodyDenied(
                f"{self.address} takes the token, but not for this key",
                hint="give its policy 'update' on the paths that the operations guide lists for this verb",
            )
        return CustodyDenied(
            f"{self.address} does not take the token: it has expired, was revoked, or may not use this key",
            hint="put a new token where the configuration says; its policy needs 'update' on the key's paths",
        )

    def _words(self, body: bytes) -> str:
        """What the server says, for a person: bounded, printable, without the token."""
        try:
            errors = json.loads(body)["errors"]
        except (ValueError, RecursionError, KeyError, TypeError):
            return ""
        if not isinstance(errors, list):
            return ""
        text = " ".join(" ".join(str(error) for error in errors[:4]).split())
        text = text.replace(self._token.reveal(), "(token)")
        return "".join(letter for letter in text if letter.isprintable())[:_MAX_WORDS]


def _trust(bundle: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=bundle)
    except (OSError, ValueError) as error:
        raise ConfigInvalid(
            f"the file of trusted authorities cannot be used: {bundle}",
            hint="name a PEM file that can be read as ca_bundle",
        ) from error


def _pause(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome is not None else None
    asked = error.wait if isinstance(error, _Later) else None
    return min(_LONGEST_WAIT, 0.25 * 2**state.attempt_number if asked is None else asked)


def _seconds(text: str | None) -> float | None:
    return float(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 6 else None


def _reason(error: BaseException) -> str:
    """What the TLS library found, in its own words."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLCertVerificationError):
            return seen.verify_message
        seen = next(
            (arg for arg in (*seen.args, seen.__cause__, seen.__context__) if isinstance(arg, BaseException)),
            None,
        )
    return "the handshake failed"
