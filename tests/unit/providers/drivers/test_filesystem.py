"""What only a directory can do wrong: links, odd names, changes under a read, crashes between two steps."""

from __future__ import annotations

import errno
import os
import socket
import stat
from pathlib import Path

import pytest

from providers.drivers import _staging
from providers.drivers.filesystem import FilesystemDriver
from providers.errors import (
    AlreadyExists,
    ConditionFailed,
    KeyRefused,
    LocalStorageFull,
    NotFound,
    PermissionDenied,
    Unexpected,
    UploadLost,
)
from providers.model import Key, Kind, PutOptions
from providers.store import ObjectStore

KEY = Key("a/b")


@pytest.fixture
def driver(tmp_path: Path) -> FilesystemDriver:
    """A driver on an empty directory."""
    root = tmp_path / "root"
    root.mkdir()
    return FilesystemDriver(root)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


@pytest.fixture
def store(driver: FilesystemDriver) -> ObjectStore:
    return ObjectStore(driver, location="dir")


def test_files_are_private(store: ObjectStore, root: Path) -> None:
    """Files are 0600 and the folders made for them 0700; nothing is left aside."""
    store.put(KEY, b"x")
    assert stat.S_IMODE((root / "a/b").stat().st_mode) == 0o600
    assert stat.S_IMODE((root / "a").stat().st_mode) == 0o700
    assert list((root / ".havre/uploads").iterdir()) == []


@pytest.mark.parametrize("operation", ["read", "head", "put", "delete"])
def test_links_are_never_followed(store: ObjectStore, root: Path, tmp_path: Path, operation: str) -> None:
    """A link out of the root, as file or as folder, is neither read nor written through nor removed."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    (root / "folder").symlink_to(outside)
    (root / "file").symlink_to(outside / "secret")
    for key in (Key("folder/secret"), Key("file")):
        with pytest.raises((KeyRefused, NotFound)):
            store.put(key, b"x") if operation == "put" else getattr(store, operation)(key)
    assert (outside / "secret").read_text() == "secret"
    assert (root / "file").is_symlink()


def test_what_is_no_file_is_listed_as_such(store: ObjectStore, root: Path) -> None:
    """Links, pipes and sockets are counted and not opened; a pipe does not block a read."""
    (root / "link").symlink_to("nowhere")
    os.mkfifo(root / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        here = os.open(root, os.O_RDONLY)
        listener.bind(f"/proc/self/fd/{here}/socket")
        os.close(here)
        store.put(Key("plain"), b"x")
        kinds = {meta.key: meta.kind for meta in store.list()}
    assert kinds == {"plain": Kind.OBJECT, **dict.fromkeys(("link", "pipe", "socket"), Kind.NOT_A_FILE)}
    with pytest.raises(KeyRefused):
        store.read(Key("pipe"))


def test_names_that_are_no_text(store: ObjectStore, root: Path) -> None:
    """A name that is no UTF-8 is listed escaped, in a shape no key has, with all that lies below it."""
    folder = os.fsencode(root) + b"/bad\xff"
    os.mkdir(folder)  # noqa: PTH102 - a Path holds no bytes
    for path in (folder + b"/in", os.fsencode(root) + b"/caf\xe9", os.fsencode(root) + b"/back\\slash\xe9"):
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
    (root / "ok").write_text("x")
    kinds = {meta.key: meta.kind for meta in store.list()}
    assert kinds == {
        "ok": Kind.OBJECT,
        "/bad\\xff/in": Kind.NOT_A_FILE,
        "/caf\\xe9": Kind.NOT_A_FILE,
        "/back\\\\slash\\xe9": Kind.NOT_A_FILE,
    }
    assert all(store.check_key(key) for key in kinds if key != "ok")


def test_pages_resume_without_memory(driver: FilesystemDriver, root: Path) -> None:
    """Another driver goes on from a token; names that came or went meanwhile disturb nothing else."""
    store = ObjectStore(driver, location="dir")
    keys = ["a/1", "a/2", "a.b", "a/x/1", "b", "c/1", "c/2"]
    for key in keys:
        store.put(Key(key), b"x")
    whole = [meta.key for meta in store.list()]
    assert sorted(whole) == whole == sorted(keys)
    for limit in range(1, 8):
        got: list[str] = []
        token = None
        while True:
            page = FilesystemDriver(root).list_page("", token, limit)
            assert len(page.entries) <= limit
            got += [meta.key for meta in page.entries]
            token = page.next_token
            if token is None:
                break
        assert got == whole
    first = driver.list_page("", None, 3)
    assert [meta.key for meta in first.entries] == ["a.b", "a/1", "a/2"]
    store.delete(Key("a/2"))
    store.delete(Key("a/x/1"))
    rest = FilesystemDriver(root).list_page("", first.next_token, 100)
    assert [meta.key for meta in rest.entries] == ["b", "c/1", "c/2"]


def test_staging_is_no_part_of_the_listing(store: ObjectStore) -> None:
    """Unfinished uploads are not objects, other things under .havre are; nobody writes into the staging."""
    store.open_upload(KEY, PutOptions(attempt="a1"))
    store.put(Key(".havre/epoch"), b"x")
    assert [meta.key for meta in store.list()] == [".havre/epoch"]
    with pytest.raises(KeyRefused):
        store.put(Key(".havre/uploads/x"), b"x")


def test_change_in_place_breaks_the_pin(store: ObjectStore, root: Path) -> None:
    """A file that was changed in place, even back to its size and time, is not the pinned one."""
    pin = store.put(KEY, b"12345").pin
    os.utime(root / "a/b", ns=(0, 0))
    with pytest.raises(ConditionFailed):
        store.read(KEY, pin=pin)


def test_change_during_a_read_is_seen(
    store: ObjectStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is cut while it is read fails the read, whatever arrived."""
    store.put(KEY, b"x" * 1000)
    plain = os.pread

    def cut(file: int, length: int, offset: int) -> bytes:
        os.truncate(root / "a/b", 10)
        return plain(file, length, offset)

    monkeypatch.setattr(os, "pread", cut)
    with pytest.raises(ConditionFailed):
        store.read(KEY)


def test_crash_between_link_and_unlink(store: ObjectStore, driver: FilesystemDriver, root: Path) -> None:
    """An upload that had its name when the run died is completed again as the same file."""
    options = PutOptions(if_absent=True, attempt="a1")
    upload = store.open_upload(KEY, options)
    receipt = store.put_part(KEY, upload, 1, 0, b"data")
    (root / "a").mkdir()
    staged = root / ".havre/uploads" / _staging.staged_name(KEY, "a1")
    os.link(staged, root / "a/b")
    store.complete_upload(KEY, upload, [receipt], options)
    assert bytes(store.read(KEY).data) == b"data"
    assert list((root / ".havre/uploads").iterdir()) == []
    driver.close()


def test_completion_that_came_too_late_keeps_its_upload(store: ObjectStore) -> None:
    """AlreadyExists leaves the parts for whoever decides, and abort removes them and not the object."""
    options = PutOptions(if_absent=True, attempt="a1")
    upload = store.open_upload(KEY, options)
    receipt = store.put_part(KEY, upload, 1, 0, b"late")
    store.put(KEY, b"first")
    with pytest.raises(AlreadyExists):
        store.complete_upload(KEY, upload, [receipt], options)
    assert [part.size for part in store.list_parts(KEY, upload)] == [4]
    store.abort_upload(KEY, upload)
    assert bytes(store.read(KEY).data) == b"first"


def test_receipts_survive_a_torn_line(store: ObjectStore, root: Path) -> None:
    """A receipt that a power cut left unfinished is ignored, and the next one is read."""
    upload = store.open_upload(KEY, PutOptions(attempt="a1"))
    store.put_part(KEY, upload, 1, 0, b"one")
    with (root / ".havre/uploads" / (_staging.staged_name(KEY, "a1") + ".parts")).open("ab") as receipts:
        receipts.write(b"\n[2, 3,")
    second = store.put_part(KEY, upload, 2, 3, b"two")
    assert [part.number for part in store.list_parts(KEY, upload)] == [1, 2]
    assert second.size == 3


def test_gap_between_parts_is_refused(store: ObjectStore) -> None:
    """Parts that do not meet end to end make no object."""
    upload = store.open_upload(KEY, PutOptions(attempt="a1"))
    receipts = [store.put_part(KEY, upload, 1, 0, b"one"), store.put_part(KEY, upload, 2, 4, b"two")]
    with pytest.raises(ConditionFailed):
        store.complete_upload(KEY, upload, receipts)


def test_opening_the_same_attempt_takes_it_up(store: ObjectStore) -> None:
    """After a lost answer the same attempt is the same upload, its parts still there."""
    options = PutOptions(attempt="a1")
    first = store.open_upload(KEY, options)
    store.put_part(KEY, first, 1, 0, b"one")
    assert store.open_upload(KEY, options) == first
    assert [part.number for part in store.list_parts(KEY, first)] == [1]


def test_abort_removes_the_leftover_of_a_cut_put(store: ObjectStore, root: Path) -> None:
    """The temporary file of a put that died is found by its attempt."""
    store.put(Key("other"), b"x")
    leftover = root / ".havre/uploads" / f"{_staging.staged_name(KEY, 'a7')}.99x0.put"
    leftover.write_bytes(b"half")
    store.abort_upload(KEY, _staging.UploadId("a7"))
    assert not leftover.exists()
    with pytest.raises(UploadLost):
        store.abort_upload(KEY, _staging.UploadId("../../other"))


def test_failed_put_leaves_nothing(store: ObjectStore, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full ends a put as LocalStorageFull, with no object and no temporary file."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    store.put(Key("before"), b"x")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(LocalStorageFull):
        store.put(Key("late"), b"x")
    assert [meta.key for meta in store.list()] == ["before"]
    assert list((root / ".havre/uploads").iterdir()) == []


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.EACCES, PermissionDenied),
        (errno.EDQUOT, LocalStorageFull),
        (errno.ENAMETOOLONG, KeyRefused),
        (errno.ENXIO, Unexpected),
    ],
)
def test_errors_by_number(driver: FilesystemDriver, number: int, kind: type) -> None:
    """The operating system's numbers have their classes, and no path is in the message."""
    found = driver.translate(OSError(number, "x", "/srv/data/patient"))
    assert type(found) is kind
    assert "patient" not in str(found)


def test_missing_root(tmp_path: Path) -> None:
    """A root that is not there is NotFound at first use, and is made where that was asked for."""
    with pytest.raises(NotFound):
        ObjectStore(FilesystemDriver(tmp_path / "no"), location="dir").check()
    made = ObjectStore(FilesystemDriver(tmp_path / "yes", create=True), location="dir")
    made.put(KEY, b"x")
    assert (tmp_path / "yes/a/b").read_bytes() == b"x"
