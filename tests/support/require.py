"""When a missing server program may skip a test, when it must fail it, and which stages nobody asked for."""

import os
from collections.abc import Iterable

import pytest

from support.servers import missing

__all__ = ["STAGES", "require_server", "skips_are_forbidden", "stage_of"]

_VARIABLE = "HAVRE_TEST_REQUIRE"
STAGES = {"ceph": ("ceph", "ceph-swift")}
"""Stages that run only where they are asked for by name, and the servers that each brings."""


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


def stage_of(names: Iterable[str]) -> str | None:
    """The stage that has to be asked for before a test of these servers runs, or None where it may run.

    A stage is asked for by its name in HAVRE_TEST_REQUIRE; `all` means all that is not a stage.
    """
    wanted = set(names)
    for stage, servers in STAGES.items():
        if wanted.intersection(servers) and stage not in _demanded():
            return stage
    return None


def skips_are_forbidden() -> bool:
    """Tell whether every skip counts as a failure."""
    return "all" in _demanded()


def _demanded() -> set[str]:
    return {name.strip() for name in os.environ.get(_VARIABLE, "").split(",")} - {""}
