"""One request to one account: the token added, a refused one renewed once, and errors raised.

Over ``s3_wire``, which reads bodies in place and undoes no coding. Nothing here retries what failed.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from providers.drivers.s3_wire import MOST, Answer
from providers.drivers.swift_auth import HostPool, open_auth, open_pool
from providers.drivers.swift_errors import SwiftFailure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from providers.drivers.swift_auth import Access
    from providers.drivers.swift_settings import SwiftSettings
    from providers.model import Buffer

__all__ = ["SwiftHttp"]

_OK: Final = range(200, 300)
_UNAUTHORIZED: Final = 401


class SwiftHttp:
    """Requests to the containers of one account. Safe to use from many threads.

    Raises:
        ConfigInvalid: The settings name no way to authenticate.
    """

    def __init__(self, settings: SwiftSettings) -> None:
        self._settings = settings
        self._auth = open_auth(settings)
        self._lock = threading.Lock()
        self._pools: dict[str, tuple[HostPool, str]] = {}

    def close(self) -> None:
        """Release the connections."""
        self._auth.close()
        with self._lock:
            for pool, _ in self._pools.values():
                pool.close()
            self._pools.clear()

    def request(
        self,
        method: str,
        container: str,
        key: str | None = None,
        *,
        operation: str = "",
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: Buffer = b"",
        into: memoryview | None = None,
        most: int = MOST,
    ) -> Answer:
        """Send one request; any answer but success is raised.

        Args:
            method: HTTP method.
            container: Container name.
            key: Object name; None addresses the container.
            operation: What an error is to be read as (``SwiftFailure.operation``).
            query: Query parameters, not encoded.
            headers: Further headers.
            body: The payload; not copied.
            into: Where the answer's body may be put, if it fits.
            most: Bytes the answer's body may have.

        Raises:
            SwiftFailure: The service answered with an error.
            Truncated: The answer's body ended early.
            OSError: The service could not be reached or broke off.
        """
        target = f"/{quote(container, safe='')}"
        if key is not None:
            target += f"/{quote(key, safe='/~')}"
        if query:
            target += "?" + "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())
        access = self._auth.access()
        answer = self._send(access, method, target, headers, body, into, most)
        if answer.status == _UNAUTHORIZED:
            # The token ended early (the service was restarted, or it was revoked): once more with another.
            access = self._auth.renew(access)
            answer = self._send(access, method, target, headers, body, into, most)
        if answer.status not in _OK:
            raise failure(answer, operation)
        return answer

    def info(self) -> bytes:
        """The body of ``/info``, which describes the service to anybody; empty where there is none.

        Raises:
            OSError: The service could not be reached or broke off.
        """
        pool, path = self._pool(self._auth.access())
        before = path.partition("/v1/")[0]
        answer = pool.exchange("GET", f"{before}/info", {"Host": pool.authority, "User-Agent": "havre"})
        return bytes(answer.body) if answer.status in _OK else b""

    def _pool(self, access: Access) -> tuple[HostPool, str]:
        found = self._pools.get(access.url)
        if found is None:
            with self._lock:
                found = self._pools.get(access.url)
                if found is None:
                    found = open_pool(access.url, self._settings, self._auth.authorities)
                    self._pools[access.url] = found
        return found

    def _send(
        self,
        access: Access,
        method: str,
        target: str,
        headers: Mapping[str, str] | None,
        body: Buffer,
        into: memoryview | None,
        most: int,
    ) -> Answer:
        pool, path = self._pool(access)
        sent = {
            "Host": pool.authority,
            "X-Auth-Token": access.token,
            "User-Agent": "havre",
            **(headers or {}),
        }
        return pool.exchange(method, path + target, sent, body, into=into, most=most)


def failure(answer: Answer, operation: str) -> SwiftFailure:
    """The error in an answer."""
    wait = answer.headers.get("retry-after", "")
    text = bytes(answer.body[:4096]).decode(errors="replace").lower()
    return SwiftFailure(
        answer.status,
        operation,
        retry_after=float(wait) if wait.isdecimal() else None,
        quota="quota" in text and answer.status in {403, 413},
    )
