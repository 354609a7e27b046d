"""What our drivers write, read by apache-libcloud and opened by the crypt4gh package."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from migrator.core.modes import Mode
from providers.model import Key, PutOptions
from support.endpoints import AzureServer, S3Server
from support.harness import AzureHarness, Harness, S3Harness
from support.second_reader import KeyRewritten, SecondReader, open_crypt4gh
from support.waves import FACTS, Place, Wave, content

PLAIN = {
    "empty": b"",
    "a segment": content("segment", 65_536),
    "dir/é 🏥 +%&.bin": content("odd", 200_001),
    "one/part/and/a/byte": content("part", 80 * 65_536 + 1),
    "parts": content("parts", 12_000_000),
}
SERVERS = [
    pytest.param(name, id=name, marks=pytest.mark.server(name)) for name in ("seaweedfs", "moto", "azurite")
]


@pytest.fixture
def target(request: pytest.FixtureRequest) -> tuple[Place, SecondReader]:
    """A bucket of a server, and the second reader of the same bucket."""
    server: S3Server | AzureServer = request.getfixturevalue(request.param)
    harness: Harness
    if isinstance(server, AzureServer):
        harness = AzureHarness(FACTS[request.param], server)
    else:
        harness = S3Harness(FACTS[request.param], server)
    place = Place(harness, harness.new_bucket())
    return place, SecondReader(server, place.bucket)


@pytest.mark.parametrize("target", SERVERS, indirect=True)
def test_copies_have_the_digest_of_their_source(tmp_path: Path, target: tuple[Place, SecondReader]) -> None:
    """A wave in mode copy: libcloud fetches every object and finds the digest that the source has."""
    place, reader = target
    wave = Wave.make(tmp_path, PLAIN, target=place, part_units=80, mode=Mode.COPY)
    assert wave.run().exit_code == 0
    for key, body in PLAIN.items():
        assert reader.sha256(key) == hashlib.sha256(body).hexdigest(), key


@pytest.mark.parametrize("target", SERVERS, indirect=True)
def test_sealed_objects_open_elsewhere(tmp_path: Path, target: tuple[Place, SecondReader]) -> None:
    """A wave in mode encrypt: what libcloud fetches, the crypt4gh package opens to the source's bytes."""
    place, reader = target
    wave = Wave.make(tmp_path, PLAIN, target=place, part_units=80)
    assert wave.run().exit_code == 0
    for key, body in PLAIN.items():
        sealed = reader.read(f"{key}.c4gh")
        assert sealed is not None, key
        assert sealed.startswith(b"crypt4gh")
        assert open_crypt4gh(sealed, content("reader", 32)) == body, key


@pytest.mark.parametrize("target", SERVERS, indirect=True)
def test_reader_sees_what_is_not_there_and_what_differs(target: tuple[Place, SecondReader]) -> None:
    """The second reader tells a missing object from an empty one, and one byte from another."""
    place, reader = target
    assert reader.read("nothing") is None
    place.put("one", b"x")
    assert reader.sha256("one") == hashlib.sha256(b"x").hexdigest()
    assert reader.sha256("one") != hashlib.sha256(b"y").hexdigest()


@pytest.mark.server("moto")
def test_keys_that_libcloud_rewrites_are_refused(moto: S3Server) -> None:
    """Where libcloud would fetch another key than the one asked for, the reader refuses rather than mislead."""
    harness = S3Harness(FACTS["moto"], moto)
    with harness.bucket() as bucket, Place(harness, bucket).bare() as store:
        store.put(Key("a//b"), b"with two slashes", PutOptions())
        store.put(Key("a/b"), b"with one", PutOptions())
        reader = SecondReader(moto, bucket)
        for key in ("a//b", "/a/b", "a/b/"):
            with pytest.raises(KeyRewritten):
                reader.read(key)
        assert reader.read("a/b") == b"with one"
        rewritten = reader._driver.get_object(bucket, "a//b")
        assert b"".join(reader._driver.download_object_as_stream(rewritten)) == b"with one"
