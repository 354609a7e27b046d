"""Three ways to be let in: shared key, shared access signature, Entra ID token.

A ``Signer`` adds what proves who asks, to one request's headers or query. It implements "Authorize with
Shared Key" (version 2009-09-19 and later, Blob service) of the REST reference; tokens come from
``azure.identity``, which is imported only when they are wanted.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import threading
import time
from collections.abc import Mapping, MutableMapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from providers.drivers.azure_settings import AzureSettings
from providers.errors import ConfigInvalid

__all__ = [
    "BearerSigner",
    "SasSigner",
    "SharedKeySigner",
    "Signer",
    "header_rank",
    "open_signer",
    "string_to_sign",
]

Query = Sequence[tuple[str, str]]

_SCOPE: Final = "https://storage.azure.com/.default"
_RENEW_BEFORE: Final = 300.0
_SIGNED_HEADERS: Final = (
    "Content-Encoding",
    "Content-Language",
    "Content-Length",
    "Content-MD5",
    "Content-Type",
    "Date",
    "If-Modified-Since",
    "If-Match",
    "If-None-Match",
    "If-Unmodified-Since",
    "Range",
)


class Signer(Protocol):
    """Proves who asks."""

    def sign(self, method: str, path: str, query: Query, headers: MutableMapping[str, str]) -> str:
        """Add what is needed to ``headers``; the return value is appended to the query string."""
        ...

    def obstore_credential(self) -> Any:
        """The same proof in obstore's terms, asked for again when it expires."""
        ...


def header_rank(name: str) -> str:
    """Sort key of a header name in the service's order, which skips '-' and puts '_' before digits."""
    return name.replace("-", "").replace("_", "!")


def string_to_sign(account: str, method: str, path: str, query: Query, headers: Mapping[str, str]) -> str:
    """The text whose HMAC authorises a request.

    Args:
        account: Account name.
        method: HTTP verb.
        path: Percent-encoded path of the URL, with the account where the endpoint has it in the path.
        query: Decoded query pairs, names in lower case.
        headers: Headers as sent; ``x-ms-*`` names in lower case.
    """
    plain = [headers.get(name, "") for name in _SIGNED_HEADERS]
    length = _SIGNED_HEADERS.index("Content-Length")
    if plain[length] == "0":
        plain[length] = ""
    vendor = sorted((name for name in headers if name.startswith("x-ms-")), key=header_rank)
    return "\n".join(
        [
            method,
            *plain,
            *(f"{name}:{headers[name]}" for name in vendor),
            f"/{account}{path}",
            *(f"{name}:{value}" for name, value in sorted(query)),
        ]
    )


class SharedKeySigner:
    """Signs each request with the account's key.

    Raises:
        ConfigInvalid: The key is not base64.
    """

    def __init__(self, account: str, key: str) -> None:
        self._account = account
        self._text = key
        try:
            self._key = base64.b64decode(key, validate=True)
        except (binascii.Error, ValueError):
            raise ConfigInvalid("the account key is not base64 text") from None

    def sign(self, method: str, path: str, query: Query, headers: MutableMapping[str, str]) -> str:
        """Add ``Authorization``."""
        text = string_to_sign(self._account, method, path, query, headers)
        digest = base64.b64encode(hmac.digest(self._key, text.encode(), "sha256")).decode()
        headers["Authorization"] = f"SharedKey {self._account}:{digest}"
        return ""

    def obstore_credential(self) -> Any:
        """The key; it does not expire."""
        return {"access_key": self._text, "expires_at": None}


class SasSigner:
    """Carries a signature that someone else made."""

    def __init__(self, sas: str) -> None:
        self._sas = sas.lstrip("?")

    def sign(self, method: str, path: str, query: Query, headers: MutableMapping[str, str]) -> str:
        """Give the signature for the query string."""
        del method, path, query, headers
        return self._sas

    def obstore_credential(self) -> Any:
        """The signature; when it expires the service says so."""
        return {"sas_token": self._sas, "expires_at": None}


class BearerSigner:
    """Carries a token of Entra ID, renewed five minutes before it ends.

    Args:
        credential: What ``azure.identity`` made; anything with ``get_token``.
    """

    def __init__(self, credential: Any) -> None:
        self._credential = credential
        self._lock = threading.Lock()
        self._token = ""
        self._expires = 0.0

    def _current(self) -> tuple[str, float]:
        with self._lock:
            if time.time() > self._expires - _RENEW_BEFORE:
                fresh = self._credential.get_token(_SCOPE)
                self._token, self._expires = fresh.token, float(fresh.expires_on)
            return self._token, self._expires

    def sign(self, method: str, path: str, query: Query, headers: MutableMapping[str, str]) -> str:
        """Add ``Authorization``."""
        del method, path, query
        headers["Authorization"] = f"Bearer {self._current()[0]}"
        return ""

    def obstore_credential(self) -> Any:
        """The token and its end."""
        token, expires = self._current()
        return {"token": token, "expires_at": datetime.fromtimestamp(expires - _RENEW_BEFORE, UTC)}


def open_signer(settings: AzureSettings) -> Signer:
    """The signer that these settings ask for.

    Raises:
        ConfigInvalid: Both a key and a signature are given, the key is no base64, or a token would travel
            over plain http.
    """
    if settings.account_key is not None and settings.sas is not None:
        raise ConfigInvalid("give an account key or a shared access signature, not both")
    if settings.account_key is not None:
        return SharedKeySigner(settings.account, settings.account_key.reveal())
    if settings.sas is not None:
        return SasSigner(settings.sas.reveal())
    if not settings.url.startswith("https://"):
        raise ConfigInvalid("an Entra ID token is not sent over plain http; use an https endpoint")
    from azure.identity import DefaultAzureCredential  # noqa: PLC0415 - slow to import, rarely wanted

    return BearerSigner(DefaultAzureCredential())
