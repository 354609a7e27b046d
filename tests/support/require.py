"""When a missing server program may skip a test, and when it must fail it."""

import os

import pytest

from support.servers import missing

__all__ = ["require_server", "skips_are_forbidden"]

_VARIABLE = "HAVRE_TEST_REQUIRE"


def require_server(name: str) -> None:
    """Skip the running test where server `name` cannot run; fail it where the server is demanded.

    HAVRE_TEST_REQUIRE holds `all`, or a comma list of server names.
    """
    reason = missing(name)
    if reason is None:
        return
    if _demanded() & {"all", name}:
        pytest.fail(f"{reason} ({_VARIABLE} demands it)", pytrace=False)
    pytest.skip(reason)


def skips_are_forbidden() -> bool:
    """Tell whether every skip counts as a failure."""
    return "all" in _demanded()


def _demanded() -> set[str]:
    return {name.strip() for name in os.environ.get(_VARIABLE, "").split(",")} - {""}
