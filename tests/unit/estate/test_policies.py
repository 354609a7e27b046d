"""What a bucket policy means: who is let in, and whether TLS is demanded."""

from typing import Any

import pytest

from providers.estate.policies import allows_anyone, requires_tls

DENY: dict[str, Any] = {
    "Effect": "Deny",
    "Principal": "*",
    "Action": "s3:*",
    "Resource": ["arn:aws:s3:::b", "arn:aws:s3:::b/*"],
    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
}


def policy(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


@pytest.mark.parametrize(
    "statement",
    [
        DENY,
        DENY | {"Principal": {"AWS": "*"}},
        DENY | {"Action": ["s3:*"]},
        DENY | {"Resource": "*"},
        DENY | {"Condition": {"Bool": {"AWS:securetransport": ["false"]}}},
        DENY | {"Condition": {"Bool": {"aws:SecureTransport": False}}},
    ],
)
def test_tls_is_demanded(statement: dict[str, Any]) -> None:
    """Denying everybody everything without TLS, on bucket and objects, is a demand of TLS."""
    assert requires_tls(policy(statement))
    assert requires_tls({"Statement": statement})


@pytest.mark.parametrize(
    "statement",
    [
        DENY | {"Effect": "Allow"},
        DENY | {"Principal": {"AWS": "arn:aws:iam::1:root"}},
        DENY | {"Action": "s3:GetObject"},
        DENY | {"Resource": "arn:aws:s3:::b/*"},
        DENY | {"Resource": "arn:aws:s3:::b"},
        DENY | {"Condition": {"Bool": {"aws:SecureTransport": "true"}}},
        DENY
        | {"Condition": {"Bool": {"aws:SecureTransport": "false"}, "IpAddress": {"aws:SourceIp": "10/8"}}},
        DENY | {"Condition": {"StringEquals": {"aws:SecureTransport": "false"}}},
        {"Effect": "Deny"},
    ],
)
def test_less_is_no_demand_of_tls(statement: dict[str, Any]) -> None:
    """A statement that leaves somebody, something or somewhere out demands nothing."""
    assert not requires_tls(policy(statement))


def test_two_statements_may_demand_tls_together() -> None:
    """One statement for the bucket and one for its objects are a demand together."""
    parts = (DENY | {"Resource": "arn:aws:s3:::b"}, DENY | {"Resource": "arn:aws:s3:::b/*"})
    assert requires_tls(policy(*parts))


def test_anyone_is_let_in() -> None:
    """Allowing everybody shows, with a condition as well as without; denying everybody does not."""
    allow = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "*"}
    assert allows_anyone(policy(allow))
    assert allows_anyone(policy(allow | {"Principal": {"AWS": ["1", "*"]}}))
    assert allows_anyone(policy(allow | {"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}))
    assert allows_anyone(
        policy({"Effect": "Allow", "NotPrincipal": {"AWS": "1"}, "Action": "*", "Resource": "*"})
    )
    assert not allows_anyone(policy(DENY))
    assert not allows_anyone(policy(allow | {"Principal": {"AWS": "arn:aws:iam::1:root"}}))
