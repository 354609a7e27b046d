"""What an answer may bring into an estate: bounded texts, and no tag that reads like a secret.

Pure. Everything that a provider said goes through here.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from providers.estate.model import Absence, Item, Setting

__all__ = ["LEFT_OUT", "clean_item", "clean_tags", "clean_text", "clean_time", "clean_value"]

LEFT_OUT: Final = "(left out)"
"""Stands where a tag's value looked like a secret."""

_MOST_TEXT: Final = 512
_MOST_TAGS: Final = 100
_MOST_LIST: Final = 256
_SECRET_NAME: Final = re.compile(
    r"pass(word|wd|phrase)?|secret|token|credential|private|api_?-?key|access_?-?key|user_?-?data",
    re.IGNORECASE,
)
_SECRET_VALUE: Final = re.compile(
    r"-----BEGIN |\bAKIA[0-9A-Z]{16}\b|\beyJ[A-Za-z0-9_-]{16,}\.|\bSCW[0-9A-Z]{17}\b|://[^/@\s]+:[^/@\s]+@|[?&](sig|X-Amz-Signature|temp_url_sig)="
)
_DIGEST_DIGITS: Final = 16


def clean_text(value: object) -> str:
    """A bounded text. A longer one ends with a digest of all of it, so that a change past the end still shows."""
    text = value if isinstance(value, str) else str(value)
    # A lone surrogate would make the document unwritable.
    text = text.encode("utf-8", "replace").decode("utf-8")
    if _SECRET_VALUE.search(text):
        return LEFT_OUT
    if len(text) <= _MOST_TEXT:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_DIGITS]
    return f"{text[: _MOST_TEXT - 40]}... (cut, SHA-256 {digest})"


def clean_value(value: Any) -> Setting | None:
    """A setting as estates hold it; None where there is nothing to say."""
    if value is None or value == "" or isinstance(value, (bool, int)):
        return None if value is None or value == "" else value
    if isinstance(value, float):
        return clean_text(f"{value:g}")
    if isinstance(value, datetime):
        return clean_time(value)
    if isinstance(value, Mapping):
        return _bounded(f"{name}={clean_text(one)}" for name, one in sorted(value.items(), key=str))
    if isinstance(value, (list, tuple, set, frozenset)):
        return _bounded(sorted(clean_text(one) for one in value))
    return clean_text(value)


def clean_tags(value: object) -> dict[str, str]:
    """Labels as name → text. A list of labels (OpenStack, Scaleway) becomes names without a text."""
    if isinstance(value, Mapping):
        pairs = [(str(name), one) for name, one in value.items()]
    elif isinstance(value, (list, tuple, set, frozenset)):
        pairs = [_pair(one) for one in value]
    else:
        return {}
    tags = {}
    for name, one in sorted(pairs, key=lambda pair: pair[0])[:_MOST_TAGS]:
        text = LEFT_OUT if _SECRET_NAME.search(name) and one not in {"", None} else clean_text(one or "")
        tags[clean_text(name)] = text
    return tags


def clean_time(value: object) -> str | None:
    """A time as RFC 3339 in UTC; None where it is none. A time without a zone is taken as UTC."""
    if isinstance(value, str):
        text = value.strip().replace("Z", "+00:00")
        try:
            value = datetime.fromisoformat(text)
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return None
    moment = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    return moment.isoformat(timespec="seconds")


def clean_item(
    *,
    identifier: object,
    name: object = "",
    region: object = None,
    created: object = None,
    tags: object = None,
    settings: Mapping[str, Any] | None = None,
    unknown: Mapping[str, Absence] | None = None,
) -> Item:
    """An item of what a provider said; settings without a value are dropped."""
    known = {}
    for field, value in (settings or {}).items():
        cleaned = clean_value(value)
        if cleaned is not None:
            known[field] = cleaned
    return Item(
        id=clean_text(identifier),
        name=clean_text(name or ""),
        region=clean_text(region) if region else None,
        created=clean_time(created),
        tags=clean_tags(tags),
        settings=known,
        unknown=dict(unknown or {}),
    )


def _bounded(texts: Iterable[str]) -> tuple[str, ...]:
    every = list(texts)
    if len(every) <= _MOST_LIST:
        return tuple(every)
    digest = hashlib.sha256("\0".join(every).encode()).hexdigest()[:_DIGEST_DIGITS]
    return (*every[: _MOST_LIST - 1], f"({len(every) - _MOST_LIST + 1} more, SHA-256 of all {digest})")


def _pair(one: object) -> tuple[str, object]:
    """A label of a list: ``{"Key": …, "Value": …}`` (Outscale, AWS), ``name=text`` or a bare name."""
    if isinstance(one, Mapping):
        return str(one.get("Key", one.get("key", ""))), one.get("Value", one.get("value", ""))
    name, _, text = str(one).partition("=")
    return name, text
