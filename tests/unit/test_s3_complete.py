"""What a completed upload is known by: the etag that HEAD tells, unless the profile vouches for the answer's own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from providers.location import Location
from providers.model import ETag, Key, PutOptions
from providers.opening import open_store
from providers.sites import Sites
from providers.store import ObjectStore
from support.double_core import Double
from support.double_store import Dialect, Object

KEY = Key("in parts")
PLAIN = PutOptions(attempt="a1")
BODY = b"the only part"


class _Teller(Dialect):
    """Tells after a completion what the test says, and counts who looks."""

    def __init__(self, told: str | None) -> None:
        self._told = told
        self.heads: list[str] = []

    def check_request(self, method: str, headers: Mapping[str, str]) -> None:
        self.heads += [method] * (method == "HEAD")

    def told_etag(self, made: Object) -> str:
        return made.etag if self._told is None else self._told


def _site(folder: Path, double: Double, profile: str) -> ObjectStore:
    (folder / "havre.toml").write_text(
        f'[sites.there]\nprofile = "{profile}"\nendpoint = "{double.server.endpoint}"\nregion = "us-east-1"\n'
        'access_key_env = "KEY"\nsecret_key_env = "SECRET"\n'
    )
    return open_store(
        Location.parse(f"there:{double.server.new_bucket()}"),
        Sites.load(folder / "havre.toml", {}),
        environ={"KEY": double.server.access_key, "SECRET": double.server.secret_key},
        sleep=lambda _: None,
    )


def _completed(store: ObjectStore) -> ETag | None:
    upload = store.open_upload(KEY, PLAIN)
    part = store.put_part(KEY, upload, 1, 0, BODY)
    meta = store.complete_upload(KEY, upload, [part], PLAIN)
    assert meta.size == len(BODY)
    assert store.read(KEY, pin=meta.pin).data == BODY
    return meta.etag


@pytest.mark.parametrize("told", [None, "", '""', "00", '"00"', '"0123456789abcdef0123456789abcdef-1"'])
def test_an_answer_that_nobody_vouches_for_is_not_believed(tmp_path: Path, told: str | None) -> None:
    """Where the profile does not know what completion tells, the object is read under the etag that HEAD tells."""
    dialect = _Teller(told)
    with Double(dialect, kind="double") as double, _site(tmp_path, double, "generic-s3") as store:
        etag = _completed(store)
        assert dialect.heads == ["HEAD"]
        assert etag == store.head(KEY).etag


@pytest.mark.parametrize("profile", ["ceph-rgw", "cloud-temple"])
def test_an_answer_that_is_known_to_be_useless_is_not_believed(tmp_path: Path, profile: str) -> None:
    """Where the profile says that completion tells nothing, HEAD is asked."""
    dialect = _Teller('"00"')
    with Double(dialect, kind="double") as double, _site(tmp_path, double, profile) as store:
        assert _completed(store) == store.head(KEY).etag


def test_a_known_answer_costs_no_request(tmp_path: Path) -> None:
    """Where completion was measured to tell the etag that HEAD tells, nobody asks again."""
    dialect = _Teller(None)
    with Double(dialect, kind="double") as double, _site(tmp_path, double, "seaweedfs") as store:
        etag = _completed(store)
        assert dialect.heads == []
        assert etag == store.head(KEY).etag


def test_a_void_answer_is_never_an_etag(tmp_path: Path) -> None:
    """A profile that vouches for an answer which is void all the same costs one request, and no object."""
    dialect = _Teller('"00"')
    with Double(dialect, kind="double") as double, _site(tmp_path, double, "seaweedfs") as store:
        etag = _completed(store)
        assert dialect.heads == ["HEAD"]
        assert etag == store.head(KEY).etag
