"""AWS Signature Version 4 for S3, with a payload digest that is known beforehand.

Implements https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html. botocore's signer
hashes the payload itself, which doubles the hashing of an upload whose digest the caller has, and takes
longer; this one keeps the day's signing key and takes the digest as given.
"""

from __future__ import annotations

import hashlib
import hmac
from time import strftime
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    import time
    from collections.abc import Mapping

__all__ = ["EMPTY_SHA256", "Credential", "Signer"]

EMPTY_SHA256: Final = hashlib.sha256(b"").hexdigest()


class Credential(NamedTuple):
    """Keys as they hold at one moment; ``token`` accompanies temporary ones."""

    access_key: str
    secret_key: str
    token: str | None

    def __repr__(self) -> str:
        return "Credential(***)"


class Signer:
    """Signs requests to one host of one region. Safe to use from many threads."""

    def __init__(self, host: str, region: str) -> None:
        self._host = host
        self._region = region
        # (secret key, day, signing key) of the last signature, replaced as a whole: a race derives it twice.
        self._derived: tuple[str, str, hmac.HMAC] = ("", "", hmac.new(b"", digestmod="sha256"))

    def sign(
        self,
        credential: Credential,
        method: str,
        path: str,
        query: str,
        *,
        headers: Mapping[str, str],
        payload_sha256: str,
        at: time.struct_time,
    ) -> dict[str, str]:
        """All headers to send, the ``authorization`` among them.

        Args:
            credential: The keys to sign with.
            method: HTTP method.
            path: Path, percent-encoded once, as it will be sent.
            query: Query string, encoded and sorted, as it will be sent.
            headers: Headers to send and sign, with lower-case names.
            payload_sha256: Hexadecimal SHA-256 of the body.
            at: The time of the signature, UTC.
        """
        stamp = strftime("%Y%m%dT%H%M%SZ", at)
        day = stamp[:8]
        signed = {"host": self._host, "x-amz-content-sha256": payload_sha256, "x-amz-date": stamp, **headers}
        if credential.token:
            signed["x-amz-security-token"] = credential.token
        names = sorted(signed)
        # Runs of spaces count as one in the canonical form, though the header is sent as it is.
        lines = "".join([f"{name}:{' '.join(signed[name].split())}\n" for name in names])
        listed = ";".join(names)
        canonical = f"{method}\n{path}\n{query}\n{lines}\n{listed}\n{payload_sha256}"
        scope = f"{day}/{self._region}/s3/aws4_request"
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        to_sign = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{digest}"
        keyed = self._signing_key(credential.secret_key, day).copy()
        keyed.update(to_sign.encode())
        signature = keyed.hexdigest()
        signed["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={credential.access_key}/{scope}, "
            f"SignedHeaders={listed}, Signature={signature}"
        )
        return signed

    def _signing_key(self, secret: str, day: str) -> hmac.HMAC:
        """The day's signing key, as a keyed state to be copied: cheaper than keying one for each request."""
        known_secret, known_day, keyed = self._derived
        if known_day == day and known_secret == secret:
            return keyed
        key = f"AWS4{secret}".encode()
        for scope in (day, self._region, "s3", "aws4_request"):
            key = hmac.digest(key, scope.encode(), "sha256")
        keyed = hmac.new(key, digestmod="sha256")
        self._derived = (secret, day, keyed)
        return keyed
