"""The operator's own facts, laid over profiles: what stands in documents that they hold.

A profile quotes what is public. Whoever contracts with a host also holds attestations and contracts; a facts
file says which document was read, by whom, when, and with which SHA-256 digest, and what stands in it. Such a
fact has the status ``operator``, ranks with ``official``, and replaces the profile's. Nothing here judges; the
gate does. The form of the file is ``facts.schema.json``.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from providers.errors import ConfigInvalid
from providers.facts_spec import DOCUMENT_FIELDS, FACTS_VERSION, TABLE_FIELDS, TABLES
from providers.profile import list_profiles, load_profile
from providers.profile_read import Fact, did_you_mean, read_value, refuse_unknown, table_of, text_of
from providers.profile_spec import CERTIFICATE, CERTIFICATE_KINDS, REGION, Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from providers.profile import Profile

__all__ = ["FactPath", "Overlay", "load_overlay", "read_overlay"]

FactPath: TypeAlias = tuple[str, ...]
"""``(section, field)``, ``("regions", region, field)`` or ``("certificate", service, kind, field)``."""

_MOST_BYTES: Final = 1024 * 1024
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]*")
_HELD, _FROM, _UNTIL = "held", "valid_from", "valid_until"


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlay:
    """What facts files state.

    Attributes:
        by_provider: Profile name → where in the profile → the fact.
        origins: The files, in the order they were read.
        fictitious: Whether one of them says that it is made up (examples, tests, demonstrations).
    """

    by_provider: Mapping[str, Mapping[FactPath, Fact]] = field(default_factory=dict)
    origins: tuple[str, ...] = ()
    fictitious: bool = False

    def joined(self, other: Overlay) -> Overlay:
        """Both together.

        Raises:
            ConfigInvalid: Both state the same fact.
        """
        merged = {name: dict(facts) for name, facts in self.by_provider.items()}
        for name, facts in other.by_provider.items():
            mine = merged.setdefault(name, {})
            if twice := sorted(set(mine) & set(facts)):
                raise ConfigInvalid(
                    f"{', '.join(other.origins)}: {name}: {_dotted(twice[0])} is stated in another facts file too",
                    hint="state each fact once, from the newest document",
                )
            mine |= facts
        return Overlay(
            by_provider=MappingProxyType({name: MappingProxyType(facts) for name, facts in merged.items()}),
            origins=self.origins + other.origins,
            fictitious=self.fictitious or other.fictitious,
        )

    def check(self, today: date) -> None:
        """Refuse certificates that ran out before a day, and documents read after it.

        A certificate that is stated not to be held may have run out; that is what it says.

        Raises:
            ConfigInvalid: With the first such fact.
        """
        for name, facts in self.by_provider.items():
            for path, fact in facts.items():
                if fact.date > today.isoformat():
                    raise ConfigInvalid(
                        f"{self._where(name, path)}: its document was read on {fact.date}, after today ({today})",
                        hint="correct the document's date",
                    )
                if path[-1] != _UNTIL or str(fact.value) >= today.isoformat():
                    continue
                held = facts.get((*path[:-1], _HELD))
                if held is None or held.value is not False:
                    raise ConfigInvalid(
                        f"{self._where(name, path)}: the certificate ran out on {fact.value}",
                        hint="enter the attestation that renews it, or state held = false",
                    )

    def _where(self, name: str, path: FactPath) -> str:
        return f"{', '.join(self.origins)}: {name}: {_dotted(path)}"


def load_overlay(path: Path, *, profiles: Iterable[Profile] = (), today: date | None = None) -> Overlay:
    """A facts file, checked against the profiles it speaks of and against the calendar.

    Args:
        path: The file.
        profiles: Profiles of the operator's own that it may speak of besides those that ship.
        today: The day to judge dates by; by default today's (UTC).

    Raises:
        ConfigInvalid: It cannot be read, says what it may not say, or states a certificate that ran out.
    """
    overlay = read_overlay(path, profiles=profiles)
    overlay.check(today or datetime.now(UTC).date())
    return overlay


def read_overlay(path: Path, *, profiles: Iterable[Profile] = ()) -> Overlay:
    """As ``load_overlay``, without asking the calendar: a run in hand goes on when a certificate runs out.

    Raises:
        ConfigInvalid: It cannot be read, or says what it may not say.
    """
    document = _document(path)
    origin = str(path)
    refuse_unknown(origin, document, ("schema", "fictitious", "documents", "providers"))
    if document.get("schema") != FACTS_VERSION:
        raise ConfigInvalid(f"{origin}: field 'schema' must be {FACTS_VERSION}")
    fictitious = document.get("fictitious", False)
    if not isinstance(fictitious, bool):
        raise ConfigInvalid(f"{origin}: field 'fictitious' must be true or false")
    sources = {
        name: _source(f"{origin}: [documents.{name}]", name, raw, fictitious=fictitious)
        for name, raw in table_of(f"{origin}: [documents]", document.get("documents", {})).items()
    }
    own = {profile.name: profile for profile in profiles}
    known = {*list_profiles(), *own}
    stated: dict[str, Mapping[FactPath, Fact]] = {}
    for name, raw in table_of(f"{origin}: [providers]", document.get("providers", {})).items():
        where = f"{origin}: [providers.{name}]"
        if name not in known:
            hint = did_you_mean(name, known) or f"known profiles: {', '.join(sorted(known))}"
            raise ConfigInvalid(f"{where}: no profile is called {name!r}", hint=hint)
        reader = _Reader(where, own.get(name) or load_profile(name), sources)
        stated[name] = reader.facts(table_of(where, raw))
    return Overlay(by_provider=MappingProxyType(stated), origins=(origin,), fictitious=fictitious)


class _Reader:
    """Reads what one facts file says of one provider."""

    def __init__(self, where: str, profile: Profile, sources: Mapping[str, Fact]) -> None:
        self._where = where
        self._profile = profile
        self._sources = sources

    def facts(self, table: Mapping[str, Any]) -> Mapping[FactPath, Fact]:
        refuse_unknown(self._where, table, (*TABLES, "regions", "certificate"))
        found: dict[FactPath, Fact] = {}
        for place, fact in self._walk(table):
            if place in found:
                raise ConfigInvalid(f"{self._where}: {_dotted(place)} is stated twice")
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
            if _HELD not in table:
                raise ConfigInvalid(
                    f"{where}: {service!r} has no {kind} statement in the profile, so field 'held' is required",
                    hint=f"services of the profile: {', '.join(sorted({name for name, _ in known})) or 'none'}",
                )
            new.add((service, kind))
        rest = {name: value for name, value in table.items() if name not in {"service", "kind"}}
        facts = dict(self._table(("certificate", service, kind), rest, CERTIFICATE))
        days = {path[-1]: str(fact.value) for path, fact in facts.items() if path[-1] in {_FROM, _UNTIL}}
        for name, text in days.items():
            _day(f"{where}.{name}", text)
        if _FROM in days and _UNTIL in days and days[_FROM] > days[_UNTIL]:
            raise ConfigInvalid(f"{where}: it ends on {days[_UNTIL]}, before it begins on {days[_FROM]}")
        yield from facts.items()

    def _table(
        self, place: FactPath, raw: object, fields: Mapping[str, dict[str, Any]]
    ) -> Iterator[tuple[FactPath, Fact]]:
        where = f"{self._where}: {_dotted(place)}"
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


def _document(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            raw = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise ConfigInvalid(f"cannot read facts file {path}: {error.strerror}") from error
    if len(raw) > _MOST_BYTES:
        raise ConfigInvalid(f"{path}: a facts file has at most {_MOST_BYTES} bytes")
    try:
        return tomllib.loads(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ConfigInvalid(f"{path}: not UTF-8 text") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigInvalid(f"{path}: not TOML: {error}") from error


def _source(where: str, name: str, raw: object, *, fictitious: bool) -> Fact:
    """A fact without a value that carries what every fact of this document says of its origin."""
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


def _dotted(path: FactPath) -> str:
    return ".".join(path)
