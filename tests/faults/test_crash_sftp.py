"""The crash matrix before an SFTP server, as target and as source; and connections that break, servers that restart."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from migrator.core.modes import Mode
from providers.drivers.sftp_packets import Kind
from providers.drivers.sftp_wire import Session
from providers.errors import AlreadyExists, Unavailable
from providers.model import Key, PutOptions
from providers.store import ObjectStore
from support.crash import Died, Doom
from support.sftp_harness import SftpHarness
from support.sshd import Sshd, SshdPlace
from support.waves import FACTS, UNIT, Place, Wave, content

pytestmark = pytest.mark.server("sftp")

# part_units=3: one part is three units; sealed, a padded header takes the place of the first.
PLAIN = {
    "empty": b"",
    "dir/small é": content("small", 1000),
    "parts": content("parts", 7 * UNIT),
}
_CHANGES = frozenset(
    {Kind.WRITE, Kind.SETSTAT, Kind.FSETSTAT, Kind.REMOVE, Kind.MKDIR, Kind.EXTENDED, Kind.OPEN}
)


def sftp_place(server: SshdPlace) -> Place:
    """A new folder."""
    harness = SftpHarness(FACTS["sftp"], server)
    return Place(harness, harness.new_bucket())


def leftovers(place: Place) -> list[str]:
    """What lies in the folder of unfinished uploads, seen on the disk itself."""
    assert isinstance(place.harness, SftpHarness)
    staging = place.harness.folder(place.bucket) / ".havre/uploads"
    return sorted(left.name for left in staging.iterdir()) if staging.is_dir() else []


@contextmanager
def mortal_requests(doom: Doom) -> Iterator[None]:
    """Each request that changes something on a server is a boundary; what was not sent by then never is."""
    ask, flush = Session._ask, Session._flush

    def mortal_ask(self: Session, kind: int, name: str, body: bytes) -> int:
        if kind in _CHANGES:
            doom.pass_by(f"request {name}")
        else:
            doom.look()
        return ask(self, kind, name, body)

    def mortal_flush(self: Session) -> None:
        doom.look()
        flush(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Session, "_ask", mortal_ask)
        patch.setattr(Session, "_flush", mortal_flush)
        yield


def settled(wave: Wave) -> None:
    """Everything is there and right, and nothing of ours lies about."""
    wave.check_complete()
    assert wave.target.uploads() == []
    assert leftovers(wave.target) == []
    wave.audit()


def die_and_carry_on(wave: Wave, at: int) -> bool:
    """Die at boundary `at`, carry on; whether it died at all."""
    doom = Doom(at)
    try:
        with mortal_requests(doom):
            assert wave.run(doom).exit_code == 0
    except Died:
        wave.check_visible()
        recorded, last = wave.recorded_bytes(), Doom()
        report = wave.run(last)
        assert report.exit_code == 0, (doom.where, report, wave.reasons())
        total = sum(map(len, wave.target.objects().values()))
        assert last.sent_bytes() <= total - recorded, f"{doom.where}: something recorded was sent again"
    assert leftovers(wave.target) == [], doom.where
    settled(wave)
    return doom.dead


@pytest.mark.parametrize("start", [1, 6, 11])
def test_death_before_an_sftp_target(tmp_path: Path, sftp: SshdPlace, start: int) -> None:
    """A target behind SFTP survives death at every effect, request and commit that is tried."""
    at, died = start, True
    while died:
        (tmp_path / str(at)).mkdir()
        died = die_and_carry_on(Wave.make(tmp_path / str(at), PLAIN, target=sftp_place(sftp)), at)
        at += 15
    assert at > 60


@pytest.mark.parametrize("mode", [Mode.COPY, Mode.DECRYPT])
def test_death_between_sftp_and_sftp(tmp_path: Path, sftp: SshdPlace, mode: Mode) -> None:
    """From one folder of a server to another, death at every nineteenth boundary loses nothing either."""
    at, died = 5, True
    while died:
        (tmp_path / str(at)).mkdir()
        wave = Wave.make(
            tmp_path / str(at), PLAIN, source=sftp_place(sftp), target=sftp_place(sftp), mode=mode
        )
        died = die_and_carry_on(wave, at)
        at += 19
    assert at > 60


def test_death_while_reading_from_sftp(tmp_path: Path, sftp: SshdPlace) -> None:
    """An SFTP source under a run that dies is carried on from, and comes back whole from a restore."""
    for at in range(8, 80, 14):
        (tmp_path / str(at)).mkdir()
        wave = Wave.make(tmp_path / str(at), PLAIN, source=sftp_place(sftp))
        with pytest.raises(Died):
            wave.run(Doom(at))
        assert wave.run().exit_code == 0
        wave.check_complete()
        wave.audit()
    back = sftp_place(sftp)
    assert wave.restore(back).exit_code == 0
    assert back.objects() == PLAIN


# -- connections ------------------------------------------------------------------------------------------


class Cutter:
    """Kills what serves the connections of an sshd, in the middle of a flight of requests."""

    def __init__(
        self, sshd: Sshd, patch: pytest.MonkeyPatch, kind: int, at: int, act: Callable[[], Any]
    ) -> None:
        self.fired = False
        seen = 0
        ask = Session._ask

        def cutting(session: Session, asked: int, name: str, body: bytes) -> int:
            nonlocal seen
            number = ask(session, asked, name, body)
            if asked == kind:
                seen += 1
                if seen == at:
                    session._flush()
                    self.fired = True
                    act()
            return number

        patch.setattr(Session, "_ask", cutting)


@pytest.mark.parametrize(
    ("kind", "at"),
    [
        pytest.param(Kind.WRITE, 4, id="write"),
        pytest.param(Kind.READ, 2, id="read"),
        pytest.param(Kind.EXTENDED, 9, id="sync-or-name"),
        pytest.param(Kind.REMOVE, 2, id="remove"),
        pytest.param(Kind.OPEN, 5, id="open"),
        pytest.param(Kind.READDIR, 1, id="listing"),
    ],
)
def test_connection_that_breaks(
    tmp_path: Path, sshd: Sshd, monkeypatch: pytest.MonkeyPatch, kind: int, at: int
) -> None:
    """A connection cut in the middle of a transfer is made anew, and the same run ends well."""
    source, target = sftp_place(sshd.place), sftp_place(sshd.place)
    wave = Wave.make(tmp_path, PLAIN, source=source, target=target)
    cutter = Cutter(sshd, monkeypatch, kind, at, sshd.cut)
    assert wave.run().exit_code == 0
    assert cutter.fired
    settled(wave)


@pytest.mark.parametrize("side", ["source", "target"])
def test_server_that_restarts_meanwhile(
    tmp_path: Path, sshd: Sshd, monkeypatch: pytest.MonkeyPatch, side: str
) -> None:
    """A server that is gone ends the run with exit 5; once it is back the next run carries on."""
    wave = Wave.make(tmp_path, PLAIN, **{side: sftp_place(sshd.place)})
    cutter = Cutter(sshd, monkeypatch, Kind.READ, 2, sshd.kill)
    assert wave.run().exit_code == 5
    assert cutter.fired
    sshd.start()
    assert wave.run().exit_code == 0
    wave.check_complete()
    wave.audit()
    if side == "target":
        settled(wave)


def test_server_that_restarts_between_two_requests(sshd: Sshd) -> None:
    """A connection that died while nobody used it costs nothing: the next request finds a new one."""
    place = sftp_place(sshd.place)
    with place.bare() as store:
        store.put(Key("a"), b"before")
        sshd.restart()
        for _ in range(3):
            # The end of a connection may be noticed late: by the next request, which may be tried again.
            with suppress(Unavailable):
                assert bytes(store.read(Key("a")).data) == b"before"
                break
        else:
            pytest.fail("no connection was made anew")


@pytest.mark.parametrize("sessions", [1, 2])
def test_server_that_allows_few_sessions(tmp_path: Path, sessions: int) -> None:
    """Where a connection may have few sessions, threads share those there are."""
    with Sshd(tmp_path / "few", options=(f"MaxSessions {sessions}",)) as few:
        place = sftp_place(few.place)
        with place.bare() as store, ThreadPoolExecutor(12) as pool:
            list(
                pool.map(
                    lambda number: store.put(
                        Key(f"d/{number}"), b"x" * number, PutOptions(attempt=f"n{number}")
                    ),
                    range(40),
                )
            )
            assert sorted(meta.size for meta in store.list()) == list(range(40))


def test_name_given_before_a_death_is_taken_up(sshd: Sshd) -> None:
    """An upload that had its name when the run died is completed again, and not taken for somebody else's file."""
    place = sftp_place(sshd.place)
    key, options = Key("a/b"), PutOptions(attempt="again", if_absent=True)

    class Gone(BaseException):
        """The process is dead."""

    with place.bare() as store:
        upload = store.open_upload(key, options)
        part = store.put_part(key, upload, 1, 0, b"content")

        def die(_session: Session, _path: bytes) -> int:
            raise Gone

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Session, "remove", die)
            with pytest.raises(Gone):
                store.complete_upload(key, upload, [part], options)
    assert len(leftovers(place)) == 2
    with place.bare() as store:
        assert store.complete_upload(key, upload, [part], options).size == 7
        assert bytes(store.read(key).data) == b"content"
        assert leftovers(place) == []


def test_another_file_is_not_taken_for_ours(sshd: Sshd) -> None:
    """A file of somebody else under the key, alike in size and time, is left alone, and the upload too."""
    place = sftp_place(sshd.place)
    assert isinstance(place.harness, SftpHarness)
    key, options = Key("b"), PutOptions(attempt="mine", if_absent=True)
    with place.bare() as store:
        upload = store.open_upload(key, options)
        part = store.put_part(key, upload, 1, 0, b"content")
        folder = place.harness.folder(place.bucket)
        (folder / "b").write_bytes(b"theirs!")
        (staged,) = (path for path in (folder / ".havre/uploads").iterdir() if not path.suffix)
        status = staged.stat()
        os.utime(folder / "b", (status.st_mtime, status.st_mtime))
        with pytest.raises(AlreadyExists):
            store.complete_upload(key, upload, [part], options)
        assert (folder / "b").read_bytes() == b"theirs!"
        assert staged.stat().st_mode & 0o777 == 0o600


def test_replaced_within_a_second(sftp: SshdPlace) -> None:
    """A file replaced by one of its size within a second is told apart all the same."""
    with ObjectStore(sftp_place(sftp).driver(), location="site:bucket") as store:
        seen = {
            store.put(Key("a"), bytes([number]) * 9, PutOptions(attempt=f"r{number}")).etag
            for number in range(9)
        }
    assert len(seen) == 9
