"""What a wave relies on at its target: the promises that, broken, would cost bytes or names. Pure.

A promise that the engine can do without is not here: a store without verified checksums is read back, one that does
not list uploads is not swept, and the run is told of that by its capabilities. What stands here has no other way
round, or was chosen by the operator, so that a probe which saw it broken ends the wave before it begins.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from migrator.core.geometry import DEFAULT_PART_UNITS, cut
from migrator.core.modes import Level, Names
from migrator.envelope.arithmetic import header_length
from migrator.errors import CapabilityMissing

if TYPE_CHECKING:
    from migrator.core.plan import Plan
    from providers.capabilities import Capabilities

__all__ = ["Reliance", "relies_on"]

_PROFILE: Final = "say so in the site's profile, so that the run looks first, or choose another target"
_BROKEN: Final = "choose another target, or ask its operator"


@dataclass(frozen=True, slots=True)
class Reliance:
    """One promise.

    Attributes:
        check: Id of the probe's check that tests it.
        sentence: What the target was seen to do, if the check fails.
        hint: What to do then.
        least: Where the check measures a number, the smallest one that will do.
    """

    check: str
    sentence: str
    hint: str
    least: int | None = None


_ALWAYS: Final = (
    Reliance("write-read", "the target gives other bytes back than were written", _BROKEN),
    Reliance("empty-object", "the target does not keep empty objects", _BROKEN),
    Reliance("overwrite", "the target gives the old bytes of an object that was overwritten", _BROKEN),
    Reliance("absent", "the target describes objects that are not there", _BROKEN),
    Reliance("short-read", "the target's reads end early without a word", _BROKEN),
)
_PARTS: Final = (
    Reliance("upload", "the target does not make one object of equal parts", _BROKEN),
    Reliance("read-span", "the target gives another span than was asked for", _BROKEN),
    Reliance("upload-aborted", "the target does not give up an upload that is aborted", _BROKEN),
)
_UNRULED_KEYS: Final = (
    "spaces", "accents", "decomposed", "scripts", "emoji", "query-signs", "quotes", "long-piece",
)  # fmt: skip
"""Kinds of keys that no rule of a profile names: what a rule names is refused key by key."""


def relies_on(
    plan: Plan, limits: Capabilities, *, level: Level, part_units: int = DEFAULT_PART_UNITS
) -> tuple[Reliance, ...]:
    """The promises that a run of this plan needs its target to keep.

    Args:
        plan: The wave; without an estimate every object may have any size.
        limits: What the target's profile declares.
        level: How the run verifies.
        part_units: Wanted units per part.
    """
    found = list(_ALWAYS)
    if limits.metadata:
        found.append(
            Reliance("metadata", "the target drops the metadata that tells whose an object is", _PROFILE)
        )
    if limits.put_if_absent:
        found.append(Reliance("put-fence", "the target creates an object over another one", _PROFILE))
    parts = _parts(plan, limits, part_units)
    if parts != 1:
        found += _PARTS
        if limits.complete_if_absent:
            found.append(
                Reliance("complete-fence", "the target completes an upload over an object", _PROFILE)
            )
        if parts is not None:
            found.append(
                Reliance(
                    "part-number",
                    f"the target takes fewer parts than the {parts} that the largest object needs",
                    "plan again: the probe's limit is then used to cut larger parts",
                    least=parts,
                )
            )
    if level is Level.STORE_CHECKSUM:
        hint = "verify with 'full' or 'sample' instead"
        checks = ("sha256", "part-sha256") if parts != 1 else ("sha256",)
        found += [Reliance(check, "the target takes bytes whose digest is another", hint) for check in checks]
    if plan.names is Names.VISIBLE:
        found += [
            Reliance(
                f"key-{kind}",
                f"the target changes or loses keys of a usual kind ({kind})",
                "use --names keyed, or choose another target",
            )
            for kind in _UNRULED_KEYS
        ]
    return tuple(found)


def _parts(plan: Plan, limits: Capabilities, part_units: int) -> int | None:
    """Parts of the largest object: 1 where nothing goes up in parts, None where that is not known."""
    largest = plan.estimate.largest if plan.estimate is not None else None
    if largest is None:
        return None
    try:
        geometry = cut(
            plan.mode,
            source_size=max(largest, header_length(1) if plan.mode.opens else 0),
            source_header=header_length(1) if plan.mode.opens else 0,
            short_header=header_length(max(1, len(plan.recipients))) if plan.mode.seals else 0,
            limits=limits,
            part_units=part_units,
        )
    except CapabilityMissing:
        return None  # the object itself is refused, with its own reason
    return geometry.parts if geometry.multipart else 1
