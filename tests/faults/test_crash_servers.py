"""The crash matrix, reduced, against real servers; and what a network does to a run."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from migrator.core.modes import DatasetClass, Level, Mode, Names
from providers.capabilities import MIB
from providers.model import Key, PutOptions
from support.crash import Died, Doom
from support.endpoints import AzureServer, S3Server
from support.fault_proxy import FaultProxy
from support.harness import AzureHarness, S3Harness
from support.waves import FACTS, UNIT, Place, Wave, content

# Parts of an S3 upload have 5 MiB at least: 80 units.
UNITS = 80
PLAIN = {
    "empty": b"",
    "dir/small é": content("small", 1000),
    "parts": content("parts", 3 * UNITS * UNIT - 3 * UNIT),
}
SMALL = {"empty": b"", "dir/small é": content("small", 1000), "parts": content("parts", 7 * UNIT)}


def s3_place(server: S3Server) -> Place:
    """A new bucket."""
    harness = S3Harness(FACTS[server.kind], server)
    return Place(harness, harness.new_bucket())


def azure_place(server: AzureServer) -> Place:
    """A new container."""
    harness = AzureHarness(FACTS["azurite"], server)
    return Place(harness, harness.new_bucket())


def settled(wave: Wave, theirs: list[tuple[str, str]]) -> None:
    """Everything is there and right, and of uploads only those of others are left."""
    wave.check_complete()
    assert wave.target.uploads() == theirs
    wave.audit()


def die_and_carry_on(wave: Wave, at: int, theirs: list[tuple[str, str]], *, exact: bool = True) -> bool:
    """Die at boundary `at`, carry on; whether it died at all."""
    doom = Doom(at)
    try:
        assert wave.run(doom).exit_code == 0
    except Died:
        wave.check_visible()
        recorded, last = wave.recorded_bytes(), Doom()
        report = wave.run(last)
        assert report.exit_code == 0, (doom.where, report, wave.reasons())
        total = sum(map(len, wave.target.objects().values()))
        assert not exact or last.sent_bytes() <= total - recorded, (
            f"{doom.where}: something recorded was sent again"
        )
    settled(wave, theirs)
    return doom.dead


@pytest.mark.server("seaweedfs")
@pytest.mark.parametrize("start", [1, 7])
def test_death_before_s3(tmp_path: Path, seaweedfs: S3Server, start: int) -> None:
    """An S3 target survives death at every sixth boundary, and foreign uploads survive the sweeps."""
    at, died = start, True
    while died:
        (tmp_path / str(at)).mkdir()
        target = s3_place(seaweedfs)
        with target.bare() as store:
            theirs = store.open_upload(Key("parts.c4gh"), PutOptions())
            also = store.open_upload(Key("elsewhere"), PutOptions())
        wave = Wave.make(tmp_path / str(at), PLAIN, target=target, part_units=UNITS)
        died = die_and_carry_on(wave, at, [("elsewhere", str(also)), ("parts.c4gh", str(theirs))])
        target.harness.drop_bucket(target.bucket)
        at += 12
    assert at > 20


@pytest.mark.server("seaweedfs")
@pytest.mark.parametrize(
    ("mode", "dataset_class"),
    [
        (Mode.REWRAP, DatasetClass.PSEUDONYMISED),
        (Mode.DECRYPT, DatasetClass.PSEUDONYMISED),
        (Mode.ENCRYPT, DatasetClass.EDS),
    ],
)
def test_death_before_s3_in_other_modes(
    tmp_path: Path, seaweedfs: S3Server, mode: Mode, dataset_class: DatasetClass
) -> None:
    """Rewrap, decrypt and a guarded wave survive death at every eleventh boundary of an S3 target."""
    at, died = 4, True
    while died:
        (tmp_path / str(at)).mkdir()
        target = s3_place(seaweedfs)
        wave = Wave.make(
            tmp_path / str(at), PLAIN, target=target, part_units=UNITS, mode=mode, dataset_class=dataset_class
        )
        died = die_and_carry_on(wave, at, [], exact=dataset_class is not DatasetClass.EDS)
        target.harness.drop_bucket(target.bucket)
        at += 11
    assert at > 40


@pytest.mark.server("azurite")
@pytest.mark.parametrize("start", [1, 4])
def test_death_before_azure(tmp_path: Path, azurite: AzureServer, start: int) -> None:
    """A Blob target survives death at every third boundary."""
    at, died = start, True
    while died:
        (tmp_path / str(at)).mkdir()
        target = azure_place(azurite)
        wave = Wave.make(tmp_path / str(at), SMALL, target=target)
        died = die_and_carry_on(wave, at, [])
        target.harness.drop_bucket(target.bucket)
        at += 6
    assert at > 20


@pytest.mark.server("seaweedfs", "azurite")
def test_death_between_azure_and_s3(tmp_path: Path, seaweedfs: S3Server, azurite: AzureServer) -> None:
    """From Blob to S3 under keyed names, a death after the upload was opened leaves no orphan."""
    for at in range(24, 60, 8):
        (tmp_path / str(at)).mkdir()
        source, target = azure_place(azurite), s3_place(seaweedfs)
        wave = Wave.make(
            tmp_path / str(at), PLAIN, source=source, target=target, part_units=UNITS, names=Names.KEYED
        )
        try:
            wave.run(Doom(at))
        except Died:
            assert wave.run().exit_code == 0
        found = target.objects()
        assert sorted(map(wave.plain_of, found.values())) == sorted(PLAIN.values())
        assert target.uploads() == []
        wave.audit()


# -- the network -----------------------------------------------------------------------------------


@pytest.fixture
def proxied(tmp_path: Path, seaweedfs: S3Server) -> Iterator[tuple[Wave, FaultProxy]]:
    """A wave whose target lies behind a proxy that fails where the test says."""
    with FaultProxy(seaweedfs.endpoint) as proxy:
        target = s3_place(replace(seaweedfs, endpoint=proxy.endpoint))
        yield Wave.make(tmp_path, PLAIN, target=target, part_units=UNITS), proxy


@pytest.mark.server("seaweedfs")
def test_target_that_answers_503_for_a_while(proxied: tuple[Wave, FaultProxy]) -> None:
    """A store that asks for a slower pace gets it, and nothing fails."""
    wave, proxy = proxied
    proxy.answer("PUT", "small", times=3)
    proxy.answer("POST", "uploads", times=2)
    proxy.answer("PUT", "partNumber=2", times=3)
    proxy.answer("GET", "parts.c4gh", times=2)
    assert wave.run().exit_code == 0
    proxy.verify_all_fired()
    settled(wave, [])


@pytest.mark.server("seaweedfs")
def test_target_that_answers_503_for_good(proxied: tuple[Wave, FaultProxy]) -> None:
    """A store that never recovers ends the run with exit 5; once it does, the next run carries on."""
    wave, proxy = proxied
    fault = proxy.answer("PUT", "partNumber", status=500, code="InternalError", times=None)
    report = wave.run()
    assert report.exit_code == 5
    proxy.verify_all_fired()
    fault.stop()
    wave.check_visible()
    assert wave.run().exit_code == 0
    settled(wave, [])


@pytest.mark.server("seaweedfs")
@pytest.mark.parametrize(
    "fault", ["cut", "lost put", "lost part", "lost open", "lost complete", "lost abort"]
)
def test_broken_connections(proxied: tuple[Wave, FaultProxy], fault: str) -> None:
    """A connection cut in a part and answers that never arrive end in one verified object each, no orphan."""
    wave, proxy = proxied
    if fault == "cut":
        proxy.cut_request("PUT", "partNumber=2", after=MIB, times=2)
        proxy.cut_response("GET", "parts.c4gh", after=MIB, times=2)
    elif fault == "lost put":
        proxy.drop_response("PUT", "small")
        proxy.drop_response("PUT", "empty")
    elif fault == "lost part":
        proxy.drop_response("PUT", "partNumber=1", times=2)
    elif fault == "lost open":
        proxy.drop_response("POST", "uploads", times=2)
    elif fault == "lost complete":
        proxy.drop_response("POST", "uploadId")
    else:
        # An upload opened and never answered is aborted, and that answer is lost as well.
        proxy.drop_response("POST", "uploads")
        proxy.drop_response("DELETE", "uploadId")
    assert wave.run().exit_code == 0
    proxy.verify_all_fired()
    settled(wave, [])
    assert wave.run().exit_code == 0


@pytest.mark.server("seaweedfs")
def test_store_that_restarts_meanwhile(tmp_path: Path, seaweedfs_process: Any) -> None:
    """A store that is killed in the middle of a part and comes back does not hold what it did not keep."""
    running = seaweedfs_process
    target = s3_place(running.server)
    wave = Wave.make(tmp_path, PLAIN, target=target, part_units=UNITS)
    down = threading.Event()

    def kill() -> None:
        if not down.is_set():
            down.set()
            running.kill()

    wave.target.faults.before("put_part", kill, wants=lambda args, _: args[2] == 2)
    assert wave.run().exit_code == 5
    running.start()
    assert wave.run().exit_code == 0
    settled(wave, [])


@pytest.mark.server("seaweedfs")
def test_metadata_comes_back_from_the_book(tmp_path: Path, seaweedfs: S3Server) -> None:
    """User metadata and content headers, sealed on the way, are there again after a restore to S3."""
    from providers.model import Attributes

    source, back = s3_place(seaweedfs), s3_place(seaweedfs)
    wave = Wave.make(tmp_path, PLAIN, source=source, target=s3_place(seaweedfs), part_units=UNITS)
    attributes = Attributes(content_type="application/dicom", metadata={"site": "h-7"})
    for key in ("dir/small é", "parts"):
        source.put(key, PLAIN[key], attributes=attributes)
    with pytest.raises(Died):
        wave.run(Doom(40))
    assert wave.run().exit_code == 0
    with wave.target.bare() as store:
        seen = store.head(Key("parts.c4gh")).attributes
        assert seen is not None
        assert "site" not in seen.metadata
        assert seen.content_type != "application/dicom"
    assert wave.restore(back).exit_code == 0
    assert back.objects() == PLAIN
    with back.bare() as store:
        for key in ("dir/small é", "parts"):
            found = store.head(Key(key)).attributes
            assert found is not None
            assert found.content_type == "application/dicom"
            assert found.metadata["site"] == "h-7"


@pytest.mark.server("seaweedfs")
@pytest.mark.parametrize("mode", [Mode.ENCRYPT, Mode.COPY])
def test_object_of_ours_that_was_damaged_is_taken_away(
    tmp_path: Path, seaweedfs: S3Server, mode: Mode
) -> None:
    """What reads back wrong is rejected, and the object that carries our stamp is removed."""
    wave = Wave.make(tmp_path, PLAIN, target=s3_place(seaweedfs), part_units=UNITS, mode=mode)
    key = wave.target_key("parts")
    wave.target.faults.corrupt(wants=lambda args, _: args[0] == key)
    assert wave.run().exit_code == 4
    wave.check_complete(but=("parts",))
    assert wave.verify(verify=Level.SIZE).exit_code == 4
