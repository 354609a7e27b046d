"""The end of a run, a plan and a status in plain words. Pure: values in, lines out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from migrator.cli.output import plain, printable
from migrator.core.units import format_duration, format_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from migrator.core.plan import Plan
    from migrator.engine.planner import PlanResult
    from migrator.engine.report import Report

__all__ = ["percent", "plan_lines", "problem_lines", "report_lines", "status_rows", "verified_how"]

_LEVELS: Final = {
    "none": "not verified",
    "size": "verified by size only",
    "store-checksum": "verified by the store's own checksum",
    "sample": "verified in full for a sample, by size otherwise",
    "ciphertext": "every stored byte compared with what was sent; nothing was decrypted",
    "full": "verified in full: read back, opened and hashed again",
}
_OUTCOMES: Final = {
    "verified": "stored and verified",
    "stored": "stored, not verified",
    "skipped": "at the target already with the same content, or nothing to move (see --problems)",
    "planned": "not moved yet",
    "drifted": "no longer what was listed; not moved",
    "rejected": "refused; the reason is recorded for each",
    "failed": "failed; the next run tries again",
}
_DIFFERENCES: Final = 4
_HEADS: Final = {
    "done": "all of it",
    "incomplete": "finished, and objects were left behind",
    "interrupted": "interrupted",
    "stopped": "stopped",
}


def verified_how(level: str) -> str:
    """A verification level in words."""
    return _LEVELS.get(level, f"verified: {level}")


def percent(part: int, whole: int) -> int:
    """A share in whole percent, rounded down: 100 means all of it."""
    return part * 100 // whole if whole else 100


def report_lines(report: Report, *, action: str) -> list[str]:
    """What a run did. ``action`` is what the run does to objects, such as ``moved``."""
    counts, size = report.counts, report.bytes
    done = counts.get("verified", 0) + counts.get("stored", 0) + counts.get("skipped", 0)
    moved = f"{format_size(size.get('stored', 0))} of {format_size(size.get('total', 0))}"
    took = f"in {format_duration(report.seconds)}"
    lines = [
        f"wave {report.wave}: {_head(report)}",
        f"{action:<10}{done:,} of {counts.get('total', 0):,} objects, {moved}, {took}",
    ]
    lines += [f"{'':10}{counts[name]:,} {meaning}" for name, meaning in _OUTCOMES.items() if counts.get(name)]
    lines.append(f"{'checked':<10}{verified_how(report.level)}")
    if report.resent_objects or size.get("resent"):
        resent = f"{report.resent_objects:,} objects, {format_size(size.get('resent', 0))}"
        lines.append(f"{'again':<10}{resent} sent a second time after an interruption")
    lines += [f"{'note':<10}{plain(note)}" for note in report.notes]
    return lines


def _head(report: Report) -> str:
    if report.exit_code == _DIFFERENCES:
        return "verification found differences"
    return _HEADS.get(report.state, report.state)


def problem_lines(problems: Iterable[Mapping[str, Any]], *, action: str = "not moved") -> list[str]:
    """Objects that did not make it, one a line: row number (or key, where it was asked for) and reason."""
    lines = []
    for problem in problems:
        what = f"row {problem.get('row')}"
        if problem.get("key") is not None:
            what += f" {printable(str(problem['key']))}"
        reason = plain(str(problem.get("reason") or "no reason recorded"))
        lines.append(f"{what}: {problem.get('outcome', action)}: {reason}")
    return lines


def plan_lines(result: PlanResult, wave_file: str) -> list[str]:
    """What a plan found, for review."""
    plan = result.plan
    estimate = plan.estimate
    lines = [
        f"wave       {plan.wave}",
        f"from       {plain(plan.source)}",
        f"to         {plain(plan.target)}",
        f"class      {plan.dataset_class}",
        f"mode       {plan.mode}, names {plan.names}",
    ]
    if estimate is not None:
        lines.append(f"objects    {estimate.objects:,}, {format_size(estimate.bytes)}")
        lines += [
            f"{'':11}{count:,} left out: {reason}" for reason, count in estimate.left_out.items() if count
        ]
    lines += [f"{'':11}{_words(name)}: {_figure(name, value)}" for name, value in result.parts.items()]
    if result.existing_at_target:
        lines.append(f"at target  {result.existing_at_target:,} objects stand under that prefix already")
    lines += [f"filter     {action} {printable(glob)}" for action, glob in plan.filters]
    lines += [f"recipient  {recipient}" for recipient in plan.recipients]
    lines.append(f"canary     {plan.canary}")
    lines += _probe_lines(plan)
    lines.append(f"gate       {_gate(plan)}")
    lines.append(f"wave file  {plain(wave_file)}")
    return lines


def _gate(plan: Plan) -> str:
    record = plan.gate_record
    return plan.gate if record is None else f"{plan.gate}, on facts as of {record.as_of}; not legal advice"


def _probe_lines(plan: Plan) -> list[str]:
    if plan.probe is None:
        return []
    age = max(0, (plan.created_at - plan.probe.probed_at).days) if plan.created_at else 0
    old = "today" if not age else f"{age} day{'s' if age > 1 else ''} old"
    return [f"probe      {plan.probe.probed_at.date()} ({old}), digest {plan.probe.digest[:16]}"]


def _words(name: str) -> str:
    return name.replace("_", " ")


def _figure(name: str, value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return format_size(value) if name in _SIZES else f"{value:,}"
    return plain(str(value))


_SIZES: Final = frozenset({"largest", "part_size", "largest_part", "bytes"})


def status_rows(objects: Mapping[str, int]) -> Sequence[tuple[str, int, str]]:
    """Outcome, count and meaning, in the order of the work; outcomes nothing has are left out."""
    return [(name, objects[name], meaning) for name, meaning in _OUTCOMES.items() if objects.get(name)]
