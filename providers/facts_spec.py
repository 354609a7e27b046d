"""What an operator's facts file may say: its JSON Schema, committed as ``facts.schema.json``.

A facts file names documents that the operator holds and states what stands in them. Its fields are those of a
profile (``profile_spec``), without what only a server can show: endpoint, quirks, packages, operations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from providers.profile_spec import (
    CERTIFICATE,
    CERTIFICATE_KINDS,
    KEYS,
    LAW,
    LIMITS,
    REGION,
    SERVICES,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["DOCUMENT_FIELDS", "FACTS_VERSION", "TABLES", "TABLE_FIELDS", "facts_schema"]

FACTS_VERSION: Final = 1
DOCUMENT_FIELDS: Final = ("title", "sha256", "by", "date", "url")
TABLE_FIELDS: Final = ("document", "note")
"""What each table of facts says besides its facts."""
TABLES: Final[Mapping[str, Mapping[str, dict[str, Any]]]] = {
    "law": LAW,
    "limits": LIMITS,
    "keys": KEYS,
    "services": SERVICES,
}
"""Sections of a profile that a document can answer for; quirks are measured, an endpoint is the site's."""

_TEXT: Final[dict[str, Any]] = {"type": "string", "minLength": 1}
_SLUG: Final = "^[a-z0-9][a-z0-9-]*$"


def facts_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a facts file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "havre facts file",
        "description": "What an operator read in documents they hold, laid over the profiles.",
        "type": "object",
        "required": ["schema", "documents", "providers"],
        "additionalProperties": False,
        "properties": {
            "schema": {"const": FACTS_VERSION},
            "fictitious": {"type": "boolean"},
            "documents": {
                "type": "object",
                "propertyNames": {"pattern": _SLUG},
                "additionalProperties": {
                    "type": "object",
                    "required": ["title", "sha256", "by", "date"],
                    "additionalProperties": False,
                    "properties": {
                        "title": _TEXT,
                        "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
                        "by": _TEXT,
                        "date": {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$"},
                        "url": {"type": "string", "pattern": "^https://"},
                    },
                },
            },
            "providers": {
                "type": "object",
                "propertyNames": {"pattern": _SLUG},
                "additionalProperties": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {name: _table(fields) for name, fields in TABLES.items()}
                    | {
                        "regions": {"type": "object", "additionalProperties": _table(REGION)},
                        "certificate": {"type": "array", "items": _certificate()},
                    },
                },
            },
        },
    }


def _table(fields: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["document"],
        "additionalProperties": False,
        "properties": dict.fromkeys(TABLE_FIELDS, _TEXT) | dict(fields),
    }


def _certificate() -> dict[str, Any]:
    table = _table(CERTIFICATE)
    table["required"] = ["document", "service", "kind"]
    table["properties"] |= {"service": _TEXT, "kind": {"enum": list(CERTIFICATE_KINDS)}}
    return table
