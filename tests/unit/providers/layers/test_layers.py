"""Layers over a scripted driver: what is tried again, how the pace changes, what is counted or refused."""

from __future__ import annotations

from threading import Event
from typing import Any

import pytest

from providers.errors import (
    AlreadyExists,
    ChecksumRefused,
    Exhausted,
    NotFound,
    StoreError,
    Throttled,
    Unavailable,
    Unexpected,
    Unsupported,
    UploadLost,
)
from providers.layers import open_layers
from providers.layers.bandwidth import Bandwidth
from providers.layers.limit import AdaptiveLimiter, LimitLayer
from providers.layers.observe import ObserveLayer, RequestCounter
from providers.layers.read_only import ReadOnlyLayer
from providers.layers.retry import RetryLayer, RetryPolicy
from providers.model import Extra, Kind, ObjectMeta, PutOptions, ReadResult
from support.scripted_driver import ScriptedDriver

META = ObjectMeta(key="k", size=1)  # type: ignore[arg-type]
POLICY = RetryPolicy(attempts=4, first_delay=1.0, jitter=0.0, max_delay=30.0, budget=100.0)


class Clock:
    """Seconds that pass only by sleeping."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def _retrying(driver: ScriptedDriver, clock: Clock, policy: RetryPolicy = POLICY) -> RetryLayer:
    return RetryLayer(driver, policy, sleep=clock.sleep)


def test_first_success_never_waits() -> None:
    """A call that succeeds is made once and waits for nothing."""
    clock = Clock()
    driver = ScriptedDriver(head=[META])
    assert _retrying(driver, clock).head("k") is META
    assert (len(driver.calls), clock.slept) == (1, [])


def test_temporary_errors_are_tried_again_with_growing_waits() -> None:
    """Waits double from the first delay."""
    clock = Clock()
    driver = ScriptedDriver(head=[Unavailable("a"), Unavailable("b"), Throttled("c"), META])
    assert _retrying(driver, clock).head("k") is META
    assert clock.slept == [1.0, 2.0, 4.0]


def test_retry_after_is_honoured() -> None:
    """A wait that the store names is kept, even beyond the longest of our own."""
    clock = Clock()
    driver = ScriptedDriver(head=[Throttled("slow", retry_after=42.0), META])
    _retrying(driver, clock).head("k")
    assert clock.slept == [42.0]


def test_attempts_run_out() -> None:
    """After the last attempt the error is Exhausted, from the last cause."""
    clock = Clock()
    last = Unavailable("fourth", status=503)
    driver = ScriptedDriver(head=[Unavailable("1"), Unavailable("2"), Unavailable("3"), last])
    with pytest.raises(Exhausted, match="after 4 attempts: fourth") as caught:
        _retrying(driver, clock).head("k")
    assert caught.value.__cause__ is last
    assert caught.value.status == 503


def test_budget_runs_out() -> None:
    """No wait is begun that would end after the budget."""
    clock = Clock()
    driver = ScriptedDriver(head=[Throttled("x", retry_after=60.0), Throttled("y", retry_after=60.0)])
    with pytest.raises(Exhausted, match="after 2 attempts"):
        _retrying(driver, clock).head("k")
    assert clock.slept == [60.0]


def test_stop_ends_the_attempts() -> None:
    """Once the run is to end nothing is tried again."""
    stop = Event()
    stop.set()
    driver = ScriptedDriver(head=[Unavailable("x")])
    with pytest.raises(Exhausted, match="after 1 attempt:"):
        RetryLayer(driver, POLICY, stop=stop).head("k")


def test_final_errors_pass_at_once() -> None:
    """What will not pass is raised as it is, also after temporary errors."""
    clock = Clock()
    driver = ScriptedDriver(head=[NotFound("x"), Unavailable("y"), NotFound("z")])
    layer = _retrying(driver, clock)
    with pytest.raises(NotFound, match="x"):
        layer.head("k")
    with pytest.raises(NotFound, match="z"):
        layer.head("k")


def test_a_foreign_exception_is_translated() -> None:
    """An SDK's exception leaves translated, with the original behind it."""
    driver = ScriptedDriver(head=[ValueError("sdk")])
    with pytest.raises(Unexpected) as caught:
        _retrying(driver, Clock()).head("k")
    assert isinstance(caught.value.__cause__, ValueError)


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (Throttled("x"), True),
        (ChecksumRefused("x"), True),
        (Unavailable("x"), False),
        (AlreadyExists("x"), False),
    ],
)
def test_put_if_absent_is_repeated_only_if_nothing_was_written(error: StoreError, again: bool) -> None:
    """After a lost answer a second create would find the first one's object."""
    driver = ScriptedDriver(put=[error, META])
    layer = _retrying(driver, Clock())
    if again:
        assert layer.put("k", b"x", PutOptions(if_absent=True)) is META
    else:
        with pytest.raises(type(error)):
            layer.put("k", b"x", PutOptions(if_absent=True))
    assert len(driver.calls) == (2 if again else 1)


def test_plain_put_and_parts_are_repeated() -> None:
    """Putting the same bytes again is no harm."""
    driver = ScriptedDriver(put=[Unavailable("x"), META], put_part=[Unavailable("x"), META])
    layer = _retrying(driver, Clock())
    layer.put("k", b"x", PutOptions())
    layer.put_part("k", "u", 1, 0, b"x")
    assert len(driver.calls) == 4


@pytest.mark.parametrize("operation", ["open_upload", "complete_upload"])
def test_fenced_operations_are_repeated_only_when_throttled(operation: str) -> None:
    """An upload is not opened or completed again after a lost answer."""
    driver = ScriptedDriver(**{operation: [Unavailable("x"), Throttled("y"), META]})
    layer = _retrying(driver, Clock())
    args: tuple[Any, ...] = (
        ("k", PutOptions()) if operation == "open_upload" else ("k", "u", [], PutOptions())
    )
    with pytest.raises(Unavailable):
        getattr(layer, operation)(*args)
    getattr(layer, operation)(*args)
    assert driver.left() == 0


def test_not_there_after_a_lost_answer_means_done() -> None:
    """A delete or abort that finds nothing on its second attempt did its work on the first."""
    driver = ScriptedDriver(
        delete=[Unavailable("x"), NotFound("y")], abort_upload=[Unavailable("x"), UploadLost("y")]
    )
    layer = _retrying(driver, Clock())
    layer.delete("k")
    layer.abort_upload("k", "u")
    assert driver.left() == 0


def test_not_there_at_first_is_an_error() -> None:
    """A delete that finds nothing on its first attempt says so."""
    with pytest.raises(NotFound):
        _retrying(ScriptedDriver(delete=[NotFound("x")]), Clock()).delete("k")


def _extras(*names: str) -> list[Any]:
    return [Extra(key=name, kind=Kind.SNAPSHOT, size=1) for name in names]  # type: ignore[arg-type]


def test_a_broken_stream_is_taken_up() -> None:
    """A listing that breaks goes on behind the last item, twice if need be."""
    driver = ScriptedDriver(
        list_extras=[
            [*_extras("a", "b"), Unavailable("x")],
            [*_extras("a", "b", "c"), Unavailable("y")],
            _extras("a", "b", "c", "d"),
        ]
    )
    assert [extra.key for extra in _retrying(driver, Clock()).list_extras("")] == ["a", "b", "c", "d"]


def test_a_stream_that_changed_is_not_taken_up() -> None:
    """If the last item is no longer where it stood, the listing cannot be whole."""
    driver = ScriptedDriver(list_extras=[[*_extras("a", "b"), Unavailable("x")], _extras("a", "c", "d")])
    with pytest.raises(Unexpected, match="changed"):
        list(_retrying(driver, Clock()).list_extras(""))


def test_limiter_halves_once_per_interval_and_grows() -> None:
    """A burst of refusals halves the limit once; successes bring it back to the ceiling, no further."""
    clock = Clock()
    limiter = AdaptiveLimiter(16, clock=clock, sleep=clock.sleep)
    for _ in range(5):
        limiter.acquire()
    for _ in range(5):
        limiter.throttled(None)
    assert (limiter.limit, limiter.in_flight) == (8, 0)
    clock.now += 1.0
    limiter.acquire()
    limiter.throttled(None)
    assert limiter.limit == 4
    for _ in range(500):
        limiter.acquire()
        limiter.succeeded()
    assert limiter.limit == 16


def test_limiter_never_stops_altogether() -> None:
    """However often it is halved, one request passes."""
    clock = Clock()
    limiter = AdaptiveLimiter(2, clock=clock, sleep=clock.sleep)
    for _ in range(5):
        limiter.acquire()
        limiter.throttled(None)
        clock.now += 10
    limiter.acquire()
    assert (limiter.limit, limiter.in_flight) == (1, 1)


def test_retry_after_pauses_everyone_once() -> None:
    """A Retry-After makes the next requests wait, up to the longest pause."""
    clock = Clock()
    limiter = AdaptiveLimiter(4, max_pause=20.0, clock=clock, sleep=clock.sleep)
    limiter.acquire()
    limiter.throttled(500.0)
    limiter.acquire()
    limiter.acquire()
    assert clock.slept == [20.0]


def test_limit_layer_gives_every_place_back() -> None:
    """Success, failure, throttling and streams all leave no place taken."""
    limiter = AdaptiveLimiter(4)
    driver = ScriptedDriver(
        head=[META, NotFound("x"), Throttled("y")],
        list_extras=[_extras("a", "b"), [*_extras("a"), Unavailable("z")]],
    )
    layer = LimitLayer(driver, limiter)
    layer.head("k")
    for error in (NotFound, Throttled):
        with pytest.raises(error):
            layer.head("k")
    assert len(list(layer.list_extras(""))) == 2
    with pytest.raises(Unavailable):
        list(layer.list_extras(""))
    assert (limiter.in_flight, limiter.limit) == (0, 2)


def test_counter_adds_up() -> None:
    """Requests, errors, bytes and seconds are added by operation; a stream is one request."""
    clock = Clock()
    counter = RequestCounter()
    driver = ScriptedDriver(
        put=[META],
        read=[ReadResult(meta=META, data=b"12345"), NotFound("x")],
        list_extras=[_extras("a", "b")],
    )
    layer = ObserveLayer(driver, counter, clock=clock)
    layer.put("k", memoryview(b"123"), PutOptions())
    layer.read("k")
    with pytest.raises(NotFound):
        layer.read("k")
    list(layer.list_extras(""))
    totals = counter.totals()
    assert (totals["put"].requests, totals["put"].sent) == (1, 3)
    assert (totals["read"].requests, totals["read"].errors, totals["read"].received) == (2, 1, 5)
    assert totals["list_extras"].requests == 1


def test_a_broken_observer_disturbs_nobody() -> None:
    """What an observer raises is dropped."""

    class Broken:
        def on_request(self, *_: object) -> None:
            raise RuntimeError("broken")

    assert ObserveLayer(ScriptedDriver(head=[META]), Broken()).head("k") is META


def test_read_only_refuses_what_writes() -> None:
    """Every writing operation is Unsupported and never reaches the driver."""
    driver = ScriptedDriver(head=[META])
    layer = ReadOnlyLayer(driver)
    for call in (
        lambda: layer.put("k", b"", PutOptions()),
        lambda: layer.open_upload("k", PutOptions()),
        lambda: layer.put_part("k", "u", 1, 0, b""),
        lambda: layer.complete_upload("k", "u", [], PutOptions()),
        lambda: layer.abort_upload("k", "u"),
        lambda: layer.delete("k"),
    ):
        with pytest.raises(Unsupported, match="reading only"):
            call()
    assert driver.calls == []
    assert layer.head("k") is META


def test_layers_together_count_every_attempt() -> None:
    """Retry lies over observe over limit: each attempt is counted and gives its place back."""
    counter = RequestCounter()
    limiter = AdaptiveLimiter(8)
    driver = ScriptedDriver(head=[Throttled("x"), Unavailable("y"), META])
    clock = Clock()
    layered = open_layers(driver, limiter=limiter, observer=counter, retry_policy=POLICY, sleep=clock.sleep)
    assert layered.head("k") is META  # type: ignore[arg-type]
    assert (counter.totals()["head"].requests, counter.totals()["head"].errors) == (3, 2)
    assert (limiter.limit, limiter.in_flight) == (4, 0)


def test_bandwidth_pays_its_debt() -> None:
    """A second of savings is free; what is spent beyond is waited for, at the rate."""
    clock = Clock()
    budget = Bandwidth(100.0, clock=clock, sleep=clock.sleep)
    assert [budget.spend(100), budget.spend(50), budget.spend(200)] == [0.0, 0.5, 2.0]
    clock.now += 60
    assert budget.spend(100) == 0.0


def test_bandwidth_without_a_rate_never_waits() -> None:
    """No rate is no limit, and a rate can be set and lifted while running."""
    clock = Clock()
    budget = Bandwidth(None, clock=clock, sleep=clock.sleep)
    assert budget.spend(10**12) == 0.0
    budget.set_rate(10.0)
    assert budget.spend(20) == 2.0
    budget.set_rate(None)
    assert budget.spend(10**12) == 0.0
    with pytest.raises(ValueError, match="positive"):
        budget.set_rate(0)
