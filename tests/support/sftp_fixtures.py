"""Fixtures of real sshds, loaded as a plugin."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.require import require_server
from support.sshd import Sshd, SshdPlace


@pytest.fixture(scope="session")
def sftp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshdPlace]:
    """An sshd that the whole session shares; take a folder of your own with `new_bucket()`."""
    require_server("sftp")
    with Sshd(tmp_path_factory.mktemp("sftp")) as running:
        yield running.place


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    """A running sshd of this test alone, which may be killed, cut off and started again."""
    require_server("sftp")
    with Sshd(tmp_path / "sshd") as running:
        yield running
