"""What a profile file may say: its sections, fields and types, once, for the loader and for the JSON Schema.

A profile states dated facts about one cloud offer and nothing else. Each fact is an inline table with a
value, a status that says how well it is known, a public source and a date (``YYYY``, ``YYYY-MM`` or
``YYYY-MM-DD``).
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from providers.keys import RULES
from providers.protocols import BASES

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "CERTIFICATE",
    "CERTIFICATE_KINDS",
    "DATE",
    "ENDPOINT",
    "FACT_FIELDS",
    "KEYS",
    "LAW",
    "LIMITS",
    "QUIRKS",
    "REGION",
    "SCHEMA_VERSION",
    "Status",
    "schema",
]

SCHEMA_VERSION: Final = 1


class Status(StrEnum):
    """How well a fact is known, best first."""

    OFFICIAL = "official"
    """Read in the ANSSI catalogue, the ANS list or the law."""
    MEASURED = "measured"
    """Seen by us on a running server of the version that the source names."""
    VENDOR = "vendor"
    """The vendor's own documentation or contract."""
    PRESS = "press"
    """Articles, third-party directories, other projects' source code."""
    MEMORY = "memory"
    """General knowledge, not looked up."""
    NOT_FOUND = "not_found"
    """Looked for and not found; such a fact has no value."""


FACT_FIELDS: Final = frozenset({"value", "status", "source", "date", "note"})
DATE: Final = re.compile(r"\d{4}(-\d{2}(-\d{2})?)?")
CERTIFICATE_KINDS: Final = ("hds", "secnumcloud")

_TEXT: Final[dict[str, Any]] = {"type": "string", "minLength": 1}
_SIZE: Final[dict[str, Any]] = {"type": "integer", "minimum": 1}
_FLAG: Final[dict[str, Any]] = {"type": "boolean"}
_DAY: Final[dict[str, Any]] = {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$"}
_WORDS: Final[dict[str, Any]] = {"type": "array", "items": _TEXT}

LAW: Final[Mapping[str, dict[str, Any]]] = {"entity": _TEXT, "parents": _WORDS, "exposure": _TEXT}
"""``entity`` signs the contract, ``parents`` own it, ``exposure`` is foreign law that reaches it."""

CERTIFICATE: Final[Mapping[str, dict[str, Any]]] = {
    "held": _FLAG,
    "version": _TEXT,
    "scope": _TEXT,
    "activities": {"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": 6}},
    "attestation": _TEXT,
    "valid_from": _DAY,
    "valid_until": _DAY,
    "conditions": _WORDS,
}
"""``activities`` are those of article R.1111-9 of the French public health code (HDS only)."""

ENDPOINT: Final[Mapping[str, dict[str, Any]]] = {
    "template": _TEXT,
    "addressing": {"enum": ["virtual", "path", "either"]},
    "default_region": _TEXT,
}
REGION: Final[Mapping[str, dict[str, Any]]] = {
    "country": {"type": "string", "pattern": "^[A-Z]{2}$"},
    "place": _TEXT,
    "hds": _FLAG,
    "secnumcloud": _FLAG,
}
LIMITS: Final[Mapping[str, dict[str, Any]]] = {
    "max_object": _SIZE,
    "max_put": _SIZE,
    "min_part": _SIZE,
    "max_part": _SIZE,
    "max_parts": _SIZE,
    "list_limit": _SIZE,
    "max_key_bytes": _SIZE,
    "max_segment_bytes": _SIZE,
    "puts_per_second": _SIZE,
    "gets_per_second": _SIZE,
    "upload_days": _SIZE,
}
"""Bytes, counts, and for ``upload_days`` the days an unfinished upload is kept."""

QUIRKS: Final[Mapping[str, dict[str, Any]]] = {
    # what a driver can or must do
    "put_if_absent": _FLAG,
    "complete_if_absent": _FLAG,
    "verifies_sha256": _FLAG,
    "verifies_md5": _FLAG,
    "equal_parts": _FLAG,
    "if_match_bare": _FLAG,
    "lists_uploads": _FLAG,
    "pin_by_version": _FLAG,
    "versions": _FLAG,
    "tags": _FLAG,
    "metadata": _FLAG,
    "metadata_folds_case": _FLAG,
    "content_headers": _FLAG,
    "keys_nest": _FLAG,
    "keys_fold_case": _FLAG,
    "any_key": _FLAG,
    "key_rules": {"type": "array", "items": {"enum": sorted(RULES)}},
    "atomic_put": _FLAG,
    # what people and runbooks must know
    "put_if_absent_atomic": _FLAG,
    "complete_if_absent_atomic": _FLAG,
    "checksum_trailers": _FLAG,
    "complete_tells_etag": _FLAG,
    "complete_twice": _FLAG,
    "list_parts_repeats": _FLAG,
    "lists_in_key_order": _FLAG,
    "makes_missing_bucket": _FLAG,
    "object_lock": _FLAG,
    "object_lock_governance": _FLAG,
    "legal_hold": _FLAG,
    "lifecycle_abort": _FLAG,
    "object_attributes": _FLAG,
    "part_copy": _FLAG,
}
KEYS: Final[Mapping[str, dict[str, Any]]] = {
    "service": _TEXT,
    "interfaces": _WORDS,
    "byok": _FLAG,
    "sse_c": _FLAG,
    "sse_kms": _FLAG,
}
"""The cloud's own key service and server-side encryption; our encryption never needs either."""


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a profile file, as committed in ``profile.schema.json``."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "havre provider profile",
        "type": "object",
        "required": ["schema", "profile"],
        "additionalProperties": False,
        "properties": {
            "schema": {"const": SCHEMA_VERSION},
            "profile": {
                "type": "object",
                "required": ["name", "title", "protocol"],
                "additionalProperties": False,
                "properties": {
                    "name": {"type": "string", "pattern": "^[a-z0-9][a-z0-9-]*$"},
                    "title": _TEXT,
                    "protocol": {"enum": sorted(BASES)},
                },
            },
            "law": _section(LAW),
            "certificate": {"type": "array", "items": _certificate()},
            "endpoint": _section(ENDPOINT),
            "regions": {"type": "object", "additionalProperties": _section(REGION)},
            "limits": _section(LIMITS),
            "quirks": _section(QUIRKS),
            "keys": _section(KEYS),
        },
    }


def _section(fields: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {name: _fact(value) for name, value in fields.items()},
    }


def _certificate() -> dict[str, Any]:
    section = _section(CERTIFICATE)
    section["required"] = ["service", "kind", "held"]
    section["properties"] |= {"service": _TEXT, "kind": {"enum": list(CERTIFICATE_KINDS)}}
    return section


def _fact(value: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["status", "source", "date"],
        "additionalProperties": False,
        "properties": {
            "value": value,
            "status": {"enum": [status.value for status in Status]},
            "source": _TEXT,
            "date": {"type": "string", "pattern": f"^{DATE.pattern}$"},
            "note": _TEXT,
        },
        "if": {"properties": {"status": {"const": Status.NOT_FOUND.value}}},
        "then": {"not": {"required": ["value"]}},
        "else": {"required": ["value"]},
    }
