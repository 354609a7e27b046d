"""The ledger's own thread: group commit for many workers.

``post`` hands an event over and returns at once; it is durable with the next batch (at most ``_LINGER`` seconds or
``_GROUP`` events later). ``commit`` waits until it is durable. ``call`` runs any ledger method in this thread. Once
a write has failed every later call raises the same error: nothing may go on without its ledger.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from queue import Empty, Queue
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from migrator.core.events import Event
from migrator.errors import LedgerError
from migrator.ledger.ledger import Ledger

__all__ = ["LedgerWriter"]

_GROUP: Final = 256
_LINGER: Final = 0.1
_BACKLOG: Final = 1024
_T = TypeVar("_T")
_P = ParamSpec("_P")
_Item = tuple[Sequence[Event], Callable[[Ledger], Any] | None, "Future[Any] | None", bytes | None]


class LedgerWriter:
    """Owns a ledger until ``close``."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._queue: Queue[_Item | None] = Queue(maxsize=_BACKLOG)
        self._error: BaseException | None = None
        self._closing = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)
        self._thread.start()

    def post(self, *events: Event, attributes: bytes | None = None) -> None:
        """Hand events over; they are committed soon, in this order.

        ``attributes`` is the body that an event among them names by its SHA-256; it is entered with them.
        """
        self._hand_over((events, None, None, attributes))

    def commit(self, *events: Event) -> None:
        """Hand events over and wait until they, and all posted before, are durable."""
        future: Future[Any] = Future()
        self._hand_over((events, None, future, None))
        future.result()

    def call(self, function: Callable[Concatenate[Ledger, _P], _T], *args: _P.args, **named: _P.kwargs) -> _T:
        """Run ``function(ledger, ...)`` in the ledger's thread, after all that was posted; wait for its result."""
        future: Future[Any] = Future()
        self._hand_over(((), lambda ledger: function(ledger, *args, **named), future, None))
        result: _T = future.result()
        return result

    def close(self) -> None:
        """Commit what was posted, stop the thread and close the ledger. A second time only says how it ended.

        Raises:
            LedgerError: A commit failed.
        """
        with self._closing:
            first, self._closed = not self._closed, True
            if first:
                self._queue.put(None)
        self._thread.join()
        if first:
            self._ledger.close()
        if self._error is not None:
            raise self._error

    def _hand_over(self, item: _Item) -> None:
        # Under the lock, so that nothing can come behind the mark at which the thread ends: it would wait for ever.
        with self._closing:
            if self._error is not None:
                raise self._error
            if self._closed:
                raise LedgerError("the ledger of this run is closed")
            self._queue.put(item)

    def _run(self) -> None:
        while True:
            item = self._queue.get()
            events: list[Event] = []
            attributes: list[bytes] = []
            futures: list[Future[Any]] = []
            deadline = time.monotonic() + _LINGER
            while item is not None:
                more, function, future, body = item
                events.extend(more)
                if body is not None:
                    attributes.append(body)
                if function is not None:
                    self._commit(events, attributes, futures)
                    events, attributes, futures = [], [], []
                    self._answer(function, future)
                    break
                if future is not None:
                    futures.append(future)
                if len(events) >= _GROUP:
                    break
                try:
                    # Someone who waits is served once the queue is empty; otherwise linger for company.
                    wait = 0.0 if futures else deadline - time.monotonic()
                    item = self._queue.get(timeout=wait) if wait > 0 else self._queue.get_nowait()
                except Empty:
                    break
            self._commit(events, attributes, futures)
            if item is None:
                return

    def _commit(self, events: list[Event], attributes: list[bytes], futures: list[Future[Any]]) -> None:
        if events and self._error is None:
            try:
                self._ledger.append(events, attributes=attributes)
            except BaseException as error:  # noqa: BLE001 - handed to every later caller
                self._error = error
        for future in futures:
            if self._error is not None:
                future.set_exception(self._error)
            else:
                future.set_result(None)

    def _answer(self, function: Callable[[Ledger], Any], future: Future[Any] | None) -> None:
        assert future is not None
        if self._error is not None:
            future.set_exception(self._error)
            return
        try:
            future.set_result(function(self._ledger))
        except BaseException as error:  # noqa: BLE001 - raised where the result is awaited
            if isinstance(error, LedgerError):
                self._error = error
            future.set_exception(error)
