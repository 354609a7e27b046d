"""Where a test server listens and who may talk to it, with the few calls that every test needs."""

import secrets
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from azure.storage.blob import BlobServiceClient
from botocore.config import Config

__all__ = ["AzureServer", "S3Server", "new_client"]

# A session reads the description of the service once; making one for each client costs a third of a second.
_SESSION = boto3.session.Session()
_MAKING = threading.Lock()


def new_client(service: str, **arguments: Any) -> Any:
    """A boto3 client; the caller closes it."""
    with _MAKING:  # sessions are not made for threads, clients are
        return _SESSION.client(service, **arguments)


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Server:
    """An S3 server under test; its secret stays out of `repr`. `kind` names its file in conformance/servers."""

    endpoint: str
    access_key: str
    secret_key: str = field(repr=False)
    region: str
    kind: str
    ca_bundle: Path | None = None

    def client(self, endpoint: str | None = None) -> Any:
        """Return a new boto3 S3 client: path style, no retries; the caller closes it.

        Args:
            endpoint: where it connects, when not to the server itself but to a proxy before it.
        """
        return new_client(
            "s3",
            endpoint_url=endpoint or self.endpoint,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            region_name=self.region,
            verify=None if self.ca_bundle is None else str(self.ca_bundle),
            config=Config(
                s3={"addressing_style": "path"},
                retries={"total_max_attempts": 1},
                connect_timeout=5,
                read_timeout=30,
                # A test sees what the store does, not what the client repairs or adds.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                proxies={},
            ),
        )

    def new_bucket(self, prefix: str = "test", *, lock: bool = False) -> str:
        """Make an empty bucket of a name used by nobody else, and return the name.

        Args:
            prefix: how the name begins.
            lock: make it with Object Lock (and so with versions).
        """
        name = f"{prefix}-{secrets.token_hex(6)}"
        client = self.client()
        try:
            client.create_bucket(Bucket=name, **({"ObjectLockEnabledForBucket": True} if lock else {}))
        finally:
            client.close()
        return name


@dataclass(frozen=True, slots=True, kw_only=True)
class AzureServer:
    """A Blob service under test; its account key stays out of `repr`."""

    endpoint: str
    account: str
    account_key: str = field(repr=False)
    ca_bundle: Path | None = None

    def service(self, endpoint: str | None = None) -> BlobServiceClient:
        """Return a new client of the service, without retries; the caller closes it.

        Args:
            endpoint: where it connects, when not to the server itself but to a proxy before it.
        """
        return BlobServiceClient(
            endpoint or self.endpoint,
            credential={"account_name": self.account, "account_key": self.account_key},
            retry_total=0,
            connection_verify=True if self.ca_bundle is None else str(self.ca_bundle),
        )

    def new_bucket(self, prefix: str = "test") -> str:
        """Make an empty container of a name used by nobody else, and return the name."""
        name = f"{prefix}-{secrets.token_hex(6)}"
        with self.service() as service:
            service.create_container(name)
        return name
