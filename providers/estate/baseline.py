"""Baselines: what is expected of a host, as data with its sources. See ``baselines/*.toml``.

``status`` of a source says how it was read (``official``: the text itself; ``press``: a third party's copy or
digest of it; ``memory``: neither). ``reading`` of an expectation says whether the text itself names the value
(``text``) or we read it into the text (``interpretation``).
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from providers.errors import ConfigInvalid
from providers.estate.model import Setting
from providers.profile_read import refuse_unknown, table_of, text_of
from providers.profile_spec import DATE

__all__ = ["Baseline", "BaselineSource", "Expectation", "baseline_names", "load_baseline"]

_STATUSES: Final = ("official", "vendor", "press", "memory")
_READINGS: Final = ("text", "interpretation")
_SECONDS_PER_DAY: Final = 86_400
_EXPECT_FIELDS: Final = (
    "id",
    "title",
    "fact",
    "rule",
    "value",
    "source",
    "recommendation",
    "reading",
    "note",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineSource:
    """Where an expectation comes from."""

    id: str
    title: str
    url: str
    status: str
    date: str

    def to_dict(self) -> dict[str, str]:
        """The JSON form."""
        return {"title": self.title, "url": self.url, "status": self.status, "date": self.date}


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """One thing expected of a host.

    Attributes:
        id: Name within the baseline.
        title: What it is about.
        fact: Name of the fact.
        rule: How the fact is compared; a key of ``RULES``.
        value: With what.
        source: Who expects it.
        recommendation: The source's own number for it; may be empty.
        reading: ``text`` or ``interpretation``.
        note: What a reader should know besides.
    """

    id: str
    title: str
    fact: str
    rule: str
    value: Setting
    source: BaselineSource
    recommendation: str = ""
    reading: str = "interpretation"
    note: str = ""

    def holds(self, observed: Setting, asked_at: datetime) -> bool | None:
        """Whether a fact is as expected; None where it is of a kind that the rule cannot compare."""
        return RULES[self.rule](observed, self.value, asked_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """Expectations that belong together."""

    name: str
    title: str
    expectations: tuple[Expectation, ...]


def _texts(value: Setting) -> tuple[str, ...]:
    return value if isinstance(value, tuple) else (str(value),)


def _one_of(observed: Setting, value: Setting, _: datetime) -> bool | None:
    if isinstance(observed, (tuple, bool)):
        return None
    return str(observed) in _texts(value)


def _subset_of(observed: Setting, value: Setting, _: datetime) -> bool | None:
    return set(observed) <= set(_texts(value)) if isinstance(observed, tuple) else None


def _none_of(observed: Setting, value: Setting, _: datetime) -> bool | None:
    return not set(observed) & set(_texts(value)) if isinstance(observed, tuple) else None


def _is(observed: Setting, value: Setting, _: datetime) -> bool | None:
    return observed == value if type(observed) is type(value) else None


def _number(observed: Setting) -> int | None:
    return observed if isinstance(observed, int) and not isinstance(observed, bool) else None


def _at_most(observed: Setting, value: Setting, _: datetime) -> bool | None:
    found, limit = _number(observed), _number(value)
    return None if found is None or limit is None else found <= limit


def _within(observed: Setting, value: Setting, _: datetime) -> bool | None:
    """Above zero and at most the value: OpenSSH takes 0 for "no limit"."""
    found, limit = _number(observed), _number(value)
    return None if found is None or limit is None else 0 < found <= limit


def _empty(observed: Setting, _: Setting, __: datetime) -> bool | None:
    return not observed if isinstance(observed, tuple) else None


def _fresh(observed: Setting, value: Setting, asked_at: datetime) -> bool | None:
    """A time that lies at most so many days back."""
    days = _number(value)
    if days is None or not isinstance(observed, str):
        return None
    try:
        moment = datetime.fromisoformat(observed)
    except ValueError:
        return None
    if moment.tzinfo is None:
        return None
    return (asked_at - moment).total_seconds() <= days * _SECONDS_PER_DAY


RULES: Final[Mapping[str, Callable[[Setting, Setting, datetime], bool | None]]] = {
    "one-of": _one_of,
    "subset-of": _subset_of,
    "none-of": _none_of,
    "is": _is,
    "at-most": _at_most,
    "above-zero-at-most": _within,
    "empty": _empty,
    "days-old-at-most": _fresh,
}
"""Rule → compares what a host told with the expected value, at a time."""


def baseline_names() -> tuple[str, ...]:
    """The baselines that are shipped."""
    folder = files("providers.estate") / "baselines"
    return tuple(
        sorted(one.name.removesuffix(".toml") for one in folder.iterdir() if one.name.endswith(".toml"))
    )


def load_baseline(name: str | Path) -> Baseline:
    """Read a baseline that is shipped, by name, or one's own, by path.

    Raises:
        ConfigInvalid: There is none, or it is not well-formed.
    """
    if isinstance(name, str) and name in baseline_names():
        text = (files("providers.estate") / "baselines" / f"{name}.toml").read_text("utf-8")
        return _read(name, text)
    path = Path(name)
    try:
        return _read(str(path), path.read_text("utf-8"))
    except FileNotFoundError:
        raise ConfigInvalid(
            f"there is no baseline {str(name)!r}",
            hint=f"shipped: {', '.join(baseline_names())}; or name a file",
        ) from None
    except OSError as error:
        raise ConfigInvalid(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError:
        raise ConfigInvalid(f"{path}: not UTF-8 text") from None


def _read(where: str, text: str) -> Baseline:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigInvalid(f"{where}: not TOML") from error
    refuse_unknown(where, document, ("name", "title", "sources", "expect"))
    sources = {}
    for name, raw in table_of(f"{where}: [sources]", document.get("sources", {})).items():
        sources[name] = _source(f"{where}: [sources.{name}]", name, raw)
    raw_expect = document.get("expect", [])
    if not isinstance(raw_expect, list) or not raw_expect:
        raise ConfigInvalid(f"{where}: [[expect]] is required")
    found = tuple(_expect(f"{where}: [[expect]] {n}", raw, sources) for n, raw in enumerate(raw_expect, 1))
    if len({one.id for one in found}) < len(found):
        raise ConfigInvalid(f"{where}: two expectations have one id")
    return Baseline(
        name=text_of(where, document, "name"), title=text_of(where, document, "title"), expectations=found
    )


def _source(where: str, name: str, raw: object) -> BaselineSource:
    table = table_of(where, raw)
    refuse_unknown(where, table, ("title", "url", "status", "date"))
    title, url, status, date = (text_of(where, table, field) for field in ("title", "url", "status", "date"))
    if status not in _STATUSES:
        raise ConfigInvalid(f"{where}: field 'status' must be one of {', '.join(_STATUSES)}")
    if DATE.fullmatch(date) is None:
        raise ConfigInvalid(f"{where}: field 'date' is not YYYY, YYYY-MM or YYYY-MM-DD")
    return BaselineSource(id=name, title=title, url=url, status=status, date=date)


def _expect(where: str, raw: object, sources: Mapping[str, BaselineSource]) -> Expectation:
    table = table_of(where, raw)
    refuse_unknown(where, table, _EXPECT_FIELDS)
    rule, source = text_of(where, table, "rule"), text_of(where, table, "source")
    if rule not in RULES:
        raise ConfigInvalid(f"{where}: field 'rule' must be one of {', '.join(RULES)}")
    if source not in sources:
        raise ConfigInvalid(f"{where}: there is no source {source!r}")
    reading = table.get("reading", "interpretation")
    if reading not in _READINGS:
        raise ConfigInvalid(f"{where}: field 'reading' must be one of {', '.join(_READINGS)}")
    return Expectation(
        id=text_of(where, table, "id"),
        title=text_of(where, table, "title"),
        fact=text_of(where, table, "fact"),
        rule=rule,
        value=_value(where, table.get("value", "")),
        source=sources[source],
        recommendation=_optional(where, table, "recommendation"),
        reading=str(reading),
        note=_optional(where, table, "note"),
    )


def _optional(where: str, table: Mapping[str, Any], field: str) -> str:
    return text_of(where, table, field) if field in table else ""


def _value(where: str, value: Any) -> Setting:
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return tuple(value)
    if isinstance(value, (bool, int, str)):
        return value
    raise ConfigInvalid(f"{where}: field 'value' must be a text, a number, true, false or a list of texts")
