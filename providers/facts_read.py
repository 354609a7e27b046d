"""From a facts file's tables to facts: every complaint names the file, the provider and the field.

Owns validation only; ``facts_overlay`` reads files and joins what they state.
"""

from __future__ import annotations

import re
from datetime import date
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from providers.errors import ConfigInvalid
from providers.facts_spec import DOCUMENT_FIELDS, TABLE_FIELDS, TABLES
from providers.profile_read import Fact, did_you_mean, read_value, refuse_unknown, table_of, text_of
from providers.profile_spec import CERTIFICATE, CERTIFICATE_KINDS, REGION, Status

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from providers.profile import Profile

__all__ = ["HELD", "UNTIL", "FactPath", "FactsReader", "dotted", "read_document"]

FactPath: TypeAlias = tuple[str, ...]
"""``(section, field)``, ``("regions", region, field)`` or ``("certificate", service, kind, field)``."""

HELD: Final = "held"
UNTIL: Final = "valid_until"
_FROM: Final = "valid_from"
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]*")


class FactsReader:
    """Reads what one facts file says of one provider.

    Args:
        where: File and provider, for messages.
        profile: The profile that it speaks of.
        sources: Document name → what every fact read in it says of its origin (``read_document``).
    """

    def __init__(self, where: str, profile: Profile, sources: Mapping[str, Fact]) -> None:
        self._where = where
        self._profile = profile
        self._sources = sources

    def facts(self, table: Mapping[str, Any]) -> Mapping[FactPath, Fact]:
        """Every fact of the provider's table by its place in the profile.

        Raises:
            ConfigInvalid: The table says what it may not say.
        """
        refuse_unknown(self._where, table, (*TABLES, "regions", "certificate"))
        found: dict[FactPath, Fact] = {}
        for place, fact in self._walk(table):
            if place in found:
                raise ConfigInvalid(f"{self._where}: {dotted(place)} is stated twice")
            found[place] = fact
        return MappingProxyType(found)

    def _walk(self, table: Mapping[str, Any]) -> Iterator[tuple[FactPath, Fact]]:
        for section, fields in TABLES.items():
            if section in table:
                yield from self._table((section,), table[section], fields)
        for region, raw in table_of(f"{self._where}: regions", table.get("regions", {})).items():
            yield from self._region(region, raw)
        certificates = table.get("certificate", [])
        if not isinstance(certificates, list):
            raise ConfigInvalid(
                f"{self._where}: certificates are written as [[providers.{self._profile.name}.certificate]]"
            )
        new: set[tuple[str, str]] = set()
        for raw in certificates:
            yield from self._certificate(raw, new)

    def _region(self, region: str, raw: object) -> Iterator[tuple[FactPath, Fact]]:
        table = table_of(f"{self._where}: regions.{region}", raw)
        if region not in self._profile.regions and "country" not in table:
            close = did_you_mean(region, self._profile.regions)
            hint = "a region that is new here needs its country"
            raise ConfigInvalid(
                f"{self._where}: the profile knows no region {region!r}",
                hint=f"{close} {hint}" if close else hint,
            )
        yield from self._table(("regions", region), table, REGION)

    def _certificate(self, raw: object, new: set[tuple[str, str]]) -> Iterator[tuple[FactPath, Fact]]:
        where = f"{self._where}: certificate"
        table = table_of(where, raw)
        service, kind = text_of(where, table, "service"), text_of(where, table, "kind")
        if kind not in CERTIFICATE_KINDS:
            raise ConfigInvalid(f"{where}: kind {kind!r} is not one of {', '.join(CERTIFICATE_KINDS)}")
        known = {(held.service, held.kind) for held in self._profile.certificates}
        for other in sorted({name for name, _ in known} - {service}):
            if _folded(other) == _folded(service):
                raise ConfigInvalid(
                    f"{where}: no service is called {service!r}", hint=f"did you mean {other!r}?"
                )
        if (service, kind) not in known | new:
            if HELD not in table:
                raise ConfigInvalid(
                    f"{where}: {service!r} has no {kind} statement in the profile, so field 'held' is required",
                    hint=f"services of the profile: {', '.join(sorted({name for name, _ in known})) or 'none'}",
                )
            new.add((service, kind))
        rest = {name: value for name, value in table.items() if name not in {"service", "kind"}}
        facts = dict(self._table(("certificate", service, kind), rest, CERTIFICATE))
        days = {path[-1]: str(fact.value) for path, fact in facts.items() if path[-1] in {_FROM, UNTIL}}
        for name, text in days.items():
            _day(f"{where}.{name}", text)
        if _FROM in days and UNTIL in days and days[_FROM] > days[UNTIL]:
            raise ConfigInvalid(f"{where}: it ends on {days[UNTIL]}, before it begins on {days[_FROM]}")
        yield from facts.items()

    def _table(
        self, place: FactPath, raw: object, fields: Mapping[str, dict[str, Any]]
    ) -> Iterator[tuple[FactPath, Fact]]:
        where = f"{self._where}: {dotted(place)}"
        table = table_of(where, raw)
        refuse_unknown(where, table, (*fields, *TABLE_FIELDS))
        document = text_of(where, table, "document")
        if document not in self._sources:
            raise ConfigInvalid(
                f"{where}: no document is called {document!r}",
                hint=did_you_mean(document, self._sources) or f"describe it in [documents.{document}]",
            )
        template = self._sources[document]
        note = text_of(where, table, "note") if "note" in table else None
        for name, value in table.items():
            if name in TABLE_FIELDS:
                continue
            yield (
                (*place, name),
                Fact(
                    value=read_value(f"{where}.{name}", value, fields[name]),
                    status=Status.OPERATOR,
                    source=template.source,
                    date=template.date,
                    note=note,
                    document=template.document,
                    by=template.by,
                ),
            )


def read_document(where: str, name: str, raw: object, *, fictitious: bool) -> Fact:
    """A fact without a value that carries what every fact of this document says of its origin.

    Raises:
        ConfigInvalid: The document is not described as it must be.
    """
    if _NAME.fullmatch(name) is None:
        raise ConfigInvalid(f"{where}: a document's name is made of a-z, 0-9 and '-'")
    table = table_of(where, raw)
    refuse_unknown(where, table, DOCUMENT_FIELDS)
    title, digest, by, day = (text_of(where, table, key) for key in ("title", "sha256", "by", "date"))
    if _DIGEST.fullmatch(digest) is None:
        raise ConfigInvalid(
            f"{where}: field 'sha256' must be 64 hexadecimal digits in lower case",
            hint="sha256sum prints it",
        )
    _day(f"{where}: field 'date'", day)
    source = title
    if "url" in table:
        url = text_of(where, table, "url")
        if not url.startswith("https://"):
            raise ConfigInvalid(f"{where}: field 'url' must begin with https://")
        source = f"{title}, {url}"
    return Fact(
        value=None,
        status=Status.OPERATOR,
        source=f"fictitious: {source}" if fictitious else source,
        date=day,
        document=f"sha256:{digest}",
        by=by,
    )


def _day(where: str, text: str) -> None:
    try:
        parsed = date.fromisoformat(text).isoformat()
    except ValueError:
        parsed = ""
    if parsed != text:
        raise ConfigInvalid(f"{where}: {text!r} is not a day of the form YYYY-MM-DD")


def _folded(service: str) -> str:
    return " ".join(service.casefold().split())


def dotted(path: FactPath) -> str:
    """The path as messages show it."""
    return ".".join(path)
