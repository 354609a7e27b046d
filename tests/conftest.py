"""Fixtures that every test may ask for, and the rule that a skip can be forbidden."""

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, settings

from support.require import STAGES, require_server, skips_are_forbidden, stage_of
from support.servers import (
    AzureServer,
    S3Server,
    SeaweedFS,
    start_azurite,
    start_moto,
    start_seaweedfs,
)
from support.swift import Swift, SwiftKeystone, SwiftServer

pytest_plugins = ["support.hostile_fixtures", "support.sftp_fixtures"]

# How fast this machine is just now says nothing of the code.
settings.register_profile("havre", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("havre")

_Report = TypeVar("_Report", pytest.TestReport, pytest.CollectReport)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out, rather than skip, the tests of a stage that nobody asked for."""
    left_out = [item for item in items if stage_of(_servers_of(item)) is not None]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name the stages that this run left out."""
    for stage, servers in STAGES.items():
        if stage_of(servers) is not None:
            terminalreporter.write_line(f"not asked for: the stage {stage} (scripts/test --{stage})")


def _servers_of(item: pytest.Item) -> set[str]:
    return {name for mark in item.iter_markers("server") for name in mark.args}


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers("server"):
        for name in mark.args:
            require_server(name)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return _without_skip((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    return _without_skip((yield))


def _without_skip(report: _Report) -> _Report:
    """Turn a skip into a failure where skips are forbidden; an expected failure is not a skip."""
    if report.outcome == "skipped" and not hasattr(report, "wasxfail") and skips_are_forbidden():
        reason = report.longrepr[-1] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"HAVRE_TEST_REQUIRE=all forbids skips: {reason}"
    return report


@pytest.fixture(scope="session")
def seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A SeaweedFS that the whole session shares; take a bucket of your own with `new_bucket()`."""
    require_server("seaweedfs")
    with start_seaweedfs(tmp_path_factory.mktemp("seaweedfs")) as server:
        yield server


@pytest.fixture
def seaweedfs_process(tmp_path: Path) -> Iterator[SeaweedFS]:
    """A running SeaweedFS of this test alone, which may be killed and started again."""
    require_server("seaweedfs")
    with SeaweedFS(tmp_path / "seaweedfs") as running:
        yield running


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AzureServer]:
    """An Azurite that the whole session shares; take a container of your own with `new_bucket()`."""
    require_server("azurite")
    with start_azurite(tmp_path_factory.mktemp("azurite")) as server:
        yield server


@pytest.fixture(scope="session")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A moto server that the whole session shares; take a bucket of your own with `new_bucket()`."""
    require_server("moto")
    with start_moto(tmp_path_factory.mktemp("moto")) as server:
        yield server


@pytest.fixture(scope="session")
def swift(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SwiftServer]:
    """A Swift with temp auth that the whole session shares; take a container of your own with `new_bucket()`."""
    require_server("swift")
    with Swift(tmp_path_factory.mktemp("swift")) as running:
        yield running.server


@pytest.fixture(scope="session", name="swift-s3api")
def swift_s3api(swift: SwiftServer) -> S3Server:
    """The same Swift as a client of S3 sees it."""
    return swift.s3


@pytest.fixture(scope="session")
def swift_keystone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SwiftKeystone]:
    """A Swift with a Keystone of its own that the whole session shares."""
    require_server("swift_keystone")
    with SwiftKeystone(tmp_path_factory.mktemp("swift-keystone")) as running:
        yield running
