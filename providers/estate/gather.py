"""One site's estate: every section asked of whoever knows it, each failure kept where it belongs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from providers.errors import ConfigInvalid, Unauthenticated
from providers.estate.failures import reason_of
from providers.estate.guard import Guard, guarded_session
from providers.estate.model import Absence, Estate, Kind, Section
from providers.estate.settings import EstateSettings
from providers.estate.source import Source, ask
from providers.secrets import Secret

if TYPE_CHECKING:
    from providers.estate.clouds import MakeGuard
    from providers.sites import Site
    from providers.swift_place import SwiftPlace

__all__ = ["gather"]

_STORE_KINDS = (Kind.STORES, Kind.BUCKETS)
_CLOUD_KINDS = (Kind.NODES, Kind.VOLUMES, Kind.IMAGES, Kind.NETWORKS)


def gather(
    site: Site,
    *,
    environ: Mapping[str, str],
    now: datetime,
    make_guard: Callable[[str], Guard] = Guard,
    on_section: Callable[[Section], None] = lambda _: None,
) -> Estate:
    """Ask a site what it holds. Nothing is changed: every request passes a gate that lets reads through only.

    Args:
        site: Whom to ask.
        environ: Where credentials come from.
        now: The time to note.
        make_guard: Makes the gate of an API.
        on_section: Told each section as it is known.

    Raises:
        ConfigInvalid: The site's tables make no sense together.
    """
    clouds = _Lazy(lambda: _cloud(site, environ, make_guard))
    stores = _Lazy(lambda: _stores(site, environ, make_guard))
    zones = _Lazy(lambda: _zones(site, environ, make_guard, clouds))
    order = {**dict.fromkeys(_CLOUD_KINDS, clouds), Kind.ZONES: zones, **dict.fromkeys(_STORE_KINDS, stores)}
    sections = []
    try:
        for kind in Kind:
            section = order[kind].section(kind)
            on_section(section)
            sections.append(section)
    finally:
        for one in (clouds, stores, zones):
            one.close()
    return Estate(site=site.name, profile=site.profile.name, asked_at=now, sections=tuple(sections))


class _Lazy:
    """A source that is opened when its first section is asked; failing to open is what its sections say."""

    def __init__(self, opener: Callable[[], Source | None]) -> None:
        self._opener = opener
        self._opened = False
        self._source: Source | None = None
        self._error: Exception | None = None

    def section(self, kind: Kind) -> Section:
        source = self.source()
        if self._error is not None:
            why = reason_of(self._error)
            return Section.not_asked(kind, why.absence, why.text)
        if source is None:
            return Section.not_asked(kind, Absence.NOT_CONFIGURED, "the site names no credential for this")
        return ask(source, kind)

    def source(self) -> Source | None:
        if not self._opened:
            self._opened = True
            try:
                self._source = self._opener()
            except ConfigInvalid:
                raise
            except Exception as error:  # noqa: BLE001 - drivers log in while they are made, each with its own errors
                self._error = error
        return self._source

    def close(self) -> None:
        if self._source is not None:
            self._source.close()


def _settings(site: Site) -> EstateSettings | None:
    """The estate table, or the cloud that a Swift site itself names."""
    place = site.swift
    if place is None or place.cloud is None or (site.estate is not None and site.estate.compute):
        return site.estate
    own = EstateSettings(compute="openstack", cloud=place.cloud, region=place.region or "")
    if site.estate is None:
        return own
    return replace(site.estate, compute=own.compute, cloud=own.cloud, region=own.region)


def _cloud(site: Site, environ: Mapping[str, str], make_guard: MakeGuard) -> Source | None:
    settings = _settings(site)
    if settings is None or not settings.compute:
        return None
    if settings.compute == "openstack":
        from providers.estate.openstack import CloudSession, open_openstack  # noqa: PLC0415 - loads when used

        return open_openstack(
            CloudSession(
                settings.cloud,
                settings.region,
                make_guard("openstack"),
                environ.get("OS_CLIENT_CONFIG_FILE"),
            )
        )
    from providers.estate.clouds import open_cloud  # noqa: PLC0415 - loads when used

    return open_cloud(settings, environ, make_guard)


def _zones(site: Site, environ: Mapping[str, str], make_guard: MakeGuard, clouds: _Lazy) -> Source | None:
    settings = _settings(site)
    if settings is not None and settings.dns:
        from providers.estate.clouds import dns_source  # noqa: PLC0415 - loads when used

        return dns_source(settings, environ, make_guard)
    # A cloud's own DNS service; the cloud is closed by whoever opened it.
    source = clouds.source()
    if source is None:
        return None
    return Source(asked=source.asked, readers=source.readers, lacks=source.lacks)


def _stores(site: Site, environ: Mapping[str, str], make_guard: MakeGuard) -> Source | None:
    protocol = str(site.profile.protocol)
    if protocol == "s3":
        from providers.estate.buckets_s3 import open_s3  # noqa: PLC0415 - loads when used

        names = ("access_key", "secret_key", "session_token")
        access, secret, token = (_credential(site, name, environ) for name in names)
        return open_s3(site, (access, secret, token), make_guard("s3"))
    if protocol == "azure_blob":
        return _azure(site, environ, make_guard)
    if site.swift is not None:
        return _swift(site, site.swift, environ, make_guard)
    text = f"a site of protocol {protocol} has no buckets with settings"
    return Source(asked=protocol, readers={}, lacks=dict.fromkeys(_STORE_KINDS, text))


def _azure(site: Site, environ: Mapping[str, str], make_guard: MakeGuard) -> Source:
    from providers.drivers.azure_auth import open_signer  # noqa: PLC0415 - loads when used
    from providers.drivers.azure_settings import AzureSettings  # noqa: PLC0415 - loads when used
    from providers.estate.buckets_azure import open_azure_blob  # noqa: PLC0415 - loads when used

    settings = AzureSettings(
        container="",
        account=site.account,
        endpoint=site.endpoint,
        account_key=_credential(site, "account_key", environ),
        sas=_credential(site, "sas", environ),
        api_version=site.api_version,
        ca_bundle=None if site.ca_bundle is None else str(site.ca_bundle),
        max_connections=4,
    )
    return open_azure_blob(settings, open_signer(settings), make_guard("azure_blob"))


def _swift(site: Site, place: SwiftPlace, environ: Mapping[str, str], make_guard: MakeGuard) -> Source:
    from providers.estate.buckets_swift import open_swift, temp_auth  # noqa: PLC0415 - loads when used

    guard = make_guard("swift")
    guard.insecure_http = guard.insecure_http or place.insecure_http
    bundle = None if site.ca_bundle is None else str(site.ca_bundle)
    if place.cloud is not None:
        from providers.estate.openstack import CloudSession  # noqa: PLC0415 - loads when used

        opened = CloudSession(place.cloud, place.region or "", guard, environ.get("OS_CLIENT_CONFIG_FILE"))

        def access() -> tuple[str, str]:
            url = place.endpoint or opened.endpoint("object-store")
            if not url:
                raise NotImplementedError
            return url, str(opened.session.get_token())

        session, asked = opened.requests, f"Swift of cloud {place.cloud}"
    else:
        user, key = _credential(site, "user", environ), _credential(site, "key", environ)
        if place.auth_url is None or user is None or key is None:
            raise Unauthenticated("the site names neither a cloud nor a temp auth user")
        session, asked = guarded_session(guard), "Swift with temp auth"
        access = temp_auth(session, place.auth_url, user, key, place.endpoint)
    if bundle is not None:
        session.verify = bundle
    return open_swift(session, access, asked)


def _credential(site: Site, field: str, environ: Mapping[str, str]) -> Secret | None:
    variable = site.variables.get(field)
    if variable is None:
        return None
    value = environ.get(variable)
    if not value:
        raise Unauthenticated(
            f"the environment variable {variable} is not set",
            hint=f"set {variable}, which site {site.name} names as {field}_env",
        )
    return Secret(value)
