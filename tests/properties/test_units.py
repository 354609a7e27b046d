"""Sizes and windows, for all texts and times."""

import contextlib
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from migrator.core.units import Window, format_duration, format_size, parse_size, parse_speed
from migrator.errors import UsageError

_SECOND = timedelta(seconds=1)


@given(
    st.one_of(st.text(max_size=30), st.from_regex(r"\s?[0-9.]{1,18} ?[kKMGTiIbB]{0,3}(/s)?", fullmatch=True))
)
def test_any_text_is_read_or_refused(text: str) -> None:
    """Parsers give a number that is not negative, a window, or a usage error."""
    for parse in (parse_size, parse_speed):
        with contextlib.suppress(UsageError):
            assert parse(text) >= 0
    with contextlib.suppress(UsageError):
        Window.parse(text)


@given(st.integers(0, 10**15 - 1))
def test_plain_bytes_are_read_as_they_are(size: int) -> None:
    """A number without a unit is bytes, and every size has a form for people."""
    assert parse_size(str(size)) == size
    assert format_size(size)
    assert format_duration(size)


@given(
    st.times(),
    st.times(),
    st.datetimes(
        min_value=datetime.fromisoformat("2000-01-02"), max_value=datetime.fromisoformat("2099-01-01")
    ),
)
def test_a_window_opens_when_it_says(start, end, now) -> None:  # type: ignore[no-untyped-def]
    """At the moment that ``seconds_until_open`` names the window is open, and a second before it is not."""
    start, end = (each.replace(second=0, microsecond=0) for each in (start, end))
    if start == end:
        return
    window = Window(start, end)
    assert Window.parse(str(window)) == window
    wait = timedelta(seconds=window.seconds_until_open(now))
    assert (wait == timedelta()) == window.is_open(now)
    if wait:
        assert window.is_open(now + wait)
        assert wait <= timedelta(days=1)
        if wait > _SECOND:
            assert not window.is_open(now + wait - _SECOND)
