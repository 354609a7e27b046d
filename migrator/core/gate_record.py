"""What a wave file remembers of the gate's verdict: enough to ask the same again, and to see what changed."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from datetime import date, datetime
from typing import Any, Final

__all__ = ["GateRecord", "read_gate_record"]

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_REASON: Final = re.compile(r"[a-z0-9-]{1,64}: (?:none|note|condition|refused|overridden)")
_LISTS: Final = ("reasons", "facts_files", "derogations")
_MAX_ITEMS: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRecord:
    """One verdict in short.

    Attributes:
        as_of: The day it speaks of.
        rules: SHA-256 of the rules that were asked.
        facts: SHA-256 of the question and the facts that were used.
        reasons: ``rule: consequence`` of each rule, worst first; ``overridden`` where a derogation took a refusal back.
        worker: Where the migrator runs, as declared; empty where it was not.
        service: The service that was judged, if it has a name.
        region: The region that was judged, if known.
        facts_files: The operator's facts files that were named besides those of the configuration.
        derogations: SHA-256 of each derogation that the verdict relies on.
    """

    as_of: date
    rules: str
    facts: str
    reasons: tuple[str, ...] = ()
    worker: dict[str, Any] = field(default_factory=dict)
    service: str | None = None
    region: str | None = None
    facts_files: tuple[str, ...] = ()
    derogations: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As the wave file holds it; what is unknown is left out."""
        data: dict[str, Any] = {
            "as_of": self.as_of,
            "rules": self.rules,
            "facts": self.facts,
            "service": self.service,
            "region": self.region,
            "worker": dict(self.worker),
            **{name: list(getattr(self, name)) for name in _LISTS},
        }
        return {name: value for name, value in data.items() if value is not None}


def read_gate_record(table: dict[str, Any]) -> GateRecord:
    """The record of a wave file.

    Raises:
        ValueError: It is none; the message says why.
    """
    if table.keys() - {item.name for item in fields(GateRecord)}:
        raise ValueError("gate_record has an unknown field")
    as_of = table.get("as_of")
    if not isinstance(as_of, date) or isinstance(as_of, datetime):
        raise ValueError("gate_record.as_of must be a day such as 2026-01-31")  # noqa: TRY004 - as its siblings
    for name in ("rules", "facts"):
        if not isinstance(table.get(name), str) or not _DIGEST.fullmatch(table[name]):
            raise ValueError(f"gate_record.{name} must be a SHA-256 digest")
    for name in ("service", "region"):
        if name in table and not isinstance(table[name], str):
            raise ValueError(f"gate_record.{name} must be text")
    worker = table.get("worker", {})
    if not isinstance(worker, dict) or not all(isinstance(value, str | bool) for value in worker.values()):
        raise ValueError("gate_record.worker must be a table of texts")
    lists = {name: _texts(name, table.get(name, [])) for name in _LISTS}
    if not all(_REASON.fullmatch(reason) for reason in lists["reasons"]):
        raise ValueError("gate_record.reasons must be pairs such as 'eds-hds: condition'")
    if not all(_DIGEST.fullmatch(digest) for digest in lists["derogations"]):
        raise ValueError("gate_record.derogations must be SHA-256 digests")
    return GateRecord(**{**table, "worker": dict(worker), **lists})


def _texts(name: str, value: Any) -> tuple[str, ...]:
    if (
        not isinstance(value, list)
        or len(value) > _MAX_ITEMS
        or not all(isinstance(one, str) for one in value)
    ):
        raise ValueError(f"gate_record.{name} must be a list of texts")
    return tuple(value)
