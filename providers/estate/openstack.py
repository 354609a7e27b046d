"""An OpenStack cloud of ``clouds.yaml``: compute through apache-libcloud, networks and zones through openstacksdk.

keystoneauth logs in, so every way that ``clouds.yaml`` knows works (password, application credential); its token
goes to the libcloud driver, which never sees a password. All requests pass one gate. What libcloud does not tell
(whether a volume is encrypted) is asked of openstacksdk.
"""

from __future__ import annotations

import functools
import logging
import warnings
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import libcloud
import openstack
from keystoneauth1 import session as keystone
from keystoneauth1.exceptions import EmptyCatalog, EndpointNotFound
from libcloud.compute.drivers.openstack import OpenStack_2_NodeDriver
from openstack.config.loader import OpenStackConfig
from openstack.connection import Connection
from openstack.warnings import RemovedInSDK60Warning

from providers.errors import ConfigInvalid, PermissionDenied, Unsupported
from providers.estate.clean import clean_item
from providers.estate.clouds import guarded_driver, readers_of
from providers.estate.failures import reason_of
from providers.estate.guard import Guard, guarded_session
from providers.estate.model import Absence, Item, Kind, Reason
from providers.estate.source import Listing, Source

__all__ = ["CloudSession", "open_openstack"]

_SERVICES: Final = {
    Kind.NODES: "compute",
    Kind.VOLUMES: "block-storage",
    Kind.IMAGES: "image",
    Kind.NETWORKS: "network",
    Kind.ZONES: "dns",
}


# What these would write to standard error by themselves stands in the reasons of the sections.
for _name in ("keystoneauth", "openstack"):
    logging.getLogger(_name).addHandler(logging.NullHandler())


class CloudSession:
    """A cloud of ``clouds.yaml``, logged in on first use.

    Args:
        cloud: Its name.
        region: Region, or empty for the cloud's own.
        guard: The gate that every request passes.
        clouds_file: The file, or None to look where openstacksdk does.

    Raises:
        ConfigInvalid: ``clouds.yaml`` does not name it, or turns off the verification of certificates.
    """

    def __init__(self, cloud: str, region: str, guard: Guard, clouds_file: str | None = None) -> None:
        self.guard = guard
        files = [clouds_file] if clouds_file else None
        if clouds_file and not Path(clouds_file).is_file():
            raise ConfigInvalid(f"there is no file {clouds_file}, which OS_CLIENT_CONFIG_FILE names")
        named: dict[str, Any] = {"region_name": region} if region else {}
        try:
            with warnings.catch_warnings():
                # It warns of a metrics backend that nobody asked for here.
                warnings.simplefilter("ignore", RemovedInSDK60Warning)
                # What OS_* variables say must not outvote the cloud that the site names.
                config = OpenStackConfig(config_files=files, load_envvars=False)
                self.config = config.get_one(cloud=cloud, **named)
        except openstack.exceptions.ConfigException as error:
            raise ConfigInvalid(
                f"clouds.yaml has no usable cloud {cloud!r}",
                hint="see docs.openstack.org/openstacksdk for where it is looked for ($OS_CLIENT_CONFIG_FILE)",
            ) from error
        if self.config.get_requests_verify_args()[0] is False:
            raise ConfigInvalid(f"cloud {cloud!r} of clouds.yaml does not verify certificates")
        self.requests = guarded_session(guard)
        self.config.set_session_constructor(
            functools.partial(keystone.Session, session=self.requests)  # type: ignore[arg-type] # makes one
        )

    @functools.cached_property
    def session(self) -> Any:
        """The keystoneauth session."""
        return self.config.get_session()

    @functools.cached_property
    def connection(self) -> Connection:
        """Openstacksdk on that session."""
        return Connection(config=self.config)

    def endpoint(self, service: str) -> str | None:
        """Where the catalogue says a service is; None where it says nothing."""
        try:
            found = self.config.get_endpoint(service) or self.session.get_endpoint(
                service_type=service,
                interface=self.config.get_interface(service),
                region_name=self.config.get_region_name(service),
            )
        except (EndpointNotFound, EmptyCatalog):
            return None
        return str(found).rstrip("/") if found else None

    def close(self) -> None:
        """Release the connections."""
        self.requests.close()


def open_openstack(cloud: CloudSession) -> Source:
    """The sections that an OpenStack cloud answers."""
    lazy = functools.cache(lambda: _driver(cloud))
    readers: dict[Kind, Callable[[], Iterable[Item]]] = {
        Kind.NODES: lambda: _needs(cloud, Kind.NODES, lambda: _listed(lazy(), Kind.NODES, cloud)),
        Kind.VOLUMES: lambda: _needs(cloud, Kind.VOLUMES, lambda: _volumes(lazy(), cloud)),
        Kind.IMAGES: lambda: _needs(cloud, Kind.IMAGES, lambda: _listed(lazy(), Kind.IMAGES, cloud)),
        Kind.NETWORKS: lambda: _needs(cloud, Kind.NETWORKS, lambda: _networks(cloud)),
        Kind.ZONES: lambda: _needs(cloud, Kind.ZONES, lambda: _zones(cloud)),
    }
    asked = f"apache-libcloud {libcloud.__version__} and openstacksdk {version('openstacksdk')}"
    return Source(asked=asked, readers=readers, close=cloud.close)


def _needs(cloud: CloudSession, kind: Kind, read: Callable[[], Iterable[Item]]) -> Iterable[Item]:
    if cloud.endpoint(_SERVICES[kind]) is None:
        raise Unsupported(f"the cloud's catalogue names no {_SERVICES[kind]} service")
    return read()


def _driver(cloud: CloudSession) -> Any:
    """Libcloud's driver, with a token that keystoneauth got and the catalogue's own endpoints."""
    compute = cloud.endpoint("compute") or cloud.endpoint("image") or cloud.endpoint("block-storage")
    image = cloud.endpoint("image")
    options = {
        "ex_force_image_url": image.removesuffix("/v2") if image else None,
        "ex_force_volume_url": cloud.endpoint("block-storage"),
    }
    driver = guarded_driver(OpenStack_2_NodeDriver, cloud.guard)(
        "",
        "",
        ex_force_auth_url=cloud.config.get_auth_args()["auth_url"],
        ex_force_auth_token=cloud.session.get_token(),
        ex_force_base_url=compute,
        # Never sent: the driver wants a name before it finds that it has a token.
        ex_tenant_name="of the token",
        **{name: url for name, url in options.items() if url},
    )
    # Otherwise the driver asks a catalogue that it does not have which version there is.
    driver.volume_connection = driver.volumev3_connection
    return driver


def _region(cloud: CloudSession) -> str | None:
    region = cloud.config.get_region_name()
    return str(region) if region else None


def _listed(driver: Any, kind: Kind, cloud: CloudSession) -> Iterable[Item]:
    return readers_of("openstack", driver, _region(cloud))[kind]()


def _volumes(driver: Any, cloud: CloudSession) -> list[Item]:
    """Volumes, and of each whether it is encrypted, which libcloud does not tell."""
    encrypted = {
        volume.id: volume.is_encrypted for volume in cloud.connection.block_storage.volumes(details=True)
    }
    items = []
    for item in _listed(driver, Kind.VOLUMES, cloud):
        known = encrypted.get(item.id)
        items.append(
            Item(
                id=item.id,
                name=item.name,
                region=item.region,
                created=item.created,
                tags=item.tags,
                settings={**item.settings, **({} if known is None else {"encrypted": known})},
                unknown={"encrypted": Absence.FAILED} if known is None else {},
            )
        )
    return items


def _networks(cloud: CloudSession) -> Listing:
    """Networks with their subnets, routers, security groups with their rules, and floating addresses.

    Each of the lists may be refused by itself. Neutron seldom refuses: what a role may not see it leaves out, and
    answers 200 with an empty list. One thing tells: every project has a security group ``default``, made when the
    groups are first listed and never removed, so whoever is shown none was not shown the rest either.
    https://docs.openstack.org/api-ref/network/v2/ "Security groups (security-groups)".
    """
    network, region = cloud.connection.network, _region(cloud)
    readers: dict[str, Callable[[], list[Item]]] = {
        "networks": lambda: _plain_networks(network, region),
        "routers": lambda: _routers(network, region),
        "security groups": lambda: _groups(network, region),
        "floating addresses": lambda: _addresses(network, region),
    }
    found = Listing()
    errors: list[Exception] = []
    for name, read in readers.items():
        try:
            found += read()
        except Exception as error:  # noqa: BLE001 - as in ask(), for one list of several
            why = reason_of(error)
            found.reasons.append(Reason(absence=why.absence, text=f"{name}: {why.text}"))
            errors.append(error)
    if len(errors) == len(readers):
        raise errors[0]
    return found


def _plain_networks(network: Any, region: str | None) -> list[Item]:
    subnets: dict[str, list[str]] = {}
    for subnet in network.subnets():
        subnets.setdefault(subnet.network_id, []).append(subnet.cidr)
    return [
        clean_item(
            identifier=one.id,
            name=one.name,
            region=region,
            created=one.created_at,
            tags=one.tags,
            settings={
                "type": "network",
                "status": one.status,
                "cidrs": subnets.get(one.id, []),
                "external": one.is_router_external,
                "shared": one.is_shared,
                "port_security": one.is_port_security_enabled,
                "mtu": one.mtu,
            },
        )
        for one in network.networks()
    ]


def _routers(network: Any, region: str | None) -> list[Item]:
    return [
        clean_item(
            identifier=one.id,
            name=one.name,
            region=region,
            created=one.created_at,
            tags=one.tags,
            settings={
                "type": "router",
                "status": one.status,
                "external_network": (one.external_gateway_info or {}).get("network_id"),
                "snat": (one.external_gateway_info or {}).get("enable_snat"),
            },
        )
        for one in network.routers()
    ]


def _groups(network: Any, region: str | None) -> list[Item]:
    groups = [
        clean_item(
            identifier=one.id,
            name=one.name,
            region=region,
            created=one.created_at,
            tags=one.tags,
            settings={
                "type": "security-group",
                "rules": [_rule(rule) for rule in one.security_group_rules or ()],
            },
        )
        for one in network.security_groups()
    ]
    if not groups:
        raise PermissionDenied("none was shown, not even the default one: these credentials see nothing here")
    return groups


def _addresses(network: Any, region: str | None) -> list[Item]:
    return [
        clean_item(
            identifier=one.id,
            name=one.floating_ip_address,
            region=region,
            created=one.created_at,
            tags=one.tags,
            settings={"type": "floating-address", "to": one.fixed_ip_address, "status": one.status},
        )
        for one in network.ips()
    ]


def _rule(rule: Any) -> str:
    """One rule as a line: ``ingress IPv4 tcp 22-22 from 10.0.0.0/8``."""
    low, high = rule.get("port_range_min"), rule.get("port_range_max")
    ports = "any" if low is None and high is None else f"{low}-{high}"
    peer = rule.get("remote_ip_prefix") or rule.get("remote_group_id") or "any"
    word = "from" if rule.get("direction") == "ingress" else "to"
    return f"{rule.get('direction')} {rule.get('ethertype')} {rule.get('protocol') or 'any'} {ports} {word} {peer}"


def _zones(cloud: CloudSession) -> list[Item]:
    return [
        clean_item(
            identifier=zone.id,
            name=zone.name,
            region=_region(cloud),
            created=zone.created_at,
            settings={"type": zone.type, "ttl": zone.ttl, "status": zone.status, "serial": zone.serial},
        )
        for zone in cloud.connection.dns.zones()
    ]
