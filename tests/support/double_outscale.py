"""A double of Outscale Object Storage (OOS). Not the service itself.

From public documents alone, as of 2026-11-21:

- Every part but the last has one size, from 1 MiB to 4 GiB.
  <https://docs.outscale.com/en/userguide/Uploading-a-Part.html>
- A checksum trailer is refused with 400; the newer checksums are not implemented; Content-MD5 counts.
  <https://docs.outscale.com/en/userguide/AWS-SDK-and-CLI-Compatibility-Warning.html>
- Object lock knows COMPLIANCE only.
  <https://docs.outscale.com/en/userguide/Configuring-a-Specific-Object-Lock-on-an-Object.html>

Nothing is said of conditional writes, so the double ignores their headers; nor of the code with which unequal parts
are refused, so it says InvalidRequest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from support.double_core import Double
from support.double_store import MIB, Dialect, Object, Refusal, check_md5
from support.endpoints import S3Server

__all__ = ["OutscaleDialect", "start_double_outscale"]


class OutscaleDialect(Dialect):
    """The rules above."""

    min_part = MIB
    max_part = 4 * 1024 * MIB

    def check_request(self, method: str, headers: Mapping[str, str]) -> None:
        if headers.get("x-amz-content-sha256", "").startswith("STREAMING-") or "x-amz-trailer" in headers:
            raise Refusal(400, "BadRequest", "trailing checksum is not supported")

    def check_create(self, headers: Mapping[str, str], found: Object | None, *, multipart: bool) -> None:
        """Conditions are not known here."""

    def check_body(self, headers: Mapping[str, str], body: bytes) -> None:
        check_md5(headers, body)

    def check_lock(self, headers: Mapping[str, str]) -> bool:
        mode = headers.get("x-amz-object-lock-mode")
        if mode not in {None, "COMPLIANCE"}:
            raise Refusal(400, "InvalidArgument", "only COMPLIANCE is supported")
        return mode is not None

    def check_parts(self, sizes: list[int]) -> None:
        super().check_parts(sizes)
        if len(set(sizes[:-1])) > 1 or (len(sizes) > 1 and sizes[-1] > sizes[0]):
            raise Refusal(400, "InvalidRequest", "all parts but the last must have the same size")

    def answer_headers(self, found: Object) -> dict[str, str]:
        return {}


@contextmanager
def start_double_outscale() -> Iterator[S3Server]:
    """Run the double until the block ends."""
    with Double(OutscaleDialect(), kind="double_outscale") as double:
        yield double.server
