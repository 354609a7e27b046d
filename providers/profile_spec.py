"""What a profile file may say: its sections, fields and types, once, for the loader and for ``profile_schema``.

A profile states dated facts about one cloud offer and nothing else. Each fact is an inline table with a
value, a status that says how well it is known, a public source and a date (``YYYY``, ``YYYY-MM`` or
``YYYY-MM-DD``).
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from providers.keys import RULES
from providers.protocols import BASES

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "CERTIFICATE",
    "CERTIFICATE_KINDS",
    "DATE",
    "ENDPOINT",
    "FACT_FIELDS",
    "IAC",
    "KEYS",
    "KINDS",
    "LAW",
    "LIMITS",
    "OPERATIONS",
    "QUIRKS",
    "REGION",
    "SCHEMA_VERSION",
    "SECTIONS",
    "SERVICES",
    "TEXT",
    "TOP_LEVEL",
    "Status",
]

SCHEMA_VERSION: Final = 1


class Status(StrEnum):
    """How well a fact is known, best first."""

    OFFICIAL = "official"
    """Read in the ANSSI catalogue, the ANS list, the law, or a decision of the CNIL or the Conseil d'État itself."""
    OPERATOR = "operator"
    """Read by the operator in a document they hold; only a facts file may say so, never a profile."""
    MEASURED = "measured"
    """Seen by us on a running server of the version that the source names."""
    VENDOR = "vendor"
    """The vendor's own documentation or contract."""
    PRESS = "press"
    """Articles, third-party directories, other projects' source code."""
    MEMORY = "memory"
    """General knowledge, not looked up."""
    NOT_FOUND = "not_found"
    """Looked for and not found; such a fact has no value."""

    @property
    def rank(self) -> int:
        """How far from certain, 0 for an official text; the operator's own reading ranks with it."""
        return _RANKS[self]


_RANKS: Final[Mapping[Status, int]] = {
    Status.OFFICIAL: 0,
    Status.OPERATOR: 0,
    Status.MEASURED: 1,
    Status.VENDOR: 2,
    Status.PRESS: 3,
    Status.MEMORY: 4,
    Status.NOT_FOUND: 5,
}

FACT_FIELDS: Final = frozenset({"value", "status", "source", "date", "note"})
DATE: Final = re.compile(r"\d{4}(-\d{2}(-\d{2})?)?")
CERTIFICATE_KINDS: Final = ("hds", "secnumcloud")
KINDS: Final = ("offer", "software")
"""What a profile describes: what a host sells (the default), or a program that whoever installs it answers for."""

TEXT: Final[dict[str, Any]] = {"type": "string", "minLength": 1}
_SIZE: Final[dict[str, Any]] = {"type": "integer", "minimum": 1}
_FLAG: Final[dict[str, Any]] = {"type": "boolean"}
_DAY: Final[dict[str, Any]] = {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$"}
_WORDS: Final[dict[str, Any]] = {"type": "array", "items": TEXT}
_COUNTRY: Final[dict[str, Any]] = {"type": "string", "pattern": "^[A-Z]{2}$"}
_NAME_OR_FALSE: Final[dict[str, Any]] = {"oneOf": [TEXT, {"const": False}]}

LAW: Final[Mapping[str, dict[str, Any]]] = {
    "entity": TEXT,
    "hq_country": _COUNTRY,
    "parents": _WORDS,
    "non_eu_control": _FLAG,
    "exposure": TEXT,
}
"""``entity`` signs the contract and has its seat in ``hq_country`` (ISO 3166), ``parents`` own it,
``non_eu_control`` says whether someone outside the European Union controls it, ``exposure`` is foreign law
that reaches it."""

CERTIFICATE: Final[Mapping[str, dict[str, Any]]] = {
    "held": _FLAG,
    "version": TEXT,
    "scope": TEXT,
    "regions": _WORDS,
    "milestones": _WORDS,
    "activities": {"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": 6}},
    "attestation": TEXT,
    "valid_from": _DAY,
    "valid_until": _DAY,
    "conditions": _WORDS,
}
"""``activities`` are those of article R.1111-9 of the French public health code (HDS only); ``regions`` are
this profile's regions within the scope; ``milestones`` are steps passed on the way to a qualification."""

ENDPOINT: Final[Mapping[str, dict[str, Any]]] = {
    "protocol": {"enum": sorted(BASES)},
    "template": TEXT,
    "addressing": {"enum": ["virtual", "path", "either"]},
    "default_region": TEXT,
}
"""``protocol`` says how well it is known that the store speaks what ``[profile]`` names; ``template`` may hold
``{region}`` and ``{account}``."""
REGION: Final[Mapping[str, dict[str, Any]]] = {
    "country": _COUNTRY,
    "place": TEXT,
    "hds": _FLAG,
    "secnumcloud": _FLAG,
}
LIMITS: Final[Mapping[str, dict[str, Any]]] = {
    "max_object": _SIZE,
    "max_put": _SIZE,
    "min_part": _SIZE,
    "max_part": _SIZE,
    "max_parts": _SIZE,
    "list_limit": _SIZE,
    "max_key_bytes": _SIZE,
    "max_segment_bytes": _SIZE,
    "puts_per_second": _SIZE,
    "gets_per_second": _SIZE,
    "upload_days": _SIZE,
}
"""Bytes, counts, and for ``upload_days`` the days an unfinished upload is kept."""

QUIRKS: Final[Mapping[str, dict[str, Any]]] = {
    # what a driver can or must do
    "put_if_absent": _FLAG,
    "complete_if_absent": _FLAG,
    "put_if_match": _FLAG,
    "complete_if_match": _FLAG,
    "part_copy": _FLAG,
    "verifies_sha256": _FLAG,
    "verifies_md5": _FLAG,
    "equal_parts": _FLAG,
    "if_match_bare": _FLAG,
    "complete_tells_etag": _FLAG,
    "lists_uploads": _FLAG,
    "pin_by_version": _FLAG,
    "versions": _FLAG,
    "tags": _FLAG,
    "metadata": _FLAG,
    "metadata_folds_case": _FLAG,
    "content_headers": _FLAG,
    "keys_nest": _FLAG,
    "keys_fold_case": _FLAG,
    "any_key": _FLAG,
    "key_rules": {"type": "array", "items": {"enum": sorted(RULES)}},
    "atomic_put": _FLAG,
    # what people and runbooks must know
    "put_if_absent_atomic": _FLAG,
    "complete_if_absent_atomic": _FLAG,
    "verifies_payload_hash": _FLAG,
    "checksum_trailers": _FLAG,
    "complete_twice": _FLAG,
    "list_parts_repeats": _FLAG,
    "lists_in_key_order": _FLAG,
    "makes_missing_bucket": _FLAG,
    "object_lock": _FLAG,
    "object_lock_governance": _FLAG,
    "legal_hold": _FLAG,
    "lifecycle_abort": _FLAG,
    "object_attributes": _FLAG,
}
KEYS: Final[Mapping[str, dict[str, Any]]] = {
    "service": TEXT,
    "interfaces": _WORDS,
    "byok": _FLAG,
    "sse_c": _FLAG,
    "sse_kms": _FLAG,
    "custody": {"enum": ["provider", "customer", "either"]},
    "volume_cmk": _FLAG,
}
"""The cloud's own key service and server-side encryption; our encryption never needs either. ``custody`` says
who can hold the keys of what the cloud encrypts, ``volume_cmk`` whether block volumes take a customer's key."""

SERVICES: Final[Mapping[str, dict[str, Any]]] = dict.fromkeys(
    (
        "object_storage",
        "customer_held_keys",
        "isolated_projects",
        "private_network",
        "managed_postgresql",
        "kubernetes",
        "gpu",
        "analytics",
        "bastion",
        "central_logging",
        "immutable_logs",
        "kms",
        "hsm",
        "second_site",
        "backup",
        "identity_federation",
        "reversibility",
    ),
    _NAME_OR_FALSE,
)
"""What a platform needs → the name of the product that answers it, or false where the offer has none.

``analytics`` is Spark or the like; ``second_site`` another place of the same offer, far enough to outlive the
first; ``reversibility`` a documented way out."""

IAC: Final[Mapping[str, dict[str, Any]]] = {
    "pulumi": _NAME_OR_FALSE,
    "pulumi_version": TEXT,
    "terraform": _NAME_OR_FALSE,
    "terraform_version": TEXT,
    "also": _WORDS,
}
"""Packages that describe the offer's resources; false where there is none. ``also`` names further ones."""

OPERATIONS: Final[Mapping[str, dict[str, Any]]] = dict.fromkeys(
    (
        "compute_api",
        "identity_endpoint",
        "management_endpoint",
        "console",
        "credentials",
        "network",
        "log_retention",
        "erasure",
        "responsibility",
        "availability",
        "references",
        "outlook",
        "audit_tooling",
    ),
    TEXT,
)
"""What running there takes: APIs, credentials, what happens to data at the end, who answers for what."""

SECTIONS: Final[Mapping[str, Mapping[str, dict[str, Any]]]] = {
    "law": LAW,
    "endpoint": ENDPOINT,
    "limits": LIMITS,
    "quirks": QUIRKS,
    "keys": KEYS,
    "services": SERVICES,
    "iac": IAC,
    "operations": OPERATIONS,
}
"""The sections of a profile that are one table of facts each."""

TOP_LEVEL: Final = ("schema", "profile", "certificate", "regions", *SECTIONS)
"""Everything a profile file may hold."""
