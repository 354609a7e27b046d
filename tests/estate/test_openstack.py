"""An OpenStack's networks, read from a real Keystone and Neutron; what is not there is said."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner

from migrator.cli.main import havre
from providers.estate.compare import Change, drift
from providers.estate.gather import gather
from providers.estate.guard import Guard
from providers.estate.model import Absence, Estate, Item, Kind, State
from providers.sites import Sites
from support.openstack_cloud import OpenStack, missing_cloud

pytestmark = [
    pytest.mark.timeout(900),
    # openstacksdk calls what it deprecates itself.
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),
]
SCHEMA = json.loads((Path(__file__).parents[2] / "providers/estate/estate.schema.json").read_text())


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenStack]:
    if reason := missing_cloud():
        pytest.skip(reason)
    with OpenStack(tmp_path_factory.mktemp("openstack")) as running:
        yield running


@pytest.fixture(scope="module")
def network(cloud: OpenStack) -> dict[str, Any]:
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


def config(folder: Path) -> Path:
    path = folder / "havre.toml"
    path.write_text(
        '[sites.here]\nprofile = "minio"\nregion = "r"\nendpoint = "http://127.0.0.1:9"\n'
        'access_key_env = "A"\nsecret_key_env = "B"\n[sites.here.estate]\ncloud = "hds"\n'
    )
    return path


class Asker:
    """Asks the cloud, and keeps every request that left."""

    def __init__(self, cloud: OpenStack, folder: Path) -> None:
        self.site = Sites.load(config(folder), {}).site("here")
        self.environ = {"OS_CLIENT_CONFIG_FILE": str(cloud.clouds), "A": "a", "B": "b"}
        self.sent: list[tuple[str, str]] = []

    def __call__(self) -> Estate:
        found = gather(
            self.site,
            environ=self.environ,
            now=datetime(2026, 11, 22, tzinfo=UTC),
            make_guard=lambda api: Guard(api, record=lambda *one: self.sent.append(one)),
        )
        jsonschema.validate(found.to_dict(), SCHEMA)
        return found


def item(estate: Estate, identifier: str) -> Item:
    return next(one for one in estate.section(Kind.NETWORKS).items if one.id == identifier)


def test_networks_show_with_their_settings(cloud: OpenStack, network: dict[str, Any], tmp_path: Path) -> None:
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
    cloud: OpenStack, network: dict[str, Any], tmp_path: Path
) -> None:
    """Without Nova, Cinder, Glance and Designate in the catalogue their sections are not asked, for that reason."""
    found = Asker(cloud, tmp_path)()
    for kind in (Kind.NODES, Kind.VOLUMES, Kind.IMAGES, Kind.ZONES):
        section = found.section(kind)
        assert section.state is State.NOT_ASKED
        assert section.reasons[0].absence is Absence.NOT_SUPPORTED, section


def test_reading_a_cloud_changes_nothing(cloud: OpenStack, network: dict[str, Any], tmp_path: Path) -> None:
    """The one POST that leaves is the login, and asking twice gives the same, without any secret."""
    asker = Asker(cloud, tmp_path)
    first = asker()
    posts = {url for method, url in asker.sent if method not in {"GET", "HEAD"}}
    assert posts == {f"{cloud.keystone.url}/auth/tokens"}
    assert drift(first, asker()) == ()
    assert cloud.password not in json.dumps(first.to_dict())


def test_an_opened_port_is_drift(cloud: OpenStack, network: dict[str, Any], tmp_path: Path) -> None:
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


def test_a_wrong_password_is_said(cloud: OpenStack, network: dict[str, Any], tmp_path: Path) -> None:
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
    cloud: OpenStack, network: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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
