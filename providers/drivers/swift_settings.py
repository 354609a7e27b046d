"""What a Swift container needs to be spoken to, and what its names and attributes may look like. Pure.

Limits: "swift-constraints" of Swift's deployment guide (name 1,024 bytes; metadata names 128 bytes, values 256,
90 of them, 4,096 bytes in all).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from providers.capabilities import Capabilities
from providers.keys import refused
from providers.model import Attributes
from providers.protocols import SWIFT_BASE
from providers.secrets import Secret

__all__ = ["SwiftSettings", "attribute_reasons", "key_reason"]

_MAX_NAME: Final = 128
_MAX_VALUE: Final = 256
_MAX_COUNT: Final = 90
_MAX_METADATA: Final = 4096
_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_VALUE: Final = re.compile(r"[^\x00-\x1f\x7f]*")
_HEADER_TEXT: Final = re.compile(r"[\x20-\x7e]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class SwiftSettings:
    """How to reach one container, and as whom: a cloud of ``clouds.yaml``, or temp auth (version 1).

    Attributes:
        container: Container name.
        cloud: Name of a cloud in ``clouds.yaml``: Keystone v3 with whatever that file says (a password, an
            application credential, a token).
        clouds_file: That file; None = where openstacksdk looks (the current directory, the user's and the
            machine's configuration).
        region: Region of the catalogue, if the file does not say or another is meant.
        auth_url: Where temp auth is asked (``https://host/auth/v1.0``).
        user: Its user (``account:user``).
        key: Its key.
        endpoint: Storage URL to use instead of the one that authentication tells.
        ca_bundle: PEM file of trusted authorities, instead of the usual ones.
        insecure_http: Let tokens and data travel over plain http to other machines.
        capabilities: What the store can do.
        max_connections: Idle connections that are kept.
        connect_timeout: Seconds to establish a connection.
        read_timeout: Seconds of silence after which a request is given up.
    """

    container: str
    cloud: str | None = None
    clouds_file: str | None = None
    region: str | None = None
    auth_url: str | None = None
    user: Secret | None = None
    key: Secret | None = None
    endpoint: str | None = None
    ca_bundle: str | None = None
    insecure_http: bool = False
    capabilities: Capabilities = SWIFT_BASE
    max_connections: int = 64
    connect_timeout: float = 10.0
    read_timeout: float = 60.0


def key_reason(key: str, capabilities: Capabilities) -> str | None:
    """Why Swift cannot hold ``key``, in words that read on from "the key ...", or None."""
    return refused(key, capabilities)


def attribute_reasons(attributes: Attributes) -> list[str]:
    """What of ``attributes`` Swift cannot hold, one sentence each; empty when all of it travels."""
    reasons = _metadata_reasons(attributes.metadata)
    if attributes.tags:
        reasons.append("the store keeps no tags")
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
    sizes = [(len(spelled(name)), len(value.encode(errors="replace"))) for name, value in metadata.items()]
    if any(not _NAME.fullmatch(name) for name in metadata):
        reasons.append("a metadata name has characters that a header's name cannot have")
    if len({name.lower() for name in metadata}) < len(metadata):
        reasons.append("two metadata names differ only by case")
    if any(not _VALUE.fullmatch(value) or value != value.strip() for value in metadata.values()):
        reasons.append("a metadata value has control characters, or spaces at its ends")
    if any(not value for value in metadata.values()):
        reasons.append("a metadata value is empty")
    if any(name > _MAX_NAME for name, _ in sizes):
        reasons.append(f"a metadata name is longer than the {_MAX_NAME} bytes Swift takes")
    if any(value > _MAX_VALUE for _, value in sizes):
        reasons.append(f"a metadata value is longer than the {_MAX_VALUE} bytes Swift takes")
    if len(metadata) > _MAX_COUNT:
        reasons.append(
            f"there are {len(metadata)} pieces of metadata, more than the {_MAX_COUNT} Swift takes"
        )
    total = sum(name + value for name, value in sizes)
    if total > _MAX_METADATA:
        reasons.append(f"the metadata has {total} bytes, more than the {_MAX_METADATA} Swift takes")
    return reasons


def spelled(name: str) -> str:
    """A metadata name as it is sent: a server cannot tell '_' in a header's name from '-', so it is escaped.

    Only what the escape itself needs is escaped besides, so that other names stay as everybody writes them.
    """
    return name.replace("%", "%25").replace("_", "%5f")
