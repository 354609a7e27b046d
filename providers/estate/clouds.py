"""Compute and DNS through apache-libcloud, every request behind the gate of ``guard.py``.

A driver is used through a subclass whose connections carry the gate; what a driver sends beside its connections
(Outscale's calls, OVHcloud's clock) is sent through the gate by the subclass.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import libcloud
from libcloud.http import LibcloudConnection

from providers.errors import ConfigInvalid
from providers.estate.guard import Guard, GuardedAdapter, guarded_session
from providers.estate.model import Item, Kind
from providers.estate.settings import EstateSettings
from providers.estate.shapes import SHAPES, read_shape
from providers.estate.source import Source

__all__ = ["MakeGuard", "dns_source", "guarded_driver", "open_cloud", "readers_of"]

MakeGuard = Callable[[str], Guard]
"""From the name of an API to its gate."""

_TIMEOUT: Final = 60.0
_LISTS: Final = {
    Kind.NODES: "list_nodes",
    Kind.VOLUMES: "list_volumes",
    Kind.IMAGES: "list_images",
}
_LACKS: Final[Mapping[str, Mapping[Kind, str]]] = {
    "azure": {Kind.IMAGES: "the driver lists the marketplace, not the images of a subscription"},
    "ovh": {Kind.NETWORKS: "the driver has no notion of networks"},
    "scaleway": {Kind.NETWORKS: "the driver has no notion of networks"},
}


def guarded_driver(driver: Any, guard: Guard) -> Any:
    """A driver class like this one, whose connections carry the gate."""

    class Connection(LibcloudConnection):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)  # type: ignore[no-untyped-call] # libcloud has no types here
            session: Any = self.session
            for scheme in ("https://", "http://"):
                session.mount(scheme, GuardedAdapter(guard))

    changed = {
        name: type(getattr(driver, name).__name__, (getattr(driver, name),), {"conn_class": Connection})
        for name in dir(driver)
        if name.endswith("onnectionCls")
    }
    return type(driver.__name__, (driver,), changed)


def readers_of(api: str, driver: Any, region: str | None = None) -> dict[Kind, Callable[[], Iterable[Item]]]:
    """The sections that a driver answers, by the shapes known of its API."""

    def reader(kind: Kind, listing: Callable[[], Any]) -> Callable[[], Iterable[Item]]:
        shape = SHAPES[api, kind]
        return lambda: [read_shape(shape, thing, region=region) for thing in listing()]

    return {
        kind: reader(kind, getattr(driver, method))
        for kind, method in _LISTS.items()
        if (api, kind) in SHAPES
    }


def open_cloud(settings: EstateSettings, environ: Mapping[str, str], make_guard: MakeGuard) -> Source:
    """The cloud that an estate table names; OpenStack is opened by ``openstack.py`` instead.

    Raises:
        ConfigInvalid: The cloud is not known here.
        Unauthenticated: A variable that the table names is not set.
    """
    api = settings.compute
    opener = _OPENERS.get(api)
    if opener is None:
        raise ConfigInvalid(f"no estate driver is called {api!r}")
    driver = opener(settings, environ, make_guard(api))
    readers = readers_of(api, driver, settings.region or None)
    if api == "ec2":
        shape = SHAPES[api, Kind.IMAGES]
        readers[Kind.IMAGES] = lambda: [read_shape(shape, one) for one in driver.list_images(ex_owner="self")]
    listing = {"azure": "ex_list_networks", "ec2": "ex_list_networks", "outscale": "ex_list_nets"}.get(api)
    if listing is not None:
        networks = SHAPES[api, Kind.NETWORKS]
        readers[Kind.NETWORKS] = lambda: [
            read_shape(networks, one, region=settings.region or None) for one in getattr(driver, listing)()
        ]
    return Source(asked=_asked(driver), readers=readers, lacks=_LACKS.get(api, {}))


def dns_source(settings: EstateSettings, environ: Mapping[str, str], make_guard: MakeGuard) -> Source:
    """The DNS service that an estate table names.

    Raises:
        Unauthenticated: A variable that the table names is not set.
    """
    driver = _open_dns(settings, environ, make_guard("dns"))
    shape = SHAPES["dns", Kind.ZONES]
    return Source(
        asked=_asked(driver),
        readers={Kind.ZONES: lambda: [read_shape(shape, zone) for zone in driver.list_zones()]},
    )


def _asked(driver: Any) -> str:
    return f"apache-libcloud {libcloud.__version__}, {driver.name}"


def _pair(settings: EstateSettings, environ: Mapping[str, str], prefix: str = "") -> tuple[str, str]:
    user, key = (settings.secret(f"{prefix}{name}", environ) for name in ("user", "key"))
    return user.reveal() if user else "", key.reveal() if key else ""


def _where(endpoint: str) -> dict[str, Any]:
    """An endpoint as drivers take it."""
    if not endpoint:
        return {}
    parts = urlsplit(endpoint)
    secure = parts.scheme == "https"
    return {"host": parts.hostname, "port": parts.port or (443 if secure else 80), "secure": secure}


def _open_azure(settings: EstateSettings, environ: Mapping[str, str], guard: Guard) -> Any:
    from libcloud.compute.drivers.azure_arm import AzureNodeDriver  # noqa: PLC0415 - loads when used

    user, key = _pair(settings, environ)
    return guarded_driver(AzureNodeDriver, guard)(
        tenant_id=settings.tenant, subscription_id=settings.subscription, key=user, secret=key
    )


def _open_ec2(settings: EstateSettings, environ: Mapping[str, str], guard: Guard) -> Any:
    from libcloud.compute.drivers.ec2 import NAMESPACE, EC2NodeDriver  # noqa: PLC0415 - loads when used

    user, key = _pair(settings, environ)
    driver = guarded_driver(EC2NodeDriver, guard)
    driver.connectionCls.responseCls = _of_namespace(driver.connectionCls.responseCls, NAMESPACE)
    return driver(
        user,
        key,
        region=settings.region,
        signature_version="4",
        timeout=_TIMEOUT,
        **_where(settings.endpoint),
    )


def _of_namespace(response: Any, namespace: str) -> Any:
    """A response class that refuses XML of another namespace, in which the driver would find nothing at all."""

    class Checked(response):  # type: ignore[misc] # a class of libcloud's
        def parse_body(self) -> Any:
            root = super().parse_body()
            if not str(getattr(root, "tag", "")).startswith(f"{{{namespace}}}"):
                raise ValueError("the answer is of another namespace")
            return root

    return Checked


def _open_outscale(settings: EstateSettings, environ: Mapping[str, str], guard: Guard) -> Any:
    from libcloud.compute.drivers.outscale import OutscaleNodeDriver  # noqa: PLC0415 - loads when used

    session = guarded_session(guard)

    class Outscale(OutscaleNodeDriver):
        def _call_api(self, action: str, data: str) -> Any:
            # The driver's own way knows no time limit, and hands errors out as if they were answers.
            endpoint = self._get_outscale_endpoint(self.region, self.version, action)
            answer = session.post(
                endpoint, data=data, headers=self._ex_generate_headers(action, data), timeout=_TIMEOUT
            )
            answer.raise_for_status()
            return answer

    user, key = _pair(settings, environ)
    return Outscale(key=user, secret=key, region=settings.region)


def _open_ovh(settings: EstateSettings, environ: Mapping[str, str], guard: Guard) -> Any:
    from libcloud.compute.drivers.ovh import OvhNodeDriver  # noqa: PLC0415 - loads when used

    user, key = _pair(settings, environ)
    consumer = settings.secret("consumer_key", environ)
    driver = guarded_driver(OvhNodeDriver, guard)
    session = guarded_session(guard)
    skew: list[int] = []

    def timestamp(connection: Any) -> int:
        # The driver's own way makes a connection apart, beside the gate.
        if not skew:
            clock = session.get(f"https://{connection.host}/1.0/auth/time", timeout=_TIMEOUT)
            clock.raise_for_status()
            skew.append(int(clock.text) - _now())
        return _now() + skew[0]

    driver.connectionCls.get_timestamp = timestamp
    return driver(
        user, key, ex_project_id=settings.project, ex_consumer_key=consumer.reveal() if consumer else ""
    )


def _now() -> int:
    return int(time.time())


def _open_scaleway(settings: EstateSettings, environ: Mapping[str, str], guard: Guard) -> Any:
    from libcloud.compute.drivers.scaleway import ScalewayNodeDriver  # noqa: PLC0415 - loads when used

    _, key = _pair(settings, environ)
    driver = guarded_driver(ScalewayNodeDriver, guard)
    # The driver knows only the hosts of before the zones; the instance API answers the same paths below each.
    # https://www.scaleway.com/en/developers/api/instances/
    driver.connectionCls.host = "api.scaleway.com"
    driver.connectionCls.morph_action_hook = lambda _, action: f"/instance/v1/zones/{settings.region}{action}"
    return driver(settings.project, key)


def _open_dns(settings: EstateSettings, environ: Mapping[str, str], guard: Guard) -> Any:
    user, key = _pair(settings, environ, "dns_")
    if settings.dns == "route53":
        from libcloud.dns.drivers.route53 import NAMESPACE, Route53DNSDriver  # noqa: PLC0415 - loads when used

        driver = guarded_driver(Route53DNSDriver, guard)
        driver.connectionCls.responseCls = _of_namespace(driver.connectionCls.responseCls, NAMESPACE)
        return driver(user, key, **_where(settings.dns_endpoint))
    if settings.dns == "powerdns":
        from libcloud.dns.drivers.powerdns import PowerDNSDriver  # noqa: PLC0415 - loads when used

        return guarded_driver(PowerDNSDriver, guard)(key, api_version="v1", **_where(settings.dns_endpoint))
    from libcloud.dns.drivers.gandi_live import GandiLiveDNSDriver  # noqa: PLC0415 - loads when used

    return guarded_driver(GandiLiveDNSDriver, guard)(key)


_OPENERS: Final[Mapping[str, Callable[[EstateSettings, Mapping[str, str], Guard], Any]]] = {
    "azure": _open_azure,
    "ec2": _open_ec2,
    "outscale": _open_outscale,
    "ovh": _open_ovh,
    "scaleway": _open_scaleway,
}
