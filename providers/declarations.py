"""What an operator declares of a place for the gate: ``[worker]`` and ``[sites.NAME.gate]`` in ``havre.toml``.

A declaration is not a fact about a cloud: it says which of its regions and services is meant, or that a place is the
controller's own premises. The gate quotes it as declared, and the wave file records it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from providers.errors import ConfigInvalid
from providers.profile_read import refuse_unknown, table_of

__all__ = ["OWN", "Declared", "read_site_gate", "read_worker"]

OWN: Final = "own"
"""The provider of a worker, or the premises of a site, that the data controller runs itself."""
_COUNTRY: Final = re.compile(r"[A-Z]{2}")
_SITE_FIELDS: Final = ("premises", "region", "service", "country", "operator")
_WORKER_FIELDS: Final = ("provider", "region", "service", "country", "operator")


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """One place as declared.

    Attributes:
        declared_in: The table it stands in.
        provider: Name of the profile (workers only); None on own premises and for sites.
        own: Whether it is the controller's own premises.
        region: The offer's region.
        service: The service whose qualifications count, in its vendor's words.
        country: Where it stands (ISO 3166).
        operator: Who runs it.
    """

    declared_in: str
    provider: str | None = None
    own: bool = False
    region: str | None = None
    service: str | None = None
    country: str | None = None
    operator: str | None = None


def read_worker(where: str, raw: object) -> Declared:
    """The table ``[worker]``.

    Raises:
        ConfigInvalid: It says what it may not say, or names no provider.
    """
    table = _texts(where, raw, _WORKER_FIELDS)
    provider = table.get("provider")
    if provider is None:
        raise ConfigInvalid(
            f"{where}: field 'provider' is required",
            hint=f"name the profile of the cloud that havre runs in, or write {OWN!r} for own premises",
        )
    rest = {name: table.get(name) for name in _WORKER_FIELDS if name != "provider"}
    own = provider == OWN
    return Declared(declared_in=where, provider=None if own else provider, own=own, **rest)


def read_site_gate(where: str, raw: object) -> Declared:
    """The table ``[sites.NAME.gate]``.

    Raises:
        ConfigInvalid: It says what it may not say.
    """
    table = _texts(where, raw, _SITE_FIELDS)
    premises = table.get("premises")
    if premises not in {None, OWN}:
        raise ConfigInvalid(f"{where}: field 'premises' can only say {OWN!r}")
    rest = {name: table.get(name) for name in _SITE_FIELDS if name != "premises"}
    return Declared(declared_in=where, own=premises == OWN, **rest)


def _texts(where: str, raw: object, known: tuple[str, ...]) -> dict[str, Any]:
    table = table_of(where, raw)
    refuse_unknown(where, table, known)
    for name, value in table.items():
        if not isinstance(value, str) or not value.strip():
            raise ConfigInvalid(f"{where}: field {name!r} must be text")
    country = table.get("country")
    if country is not None and _COUNTRY.fullmatch(country) is None:
        raise ConfigInvalid(f"{where}: field 'country' is written as two capital letters, such as FR")
    return table
