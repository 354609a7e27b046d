"""What can go wrong on the way to a store, as scripted by a test.

A `Fault` says on which requests it acts, how often, and what happens. The script hands each
request the first fault that wants it and counts those that really took effect.
"""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum

__all__ = [
    "Action",
    "Answer",
    "Claim",
    "CutRequest",
    "CutResponse",
    "DropResponse",
    "Fault",
    "Hold",
    "Script",
    "Stage",
]


@dataclass(frozen=True, slots=True)
class Answer:
    """The proxy answers by itself; the server sees nothing of the request."""

    status: int
    code: str
    retry_after_seconds: int | None

    def message(self) -> bytes:
        """Return the whole answer, in the form that S3 and Azure Blob clients both read."""
        error = f"<Error><Code>{self.code}</Code><Message>a scripted fault</Message></Error>"
        body = f'<?xml version="1.0" encoding="UTF-8"?>{error}'.encode()
        fields = {
            "Content-Type": "application/xml",
            "Content-Length": str(len(body)),
            "x-ms-error-code": self.code,
            "Connection": "close",
        }
        if self.retry_after_seconds is not None:
            fields["Retry-After"] = str(self.retry_after_seconds)
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        return f"HTTP/1.1 {self.status} Scripted\r\n{head}\r\n".encode() + body


@dataclass(frozen=True, slots=True)
class CutRequest:
    """The connection breaks once the server has been sent this many bytes of the request's body."""

    after: int


@dataclass(frozen=True, slots=True)
class CutResponse:
    """The connection ends once the client has been sent this many bytes of the answer's body."""

    after: int


@dataclass(frozen=True, slots=True)
class DropResponse:
    """The server does the work and answers in full, and the client never hears of it."""


class Stage(Enum):
    """Where a held request waits."""

    BEFORE_SERVER = "before the server sees it"
    BEFORE_CLIENT = "after the server answered, before the client hears"


@dataclass(frozen=True, slots=True)
class Hold:
    """The request, or its answer, waits until an event is set."""

    until: threading.Event
    stage: Stage


Action = Answer | CutRequest | CutResponse | DropResponse | Hold


class Fault:
    """One queued fault.

    Attributes:
        fired: how many requests it took effect on so far.
        first_fired: set once it has taken effect (or, for a hold, once a request waits).
    """

    def __init__(self, action: Action, method: str, path: str, times: int | None) -> None:
        self.action = action
        self.fired = 0
        self.first_fired = threading.Event()
        self._method = method
        self._path = re.compile(path)
        self._times = times
        self._claimed = 0
        self._stopped = False

    def stop(self) -> None:
        """Act on no further request; this is how a fault without a number of times ends."""
        self._stopped = True

    def wants(self, method: str, target: str) -> bool:
        """Tell whether it acts on this request."""
        spent = self._times is not None and self._claimed >= self._times
        return (
            not self._stopped
            and not spent
            and self._method in {"*", method}
            and self._path.search(target) is not None
        )

    @property
    def is_due(self) -> bool:
        """Whether it has yet to take effect as often as was asked."""
        return self.fired < (1 if self._times is None else self._times)

    def __str__(self) -> str:
        wanted = "until stopped" if self._times is None else f"{self._times} times"
        kind = type(self.action).__name__
        return f"{kind} on {self._method} {self._path.pattern}: wanted {wanted}, fired {self.fired}"

    def claim(self) -> None:
        self._claimed += 1

    def fire(self) -> None:
        self.fired += 1
        self.first_fired.set()

    def give_back(self) -> None:
        self._claimed -= 1


class Claim:
    """A fault lent to one request; only `fire` makes it count."""

    def __init__(self, fault: Fault | None, lock: threading.Lock) -> None:
        self.action: Action | None = None if fault is None else fault.action
        self.has_fired = False
        self._fault = fault
        self._lock = lock

    def fire(self) -> None:
        """Record that the fault took effect on this request."""
        if self._fault is not None and not self.has_fired:
            self.has_fired = True
            with self._lock:
                self._fault.fire()


class Script:
    """The queued faults and the requests seen, safe to use from any thread."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._seen: list[tuple[str, str]] = []
        self._lock = threading.Lock()

    def queue(self, action: Action, method: str, path: str, times: int | None) -> Fault:
        """Add a fault behind those queued before; of several that want a request the first acts."""
        fault = Fault(action, method, path, times)
        with self._lock:
            self._faults.append(fault)
        return fault

    @contextmanager
    def fault_for(self, method: str, target: str) -> Iterator[Claim]:
        """Lend the fault for this request; one that did not take effect goes back to the queue."""
        with self._lock:
            self._seen.append((method, target))
            fault = next((f for f in self._faults if f.wants(method, target)), None)
            if fault is not None:
                fault.claim()
        claim = Claim(fault, self._lock)
        try:
            yield claim
        finally:
            if fault is not None and not claim.has_fired:
                with self._lock:
                    fault.give_back()

    def seen(self, method: str, path: str) -> list[str]:
        """Return the targets of the requests seen so far that match, in order of arrival."""
        pattern = re.compile(path)
        with self._lock:
            return [t for m, t in self._seen if method in {"*", m} and pattern.search(t)]

    def due(self) -> list[str]:
        """Describe each fault that has yet to take effect as often as was asked."""
        with self._lock:
            return [str(fault) for fault in self._faults if fault.is_due]
