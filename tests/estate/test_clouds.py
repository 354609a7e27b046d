"""Clouds and DNS through apache-libcloud, every request behind the gate.

These clouds cannot run here (OpenStack can: ``test_openstack.py``). Their answers are the recordings that come with
apache-libcloud itself (``libcloud/test/*/fixtures``), except for Outscale, of which it has none: there the answer is
written after the examples of docs.outscale.com/api (ReadVms, ReadVolumes, ReadImages, ReadNets).
"""

import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jsonschema
import libcloud
import pytest
import requests
from requests.adapters import BaseAdapter

from providers.estate.gather import gather
from providers.estate.guard import Guard
from providers.estate.model import Absence, Estate, Kind, State
from providers.sites import Sites
from support.endpoints import S3Server

SCHEMA = json.loads((Path(__file__).parents[2] / "providers/estate/estate.schema.json").read_text())
RECORDED = Path(libcloud.__file__).parent / "test/compute/fixtures"
ENVIRON = {"USER_": "AKUSER", "KEY_": "very-secret-key", "CONSUMER": "consumer", "A": "a", "B": "b"}
Answer = Callable[[str, str], tuple[int, Any] | None]


class Replaying(BaseAdapter):
    """Answers from recordings, and keeps what was asked."""

    def __init__(self, answer: Answer, sent: list[tuple[str, str]]) -> None:
        super().__init__()
        self.answer, self.sent = answer, sent

    def send(self, request: requests.PreparedRequest, **_: object) -> requests.Response:  # type: ignore[override]
        url = request.url or ""
        self.sent.append((request.method or "", url.partition("?")[0]))
        status, body = self.answer(request.method or "", url) or (404, {"message": "not recorded"})
        response = requests.Response()
        response.status_code = status
        text = body if isinstance(body, str) else json.dumps(body)
        response.raw = io.BytesIO(text.encode())
        response.headers["Content-Type"] = "application/json"
        # Keystone hands a token out in this header; the others do not look at it.
        response.headers["X-Subject-Token"] = "t0ken"
        response.url, response.request = url, request
        return response

    def close(self) -> None:
        pass


def recorded(*names: str) -> Any:
    return json.loads(RECORDED.joinpath(*names).read_text())


def ask(table: str, folder: Path, answer: Answer | None = None) -> tuple[Estate, list[tuple[str, str]]]:
    config = folder / "havre.toml"
    config.write_text(
        '[sites.here]\nprofile = "minio"\nregion = "r"\nendpoint = "http://127.0.0.1:9"\n'
        f'access_key_env = "A"\nsecret_key_env = "B"\n[sites.here.estate]\n{table}'
    )
    sent: list[tuple[str, str]] = []

    def make_guard(api: str) -> Guard:
        if answer is None:
            return Guard(api, record=lambda *one: sent.append(one))
        return Guard(api, below=lambda: Replaying(answer, sent))

    found = gather(
        Sites.load(config, {}).site("here"),
        environ=ENVIRON,
        now=datetime(2026, 11, 22, tzinfo=UTC),
        make_guard=make_guard,
    )
    printed = found.to_dict()
    jsonschema.validate(printed, SCHEMA)
    assert "very-secret-key" not in json.dumps(printed)
    return found, sent


EC2 = 'compute = "ec2"\nregion = "us-east-1"\nuser_env = "USER_"\nkey_env = "KEY_"\n'


def test_ec2_is_read(tmp_path: Path) -> None:
    """Recorded instances and volumes become items; every call is a GET of a Describe action."""
    pages = {
        "DescribeInstances": "describe_instances.xml",
        "DescribeVolumes": "describe_volumes.xml",
        "DescribeImages": "describe_images.xml",
        "DescribeVpcs": "describe_vpcs.xml",
        "DescribeAddresses": "describe_addresses_all.xml",
    }

    def answer(method: str, url: str) -> tuple[int, Any] | None:
        action = parse_qs(urlsplit(url).query)["Action"][0]
        return 200, (RECORDED / "ec2" / pages[action]).read_text()

    found, sent = ask(EC2, tmp_path, answer)
    node = found.section(Kind.NODES).items[0]
    assert node.id.startswith("i-")
    assert node.settings["status"] == "stopped"
    assert node.region
    assert {one.settings["size_gib"] for one in found.section(Kind.VOLUMES).items} == {1, 8, 11}
    assert all(one.settings["type"] == "network" for one in found.section(Kind.NETWORKS).items)
    assert found.section(Kind.IMAGES).items
    assert {method for method, _ in sent} == {"GET"}


@pytest.mark.server("moto")
def test_another_dialect_is_no_empty_list(moto: S3Server, tmp_path: Path) -> None:
    """A server whose answers are of another XML namespace is not understood; it is not taken to hold nothing."""
    found, sent = ask(f'{EC2}endpoint = "{moto.endpoint}"\n', tmp_path)
    for kind in (Kind.NODES, Kind.VOLUMES, Kind.NETWORKS):
        assert found.section(kind).state is State.NOT_ASKED
        assert found.section(kind).reasons[0].absence is Absence.FAILED
    assert sent


ZONES = {
    "route53": ("route53/list_zones.xml", 'dns_user_env = "USER_"\n'),
    "gandi_live": ("gandi_live/list_zones.json", ""),
    "powerdns": ("powerdns/list_zones.json", 'dns_endpoint = "https://dns.example.org"\n'),
}


@pytest.mark.parametrize("service", sorted(ZONES))
def test_dns_zones_are_read(service: str, tmp_path: Path) -> None:
    """Recorded zones of each DNS service become items, by GET alone."""
    page, more = ZONES[service]
    text = (RECORDED.parents[1] / "dns/fixtures" / page).read_text()
    found, sent = ask(f'dns = "{service}"\ndns_key_env = "KEY_"\n{more}', tmp_path, lambda *_: (200, text))
    section = found.section(Kind.ZONES)
    assert section.state is State.COMPLETE, section
    assert section.items
    assert all("." in zone.name for zone in section.items)
    assert {method for method, _ in sent} == {"GET"}


def test_ovh_is_read(tmp_path: Path) -> None:
    """Recorded instances, volumes and images become items; the clock is asked through the gate too."""
    pages = {
        "/1.0/auth/time": (RECORDED / "ovh/auth_time_get.json").read_text(),
        "/1.0/cloud/project/p1/instance": recorded("ovh", "instance_get.json"),
        "/1.0/cloud/project/p1/volume": recorded("ovh", "volume_get.json"),
        "/1.0/cloud/project/p1/image": recorded("ovh", "image_get.json"),
    }

    def answer(method: str, url: str) -> tuple[int, Any] | None:
        page = pages.get(urlsplit(url).path)
        return None if page is None else (200, page)

    table = 'compute = "ovh"\nproject = "p1"\nuser_env = "USER_"\nkey_env = "KEY_"\nconsumer_key_env = "CONSUMER"\n'
    found, sent = ask(table, tmp_path, answer)
    (node, _) = found.section(Kind.NODES).items
    assert node.region == "SBG-1"
    assert node.created == "2015-05-29T11:40:48+00:00"
    assert node.settings["addresses"] == ("92.0.0.2",)
    (volume,) = found.section(Kind.VOLUMES).items
    assert volume.settings["size_gib"] == 10
    assert found.section(Kind.NETWORKS).reasons[0].absence is Absence.NOT_SUPPORTED
    assert {method for method, _ in sent} == {"GET"}
    assert any(url.endswith("/auth/time") for _, url in sent)


def test_scaleway_is_read_from_its_zone(tmp_path: Path) -> None:
    """Recorded servers, volumes and images become items, asked of the zone's own paths."""
    pages = {name: recorded("scaleway", f"list_{page}.json") for name, page in
             (("servers", "nodes"), ("volumes", "volumes"), ("images", "images"))}  # fmt: skip

    def answer(method: str, url: str) -> tuple[int, Any] | None:
        base, _, name = urlsplit(url).path.rpartition("/")
        return (200, pages[name]) if base == "/instance/v1/zones/fr-par-1" else None

    table = 'compute = "scaleway"\nproject = "p1"\nregion = "fr-par-1"\nkey_env = "KEY_"\n'
    found, sent = ask(table, tmp_path, answer)
    assert found.section(Kind.NODES).state is State.COMPLETE, found.section(Kind.NODES)
    node = found.section(Kind.NODES).items[0]
    assert set(node.tags) == {"test", "www"}
    assert node.settings["architecture"] == "arm"
    assert found.section(Kind.VOLUMES).items
    assert found.section(Kind.IMAGES).items
    assert {urlsplit(url).hostname for _, url in sent} == {"api.scaleway.com"}


def test_azure_is_read(tmp_path: Path) -> None:
    """Recorded disks and networks become items; the one POST is the login."""

    def answer(method: str, url: str) -> tuple[int, Any] | None:
        path = urlsplit(url).path
        if path.endswith("/oauth2/token"):
            return 200, {"access_token": "t0ken", "expires_on": "99999999999"}
        if path.endswith("/disks"):
            return 200, {
                "value": recorded(
                    "azure_arm", "_subscriptions_99999999_providers_Microsoft_Compute_disks.json"
                )["value"]
            }
        if path.endswith("/virtualnetworks"):
            return 200, recorded(
                "azure_arm", "_subscriptions_99999999_providers_Microsoft_Network_virtualnetworks.json"
            )
        if path.endswith("/virtualMachines"):
            return 200, {"value": []}
        return None

    table = (
        'compute = "azure"\ntenant = "77"\nsubscription = "99999999"\nuser_env = "USER_"\nkey_env = "KEY_"\n'
    )
    found, sent = ask(table, tmp_path, answer)
    volume = found.section(Kind.VOLUMES).items[0]
    assert volume.region == "eastus"
    assert volume.settings["size_gib"] == 31
    (network,) = found.section(Kind.NETWORKS).items
    assert network.settings["cidrs"] == ("10.39.0.0/16",)
    assert network.region == "westus2"
    assert found.section(Kind.NODES).state is State.COMPLETE
    assert found.section(Kind.IMAGES).state is State.NOT_ASKED
    assert [url for method, url in sent if method != "GET"] == [
        "https://login.microsoftonline.com/77/oauth2/token"
    ]
    assert "t0ken" not in json.dumps(found.to_dict())


OUTSCALE: dict[str, Any] = {
    "ReadVms": {
        "Vms": [
            {
                "VmId": "i-12345678",
                "State": "running",
                "VmType": "tinav5.c1r1p2",
                "ImageId": "ami-12345678",
                "KeypairName": "bastion",
                "UserData": "aHVudGVyMg==",
                "NetId": "vpc-12345678",
                "SubnetId": "subnet-12345678",
                "PrivateIp": "10.0.0.4",
                "CreationDate": "2026-01-02T03:04:05.678Z",
                "DeletionProtection": True,
                "Placement": {"SubregionName": "cloudgouv-eu-west-1a", "Tenancy": "default"},
                "SecurityGroups": [{"SecurityGroupId": "sg-12345678", "SecurityGroupName": "x"}],
                "BlockDeviceMappings": [{"DeviceName": "/dev/sda1", "Bsu": {"VolumeId": "vol-12345678"}}],
                "Tags": [{"Key": "Name", "Value": "bastion"}],
            }
        ]
    },
    "ReadVolumes": {
        "Volumes": [
            {
                "VolumeId": "vol-12345678",
                "Size": 50,
                "State": "in-use",
                "VolumeType": "gp2",
                "SubregionName": "cloudgouv-eu-west-1a",
                "LinkedVolumes": [{"VmId": "i-12345678"}],
                "Tags": [],
            }
        ]
    },
    "ReadImages": {"Images": []},
    "ReadNets": {
        "Nets": [{"NetId": "vpc-12345678", "IpRange": "10.0.0.0/16", "State": "available", "Tags": []}]
    },
}


def test_outscale_is_read_by_its_reading_posts(tmp_path: Path) -> None:
    """Outscale reads by POST: only Read calls leave, and user data is not kept."""

    def answer(method: str, url: str) -> tuple[int, Any] | None:
        page = OUTSCALE.get(urlsplit(url).path.rpartition("/")[2])
        return None if page is None else (200, page)

    table = 'compute = "outscale"\nregion = "cloudgouv-eu-west-1"\nuser_env = "USER_"\nkey_env = "KEY_"\n'
    found, sent = ask(table, tmp_path, answer)
    (node,) = found.section(Kind.NODES).items
    assert (node.id, node.name, node.region) == ("i-12345678", "bastion", "cloudgouv-eu-west-1a")
    assert node.settings["volumes"] == ("vol-12345678",)
    assert node.settings["deletion_protection"] is True
    (volume,) = found.section(Kind.VOLUMES).items
    assert volume.settings["attached_to"] == ("i-12345678",)
    (network,) = found.section(Kind.NETWORKS).items
    assert (network.id, network.settings["cidrs"]) == ("vpc-12345678", "10.0.0.0/16")
    assert {url.rpartition("/")[2] for _, url in sent} == set(OUTSCALE)
    assert "aHVudGVyMg" not in json.dumps(found.to_dict())


@pytest.mark.parametrize(
    ("status", "absence"),
    [(401, Absence.UNAUTHENTICATED), (403, Absence.PERMISSION_DENIED), (503, Absence.UNREACHABLE)],
)
def test_a_refusal_is_said_per_section(status: int, absence: Absence, tmp_path: Path) -> None:
    """One call that is refused makes its own section not asked; the others are complete."""

    def answer(method: str, url: str) -> tuple[int, Any] | None:
        name = urlsplit(url).path.rpartition("/")[2]
        return (status, {"Errors": []}) if name == "ReadVolumes" else (200, OUTSCALE[name])

    table = 'compute = "outscale"\nregion = "cloudgouv-eu-west-1"\nuser_env = "USER_"\nkey_env = "KEY_"\n'
    found, _ = ask(table, tmp_path, answer)
    assert found.section(Kind.NODES).state is State.COMPLETE
    assert found.section(Kind.VOLUMES).reasons[0].absence is absence
    assert found.short


def test_an_answer_of_another_shape_is_said(tmp_path: Path) -> None:
    """An answer that nobody understands is a reason, not a traceback and not an empty list."""
    table = 'compute = "outscale"\nregion = "eu-west-2"\nuser_env = "USER_"\nkey_env = "KEY_"\n'
    found, _ = ask(table, tmp_path, lambda *_: (200, {"Unexpected": 1}))
    for kind in (Kind.NODES, Kind.VOLUMES, Kind.IMAGES):
        assert found.section(kind).state is State.NOT_ASKED
        assert found.section(kind).reasons[0].absence is Absence.FAILED
