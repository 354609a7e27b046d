"""The doctor holds a store against what is declared of it, and finds a store that lies."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from migrator.engine.doctor import CheckResult, Outcome, doctor
from providers.capabilities import Capabilities
from providers.drivers.filesystem import FilesystemDriver
from providers.errors import NotFound, PermissionDenied, Unavailable
from providers.layers import open_layers
from providers.layers.limit import AdaptiveLimiter
from providers.model import Key, PutOptions, ReadResult
from providers.profile import load_profile
from providers.store import ObjectStore
from support.endpoints import S3Server
from support.harness import S3Harness, load_servers, shaped


class Lying(FilesystemDriver):
    """A directory that claims to hold what it does not."""

    def read(self, key: Key, **_: Any) -> ReadResult:
        """Give the bytes whatever the pin says."""
        return super().read(key)

    def put(self, key: Key, body: Any, options: PutOptions, *, sha256: bytes | None = None) -> Any:
        """Create again what is there, and believe every digest."""
        return super().put(key, body, PutOptions(attempt=options.attempt), sha256=None)


class Full(FilesystemDriver):
    """A directory into which nothing may be written."""

    def put(self, *_: Any, **__: Any) -> Any:
        """Refuse."""
        raise PermissionDenied("read-only credentials")


class Gone(FilesystemDriver):
    """A directory whose disk goes away while it is written to."""

    def open_upload(self, *_: Any, **__: Any) -> Any:
        """Fail as a cut cable does."""
        raise Unavailable("the cable was cut")


def capabilities(**changes: Any) -> Capabilities:
    return load_profile("filesystem").capabilities().narrowed(**changes)


def opened(driver: FilesystemDriver) -> ObjectStore:
    return ObjectStore(driver, location="test")


def examine(store: ObjectStore, **options: Any) -> dict[str, CheckResult]:
    told: list[CheckResult] = []
    results = doctor(store, store.capabilities, on_check=told.append, **options)
    assert told == results
    return {one.name: one for one in results}


def files_under(path: Path) -> list[str]:
    return [name for _, _, names in os.walk(path) for name in names]


def test_honest_store_holds_everything(tmp_path: Path) -> None:
    """A directory keeps every promise of its profile, and nothing stays behind."""
    results = examine(opened(FilesystemDriver(tmp_path, capabilities=capabilities())))
    assert {one.outcome for one in results.values()} == {Outcome.HELD, Outcome.NOT_TRIED}
    assert results["complete an upload in parts"].outcome is Outcome.HELD
    assert results["keep metadata"].outcome is Outcome.NOT_TRIED
    assert files_under(tmp_path) == []


def test_own_prefix_is_used_and_data_left_alone(tmp_path: Path) -> None:
    """What was at the location before is there afterwards, unchanged."""
    (tmp_path / "data").write_bytes(b"precious")
    examine(opened(FilesystemDriver(tmp_path, capabilities=capabilities())))
    assert files_under(tmp_path) == ["data"]
    assert (tmp_path / "data").read_bytes() == b"precious"


def test_lying_store_is_found_out(tmp_path: Path) -> None:
    """A store that answers 200 to a second creation, a stale version or a wrong digest does not pass."""
    store = opened(Lying(tmp_path, capabilities=capabilities(pin="strong", verifies_checksum=True)))
    results = examine(store)
    for name in ("create only if absent", "refuse a stale version", "refuse a wrong checksum", "read a span"):
        assert results[name].outcome is Outcome.NOT_HELD, name
        assert results[name].detail
    assert results["read it back"].outcome is Outcome.HELD


def test_nothing_can_be_written(tmp_path: Path) -> None:
    """Where the first write is refused the rest is not tried, and that is a result."""
    results = examine(opened(Full(tmp_path, capabilities=capabilities())))
    assert results["write an object"].outcome is Outcome.NOT_HELD
    assert "read-only credentials" in results["write an object"].detail
    assert results["everything else"].outcome is Outcome.NOT_TRIED


def test_read_only_examination_writes_nothing(tmp_path: Path) -> None:
    """A read-only examination lists and reads, through a store that refuses to write."""
    (tmp_path / "data").write_bytes(b"x" * 10_000)
    driver = FilesystemDriver(tmp_path, capabilities=capabilities())
    layered = open_layers(driver, limiter=AdaptiveLimiter(2), read_only=True)
    results = examine(opened(layered), read_only=True)  # type: ignore[arg-type]
    assert results["read the beginning of an object that is there"].outcome is Outcome.HELD
    assert results["everything that writes"].outcome is Outcome.NOT_TRIED
    assert files_under(tmp_path) == ["data"]


def test_empty_location_is_no_failure(tmp_path: Path) -> None:
    """Read-only, with nothing to read: not tried, not failed."""
    results = examine(opened(FilesystemDriver(tmp_path, capabilities=capabilities())), read_only=True)
    assert {one.outcome for one in results.values()} == {Outcome.HELD, Outcome.NOT_TRIED}


def test_store_that_goes_away_ends_the_examination(tmp_path: Path) -> None:
    """A store that can no longer be reached is an error, not a list of failures; what was written is removed."""
    store = opened(Gone(tmp_path, capabilities=capabilities()))
    with pytest.raises(Unavailable):
        doctor(store, store.capabilities, on_check=lambda _: None)
    assert files_under(tmp_path) == []


def test_missing_location_is_said_at_once(tmp_path: Path) -> None:
    """A location that is not there ends the examination before it begins."""
    driver = FilesystemDriver(tmp_path / "x", capabilities=capabilities())
    with pytest.raises(NotFound):
        doctor(opened(driver), capabilities(), on_check=lambda _: None)


@pytest.fixture
def on_seaweedfs(seaweedfs: S3Server) -> Iterator[Callable[..., ObjectStore]]:
    """Opens a new bucket of a running server, with some capabilities changed, under layers that never wait."""
    facts = load_servers(Path(__file__).parents[1] / "conformance/servers")["seaweedfs"]
    with shaped(S3Harness(facts, seaweedfs), "layers") as open_one:
        yield open_one


@pytest.mark.server("seaweedfs")
def test_running_server_holds_what_is_declared(on_seaweedfs: Callable[..., ObjectStore]) -> None:
    """A running S3 server keeps what is declared of it, and its bucket is empty afterwards."""
    store = on_seaweedfs()
    results = examine(store)
    failed = {name: one.detail for name, one in results.items() if one.outcome is Outcome.NOT_HELD}
    assert failed == {}
    assert results["refuse a wrong checksum"].outcome is Outcome.HELD
    assert results["refuse a stale version"].outcome is Outcome.HELD
    assert list(store.list()) == []
    assert list(store.list_uploads()) == []


@pytest.mark.server("seaweedfs")
def test_running_server_changes_a_key_it_was_said_to_keep(on_seaweedfs: Callable[..., ObjectStore]) -> None:
    """A key that the server lists otherwise is found out where the declaration does not speak of it."""
    results = examine(
        on_seaweedfs(key_rules=frozenset({"no-trailing-slash", "no-dot-segments", "no-backslash"}))
    )
    assert results["keep a key with a doubled slash"].outcome is Outcome.NOT_HELD
    assert results["keep a key with spaces"].outcome is Outcome.HELD
