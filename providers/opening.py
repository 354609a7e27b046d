"""From a location to an open store: credentials, driver, layers, handle.

The one place that knows which driver speaks which protocol. Drivers are imported when one is opened, because
their SDKs take longer to load than most commands take to run.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Final, Literal, cast

from providers.errors import NotFound, Unauthenticated
from providers.profile import load_profile
from providers.secrets import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from threading import Event

    from providers.driver import StoreDriver
    from providers.layers.limit import AdaptiveLimiter
    from providers.layers.observe import Observer
    from providers.layers.retry import RetryPolicy
    from providers.location import Location
    from providers.sftp_place import SftpPlace
    from providers.sites import Site, Sites
    from providers.store import ObjectStore
    from providers.swift_place import SwiftPlace

__all__ = ["DEFAULT_CONNECTIONS", "Limiters", "open_store"]

DEFAULT_CONNECTIONS: Final = 64
_LOCAL: Final = "file:"
_MACHINE_KNOWN_HOSTS: Final = Path("/etc/ssh/ssh_known_hosts")


class Limiters:
    """One adaptive limiter per endpoint: a store that asks for a slower pace slows all its users."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._by_endpoint: dict[str, AdaptiveLimiter] = {}

    def of(self, endpoint: str, ceiling: int) -> AdaptiveLimiter:
        """The endpoint's limiter; ``ceiling`` (requests in flight) counts for the first who asks."""
        from providers.layers.limit import AdaptiveLimiter  # noqa: PLC0415 - layers load when a store is opened

        with self._lock:
            limiter = self._by_endpoint.get(endpoint)
            if limiter is None:
                limiter = self._by_endpoint[endpoint] = AdaptiveLimiter(ceiling)
            return limiter


def open_store(
    location: Location,
    sites: Sites,
    *,
    environ: Mapping[str, str],
    read_only: bool = False,
    observer: Observer | None = None,
    retry_policy: RetryPolicy | None = None,
    max_connections: int | None = None,
    stop: Event | None = None,
    sleep: Callable[[float], object] | None = None,
) -> ObjectStore:
    """An open handle on a location, under all layers; whoever opens it closes it.

    Nothing is asked of the store yet, except that a directory which is only to be read must be there.

    Args:
        location: Where.
        sites: The configuration; it also holds the pace of each endpoint.
        environ: Where credentials come from.
        read_only: Refuse whatever writes (sources).
        observer: Told about every request.
        retry_policy: How long to go on; None is the default policy.
        max_connections: Most requests in flight; a site may ask for fewer.
        stop: Set when the run is to end.
        sleep: Waits between attempts; by default the stop event's ``wait``, or ``time.sleep``.

    Raises:
        ConfigInvalid: The site is not known.
        Unauthenticated: An environment variable that the site names is not set.
        NotFound: A local directory to be read is not there.
    """
    from providers.layers import open_layers  # noqa: PLC0415 - layers load when a store is opened
    from providers.store import ObjectStore  # noqa: PLC0415 - see above

    site = None if location.site is None else sites.site(location.site)
    connections = max_connections or DEFAULT_CONNECTIONS
    if site is not None and site.max_connections is not None:
        connections = min(connections, site.max_connections)
    if site is None:
        driver = _directory(location, Path(location.bucket), create=not read_only, environ=environ)
    elif site.root is not None:
        driver = _directory(location, site.root / location.bucket, create=not read_only, environ=environ)
    elif site.profile.protocol == "azure_blob":
        driver = _azure(site, location.bucket, environ, connections)
    elif site.swift is not None:
        driver = _swift(site, site.swift, location.bucket, environ, connections)
    elif site.sftp is not None:
        driver = _sftp(site, site.sftp, location.bucket, environ, connections, create=not read_only)
    else:
        driver = _s3(site, location.bucket, environ, connections)
    layered = open_layers(
        driver,
        limiter=sites.limiters.of(site.endpoint or _LOCAL if site else _LOCAL, connections),
        observer=observer,
        read_only=read_only,
        retry_policy=retry_policy,
        stop=stop,
        sleep=sleep,
    )
    return ObjectStore(layered, prefix=location.prefix, location=location.place)


def _credential(site: Site, field: str, environ: Mapping[str, str]) -> Secret | None:
    """The secret behind a credential field; None where the site does not name one."""
    variable = site.variables.get(field)
    if variable is None:
        return None
    value = environ.get(variable)
    if not value:
        raise Unauthenticated(
            f"the environment variable {variable} is not set",
            hint=f"set {variable}, which site {site.name} names as {field}_env, and run the command again",
            location=site.name,
        )
    return Secret(value)


def _directory(location: Location, root: Path, *, create: bool, environ: Mapping[str, str]) -> StoreDriver:
    from providers.drivers.filesystem import FilesystemDriver  # noqa: PLC0415 - loads when opened

    home = environ.get("HOME")
    if root.parts[:1] == ("~",) and home:
        root = Path(home, *root.parts[1:])
    if not create and not root.is_dir():
        raise NotFound("there is no such directory", hint="check the path", location=location.place)
    return FilesystemDriver(root, capabilities=load_profile("filesystem").capabilities(), create=create)


def _s3(site: Site, bucket: str, environ: Mapping[str, str], connections: int) -> StoreDriver:
    from providers.drivers.s3 import S3Driver  # noqa: PLC0415 - loads when opened
    from providers.drivers.s3_settings import S3Settings  # noqa: PLC0415 - loads when opened

    capabilities = site.profile.capabilities()
    # A dot in the bucket's name does not match a wildcard certificate of the endpoint.
    addressing = "path" if "." in bucket else site.addressing
    return S3Driver(
        S3Settings(
            bucket=bucket,
            endpoint_url=site.endpoint,
            region=site.region,
            addressing=cast("Literal['path', 'virtual', 'auto']", addressing),
            aws_profile=site.aws_profile,
            access_key=_credential(site, "access_key", environ),
            secret_key=_credential(site, "secret_key", environ),
            session_token=_credential(site, "session_token", environ),
            ca_bundle=None if site.ca_bundle is None else str(site.ca_bundle),
            capabilities=capabilities,
            if_match_bare=site.profile.quirk("if_match_bare") is True,
            send_sha256=capabilities.verifies_checksum,
            send_md5=site.profile.quirk("verifies_md5") is not False,
            complete_tells_etag=site.profile.vouches("complete_tells_etag"),
            max_connections=connections,
        )
    )


def _azure(site: Site, container: str, environ: Mapping[str, str], connections: int) -> StoreDriver:
    from providers.drivers.azure_blob import AzureBlobDriver  # noqa: PLC0415 - loads when opened
    from providers.drivers.azure_settings import AzureSettings  # noqa: PLC0415 - loads when opened

    return AzureBlobDriver(
        AzureSettings(
            container=container,
            account=site.account,
            endpoint=site.endpoint,
            account_key=_credential(site, "account_key", environ),
            sas=_credential(site, "sas", environ),
            ca_bundle=None if site.ca_bundle is None else str(site.ca_bundle),
            capabilities=site.profile.capabilities(),
            max_connections=connections,
            api_version=site.api_version,
        )
    )


def _sftp(
    site: Site,
    place: SftpPlace,
    bucket: str,
    environ: Mapping[str, str],
    connections: int,
    *,
    create: bool,
) -> StoreDriver:
    from providers.drivers.sftp import SftpDriver, SftpSettings  # noqa: PLC0415 - loads when opened

    home = Path(environ.get("HOME", "/"))

    def own(path: Path | None) -> Path | None:
        return home.joinpath(*path.parts[1:]) if path is not None and path.parts[:1] == ("~",) else path

    known = own(place.known_hosts)
    return SftpDriver(
        SftpSettings(
            place=replace(place, key_file=own(place.key_file)),
            bucket=bucket,
            known_hosts=(home / ".ssh/known_hosts", _MACHINE_KNOWN_HOSTS) if known is None else (known,),
            key_passphrase=_credential(site, "key_passphrase", environ),
            password=_credential(site, "password", environ),
            agent_socket=environ.get("SSH_AUTH_SOCK"),
            capabilities=site.profile.capabilities(),
            max_connections=connections,
            create=create,
        )
    )


def _swift(
    site: Site, place: SwiftPlace, container: str, environ: Mapping[str, str], connections: int
) -> StoreDriver:
    from providers.drivers.swift import SwiftDriver, SwiftSettings  # noqa: PLC0415 - loads when opened

    return SwiftDriver(
        SwiftSettings(
            container=container,
            cloud=place.cloud,
            clouds_file=environ.get("OS_CLIENT_CONFIG_FILE"),
            region=place.region,
            auth_url=place.auth_url,
            user=_credential(site, "user", environ),
            key=_credential(site, "key", environ),
            endpoint=place.endpoint,
            ca_bundle=None if site.ca_bundle is None else str(site.ca_bundle),
            insecure_http=place.insecure_http,
            capabilities=site.profile.capabilities(),
            max_connections=connections,
        )
    )
