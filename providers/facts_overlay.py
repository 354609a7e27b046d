"""The operator's own facts, laid over profiles: what stands in documents that they hold.

A profile quotes what is public. Whoever contracts with a host also holds attestations and contracts; a facts
file says which document was read, by whom, when, and with which SHA-256 digest, and what stands in it. Such a
fact has the status ``operator``, ranks with ``official``, and replaces the profile's. Nothing here judges; the
gate does. The form of the file is ``facts.schema.json``.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from providers.errors import ConfigInvalid
from providers.facts_read import HELD, UNTIL, FactPath, FactsReader, dotted, read_document
from providers.facts_spec import FACTS_VERSION
from providers.profile import list_profiles, load_profile
from providers.profile_read import Fact, did_you_mean, refuse_unknown, table_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from providers.profile import Profile

__all__ = ["FactPath", "Overlay", "load_overlay", "read_overlay"]

_MOST_BYTES: Final = 1024 * 1024


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
                    f"{', '.join(other.origins)}: {name}: {dotted(twice[0])} is stated in another facts file too",
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
                if path[-1] != UNTIL or str(fact.value) >= today.isoformat():
                    continue
                held = facts.get((*path[:-1], HELD))
                if held is None or held.value is not False:
                    raise ConfigInvalid(
                        f"{self._where(name, path)}: the certificate ran out on {fact.value}",
                        hint="enter the attestation that renews it, or state held = false",
                    )

    def _where(self, name: str, path: FactPath) -> str:
        return f"{', '.join(self.origins)}: {name}: {dotted(path)}"


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
        name: read_document(f"{origin}: [documents.{name}]", name, raw, fictitious=fictitious)
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
        reader = FactsReader(where, own.get(name) or load_profile(name), sources)
        stated[name] = reader.facts(table_of(where, raw))
    return Overlay(by_provider=MappingProxyType(stated), origins=(origin,), fictitious=fictitious)


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
