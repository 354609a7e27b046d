"""What an Azure container needs to be spoken to, and what its names and attributes may look like.

Everything here is pure. Sources: Microsoft's "Naming and Referencing Containers, Blobs, and Metadata", "Put
Blob" and "Set Blob Tags" in the Blob service REST reference.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from providers.capabilities import Capabilities
from providers.keys import refused
from providers.model import Attributes
from providers.protocols import AZURE_BASE
from providers.secrets import Secret

__all__ = ["API_VERSION", "AZURE_BLOB", "AzureSettings", "attribute_reasons", "key_reason"]

API_VERSION: Final = "2024-11-04"
"""The REST version spoken unless the settings name another; it knows all this driver uses."""

AZURE_BLOB: Final = AZURE_BASE.narrowed(versions=True, max_key_bytes=4 * 1024, verifies_checksum=False)
"""Block blobs at Azure.

Names are limited to 1,024 characters, which ``key_reason`` checks, not in bytes. The service checks an MD5
that the driver computes as it sends (``AzureSettings.verify``), but no SHA-256 that a caller brings.
"""

_MAX_KEY_CHARACTERS: Final = 1024
_MAX_SEGMENTS: Final = 254
_MAX_METADATA_BYTES: Final = 8 * 1024
_MAX_TAGS: Final = 10
_MAX_TAG_KEY: Final = 128
_MAX_TAG_VALUE: Final = 256
_IDENTIFIER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HEADER_TEXT: Final = re.compile(r"[\x20-\x7e]*")
_TAG_TEXT: Final = re.compile(r"[A-Za-z0-9 +\-./:=_]*")


@dataclass(frozen=True, kw_only=True)
class AzureSettings:
    """How to reach one container.

    With neither ``account_key`` nor ``sas``, ``azure.identity.DefaultAzureCredential`` finds the credential
    (environment, workload or managed identity, ``az login``).

    Attributes:
        container: Container name.
        account: Storage account name.
        endpoint: Blob service URL, with the account in its path where the store wants that
            (``http://127.0.0.1:10000/devstoreaccount1``). None = ``https://{account}.blob.core.windows.net``.
        account_key: The account's shared key, base64 as Azure shows it.
        sas: A shared access signature, with or without its leading ``?``.
        ca_bundle: PEM file of trusted authorities, instead of the usual ones.
        api_version: REST version to speak; None = ``API_VERSION``.
        capabilities: What the store can do, narrowed by its profile.
        max_connections: Most connections open at once; further threads wait for one.
        connect_timeout: Seconds to wait for a connection.
        read_timeout: Seconds a connection may stay silent.
        verify: ``md5``: send Content-MD5 with every body, so that the service refuses damaged bytes.
            ``none``: leave that to TLS and a later read-back, and save about 1.8 s of CPU per GiB.
    """

    container: str
    account: str
    endpoint: str | None = None
    account_key: Secret | None = None
    sas: Secret | None = None
    ca_bundle: str | None = None
    api_version: str | None = None
    capabilities: Capabilities = AZURE_BLOB
    max_connections: int = 64
    connect_timeout: float = 10.0
    read_timeout: float = 60.0
    verify: Literal["md5", "none"] = "md5"

    @property
    def url(self) -> str:
        """Endpoint of the blob service, without a trailing slash."""
        return (self.endpoint or f"https://{self.account}.blob.core.windows.net").rstrip("/")


def key_reason(key: str, capabilities: Capabilities) -> str | None:
    """Why Azure cannot hold ``key``, in words that read on from "the key ...", or None."""
    reason = refused(key, capabilities)
    if reason is not None:
        return reason
    if len(key) > _MAX_KEY_CHARACTERS:
        return f"is {len(key)} characters long, more than the {_MAX_KEY_CHARACTERS} Azure takes"
    if key.count("/") >= _MAX_SEGMENTS:
        return f"has more than the {_MAX_SEGMENTS} path segments Azure takes"
    if key.endswith("."):
        return "ends with '.', which Azure advises against and some of its services strip"
    if any(
        "\x80" <= char <= "\x9f" or "\ue000" <= char <= "\uf8ff" or char in "\ufffe\uffff" for char in key
    ):
        return "contains a control or private-use character, which Azure does not allow"
    return None


def attribute_reasons(attributes: Attributes) -> list[str]:
    """What of ``attributes`` Azure cannot hold, one sentence each; empty when all of it travels."""
    reasons = [*_metadata_reasons(attributes.metadata), *_tag_reasons(attributes.tags or {})]
    headers = {
        "content type": attributes.content_type,
        "content encoding": attributes.content_encoding,
        "content language": attributes.content_language,
        "content disposition": attributes.content_disposition,
        "cache control": attributes.cache_control,
    }
    reasons += [
        f"the {name} has characters that a header cannot carry"
        for name, value in headers.items()
        if value is not None and not _HEADER_TEXT.fullmatch(value)
    ]
    return reasons


def _metadata_reasons(metadata: Mapping[str, str]) -> list[str]:
    reasons = []
    if any(not _IDENTIFIER.fullmatch(name) for name in metadata):
        reasons.append("a metadata name is no C# identifier (ASCII letters, digits and '_', no digit first)")
    if len({name.lower() for name in metadata}) < len(metadata):
        reasons.append("two metadata names differ only by case")
    if any(not _HEADER_TEXT.fullmatch(value) or value != value.strip() for value in metadata.values()):
        reasons.append("a metadata value has characters outside printable ASCII, or spaces at its ends")
    if any(not value for value in metadata.values()):
        reasons.append("a metadata value is empty")
    total = sum(len(name) + len(value.encode(errors="replace")) for name, value in metadata.items())
    if total > _MAX_METADATA_BYTES:
        reasons.append(f"the metadata has {total} bytes, more than the {_MAX_METADATA_BYTES} Azure takes")
    return reasons


def _tag_reasons(tags: Mapping[str, str]) -> list[str]:
    reasons = []
    if len(tags) > _MAX_TAGS:
        reasons.append(f"there are {len(tags)} tags, more than the {_MAX_TAGS} Azure takes")
    if any(not 1 <= len(name) <= _MAX_TAG_KEY for name in tags):
        reasons.append(f"a tag's name is not 1 to {_MAX_TAG_KEY} characters long")
    if any(len(value) > _MAX_TAG_VALUE for value in tags.values()):
        reasons.append(f"a tag's value is longer than {_MAX_TAG_VALUE} characters")
    if any(not _TAG_TEXT.fullmatch(text) for pair in tags.items() for text in pair):
        reasons.append("a tag has characters other than ASCII letters, digits, space and + - . / : = _")
    return reasons
