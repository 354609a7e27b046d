"""Sizes, speeds and windows as people write them."""

from datetime import UTC, datetime, time

import pytest

from migrator.core.units import Window, format_duration, format_size, parse_size, parse_speed
from migrator.errors import UsageError


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("512", 512),
        ("0", 0),
        ("16MiB", 16 * 1024**2),
        ("1.5 GB", 1_500_000_000),
        (" 2 k ", 2048),
        ("1TB", 10**12),
        ("1.001kB", 1001),
        ("4.35GB", 4_350_000_000),
        ("999999999999999", 999_999_999_999_999),
        ("0.5", 0),
    ],
)
def test_a_size_is_read_to_the_byte(text, size):
    """Sizes are whole numbers; a fraction is not rounded through floating point."""
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "x", "-1", "1e9", "1 PiB", "1,5GB", "٣MiB", "1.2.3", "nan", "1" * 16])
def test_what_is_no_size_is_a_usage_error(text):
    """A text that is not a size is refused with a hint."""
    with pytest.raises(UsageError) as caught:
        parse_size(text)
    assert caught.value.hint


def test_a_speed_is_above_zero():
    """``/s`` may be left out; zero, a fraction of a byte and nonsense are refused."""
    assert parse_speed("200MiB/s") == parse_speed(" 200MiB ") == 200 * 1024**2
    for text in ("0", "0.4", "", "/s", "fast", "-1MiB/s"):
        with pytest.raises(UsageError):
            parse_speed(text)


def test_figures_for_people():
    """Sizes are in binary units, durations in at most two."""
    assert [format_size(size) for size in (0, 1023, 1536, 5 * 1024**5)] == [
        "0 B",
        "1023 B",
        "1.5 KiB",
        "5120.0 TiB",
    ]
    assert [format_duration(each) for each in (0, 59.9, 190, 18_120)] == ["0s", "59s", "3m10s", "5h02m"]


def _at(hour, minute=0):
    return datetime(2026, 3, 1, hour, minute, 30, 5, tzinfo=UTC)


def test_a_window_over_midnight():
    """20:00-06:00 is open late and early, shut by day, and says how long until it opens."""
    window = Window.parse("20:00-06:00")
    assert [window.is_open(_at(hour)) for hour in (20, 23, 0, 5)] == [True] * 4
    assert [window.is_open(_at(hour)) for hour in (6, 12, 19)] == [False] * 3
    assert window.seconds_until_open(_at(23)) == 0
    assert window.seconds_until_open(_at(19, 59)) == pytest.approx(29.999995)
    assert str(window) == "20:00-06:00"


def test_a_window_within_a_day():
    """After its end a window opens the next day."""
    window = Window.parse("08:30-12:00")
    assert window.is_open(datetime(2026, 3, 1, 8, 30, tzinfo=UTC))
    assert not window.is_open(datetime(2026, 3, 1, 12, tzinfo=UTC))
    assert window.seconds_until_open(datetime(2026, 3, 1, 12, tzinfo=UTC)) == 20.5 * 3600


def test_a_window_until_midnight():
    """24:00 is the end of the day, and only that."""
    assert Window.parse("22:00-24:00") == Window(time(22), time(0))
    assert Window.parse("22:00-24:00").is_open(_at(23, 59))


@pytest.mark.parametrize(
    "text", ["", "20:00", "20:00-20:00", "00:00-24:00", "25:00-06:00", "20:00-30:00", "20:00-48:00", "24:00-06:00","20:60-06:00", "20:00-24:01", "8pm-6am", "20:00-06:00Z"],
)  # fmt: skip
def test_what_is_no_window_is_a_usage_error(text):
    """An empty or impossible window is refused, not taken modulo a day."""
    with pytest.raises(UsageError):
        Window.parse(text)
