"""The containers of an Azure storage account and the account's own settings, over the Blob service's REST API.

"List Containers", "Get Container ACL", "Get Blob Service Properties" and "Get Account Information" of the REST
reference. Versioning and the retention times of immutability policies are told by the management plane only;
they are ``unknown`` here, except for what the listing says of each container.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final
from xml.etree import ElementTree as ET

from providers.drivers.azure_http import Answer, AzureHttp
from providers.estate.clean import clean_item
from providers.estate.failures import absence_of
from providers.estate.model import MOST_ITEMS, Absence, Item, Kind
from providers.estate.source import Source

if TYPE_CHECKING:
    from providers.drivers.azure_auth import Signer
    from providers.drivers.azure_settings import AzureSettings
    from providers.estate.guard import Guard

__all__ = ["open_azure_blob"]

_TRUE: Final = "true"
_ACCOUNT: Final = (("restype", "account"), ("comp", "properties"))
_SERVICE: Final = (("restype", "service"), ("comp", "properties"))


class _Account:
    """Reads of one account, each through the gate."""

    def __init__(self, settings: AzureSettings, signer: Signer, guard: Guard) -> None:
        self._settings, self._signer, self._guard = settings, signer, guard
        self._http = AzureHttp(replace(settings, container=""), signer)

    def get(self, query: tuple[tuple[str, str], ...]) -> Answer:
        self._guard.check("GET", self._settings.url)
        return self._http.send("GET", query=query)

    def get_of(self, container: str, query: tuple[tuple[str, str], ...]) -> Answer:
        self._guard.check("GET", f"{self._settings.url}/{container}")
        http = AzureHttp(replace(self._settings, container=container, max_connections=1), self._signer)
        try:
            return http.send("GET", query=query)
        finally:
            http.close()

    def close(self) -> None:
        self._http.close()


def open_azure_blob(settings: AzureSettings, signer: Signer, guard: Guard) -> Source:
    """The account and its containers; nothing is sent yet.

    Args:
        settings: How to reach the account; its container does not matter.
        signer: What proves who asks.
        guard: The gate.
    """
    account = _Account(settings, signer, guard)
    return Source(
        asked=f"Blob service of account {settings.account}",
        readers={
            Kind.STORES: lambda: [_store(account, settings)],
            Kind.BUCKETS: lambda: [_container(account, one) for one in _listed(account)],
        },
        close=account.close,
    )


def _root(body: bytes) -> ET.Element:
    # The service's own answers over an authenticated channel; expat refuses entity bombs since 2.4.1.
    return ET.fromstring(body)  # noqa: S314


def _store(account: _Account, settings: AzureSettings) -> Item:
    found: dict[str, Any] = {"protocol": "azure_blob", "tls": settings.url.startswith("https://")}
    unknown = {"versioning": Absence.NOT_SUPPORTED, "container_soft_delete": Absence.NOT_SUPPORTED}
    try:
        found.update(_service(_root(account.get(_SERVICE).body)))
    except Exception as error:  # noqa: BLE001 - one refusal must not hide the rest
        unknown.update(dict.fromkeys(("soft_delete", "static_website", "cors", "logging"), absence_of(error)))
    try:
        headers = account.get(_ACCOUNT).headers
        found["sku"] = headers.get("x-ms-sku-name")
        found["account_kind"] = headers.get("x-ms-account-kind")
        found["hierarchical"] = headers.get("x-ms-is-hns-enabled", "") == _TRUE
    except Exception as error:  # noqa: BLE001 - see above
        unknown.update(dict.fromkeys(("sku", "account_kind", "hierarchical"), absence_of(error)))
    return clean_item(identifier=settings.account, name=settings.account, settings=found, unknown=unknown)


def _service(root: ET.Element) -> dict[str, Any]:
    def text(path: str) -> str:
        return (root.findtext(path) or "").strip()

    kept = text("DeleteRetentionPolicy/Enabled") == _TRUE
    logged = [what for what in ("Read", "Write", "Delete") if text(f"Logging/{what}") == _TRUE]
    origins = sorted({one.text or "" for one in root.iterfind("Cors/CorsRule/AllowedOrigins")})
    return {
        "soft_delete": f"{text('DeleteRetentionPolicy/Days')} days" if kept else "off",
        "static_website": text("StaticWebsite/Enabled") == _TRUE,
        "cors": origins or "none",
        "logging": [what.lower() for what in logged] or "off",
    }


def _listed(account: _Account) -> Iterator[ET.Element]:
    marker, count = "", 0
    while count < MOST_ITEMS:
        query = [("comp", "list"), ("include", "metadata")]
        if marker:
            query.append(("marker", marker))
        root = _root(account.get(tuple(query)).body)
        for container in root.iterfind("Containers/Container"):
            count += 1
            yield container
        marker = root.findtext("NextMarker") or ""
        if not marker:
            return


def _container(account: _Account, listed: ET.Element) -> Item:
    name = listed.findtext("Name") or ""
    properties = {child.tag: (child.text or "").strip() for child in listed.find("Properties") or ()}
    metadata = {child.tag: child.text or "" for child in listed.find("Metadata") or ()}
    settings: dict[str, Any] = {
        # Absent in the listing means private.
        "public_access": properties.get("PublicAccess") or "none",
        "encryption_scope": properties.get("DefaultEncryptionScope"),
        "changed": _moment(properties.get("Last-Modified", "")),
    }
    unknown: dict[str, Absence] = {}
    for field, tag in (
        ("immutability_policy", "HasImmutabilityPolicy"),
        ("legal_hold", "HasLegalHold"),
        ("version_immutability", "ImmutableStorageWithVersioningEnabled"),
    ):
        if tag in properties:
            settings[field] = properties[tag] == _TRUE
        else:
            unknown[field] = Absence.NOT_SUPPORTED
    try:
        answer = account.get_of(name, (("restype", "container"), ("comp", "acl")))
        settings.update(_policies(answer.body))
    except Exception as error:  # noqa: BLE001 - one refusal must not hide the rest
        unknown["access_policies"] = absence_of(error)
    return clean_item(identifier=name, name=name, tags=metadata, settings=settings, unknown=unknown)


def _policies(body: bytes) -> Mapping[str, Any]:
    """Stored access policies as ``id permissions until``; signatures made from them are not listed anywhere."""
    found = [
        " ".join(
            text
            for text in (
                one.findtext("Id"),
                one.findtext("AccessPolicy/Permission"),
                one.findtext("AccessPolicy/Expiry"),
            )
            if text
        )
        for one in _root(body).iterfind("SignedIdentifier")
    ]
    return {"access_policies": sorted(found) or "none"}


def _moment(text: str) -> Any:
    try:
        return parsedate_to_datetime(text) if text else None
    except ValueError:
        return None
