"""Asking the gate on behalf of ``gate``, ``plan`` and ``migrate``: places, facts, derogations in; a verdict out."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Final

from migrator.core.gate_record import GateRecord
from migrator.core.modes import DatasetClass
from migrator.engine.gate_files import (
    kept_derogations,
    read_derogation_file,
    save_derogation,
    save_verdict,
)
from migrator.errors import GateRefused
from providers.facts_overlay import Overlay, read_overlay
from providers.gate import DatasetClass as AskedClass
from providers.gate import (
    Derogation,
    DerogationRefused,
    Outcome,
    Question,
    Verdict,
    evaluate,
    load_rules,
    read_derogation,
)
from providers.gate.places import destination_place, worker_place
from providers.sites import Sites

if TYPE_CHECKING:
    from collections.abc import Sequence

    from migrator.cli.group import Invocation
    from migrator.core.plan import Plan
    from migrator.engine.files import WaveFiles

__all__ = ["Asked", "ask", "ask_again", "keep_derogations", "record_of", "refusal"]

_SHOWN: Final = 3


@dataclass(frozen=True, slots=True)
class Asked:
    """A verdict with what it takes to ask again: derogation files and facts files as they were named."""

    verdict: Verdict
    derogations: tuple[bytes, ...]
    facts_files: tuple[Path, ...]


def ask(
    invocation: Invocation,
    *,
    dataset_class: DatasetClass,
    mode: str,
    target: str,
    source: str | None = None,
    wave: str | None = None,
    derogations: Sequence[Path] = (),
    facts: Sequence[Path] = (),
    at: date,
) -> Asked:
    """Put the question to the gate.

    Args:
        invocation: Names the configuration, if the operator did.
        dataset_class: How sensitive the data is.
        mode: What happens to the bytes.
        target: Where they would go.
        source: Where they come from, if that is known.
        wave: The wave's name, if it has one.
        derogations: Files that the operator named: each must speak of this case on this day.
        facts: Facts files besides those of the configuration.
        at: The day.

    Raises:
        DerogationRefused: A derogation that was named does not count here.
        ConfigInvalid: Configuration, profile or facts file say what they may not say.
    """
    sites = Sites.load(invocation.config, os.environ)
    files = tuple(read_derogation_file(path) for path in derogations)
    read = tuple(
        _named(path, data, sites, dataset_class=dataset_class, target=target, wave=wave, at=at)
        for path, data in zip(derogations, files, strict=True)
    )
    verdict = _evaluate(sites, dataset_class, mode, target, source, wave, read, facts, at)
    return Asked(verdict, files, tuple(facts))


def ask_again(
    invocation: Invocation,
    plan: Plan,
    files: WaveFiles,
    *,
    derogations: Sequence[Path] = (),
    facts: Sequence[Path] = (),
    at: date,
    keep: bool = True,
) -> str:
    """Ask the gate about a wave that was planned, on what is known today; the wave file's verdict is not trusted.

    Derogations that travel in the wave's folder count if they are still signed by a trusted key and valid; the
    others are named and left aside.

    Args:
        invocation: This call of the command.
        plan: The wave.
        files: Where it lives.
        derogations: Files that the operator named now; they are copied into the folder.
        facts: Facts files that were named now; by default those that the wave file names.
        at: The day.
        keep: Whether anything may be written.

    Returns:
        What the ledger keeps of the verdict.

    Raises:
        GateRefused: The verdict is a refusal; it is kept in the folder.
        DerogationRefused: A derogation that was named now does not count.
        ConfigInvalid: As ``ask``.
    """
    sites = Sites.load(invocation.config, os.environ)
    new = tuple(read_derogation_file(path) for path in derogations)
    counted = [
        _named(path, data, sites, dataset_class=plan.dataset_class, target=plan.target, wave=plan.wave, at=at)
        for path, data in zip(derogations, new, strict=True)
    ]
    for data in kept_derogations(files):
        try:
            derogation = read_derogation(data, sites.derogation_keys)
            why = derogation.refusal(
                dataset_class=str(plan.dataset_class), destination=plan.target, wave=plan.wave, at=at
            )
        except DerogationRefused as error:
            why = error.message
        else:
            counted.append(derogation)
        if why is not None:
            invocation.output.say(f"a derogation in the wave's folder does not count: {why}")
    recorded = plan.gate_record
    named = tuple(facts) or tuple(Path(path) for path in (recorded.facts_files if recorded else ()))
    verdict = _evaluate(
        sites, plan.dataset_class, str(plan.mode), plan.target, plan.source, plan.wave, counted, named, at
    )
    refused = verdict.outcome is Outcome.REFUSED
    short = ""
    if keep:
        for data in new:
            save_derogation(files, data)
        short = save_verdict(files, verdict.to_dict(), refused=refused)
    if refused:
        raise refusal(verdict)
    if plan.restores is not None:
        invocation.output.say(f"the gate says {verdict.outcome}, {verdict.caveat()}")
    elif str(verdict.outcome) != plan.gate:
        invocation.output.say(
            f"the gate now says {verdict.outcome}, {verdict.caveat()}; the plan has {plan.gate}"
        )
    return short


def keep_derogations(files: WaveFiles, asked: Asked) -> None:
    """Copy the derogations of a plan into the wave's folder."""
    for data in asked.derogations:
        save_derogation(files, data)


def record_of(asked: Asked) -> GateRecord:
    """What the wave file remembers of a verdict."""
    verdict = asked.verdict
    destination, worker = verdict.question.destination, verdict.question.worker
    told = {} if worker is None else worker.to_dict()
    told.pop("name", None)
    return GateRecord(
        as_of=verdict.as_of,
        rules=verdict.rules_digest,
        facts=verdict.facts_digest,
        reasons=tuple(
            f"{reason.rule}: {'overridden' if reason.overridden_by else reason.consequence}"
            for reason in verdict.reasons
        ),
        worker=told,
        service=destination.service,
        region=destination.region,
        facts_files=tuple(os.path.abspath(path) for path in asked.facts_files),  # noqa: PTH100 - links stay
        derogations=verdict.derogations,
    )


def refusal(verdict: Verdict) -> GateRefused:
    """The error for a verdict that refuses."""
    reasons = verdict.refusals
    told = "; ".join(f"{reason.rule}: {reason.text['en'].rstrip('.')}" for reason in reasons[:_SHOWN])
    more = f"; and {len(reasons) - _SHOWN} more" if len(reasons) > _SHOWN else ""
    asked = verdict.question
    return GateRefused(
        f"the gate refuses {asked.dataset_class} data to {asked.destination.name} ({told}{more}), {verdict.caveat()}",
        hint=f"read all of it with: havre gate {shlex.quote(asked.destination.name)} --class {asked.dataset_class} "
        f"--mode {asked.mode}; name what you hold with --facts, or a signed decision with --derogation",
    )


def _evaluate(  # noqa: PLR0917 - one call for the two ways of asking
    sites: Sites,
    dataset_class: DatasetClass,
    mode: str,
    target: str,
    source: str | None,
    wave: str | None,
    derogations: Sequence[Derogation],
    facts: Sequence[Path],
    at: date,
) -> Verdict:
    overlay = _overlay(sites, facts)
    question = Question(
        dataset_class=AskedClass(str(dataset_class)),
        destination=destination_place(target, sites, overlay),
        mode=mode,
        source=None if source is None else destination_place(source, sites, overlay),
        worker=worker_place(sites, overlay),
        wave=wave,
        derogations=tuple(derogations),
    )
    return evaluate(question, load_rules(), at=at)


def _overlay(sites: Sites, facts: Sequence[Path]) -> Overlay:
    """The facts files named besides those of the configuration; a file that both name counts once."""
    known = {path.resolve() for path in sites.facts}
    own = [site.profile for site in sites.by_name.values()]
    more = Overlay()
    for path in facts:
        if path.resolve() not in known:
            more = more.joined(read_overlay(path, profiles=own))
    # Both may speak of one provider, but not say the same thing twice.
    sites.overlay.joined(more)
    return more


def _named(
    path: Path,
    data: bytes,
    sites: Sites,
    *,
    dataset_class: DatasetClass,
    target: str,
    wave: str | None,
    at: date,
) -> Derogation:
    """A derogation that the operator named: it must be good, and speak of this case on this day."""
    try:
        derogation = read_derogation(data, sites.derogation_keys)
    except DerogationRefused as error:
        raise DerogationRefused(f"{path}: {error.message}", hint=error.hint) from None
    why = derogation.refusal(dataset_class=str(dataset_class), destination=target, wave=wave, at=at)
    if why is not None:
        raise DerogationRefused(
            f"{path}: this derogation does not count here: {why}",
            hint="have one signed for this class, wave or destination, and day",
        )
    return derogation
