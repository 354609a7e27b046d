"""``havre plan``: look at both ends, count, check what could not work, and write down the intent. Moves nothing."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from migrator.core.gate_record import GateRecord
from migrator.core.geometry import DEFAULT_PART_UNITS, cut
from migrator.core.modes import DatasetClass, Mode, Names
from migrator.core.names import OWN_PREFIX, TargetNames
from migrator.core.plan import Estimate, Plan
from migrator.engine.candidates import candidates
from migrator.engine.clashes import Clashes, can_clash
from migrator.engine.opening import Opener
from migrator.engine.recipients import write_recipient
from migrator.envelope.arithmetic import NONCE, header_length
from migrator.envelope.header import build_header, open_header, parse_header
from migrator.envelope.keys import Identity, Recipient
from migrator.errors import CapabilityMissing, UsageError
from providers.store import ObjectStore

__all__ = ["KeysRefused", "PlanRequest", "PlanResult", "make_plan", "refuse_nested"]

_SHOWN: Final = 1000
_CANARY: Final = b"havre canary, 32 bytes of nothing"[:32]


class KeysRefused(CapabilityMissing):
    """Keys that the target cannot hold; ``refused`` names the first thousand with the reason."""

    code = "keys-refused"

    def __init__(self, refused: tuple[tuple[str, str], ...], count: int) -> None:
        super().__init__(
            f"the target cannot hold {count} of the source's keys",
            hint="leave them out with --exclude, use --names keyed, or choose another target",
        )
        self.refused = refused
        self.count = count


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRequest:
    """What the operator asked for."""

    source: str
    target: str
    wave: str
    dataset_class: DatasetClass
    mode: Mode = Mode.ENCRYPT
    recipients: tuple[Recipient, ...] = ()
    identity: str | None = None
    identities: tuple[Identity, ...] = ()
    filters: tuple[tuple[Literal["include", "exclude"], str], ...] = ()
    names: Names | None = None
    clear_attributes: bool = False
    tags: bool = False
    include_own: bool = False
    gate: str = "not-evaluated"
    gate_record: GateRecord | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanResult:
    """What was found.

    Attributes:
        plan: The intent, ready to be reviewed.
        warnings: Sentences an operator should read before the first run.
        kinds: Things found at the source, by kind.
        rejected: Things that will not be moved as they are, by reason.
        parts: ``objects_in_parts``, ``largest`` (bytes), ``requests`` (estimate for a run with full verification).
        existing_at_target: Objects that stand under the target's prefix already.
    """

    plan: Plan
    warnings: tuple[str, ...]
    kinds: dict[str, int]
    rejected: dict[str, int] = field(default_factory=dict)
    parts: dict[str, int] = field(default_factory=dict)
    existing_at_target: int = 0


def make_plan(
    request: PlanRequest, opener: Opener, *, now: datetime, on_listed: Callable[[int], None] | None = None
) -> PlanResult:
    """Look at both ends and write down the intent.

    Raises:
        KeysRefused: The target cannot hold some keys.
        UsageError: The request contradicts itself.
        StoreError: A store is not there, or not for us.
    """
    guarded = request.dataset_class.guarded and request.mode.seals
    names = request.names or (Names.KEYED if guarded else Names.VISIBLE)
    if names is Names.KEYED and not request.mode.seals:
        raise UsageError(
            f"names cannot be keyed in mode {request.mode}: nothing sealed could bring them back",
            hint="leave --names out, or use --mode encrypt",
        )
    refuse_nested(request.source, request.target)
    draft = Plan(
        wave=request.wave,
        id=os.urandom(16).hex(),
        dataset_class=request.dataset_class,
        mode=request.mode,
        source=request.source,
        target=request.target,
        recipients=tuple(write_recipient(recipient) for recipient in request.recipients),
        identity=request.identity,
        names=names,
        clear_attributes=request.clear_attributes,
        tags=request.tags,
        include_own=request.include_own,
        filters=request.filters,
        gate=request.gate,
        gate_record=request.gate_record,
        canary=_canary(request),
        created_at=now,
    )
    with opener(request.source, True) as source, opener(request.target, False) as target:
        source.check()
        target.check()
        counted = _Counted()
        _count(counted, draft, source, target, on_listed or (lambda _count: None))
        existing = sum(1 for meta in target.list() if not meta.key.startswith(OWN_PREFIX))
    if counted.refused_count:
        raise KeysRefused(tuple(counted.refused), counted.refused_count)
    estimate = Estimate(
        counted_at=now,
        objects=counted.objects,
        bytes=counted.bytes,
        left_out=dict(counted.left_out),
        largest=counted.largest,
    )
    values = {name: getattr(draft, name) for name in Plan.__dataclass_fields__}
    plan = Plan(**{**values, "estimate": estimate})
    return PlanResult(
        plan=plan,
        warnings=tuple(_warnings(request, plan, counted, existing)),
        kinds=counted.kinds,
        rejected=counted.left_out,
        parts={
            "objects_in_parts": counted.in_parts,
            "largest": counted.largest,
            "requests": counted.requests,
        },
        existing_at_target=existing,
    )


@dataclass(slots=True)
class _Counted:
    objects: int = 0
    bytes: int = 0
    largest: int = 0
    in_parts: int = 0
    requests: int = 0
    kinds: dict[str, int] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)
    refused: list[tuple[str, str]] = field(default_factory=list)
    refused_count: int = 0

    def refuse(self, key: str, reason: str) -> None:
        self.refused_count += 1
        if len(self.refused) < _SHOWN:
            self.refused.append((key, reason.removeprefix("key refused: ")))


def _count(
    counted: _Counted,
    plan: Plan,
    source: ObjectStore,
    target: ObjectStore,
    on_listed: Callable[[int], None],
) -> None:
    names = TargetNames(plan.mode, plan.names, os.urandom(32))
    clashing = can_clash(plan.mode, plan.names, target.capabilities)
    recipients = max(1, len(plan.recipients))
    with Clashes(names, target.capabilities) as clashes:
        for number, item in enumerate(candidates(plan, source, target, names), 1):
            if number % 1000 == 0:
                on_listed(number)
            kind = item.kind or "object"
            counted.kinds[kind] = counted.kinds.get(kind, 0) + 1
            if item.reject is not None and item.reject.startswith("key refused: "):
                counted.refuse(item.key, item.reject)
                continue
            reason = item.reject or item.skip
            if reason is not None:
                counted.left_out[reason] = counted.left_out.get(reason, 0) + 1
                continue
            counted.objects += 1
            counted.bytes += item.size
            counted.largest = max(counted.largest, item.size)
            _count_requests(counted, plan, item.size, target, recipients)
            if clashing:
                clashes.add(item.key)
        if clashing:
            for key, reason in clashes.found():
                counted.refuse(key, reason)
    on_listed(sum(counted.kinds.values()))


def _count_requests(counted: _Counted, plan: Plan, size: int, target: ObjectStore, recipients: int) -> None:
    if size <= DEFAULT_PART_UNITS * 65_000:
        counted.requests += 3 + plan.tags
        return
    geometry = cut(
        plan.mode,
        source_size=size,
        source_header=header_length(1) if plan.mode.opens else 0,
        short_header=header_length(recipients) if plan.mode.seals else 0,
        limits=target.capabilities,
    )
    counted.in_parts += geometry.multipart
    # One look at the source, open and complete; then a read, a put and a read-back for each part.
    counted.requests += (3 if geometry.multipart else 0) + 3 * geometry.parts + plan.tags


def _canary(request: PlanRequest) -> Literal["opened", "not-exercised", "not-needed"]:
    """Seal something for every recipient and open it with every private half at hand."""
    if not request.mode.seals:
        return "not-needed"
    reachable = {identity.public: identity for identity in request.identities}
    opened = 0
    for recipient in request.recipients:
        identity = reachable.get(recipient.public)
        if identity is None:
            continue
        header = build_header(_CANARY, [recipient], writer_private=os.urandom(32), nonces=os.urandom(NONCE))
        if open_header(parse_header(header), [identity]).data_keys != (_CANARY,):
            raise UsageError("a recipient's private key does not open what is sealed for it")
        opened += 1
    return "opened" if opened == len(request.recipients) else "not-exercised"


def _warnings(request: PlanRequest, plan: Plan, counted: _Counted, existing: int) -> list[str]:
    found = []
    if counted.objects == 0:
        found.append("the source holds nothing that this wave would move")
    if plan.names is Names.KEYED and request.names is None:
        found.append(
            f"object names are keyed because the class is {plan.dataset_class}: nobody can read them at the target; "
            "--names visible keeps them readable there"
        )
    elif plan.dataset_class.guarded and plan.names is Names.VISIBLE:
        found.append("object names stay readable at the target, as you asked")
    if plan.canary == "not-exercised":
        found.append(
            "not every recipient's private key was at hand, so it was not shown that someone can open the result; "
            "name it with --identity to have it tried"
        )
    if plan.dataset_class.guarded and plan.mode is Mode.ENCRYPT and not request.identities:
        found.append(
            "the wave's root secret will be sealed for the recipients alone: without --identity an interrupted run "
            "begins objects again that were half-way up in parts"
        )
    if existing:
        found.append(f"{existing} object(s) stand under the target already; none of them will be overwritten")
    if plan.mode is Mode.COPY and plan.dataset_class is not DatasetClass.ANONYMOUS:
        found.append("mode copy does not encrypt: who can read the target can read the data")
    if plan.mode is Mode.DECRYPT:
        found.append("mode decrypt writes plain data: who can read the target can read it")
    if plan.clear_attributes and plan.mode.seals:
        found.append("user metadata and content headers will stand in clear at the target, as you asked")
    return found


def refuse_nested(source: str, target: str) -> None:
    """Make sure that neither location holds the other.

    Raises:
        UsageError: One does.
    """
    if _inside(source, target) or _inside(target, source):
        raise UsageError(
            "source and target lie inside each other", hint="choose a target outside of the source's prefix"
        )


def _inside(inner: str, outer: str) -> bool:
    return inner.rstrip("/") == outer.rstrip("/") or inner.startswith(outer.rstrip("/") + "/")
