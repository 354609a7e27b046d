"""What a bucket policy means for two questions: may anyone in, and may anything travel in clear. Pure.

The language: docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-policies.html. Both answers err on the side
of alarm: a statement that is not understood counts as open, and never as a requirement of TLS.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["allows_anyone", "requires_tls"]


def allows_anyone(policy: Mapping[str, Any]) -> bool:
    """Whether a statement allows something to everybody, with conditions or without."""
    return any(
        one.get("Effect") == "Allow" and ("NotPrincipal" in one or _everybody(one.get("Principal")))
        for one in _statements(policy)
    )


def requires_tls(policy: Mapping[str, Any]) -> bool:
    """Whether everybody is denied everything, on bucket and objects, over a connection without TLS.

    That is the statement AWS Config looks for (s3-bucket-ssl-requests-only).
    """
    covered: set[str] = set()
    for one in _statements(policy):
        condition = one.get("Condition")
        denies = (
            one.get("Effect") == "Deny"
            and _everybody(one.get("Principal"))
            and set(_texts(one.get("Action"))) & {"s3:*", "*"}
            and isinstance(condition, Mapping)
            and set(condition) == {"Bool"}
            and _plain(condition["Bool"])
        )
        if denies:
            resources = _texts(one.get("Resource"))
            covered |= {
                "objects" if text.endswith("/*") else "all" if text == "*" else "bucket" for text in resources
            }
    return "all" in covered or {"bucket", "objects"} <= covered


def _plain(condition: Any) -> bool:
    if not isinstance(condition, Mapping):
        return False
    found = {str(name).lower(): [text.lower() for text in _texts(value)] for name, value in condition.items()}
    return found == {"aws:securetransport": ["false"]}


def _statements(policy: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    found = policy.get("Statement", ())
    for one in [found] if isinstance(found, Mapping) else found:
        if isinstance(one, Mapping):
            yield one


def _everybody(principal: Any) -> bool:
    if isinstance(principal, Mapping):
        return any("*" in _texts(value) for value in principal.values())
    return bool(principal == "*")


def _texts(value: Any) -> list[str]:
    if isinstance(value, (list, tuple)):
        return [str(one) for one in value]
    return [] if value is None else [str(value).lower() if isinstance(value, bool) else str(value)]
