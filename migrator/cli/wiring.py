"""The composition root: from a configuration and an environment to open stores. Nothing else reads either."""

from __future__ import annotations

import os
import threading
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from providers.errors import StoreError, Throttled
from providers.location import Location

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from migrator.cli.group import Invocation
    from migrator.core.plan import Plan
    from migrator.engine.opening import Opener
    from migrator.ledger.ledger import Ledger
    from providers.store import ObjectStore

__all__ = ["Pace", "absolute_location", "held_ledger", "load_opener", "load_sites", "wave_files"]


def absolute_location(text: str) -> str:
    """A location that means the same from every directory: local paths become absolute.

    Raises:
        ConfigInvalid: The text is no location.
    """
    location = Location.parse(text)
    return os.path.abspath(os.path.expanduser(text)) if location.is_local else str(location)  # noqa: PTH100, PTH111 - links stay as they are


class Pace:
    """An observer that counts what the stores asked us to send more slowly, for the display."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.throttled = 0
        self.failed = 0

    def on_request(
        self,
        operation: str,  # noqa: ARG002 - the observer's signature
        seconds: float,  # noqa: ARG002 - see above
        sent: int,  # noqa: ARG002 - see above
        received: int,  # noqa: ARG002 - see above
        error: StoreError | None,
    ) -> None:
        """Count a request that ended."""
        if error is None or error.retry.value != "later":
            return
        with self._lock:
            self.failed += 1
            if isinstance(error, Throttled):
                self.throttled += 1


def load_opener(
    invocation: Invocation,
    *,
    stop: threading.Event | None = None,
    connections: int | None = None,
    pace: Pace | None = None,
    attempts: int | None = None,
    probed: bool = False,
) -> Opener:
    """Read the configuration and return the function that opens its locations.

    Args:
        invocation: Names the configuration, if the operator did.
        stop: Ends waits between retries.
        connections: Most requests in flight at one endpoint.
        pace: Counts what is retried.
        attempts: How often a request is sent at most, where the usual patience is out of place.
        probed: What is written to is taken as a saved probe of it saw it, not as its profile declares it.

    Raises:
        ConfigInvalid: The configuration says what it may not say.
    """
    from providers.layers.retry import RetryPolicy  # noqa: PLC0415 - commands that open nothing start faster
    from providers.opening import open_store  # noqa: PLC0415 - see above

    sites = load_sites(invocation)

    def opener(text: str, read_only: bool) -> ObjectStore:  # noqa: FBT001 - the engine's signature
        from migrator.cli.probes import with_probe  # noqa: PLC0415 - see above

        location = Location.parse(text)
        return open_store(
            location,
            with_probe(sites, location) if probed and not read_only else sites,
            environ=os.environ,
            read_only=read_only,
            observer=pace,
            retry_policy=None if attempts is None else RetryPolicy(attempts=attempts),
            max_connections=connections,
            stop=stop,
        )

    return opener


def load_sites(invocation: Invocation) -> Sites:
    """The configuration.

    Raises:
        ConfigInvalid: It says what it may not say.
    """
    from providers.sites import Sites  # noqa: PLC0415 - commands that open nothing start faster

    return Sites.load(invocation.config, os.environ)


def wave_files(invocation: Invocation, path: Path) -> WaveFiles:
    """The files of a wave; from here on a crash report goes into its folder."""
    from migrator.engine.files import WaveFiles  # noqa: PLC0415 - commands without a wave start faster

    files = WaveFiles(path)
    invocation.folder = files.folder
    return files


@contextmanager
def held_ledger(invocation: Invocation, wave: Path) -> Iterator[tuple[Ledger, Plan, WaveFiles]]:
    """A wave's ledger, open for reading and held so that no run changes it meanwhile, its plan and its files.

    Raises:
        NothingThere: The wave has no ledger.
        LedgerError: A run holds it, or it cannot be read.
    """
    from migrator.engine.session import owner  # noqa: PLC0415 - commands without a ledger start faster
    from migrator.errors import NothingThere  # noqa: PLC0415 - see above
    from migrator.ledger.ledger import Ledger  # noqa: PLC0415 - see above
    from migrator.ledger.lock import LedgerLock  # noqa: PLC0415 - see above

    files = wave_files(invocation, wave)
    plan = files.load()
    if not files.ledger.exists():
        raise NothingThere("this wave has no ledger yet", hint="run 'havre migrate' first")
    with ExitStack() as stack:
        stack.callback(LedgerLock(files.lock, owner()).release)
        ledger = Ledger.open(files.ledger, wave_id=plan.id, plan_digest=plan.digest, read_only=True)
        stack.callback(ledger.close)
        yield ledger, plan, files


if TYPE_CHECKING:
    from migrator.engine.files import WaveFiles
    from providers.sites import Sites
