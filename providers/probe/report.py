"""A probe's outcome as it is kept: where, when, by what version, what was seen; with a digest of all of it."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from providers.errors import ConfigInvalid
from providers.probe.catalogue import CHECKS
from providers.probe.verdict import Declared, Outcome, Seen, declared_of, judge

if TYPE_CHECKING:
    from providers.profile import Profile

__all__ = ["FORMAT", "MAX_BYTES", "Line", "ProbeReport", "parse_report"]

FORMAT: Final = 1
MAX_BYTES: Final = 1024 * 1024
_HINT: Final = "probe again with 'havre doctor LOCATION --probe'"
_MOST: Final = 2**63 - 1
_TEXT: Final = 400
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One check of a report, compared: what a table shows and the JSON holds."""

    seen: Seen
    declared: Declared
    outcome: Outcome

    def to_dict(self) -> dict[str, Any]:
        """The check as JSON holds it."""
        return {
            "id": self.seen.id,
            "check": CHECKS[self.seen.id].words,
            "outcome": str(self.outcome),
            "seen": self.seen.value,
            "detail": self.seen.detail,
            "declared": self.declared.value,
            "status": self.declared.status,
            "fact": self.declared.fact or None,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeReport:
    """What a probe of one bucket saw.

    Attributes:
        site: Name of the site, or None for a local path.
        bucket: The bucket, or the local path.
        endpoint: The site's endpoint, or "".
        profile: Name of the profile that was compared with.
        protocol: How the store is spoken to.
        server: What the store says that it is, if it says so.
        probed_at: When it began, UTC.
        havre: Version that probed.
        lines: The checks in order, compared with the profile of that moment.
        left: Objects and uploads that could not be removed.
    """

    site: str | None
    bucket: str
    endpoint: str
    profile: str
    protocol: str
    server: str | None
    probed_at: datetime
    havre: str
    lines: tuple[Line, ...]
    left: int = 0

    @property
    def place(self) -> str:
        """Site and bucket, as messages name them."""
        return self.bucket if self.site is None else f"{self.site}:{self.bucket}"

    @property
    def digest(self) -> str:
        """SHA-256 (hexadecimal) of the canonical JSON without the digest itself."""
        text = json.dumps(self._content(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def seen(self, check_id: str) -> bool | int | None:
        """What a check saw; None where it was not tried."""
        return next((line.seen.value for line in self.lines if line.seen.id == check_id), None)

    def count(self, outcome: Outcome) -> int:
        """How many checks came out so."""
        return sum(line.outcome is outcome for line in self.lines)

    def compared_with(self, profile: Profile) -> tuple[Line, ...]:
        """What was seen then, against what ``profile`` declares now."""
        return tuple(compare(line.seen, profile) for line in self.lines)

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON holds it."""
        return {**self._content(), "digest": self.digest}

    def _content(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "site": self.site,
            "bucket": self.bucket,
            "endpoint": self.endpoint,
            "profile": self.profile,
            "protocol": self.protocol,
            "server": self.server,
            "probed_at": self.probed_at.isoformat(timespec="seconds"),
            "havre": self.havre,
            "counts": {str(outcome): self.count(outcome) for outcome in Outcome},
            "left": self.left,
            "checks": [line.to_dict() for line in self.lines],
        }


def compare(seen: Seen, profile: Profile) -> Line:
    """An observation beside its declaration."""
    declared = declared_of(seen.id, profile)
    return Line(seen=seen, declared=declared, outcome=judge(seen, declared))


def parse_report(text: str, origin: str) -> ProbeReport:
    """Read a saved report.

    Args:
        text: The file's content.
        origin: Names the file in messages.

    Raises:
        ConfigInvalid: It is no report, or its digest is not that of its content.
    """
    if len(text) > MAX_BYTES:
        raise ConfigInvalid(f"{origin}: larger than 1 MiB: no probe report", hint=_HINT)
    try:
        data = json.loads(text)
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            raise ConfigInvalid(f"{origin}: no probe report of this version", hint=_HINT)
        report = ProbeReport(
            site=None if data["site"] is None else _text(data["site"]),
            bucket=_text(data["bucket"]),
            endpoint=_text(data["endpoint"]),
            profile=_text(data["profile"]),
            protocol=_text(data["protocol"]),
            server=None if data["server"] is None else _text(data["server"]),
            probed_at=_moment(data["probed_at"]),
            havre=_text(data["havre"]),
            lines=tuple(_line(one) for one in data["checks"] if one["id"] in CHECKS),
            left=int(data["left"]),
        )
        digest = data["digest"]
    except (ValueError, KeyError, TypeError, RecursionError, AttributeError):
        raise ConfigInvalid(f"{origin}: no probe report", hint=_HINT) from None
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest) or digest != report.digest:
        raise ConfigInvalid(f"{origin}: the probe report was changed after it was written", hint=_HINT)
    return report


def _line(raw: dict[str, Any]) -> Line:
    seen = Seen(id=_text(raw["id"]), value=_value(raw["seen"]), detail=_text(raw["detail"]))
    declared = Declared(
        value=_value(raw["declared"]), status=_text(raw["status"]), fact=_text(raw["fact"] or "")
    )
    return Line(seen=seen, declared=declared, outcome=Outcome(raw["outcome"]))


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > 4 * _TEXT:
        raise TypeError("text was expected")
    return value


def _value(value: Any) -> bool | int | None:
    if value is None or (isinstance(value, int) and abs(value) <= _MOST):
        return value
    raise TypeError("true, false, a number or null was expected")


def _moment(value: Any) -> datetime:
    moment = datetime.fromisoformat(_text(value))
    if moment.tzinfo is None:
        raise ValueError("a moment has an offset")
    return moment
