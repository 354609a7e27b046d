"""A probe: attempts each violation on one bucket, notes what was seen, and removes what it wrote.

Every refusal is an observation. Only a store that cannot be reached at all, or does not know us, ends a probe.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from providers.errors import (
    Exhausted,
    PermissionDenied,
    StoreError,
    Throttled,
    Unauthenticated,
    Unavailable,
)
from providers.probe.catalogue import CHECKS
from providers.probe.verdict import Seen
from providers.probe.workplace import Workplace

if TYPE_CHECKING:
    from providers.store import ObjectStore

__all__ = ["Exam", "NotTried", "ProbeOptions", "Probed", "broken_off", "failed", "probe"]

PREFIX: Final = ".havre/probe-"
_LOCAL: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_DETAIL: Final = 300
_SERVER: Final = 80

Act = Callable[[], "tuple[bool | int, str]"]
"""Does one check; gives what was seen and the measurement in words."""


class NotTried(Exception):
    """A check that cannot be made here; its text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeOptions:
    """What a probe may do.

    Attributes:
        rounds: Rounds of creators that write at once.
        creators: Creators in each round.
        expensive: Send 1,001 parts where that stays below ``many_bytes``.
        many_bytes: Most bytes that the 1,001 parts may come to.
        lock: Write an object that nobody can delete for ``lock_seconds``.
        lock_seconds: How long it is locked.
        sleep: Waits so many seconds, for the lock to lapse.
    """

    rounds: int = 12
    creators: int = 6
    expensive: bool = False
    many_bytes: int = 64 * 1024 * 1024
    lock: bool = False
    lock_seconds: int = 10
    sleep: Callable[[float], object] = time.sleep


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """What a probe saw, the server's own name for itself, and how much could not be removed."""

    seen: tuple[Seen, ...]
    server: str | None
    left: int


class Exam:
    """One probe while it runs: runs checks one by one and keeps what they saw.

    Args:
        place: Where it writes.
        protocol: How the store is spoken to.
        endpoint: The site's endpoint, or "".
        options: What it may do.
        on_seen: Told about each observation as it comes.
    """

    def __init__(
        self,
        place: Workplace,
        *,
        protocol: str,
        endpoint: str,
        options: ProbeOptions,
        on_seen: Callable[[Seen], None],
    ) -> None:
        self.place = place
        self.store = place.store
        self.can = place.store.capabilities
        self.protocol = protocol
        self.options = options
        parts = urlsplit(endpoint)
        self.encrypted = parts.scheme == "https"
        self.private = self.encrypted or parts.hostname in _LOCAL
        self.seen: list[Seen] = []
        self._on_seen = on_seen

    def check(self, name: str, act: Act) -> bool | int | None:
        """Make one check; what it raises is what was seen: the store does not do it.

        Raises:
            StoreError: Nothing can be learnt any more: no connection, or no credentials.
        """
        assert name in CHECKS
        value: bool | int | None
        try:
            value, detail = act()
        except NotTried as reason:
            value, detail = None, str(reason)
        except Unauthenticated:
            raise
        except PermissionDenied as error:
            value, detail = None, f"these credentials may not: {error.message}"
        except StoreError as error:
            if broken_off(error):
                self.store.check()  # a store that still answers broke off this request alone
            value, detail = failed(error), f"{error.code}: {error.message}"
        self.note(name, value, detail)
        return value

    def note(self, name: str, value: bool | int | None, detail: str) -> None:  # noqa: FBT001 - an observation
        """Keep an observation."""
        clean = "".join(char if char.isprintable() else "?" for char in detail)[:_DETAIL]
        seen = Seen(id=name, value=value, detail=clean)
        self.seen.append(seen)
        self._on_seen(seen)

    def skip(self, why: str, *names: str) -> None:
        """Say of checks that they are not made."""
        for name in names:
            self.note(name, None, why)


def broken_off(error: StoreError) -> bool:
    """Whether the connection failed, so that the store said nothing at all."""
    cause = error.__cause__ if isinstance(error, Exhausted) else error
    return isinstance(cause, Unavailable) and cause.status is None


def failed(error: StoreError) -> bool | None:
    """What an error says of the store: that it does not do it, or (trouble that passes) nothing."""
    cause = error.__cause__ if isinstance(error, Exhausted) else error
    return None if isinstance(cause, (Unavailable, Throttled)) else False


def probe(
    store: ObjectStore,
    *,
    protocol: str,
    endpoint: str = "",
    options: ProbeOptions | None = None,
    on_seen: Callable[[Seen], None] = lambda _seen: None,
    token: str | None = None,
) -> Probed:
    """Try what a store refuses and keeps, on a prefix of its own below ``.havre/``.

    Args:
        store: An open handle on the location; it should not retry.
        protocol: How the store is spoken to.
        endpoint: The site's endpoint, which tells whether the way to it is private.
        options: What may be done.
        on_seen: Told about each observation as it comes.
        token: Names the probe, instead of a random one.

    Raises:
        StoreError: The location is not there, cannot be reached, or nothing may be written there.
    """
    from providers.probe import digests, keys, objects, s3, secrecy, uploads  # noqa: PLC0415 - they know Exam

    store.check()
    token = token or secrets.token_hex(6)
    place = Workplace(store, f"{PREFIX}{token}/", token)
    exam = Exam(
        place, protocol=protocol, endpoint=endpoint, options=options or ProbeOptions(), on_seen=on_seen
    )
    left = 0
    try:
        place.put("object", objects.BODY)  # without that, nothing else can be tried
        server = _server(place, protocol)
        for group in (objects, digests, uploads, s3, keys, secrecy):
            group.run(exam)
    finally:
        left = place.clean()
    order = {name: number for number, name in enumerate(CHECKS)}
    return Probed(seen=tuple(sorted(exam.seen, key=lambda one: order[one.id])), server=server, left=left)


def _server(place: Workplace, protocol: str) -> str | None:
    """What the store says that it is."""
    if protocol not in {"s3", "azure_blob"}:
        return None
    told = place.send("HEAD", place.key("object")).headers.get("server", "")
    return "".join(char for char in told if char.isprintable())[:_SERVER] or None
