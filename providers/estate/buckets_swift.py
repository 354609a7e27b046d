"""The containers of a Swift account and who may read them, over the Object Storage API v1.

https://docs.openstack.org/api-ref/object-store/. Access lists and temp URL keys are shown to owners of the
account only, and nothing says whether one is: what does not show is ``none shown``, not "none". Keys themselves
are never kept, only that there is one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from providers.errors import Unauthenticated
from providers.estate.clean import clean_item
from providers.estate.model import MOST_ITEMS, Item, Kind
from providers.estate.source import Source

if TYPE_CHECKING:
    import requests

    from providers.secrets import Secret

__all__ = ["Access", "open_swift", "temp_auth"]

Access = Callable[[], tuple[str, str]]
"""Gives the account's URL and a token."""

_PAGE: Final = 1000
_TIMEOUT: Final = 60.0
_HIDDEN: Final = "none shown"


def temp_auth(
    session: requests.Session, url: str, user: Secret, key: Secret, storage: str | None = None
) -> Access:
    """Version 1 authentication: one GET, whose answer's headers hold URL and token.

    Args:
        session: A session behind the gate.
        url: Where it is asked.
        user: ``account:user``.
        key: Its key.
        storage: URL of the account to use instead of the one that is told.
    """

    def access() -> tuple[str, str]:
        headers = {"X-Auth-User": user.reveal(), "X-Auth-Key": key.reveal()}
        answer = session.get(url, headers=headers, timeout=_TIMEOUT)
        answer.raise_for_status()
        try:
            return (storage or answer.headers["X-Storage-Url"]).rstrip("/"), answer.headers["X-Auth-Token"]
        except KeyError:
            raise Unauthenticated("the authentication service answered without a token") from None

    return access


def open_swift(session: requests.Session, access: Access, asked: str) -> Source:
    """The account and its containers; nothing is sent yet.

    Args:
        session: A session behind the gate.
        access: Where the account is, and the token for it.
        asked: What is asked, for the estate.
    """
    known: list[tuple[str, str]] = []

    def send(method: str, path: str, query: Mapping[str, str] | None = None) -> requests.Response:
        if not known:
            known.append(access())
        url, token = known[0]
        answer = session.request(
            method,
            f"{url}{path}",
            params=dict(query or {}),
            headers={"X-Auth-Token": token, "Accept": "application/json"},
            timeout=_TIMEOUT,
        )
        answer.raise_for_status()
        return answer

    return Source(
        asked=asked,
        readers={
            Kind.STORES: lambda: [_account(send)],
            Kind.BUCKETS: lambda: [_container(send, name) for name in _listed(send)],
        },
    )


_Send = Callable[..., Any]


def _shown(headers: Mapping[str, str], name: str) -> str:
    return "set" if headers.get(name) else _HIDDEN


def _account(send: _Send) -> Item:
    headers = send("HEAD", "").headers
    return clean_item(
        identifier=headers.get("X-Account-Project-Domain-Id", "account"),
        name="account",
        settings={
            "protocol": "swift",
            "temp_url_key": _shown(headers, "X-Account-Meta-Temp-Url-Key"),
            "temp_url_key_2": _shown(headers, "X-Account-Meta-Temp-Url-Key-2"),
            "access_control": headers.get("X-Account-Access-Control") or _HIDDEN,
            "quota_bytes": headers.get("X-Account-Meta-Quota-Bytes"),
        },
    )


def _listed(send: _Send) -> Iterator[str]:
    marker, count = "", 0
    while count < MOST_ITEMS:
        query = {"format": "json", "limit": str(_PAGE)} | ({"marker": marker} if marker else {})
        answer = send("GET", "", query)
        page = answer.json() if answer.content else []
        for one in page:
            count += 1
            marker = str(one["name"])
            yield marker
        if not page:
            return


def _container(send: _Send, name: str) -> Item:
    headers = send("HEAD", f"/{quote(name, safe='')}").headers
    read = headers.get("X-Container-Read", "")
    return clean_item(
        identifier=name,
        name=name,
        created=_stamp(headers.get("X-Timestamp", "")),
        tags=_metadata(headers),
        settings={
            "read_acl": sorted(filter(None, (one.strip() for one in read.split(",")))) or _HIDDEN,
            "write_acl": headers.get("X-Container-Write") or _HIDDEN,
            "public": any(
                one.strip().startswith((".r:*", ".ref:*", ".referer:*")) for one in read.split(",")
            ),
            "versioning": _versions(headers),
            "temp_url_key": _shown(headers, "X-Container-Meta-Temp-Url-Key"),
            "temp_url_key_2": _shown(headers, "X-Container-Meta-Temp-Url-Key-2"),
            "sync_key": _shown(headers, "X-Container-Sync-Key"),
            "sync_to": headers.get("X-Container-Sync-To"),
            "policy": headers.get("X-Storage-Policy"),
            "quota_bytes": headers.get("X-Container-Meta-Quota-Bytes"),
            "web_listings": headers.get("X-Container-Meta-Web-Listings"),
        },
    )


def _versions(headers: Mapping[str, str]) -> str:
    enabled = headers.get("X-Versions-Enabled")
    if enabled is not None:
        return "enabled" if enabled.lower() == "true" else "suspended"
    for name in ("X-Versions-Location", "X-History-Location"):
        if headers.get(name):
            return f"{name[2:].lower()} {headers[name]}"
    return "never"


def _metadata(headers: Mapping[str, str]) -> dict[str, str]:
    prefix = "x-container-meta-"
    known = ("temp-url-key", "quota-", "web-", "access-control-")
    return {
        name.lower().removeprefix(prefix): value
        for name, value in headers.items()
        if name.lower().startswith(prefix) and not name.lower().removeprefix(prefix).startswith(known)
    }


def _stamp(text: str) -> Any:
    from datetime import UTC, datetime  # noqa: PLC0415 - small and only here

    try:
        return datetime.fromtimestamp(float(text), UTC) if text else None
    except (ValueError, OverflowError, OSError):
        return None
