"""Who asks: a token and the storage URL it is for, kept fresh.

Two ways: temp auth (version 1: one GET whose answer's headers hold both), and Keystone v3 through openstacksdk's
reading of ``clouds.yaml`` and keystoneauth1's sessions, which know passwords, application credentials and more. A
token is renewed two minutes before it ends, and once when the store refuses it.
"""

from __future__ import annotations

import ssl
import threading
import time
import warnings
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from providers.drivers.s3_wire import Endpoint, Pool
from providers.drivers.swift_errors import SwiftFailure, translate
from providers.drivers.swift_settings import SwiftSettings
from providers.errors import ConfigInvalid, Unavailable
from providers.site_rules import check_endpoint

__all__ = ["Access", "Auth", "Keystone", "TempAuth", "open_auth", "open_pool"]

_RENEW_BEFORE: Final = 120.0
_ASSUMED_LIFE: Final = 1800.0
_OK: Final = range(200, 300)


@dataclass(frozen=True, slots=True)
class Access:
    """A token and where it opens the account; the token stays out of ``repr``."""

    url: str
    token: str = field(repr=False)


class Auth(ABC):
    """Hands out the current access to any thread; one at a time asks for a new one."""

    def __init__(self, settings: SwiftSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._access: Access | None = None
        self._ends = 0.0

    def access(self) -> Access:
        """The access to use now.

        Raises:
            Exception: What ``swift_errors.translate`` knows.
        """
        found = self._access
        if found is not None and time.monotonic() < self._ends - _RENEW_BEFORE:
            return found
        with self._lock:
            return self._current(again=False)

    def renew(self, refused: Access) -> Access:
        """Another access than the one that the store refused; asked for once however many threads were refused."""
        with self._lock:
            if self._access is not refused:
                return self._current(again=False)
            self._access = None
            return self._current(again=True)

    def _current(self, *, again: bool) -> Access:
        if self._access is None or time.monotonic() >= self._ends - _RENEW_BEFORE:
            access, life = self._ask(again=again or self._access is not None)
            where = "the storage URL that authentication tells"
            url = check_endpoint(where, access.url, insecure_http=self._settings.insecure_http)
            # A life shorter than the reserve would ask before each request.
            self._ends = time.monotonic() + max(life, 2 * _RENEW_BEFORE)
            self._access = Access(url, access.token)
        return self._access

    @property
    def authorities(self) -> str | None:
        """PEM file of the authorities to trust; None = the usual ones."""
        return self._settings.ca_bundle

    @abstractmethod
    def close(self) -> None:
        """Release connections."""

    @abstractmethod
    def _ask(self, *, again: bool) -> tuple[Access, float]:
        """Ask for an access and its life in seconds; ``again`` says that what is remembered is not to be used."""


class TempAuth(Auth):
    """Version 1 authentication: ``X-Auth-User`` and ``X-Auth-Key`` against a token.

    Raises:
        ConfigInvalid: User, key or URL is missing, or the URL is plain http to another machine.
    """

    def __init__(self, settings: SwiftSettings) -> None:
        super().__init__(settings)
        if settings.auth_url is None or settings.user is None or settings.key is None:
            raise ConfigInvalid("temp auth wants auth_url, user_env and key_env")
        self._user, self._key = settings.user, settings.key
        url = check_endpoint("auth_url", settings.auth_url, insecure_http=settings.insecure_http)
        self._pool, self._path = open_pool(url, settings, settings.ca_bundle)

    def close(self) -> None:
        """Release connections."""
        self._pool.close()

    def _ask(self, *, again: bool) -> tuple[Access, float]:
        del again
        headers = {
            "Host": self._pool.authority,
            "X-Auth-User": self._user.reveal(),
            "X-Auth-Key": self._key.reveal(),
            "User-Agent": "havre",
        }
        if not all(value.isprintable() for value in headers.values()):
            raise ConfigInvalid("the user or key has characters that a header cannot carry")
        answer = self._pool.exchange("GET", self._path or "/", headers)
        if answer.status not in _OK:
            raise SwiftFailure(answer.status, "auth")
        told = answer.headers
        token = told.get("x-auth-token") or told.get("x-storage-token")
        url = self._settings.endpoint or told.get("x-storage-url")
        if not token or not url:
            raise Unavailable("the authentication service answered without a token")
        life = told.get("x-auth-token-expires", "")
        return Access(url, token), float(life) if life.isdecimal() else _ASSUMED_LIFE


class Keystone(Auth):
    """A cloud of ``clouds.yaml``.

    Raises:
        ConfigInvalid: The file does not describe the cloud, or switches off the verification of certificates.
    """

    def __init__(self, settings: SwiftSettings) -> None:
        super().__init__(settings)
        from openstack.config import OpenStackConfig  # noqa: PLC0415 - takes long to load

        files = None if settings.clouds_file is None else [settings.clouds_file]
        if files is not None and not Path(files[0]).is_file():
            raise ConfigInvalid(f"there is no file {files[0]}, which OS_CLIENT_CONFIG_FILE names")
        named: dict[str, Any] = {} if settings.region is None else {"region_name": settings.region}
        try:
            with warnings.catch_warnings():
                # What the library will drop one day (statistics, of all things) is no news to our users.
                warnings.filterwarnings("ignore", module="openstack")
                # What OS_* variables say must not outvote the cloud that the site names.
                config = OpenStackConfig(config_files=files, load_envvars=False)
                region = config.get_one(cloud=settings.cloud, **named)
                session = region.get_session()
        except Exception as error:
            raise translate(error) from error
        verify, _ = region.get_requests_verify_args()
        if verify is False:
            raise ConfigInvalid(
                "clouds.yaml switches off the verification of certificates",
                hint="remove verify: false; name the authority as cacert if it is your own",
            )
        check_endpoint(
            "auth_url in clouds.yaml",
            str(region.config.get("auth", {}).get("auth_url", "")),
            insecure_http=settings.insecure_http,
        )
        session.timeout = settings.read_timeout
        if settings.ca_bundle is not None:
            session.verify = settings.ca_bundle
        self._authorities = settings.ca_bundle or (verify if isinstance(verify, str) else None)
        self._region: Any = region
        self._session: Any = session

    @property
    def authorities(self) -> str | None:
        """What the site or ``clouds.yaml`` names."""
        return self._authorities

    def close(self) -> None:
        """Release the session's connections."""
        self._session.session.close()

    def _ask(self, *, again: bool) -> tuple[Access, float]:
        session, region = self._session, self._region
        if again:
            session.auth.invalidate()
        access = session.auth.get_access(session)
        url = self._settings.endpoint or session.get_endpoint(
            service_type="object-store",
            interface=region.get_interface("object-store") or "public",
            region_name=region.get_region_name("object-store") or None,
        )
        if not url:
            raise ConfigInvalid(
                "the cloud's catalogue names no object store for this region",
                hint="check region_name in clouds.yaml, or name the storage URL as endpoint of the site",
            )
        left = (access.expires - datetime.now(UTC)).total_seconds()
        return Access(str(url), str(access.auth_token)), left


def open_auth(settings: SwiftSettings) -> Auth:
    """The authentication that these settings ask for; nothing is sent.

    Raises:
        ConfigInvalid: They ask for none, or for two.
    """
    if (settings.cloud is None) == (settings.auth_url is None):
        raise ConfigInvalid("a Swift site names either a cloud or an auth_url")
    return TempAuth(settings) if settings.cloud is None else Keystone(settings)


class HostPool(Pool):
    """Connections to one host, which know its name."""

    authority: str = ""


def open_pool(url: str, settings: SwiftSettings, authorities: str | None) -> tuple[HostPool, str]:
    """Connections to the host of a URL, and the URL's path without a trailing slash.

    Raises:
        ConfigInvalid: The environment names a proxy of a kind that is not spoken to.
        OSError: The file of authorities cannot be read.
    """
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    proxy = None if proxy_bypass(parts.netloc) else getproxies().get(parts.scheme)
    if proxy is not None and not proxy.startswith("http://"):
        raise ConfigInvalid("only http:// proxies are spoken to")
    endpoint = Endpoint(parts.scheme, parts.hostname or "", parts.port or (443 if secure else 80), proxy)
    pool = HostPool(
        endpoint,
        trust=_trust(authorities) if secure else None,
        keep=settings.max_connections,
        connect_timeout=settings.connect_timeout,
        read_timeout=settings.read_timeout,
    )
    pool.authority = endpoint.authority
    return pool, parts.path.rstrip("/")


def _trust(authorities: str | None) -> ssl.SSLContext:
    if authorities is None:
        import certifi  # noqa: PLC0415 - plain http needs none

        authorities = certifi.where()
    return ssl.create_default_context(cafile=authorities)
