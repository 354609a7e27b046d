"""The signer against botocore's, which is the reference for every S3 store."""

import hashlib
import time
from datetime import UTC, datetime
from urllib.parse import quote

import pytest
from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from providers.drivers.s3_sign import Credential, Signer


class _Precomputed(auth.S3SigV4Auth):  # type: ignore[misc]
    """botocore's signer, told the payload digest."""

    digest = ""

    def payload(self, request: AWSRequest) -> str:
        return self.digest


@pytest.mark.parametrize("token", [None, "session-token"])
@pytest.mark.parametrize("key", ["plain", "a b+c%20", "é//x/", "~tilde*'()"])
@pytest.mark.parametrize("query", [{}, {"uploadId": "a/b=", "partNumber": "7"}, {"uploads": ""}])
def test_signature_is_botocores(key: str, query: dict[str, str], token: str | None) -> None:
    """Both signers give the same signature for the same request at the same second."""
    digest = hashlib.sha256(b"body").hexdigest()
    path = "/spaces/one/bucket/" + quote(key, safe="/~")
    text = "&".join(f"{name}={quote(value, safe='~')}" for name, value in sorted(query.items()))
    headers = {"x-amz-meta-note": "two  spaces", "content-type": "a/b", "range": "bytes=0-1"}
    at = time.strptime("20260102T030405", "%Y%m%dT%H%M%S")

    ours = Signer("store.example:9000", "gra").sign(
        Credential("AK", "SK", token), "PUT", path, text, headers=headers, payload_sha256=digest, at=at
    )

    request = AWSRequest(
        "PUT", f"https://store.example:9000{path}{'?' if text else ''}{text}", headers=headers
    )
    request.context["timestamp"] = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC).strftime("%Y%m%dT%H%M%SZ")
    theirs = _Precomputed(Credentials("AK", "SK", token), "s3", "gra")
    theirs.digest = digest
    request.headers["X-Amz-Date"] = request.context["timestamp"]
    request.headers["X-Amz-Content-SHA256"] = digest
    if token:
        request.headers["X-Amz-Security-Token"] = token
    canonical = theirs.canonical_request(request)
    signature = theirs.signature(theirs.string_to_sign(request, canonical), request)

    assert ours["authorization"].endswith(f"Signature={signature}")


def test_the_signing_key_follows_the_day_and_the_secret() -> None:
    """A signer used across midnight and a credential renewal signs as a fresh one does."""
    days = [time.strptime(day, "%Y%m%d") for day in ("20260101", "20260102", "20260102")]
    secrets = ["one", "one", "two"]
    used = Signer("host", "gra")
    for day, secret in zip(days, secrets, strict=True):
        credential = Credential("AK", secret, None)
        signed = [
            signer.sign(credential, "GET", "/", "", headers={}, payload_sha256="0" * 64, at=day)
            for signer in (used, Signer("host", "gra"))
        ]
        assert signed[0] == signed[1]


def test_a_credential_hides_itself() -> None:
    """The printed form of a credential shows none of it."""
    assert "SECRET" not in repr(Credential("AK", "SECRET", "TOKEN"))
