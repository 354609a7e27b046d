"""Time-stamps on the command line: what is asked for, what came of it, and how it is told."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from migrator.cli.output import plain
from migrator.errors import TimestampFailed, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryptography import x509

    from migrator.evidence.timestamp import Timestamp

__all__ = ["Stamping", "open_authorities", "stamp_facts", "stamped_at"]

_MAX_CERTIFICATES: Final = 1024 * 1024


class Stamping:
    """What ``--timestamp`` asks for, and what came of it."""

    def __init__(self, url: str | None, ca: Path | None, *, optional: bool) -> None:
        from migrator.evidence.authority import check_url  # noqa: PLC0415 - loads when used

        if url is None and (ca is not None or optional):
            raise UsageError(
                "there is no time-stamp to ask for", hint="name an authority with --timestamp URL"
            )
        self._url, self._optional = url, optional
        if url is not None:
            check_url(url)
        self._authorities = open_authorities(ca)
        self._found: Timestamp | None = None
        self._failure: str | None = None

    def stamp(self, stamped: bytes) -> bytes | None:
        """A time-stamp over these bytes, checked; None where it may be missing and cannot be had.

        Raises:
            TimestampFailed: It cannot be had.
        """
        from migrator.evidence.authority import request_timestamp  # noqa: PLC0415 - loads when used

        try:
            response, self._found = request_timestamp(self._url or "", stamped, self._authorities)
        except TimestampFailed as error:
            if not self._optional:
                raise
            self._failure = error.message
            return None
        return response

    def facts(self) -> dict[str, Any] | None:
        """What came of it, for JSON."""
        if self._found is None:
            return None if self._failure is None else {"missing": self._failure}
        return stamp_facts(self._found) | {"checked": bool(self._authorities)}

    def told(self) -> Iterator[str]:
        """What came of it, for people."""
        if self._found is not None:
            how = "" if self._authorities else " (signature not checked: no --timestamp-ca)"
            yield plain(f"stamped    {stamped_at(self._found)} by {self._found.authority}{how}")
        elif self._failure is not None:
            yield plain(f"stamped    no: {self._failure}")


def open_authorities(ca: Path | None) -> tuple[x509.Certificate, ...]:
    """The certificates of ``--timestamp-ca``.

    Raises:
        UsageError: The file holds none.
    """
    from migrator.cli.keyring import read_bounded  # noqa: PLC0415 - loads when used
    from migrator.evidence.timestamp import read_authorities  # noqa: PLC0415 - loads when used

    return () if ca is None else read_authorities(read_bounded(ca, _MAX_CERTIFICATES))


def stamped_at(stamp: Timestamp) -> str:
    """The time, for people."""
    return datetime.fromtimestamp(stamp.at / 1000, UTC).isoformat(timespec="seconds")


def stamp_facts(stamp: Timestamp) -> dict[str, Any]:
    """A time-stamp, for JSON; its number may be larger than JSON's readers take."""
    return {"at": stamp.at, "authority": stamp.authority, "serial": str(stamp.serial)}
