"""Stores on a real sshd, for the conformance suite and the fault tests."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from providers.driver import StoreDriver
from providers.drivers.sftp import SftpDriver, SftpSettings
from providers.sftp_place import Hop, SftpPlace
from support.harness import Harness, ServerFacts
from support.sshd import SshdPlace, new_key

__all__ = ["SftpHarness", "settings_of"]


def settings_of(server: SshdPlace, bucket: str, **changes: Any) -> SftpSettings:
    """What a driver is told of a bucket of this server; `changes` replace fields."""
    place = SftpPlace(
        server=Hop(host=server.host, port=server.port, user=server.user),
        root=str(server.root),
        known_hosts=server.known_hosts,
        key_file=server.key_file,
    )
    settings = SftpSettings(
        place=place,
        bucket=bucket,
        known_hosts=(server.known_hosts,),
        max_connections=8,
        connect_timeout=20,
        timeout=30,
    )
    return replace(settings, **changes)


class SftpHarness(Harness):
    """Folders that an sshd serves."""

    def __init__(self, facts: ServerFacts, server: SshdPlace) -> None:
        super().__init__(facts)
        self.server = server

    def new_bucket(self) -> str:
        return self.server.new_bucket()

    def drop_bucket(self, bucket: str) -> None:
        shutil.rmtree(self.folder(bucket))

    def folder(self, bucket: str) -> Path:
        """The bucket as this machine sees it."""
        return self.server.root / bucket

    def driver(self, bucket: str, **changes: Any) -> StoreDriver:
        return SftpDriver(
            settings_of(self.server, bucket, capabilities=self.capabilities.narrowed(**changes))
        )

    def intruder(self, bucket: str) -> StoreDriver | None:
        key = self.server.root.parent / "key_of_a_stranger"
        if not key.exists():
            new_key(key)
        settings = settings_of(self.server, bucket)
        return SftpDriver(replace(settings, place=replace(settings.place, key_file=key)))
