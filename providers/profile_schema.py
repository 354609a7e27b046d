"""The JSON Schema of a profile file, made from what ``profile_spec`` says; committed as ``profile.schema.json``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from providers.profile_spec import (
    CERTIFICATE,
    CERTIFICATE_KINDS,
    DATE,
    KINDS,
    REGION,
    SCHEMA_VERSION,
    SECTIONS,
    TEXT,
    Status,
)
from providers.protocols import BASES

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["profile_schema"]


def profile_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a profile file, as committed in ``profile.schema.json``."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "havre provider profile",
        "type": "object",
        "required": ["schema", "profile"],
        "additionalProperties": False,
        "$defs": {"fact": _FACT},
        "properties": {
            "schema": {"const": SCHEMA_VERSION},
            "profile": {
                "type": "object",
                "required": ["name", "title", "protocol"],
                "additionalProperties": False,
                "properties": {
                    "name": {"type": "string", "pattern": "^[a-z0-9][a-z0-9-]*$"},
                    "title": TEXT,
                    "protocol": {"enum": sorted(BASES)},
                    "kind": {"enum": list(KINDS)},
                },
            },
            "certificate": {"type": "array", "items": _certificate()},
            "regions": {"type": "object", "additionalProperties": _fact_section(REGION)},
        }
        | {name: _fact_section(fields) for name, fields in SECTIONS.items()},
    }


def _fact_section(fields: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """The JSON Schema of a table of facts."""
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {name: _fact(value) for name, value in fields.items()},
    }


def _certificate() -> dict[str, Any]:
    section = _fact_section(CERTIFICATE)
    section["required"] = ["service", "kind", "held"]
    section["properties"] |= {"service": TEXT, "kind": {"enum": list(CERTIFICATE_KINDS)}}
    return section


def _fact(value: dict[str, Any]) -> dict[str, Any]:
    return {"$ref": "#/$defs/fact", "properties": {"value": value}}


_FACT: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["status", "source", "date"],
    "additionalProperties": False,
    "properties": {
        "value": True,
        "status": {"enum": [status.value for status in Status if status is not Status.OPERATOR]},
        "source": TEXT,
        "date": {"type": "string", "pattern": f"^{DATE.pattern}$"},
        "note": TEXT,
    },
    "if": {"properties": {"status": {"const": Status.NOT_FOUND.value}}},
    "then": {"not": {"required": ["value"]}},
    "else": {"required": ["value"]},
}
