"""What an S3 driver needs to know about one bucket of one site."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from providers.capabilities import Capabilities
from providers.secrets import Secret

__all__ = ["S3Settings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Settings:
    """One bucket, how to reach it and what its store is known to do.

    Attributes:
        bucket: Name of the bucket.
        endpoint_url: ``http(s)://host[:port][/prefix]``; None means AWS itself.
        region: Region of the SigV4 scope.
        addressing: Whether the bucket stands in the path or in the host name. ``auto`` puts it in the host
            name at AWS itself and in the path elsewhere.
        aws_profile: Section of the AWS configuration files to take credentials from.
        access_key: Static access key; without it botocore's own chain is asked.
        secret_key: Static secret key.
        session_token: Token of temporary static credentials.
        ca_bundle: PEM file of trusted authorities, instead of the usual ones.
        capabilities: What the store can do.
        if_match_bare: The store compares ``If-Match`` without quotes (Ceph before 18, OVHcloud).
        send_sha256: Send ``x-amz-checksum-sha256``, because the store verifies it.
        send_md5: Send ``Content-MD5`` where no SHA-256 is sent.
        complete_tells_etag: The answer to a completed upload is known to tell the etag that HEAD tells.
        max_connections: Idle connections that are kept.
        connect_timeout: Seconds to establish a connection.
        read_timeout: Seconds of silence after which a request is given up.
    """

    bucket: str
    region: str
    endpoint_url: str | None = None
    addressing: Literal["path", "virtual", "auto"] = "auto"
    aws_profile: str | None = None
    access_key: Secret | None = None
    secret_key: Secret | None = None
    session_token: Secret | None = None
    ca_bundle: str | None = None
    capabilities: Capabilities = field(default_factory=Capabilities)
    if_match_bare: bool = False
    send_sha256: bool = True
    send_md5: bool = False
    complete_tells_etag: bool = False
    max_connections: int = 64
    connect_timeout: float = 10.0
    read_timeout: float = 60.0
