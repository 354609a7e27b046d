"""A target that is slow, full, forgetful, lying, or taken: what was acknowledged is true, and nothing is lost."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from migrator.core.modes import Level, Mode
from migrator.engine.context import Stop
from providers.errors import (
    LocalStorageFull,
    PermissionDenied,
    StoreError,
    Throttled,
    Unauthenticated,
    Unavailable,
)
from providers.model import ObjectMeta, PartReceipt
from support.waves import UNIT, Wave, content

PLAIN = {
    "single": content("single", 1000),
    "empty": b"",
    "parts": content("parts", 6 * UNIT + 5),
}


def data(args: tuple[Any, ...], _named: dict[str, Any]) -> bool:
    """Calls about objects of data."""
    return not str(args[0]).startswith(".havre/")


def check_done(wave: Wave) -> None:
    """Everything is there, once, and the ledger holds."""
    wave.check_complete()
    assert wave.target.uploads() == []
    assert wave.target.leftovers() == []
    wave.audit()


def down() -> StoreError:
    """A cut connection."""
    return Unavailable("connection cut")


@pytest.mark.parametrize("mode", [Mode.ENCRYPT, Mode.COPY])
@pytest.mark.parametrize("operation", ["put", "open_upload", "put_part", "complete_upload", "head", "read"])
@pytest.mark.parametrize("error", [lambda: Throttled("slow down"), down], ids=["throttled", "unavailable"])
def test_trouble_that_passes_is_not_seen(
    tmp_path: Path, mode: Mode, operation: str, error: Callable[[], StoreError]
) -> None:
    """Two refusals in a row of any one operation do not make a run fail."""
    wave = Wave.make(tmp_path, PLAIN, mode=mode)
    wave.target.faults.fail(operation, error, times=2)
    assert wave.run().exit_code == 0
    wave.target.faults.verify_all_fired()
    check_done(wave)


@pytest.mark.parametrize("mode", [Mode.ENCRYPT, Mode.COPY])
@pytest.mark.parametrize("operation", ["put", "open_upload", "put_part", "complete_upload"])
def test_lost_answers_are_settled(tmp_path: Path, mode: Mode, operation: str) -> None:
    """An effect whose answer is lost, each time it is done first, is found done: nothing is there twice."""
    wave = Wave.make(tmp_path, PLAIN, mode=mode)
    wave.target.faults.lose(operation, down, times=2, wants=data)
    assert wave.run().exit_code == 0
    check_done(wave)


@pytest.mark.parametrize("operation", ["put", "open_upload", "put_part", "complete_upload", "read"])
def test_trouble_that_lasts_stops_with_a_state_to_carry_on_from(tmp_path: Path, operation: str) -> None:
    """Trouble that outlasts the retries ends with exit 5; the next run carries on."""
    wave = Wave.make(tmp_path, PLAIN)
    wave.target.faults.fail(operation, down, times=None, wants=data)
    report = wave.run()
    assert report.exit_code == 5
    assert report.problems
    wave.target.faults.verify_all_fired()
    wave.target.faults.clear()
    wave.check_visible()
    assert wave.run().exit_code == 0
    check_done(wave)


def test_many_objects_in_trouble_stop_the_run(tmp_path: Path) -> None:
    """Where object after object runs out of retries the run stops instead of trying them all."""
    plain = {f"o{i}": b"x" for i in range(40)}
    wave = Wave.make(tmp_path, plain)
    wave.target.faults.fail("put", down, times=None, wants=data)
    report = wave.run()
    assert report.exit_code == 5
    assert report.state == "stopped"
    assert wave.target.faults.count("put") < 40 * 4
    wave.target.faults.clear()
    assert wave.run().exit_code == 0
    check_done(wave)


@pytest.mark.parametrize(
    "error",
    [lambda: Unauthenticated("the credentials have expired"), lambda: LocalStorageFull("no space left")],
    ids=["expired", "full"],
)
@pytest.mark.parametrize("operation", ["put", "put_part", "complete_upload", "read"])
def test_trouble_that_a_person_must_end_stops_at_once(
    tmp_path: Path, operation: str, error: Callable[[], StoreError]
) -> None:
    """Expired credentials and a full disk stop the run with exit 1 and a hint; the next run carries on."""
    wave = Wave.make(tmp_path, PLAIN)
    wave.target.faults.fail(operation, error, times=None, wants=data)
    report = wave.run()
    assert report.exit_code == 1
    assert report.state == "stopped"
    assert isinstance(report.error, StoreError)
    assert report.error.hint
    wave.target.faults.verify_all_fired()
    wave.target.faults.clear()
    wave.check_visible()
    assert wave.run().exit_code == 0
    check_done(wave)


def test_credentials_that_expire_at_the_source_stop_at_once(tmp_path: Path) -> None:
    """The same holds for the source."""
    wave = Wave.make(tmp_path, PLAIN)
    wave.source.faults.fail("read", lambda: Unauthenticated("expired"), times=None, skip=2)
    assert wave.run().exit_code == 1
    wave.source.faults.clear()
    assert wave.run().exit_code == 0
    check_done(wave)


@pytest.mark.parametrize(
    "error", [lambda: PermissionDenied("not this one"), lambda: Unavailable("500")], ids=["403", "500"]
)
@pytest.mark.parametrize("operation", ["read", "put"])
def test_objects_that_are_odd_do_not_hold_up_the_others(
    tmp_path: Path, operation: str, error: Callable[[], StoreError]
) -> None:
    """Where a store refuses six objects, whoever comes first in the listing, all others arrive; the six are named."""
    odd = {f"a{number}" for number in range(6)}
    plain = dict.fromkeys(odd, b"odd") | {f"b{number}": b"plain" for number in range(20)}
    wave = Wave.make(tmp_path, plain)
    place = wave.source if operation == "read" else wave.target
    keys = odd if operation == "read" else {wave.target_key(key) for key in odd}
    place.faults.fail(operation, error, times=None, wants=lambda args, _: args[0] in keys)
    wave.run()
    report = wave.run()
    assert report.exit_code in (3, 5)
    assert report.counts["verified"] == 20
    assert len({problem["row"] for problem in report.problems}) == 6
    place.faults.clear()
    assert wave.run().exit_code == 0
    check_done(wave)


def test_rights_that_are_missing_stop_the_run(tmp_path: Path) -> None:
    """Credentials that may write nothing end the run with exit 1 after a few objects, not after all."""
    wave = Wave.make(tmp_path, {f"o{number}": b"x" for number in range(40)})
    wave.target.faults.fail("put", lambda: PermissionDenied("not allowed"), times=None, wants=data)
    report = wave.run()
    assert (report.state, report.exit_code) == ("stopped", 1)
    assert wave.target.faults.count("put") < 40
    wave.target.faults.clear()
    assert wave.run().exit_code == 0
    check_done(wave)


# -- lies ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["single", "parts"])
@pytest.mark.parametrize("mode", [Mode.ENCRYPT, Mode.COPY])
def test_read_back_that_differs_is_rejected(tmp_path: Path, mode: Mode, key: str) -> None:
    """A byte that reads back wrong rejects the object, exit 4, and does not leave it standing."""
    wave = Wave.make(tmp_path, PLAIN, mode=mode)
    target = wave.target_key(key)
    wave.target.faults.corrupt(wants=lambda args, _: args[0] == target)
    report = wave.run()
    assert report.exit_code == 4
    assert report.counts["rejected"] == 1
    wave.target.faults.verify_all_fired()
    wave.check_complete(but=(key,))
    assert wave.run().exit_code == 4


@pytest.mark.parametrize("key", ["single", "parts"])
@pytest.mark.parametrize("level", [Level.SIZE, Level.FULL])
@pytest.mark.parametrize("lie", ["nothing", "truncated"])
def test_store_that_lies_is_found_out(tmp_path: Path, lie: str, level: Level, key: str) -> None:
    """A store that acknowledges and keeps nothing, or only a part, does not get an object verified."""
    wave = Wave.make(tmp_path, PLAIN, verify=level)
    target = wave.target_key(key)

    def keep(effect: Callable[[], Any]) -> Any:
        meta = effect()
        path = wave.target.path / target
        path.unlink() if lie == "nothing" else path.write_bytes(path.read_bytes()[:-1])
        return meta

    operation = "put" if key == "single" else "complete_upload"
    wave.target.faults.queue(operation, keep, wants=lambda args, _: args[0] == target)
    report = wave.run()
    assert report.exit_code == 4, report
    assert report.counts["rejected"] == 1
    wave.target.faults.verify_all_fired()


def test_part_that_was_never_kept_is_found_out(tmp_path: Path) -> None:
    """A part that the store acknowledged and did not keep does not end in a visible object."""
    wave = Wave.make(tmp_path, PLAIN)

    def lie(_effect: Callable[[], Any]) -> Any:
        return PartReceipt(number=2, size=3 * (UNIT + 28))

    wave.target.faults.queue("put_part", lie, wants=lambda args, _: args[2] == 2)
    assert wave.run().exit_code in (3, 4)
    wave.target.faults.verify_all_fired()
    wave.check_complete(but=("parts",))
    assert wave.run().exit_code in (0, 4)


def test_put_that_was_never_kept_is_found_out(tmp_path: Path) -> None:
    """A put that was acknowledged and never done is rejected."""
    wave = Wave.make(tmp_path, PLAIN)
    wave.target.faults.queue(
        "put", lambda _: ObjectMeta(key="single.c4gh", size=1152), wants=lambda a, _: a[0] == "single.c4gh"
    )
    assert wave.run().exit_code == 4
    wave.check_complete(but=("single",))


# -- others ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", PLAIN)
@pytest.mark.parametrize("mode", [Mode.ENCRYPT, Mode.COPY])
@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_object_of_others_is_never_overwritten(tmp_path: Path, when: str, mode: Mode, key: str) -> None:
    """What stands at a target key, seen at inventory or come meanwhile, is left alone and named."""
    wave = Wave.make(tmp_path, PLAIN, mode=mode)
    target = wave.target_key(key)
    theirs = b"not yours" * 99
    if when == "before":
        wave.target.put(target, theirs)
    else:
        operation = "complete_upload" if key == "parts" else "put"
        wave.target.faults.before(
            operation, lambda: wave.target.put(target, theirs), wants=lambda args, _: args[0] == target
        )
    report = wave.run()
    assert report.exit_code == 3
    assert "another object" in wave.reasons()[key]
    wave.target.faults.verify_all_fired()
    assert wave.target.objects()[target] == theirs
    wave.check_visible(foreign=(target,))
    assert wave.target.uploads() == []
    assert wave.run().exit_code == 3
    assert wave.target.objects()[target] == theirs


@pytest.mark.parametrize("key", ["single", "parts"])
def test_object_of_others_of_the_same_size_is_not_taken_for_ours(tmp_path: Path, key: str) -> None:
    """A lost answer is not settled by an object that merely has the right size."""
    wave = Wave.make(tmp_path, PLAIN, mode=Mode.COPY)
    theirs = content("theirs", len(PLAIN[key]))

    def usurp(_effect: Callable[[], Any]) -> Any:
        wave.target.put(key, theirs)
        raise down()

    operation = "complete_upload" if key == "parts" else "put"
    wave.target.faults.queue(operation, usurp, wants=lambda args, _: args[0] == key)
    assert wave.run().exit_code == 3
    assert wave.target.objects()[key] == theirs
    assert wave.run().exit_code == 3
    assert wave.target.objects()[key] == theirs


def test_same_content_already_there_is_skipped(tmp_path: Path) -> None:
    """An object that already stands there with the right content is success."""
    wave = Wave.make(tmp_path, PLAIN, mode=Mode.COPY)
    for key, body in PLAIN.items():
        wave.target.put(key, body)
    report = wave.run()
    assert report.exit_code == 0
    assert report.counts["skipped"] == len(PLAIN)


def test_upload_of_others_is_left_alone(tmp_path: Path) -> None:
    """Another program's unfinished upload, even on a key of ours, outlives the run."""
    wave = Wave.make(tmp_path, PLAIN)
    with wave.target.bare() as store:
        from providers.model import Key, PutOptions

        theirs = store.open_upload(Key("parts.c4gh"), PutOptions(attempt="theirs"))
        store.put_part(Key("parts.c4gh"), theirs, 1, 0, b"theirs")
    assert wave.run().exit_code == 0
    assert wave.run().exit_code == 0
    assert wave.target.uploads() == [("parts.c4gh", "theirs")]
    wave.check_complete()


# -- interrupts ------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", ["put", "put_part", "open_upload", "complete_upload", "read"])
def test_interrupt_drains_and_the_next_run_carries_on(tmp_path: Path, operation: str) -> None:
    """A stop on request lets what is in flight end and be recorded: the next run sends none of it again."""
    wave = Wave.make(tmp_path, PLAIN)
    stop = Stop()
    wave.target.faults.before(operation, stop.request, wants=data)
    report = wave.run(stop=stop)
    assert report.exit_code == 130
    assert report.state == "interrupted"
    wave.target.faults.verify_all_fired()
    wave.check_visible()
    recorded, sent = wave.recorded_bytes(), sent_bytes(wave)
    assert recorded == sent
    assert wave.run().exit_code == 0
    check_done(wave)
    assert sent_bytes(wave) == sum(map(len, wave.target.objects().values()))


def sent_bytes(wave: Wave) -> int:
    """Payload bytes given to the target so far."""
    return sum(wave.target.faults.payload)


def test_second_run_meanwhile_is_refused(tmp_path: Path) -> None:
    """One run at a time: the second is refused and says who holds the ledger."""
    from migrator.errors import LedgerLocked

    wave = Wave.make(tmp_path, PLAIN)
    reached, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        reached.set()
        assert go_on.wait(60)

    wave.target.faults.before("put", hold, wants=data)
    reports: list[Any] = []
    first = threading.Thread(target=lambda: reports.append(wave.run()))
    first.start()
    assert reached.wait(60)
    try:
        with pytest.raises(LedgerLocked) as refused:
            replace(wave).run()
        assert "process" in refused.value.message
        assert refused.value.exit_code == 11
    finally:
        go_on.set()
        first.join()
    assert reports[0].exit_code == 0
    check_done(wave)
