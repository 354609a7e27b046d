"""Fixtures of the servers in `support.hostile`, of the doubles, and of the servers that speak https."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.ceph import Ceph
from support.double_gcs import start_double_gcs
from support.double_outscale import start_double_outscale
from support.endpoints import AzureServer, S3Server
from support.hostile import HOSTILE
from support.require import require_server
from support.servers import Azurite, SeaweedFS
from support.swift import SwiftServer
from support.tls import Authority

__all__ = [
    "authority",
    "azurite_tls",
    "ceph",
    "ceph_process",
    "ceph_swift",
    "double_gcs",
    "double_outscale",
    "hostile",
    "juicefs",
    "localbucket",
    "nanio",
    "rclone",
    "seaweedfs_tls",
    "versitygw",
]


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A certificate authority of this session."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def seaweedfs_tls(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[S3Server]:
    """A SeaweedFS that speaks https only."""
    require_server("seaweedfs_tls")
    certificate = authority.issue("localhost", "127.0.0.1")
    with SeaweedFS(tmp_path_factory.mktemp("seaweedfs-tls"), certificate=certificate) as running:
        yield running.server


@pytest.fixture(scope="session")
def azurite_tls(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[AzureServer]:
    """An Azurite that speaks https only."""
    require_server("azurite")
    certificate = authority.issue("localhost", "127.0.0.1")
    with Azurite(tmp_path_factory.mktemp("azurite-tls"), certificate=certificate) as running:
        yield running.server


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], S3Server]]:
    """Starts a server of `support.hostile` on first use; it runs until the session ends."""
    running: dict[str, S3Server] = {}
    with ExitStack() as stack:

        def start(name: str) -> S3Server:
            require_server(name)
            if name not in running:
                directory: Path = tmp_path_factory.mktemp(name)
                running[name] = stack.enter_context(HOSTILE[name](directory)).server
            return running[name]

        yield start


@pytest.fixture(scope="session")
def rclone(hostile: Callable[[str], S3Server]) -> S3Server:
    """`rclone serve s3`."""
    return hostile("rclone")


@pytest.fixture(scope="session")
def juicefs(hostile: Callable[[str], S3Server]) -> S3Server:
    """The gateway of JuiceFS."""
    return hostile("juicefs")


@pytest.fixture(scope="session")
def nanio(hostile: Callable[[str], S3Server]) -> S3Server:
    """The server `nanio`."""
    return hostile("nanio")


@pytest.fixture(scope="session")
def localbucket(hostile: Callable[[str], S3Server]) -> S3Server:
    """The server `localbucket`."""
    return hostile("localbucket")


@pytest.fixture(scope="session")
def versitygw(hostile: Callable[[str], S3Server]) -> S3Server:
    """The Versity S3 Gateway."""
    return hostile("versitygw")


@pytest.fixture(scope="session")
def ceph_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ceph]:
    """A Ceph that the whole session shares."""
    require_server("ceph")
    with Ceph(tmp_path_factory.mktemp("ceph")) as running:
        yield running


@pytest.fixture(scope="session")
def ceph(ceph_process: Ceph) -> S3Server:
    """Ceph's gateway as a client of S3 sees it."""
    return ceph_process.server


@pytest.fixture(scope="session", name="ceph-swift")
def ceph_swift(ceph_process: Ceph) -> SwiftServer:
    """The same gateway as a client of Swift sees it."""
    return ceph_process.swift


@pytest.fixture(scope="session")
def double_gcs() -> Iterator[S3Server]:
    """The double of Google's XML API, as S3NS offers it."""
    with start_double_gcs() as server:
        yield server


@pytest.fixture(scope="session")
def double_outscale() -> Iterator[S3Server]:
    """The double of Outscale Object Storage."""
    with start_double_outscale() as server:
        yield server
