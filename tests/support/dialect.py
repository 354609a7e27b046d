"""How a server really behaves: the checks that fill `providers/docs/servers.md`, and what runs them.

A check tries what a client might rely on, or the violation that a store ought to refuse, with boto3 and hand-made
requests; our drivers take no part. It answers with what was seen, never with what should be:

- `yes`: as Amazon documents it;
- `no`: absent or refused, so that a client notices;
- `lies`: accepted and not done, or done otherwise: a client that trusts the answer is wrong;
- `part`: in part; the note says which.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import urllib3
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError, ClientError

from support.endpoints import S3Server, new_client
from support.tls import Authority, TlsFront

__all__ = [
    "BIG",
    "CHECKS",
    "TAIL",
    "Check",
    "Subject",
    "attempt",
    "b64",
    "check",
    "signed_headers",
    "subject",
]

MIB = 1024 * 1024
BIG = hashlib.shake_256(b"a first part").digest(5 * MIB)
"""A part of the smallest size that Amazon takes."""
TAIL = hashlib.shake_256(b"a last part").digest(70_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One row of the table.

    Attributes:
        name: Its key in the record.
        title: What the row says.
        settled: The same in every run. Otherwise it is a race: one that was lost once is lost for good.
        run: Looks.
    """

    name: str
    title: str
    settled: bool
    run: Callable[[Subject], str]


CHECKS: dict[str, Check] = {}


def check(
    title: str, *, settled: bool = True
) -> Callable[[Callable[[Subject], str]], Callable[[Subject], str]]:
    """Make a function a row of the table."""

    def register(run: Callable[[Subject], str]) -> Callable[[Subject], str]:
        name = run.__name__
        CHECKS[name] = Check(name=name, title=title, settled=settled, run=run)
        return run

    return register


def b64(data: bytes) -> str:
    """Base64 text."""
    return b64encode(data).decode()


def attempt(call: Callable[[], Any]) -> str:
    """`accepted`, or `refused` with what the server said."""
    try:
        call()
    except ClientError as error:
        status = error.response["ResponseMetadata"].get("HTTPStatusCode")
        code = str(error.response["Error"].get("Code", ""))
        return f"refused {status}" if code in {str(status), ""} else f"refused {status} {code}"
    except (BotoCoreError, urllib3.exceptions.HTTPError, OSError):
        return "refused without an answer"
    return "accepted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A server under the checks.

    Attributes:
        server: It.
        bucket: A bucket of this run.
        client: boto3 with every courtesy off, over the server's own endpoint.
        tls: The same over https.
        default: boto3 as it comes, over https: what most people's programs send.
    """

    server: S3Server
    bucket: str
    client: Any
    tls: Any
    default: Any

    def new_bucket(self, prefix: str, *, lock: bool = False) -> str:
        """An empty bucket."""
        name = f"{prefix}-{secrets.token_hex(6)}"
        self.client.create_bucket(Bucket=name, **({"ObjectLockEnabledForBucket": True} if lock else {}))
        return name

    def put(self, key: str, body: bytes = b"body", **more: Any) -> Any:
        """PutObject."""
        return self.client.put_object(Bucket=self.bucket, Key=key, Body=body, **more)

    def get(self, key: str, **more: Any) -> bytes:
        """GetObject's body."""
        body: bytes = self.client.get_object(Bucket=self.bucket, Key=key, **more)["Body"].read()
        return body

    def head(self, key: str, **more: Any) -> Any:
        """HeadObject."""
        return self.client.head_object(Bucket=self.bucket, Key=key, **more)

    def begin(self, key: str, **more: Any) -> str:
        """CreateMultipartUpload."""
        upload: str = self.client.create_multipart_upload(Bucket=self.bucket, Key=key, **more)["UploadId"]
        return upload

    def part(self, key: str, upload: str, number: int, body: bytes, **more: Any) -> dict[str, Any]:
        """UploadPart, as Complete wants to hear of it."""
        answer = self.client.upload_part(
            Bucket=self.bucket, Key=key, UploadId=upload, PartNumber=number, Body=body, **more
        )
        return {"PartNumber": number, "ETag": answer["ETag"]}

    def complete(self, key: str, upload: str, parts: list[dict[str, Any]], **more: Any) -> Any:
        """CompleteMultipartUpload."""
        return self.client.complete_multipart_upload(
            Bucket=self.bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": parts}, **more
        )

    def upload(self, key: str, *bodies: bytes, **more: Any) -> Any:
        """A whole upload in parts."""
        upload = self.begin(key)
        parts = [self.part(key, upload, number, body) for number, body in enumerate(bodies, 1)]
        return self.complete(key, upload, parts, **more)

    def raw(
        self, method: str, key: str, body: bytes, headers: Mapping[str, str], *, payload: str | None
    ) -> int:
        """Send a signed request whose parts need not fit each other; the status.

        Args:
            method: HTTP verb.
            key: Object key.
            body: What is sent.
            headers: Further headers, signed.
            payload: The payload digest that is signed, or None for that of the body.
        """
        url = f"{self.server.endpoint}/{self.bucket}/{key}"
        digest = payload if payload is not None else hashlib.sha256(body).hexdigest()
        signed = signed_headers(self.server, method, url, headers, payload=digest)
        with urllib3.PoolManager(
            ca_certs=str(self.server.ca_bundle) if self.server.ca_bundle else None
        ) as pool:
            answer = pool.request(method, url, body=body, headers=signed, retries=False, timeout=20)
            return int(answer.status)


def signed_headers(
    server: S3Server, method: str, url: str, headers: Mapping[str, str], *, payload: str
) -> dict[str, str]:
    """The headers of a signed request, whatever its body will be: `payload` is the digest that is signed."""

    class Auth(S3SigV4Auth):  # type: ignore[misc] # botocore is not typed
        def payload(self, request: Any) -> str:
            return payload

    request = AWSRequest(method, url, data=b"", headers={**headers, "X-Amz-Content-SHA256": payload})
    Auth(Credentials(server.access_key, server.secret_key), "s3", server.region).add_auth(request)
    return dict(request.headers)


@contextmanager
def subject(server: S3Server, authority: Authority) -> Iterator[Subject]:
    """A server made ready for the checks: a bucket, and an https address where it has none."""
    with ExitStack() as stack:
        endpoint, bundle = server.endpoint, server.ca_bundle
        port = urlsplit(server.endpoint).port
        if endpoint.startswith("http://") and port is not None:
            front = stack.enter_context(TlsFront(port, authority.issue("localhost", "127.0.0.1")))
            endpoint, bundle = front.endpoint, authority.bundle
        client = server.client()
        tls = _client(server, endpoint, os.fspath(bundle) if bundle else None, "when_required")
        default = _client(server, endpoint, os.fspath(bundle) if bundle else None, "when_supported")
        for one in (client, tls, default):
            stack.callback(one.close)
        yield Subject(
            server=server, bucket=server.new_bucket("look"), client=client, tls=tls, default=default
        )


def _client(server: S3Server, endpoint: str, bundle: str | None, when: Any) -> Any:
    return new_client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key,
        region_name=server.region,
        verify=bundle,
        config=Config(
            s3={"addressing_style": "path"},
            retries={"total_max_attempts": 1},
            connect_timeout=5,
            read_timeout=30,
            request_checksum_calculation=when,
            response_checksum_validation=when,
            proxies={},
        ),
    )
