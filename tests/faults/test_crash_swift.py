"""The crash matrix, reduced, with a real Swift as target and as source; and what a network does to it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from migrator.core.modes import Mode
from providers.capabilities import MIB
from providers.drivers.swift_names import beside
from providers.model import Attributes, Key, PutOptions
from support.crash import Died, Doom
from support.fault_proxy import FaultProxy
from support.swift import Swift, SwiftServer
from support.swift_harness import SwiftHarness
from support.waves import FACTS, UNIT, Place, Wave, content

PLAIN = {"empty": b"", "dir/small é": content("small", 1000), "parts": content("parts", 7 * UNIT)}

pytestmark = pytest.mark.server("swift")


def swift_place(server: SwiftServer) -> Place:
    """A new container."""
    harness = SwiftHarness(FACTS["swift"], server)
    return Place(harness, harness.new_bucket())


def no_orphans(server: SwiftServer, place: Place) -> None:
    """Beside the bucket lie the segments of visible objects, all of them, and nothing else."""
    with place.bare() as store:
        large = [meta for meta in store.list() if not meta.claims]
    names = server.names(beside(place.bucket))
    assert all(name.startswith("segments/") for name in names)
    folders = {name.rpartition("/")[0] for name in names}
    assert len(folders) == len(large)


def settled(wave: Wave, server: SwiftServer, theirs: list[tuple[str, str]]) -> None:
    """Everything is there and right, and of uploads only those of others are left."""
    wave.check_complete()
    assert wave.target.uploads() == theirs
    wave.audit()
    if not theirs:
        no_orphans(server, wave.target)


@pytest.mark.parametrize("start", [1, 5, 9])
def test_death_before_swift(tmp_path: Path, swift: SwiftServer, start: int) -> None:
    """A Swift target survives death at every fourth boundary; foreign uploads survive the sweeps."""
    at, died = start, True
    while died:
        (tmp_path / str(at)).mkdir()
        target = swift_place(swift)
        with target.bare() as store:
            theirs = store.open_upload(Key("parts.c4gh"), PutOptions(attempt="theirs"))
            also = store.open_upload(Key("elsewhere"), PutOptions(attempt="theirs"))
        wave = Wave.make(tmp_path / str(at), PLAIN, target=target)
        doom = Doom(at)
        try:
            assert wave.run(doom).exit_code == 0
        except Died:
            wave.check_visible()
            recorded, last = wave.recorded_bytes(), Doom()
            report = wave.run(last)
            assert report.exit_code == 0, (doom.where, report, wave.reasons())
            total = sum(map(len, wave.target.objects().values()))
            assert last.sent_bytes() <= total - recorded, f"{doom.where}: something recorded was sent again"
        died = doom.dead
        settled(wave, swift, [("elsewhere", str(also)), ("parts.c4gh", str(theirs))])
        with target.bare() as store:
            store.abort_upload(Key("parts.c4gh"), theirs)
            store.abort_upload(Key("elsewhere"), also)
        no_orphans(swift, target)
        target.harness.drop_bucket(target.bucket)
        at += 12
    assert at > 20


def test_death_between_two_swifts(tmp_path: Path, swift: SwiftServer) -> None:
    """From large objects of one container to another: death loses nothing, and the source is left as it was."""
    for at in range(6, 60, 9):
        (tmp_path / str(at)).mkdir()
        source, target = swift_place(swift), swift_place(swift)
        wave = Wave.make(tmp_path / str(at), PLAIN, source=source, target=target)
        large = content("large", 5 * UNIT + 17)
        with source.bare() as store:
            key, options = Key("parts"), PutOptions(attempt="made")
            upload = store.open_upload(key, options)
            parts = [
                store.put_part(key, upload, number, start, large[start : start + 2 * UNIT])
                for number, start in enumerate(range(0, len(large), 2 * UNIT), 1)
            ]
            store.complete_upload(key, upload, parts, options)
        wave.plain["parts"] = large
        try:
            wave.run(Doom(at))
        except Died:
            assert wave.run().exit_code == 0
        settled(wave, swift, [])
        assert source.objects() == wave.plain
        no_orphans(swift, source)


def test_source_that_grows_under_the_copy(tmp_path: Path, swift: SwiftServer) -> None:
    """A dynamic large object that gets a segment after it was listed is not copied as something it never was."""
    source, target = swift_place(swift), swift_place(swift)
    wave = Wave.make(tmp_path, {"still": b"still"}, source=source, target=target, mode=Mode.COPY)
    first, second = content("first", 3 * UNIT), content("second", 3 * UNIT)
    for number, body in enumerate((first, second)):
        swift.call("PUT", f"{source.bucket}/.parts/film/{number}", body=body)
    manifest = {"X-Object-Manifest": f"{source.bucket}/.parts/film/"}
    swift.call("PUT", f"{source.bucket}/film", body=b"", headers=manifest)
    grown = threading.Event()

    def grow() -> None:
        if not grown.is_set():
            grown.set()
            swift.call("PUT", f"{source.bucket}/.parts/film/2", body=b"and more")

    wave.source.faults.before("read", grow, wants=lambda args, _: args[0] == "film")
    report = wave.run()
    assert report.exit_code == 3
    assert "film" not in target.objects()
    assert list(wave.reasons()) == ["film"]
    assert target.uploads() == []


# -- the network -----------------------------------------------------------------------------------


@pytest.fixture
def proxied(tmp_path: Path, swift: SwiftServer) -> Iterator[tuple[Wave, FaultProxy]]:
    """A wave whose target lies behind a proxy that fails where the test says."""
    with FaultProxy(swift.s3.endpoint) as proxy:
        target = swift_place(swift.behind(proxy.endpoint))
        yield Wave.make(tmp_path, PLAIN, target=target), proxy


@pytest.mark.parametrize(
    "fault", ["busy", "cut", "lost put", "lost part", "lost open", "lost complete", "lost marker"]
)
def test_broken_connections(proxied: tuple[Wave, FaultProxy], swift: SwiftServer, fault: str) -> None:
    """A pause that is asked for, a cut and answers that never arrive end in one verified object each, no orphan."""
    wave, proxy = proxied
    if fault == "busy":
        proxy.answer("PUT", "small", times=2)
        proxy.answer("GET", "parts.c4gh", times=2)
    elif fault == "cut":
        proxy.cut_response("GET", "parts.c4gh", after=UNIT, times=2)
    elif fault == "lost put":
        proxy.drop_response("PUT", "small")
        proxy.drop_response("PUT", "empty")
    elif fault == "lost part":
        proxy.drop_response("PUT", "/000001", times=2)
    elif fault == "lost open":
        proxy.drop_response("PUT", "uploads/k/parts.c4gh", times=2)
    elif fault == "lost complete":
        proxy.drop_response("PUT", "multipart-manifest=put")
    else:
        proxy.drop_response("DELETE", "uploads/k/parts.c4gh")
    assert wave.run().exit_code == 0
    proxy.verify_all_fired()
    settled(wave, swift, [])
    assert wave.run().exit_code == 0


def test_swift_that_restarts_meanwhile(tmp_path: Path) -> None:
    """A Swift that is killed in the middle of a part and comes back, its tokens forgotten, is gone on with."""
    with Swift(tmp_path / "swift") as running:
        target = swift_place(running.server)
        wave = Wave.make(tmp_path, PLAIN, target=target)
        down = threading.Event()

        def kill() -> None:
            if not down.is_set():
                down.set()
                running.kill()

        wave.target.faults.before("put_part", kill, wants=lambda args, _: args[2] == 2)
        assert wave.run().exit_code == 5
        running.start()
        assert wave.run().exit_code == 0
        settled(wave, running.server, [])


def test_metadata_comes_back_from_the_book(tmp_path: Path, swift: SwiftServer) -> None:
    """User metadata and content headers, sealed on the way, are there again after a restore to Swift."""
    source, back = swift_place(swift), swift_place(swift)
    wave = Wave.make(tmp_path, PLAIN, source=source, target=swift_place(swift))
    attributes = Attributes(content_type="application/dicom", metadata={"site": "h-7", "ville": "Orléans"})
    for key in ("dir/small é", "parts"):
        source.put(key, PLAIN[key], attributes=attributes)
    assert wave.run().exit_code == 0
    assert wave.restore(back).exit_code == 0
    assert back.objects() == PLAIN
    with back.bare() as store:
        for key in ("dir/small é", "parts"):
            found = store.head(Key(key)).attributes
            assert found is not None
            assert found.content_type == "application/dicom"
            assert (found.metadata["site"], found.metadata["ville"]) == ("h-7", "Orléans")


def test_large_bodies_in_one_put(tmp_path: Path, swift: SwiftServer) -> None:
    """A body of several MiB that is refused in the middle for its token is sent again whole."""
    place = swift_place(swift)
    body = content("large", 8 * MIB)
    place.put("once", body)
    assert place.objects() == {"once": body}
