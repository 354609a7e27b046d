"""One bucket's two ways to its store: signed requests over our own wire, and a boto3 client for rare calls.

Both take credentials from the same botocore session, so that a refreshed token reaches both.
"""

from __future__ import annotations

import hashlib
import os
import ssl
import threading
import time
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import quote, urlsplit
from urllib.request import getproxies, proxy_bypass

from botocore.exceptions import NoCredentialsError

from providers.drivers.s3_errors import client_error
from providers.drivers.s3_sign import EMPTY_SHA256, Credential, Signer
from providers.drivers.s3_wire import MOST, Answer, Endpoint, Pool
from providers.errors import ConfigInvalid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from providers.drivers.s3_settings import S3Settings
    from providers.model import Buffer

__all__ = ["S3Client"]

_UNRESERVED: Final = "~"
_OK: Final = range(200, 300)


def _addressing(settings: S3Settings) -> Literal["path", "virtual"]:
    if settings.addressing != "auto":
        return settings.addressing
    # AWS wants virtual hosts, whose certificates match one label only; every other store takes paths.
    return "virtual" if settings.endpoint_url is None and "." not in settings.bucket else "path"


def _certificates() -> str:
    """The certificates that botocore trusts where nobody names others."""
    from botocore.httpsession import get_cert_path  # noqa: PLC0415 - takes long, and plain http needs none

    return str(get_cert_path(True))


def _trust(bundle: str | None) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=bundle or _certificates())


class S3Client:
    """Speaks S3 to one bucket. Safe to use from many threads."""

    def __init__(self, settings: S3Settings) -> None:
        """Prepare both ways; nothing is sent.

        Raises:
            ConfigInvalid: The endpoint, proxy or key pair makes no sense.
            botocore.exceptions.BotoCoreError: The AWS configuration cannot be used.
        """
        if (settings.access_key is None) != (settings.secret_key is None):
            raise ConfigInvalid("a site names both an access key and a secret key, or neither")
        self.bucket = settings.bucket
        self._settings = settings
        self._static: Credential | None = None
        if settings.access_key is not None and settings.secret_key is not None:
            token = settings.session_token.reveal() if settings.session_token else None
            self._static = Credential(settings.access_key.reveal(), settings.secret_key.reveal(), token)
        else:
            _ = self._session  # a profile that does not exist is found out here
        self._trusted = settings.ca_bundle or os.environ.get("AWS_CA_BUNDLE")
        self._boto: Any = None
        self._boto_lock = threading.Lock()
        self._addressing = _addressing(settings)
        url = self._bucket_url()
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ConfigInvalid("the endpoint of an S3 site is http(s)://host[:port][/prefix]")
        proxy = None if proxy_bypass(parts.netloc) else getproxies().get(parts.scheme)
        if proxy is not None and not proxy.startswith("http://"):
            raise ConfigInvalid("only http:// proxies are spoken to")
        endpoint = Endpoint(
            parts.scheme, parts.hostname, parts.port or (443 if parts.scheme == "https" else 80), proxy
        )
        self._base = parts.path.rstrip("/")
        self._signer = Signer(endpoint.authority, settings.region)
        self._pool = Pool(
            endpoint,
            trust=_trust(self._trusted) if parts.scheme == "https" else None,
            keep=settings.max_connections,
            connect_timeout=settings.connect_timeout,
            read_timeout=settings.read_timeout,
        )

    @cached_property
    def _session(self) -> Any:
        """The boto3 session: where credentials come from unless the site names them. Importing it takes long."""
        import boto3  # noqa: PLC0415 - most runs name their keys and need no session before the first upload in parts

        settings = self._settings
        return boto3.Session(
            profile_name=settings.aws_profile,
            aws_access_key_id=settings.access_key.reveal() if settings.access_key else None,
            aws_secret_access_key=settings.secret_key.reveal() if settings.secret_key else None,
            aws_session_token=settings.session_token.reveal() if settings.session_token else None,
            region_name=settings.region,
        )

    @property
    def boto(self) -> Any:
        """The boto3 client, made on first use: it takes half a second, and many drivers never need it."""
        with self._boto_lock:
            if self._boto is None:
                self._boto = self._new_boto()
            return self._boto

    def request(
        self,
        operation: str,
        method: str,
        key: str | None = None,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: Buffer = b"",
        sha256: bytes | None = None,
        into: memoryview | None = None,
        most: int = MOST,
    ) -> Answer:
        """Send one signed request; any answer but success is raised.

        Args:
            operation: The S3 operation's name, for errors.
            method: HTTP method.
            key: Object key; None addresses the bucket.
            query: Query parameters, not encoded.
            headers: Headers with lower-case names.
            body: The payload.
            sha256: Its SHA-256, if the caller has it already.
            into: Where the answer's body may be put, if it fits.
            most: Bytes the answer's body may have.

        Raises:
            botocore.exceptions.ClientError: The store refused.
            Truncated: The answer's body ended early.
            OSError: The store could not be reached or broke off.
        """
        if sha256 is not None:
            digest = sha256.hex()
        else:
            digest = hashlib.sha256(body).hexdigest() if body else EMPTY_SHA256
        answer = self._exchange(method, key, query or {}, headers or {}, body, digest, into, most)
        if answer.status not in _OK:
            raise client_error(answer, operation)
        return answer

    def probe(
        self,
        method: str,
        key: str | None,
        *,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes,
        payload: str,
    ) -> Answer:
        """Send one signed request that may say of its payload what is not so; the answer is not judged.

        For probes alone: what a store refuses is found out by asking for it.

        Args:
            method: HTTP method.
            key: Object key; None addresses the bucket.
            query: Query parameters, not encoded.
            headers: Headers with lower-case names.
            body: The payload.
            payload: The value of ``x-amz-content-sha256``.
        """
        return self._exchange(method, key, query, headers, body, payload, None, MOST)

    def _exchange(  # noqa: PLR0917 - request() hands its arguments on
        self,
        method: str,
        key: str | None,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: Buffer,
        payload: str,
        into: memoryview | None,
        most: int,
    ) -> Answer:
        path = f"{self._base}/" if key is None else f"{self._base}/{quote(key, safe='/~')}"
        text = ""
        if query:
            text = "&".join(
                f"{name}={quote(value, safe=_UNRESERVED)}" for name, value in sorted(query.items())
            )
        signed = self._signer.sign(
            self._credential(),
            method,
            path,
            text,
            headers=headers,
            payload_sha256=payload,
            at=time.gmtime(),
        )
        return self._pool.exchange(
            method, f"{path}?{text}" if text else path, signed, body, into=into, most=most
        )

    def close(self) -> None:
        """Close every idle connection."""
        self._pool.close()
        with self._boto_lock:
            if self._boto is not None:
                self._boto.close()

    def _credential(self) -> Credential:
        if self._static is not None:
            return self._static
        credentials = self._session.get_credentials()
        if credentials is None:
            raise NoCredentialsError
        frozen = credentials.get_frozen_credentials()
        return Credential(frozen.access_key, frozen.secret_key, frozen.token)

    def _new_boto(self) -> Any:
        from botocore.config import Config  # noqa: PLC0415 - see _session

        settings = self._settings
        return self._session.client(
            "s3",
            endpoint_url=settings.endpoint_url,
            verify=self._trusted or _certificates(),
            config=Config(
                signature_version="s3v4",
                s3={"addressing_style": self._addressing},
                retries={"total_max_attempts": 1, "mode": "standard"},
                # Over https boto3 would send a trailer, which some stores refuse and one writes into objects.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                tcp_keepalive=True,
                max_pool_connections=settings.max_connections,
                connect_timeout=settings.connect_timeout,
                read_timeout=settings.read_timeout,
            ),
        )

    def _bucket_url(self) -> str:
        """The bucket's URL, with a slash at its end."""
        endpoint = self._settings.endpoint_url
        if endpoint is None:
            endpoint = str(self.boto.meta.endpoint_url)
        parts = urlsplit(endpoint.rstrip("/"))
        if self._addressing == "virtual":
            return parts._replace(netloc=f"{self.bucket}.{parts.netloc}").geturl() + "/"
        return f"{parts.geturl()}/{self.bucket}/"
