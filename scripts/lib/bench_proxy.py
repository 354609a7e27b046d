"""A plain TCP proxy that notes when the first object of data begins to pass it."""

import asyncio
import re
import threading
import time
from contextlib import suppress
from typing import Self
from urllib.parse import urlsplit

__all__ = ["WatchingProxy"]

_CHUNK = 256 * 1024


class WatchingProxy:
    """Passes bytes on unchanged; `first_data` is when a PUT of an object of data last began a request.

    What havre keeps for itself at a target (below `.havre/`) is not data. Use it as a context manager.
    """

    def __init__(self, endpoint: str, bucket: str) -> None:
        parts = urlsplit(endpoint)
        assert parts.hostname is not None
        assert parts.port is not None
        self._upstream = (parts.hostname, parts.port)
        self._wanted = re.compile(
            rb"(?:PUT|POST) /" + bucket.encode() + rb"/(?!\.havre/)[^? ]+(?:\?[^ ]*)? HTTP/1"
        )
        self._seen = threading.Event()
        self._when = 0.0
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self.endpoint = ""

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        if self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def watch(self) -> None:
        """Forget what was seen: the next object of data counts as the first."""
        self._seen.clear()

    def first_data(self, patience_seconds: float) -> float | None:
        """Wait for the first object of data and return when it began (monotonic seconds), or None."""
        return self._when if self._seen.wait(patience_seconds) else None

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        self.endpoint = f"http://127.0.0.1:{port}"
        self._ready.set()
        async with server:
            await self._stop.wait()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            upstream = await asyncio.open_connection(*self._upstream)
        except OSError:
            writer.close()
            return
        async with asyncio.TaskGroup() as both:
            both.create_task(self._pump(reader, upstream[1], watched=True))
            both.create_task(self._pump(upstream[0], writer, watched=False))

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, watched: bool
    ) -> None:
        # A killed client resets its connections: that is what is being measured, not an error.
        with suppress(OSError):
            while data := await reader.read(_CHUNK):
                if watched and not self._seen.is_set() and self._wanted.match(data):
                    self._when = time.monotonic()
                    self._seen.set()
                writer.write(data)
                await writer.drain()
        with suppress(OSError):
            writer.close()
