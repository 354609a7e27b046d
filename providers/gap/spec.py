"""What a blueprint file may say, once, for the loader and for the JSON Schema."""

from __future__ import annotations

from typing import Any, Final

from providers.profile_spec import CERTIFICATE_KINDS, DATE

__all__ = ["SCHEMA_VERSION", "SOURCE_STATUSES", "schema"]

SCHEMA_VERSION: Final = 1
SOURCE_STATUSES: Final = ("text", "copy", "owner", "press")
"""How a need's source was read: the text itself, a copy or translation by others, what the platform itself
publishes, or articles."""

_NAME: Final[dict[str, Any]] = {"type": "string", "pattern": "^[a-z0-9][a-z0-9-]*$"}
_WORDS: Final[dict[str, Any]] = {"type": "string", "minLength": 1}
_TEXT: Final[dict[str, Any]] = {"$ref": "#/$defs/text"}
_QUERY: Final[dict[str, Any]] = {"$ref": "#/$defs/query"}
_QUERIES: Final[dict[str, Any]] = {"type": "array", "minItems": 1, "items": _QUERY}


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a blueprint, as committed in ``blueprint.schema.json``.

    ``capabilities.toml`` has the same form without ``blueprint`` and ``need``.
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "havre gap study blueprint",
        "$defs": {
            "text": _object({"en": _WORDS, "fr": _WORDS}),
            "query": {"oneOf": _queries()},
            "source": _object(
                {
                    "text": _TEXT,
                    "url": {"type": "string", "pattern": "^https?://"},
                    "status": {"enum": list(SOURCE_STATUSES)},
                    "date": {"type": "string", "pattern": f"^{DATE.pattern}$"},
                }
            ),
            "effort": _object({"step": {"enum": ["S", "M", "L"]}, "reason": _TEXT}),
            "ours": _object(
                {
                    "what": _TEXT,
                    "state": {"enum": ["exists", "planned"]},
                    "where": _WORDS,
                    "limits": _TEXT,
                    "needs": _QUERY,
                },
                optional=("where", "limits", "needs"),
            )
            # What exists can be pointed at, what is planned cannot.
            | {
                "if": {"properties": {"state": {"const": "exists"}}},
                "then": {"required": ["where"]},
                "else": {"not": {"required": ["where"]}},
            },
            "capability": _object(
                {
                    "label": _TEXT,
                    "query": _QUERY,
                    "effort": {"$ref": "#/$defs/effort"},
                    "ours": {"$ref": "#/$defs/ours"},
                },
                optional=("ours",),
            ),
            "need": _object(
                {
                    "capability": _NAME,
                    "level": {"enum": ["must", "should"]},
                    "basis": {"enum": ["text", "interpretation"]},
                    "why": _TEXT,
                    "sources": {"type": "array", "minItems": 1, "uniqueItems": True, "items": _NAME},
                }
            ),
        },
        "type": "object",
        "required": ["schema"],
        "additionalProperties": False,
        "properties": {
            "schema": {"const": SCHEMA_VERSION},
            "blueprint": _object({"name": _NAME, "title": _TEXT, "about": _TEXT}),
            "source": _named({"$ref": "#/$defs/source"}),
            "capability": _named({"$ref": "#/$defs/capability"}),
            "need": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/need"}},
        },
        "dependentRequired": {"blueprint": ["need"], "need": ["blueprint"]},
    }


def _queries() -> list[dict[str, Any]]:
    scalar = {"type": ["string", "integer", "boolean"]}
    return [
        _object(
            {
                "fact": {"type": "string", "pattern": r"^[a-z]+\.[a-z0-9_]+$"},
                "is": scalar,
                "in": {"type": "array", "minItems": 1, "items": scalar},
            },
            optional=("is", "in"),
        )
        | {"not": {"required": ["is", "in"]}},
        _object(
            {
                "certificate": {"enum": list(CERTIFICATE_KINDS)},
                "version": _WORDS,
                "activities": {"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": 6}},
            },
            optional=("version", "activities"),
        ),
        _object(
            {
                "regions": {"type": "string", "pattern": "^[A-Z]{2}$"},
                "at_least": {"type": "integer", "minimum": 1},
            },
            optional=("at_least",),
        ),
        _object({"all": _QUERIES}),
        _object({"any": _QUERIES}),
        _object({"prefer": _QUERIES}),
    ]


def _object(properties: dict[str, Any], *, optional: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "type": "object",
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
        "properties": properties,
    }


def _named(value: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "propertyNames": _NAME, "additionalProperties": value}
