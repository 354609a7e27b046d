"""What an OpenStack holds, read from a real Keystone, Nova, Cinder, Glance and Neutron; what is not there is said."""

import base64
import io
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jsonschema
import openstack
import pytest
import requests
from click.testing import CliRunner
from requests.adapters import BaseAdapter, HTTPAdapter

from migrator.cli.main import havre
from providers.estate.compare import Change, drift
from providers.estate.gather import gather
from providers.estate.guard import Guard
from providers.estate.model import Absence, Estate, Item, Kind, State
from providers.sites import Sites
from support.keystone import REGION
from support.openstack_compute import ComputeCloud, missing_compute

pytestmark = [
    pytest.mark.timeout(900),
    # openstacksdk calls what it deprecates itself.
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),
]
SECRET = "what-the-first-boot-is-told"
SCHEMA = json.loads((Path(__file__).parents[2] / "providers/estate/estate.schema.json").read_text())


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComputeCloud]:
    if reason := missing_compute():
        pytest.skip(reason)
    with ComputeCloud(tmp_path_factory.mktemp("openstack")) as running:
        yield running


@pytest.fixture(scope="module")
def network(cloud: ComputeCloud) -> dict[str, Any]:
    """A network with a subnet, a router and a security group that lets SSH in."""
    made = cloud.call("POST", "/networks", {"network": {"name": "hds-private"}})["network"]
    subnet = {"network_id": made["id"], "ip_version": 4, "cidr": "10.9.0.0/24"}
    cloud.call("POST", "/subnets", {"subnet": subnet})
    router = cloud.call("POST", "/routers", {"router": {"name": "hds-router"}})["router"]
    group = cloud.call("POST", "/security-groups", {"security_group": {"name": "ssh"}})["security_group"]
    rule = {
        "security_group_id": group["id"],
        "direction": "ingress",
        "ethertype": "IPv4",
        "protocol": "tcp",
        "port_range_min": 22,
        "port_range_max": 22,
        "remote_ip_prefix": "192.0.2.0/24",
    }
    cloud.call("POST", "/security-group-rules", {"security_group_rule": rule})
    return {"network": made["id"], "router": router["id"], "group": group["id"]}


def connect(cloud: ComputeCloud, user: str, password: str, project: str) -> Any:
    auth = cloud.keystone.auth(user, password, project)
    return openstack.connect(auth=auth, region_name=REGION, load_yaml_config=False, load_envvars=False)


@pytest.fixture(scope="module")
def deployer(cloud: ComputeCloud) -> Iterator[Any]:
    """The project's user, through openstacksdk."""
    with connect(cloud, "deployer", cloud.password, cloud.project) as connection:
        yield connection


def volume(deployer: Any, name: str, **more: str) -> Any:
    made = deployer.block_storage.create_volume(name=name, size=1, **more)
    return deployer.block_storage.wait_for_status(made, "available", failures=["error"], wait=120)


@pytest.fixture(scope="module")
def holdings(cloud: ComputeCloud, deployer: Any, network: dict[str, Any]) -> dict[str, Any]:
    """Two images, two servers, and two volumes: one in clear at a server, one encrypted."""
    with connect(cloud, "admin", cloud.keystone.password, "admin") as admin:
        flavor = admin.compute.create_flavor(name="small", ram=512, vcpus=1, disk=1)
        luks = admin.block_storage.create_type(name="luks")
        admin.block_storage.create_type_encryption(
            luks, provider="luks", cipher="aes-xts-plain64", key_size=256, control_location="front-end"
        )
    images, servers = {}, {}
    for name in ("debian", "worker-golden"):
        images[name] = deployer.image.create_image(
            name=name,
            data=io.BytesIO(name.encode()),
            disk_format="raw",
            container_format="bare",
            min_disk=1,
            os_distro="debian",
            wait=True,
        )
    for name in ("worker-1", "worker-2"):
        made = deployer.compute.create_server(
            name=name,
            image_id=images["debian"].id,
            flavor_id=flavor.id,
            networks=[{"uuid": network["network"]}],
            metadata={"purpose": "migration"},
            user_data=base64.b64encode(SECRET.encode()).decode(),
        )
        servers[name] = deployer.compute.wait_for_server(made, wait=240)
    volumes = {
        "scratch": volume(deployer, "scratch"),
        "ledger": volume(deployer, "ledger", volume_type="luks"),
    }
    deployer.compute.create_volume_attachment(servers["worker-1"], volume_id=volumes["scratch"].id)
    deployer.block_storage.wait_for_status(volumes["scratch"], "in-use", failures=["error"], wait=120)
    return {"flavor": flavor, "images": images, "servers": servers, "volumes": volumes}


def config(folder: Path) -> Path:
    path = folder / "havre.toml"
    path.write_text(
        '[sites.here]\nprofile = "minio"\nregion = "r"\nendpoint = "http://127.0.0.1:9"\n'
        'access_key_env = "A"\nsecret_key_env = "B"\n[sites.here.estate]\ncloud = "hds"\n'
    )
    return path


class Asker:
    """Asks the cloud, and keeps every request that left."""

    def __init__(
        self,
        cloud: ComputeCloud,
        folder: Path,
        clouds: Path | None = None,
        below: Callable[[], BaseAdapter] = HTTPAdapter,
    ) -> None:
        self.below = below
        self.site = Sites.load(config(folder), {}).site("here")
        self.environ = {"OS_CLIENT_CONFIG_FILE": str(clouds or cloud.clouds), "A": "a", "B": "b"}
        self.sent: list[tuple[str, str]] = []

    def __call__(self) -> Estate:
        found = gather(
            self.site,
            environ=self.environ,
            now=datetime(2026, 11, 22, tzinfo=UTC),
            make_guard=lambda api: Guard(api, record=lambda *one: self.sent.append(one), below=self.below),
        )
        jsonschema.validate(found.to_dict(), SCHEMA)
        return found


def item(estate: Estate, identifier: str, kind: Kind = Kind.NETWORKS) -> Item:
    return next(one for one in estate.section(kind).items if one.id == identifier)


def test_servers_show_with_their_settings(
    cloud: ComputeCloud, holdings: dict[str, Any], network: dict[str, Any], tmp_path: Path
) -> None:
    """Nova gives one server a page, and all are there: state, image, flavour, address, volumes, labels."""
    found = Asker(cloud, tmp_path)()
    section, servers = found.section(Kind.NODES), holdings["servers"]
    assert section.state is State.COMPLETE, section.reasons
    assert {one.id: one.name for one in section.items} == {one.id: name for name, one in servers.items()}
    first = item(found, servers["worker-1"].id, Kind.NODES)
    assert first.settings["status"] == "active"
    assert first.settings["power_state"] == "running"
    assert first.settings["image"] == holdings["images"]["debian"].id
    assert first.settings["flavor"] == holdings["flavor"].id
    assert first.settings["volumes"] == (holdings["volumes"]["scratch"].id,)
    assert first.settings["private_ips"][0].startswith("10.9.0.")  # type: ignore[index, union-attr]
    assert first.tags == {"purpose": "migration"}
    assert first.created is not None
    assert item(found, servers["worker-2"].id, Kind.NODES).settings["volumes"] == ()
    # What a server is told at its first boot, and its password, are nobody's to keep.
    text = json.dumps(found.to_dict())
    assert SECRET not in text
    assert base64.b64encode(SECRET.encode()).decode() not in text
    assert servers["worker-1"].admin_password is None or servers["worker-1"].admin_password not in text


def test_volumes_show_whether_they_are_encrypted(
    cloud: ComputeCloud, holdings: dict[str, Any], tmp_path: Path
) -> None:
    """Cinder gives one volume a page, and all are there: size, type, whose they are, encrypted or not."""
    found = Asker(cloud, tmp_path)()
    section, volumes = found.section(Kind.VOLUMES), holdings["volumes"]
    assert section.state is State.COMPLETE, section.reasons
    assert {one.id: one.name for one in section.items} == {one.id: name for name, one in volumes.items()}
    scratch = item(found, volumes["scratch"].id, Kind.VOLUMES).settings
    ledger = item(found, volumes["ledger"].id, Kind.VOLUMES).settings
    assert (scratch["encrypted"], ledger["encrypted"]) == (False, True)
    assert (scratch["status"], ledger["status"]) == ("in-use", "available")
    assert scratch["attached_to"] == (holdings["servers"]["worker-1"].id,)
    assert (ledger["attached_to"], ledger["size_gib"], ledger["type"]) == ((), 1, "luks")


def test_images_show_with_their_settings(
    cloud: ComputeCloud, holdings: dict[str, Any], tmp_path: Path
) -> None:
    """Glance gives one image a page, and all are there, with whoever may see them."""
    found = Asker(cloud, tmp_path)()
    section, images = found.section(Kind.IMAGES), holdings["images"]
    assert section.state is State.COMPLETE, section.reasons
    assert {one.id: one.name for one in section.items} == {one.id: name for name, one in images.items()}
    debian = item(found, images["debian"].id, Kind.IMAGES).settings
    assert (debian["status"], debian["visibility"], debian["min_disk_gib"]) == ("active", "shared", 1)
    assert debian["os"] == "debian"


def test_a_reader_sees_the_same(cloud: ComputeCloud, holdings: dict[str, Any], tmp_path: Path) -> None:
    """The role reader, which may change nothing, is enough for all of it."""
    password = cloud.keystone.user("auditor", cloud.project_id, "reader")
    audited = Asker(cloud, tmp_path, cloud.clouds_of("auditor", password))()
    assert drift(Asker(cloud, tmp_path)(), audited) == ()


def test_what_a_role_may_not_list_is_a_gap(
    cloud: ComputeCloud, holdings: dict[str, Any], tmp_path: Path
) -> None:
    """Refusals are named section by section; Neutron's empty lists, which refuse nothing, are not taken for none."""
    password = cloud.keystone.user("archivist", cloud.project_id, "archive-only")
    found = Asker(cloud, tmp_path, cloud.clouds_of("archivist", password))()
    for kind in (Kind.NODES, Kind.VOLUMES, Kind.IMAGES):
        section = found.section(kind)
        assert (section.state, section.items) == (State.NOT_ASKED, ())
        assert [one.absence for one in section.reasons] == [Absence.PERMISSION_DENIED]
    networks = found.section(Kind.NETWORKS)
    assert networks.state is State.PARTIAL
    assert [one.absence for one in networks.reasons] == [Absence.PERMISSION_DENIED]
    assert found.short
    # Against what another saw, nothing counts as removed: the gap itself is what differs.
    assert not [one for one in drift(Asker(cloud, tmp_path)(), found) if one.change is Change.REMOVED]


class NoRouters(HTTPAdapter):
    """As a Neutron without the extension for routers answers; the rest is the real one's."""

    def send(self, request: requests.PreparedRequest, *args: Any, **more: Any) -> requests.Response:
        if urlsplit(request.url or "").path.endswith("/routers"):  # type: ignore[arg-type] # text here
            answer = requests.Response()
            answer.status_code, answer.raw, answer.url = 404, io.BytesIO(b"{}"), request.url or ""
            answer.request = request
            return answer
        return super().send(request, *args, **more)


def test_one_list_that_is_refused_leaves_the_others(
    cloud: ComputeCloud, network: dict[str, Any], tmp_path: Path
) -> None:
    """Networks and security groups are told where routers are not known, and that they are not."""
    found = Asker(cloud, tmp_path, below=NoRouters)()
    section = found.section(Kind.NETWORKS)
    assert section.state is State.PARTIAL
    (reason,) = section.reasons
    assert (reason.absence, reason.text.split(":")[0]) == (Absence.NOT_SUPPORTED, "routers")
    assert {one.settings["type"] for one in section.items} == {"network", "security-group"}


def test_a_volume_that_comes_is_drift(
    cloud: ComputeCloud, holdings: dict[str, Any], deployer: Any, tmp_path: Path
) -> None:
    """A volume made between two looks is one finding."""
    asker = Asker(cloud, tmp_path)
    before = asker()
    made = volume(deployer, "later")
    try:
        (finding,) = drift(before, asker())
    finally:
        deployer.block_storage.delete_volume(made)
        deployer.block_storage.wait_for_delete(made, wait=120)
    assert (finding.change, finding.kind, finding.id) == (Change.ADDED, Kind.VOLUMES, made.id)


def test_networks_show_with_their_settings(
    cloud: ComputeCloud, network: dict[str, Any], tmp_path: Path
) -> None:
    """Networks carry their address ranges, security groups their rules; region and time are told."""
    found = Asker(cloud, tmp_path)()
    assert found.section(Kind.NETWORKS).state is State.COMPLETE
    private = item(found, network["network"])
    assert private.name == "hds-private"
    assert private.region == "RegionOne"
    assert private.created is not None
    assert private.settings["cidrs"] == ("10.9.0.0/24",)
    assert private.settings["external"] is False
    assert private.settings["port_security"] is True
    assert item(found, network["router"]).settings["type"] == "router"
    rules = item(found, network["group"]).settings["rules"]
    assert "ingress IPv4 tcp 22-22 from 192.0.2.0/24" in rules  # type: ignore[operator]


def test_services_that_are_not_there_are_not_empty(
    cloud: ComputeCloud, network: dict[str, Any], tmp_path: Path
) -> None:
    """Without Designate in the catalogue its section is not asked, for that reason."""
    section = Asker(cloud, tmp_path)().section(Kind.ZONES)
    assert section.state is State.NOT_ASKED
    assert section.reasons[0].absence is Absence.NOT_SUPPORTED, section


def test_reading_a_cloud_changes_nothing(
    cloud: ComputeCloud, network: dict[str, Any], tmp_path: Path
) -> None:
    """The one POST that leaves is the login, and asking twice gives the same, without any secret."""
    asker = Asker(cloud, tmp_path)
    first = asker()
    posts = {url for method, url in asker.sent if method not in {"GET", "HEAD"}}
    assert posts == {f"{cloud.keystone.url}/auth/tokens"}
    assert drift(first, asker()) == ()
    assert cloud.password not in json.dumps(first.to_dict())


def test_an_opened_port_is_drift(cloud: ComputeCloud, network: dict[str, Any], tmp_path: Path) -> None:
    """A rule that is added between two looks is one finding, which shows it."""
    asker = Asker(cloud, tmp_path)
    before = asker()
    rule = {
        "security_group_id": network["group"],
        "direction": "ingress",
        "ethertype": "IPv4",
        "protocol": "udp",
    }
    made = cloud.call("POST", "/security-group-rules", {"security_group_rule": rule})
    try:
        (finding,) = drift(before, asker())
    finally:
        cloud.call("DELETE", f"/security-group-rules/{made['security_group_rule']['id']}")
    assert (finding.change, finding.id, finding.setting) == (Change.CHANGED, network["group"], "rules")
    assert "ingress IPv4 udp any from any" in finding.after  # type: ignore[operator]


def test_a_wrong_password_is_said(cloud: ComputeCloud, network: dict[str, Any], tmp_path: Path) -> None:
    """A refused login makes every section of the cloud not asked, and names no secret."""
    asker = Asker(cloud, tmp_path)
    clouds = json.loads(cloud.clouds.read_text())
    clouds["clouds"]["hds"]["auth"]["password"] = "not-this-one"
    wrong = tmp_path / "clouds.yaml"
    wrong.write_text(json.dumps(clouds))
    asker.environ["OS_CLIENT_CONFIG_FILE"] = str(wrong)
    found = asker()
    assert found.section(Kind.NETWORKS).reasons[0].absence is Absence.UNAUTHENTICATED
    assert "not-this-one" not in json.dumps(found.to_dict())


def test_the_command_keeps_and_compares(
    cloud: ComputeCloud, network: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What --save keeps is what --against compares; a new network ends the command with 4."""
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(cloud.clouds))
    monkeypatch.setenv("A", "a")
    monkeypatch.setenv("B", "b")
    kept = tmp_path / "before.json"
    line = ["estate", "here", "--config", str(config(tmp_path))]
    first = CliRunner().invoke(havre, [*line, "--save", str(kept)])
    # The store of the site is not there, and that is said.
    assert first.exit_code == 3, first.output
    assert kept.stat().st_mode & 0o777 == 0o600
    made = cloud.call("POST", "/networks", {"network": {"name": "later"}})["network"]["id"]
    try:
        second = CliRunner().invoke(havre, [*line, "--against", str(kept), "--json"])
    finally:
        cloud.call("DELETE", f"/networks/{made}")
    assert second.exit_code == 4, second.output
    (finding,) = json.loads(second.stdout)["drift"]
    assert (finding["change"], finding["id"], finding["name"]) == ("added", made, "later")
