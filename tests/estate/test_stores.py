"""Stores and buckets with their real settings, read from real servers, and nothing written while reading."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from providers.estate.compare import Change, drift
from providers.estate.gather import gather
from providers.estate.guard import Guard
from providers.estate.model import Absence, Estate, Item, Kind, State
from providers.sites import Sites
from support.endpoints import AzureServer, S3Server
from support.swift import SwiftKeystone, SwiftServer

WHEN = datetime(2026, 11, 22, tzinfo=UTC)
SCHEMA = json.loads((Path(__file__).parents[2] / "providers/estate/estate.schema.json").read_text())
TLS_ONLY = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": ["arn:aws:s3:::NAME", "arn:aws:s3:::NAME/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
    ],
}


class Asker:
    """Asks one site again and again, and keeps every request that left."""

    def __init__(self, table: str, folder: Path, environ: dict[str, str]) -> None:
        config = folder / "havre.toml"
        config.write_text(table)
        self.site = Sites.load(config, {}).site("here")
        self.environ = environ
        self.sent: list[tuple[str, str]] = []

    def __call__(self) -> Estate:
        def make_guard(api: str) -> Guard:
            return Guard(api, record=lambda *one: self.sent.append(one))

        found = gather(self.site, environ=self.environ, now=WHEN, make_guard=make_guard)
        jsonschema.validate(found.to_dict(), SCHEMA)
        return found


def s3_asker(server: S3Server, folder: Path, *, secret: str | None = None, profile: str = "minio") -> Asker:
    table = f"""
[sites.here]
profile = "{profile}"
endpoint = "{server.endpoint}"
region = "{server.region}"
access_key_env = "ACCESS"
secret_key_env = "SECRET"
"""
    return Asker(table, folder, {"ACCESS": server.access_key, "SECRET": secret or server.secret_key})


def bucket(estate: Estate, name: str) -> Item:
    section = estate.section(Kind.BUCKETS)
    return next(item for item in section.items if item.id == name)


@pytest.fixture
def client(moto: S3Server) -> Iterator[Any]:
    made = moto.client()
    yield made
    made.close()


@pytest.mark.server("moto")
def test_a_hardened_bucket_shows_each_setting(moto: S3Server, client: Any, tmp_path: Path) -> None:
    """Versions, lock, encryption, policy, public access, lifecycle and tags are what was set."""
    name = moto.new_bucket(lock=True)
    client.put_object_lock_configuration(
        Bucket=name,
        ObjectLockConfiguration={
            "ObjectLockEnabled": "Enabled",
            "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 30}},
        },
    )
    client.put_bucket_encryption(
        Bucket=name,
        ServerSideEncryptionConfiguration={
            "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
        },
    )
    client.put_bucket_policy(Bucket=name, Policy=json.dumps(TLS_ONLY).replace("NAME", name))
    blocks = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    client.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=dict.fromkeys(blocks, True))
    client.put_bucket_lifecycle_configuration(
        Bucket=name,
        LifecycleConfiguration={
            "Rules": [{"ID": "old", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 9}}]
        },
    )
    tags = [{"Key": "owner", "Value": "eds"}, {"Key": "db-password", "Value": "hunter2"}]
    client.put_bucket_tagging(Bucket=name, Tagging={"TagSet": tags})
    found = bucket(s3_asker(moto, tmp_path)(), name)
    assert found.settings["versioning"] == "enabled"
    assert found.settings["object_lock"] == "compliance 30 days"
    assert found.settings["encryption"] == "AES256"
    assert found.settings["tls_only"] is True
    assert found.settings["policy_allows_anyone"] is False
    assert str(found.settings["policy"]).startswith("SHA-256 ")
    assert found.settings["public_access_block"] == tuple(sorted(blocks))
    assert found.settings["acl_public"] is False
    assert '"Days": 9' in str(found.settings["lifecycle"])
    assert found.tags == {"owner": "eds", "db-password": "(left out)"}


@pytest.mark.server("moto")
def test_an_open_bucket_shows_as_such(moto: S3Server, client: Any, tmp_path: Path) -> None:
    """A bucket that anybody may read, without versions or lock, is told as it is."""
    name = moto.new_bucket()
    client.put_bucket_acl(Bucket=name, ACL="public-read")
    allow = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{name}/*",
    }
    client.put_bucket_policy(Bucket=name, Policy=json.dumps({"Version": "2012-10-17", "Statement": [allow]}))
    settings = bucket(s3_asker(moto, tmp_path)(), name).settings
    assert settings["acl_public"] is True
    assert settings["policy_allows_anyone"] is True
    assert settings["tls_only"] is False
    assert settings["versioning"] == "never"
    assert settings["object_lock"] == "off"
    assert settings["public_access_block"] == "none"


@pytest.mark.server("moto")
def test_reading_a_store_writes_nothing(moto: S3Server, client: Any, tmp_path: Path) -> None:
    """Every request that left is a GET or a HEAD, and asking twice gives the same."""
    moto.new_bucket()
    asker = s3_asker(moto, tmp_path)
    assert {method for method, _ in (asker(), asker.sent)[1]} <= {"GET", "HEAD"}
    assert asker.sent
    assert asker().section(Kind.BUCKETS) == asker().section(Kind.BUCKETS)


@pytest.mark.server("moto")
def test_a_setting_that_changes_is_drift(moto: S3Server, client: Any, tmp_path: Path) -> None:
    """Turning versions on between two looks is one finding with both values; a new bucket is another."""
    name = moto.new_bucket()
    asker = s3_asker(moto, tmp_path)
    before = asker()
    client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    other = moto.new_bucket()
    mine = [one for one in drift(before, asker()) if one.id in {name, other}]
    told = {(one.change, one.id, one.setting, one.before, one.after) for one in mine}
    assert told == {
        (Change.CHANGED, name, "versioning", "never", "enabled"),
        (Change.ADDED, other, "", None, None),
    }


@pytest.mark.server("seaweedfs")
def test_what_a_store_lacks_is_unknown_and_no_default(seaweedfs: S3Server, tmp_path: Path) -> None:
    """A store that does not implement a setting leaves it unknown, and the others are still told."""
    name = seaweedfs.new_bucket()
    found = bucket(s3_asker(seaweedfs, tmp_path)(), name)
    assert found.settings["versioning"] in {"never", "suspended"}
    assert not set(found.settings) & set(found.unknown)
    told = {"versioning", "encryption", "policy", "acl", "object_lock", "lifecycle", "public_access_block"}
    assert told <= set(found.settings) | set(found.unknown)


@pytest.mark.server("seaweedfs")
def test_wrong_credentials_are_said(seaweedfs: S3Server, tmp_path: Path) -> None:
    """A refused signature makes the sections not asked, with the reason, and without the secret."""
    found = s3_asker(seaweedfs, tmp_path, secret="not-the-secret-key")()
    section = found.section(Kind.BUCKETS)
    assert section.state is State.NOT_ASKED
    assert section.reasons[0].absence in {Absence.PERMISSION_DENIED, Absence.UNAUTHENTICATED}
    assert "not-the-secret-key" not in json.dumps(found.to_dict())
    assert found.short


def test_a_store_that_is_not_there_is_said(tmp_path: Path) -> None:
    """An endpoint where nothing listens is unreachable, not empty; other sections say what they lack."""
    gone = S3Server(endpoint="http://127.0.0.1:9", access_key="a", secret_key="b", region="r", kind="x")
    found = s3_asker(gone, tmp_path)()
    assert found.section(Kind.BUCKETS).reasons[0].absence is Absence.UNREACHABLE
    assert found.section(Kind.NODES).reasons[0].absence is Absence.NOT_CONFIGURED


def test_a_missing_variable_is_said(tmp_path: Path) -> None:
    """Without its environment variable a section says which one, and the rest is still answered."""
    gone = S3Server(endpoint="http://127.0.0.1:9", access_key="a", secret_key="b", region="r", kind="x")
    asker = s3_asker(gone, tmp_path)
    asker.environ = {}
    reason = asker().section(Kind.BUCKETS).reasons[0]
    assert reason.absence is Absence.UNAUTHENTICATED
    assert "ACCESS" in reason.text


@pytest.mark.server("azurite")
def test_azure_containers_show_who_may_read(azurite: AzureServer, tmp_path: Path) -> None:
    """Public access, stored access policies and metadata of containers, and the account's soft delete, are told."""
    from azure.storage.blob import AccessPolicy, ContainerSasPermissions, PublicAccess, RetentionPolicy

    service = azurite.service()
    closed, opened = azurite.new_bucket(), azurite.new_bucket()
    policy = AccessPolicy(
        permission=ContainerSasPermissions(read=True), expiry=datetime(2030, 1, 1, tzinfo=UTC)
    )
    service.get_container_client(opened).set_container_access_policy({"p1": policy}, PublicAccess.BLOB)
    service.get_container_client(closed).set_container_metadata({"owner": "eds", "sastoken": "sv=1&sig=abc"})
    service.set_service_properties(delete_retention_policy=RetentionPolicy(enabled=True, days=14))
    service.close()
    table = f"""
[sites.here]
profile = "azure"
endpoint = "{azurite.endpoint}"
account = "{azurite.account}"
account_key_env = "KEY"
"""
    asker = Asker(table, tmp_path, {"KEY": azurite.account_key})
    found = asker()
    assert bucket(found, opened).settings["public_access"] == "blob"
    assert "p1 r 2030-01-01" in str(bucket(found, opened).settings["access_policies"])
    assert bucket(found, closed).settings["public_access"] == "none"
    assert bucket(found, closed).settings["access_policies"] == "none"
    assert bucket(found, closed).tags == {"owner": "eds", "sastoken": "(left out)"}
    (store,) = found.section(Kind.STORES).items
    assert store.settings["soft_delete"] == "14 days"
    assert store.unknown["versioning"] is Absence.NOT_SUPPORTED
    assert {method for method, _ in asker.sent} == {"GET"}
    assert azurite.account_key not in json.dumps(found.to_dict())


@pytest.mark.server("swift")
def test_swift_containers_show_who_may_read(swift: SwiftServer, tmp_path: Path) -> None:
    """Access lists, versions and the presence of temp URL keys are told; the keys are not."""
    closed = swift.new_bucket()
    opened = swift.new_bucket(
        **{
            "X-Container-Read": ".r:*,.rlistings",
            "X-Container-Meta-Temp-URL-Key": "do-not-tell",
            "X-Container-Meta-Owner": "eds",
            "X-Versions-Enabled": "true",
        }
    )
    table = f"""
[sites.here]
profile = "openstack-swift"
auth_url = "{swift.auth_url}"
user_env = "USER_OF_SWIFT"
key_env = "KEY_OF_SWIFT"
"""
    asker = Asker(table, tmp_path, {"USER_OF_SWIFT": swift.user, "KEY_OF_SWIFT": swift.key})
    found = asker()
    settings = bucket(found, opened).settings
    assert settings["read_acl"] == (".r:*", ".rlistings")
    assert settings["public"] is True
    assert settings["temp_url_key"] == "set"
    assert settings["versioning"] == "enabled"
    assert bucket(found, opened).tags == {"owner": "eds"}
    assert bucket(found, closed).settings["read_acl"] == "none shown"
    assert bucket(found, closed).settings["public"] is False
    assert {method for method, _ in asker.sent} <= {"GET", "HEAD"}
    printed = json.dumps(found.to_dict())
    assert "do-not-tell" not in printed
    assert swift.key not in printed


@pytest.mark.server("swift_keystone")
@pytest.mark.parametrize("cloud", ["password", "application"])
def test_a_cloud_of_clouds_yaml_lets_in(swift_keystone: SwiftKeystone, cloud: str, tmp_path: Path) -> None:
    """A Swift site behind Keystone is asked with a password or an application credential; no other service is there."""
    table = f"""
[sites.here]
profile = "openstack-swift"
cloud = "{cloud}"
"""
    asker = Asker(table, tmp_path, {"OS_CLIENT_CONFIG_FILE": str(swift_keystone.clouds())})
    found = asker()
    assert found.section(Kind.STORES).state is State.COMPLETE
    assert found.section(Kind.BUCKETS).state is State.COMPLETE
    assert found.section(Kind.NODES).reasons[0].absence is Absence.NOT_SUPPORTED
    posts = {url for method, url in asker.sent if method not in {"GET", "HEAD"}}
    assert posts == {f"{swift_keystone.keystone.url}/auth/tokens"}
