"""From a profile's TOML to checked facts: every complaint names the file and the field.

Owns validation only; what facts mean is ``profile.py``'s business.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from providers.errors import ConfigInvalid
from providers.profile_spec import DATE, FACT_FIELDS, Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "Fact",
    "FactValue",
    "did_you_mean",
    "read_facts",
    "read_value",
    "refuse_unknown",
    "table_of",
    "text_of",
]

FactValue: TypeAlias = str | int | bool | tuple[str | int, ...]

_TYPES: Final[Mapping[str, tuple[type, str]]] = {
    "string": (str, "text"),
    "integer": (int, "a whole number"),
    "boolean": (bool, "true or false"),
    "array": (list, "a list"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One statement about a cloud.

    Attributes:
        value: What is stated; None only where the status is ``not_found``.
        status: How well it is known.
        source: Where it was read: a public URL, or what was measured.
        date: When the source said so, ``YYYY``, ``YYYY-MM`` or ``YYYY-MM-DD``.
        note: What a reader should know besides.
        document: ``sha256:`` and the digest of the document that an operator read it in; else None.
        by: Who read it there; else None.
    """

    value: FactValue | None
    status: Status
    source: str
    date: str
    note: str | None = None
    document: str | None = None
    by: str | None = None

    @property
    def evidenced(self) -> bool:
        """Whether someone who can know says so: a text, the vendor, or our own measurement."""
        return self.status in {Status.OFFICIAL, Status.OPERATOR, Status.MEASURED, Status.VENDOR}

    @property
    def establishes(self) -> bool:
        """Whether it can establish a qualification: read in an official text, or by the operator."""
        return self.status in {Status.OFFICIAL, Status.OPERATOR}


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """A hint for a name that is not known, or None if nothing comes close."""
    close = difflib.get_close_matches(name, sorted(known), n=1)
    return f"did you mean {close[0]!r}?" if close else None


def refuse_unknown(where: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Refuse fields that nothing reads: they are typing mistakes.

    Raises:
        ConfigInvalid: A given name is not known.
    """
    allowed = sorted(known)
    for name in sorted(set(given) - set(allowed)):
        hint = did_you_mean(name, allowed) or f"known fields: {', '.join(allowed)}"
        raise ConfigInvalid(f"{where}: unknown field {name!r}", hint=hint)


def table_of(where: str, value: object) -> dict[str, Any]:
    """The value as a table.

    Raises:
        ConfigInvalid: It is something else.
    """
    if not isinstance(value, dict):
        raise ConfigInvalid(f"{where}: must be a table")
    return value


def text_of(where: str, table: Mapping[str, Any], field: str) -> str:
    """A required text field.

    Raises:
        ConfigInvalid: It is missing, empty or not text.
    """
    value = table.get(field)
    if not isinstance(value, str) or not value:
        raise ConfigInvalid(f"{where}: field {field!r} is required and must be text")
    return value


def read_facts(where: str, value: object, spec: Mapping[str, dict[str, Any]]) -> Mapping[str, Fact]:
    """A section's facts by field name.

    Args:
        where: File and section, for messages.
        value: What the file holds there.
        spec: Field name → JSON Schema of the fact's value.

    Raises:
        ConfigInvalid: A field is unknown or a fact is not well-formed.
    """
    table = table_of(where, value)
    refuse_unknown(where, table, spec)
    return MappingProxyType(
        {name: _fact(f"{where}.{name}", fact, spec[name]) for name, fact in table.items()}
    )


def _fact(where: str, raw: object, spec: dict[str, Any]) -> Fact:
    if not isinstance(raw, dict):
        raise ConfigInvalid(
            f"{where}: a fact is a table with value, status, source and date",
            hint='write it as { value = …, status = "vendor", source = "https://…", date = "2026-01-31" }',
        )
    refuse_unknown(where, raw, FACT_FIELDS)
    status_text, source, date = (text_of(where, raw, field) for field in ("status", "source", "date"))
    try:
        status = Status(status_text)
    except ValueError:
        known = ", ".join(status.value for status in Status if status is not Status.OPERATOR)
        raise ConfigInvalid(f"{where}: unknown status {status_text!r}", hint=f"one of {known}") from None
    if status is Status.OPERATOR:
        raise ConfigInvalid(
            f"{where}: status 'operator' does not belong in a profile",
            hint="state what you read in a document of yours in a facts file, with the document's digest",
        )
    if DATE.fullmatch(date) is None:
        raise ConfigInvalid(f"{where}: date {date!r} is not YYYY, YYYY-MM or YYYY-MM-DD")
    if (status is Status.NOT_FOUND) == ("value" in raw):
        raise ConfigInvalid(f"{where}: a fact has a value unless its status is 'not_found'")
    note = text_of(where, raw, "note") if "note" in raw else None
    value = None if status is Status.NOT_FOUND else read_value(where, raw["value"], spec)
    return Fact(value=value, status=status, source=source, date=date, note=note)


def read_value(where: str, value: Any, spec: dict[str, Any]) -> FactValue:
    """The value, of the type and within the bounds that its JSON Schema states.

    Raises:
        ConfigInvalid: It is not.
    """
    if "oneOf" in spec:  # text, or false for "there is none"
        if value is False:
            return False
        if not isinstance(value, str):
            raise ConfigInvalid(f"{where}: must be text, or false where there is none")
        return read_value(where, value, spec["oneOf"][0])
    if "enum" in spec:
        if value not in spec["enum"]:
            raise ConfigInvalid(f"{where}: {value!r} is not one of {', '.join(spec['enum'])}")
        return str(value)
    expected, words = _TYPES[spec["type"]]
    if type(value) is not expected:
        raise ConfigInvalid(f"{where}: must be {words}")
    if isinstance(value, list):
        return tuple(_item(where, item, spec["items"]) for item in value)
    if isinstance(value, str):
        if not value:
            raise ConfigInvalid(f"{where}: must not be empty")
        if "pattern" in spec and re.search(spec["pattern"], value) is None:
            raise ConfigInvalid(f"{where}: {value!r} does not have the form {spec['pattern']}")
    elif not spec.get("minimum", value) <= value <= spec.get("maximum", value):
        raise ConfigInvalid(f"{where}: {value} is out of range")
    return cast("str | int", value)


def _item(where: str, item: Any, spec: dict[str, Any]) -> str | int:
    value = read_value(where, item, spec)
    if isinstance(value, tuple):
        raise ConfigInvalid(f"{where}: lists do not nest")
    return value
