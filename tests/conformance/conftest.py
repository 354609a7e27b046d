"""Every test that asks for `store` runs on each server in each shape, less what a server is excused from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from providers.store import ObjectStore
from support.endpoints import AzureServer
from support.harness import (
    AzureHarness,
    FilesystemHarness,
    Harness,
    S3Harness,
    load_servers,
    shaped,
)
from support.seen import COLUMNS, running_columns
from support.sftp_harness import SftpHarness
from support.sshd import SshdPlace
from support.swift import SwiftServer
from support.swift_harness import SwiftHarness

_FACTS = {
    name: facts
    for name, facts in load_servers(Path(__file__).parent / "servers").items()
    if name not in COLUMNS or name in running_columns()  # optional servers that are absent are left out
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Servers times shapes, for whoever asks for a store; servers alone, for whoever asks for a harness."""
    wants_shape = {"store", "open_store"} & set(metafunc.fixturenames)
    if not wants_shape and "harness" not in metafunc.fixturenames:
        return
    cases = []
    for name, facts in _FACTS.items():
        marks = [] if name == "filesystem" else [pytest.mark.server(name)]
        cases += [
            pytest.param((name, shape), id=f"{name}-{shape}", marks=marks)
            for shape in (facts.shapes if wants_shape else facts.shapes[:1])
        ]
    metafunc.parametrize("place", cases, indirect=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what a server is known to fail, and leave out what does not apply to it."""
    here = Path(__file__).parent
    left_out: list[pytest.Item] = []
    for item in items:
        if not isinstance(item, pytest.Function) or here not in item.path.parents:
            continue
        callspec = getattr(item, "callspec", None)
        if callspec is None or "place" not in callspec.params:
            continue
        name, shape = callspec.params["place"]
        case = item.name.replace(f"{name}-{shape}-", "").replace(f"-{name}-{shape}", "")
        for override in _FACTS[name].overrides:
            if override.test in (item.originalname, case) and shape in override.shapes:
                if override.applicable:
                    item.add_marker(pytest.mark.xfail(strict=True, reason=override.reason))
                else:
                    left_out.append(item)
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture
def place(request: pytest.FixtureRequest) -> tuple[str, str]:
    """The server's name and the shape."""
    value: tuple[str, str] = request.param
    return value


@pytest.fixture
def harness(place: tuple[str, str], request: pytest.FixtureRequest, tmp_path: Path) -> Harness:
    """What opens drivers on this server, which is started on first use."""
    name, _ = place
    facts = _FACTS[name]
    if name == "filesystem":
        return FilesystemHarness(facts, tmp_path)
    server = request.getfixturevalue(name)
    if isinstance(server, SshdPlace):
        return SftpHarness(facts, server)
    if isinstance(server, SwiftServer):
        return SwiftHarness(facts, server)
    return AzureHarness(facts, server) if isinstance(server, AzureServer) else S3Harness(facts, server)


@pytest.fixture
def open_store(harness: Harness, place: tuple[str, str]) -> Iterator[Callable[..., ObjectStore]]:
    """Opens stores on this test's own bucket, with capabilities changed where asked."""
    with shaped(harness, place[1]) as open_one:
        yield open_one


@pytest.fixture
def store(open_store: Callable[..., ObjectStore]) -> ObjectStore:
    """A store on a bucket of this test's own."""
    opened: Any = open_store()
    assert isinstance(opened, ObjectStore)
    return opened
