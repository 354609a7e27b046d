"""Shows a run while it goes on: bars on a terminal, a line now and then elsewhere. It never steers."""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING, Final, Protocol, Self

from migrator.cli.pace import Rate, Reading, describe_reading

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from rich.console import RenderableType
    from rich.live import Live

    from migrator.cli.output import Output
    from migrator.cli.wiring import Pace
    from migrator.engine.progress import Progress, Snapshot

__all__ = ["Display"]

_BARS_EVERY: Final = 0.2
_LINE_EVERY: Final = 5.0
_LOOK_EVERY: Final = 0.5


class _Face(Protocol):
    """What a reading is shown with."""

    every: float

    def show(self, reading: Reading) -> None: ...

    def close(self) -> None: ...


class Display:
    """Polls a run's counters in a thread of its own while it is entered.

    Args:
        progress: The counters.
        output: Where it goes; nothing is shown when quiet.
        pace: Counts retries, if somebody does.
        flow: Bytes of the wave that went through in this run, from the counters.
        clock: Seconds that only go forward.
        terminal: Whether to draw bars; by default whether stderr is a terminal.
    """

    def __init__(
        self,
        progress: Progress,
        output: Output,
        *,
        pace: Pace | None = None,
        flow: Callable[[Snapshot], int] = lambda snapshot: snapshot.sent_bytes,
        clock: Callable[[], float] = time.monotonic,
        terminal: bool | None = None,
    ) -> None:
        self._progress = progress
        self._output = output
        self._pace = pace
        self._flow = flow
        self._clock = clock
        self._terminal = sys.stderr.isatty() if terminal is None else terminal
        self._rate = Rate()
        self._before: int | None = None
        self._done = threading.Event()
        self._thread: threading.Thread | None = None
        self._face: _Face | None = None

    def __enter__(self) -> Self:
        if self._output.quiet:
            return self
        self._face = _Bars(self._output) if self._terminal else _Lines(self._output, self._clock)
        self._thread = threading.Thread(target=self._poll, name="display", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        if self._thread is not None:
            self._thread.join()
        if self._face is not None:
            self._face.close()

    def read(self) -> Reading:
        """The counters now, with rate and remaining time."""
        snapshot = self._progress.snapshot()
        flowed = self._flow(snapshot)
        if self._before is None and snapshot.total_objects:
            self._before = max(0, snapshot.done_bytes - flowed)
        self._rate.add(self._clock(), flowed)
        return Reading.of(
            snapshot,
            moved=(self._before or 0) + flowed,
            rate=self._rate.per_second(),
            retried=self._pace.failed if self._pace else 0,
        )

    def _poll(self) -> None:
        face = self._face
        assert face is not None
        while True:
            face.show(self.read())
            if self._done.wait(face.every):
                break
        if self._terminal:
            face.show(self.read())


class _Lines:
    """A plain line at each change of phase or note, and every few seconds in between."""

    every = _LOOK_EVERY

    def __init__(self, output: Output, clock: Callable[[], float]) -> None:
        self._output = output
        self._clock = clock
        self._said: tuple[str, str | None] | None = None
        self._at = 0.0

    def show(self, reading: Reading) -> None:
        """Say it, if it is time to."""
        now = self._clock()
        changed = (reading.phase, reading.note) != self._said
        if changed or now - self._at >= _LINE_EVERY:
            self._said = (reading.phase, reading.note)
            self._at = now
            self._output.say(describe_reading(reading))

    def close(self) -> None:
        """Nothing is open."""


class _Bars:
    """Bars that are drawn in place; messages appear above them."""

    every = _BARS_EVERY

    def __init__(self, output: Output) -> None:
        from rich.console import Console  # noqa: PLC0415 - only on a terminal
        from rich.live import Live  # noqa: PLC0415 - see above

        self._output = output
        self._before = output.write_message
        console = Console(stderr=True)
        self._live: Live = Live(console=console, auto_refresh=False, transient=True)
        self._live.start()
        output.write_message = lambda line: console.print(line, markup=False, highlight=False)

    def show(self, reading: Reading) -> None:
        """Draw it."""
        self._live.update(bars(reading), refresh=True)

    def close(self) -> None:
        """Take the bars away; the report follows."""
        self._live.stop()
        self._output.write_message = self._before


def bars(reading: Reading) -> RenderableType:
    """The picture of a reading."""
    from rich.console import Group  # noqa: PLC0415 - only on a terminal
    from rich.progress_bar import ProgressBar  # noqa: PLC0415 - see above
    from rich.table import Table  # noqa: PLC0415 - see above
    from rich.text import Text  # noqa: PLC0415 - see above

    text = describe_reading(reading)
    if not reading.total_objects:
        return Text(text, style="bold")
    grid = Table.grid(padding=(0, 1))
    grid.add_row(
        "objects", ProgressBar(total=reading.total_objects, completed=reading.objects, width=40),
        f"{_percent(reading.objects, reading.total_objects)}",
    )  # fmt: skip
    grid.add_row(
        "bytes", ProgressBar(total=max(reading.total_bytes, 1), completed=reading.moved, width=40),
        f"{_percent(reading.moved, reading.total_bytes)}",
    )  # fmt: skip
    return Group(grid, Text(text))


def _percent(part: int, whole: int) -> str:
    # Rounded down: 100 % means all of it.
    return f"{part * 100 // whole if whole else 100:3d} %"
