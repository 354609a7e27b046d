"""The display of a run: rates, lines, bars, and the words at its end."""

import io
import signal
import threading

import pytest
from rich.console import Console

from migrator.cli.display import Display, bars
from migrator.cli.interrupts import Interrupts
from migrator.cli.output import Output
from migrator.cli.pace import Rate, Reading, describe_reading
from migrator.cli.wiring import Pace
from migrator.cli.wording import percent, problem_lines, report_lines
from migrator.engine.context import Stop
from migrator.engine.progress import Progress
from migrator.engine.report import Report
from providers.errors import NotFound, Throttled, Unavailable

_COUNTS = {
    "total": 0, "planned": 0, "stored": 0, "verified": 0, "skipped": 0, "drifted": 0, "rejected": 0, "failed": 0,
}  # fmt: skip


def reading(**changes: object) -> Reading:
    values: dict[str, object] = {
        "phase": "moving", "note": None, "listed": 40, "objects": 10, "total_objects": 40, "moved": 1 << 20,
        "total_bytes": 4 << 20, "rate": 524_288.0, "left": 65.0, "outcomes": {"verified": 10},
        "retried": 0,
    }  # fmt: skip
    return Reading(**{**values, **changes})  # type: ignore[arg-type]


def report(**changes: object) -> Report:
    values: dict[str, object] = {
        "wave": "may", "state": "done", "exit_code": 0, "level": "full", "seconds": 61.0,
        "counts": {**_COUNTS, "total": 2, "verified": 2}, "bytes": {"total": 2048, "stored": 2048, "resent": 0},
    }  # fmt: skip
    return Report(**{**values, **changes})  # type: ignore[arg-type]


def test_rate_looks_back_over_its_window() -> None:
    """The rate is that of the last seconds, unknown at first, and begins anew when a counter does."""
    rate = Rate(window=10)
    assert rate.per_second() is None
    rate.add(0, 0)
    assert rate.per_second() is None
    rate.add(10, 1000)
    assert rate.per_second() == 100
    rate.add(20, 1000)
    assert rate.per_second() == 0
    rate.add(21, 5)
    assert rate.per_second() is None


def test_line_tells_count_size_rate_and_time_left() -> None:
    """The line of a log holds what the bars show."""
    assert describe_reading(reading(note="waiting", retried=3, outcomes={"verified": 9, "drifted": 1})) == (
        "moving: 10 of 40 objects, 1.0 MiB of 4.0 MiB, 512.0 KiB/s, about 1m05s left, 1 drifted, "
        "3 requests retried; waiting"
    )


def test_line_of_a_listing_counts() -> None:
    """While the total is not known the line says how much was listed, and nothing before the first."""
    assert (
        describe_reading(reading(phase="listing", total_objects=0, outcomes={}))
        == "listing: 40 objects listed"
    )
    assert describe_reading(reading(phase="opening", total_objects=0, listed=0, outcomes={})) == "opening"


def test_bytes_of_an_unfinished_object_count() -> None:
    """A large object moves the bar before it is done, and what flows never completes the bar alone."""
    progress = Progress(total_objects=2, total_bytes=1000, done_objects=1, done_bytes=400)
    display = Display(progress, Output(), terminal=False)
    assert display.read().moved == 400
    progress.add(sent=300)
    assert display.read().moved == 700
    progress.add(sent=900)
    assert display.read().moved == 999
    progress.finish("verified", 600)
    assert display.read().moved == 1000


def test_bars_show_shares_rounded_down() -> None:
    """A bar says 100 % only when all is done."""
    console = Console(file=io.StringIO(), width=100)
    console.print(bars(reading(objects=39, moved=(4 << 20) - 1)))
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert "97 %" in text
    assert "99 %" in text
    assert "100 %" not in text
    assert percent(0, 0) == 100


def test_plain_display_speaks_at_a_change_of_phase(capsys: pytest.CaptureFixture[str]) -> None:
    """Away from a terminal the first phase is a plain line, without control codes."""
    progress = Progress(phase="listing")
    seen = threading.Event()
    output = Output()
    write = output.write_message

    def spy(line: str) -> None:
        write(line)
        seen.set()

    output.write_message = spy
    with Display(progress, output, terminal=False):
        assert seen.wait(60)
    assert capsys.readouterr().err == "havre: listing\n"


def test_quiet_display_starts_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """--quiet shows no progress."""
    with Display(Progress(), Output(quiet=True), terminal=True) as display:
        assert display._thread is None
    assert capsys.readouterr().err == ""


def test_messages_pass_above_the_bars(capsys: pytest.CaptureFixture[str]) -> None:
    """While bars are drawn messages go through them, and afterwards straight again."""
    output = Output()
    straight = output.write_message
    with Display(Progress(total_objects=1), output, terminal=True):
        output.error("something")
    assert "havre: something" in capsys.readouterr().err
    assert output.write_message is straight


def test_pace_counts_what_is_sent_again() -> None:
    """Only errors that another attempt may cure count as retries."""
    pace = Pace()
    for error in (None, NotFound("x"), Throttled("x"), Unavailable("x")):
        pace.on_request("put", 0.1, 1, 0, error)
    assert (pace.failed, pace.throttled) == (2, 1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_first_signal_asks_and_second_leaves(number: signal.Signals) -> None:
    """One Ctrl-C asks the run to stop and says how to hurry; the next leaves at once with 130."""
    stop, said, left = Stop(), [], []
    before = signal.getsignal(number)
    with Interrupts(stop, said.append, leave=left.append):
        signal.raise_signal(number)
        assert bool(stop)
        assert left == []
        signal.raise_signal(number)
    assert left == [130]
    assert said == ["finishing parts in flight; press Ctrl-C again to stop now"]
    assert signal.getsignal(number) == before


def test_report_of_a_whole_wave() -> None:
    """A wave that arrived says what was moved and how it was verified."""
    assert report_lines(report(), action="moved") == [
        "wave may: all of it",
        "moved     2 of 2 objects, 2.0 KiB of 2.0 KiB, in 1m01s",
        "          2 stored and verified",
        "checked   verified in full: read back, opened and hashed again",
    ]


def test_report_names_what_is_missing() -> None:
    """What was not moved and what was done again each have their line; nothing is called all of it."""
    counts = {**_COUNTS, "total": 4, "verified": 1, "drifted": 1, "rejected": 1, "failed": 1}
    size = {"total": 4096, "stored": 1024, "resent": 512}
    lines = report_lines(
        report(
            state="incomplete", exit_code=3, counts=counts, bytes=size, resent_objects=1, notes=("A note",)
        ),
        action="moved",
    )
    text = "\n".join(lines)
    assert "all of it" not in text
    for words in (
        "1 no longer what was listed",
        "1 refused",
        "1 failed",
        "again     1 objects, 512 B",
        "A note",
    ):
        assert words in text


def test_differences_head_the_report() -> None:
    """A verification that found differences says so first, whatever the run's state is."""
    assert (
        report_lines(report(exit_code=4), action="verified")[0] == "wave may: verification found differences"
    )


def test_problems_are_row_numbers_unless_names_are_there() -> None:
    """A problem is told by its row; a key appears only where it was asked for, escaped."""
    problems = [
        {"row": 7, "outcome": "drifted", "reason": "its size changed"},
        {"row": 8, "outcome": "rejected", "reason": None, "key": "a\nb"},
    ]
    assert problem_lines(problems) == [
        "row 7: drifted: its size changed",
        "row 8 a\\nb: rejected: no reason recorded",
    ]
