"""What the conformance suite runs against: servers as data, and stores opened on them in three shapes.

A file of `tests/conformance/servers` names a server's profile, what it can do less than that profile says and
why, and each test that it is known to fail and why. A known failure that passes fails the run.
"""

from __future__ import annotations

import os
import secrets
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from providers.capabilities import Capabilities
from providers.driver import StoreDriver
from providers.drivers.azure_blob import AzureBlobDriver, AzureSettings
from providers.drivers.filesystem import FilesystemDriver
from providers.drivers.s3 import S3Driver, S3Settings
from providers.layers import open_layers
from providers.layers.limit import AdaptiveLimiter
from providers.layers.observe import RequestCounter
from providers.layers.retry import RetryPolicy
from providers.profile import Profile, load_profile
from providers.secrets import Secret
from providers.store import ObjectStore
from support.endpoints import AzureServer, S3Server

__all__ = [
    "SHAPES",
    "AzureHarness",
    "FilesystemHarness",
    "Harness",
    "Override",
    "S3Harness",
    "ServerFacts",
    "load_servers",
    "shaped",
]

SHAPES = ("bare", "prefix", "layers")
WRONG_SECRET = "d3Jvbmc" * 12


@dataclass(frozen=True, kw_only=True)
class Override:
    """A test that a server is known to fail, in some shapes or all; or, not applicable, has nothing to show for."""

    test: str
    reason: str
    applicable: bool = True
    shapes: tuple[str, ...] = SHAPES


@dataclass(frozen=True, kw_only=True)
class ServerFacts:
    """One file of `tests/conformance/servers`."""

    name: str
    profile: str
    capabilities: Mapping[str, Any] = field(default_factory=dict)
    overrides: tuple[Override, ...] = ()
    shapes: tuple[str, ...] = SHAPES
    own_buckets: bool = False
    """Every test has a bucket that nobody used: emptying one does not leave it as it was."""

    def narrowed(self) -> tuple[Profile, Capabilities]:
        """The profile, and its capabilities as this server has them."""
        profile = load_profile(self.profile)
        return profile, profile.capabilities().narrowed(**self.capabilities)


def load_servers(folder: Path) -> dict[str, ServerFacts]:
    """Every server file by name; each narrowing and each override must give its reason."""
    found = {}
    for path in sorted(folder.glob("*.toml")):
        data = tomllib.loads(path.read_text())
        narrowing = data.get("capability", [])
        overrides = data.get("override", [])
        for entry in (*narrowing, *overrides):
            assert entry["reason"].strip(), f"{path.name}: a deviation without a reason"
        changes = {
            entry["name"]: frozenset(entry["value"]) if isinstance(entry["value"], list) else entry["value"]
            for entry in narrowing
        }
        found[path.stem] = ServerFacts(
            name=path.stem,
            profile=data["profile"],
            capabilities=changes,
            shapes=tuple(data.get("shapes", SHAPES)),
            own_buckets=data.get("own_buckets", False),
            overrides=tuple(
                Override(
                    test=entry["test"],
                    reason=entry["reason"],
                    applicable=entry.get("applicable", True),
                    shapes=tuple(entry.get("shapes", SHAPES)),
                )
                for entry in overrides
            ),
        )
    return found


class Harness:
    """Opens drivers on one server; every bucket it makes it removes."""

    def __init__(self, facts: ServerFacts) -> None:
        self.facts = facts
        self.profile, self.capabilities = facts.narrowed()

    def new_bucket(self) -> str:
        """A bucket that nobody else uses."""
        raise NotImplementedError

    def drop_bucket(self, bucket: str) -> None:
        """Remove a bucket and all it holds."""
        raise NotImplementedError

    @contextmanager
    def bucket(self) -> Iterator[str]:
        """An empty bucket for one test."""
        bucket = self.new_bucket()
        try:
            yield bucket
        finally:
            self.drop_bucket(bucket)

    def driver(self, bucket: str, **changes: Any) -> StoreDriver:
        """A driver on a bucket, with some capabilities changed."""
        raise NotImplementedError

    def intruder(self, bucket: str) -> StoreDriver | None:
        """A driver whose credentials are wrong, or None where there are none."""
        return None


class FilesystemHarness(Harness):
    """Directories under one directory."""

    def __init__(self, facts: ServerFacts, directory: Path) -> None:
        super().__init__(facts)
        self._directory = directory

    def new_bucket(self) -> str:
        path = self._directory / f"bucket-{secrets.token_hex(6)}"
        path.mkdir()
        return str(path)

    def drop_bucket(self, bucket: str) -> None:
        for folder, _, files in os.walk(bucket, topdown=False):
            for name in files:
                (Path(folder) / name).unlink()
            Path(folder).rmdir()

    def driver(self, bucket: str, **changes: Any) -> StoreDriver:
        return FilesystemDriver(Path(bucket), capabilities=self.capabilities.narrowed(**changes))


class S3Harness(Harness):
    """Buckets of an S3 server."""

    def __init__(self, facts: ServerFacts, server: S3Server) -> None:
        super().__init__(facts)
        self._server = server

    def new_bucket(self, *, versioned: bool = False) -> str:
        bucket = self._server.new_bucket()
        if versioned:
            client = self._server.client()
            client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
            client.close()
        return bucket

    def drop_bucket(self, bucket: str) -> None:
        client = self._server.client()
        try:
            _empty(client, bucket)
            client.delete_bucket(Bucket=bucket)
        finally:
            client.close()

    @contextmanager
    def bucket(self) -> Iterator[str]:
        """One bucket that is emptied after each test: some servers take a second to make another."""
        if self.facts.own_buckets:
            yield self.new_bucket()  # it goes with its server
            return
        bucket = _SHARED.get(self._server.endpoint)
        if bucket is None:
            bucket = _SHARED[self._server.endpoint] = self.new_bucket()
        try:
            yield bucket
        finally:
            client = self._server.client()
            try:
                _empty(client, bucket)
            finally:
                client.close()

    def driver(self, bucket: str, **changes: Any) -> StoreDriver:
        return S3Driver(self._settings(bucket, **changes))

    def intruder(self, bucket: str) -> StoreDriver | None:
        return S3Driver(replace(self._settings(bucket), secret_key=Secret(WRONG_SECRET)))

    def _settings(self, bucket: str, **changes: Any) -> S3Settings:
        capabilities = self.capabilities.narrowed(**changes)
        return S3Settings(
            bucket=bucket,
            endpoint_url=self._server.endpoint,
            region=self._server.region,
            addressing="path",
            ca_bundle=None if self._server.ca_bundle is None else str(self._server.ca_bundle),
            access_key=Secret(self._server.access_key),
            secret_key=Secret(self._server.secret_key),
            capabilities=capabilities,
            if_match_bare=self.profile.quirk("if_match_bare") is True,
            send_sha256=capabilities.verifies_checksum,
            send_md5=self.profile.quirk("verifies_md5") is not False,
            complete_tells_etag=self.profile.vouches("complete_tells_etag"),
        )


_SHARED: dict[str, str] = {}


def _empty(client: Any, bucket: str) -> None:
    """Remove all objects, versions and unfinished uploads, as far as the server lists them."""
    for upload in _listed(client.list_multipart_uploads, bucket).get("Uploads", ()):
        client.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
    while True:
        page = client.list_objects_v2(Bucket=bucket)
        for entry in page.get("Contents", ()):
            client.delete_object(Bucket=bucket, Key=entry["Key"])
        if not page.get("IsTruncated"):
            break
    while True:
        page = _listed(client.list_object_versions, bucket)
        held = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
        for entry in held:
            client.delete_object(Bucket=bucket, Key=entry["Key"], VersionId=entry["VersionId"])
        if not held or not page.get("IsTruncated"):
            break


def _listed(ask: Callable[..., Any], bucket: str) -> Any:
    """A listing, or none where the server does not know such; `rclone serve s3` says 404 where it is empty."""
    try:
        return ask(Bucket=bucket)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] not in {404, 501}:
            raise
        return {}


class AzureHarness(Harness):
    """Containers of a Blob service."""

    def __init__(self, facts: ServerFacts, server: AzureServer) -> None:
        super().__init__(facts)
        self._server = server

    def new_bucket(self) -> str:
        return self._server.new_bucket()

    def drop_bucket(self, bucket: str) -> None:
        with self._server.service() as service:
            service.delete_container(bucket)

    def driver(self, bucket: str, **changes: Any) -> StoreDriver:
        return AzureBlobDriver(self._settings(bucket, **changes))

    def intruder(self, bucket: str) -> StoreDriver | None:
        return AzureBlobDriver(replace(self._settings(bucket), account_key=Secret(WRONG_SECRET)))

    def _settings(self, bucket: str, **changes: Any) -> AzureSettings:
        return AzureSettings(
            container=bucket,
            account=self._server.account,
            endpoint=self._server.endpoint,
            ca_bundle=None if self._server.ca_bundle is None else str(self._server.ca_bundle),
            account_key=Secret(self._server.account_key),
            capabilities=self.capabilities.narrowed(**changes),
        )


@contextmanager
def shaped(harness: Harness, shape: str) -> Iterator[Callable[..., ObjectStore]]:
    """A function that opens stores of one shape, all on the same new bucket; closes them and drops it."""
    opened: list[ObjectStore] = []
    with harness.bucket() as bucket:

        def open_one(**changes: Any) -> ObjectStore:
            driver = harness.driver(bucket, **changes)
            prefix = "wave é/p1/" if shape == "prefix" else ""
            if shape == "layers":
                driver = open_layers(
                    driver,
                    limiter=AdaptiveLimiter(8),
                    observer=RequestCounter(),
                    retry_policy=RetryPolicy(attempts=3),
                    sleep=lambda _: None,
                )
            store = ObjectStore(driver, prefix=prefix, location=f"{harness.facts.name}:test")
            opened.append(store)
            return store

        try:
            yield open_one
        finally:
            for store in opened:
                store.close()
