"""Opens Swift drivers on a server; see ``support.harness``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from providers.driver import StoreDriver
from providers.drivers.swift import SwiftDriver, SwiftSettings
from providers.drivers.swift_names import beside
from providers.secrets import Secret
from support.harness import WRONG_SECRET, Harness, ServerFacts
from support.swift import SwiftServer

__all__ = ["SwiftHarness"]


class SwiftHarness(Harness):
    """Containers of a Swift with temp auth."""

    def __init__(self, facts: ServerFacts, server: SwiftServer) -> None:
        super().__init__(facts)
        self.server = server

    def new_bucket(self, *, versioned: bool = False) -> str:
        return self.server.new_bucket(**({"X-Versions-Enabled": "true"} if versioned else {}))

    def drop_bucket(self, bucket: str) -> None:
        self._empty(bucket)
        for name in (beside(bucket), bucket):
            status, _, _ = self.server.call("DELETE", name)
            assert status in {204, 404}, (name, status)

    @contextmanager
    def bucket(self) -> Iterator[str]:
        """A container of the test's own: a container just emptied may still list what it held."""
        bucket = self.new_bucket()
        try:
            yield bucket
        finally:
            self.drop_bucket(bucket)

    def driver(self, bucket: str, **changes: Any) -> StoreDriver:
        return SwiftDriver(self._settings(bucket, **changes))

    def intruder(self, bucket: str) -> StoreDriver | None:
        return SwiftDriver(replace(self._settings(bucket), key=Secret(WRONG_SECRET)))

    def _settings(self, bucket: str, **changes: Any) -> SwiftSettings:
        return SwiftSettings(
            container=bucket,
            auth_url=self.server.auth_url,
            user=Secret(self.server.user),
            key=Secret(self.server.key),
            endpoint=self.server.proxied,
            capabilities=self.capabilities.narrowed(**changes),
        )

    def _empty(self, bucket: str) -> None:
        import json

        for name in (bucket, beside(bucket)):
            while True:
                status, _, body = self.server.call("GET", name, query="format=json&versions=true")
                entries = json.loads(body) if status == 200 else []
                if not entries:
                    break
                for entry in entries:
                    version = entry.get("version_id")
                    query = f"version-id={version}" if version not in {None, "null"} else ""
                    status, _, _ = self.server.call("DELETE", f"{name}/{entry['name']}", query=query)
                    assert status in {204, 404}, status
