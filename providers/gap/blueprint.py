"""Blueprints: from TOML to checked values. Every complaint names the file and the field.

Capabilities and sources that several blueprints share stand in ``capabilities.toml``; a blueprint may define
its own, which then win.
"""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, cast

from providers.errors import ConfigInvalid
from providers.gap.model import Basis, Blueprint, Capability, Effort, Level, Need, Ours, Source, Text
from providers.gap.query import parse_query
from providers.gap.spec import SCHEMA_VERSION, SOURCE_STATUSES
from providers.profile_read import did_you_mean, refuse_unknown, table_of, text_of
from providers.profile_spec import DATE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from importlib.resources.abc import Traversable

__all__ = ["list_blueprints", "load_blueprint"]

_SUFFIX: Final = ".toml"
_SHARED: Final = "capabilities.toml"
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]*")


def list_blueprints() -> tuple[str, ...]:
    """Names of the blueprints that ship with this package, sorted."""
    return tuple(
        sorted(
            entry.name.removesuffix(_SUFFIX)
            for entry in (_folder() / "blueprints").iterdir()
            if entry.name.endswith(_SUFFIX) and entry.is_file()
        )
    )


def load_blueprint(name_or_path: str | Path) -> Blueprint:
    """A blueprint by its name, or from a file where the argument is a path (has a ``/`` or ends in ``.toml``).

    Raises:
        ConfigInvalid: There is no such blueprint, or the file says what a blueprint may not say.
    """
    text = str(name_or_path)
    if isinstance(name_or_path, Path) or "/" in text or text.endswith(_SUFFIX):
        return _from_path(Path(name_or_path))
    return _packaged(text)


@cache
def _packaged(name: str) -> Blueprint:
    known = list_blueprints()
    if name not in known:
        hint = did_you_mean(name, known) or f"known blueprints: {', '.join(known)}"
        raise ConfigInvalid(f"no blueprint is called {name!r}", hint=hint)
    origin = f"{name}{_SUFFIX}"
    blueprint = _blueprint((_folder() / "blueprints" / origin).read_text("utf-8"), origin)
    if blueprint.name != name:
        raise ConfigInvalid(f"{origin}: [blueprint] name is {blueprint.name!r}, not the file's name")
    return blueprint


def _folder() -> Traversable:
    return resources.files("providers.gap")


def _from_path(path: Path) -> Blueprint:
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise ConfigInvalid(f"cannot read blueprint {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigInvalid(f"{path}: not UTF-8 text") from error
    return _blueprint(text, str(path))


@cache
def _shared() -> tuple[Mapping[str, Source], Mapping[str, Capability]]:
    document = _document(
        (_folder() / _SHARED).read_text("utf-8"), _SHARED, ("schema", "source", "capability")
    )
    return (
        MappingProxyType(_sources(_SHARED, document)),
        MappingProxyType(_capabilities(_SHARED, document)),
    )


def _document(text: str, origin: str, known: Iterable[str]) -> dict[str, Any]:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigInvalid(f"{origin}: not TOML: {error}") from error
    refuse_unknown(origin, document, known)
    if document.get("schema") != SCHEMA_VERSION:
        raise ConfigInvalid(f"{origin}: field 'schema' must be {SCHEMA_VERSION}")
    return document


def _blueprint(text: str, origin: str) -> Blueprint:
    document = _document(text, origin, ("schema", "blueprint", "source", "capability", "need"))
    head_at = f"{origin}: [blueprint]"
    head = table_of(head_at, document.get("blueprint"))
    refuse_unknown(head_at, head, ("name", "title", "about"))
    shared_sources, shared_capabilities = _shared()
    sources = dict(shared_sources) | _sources(origin, document)
    capabilities = dict(shared_capabilities) | _capabilities(origin, document)
    raw_needs = document.get("need")
    if not isinstance(raw_needs, list) or not raw_needs:
        raise ConfigInvalid(f"{origin}: needs are written as [[need]], and there is at least one")
    needs = [_need(f"{origin}: need", raw, sources, capabilities) for raw in raw_needs]
    names = [need.name for need in needs]
    for name in names:
        if names.count(name) > 1:
            raise ConfigInvalid(f"{origin}: capability {name!r} is asked for twice")
    return Blueprint(
        name=_name(head_at, text_of(head_at, head, "name")),
        title=_text(head_at, head, "title"),
        about=_text(head_at, head, "about"),
        needs=tuple(sorted(needs, key=lambda need: need.level is not Level.MUST)),
    )


def _name(where: str, name: str) -> str:
    if _NAME.fullmatch(name) is None:
        raise ConfigInvalid(f"{where}: {name!r} is no name of small letters, digits and '-'")
    return name


def _text(where: str, table: Mapping[str, Any], field: str) -> Text:
    here = f"{where}: field {field!r}"
    both = table_of(here, table.get(field))
    refuse_unknown(here, both, ("en", "fr"))
    return Text(en=text_of(here, both, "en"), fr=text_of(here, both, "fr"))


def _one_of(where: str, table: Mapping[str, Any], field: str, known: Iterable[str]) -> str:
    value = text_of(where, table, field)
    if value not in set(known):
        raise ConfigInvalid(f"{where}: {field} {value!r} is not one of {', '.join(known)}")
    return value


def _sources(origin: str, document: Mapping[str, Any]) -> dict[str, Source]:
    found = {}
    for name, raw in table_of(f"{origin}: source", document.get("source", {})).items():
        where = f"{origin}: source.{_name(origin, name)}"
        table = table_of(where, raw)
        refuse_unknown(where, table, ("text", "url", "status", "date"))
        url, date = text_of(where, table, "url"), text_of(where, table, "date")
        if not url.startswith(("https://", "http://")):
            raise ConfigInvalid(f"{where}: url {url!r} is not a public address")
        if DATE.fullmatch(date) is None:
            raise ConfigInvalid(f"{where}: date {date!r} is not YYYY, YYYY-MM or YYYY-MM-DD")
        found[name] = Source(
            name=name,
            text=_text(where, table, "text"),
            url=url,
            status=_one_of(where, table, "status", SOURCE_STATUSES),
            date=date,
        )
    return found


def _capabilities(origin: str, document: Mapping[str, Any]) -> dict[str, Capability]:
    found = {}
    for name, raw in table_of(f"{origin}: capability", document.get("capability", {})).items():
        where = f"{origin}: capability.{_name(origin, name)}"
        table = table_of(where, raw)
        refuse_unknown(where, table, ("label", "query", "effort", "ours"))
        effort_at = f"{where}.effort"
        effort = table_of(effort_at, table.get("effort"))
        refuse_unknown(effort_at, effort, ("step", "reason"))
        found[name] = Capability(
            name=name,
            label=_text(where, table, "label"),
            query=parse_query(f"{where}.query", table.get("query")),
            effort=Effort(
                step=cast("Any", _one_of(effort_at, effort, "step", ("S", "M", "L"))),
                reason=_text(effort_at, effort, "reason"),
            ),
            ours=_ours(f"{where}.ours", table["ours"]) if "ours" in table else None,
        )
    return found


def _ours(where: str, raw: object) -> Ours:
    table = table_of(where, raw)
    refuse_unknown(where, table, ("what", "state", "where", "limits", "needs"))
    state = _one_of(where, table, "state", ("exists", "planned"))
    if (state == "exists") != ("where" in table):
        raise ConfigInvalid(f"{where}: what exists says where, what is planned does not")
    return Ours(
        what=_text(where, table, "what"),
        state=cast("Any", state),
        where=text_of(where, table, "where") if "where" in table else None,
        limits=_text(where, table, "limits") if "limits" in table else None,
        needs=parse_query(f"{where}.needs", table["needs"]) if "needs" in table else None,
    )


def _need(
    where: str, raw: object, sources: Mapping[str, Source], capabilities: Mapping[str, Capability]
) -> Need:
    table = table_of(where, raw)
    refuse_unknown(where, table, ("capability", "level", "basis", "why", "sources"))
    name = text_of(where, table, "capability")
    if name not in capabilities:
        hint = did_you_mean(name, capabilities)
        raise ConfigInvalid(f"{where}: no capability is called {name!r}", hint=hint)
    here = f"{where} {name}"
    named = table.get("sources")
    if not isinstance(named, list) or not named:
        raise ConfigInvalid(f"{here}: field 'sources' must be a list of at least one source's name")
    for one in named:
        if one not in sources:
            raise ConfigInvalid(f"{here}: no source is called {one!r}", hint=did_you_mean(str(one), sources))
    return Need(
        capability=capabilities[name],
        level=Level(_one_of(here, table, "level", list(Level))),
        basis=Basis(_one_of(here, table, "basis", list(Basis))),
        why=_text(here, table, "why"),
        sources=tuple(sources[one] for one in named),
    )
