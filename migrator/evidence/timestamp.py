"""Time-stamps over a bundle's transfer statement: what one must hold, with an authority's certificate and without.

Source: RFC 3161 sections 2.4.2 and 2.3; the section "Time-stamp" of ``migrator/docs/evidence-format.md``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cryptography import x509

from migrator.errors import EvidenceInvalid, UsageError

if TYPE_CHECKING:
    from datetime import datetime

    from rfc3161_client import TimeStampResponse

__all__ = ["MAX_RESPONSE", "Timestamp", "check_imprint", "judge", "read_authorities", "verify_timestamp"]

MAX_RESPONSE: Final = 262_144
"""Bytes of a response, at most."""
_MAX_CERTIFICATES: Final = 64
_DAY: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class Timestamp:
    """What a time-stamp says that was checked.

    Attributes:
        at: When the authority signed, in milliseconds since 1970, by its clock.
        authority: Subject of the certificate that signed, as RFC 4514 text.
        serial: The authority's number of this time-stamp.
    """

    at: int
    authority: str
    serial: int


def read_authorities(pem: bytes) -> tuple[x509.Certificate, ...]:
    """The certificates of a file that a reader trusts to date things: roots, and intermediate ones if need be.

    Raises:
        UsageError: It holds no certificate in PEM, or too many.
    """
    try:
        found = tuple(x509.load_pem_x509_certificates(pem))
    except ValueError:
        found = ()
    if not 1 <= len(found) <= _MAX_CERTIFICATES:
        raise UsageError(
            f"the time-stamp authority's file holds no certificate, or more than {_MAX_CERTIFICATES}",
            hint="give the authority's root certificate in PEM",
        )
    return found


def check_imprint(response: bytes, stamped: bytes) -> None:
    """Check what can be checked without a certificate: whether this can be about those bytes at all.

    Raises:
        EvidenceInvalid: It is empty, too long, or holds the digest of other bytes.
    """
    if not 1 <= len(response) <= MAX_RESPONSE:
        raise EvidenceInvalid(f"a time-stamp has 1 to {MAX_RESPONSE} bytes")
    if hashlib.sha256(stamped).digest() not in response:
        raise EvidenceInvalid("it is no time-stamp over the transfer statement of this bundle")


def verify_timestamp(
    response: bytes,
    stamped: bytes,
    authorities: Sequence[x509.Certificate],
    *,
    nonce: int | None = None,
) -> Timestamp:
    """Check a response whole: status, signature, chain, purpose, digest.

    Args:
        response: The response in DER.
        stamped: The bytes that must have been stamped.
        authorities: Certificates that the reader trusts. Without any, only status, digest and nonce are checked.
        nonce: What was sent with the request, if the request is at hand.

    Raises:
        EvidenceInvalid: It does not hold.
    """
    from rfc3161_client import VerificationError, VerifierBuilder, decode_timestamp_response  # noqa: PLC0415

    check_imprint(response, stamped)
    try:
        decoded = decode_timestamp_response(response)
        _check_answer(decoded, stamped, nonce)
        if authorities:
            VerifierBuilder(roots=list(authorities)).build().verify_message(decoded, stamped)
        info = decoded.tst_info
        return Timestamp(_milliseconds(info.gen_time), _authority(decoded), info.serial_number)
    except VerificationError as error:
        raise EvidenceInvalid(f"the time-stamp does not hold: {_worded(error)}") from None
    except (ValueError, TypeError, OverflowError):
        # The parser's words quote what it met.
        raise EvidenceInvalid("it is no time-stamp response in DER") from None


def judge(
    response: bytes,
    stamped: bytes,
    authorities: Sequence[x509.Certificate],
    *,
    made_at: int,
    now_ms: int,
) -> Timestamp | None:
    """Check the time-stamp of a bundle as far as the reader's certificates go; None where that is not to its end.

    Raises:
        EvidenceInvalid: It does not hold.
    """
    check_imprint(response, stamped)
    if not authorities:
        return None
    found = verify_timestamp(response, stamped, authorities)
    if found.at < made_at - _DAY:  # a day for clocks that are wrong
        raise EvidenceInvalid("the time-stamp is older than what it is about")
    if found.at > now_ms + _DAY:
        raise EvidenceInvalid("the time-stamp is from the future")
    return found


def _check_answer(decoded: TimeStampResponse, stamped: bytes, nonce: int | None) -> None:
    if decoded.status != 0:  # RFC 3161 2.4.2: granted. 1 is granted with changes, and none were asked for.
        raise EvidenceInvalid(f"the authority refused to stamp it (status {decoded.status})")
    info = decoded.tst_info
    imprint = info.message_imprint
    sha256 = "2.16.840.1.101.3.4.2.1"
    if imprint.hash_algorithm.dotted_string != sha256 or imprint.message != hashlib.sha256(stamped).digest():
        raise EvidenceInvalid("it is no time-stamp over the transfer statement of this bundle")
    if nonce is not None and info.nonce != nonce:
        raise EvidenceInvalid("the time-stamp answers another request")


def _authority(decoded: TimeStampResponse) -> str:
    signed = decoded.signed_data
    (signer,) = signed.signer_infos
    named = [
        certificate
        for certificate in map(x509.load_der_x509_certificate, signed.certificates)
        if (certificate.issuer, certificate.serial_number) == (signer.issuer, signer.serial_number)
    ]
    # Which certificates come along is not signed: with two that pass for the signer's, either could lend its name.
    if len(named) != 1:
        raise EvidenceInvalid("the time-stamp does not hold its authority's certificate, and that alone")
    return named[0].subject.rfc4514_string()


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def _worded(error: Exception) -> str:
    text = (str(error).splitlines() or [""])[0][:200]
    if text.startswith("Error while verifying certificates"):  # what follows is OpenSSL's own list of errors
        return "its signature does not lead to a certificate that was given, each valid when it was made"
    return text
