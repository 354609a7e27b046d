"""A wave's reviewed intent: what ``havre plan`` writes and ``havre migrate`` reads.

A plan is a TOML file that people read and may edit before the first run. Unknown fields are refused (typing
mistakes), every default is spelled out, and ``digest`` covers what must not change once a ledger exists.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Literal, TypeVar

from migrator.core.earlier import Earlier, read_earlier
from migrator.core.filters import Filters
from migrator.core.gate_record import GateRecord, read_gate_record
from migrator.core.modes import DatasetClass, Mode, Names
from migrator.errors import PlanInvalid

__all__ = ["FORMAT", "Estimate", "Plan", "ProbeQuote", "parse_plan"]

FORMAT: Final = 1
_Choice = TypeVar("_Choice", bound=StrEnum)
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ID: Final = re.compile(r"[0-9a-f]{32}")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_MAX_FILE: Final = 1024 * 1024
_MAX_COUNT: Final = 2**63 - 1
_MAX_SHOWN: Final = 80
_VERDICTS: Final = ("no-objection", "conditions", "refused", "not-evaluated")
_CANARY: Final = ("opened", "not-exercised", "not-needed")
_FILE_HINT: Final = "restore the file, or make it anew with 'havre plan'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What ``havre plan`` counted at the source. Counts by kind; bytes of what will be moved.

    ``largest`` is the size of the largest object that will be moved, or None where that was not noted.
    """

    counted_at: datetime
    objects: int
    bytes: int
    left_out: dict[str, int] = field(default_factory=dict)
    largest: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeQuote:
    """The newest probe of the target when the plan was made: its date and the digest of its report."""

    probed_at: datetime
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One wave.

    Attributes:
        wave: Name that people use; letters, digits, dot, dash, underscore.
        id: 32 hexadecimal characters, random, the wave's identity.
        dataset_class: How sensitive the data is.
        mode: What happens to the bytes.
        source: Location to read (``site:bucket/prefix`` or a local path).
        target: Location to write.
        recipients: Crypt4GH public keys, base64 of 32 bytes each (``encrypt`` and ``rewrap``).
        identity: Path of a private key file, if one was named (needed for ``rewrap`` and ``decrypt``).
        names: Whether names stay visible at the target.
        clear_attributes: Copy metadata and content headers in clear in the sealing modes.
        tags: Read and carry object tags (one more request an object).
        include_own: Take the source's ``.havre/`` objects too.
        filters: Include and exclude globs in order.
        gate: Verdict of the gate when the plan was made; ``migrate`` asks again and trusts no file.
        gate_record: What that verdict rests on, or None where the gate was not asked.
        canary: Whether each recipient's private half was exercised at plan time.
        created_at: When the plan was made.
        estimate: What was counted then.
        probe: What the target was seen to do, if it was probed.
        restores: The earlier wave that this one brings back, if it is a restore.
    """

    wave: str
    id: str
    dataset_class: DatasetClass
    mode: Mode
    source: str
    target: str
    recipients: tuple[str, ...] = ()
    identity: str | None = None
    names: Names = Names.VISIBLE
    clear_attributes: bool = False
    tags: bool = False
    include_own: bool = False
    filters: tuple[tuple[Literal["include", "exclude"], str], ...] = ()
    gate: str = "not-evaluated"
    gate_record: GateRecord | None = None
    canary: Literal["opened", "not-exercised", "not-needed"] = "not-needed"
    created_at: datetime | None = None
    estimate: Estimate | None = None
    probe: ProbeQuote | None = None
    restores: Earlier | None = None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.wave):
            raise PlanInvalid(
                f"{_shown(self.wave)} is not a wave name",
                hint="use letters, digits, dots, dashes and underscores, at most 64 of them",
            )
        if not _ID.fullmatch(self.id):
            raise PlanInvalid("the wave's id is not 32 hexadecimal characters", hint=_FILE_HINT)
        if self.mode.seals and not self.recipients:
            raise PlanInvalid(
                f"a wave in {self.mode} mode needs a recipient",
                hint="name the dataset's public key with --recipient KEY.pub ('havre keys generate' makes one)",
            )
        if not self.mode.seals and self.recipients:
            raise PlanInvalid(f"a wave in {self.mode} mode takes no recipient", hint="leave --recipient out")
        if self.mode.opens and not self.identity:
            raise PlanInvalid(
                f"a wave in {self.mode} mode needs the private key that opens its source",
                hint="name it with --identity KEY",
            )
        if not self.source or not self.target:
            raise PlanInvalid("a wave needs a source and a target", hint=_FILE_HINT)
        if self.gate not in _VERDICTS:
            raise PlanInvalid("the gate's verdict in the wave file makes no sense", hint=_FILE_HINT)
        if self.canary not in _CANARY:
            raise PlanInvalid("the field 'canary' of the wave file makes no sense", hint=_FILE_HINT)
        _ = self.compiled_filters

    @property
    def compiled_filters(self) -> Filters:
        """The filters, ready to use."""
        return Filters.of(self.filters)

    @property
    def digest(self) -> str:
        """SHA-256 (hexadecimal) over what must not change once a ledger exists."""
        fixed: dict[str, Any] = {
            "format": FORMAT,
            "wave": self.wave,
            "id": self.id,
            "class": str(self.dataset_class),
            "mode": str(self.mode),
            "source": self.source,
            "target": self.target,
            "recipients": sorted(self.recipients),
            "names": str(self.names),
            "clear_attributes": self.clear_attributes,
            "tags": self.tags,
            "include_own": self.include_own,
            "filters": [list(pair) for pair in self.filters],
        }
        if self.restores is not None:
            fixed["restores"] = self.restores.to_dict()
        text = json.dumps(fixed, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """The plan as the TOML file holds it."""
        data: dict[str, Any] = {
            "format": FORMAT,
            "wave": self.wave,
            "id": self.id,
            "class": str(self.dataset_class),
            "mode": str(self.mode),
            "source": self.source,
            "target": self.target,
            "recipients": list(self.recipients),
            "names": str(self.names),
            "clear_attributes": self.clear_attributes,
            "tags": self.tags,
            "include_own": self.include_own,
            "filters": [list(pair) for pair in self.filters],
            "gate": self.gate,
            "canary": self.canary,
        }
        if self.identity is not None:
            data["identity"] = self.identity
        if self.created_at is not None:
            data["created_at"] = self.created_at
        if self.gate_record is not None:
            data["gate_record"] = self.gate_record.to_dict()
        if self.estimate is not None:
            data["estimate"] = {
                "counted_at": self.estimate.counted_at,
                "objects": self.estimate.objects,
                "bytes": self.estimate.bytes,
                "left_out": dict(self.estimate.left_out),
            }
            if self.estimate.largest is not None:
                data["estimate"]["largest"] = self.estimate.largest
        if self.probe is not None:
            data["probe"] = {"probed_at": self.probe.probed_at, "digest": self.probe.digest}
        if self.restores is not None:
            data["restores"] = self.restores.to_dict()
        return data


_TYPES: Final[dict[str, type | tuple[type, ...]]] = {
    "format": int, "wave": str, "id": str, "class": str, "mode": str, "source": str, "target": str,
    "recipients": list, "identity": str, "names": str, "clear_attributes": bool, "tags": bool,
    "include_own": bool, "filters": list, "gate": str, "gate_record": dict, "canary": str, "created_at": datetime, "estimate": dict,
    "probe": dict, "restores": dict,
}  # fmt: skip
_REQUIRED: Final = ("format", "wave", "id", "class", "mode", "source", "target")


def parse_plan(text: str) -> Plan:
    """Read a wave file.

    Raises:
        PlanInvalid: It is not a plan; the message names the field.
    """
    try:
        if len(text.encode()) > _MAX_FILE:
            raise PlanInvalid("the wave file is larger than 1 MiB", hint=_FILE_HINT)
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PlanInvalid(f"the wave file is not valid TOML: {error}", hint=_FILE_HINT) from None
    except (ValueError, RecursionError):
        # A number of thousands of digits, arrays a thousand deep, half a surrogate pair.
        raise PlanInvalid("the wave file holds what no plan would", hint=_FILE_HINT) from None
    for name, value in data.items():
        wanted = _TYPES.get(name)
        if wanted is None:
            raise PlanInvalid(f"the wave file has an unknown field {_shown(name)}", hint=_FILE_HINT)
        if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
            raise PlanInvalid(f"the field {name!r} of the wave file has the wrong type", hint=_FILE_HINT)
    missing = [name for name in _REQUIRED if name not in data]
    if missing:
        raise PlanInvalid(f"the wave file lacks {', '.join(missing)}", hint=_FILE_HINT)
    if data.pop("format") != FORMAT:
        raise PlanInvalid("the wave file is of a format this version does not know", hint="use a newer havre")
    try:
        values: dict[str, Any] = dict(data)
        values["dataset_class"] = _choice(DatasetClass, values.pop("class"), "class")
        values["mode"] = _choice(Mode, values["mode"], "mode")
        values["names"] = _choice(Names, values.get("names", "visible"), "names")
        values["recipients"] = tuple(_strings(values.get("recipients", []), "recipients"))
        values["filters"] = tuple(_rule(pair) for pair in values.get("filters", []))
        if "created_at" in values:
            _check_moment(values["created_at"], "created_at")
        for name, read in _TABLES.items():
            if name in values:
                values[name] = read(values[name])
    except ValueError as error:
        raise PlanInvalid(f"the wave file makes no sense: {error}", hint=_FILE_HINT) from None
    return Plan(**values)


def _strings(items: list[Any], name: str) -> list[str]:
    if not all(isinstance(item, str) for item in items):
        raise ValueError(f"{name} must be a list of texts")
    return items


def _rule(pair: Any) -> tuple[Literal["include", "exclude"], str]:
    match pair:
        case ["include", str(glob)]:
            return ("include", glob)
        case ["exclude", str(glob)]:
            return ("exclude", glob)
    raise ValueError('a filter is a pair such as ["include", "*.dcm"]')


def _estimate(table: dict[str, Any]) -> Estimate:
    if table.keys() - {item.name for item in fields(Estimate)}:
        raise ValueError("the estimate has an unknown field")
    try:
        estimate = Estimate(**table)
    except TypeError:
        raise ValueError("the estimate lacks a field") from None
    _check_moment(estimate.counted_at, "counted_at")
    left_out = table.get("left_out", {})
    kinds = left_out.values() if isinstance(left_out, dict) else [None]
    counts = (estimate.objects, estimate.bytes, *kinds, table.get("largest", 0))
    if not all(type(count) is int and 0 <= count <= _MAX_COUNT for count in counts):
        raise ValueError("the estimate counts with whole numbers")
    return estimate


def _probe(table: dict[str, Any]) -> ProbeQuote:
    if table.keys() != {"probed_at", "digest"}:
        raise ValueError("a probe has a date (probed_at) and a digest")
    _check_moment(table["probed_at"], "probed_at")
    if not isinstance(table["digest"], str) or not _DIGEST.fullmatch(table["digest"]):
        raise ValueError("the digest of a probe is 64 hexadecimal characters")
    return ProbeQuote(**table)


def _check_moment(value: Any, name: str) -> None:
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise ValueError(f"{name} must be a date and time with its offset, such as 2026-01-31T12:00:00Z")


def _choice(choices: type[_Choice], text: str, name: str) -> _Choice:
    try:
        return choices(text)
    except ValueError:
        raise ValueError(f"{name} is one of {', '.join(choices)}, not {_shown(text)}") from None


def _shown(text: str) -> str:
    return repr(text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN] + "...")


_TABLES: Final[dict[str, Callable[[dict[str, Any]], object]]] = {
    "gate_record": read_gate_record,
    "estimate": _estimate,
    "probe": _probe,
    "restores": read_earlier,
}
"""Tables of the wave file and what reads each."""
