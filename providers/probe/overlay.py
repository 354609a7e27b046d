"""What a probe saw, in the place of what was declared: a profile for one bucket, with measured facts.

Only what changes requests or limits is replaced. What was tried on this very bucket, and read back, may be gained as
well as lost: guarantees, a key beneath another, the etag that completion tells. Everything else can only become
stricter.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from providers.probe.awkward import AWKWARD
from providers.probe.catalogue import KEY_CHECK
from providers.profile_read import Fact
from providers.profile_spec import Status

if TYPE_CHECKING:
    from providers.probe.report import ProbeReport
    from providers.profile import Profile

__all__ = ["changes_of", "overlaid"]

_EITHER_WAY: Final = {
    "put-fence": "put_if_absent",
    "complete-fence": "complete_if_absent",
    "keys-nest": "keys_nest",
}
_ONLY_LOST: Final = {
    "stale-write": "put_if_match",
    "metadata": "metadata",
    "content-headers": "content_headers",
    "tags": "tags",
    "uploads-listed": "lists_uploads",
}
_DIGESTS: Final = ("sha256", "part-sha256")


def changes_of(report: ProbeReport, profile: Profile) -> dict[str, Any]:
    """Quirks and limits that the probe changes, by their dotted name; empty if it saw what is declared."""
    can = profile.capabilities()
    quirks: dict[str, Any] = {}
    for check, quirk in _EITHER_WAY.items():
        seen = report.seen(check)
        if seen is not None and bool(seen) != getattr(can, quirk):
            quirks[quirk] = bool(seen)
    for check, quirk in _ONLY_LOST.items():
        if report.seen(check) is False and getattr(can, quirk):
            quirks[quirk] = False
    if report.protocol == "s3":
        told = report.seen("complete-etag")
        if told is not None and bool(told) != profile.vouches("complete_tells_etag"):
            quirks["complete_tells_etag"] = bool(told)
        verified = [report.seen(check) for check in _DIGESTS]
        if None not in verified and all(verified) != can.verifies_checksum:
            quirks["verifies_sha256"] = all(verified)
        elif False in verified and can.verifies_checksum:
            quirks["verifies_sha256"] = False
    broken = {one.rule for one in AWKWARD if one.rule and report.seen(KEY_CHECK + one.slug) is False}
    if broken - can.key_rules:
        quirks["key_rules"] = tuple(sorted(can.key_rules | broken))
    changes = {f"quirks.{name}": value for name, value in quirks.items()}
    highest = report.seen("part-number")
    if highest is not None and 0 < highest < can.max_parts:
        changes["limits.max_parts"] = int(highest)
    return changes


def overlaid(profile: Profile, report: ProbeReport) -> Profile:
    """The profile as this bucket was seen to be; the very same one if the probe changes nothing."""
    changes = changes_of(report, profile)
    if not changes:
        return profile
    day = report.probed_at.date().isoformat()

    def merged(section: str, facts: Any) -> Any:
        found = {
            name.partition(".")[2]: Fact(
                value=value, status=Status.MEASURED, source=f"probe {report.digest[:12]}", date=day
            )
            for name, value in changes.items()
            if name.startswith(f"{section}.")
        }
        return MappingProxyType({**facts, **found})

    return replace(profile, quirks=merged("quirks", profile.quirks), limits=merged("limits", profile.limits))
