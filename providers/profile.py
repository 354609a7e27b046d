"""Facts about one cloud offer, as data: law, certificates, regions, limits, quirks.

A profile holds what is known and how well. What it does not say is unknown, and unknown is never "yes": a
guarantee that stores are known to accept and ignore counts only if the vendor, an official text or a
measurement says so. Nothing here judges; the gate does.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from providers import profile_spec as spec
from providers.errors import ConfigInvalid
from providers.profile_read import Fact, did_you_mean, read_facts, refuse_unknown, table_of, text_of
from providers.protocols import BASES, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.resources.abc import Traversable

    from providers.capabilities import Capabilities
    from providers.facts_overlay import Overlay

__all__ = ["Certificate", "Fact", "Profile", "list_profiles", "load_profile"]

_SUFFIX: Final = ".toml"
_NARROWING_LIMITS: Final = frozenset(spec.LIMITS) - {"puts_per_second", "gets_per_second", "upload_days"}
_QUIRK_CAPABILITIES: Final[Mapping[str, str]] = {
    name: name
    for name in (
        "put_if_absent",
        "complete_if_absent",
        "put_if_match",
        "complete_if_match",
        "equal_parts",
        "lists_uploads",
        "pin_by_version",
        "versions",
        "tags",
        "metadata",
        "metadata_folds_case",
        "content_headers",
        "keys_nest",
        "keys_fold_case",
        "any_key",
        "atomic_put",
    )
} | {"verifies_sha256": "verifies_checksum", "part_copy": "copy_parts"}
_GUARANTEES: Final = frozenset(
    {
        "put_if_absent",
        "complete_if_absent",
        "put_if_match",
        "complete_if_match",
        "part_copy",
        "verifies_sha256",
    }
)
"""Quirks that stores answer with 200 and ignore, so that silence or hearsay cannot establish them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """One qualification or certificate of one service; never of a company.

    Attributes:
        service: The service in its vendor's words.
        kind: ``hds`` or ``secnumcloud``.
        facts: ``held``, ``version``, ``scope``, ``regions``, ``milestones``, ``activities``,
            ``attestation``, ``valid_from``, ``valid_until``, ``conditions``, as far as the profile speaks
            of them.
    """

    service: str
    kind: str
    facts: Mapping[str, Fact]

    @property
    def held(self) -> Fact:
        """Whether the service holds it."""
        return self.facts["held"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What is known about one offer. Mappings hold only what the file speaks of.

    Attributes:
        name: The name sites use.
        title: The name people use.
        protocol: How its object store is spoken to.
        origin: The file it came from.
        kind: ``offer`` of a host, or ``software`` that whoever installs it answers for.
        law: ``entity``, ``hq_country``, ``parents``, ``non_eu_control``, ``exposure``.
        certificates: Per service and kind.
        endpoint: ``template`` (with ``{region}`` or ``{account}``), ``addressing``, ``default_region``,
            ``protocol``.
        regions: Region name → ``country``, ``place``, ``hds``, ``secnumcloud``.
        limits: Bytes, counts, rates and days (``profile_spec.LIMITS``).
        quirks: How requests must differ and what answers mean (``profile_spec.QUIRKS``).
        keys: The cloud's key service and server-side encryption.
        services: What a platform needs → the product's name, or False (``profile_spec.SERVICES``).
        iac: Packages that describe its resources (``profile_spec.IAC``).
        operations: What running there takes (``profile_spec.OPERATIONS``).
    """

    name: str
    title: str
    protocol: Protocol
    origin: str
    law: Mapping[str, Fact]
    certificates: tuple[Certificate, ...]
    endpoint: Mapping[str, Fact]
    regions: Mapping[str, Mapping[str, Fact]]
    limits: Mapping[str, Fact]
    quirks: Mapping[str, Fact]
    keys: Mapping[str, Fact]
    services: Mapping[str, Fact]
    iac: Mapping[str, Fact]
    operations: Mapping[str, Fact]
    kind: str = "offer"

    def quirk(self, name: str) -> bool | None:
        """A yes-or-no quirk: True, False, or None where the profile does not know.

        Raises:
            KeyError: No profile may speak of such a quirk.
        """
        if spec.QUIRKS[name].get("type") != "boolean":
            raise KeyError(name)
        fact = self.quirks.get(name)
        return None if fact is None or fact.value is None else bool(fact.value)

    def vouches(self, name: str) -> bool:
        """Whether a yes-or-no quirk is true by a fact that is official, measured or the vendor's.

        Hearsay and silence do not vouch: this is for what stores answer with 200 and do not do.
        """
        fact = self.quirks.get(name)
        return fact is not None and fact.evidenced and fact.value is True

    def certificate(self, kind: str, service: str | None = None) -> tuple[Certificate, ...]:
        """Certificates of this kind, of one service or of all."""
        return tuple(
            held for held in self.certificates if held.kind == kind and service in {None, held.service}
        )

    def capabilities(self) -> Capabilities:
        """The protocol's capabilities narrowed by this profile's limits and quirks.

        A guarantee (conditional writes, verified checksums) is only kept where a fact that is official,
        measured or the vendor's says yes.
        """
        changes: dict[str, Any] = {
            name: fact.value
            for name, fact in self.limits.items()
            if name in _NARROWING_LIMITS and fact.value is not None
        }
        base = BASES[self.protocol]
        for quirk, capability in _QUIRK_CAPABILITIES.items():
            fact = self.quirks.get(quirk)
            if quirk in _GUARANTEES:
                changes[capability] = self.vouches(quirk) and getattr(base, capability)
            elif fact is not None and fact.value is not None:
                changes[capability] = fact.value
        rules = self.quirks.get("key_rules")
        if rules is not None and isinstance(rules.value, tuple):
            changes["key_rules"] = base.key_rules | {str(rule) for rule in rules.value}
        narrowed = base.narrowed(**changes)
        if narrowed.key_rules or narrowed.max_segment_bytes is not None or not narrowed.keys_nest:
            narrowed = narrowed.narrowed(any_key=False)
        return narrowed

    def overlaid(self, overlay: Overlay) -> Profile:
        """This profile with what the operator's facts files say of it; theirs replace its own."""
        stated = overlay.by_provider.get(self.name)
        if not stated:
            return self
        sections: dict[str, dict[str, Fact]] = {}
        regions = {name: dict(facts) for name, facts in self.regions.items()}
        certificates = {(held.service, held.kind): dict(held.facts) for held in self.certificates}
        for path, fact in stated.items():
            if path[0] == "regions":
                regions.setdefault(path[1], {})[path[2]] = fact
            elif path[0] == "certificate":
                certificates.setdefault((path[1], path[2]), {})[path[3]] = fact
            else:
                sections.setdefault(path[0], dict(getattr(self, path[0])))[path[1]] = fact
        changed: dict[str, Any] = {name: MappingProxyType(facts) for name, facts in sections.items()}
        return replace(
            self,
            **changed,
            regions=MappingProxyType({name: MappingProxyType(facts) for name, facts in regions.items()}),
            certificates=tuple(
                Certificate(service=service, kind=kind, facts=MappingProxyType(facts))
                for (service, kind), facts in certificates.items()
            ),
        )

    def facts(self) -> dict[str, Fact]:
        """Every fact by its dotted name, in the file's order."""
        found: dict[str, Fact] = {}
        for section in spec.SECTIONS:
            found |= {f"{section}.{name}": fact for name, fact in getattr(self, section).items()}
        for number, held in enumerate(self.certificates):
            found |= {f"certificate.{number}.{name}": fact for name, fact in held.facts.items()}
        for region, facts in self.regions.items():
            found |= {f"regions.{region}.{name}": fact for name, fact in facts.items()}
        return found


def list_profiles() -> tuple[str, ...]:
    """Names of the profiles that ship with this package, sorted."""
    return tuple(
        sorted(
            entry.name.removesuffix(_SUFFIX)
            for entry in _folder().iterdir()
            if entry.name.endswith(_SUFFIX) and entry.is_file()
        )
    )


def load_profile(name_or_path: str | Path) -> Profile:
    """A profile by its name, or from a file where the argument is a path (has a ``/`` or ends in ``.toml``).

    Raises:
        ConfigInvalid: There is no such profile, or the file says what a profile may not say.
    """
    text = str(name_or_path)
    if isinstance(name_or_path, Path) or "/" in text or text.endswith(_SUFFIX):
        return _from_path(Path(name_or_path))
    return _packaged(text)


@cache
def _packaged(name: str) -> Profile:
    known = list_profiles()
    if name not in known:
        hint = did_you_mean(name, known) or f"known profiles: {', '.join(known)}"
        raise ConfigInvalid(f"no profile is called {name!r}", hint=hint)
    profile = _parse((_folder() / f"{name}{_SUFFIX}").read_text("utf-8"), f"{name}{_SUFFIX}")
    if profile.name != name:
        raise ConfigInvalid(f"{profile.origin}: [profile] name is {profile.name!r}, not the file's name")
    return profile


def _folder() -> Traversable:
    return resources.files("providers") / "profiles"


def _from_path(path: Path) -> Profile:
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise ConfigInvalid(f"cannot read profile {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigInvalid(f"{path}: not UTF-8 text") from error
    return _parse(text, str(path))


def _parse(text: str, origin: str) -> Profile:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigInvalid(f"{origin}: not TOML: {error}") from error
    refuse_unknown(origin, document, spec.TOP_LEVEL)
    if document.get("schema") != spec.SCHEMA_VERSION:
        raise ConfigInvalid(f"{origin}: field 'schema' must be {spec.SCHEMA_VERSION}")
    head_at = f"{origin}: [profile]"
    head = table_of(head_at, document.get("profile"))
    refuse_unknown(head_at, head, ("name", "title", "protocol", "kind"))
    protocol = text_of(head_at, head, "protocol")
    if protocol not in BASES:
        raise ConfigInvalid(f"{head_at}: protocol {protocol!r} is not one of {', '.join(sorted(BASES))}")

    kind = head.get("kind", spec.KINDS[0])
    if kind not in spec.KINDS:
        raise ConfigInvalid(f"{head_at}: kind {kind!r} is not one of {', '.join(spec.KINDS)}")
    sections = {
        name: read_facts(f"{origin}: {name}", document.get(name, {}), fields)
        for name, fields in spec.SECTIONS.items()
    }
    regions = table_of(f"{origin}: regions", document.get("regions", {}))
    certificates = document.get("certificate", [])
    if not isinstance(certificates, list):
        raise ConfigInvalid(f"{origin}: certificates are written as [[certificate]]")
    return Profile(
        name=text_of(head_at, head, "name"),
        title=text_of(head_at, head, "title"),
        protocol=protocol,
        origin=origin,
        kind=kind,
        certificates=tuple(_certificate(f"{origin}: certificate", raw) for raw in certificates),
        regions=MappingProxyType(
            {name: read_facts(f"{origin}: regions.{name}", raw, spec.REGION) for name, raw in regions.items()}
        ),
        **sections,
    )


def _certificate(where: str, raw: object) -> Certificate:
    table = table_of(where, raw)
    service, kind = text_of(where, table, "service"), text_of(where, table, "kind")
    if kind not in spec.CERTIFICATE_KINDS:
        raise ConfigInvalid(f"{where}: kind {kind!r} is not one of {', '.join(spec.CERTIFICATE_KINDS)}")
    rest = {name: value for name, value in table.items() if name not in {"service", "kind"}}
    facts = read_facts(where, rest, spec.CERTIFICATE)
    if "held" not in facts:
        raise ConfigInvalid(f"{where}: field 'held' is required")
    return Certificate(service=service, kind=kind, facts=facts)
