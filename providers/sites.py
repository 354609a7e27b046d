"""Sites: the named accounts of ``havre.toml``, checked as a whole before anything is opened.

A site says where a store is and names the environment variables of its credentials; it never holds one. What
a cloud is, its profile says. Importing this module loads no vendor SDK.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from providers.custody_place import CustodyPlace, read_custody
from providers.declarations import Declared, read_site_gate, read_worker
from providers.errors import ConfigInvalid
from providers.estate.settings import EstateSettings, read_estate
from providers.facts_overlay import Overlay, read_overlay
from providers.location import SITE_NAME
from providers.opening import Limiters, open_store
from providers.profile import Profile, load_profile
from providers.profile_read import did_you_mean, refuse_unknown, table_of, text_of
from providers.sftp_place import SftpPlace, sftp_place
from providers.site_rules import check_endpoint, check_fields, refuse_literal_secrets
from providers.swift_place import SwiftPlace, swift_place

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CONFIG_NAME", "CONFIG_VARIABLE", "Limiters", "Site", "Sites", "find_config", "open_store"]

CONFIG_NAME: Final = "havre.toml"
CONFIG_VARIABLE: Final = "HAVRE_CONFIG"


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One account of one cloud.

    Attributes:
        name: What locations call it.
        profile: What is known about the cloud.
        endpoint: Base URL, resolved; empty for directories.
        region: Region of the signature (S3).
        addressing: ``path``, ``virtual`` or ``auto`` (S3).
        ca_bundle: PEM file of trusted authorities, instead of the usual ones (S3, Azure).
        max_connections: Most connections to the endpoint, or None for the run's own choice.
        aws_profile: Section of the AWS configuration (S3).
        account: Storage account (Azure).
        api_version: Version of the service to speak (Azure), or None for the driver's own.
        variables: Credential field without ``_env`` → name of the environment variable.
        root: Directory that holds the buckets (filesystem).
        swift: The account and who lets us in (Swift).
        sftp: The server, the way to it and its root (SFTP).
        estate: Whom to ask what the site holds besides objects, or None.
        gate: What the operator declares of the place for the gate, or None.
    """

    name: str
    profile: Profile
    endpoint: str = ""
    region: str = ""
    addressing: str = "auto"
    ca_bundle: Path | None = None
    max_connections: int | None = None
    aws_profile: str | None = None
    account: str = ""
    api_version: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    root: Path | None = None
    swift: SwiftPlace | None = None
    sftp: SftpPlace | None = None
    estate: EstateSettings | None = None
    gate: Declared | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sites:
    """A configuration, read and checked.

    Attributes:
        by_name: The sites.
        origin: The file they came from; None where there is none.
        derogation_keys: Public keys whose derogations are accepted (``[trust]``).
        facts: The operator's facts files (``[facts]``), which the profiles of the sites already carry.
        overlay: What those files state.
        worker: Where havre itself runs (``[worker]``), or None where that is not declared.
        custody: Keys at servers that keep them (``[custody.NAME]``).
        limiters: The pace of each endpoint, shared by every store opened from here.
    """

    by_name: Mapping[str, Site] = field(default_factory=dict)
    origin: Path | None = None
    derogation_keys: tuple[str, ...] = ()
    facts: tuple[Path, ...] = ()
    overlay: Overlay = field(default_factory=Overlay)
    worker: Declared | None = None
    custody: Mapping[str, CustodyPlace] = field(default_factory=dict)
    limiters: Limiters = field(default_factory=Limiters, compare=False)

    @classmethod
    def load(cls, config: Path | None, environ: Mapping[str, str], *, cwd: Path | None = None) -> Sites:
        """Read the configuration; without any file there are no sites, and local paths still work.

        Args:
            config: The file that was asked for, or None to look in the usual places.
            environ: The environment.
            cwd: Where to look for ``havre.toml``; by default the current directory.

        Raises:
            ConfigInvalid: A file that was named is not there, or says what it may not say.
        """
        path = find_config(config, environ, cwd=cwd)
        if path is None:
            return cls()
        try:
            document = tomllib.loads(path.read_text("utf-8"))
        except OSError as error:
            raise ConfigInvalid(f"cannot read {path}: {error.strerror}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            # The parser's own message may quote the line, so it goes no further than the cause.
            raise ConfigInvalid(f"{path}: not TOML: {_position(error)}") from None
        refuse_unknown(str(path), document, ("sites", "trust", "facts", "worker", "custody"))
        tables = table_of(f"{path}: [sites]", document.get("sites", {}))
        trust = table_of(f"{path}: [trust]", document.get("trust", {}))
        refuse_unknown(f"{path}: [trust]", trust, ("derogation_keys",))
        keys = trust.get("derogation_keys", [])
        if not isinstance(keys, list) or not all(isinstance(key, str) and key for key in keys):
            raise ConfigInvalid(f"{path}: [trust]: field 'derogation_keys' must be a list of texts")
        kept = table_of(f"{path}: [custody]", document.get("custody", {}))
        sites = {name: _with_estate(path, name, raw) for name, raw in tables.items()}
        files = _facts_files(path, document.get("facts", {}))
        own = [site.profile for site in sites.values()]
        overlay = Overlay()
        for file in files:
            overlay = overlay.joined(read_overlay(file, profiles=own))
        overlaid = {name: replace(one, profile=one.profile.overlaid(overlay)) for name, one in sites.items()}
        return cls(
            by_name=MappingProxyType(overlaid),
            origin=path,
            derogation_keys=tuple(keys),
            facts=files,
            overlay=overlay,
            worker=read_worker(f"{path}: [worker]", document["worker"]) if "worker" in document else None,
            custody={
                name: read_custody(f"{path}: [custody.{name}]", name, raw, path.parent)
                for name, raw in kept.items()
            },
        )

    def profile(self, name_or_path: str | Path) -> Profile:
        """A profile with what the operator's facts files say of it.

        Raises:
            ConfigInvalid: There is no such profile, or a facts file states a certificate that ran out.
        """
        self.overlay.check(datetime.now(UTC).date())
        return load_profile(name_or_path).overlaid(self.overlay)

    def custodian(self, name: str) -> CustodyPlace:
        """The key at a server that the configuration calls so.

        Raises:
            ConfigInvalid: There is none.
        """
        try:
            return self.custody[name]
        except KeyError:
            pass
        hint = f"write [custody.{name}] into {self.origin or CONFIG_NAME}, with address and key"
        if self.custody:
            hint = did_you_mean(name, self.custody) or f"known ones: {', '.join(sorted(self.custody))}"
        raise ConfigInvalid(f"no custodian is called {name!r}", hint=hint)

    def site(self, name: str) -> Site:
        """The site of this name.

        Raises:
            ConfigInvalid: There is none.
        """
        try:
            return self.by_name[name]
        except KeyError:
            pass
        if not self.by_name:
            hint = f"write [sites.{name}] into {self.origin or CONFIG_NAME}"
        else:
            known = f"known sites: {', '.join(sorted(self.by_name))}"
            close = did_you_mean(name, self.by_name)
            hint = f"{close} {known}" if close else known
        raise ConfigInvalid(f"no site is called {name!r}", hint=hint)


def find_config(config: Path | None, environ: Mapping[str, str], *, cwd: Path | None = None) -> Path | None:
    """The file asked for, ``$HAVRE_CONFIG``, ``./havre.toml`` or the user's own, in that order; None if none.

    Raises:
        ConfigInvalid: A file that was named is not there.
    """
    named = environ.get(CONFIG_VARIABLE)
    for path, by in ((config, "--config"), (Path(named) if named else None, f"${CONFIG_VARIABLE}")):
        if path is not None:
            if not path.is_file():
                raise ConfigInvalid(f"there is no file {path}, which {by} names")
            return path
    usual = [(cwd or Path()) / CONFIG_NAME]
    if base := environ.get("XDG_CONFIG_HOME"):
        usual.append(Path(base) / "havre" / CONFIG_NAME)
    elif home := environ.get("HOME"):
        usual.append(Path(home) / ".config" / "havre" / CONFIG_NAME)
    return next((path for path in usual if path.is_file()), None)


def _position(error: ValueError) -> str:
    """Where a parse error lies, without what stands there."""
    text = str(error)
    return text[text.rindex("(") :] if "(at " in text else "not UTF-8 text"


def _facts_files(path: Path, raw: object) -> tuple[Path, ...]:
    where = f"{path}: [facts]"
    table = table_of(where, raw)
    refuse_unknown(where, table, ("files",))
    files = table.get("files", [])
    if not isinstance(files, list) or not all(isinstance(name, str) and name for name in files):
        raise ConfigInvalid(f"{where}: field 'files' must be a list of file names")
    return tuple(path.parent / name for name in files)


def _with_estate(path: Path, name: str, raw: object) -> Site:
    """A site and its estate and gate tables, which are read apart: they are the same for every protocol."""
    where = f"{path}: [sites.{name}]"
    table = dict(table_of(where, raw))
    estate = read_estate(where, table.pop("estate", None))
    gate = read_site_gate(f"{where}.gate", table.pop("gate")) if "gate" in table else None
    return replace(_site(path, name, table), estate=estate, gate=gate)


def _site(path: Path, name: str, raw: object) -> Site:
    where = f"{path}: [sites.{name}]"
    if SITE_NAME.fullmatch(name) is None:
        raise ConfigInvalid(f"{where}: a name is made of letters, digits, '.', '_' and '-'")
    table = table_of(where, raw)
    refuse_literal_secrets(where, table)
    profile_name = text_of(where, table, "profile")
    # A profile given as a file lies beside the configuration that names it.
    is_file = "/" in profile_name or profile_name.endswith(".toml")
    profile = load_profile(path.parent / profile_name if is_file else profile_name)
    check_fields(where, table, profile.protocol)
    if profile.protocol == "filesystem":
        return Site(name=name, profile=profile, root=path.parent / str(table["root"]))
    if profile.protocol == "swift":
        return _swift(path, name, where, table, profile)
    if profile.protocol == "sftp":
        return _sftp(path, name, where, table, profile)
    region = _region(where, table, profile) if profile.protocol == "s3" else ""
    endpoint = _endpoint(where, table, profile, region)
    bundle = table.get("ca_bundle")
    return Site(
        name=name,
        profile=profile,
        endpoint=check_endpoint(where, endpoint, insecure_http=table.get("insecure_http", False)),
        region=region,
        addressing=table.get("addressing", _addressing(profile)),
        ca_bundle=None if bundle is None else path.parent / bundle,
        max_connections=table.get("max_connections"),
        aws_profile=table.get("aws_profile"),
        account=table.get("account", ""),
        api_version=table.get("api_version"),
        variables={key.removesuffix("_env"): value for key, value in table.items() if key.endswith("_env")},
    )


def _sftp(path: Path, name: str, where: str, table: Mapping[str, Any], profile: Profile) -> Site:
    place = sftp_place(where, table, path.parent)
    return Site(
        name=name,
        profile=profile,
        endpoint=place.server.url,
        max_connections=table.get("max_connections"),
        variables={key.removesuffix("_env"): value for key, value in table.items() if key.endswith("_env")},
        sftp=place,
    )


def _swift(path: Path, name: str, where: str, table: Mapping[str, Any], profile: Profile) -> Site:
    place = swift_place(where, table)
    bundle = table.get("ca_bundle")
    return Site(
        name=name,
        profile=profile,
        endpoint=place.pace,
        ca_bundle=None if bundle is None else path.parent / bundle,
        max_connections=table.get("max_connections"),
        variables={key.removesuffix("_env"): value for key, value in table.items() if key.endswith("_env")},
        swift=place,
    )


def _region(where: str, table: Mapping[str, Any], profile: Profile) -> str:
    region = table.get("region")
    default = profile.endpoint.get("default_region")
    if region is None and default is not None and default.value is not None:
        return str(default.value)
    known = f"regions of {profile.name}: {', '.join(sorted(profile.regions))}" if profile.regions else None
    if region is None:
        raise ConfigInvalid(f"{where}: field 'region' is required", hint=known)
    if profile.regions and region not in profile.regions and "endpoint" not in table:
        raise ConfigInvalid(
            f"{where}: the profile knows no region {region!r}",
            hint=f"{known}; give an endpoint too if you mean another one",
        )
    return str(region)


def _endpoint(where: str, table: Mapping[str, Any], profile: Profile, region: str) -> str:
    if "endpoint" in table:
        return str(table["endpoint"])
    template = profile.endpoint.get("template")
    if template is None or template.value is None:
        raise ConfigInvalid(f"{where}: field 'endpoint' is required: profile {profile.name} has none")
    if "{account}" in str(template.value) and "account" not in table:
        raise ConfigInvalid(
            f"{where}: field 'account' is required: it is part of the endpoint of profile {profile.name}",
            hint="give the whole endpoint instead if you have another one",
        )
    return str(template.value).replace("{region}", region).replace("{account}", table.get("account", ""))


def _addressing(profile: Profile) -> str:
    fact = profile.endpoint.get("addressing")
    return "auto" if fact is None or fact.value in {None, "either"} else str(fact.value)
