"""What only Swift has: manifests and their segments, links, expiry, tokens; against a real server."""

from __future__ import annotations

import hashlib
import json
import urllib.error
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from providers.drivers.swift import SwiftDriver, SwiftSettings
from providers.drivers.swift_names import beside
from providers.errors import (
    AlreadyExists,
    ChecksumRefused,
    ConditionFailed,
    ConfigInvalid,
    NotFound,
    StoreError,
    Truncated,
    Unauthenticated,
    Unavailable,
    Unsupported,
    UploadLost,
)
from providers.model import Attributes, Key, Kind, PutOptions, Span
from providers.store import ObjectStore
from support.harness import load_servers
from support.store_suite import keys_of, part_bodies, put, send_parts, whole
from support.swift import Swift, SwiftKeystone, SwiftServer
from support.swift_harness import SwiftHarness

FACTS = load_servers(Path(__file__).parents[1] / "conformance/servers")["swift"]
KEY = Key("large/object é.bin")

pytestmark = pytest.mark.server("swift")


@pytest.fixture
def harness(swift: SwiftServer) -> SwiftHarness:
    """What opens drivers on the session's Swift."""
    return SwiftHarness(FACTS, swift)


@pytest.fixture
def bucket(harness: SwiftHarness) -> Iterator[str]:
    """A container of this test's own."""
    with harness.bucket() as name:
        yield name


@pytest.fixture
def store(harness: SwiftHarness, bucket: str) -> Iterator[ObjectStore]:
    """A store on it."""
    with ObjectStore(harness.driver(bucket), location="swift:test") as opened:
        yield opened


def upload(store: ObjectStore, key: str, bodies: list[bytes], attempt: str) -> PutOptions:
    """Send and complete an upload."""
    options = PutOptions(attempt=attempt)
    opened = store.open_upload(Key(key), options)
    store.complete_upload(Key(key), opened, send_parts(store, key, opened, bodies), options)
    return options


# -- static large objects --------------------------------------------------------------------------


def test_nothing_is_left_beside_a_completed_object(
    swift: SwiftServer, store: ObjectStore, bucket: str
) -> None:
    """Of a completed upload only its segments stay beside the bucket, and deleting the object takes them away."""
    upload(store, KEY, part_bodies(store, 3), "a1")
    names = swift.names(beside(bucket))
    assert len(names) == 3
    assert all(name.startswith(f"segments/k/{KEY}/a1-") for name in names)
    store.delete(KEY)
    assert swift.names(beside(bucket)) == []
    assert keys_of(store) == []


@pytest.mark.parametrize("by", ["put", "upload"])
def test_what_is_replaced_leaves_no_segments(
    swift: SwiftServer, store: ObjectStore, bucket: str, by: str
) -> None:
    """Segments of a replaced object go, those of the new one stay, and it reads whole."""
    upload(store, KEY, part_bodies(store, 3), "a1")
    if by == "put":
        put(store, KEY, b"small now", attempt="a2")
        assert swift.names(beside(bucket)) == []
        assert whole(store, KEY) == b"small now"
    else:
        upload(store, KEY, [b"two ", b"parts"], "a2")
        assert len(swift.names(beside(bucket))) == 2
        assert whole(store, KEY) == b"two parts"
    assert list(store.list_uploads()) == []


def test_the_same_attempt_again_spares_the_visible_object(
    swift: SwiftServer, store: ObjectStore, bucket: str
) -> None:
    """An attempt whose name comes again writes other segments, until it is completed or given up."""
    upload(store, KEY, [b"first ", b"object"], "a1")
    again = store.open_upload(KEY, PutOptions(attempt="a1"))
    send_parts(store, KEY, again, [b"other ", b"bytes of the second"])
    assert whole(store, KEY) == b"first object"
    store.abort_upload(KEY, again)
    assert whole(store, KEY) == b"first object"
    assert len(swift.names(beside(bucket))) == 2


def test_marker_that_outlived_its_upload(
    swift: SwiftServer, store: ObjectStore, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A death between manifest and clean-up leaves an upload that is listed, and whose abort harms nothing."""
    driver = store._driver
    assert isinstance(driver, SwiftDriver)

    def die(*_: object) -> None:
        raise ConnectionResetError

    upload(store, KEY, [b"the former ", b"object"], "a0")
    with monkeypatch.context() as patched:
        patched.setattr(driver._uploads, "_clear", die)
        upload(store, KEY, [b"the newer ", b"object"], "a1")
    assert [(found.key, found.upload) for found in store.list_uploads()] == [(KEY, "a1")]
    assert len(swift.names(beside(bucket))) == 5
    store.abort_upload(KEY, next(store.list_uploads()).upload)
    assert whole(store, KEY) == b"the newer object"
    assert len(swift.names(beside(bucket))) == 2


def test_opening_again_takes_up_the_same_upload(store: ObjectStore) -> None:
    """A lost answer to the opening costs nothing: the second one finds the first one's segments."""
    first = store.open_upload(KEY, PutOptions(attempt="a1"))
    send_parts(store, KEY, first, [b"sent"])
    assert store.open_upload(KEY, PutOptions(attempt="a1")) == first
    assert [part.number for part in store.list_parts(KEY, first)] == [1]


def test_another_process_takes_the_upload_up(harness: SwiftHarness, store: ObjectStore, bucket: str) -> None:
    """What one driver opened another goes on with: all state is at the store."""
    opened = store.open_upload(KEY, PutOptions(attempt="a1"))
    first = store.put_part(KEY, opened, 1, 0, b"of the first, ")
    with ObjectStore(harness.driver(bucket), location="swift:second") as second:
        rest = second.put_part(KEY, opened, 2, 14, b"of the second")
        second.complete_upload(KEY, opened, [first, rest], PutOptions(attempt="a1"))
    assert whole(store, KEY) == b"of the first, of the second"


def test_long_keys_go_up_in_parts(swift: SwiftServer, store: ObjectStore, bucket: str) -> None:
    """A key of 1,024 bytes leaves no room beside it, and goes up in parts all the same."""
    key = "é" * 500 + "k" * 24
    opened = store.open_upload(Key(key), PutOptions(attempt="a1"))
    receipts = send_parts(store, key, opened, [b"long ", b"name"])
    assert [(found.key, found.upload) for found in store.list_uploads("é")] == [(key, "a1")]
    assert list(store.list_uploads("k")) == []
    store.complete_upload(Key(key), opened, receipts, PutOptions(attempt="a1"))
    assert whole(store, key) == b"long name"
    store.delete(Key(key))
    assert swift.names(beside(bucket)) == []


def test_a_segment_that_was_changed_is_refused(swift: SwiftServer, store: ObjectStore, bucket: str) -> None:
    """The service compares every segment with its receipt before the object can be seen."""
    opened = store.open_upload(KEY, PutOptions(attempt="a1"))
    receipts = send_parts(store, KEY, opened, [b"one", b"two"])
    second = next(name for name in swift.names(beside(bucket)) if name.endswith("000002"))
    swift.call("PUT", f"{beside(bucket)}/{second}", body=b"TWO")
    with pytest.raises(UploadLost):
        store.complete_upload(KEY, opened, receipts, PutOptions(attempt="a1"))
    assert keys_of(store) == []


def test_receipts_of_other_bytes_are_refused(store: ObjectStore) -> None:
    """Receipts in another order than the parts were sent make no object."""
    opened = store.open_upload(KEY, PutOptions(attempt="a1"))
    one, two = send_parts(store, KEY, opened, [b"one", b"two"])
    swapped = [replace(one, number=2), replace(two, number=1)]
    with pytest.raises((UploadLost, ChecksumRefused)):
        store.complete_upload(KEY, opened, swapped, PutOptions(attempt="a1"))
    assert keys_of(store) == []


def test_listing_tells_a_large_object_as_a_read_does(store: ObjectStore) -> None:
    """Size and etag of a listed large object are those of its bytes, so that the listing pins them."""
    bodies = part_bodies(store, 3)
    upload(store, KEY, bodies, "a1")
    (listed,) = store.list()
    assert listed.size == sum(map(len, bodies))
    assert listed.claims == ()
    assert bytes(store.read(KEY, pin=listed.pin).data) == b"".join(bodies)
    span = Span(start=1000, length=50)
    assert bytes(store.read(KEY, span=span, pin=listed.pin).data) == b"".join(bodies)[1000:1050]


def test_large_object_whose_segment_is_gone(swift: SwiftServer, store: ObjectStore, bucket: str) -> None:
    """A large object that lost a segment is never read short: it fails, wherever the gap is."""
    upload(store, KEY, part_bodies(store, 3), "a1")
    names = sorted(swift.names(beside(bucket)))
    swift.call("DELETE", f"{beside(bucket)}/{names[2]}")
    with pytest.raises((Truncated, ConditionFailed, Unavailable)):
        store.read(KEY)
    swift.call("DELETE", f"{beside(bucket)}/{names[0]}")
    with pytest.raises((Truncated, ConditionFailed, Unavailable)):
        store.read(KEY)


def test_manifests_of_others_are_deleted_alone(swift: SwiftServer, store: ObjectStore, bucket: str) -> None:
    """Deleting a large object of another program leaves its segments, which other manifests may name."""
    parts = swift.new_bucket("parts")
    swift.call("PUT", f"{parts}/1", body=b"hello")
    manifest = json.dumps([{"path": f"/{parts}/1"}]).encode()
    swift.call("PUT", f"{bucket}/foreign", body=manifest, query="multipart-manifest=put")
    assert whole(store, "foreign") == b"hello"
    store.delete(Key("foreign"))
    assert keys_of(store) == []
    assert swift.names(parts) == ["1"]
    put(store, "foreign", b"x", attempt="a1")
    swift.call("PUT", f"{bucket}/foreign", body=manifest, query="multipart-manifest=put")
    put(store, "foreign", b"replaced", attempt="a2")
    assert swift.names(parts) == ["1"]


def test_fence_on_the_manifest(store: ObjectStore) -> None:
    """Create-if-absent holds for large objects too, and the upload that lost stays to be given up."""
    once = PutOptions(if_absent=True, attempt="a1")
    put(store, KEY, b"here before")
    opened = store.open_upload(KEY, once)
    receipts = send_parts(store, KEY, opened, [b"late"])
    with pytest.raises(AlreadyExists):
        store.complete_upload(KEY, opened, receipts, once)
    assert [found.upload for found in store.list_uploads()] == ["a1"]
    store.abort_upload(KEY, opened)
    assert whole(store, KEY) == b"here before"


def test_segments_lie_under_the_buckets_policy(swift: SwiftServer, store: ObjectStore, bucket: str) -> None:
    """The container of the segments is made on first use, with the bucket's storage policy."""
    assert swift.call("HEAD", beside(bucket))[0] == 404
    store.open_upload(KEY, PutOptions(attempt="a1"))
    policies = [swift.call("HEAD", name)[1]["x-storage-policy"] for name in (bucket, beside(bucket))]
    assert policies[0] == policies[1]


# -- dynamic large objects -------------------------------------------------------------------------


@pytest.fixture
def dynamic(swift: SwiftServer, bucket: str) -> str:
    """A container with two segments, and a manifest `film` over them in the bucket."""
    parts = swift.new_bucket("parts")
    for number, body in enumerate((b"first half, ", b"second half")):
        swift.call("PUT", f"{parts}/film/{number}", body=body)
    status, _, _ = swift.call(
        "PUT",
        f"{bucket}/film",
        body=b"",
        headers={"X-Object-Manifest": f"{parts}/film/", "X-Object-Meta-Site": "h-7"},
    )
    assert status == 201
    return parts


def test_dynamic_object_is_listed_with_its_bytes(store: ObjectStore, dynamic: str) -> None:
    """A dynamic large object, which Swift lists as empty, is listed with its size and read whole and in spans."""
    put(store, "really empty", b"")
    listed = {meta.key: meta for meta in store.list()}
    assert listed[Key("really empty")].size == 0
    film = listed[Key("film")]
    assert (film.size, film.kind, film.claims) == (23, Kind.OBJECT, ())
    found = store.read(Key("film"), pin=film.pin)
    assert bytes(found.data) == b"first half, second half"
    assert found.meta.attributes is not None
    assert found.meta.attributes.metadata["site"] == "h-7"
    span = Span(start=6, length=10)
    assert bytes(store.read(Key("film"), span=span, pin=film.pin).data) == b"half, seco"


def test_dynamic_object_that_grows_is_noticed(swift: SwiftServer, store: ObjectStore, dynamic: str) -> None:
    """A segment that is added after the listing breaks the pin, for spans too."""
    (film,) = store.list()
    swift.call("PUT", f"{dynamic}/film/2", body=b", and more")
    for span in (None, Span(start=0, length=5)):
        with pytest.raises(ConditionFailed):
            store.read(Key("film"), span=span, pin=film.pin)
    (again,) = store.list()
    assert again.size == film.size + 10
    assert whole(store, "film") == b"first half, second half, and more"


def test_dynamic_object_that_is_changed_within_is_noticed(
    swift: SwiftServer, store: ObjectStore, dynamic: str
) -> None:
    """A segment that is replaced by another of the same length breaks the pin."""
    (film,) = store.list()
    swift.call("PUT", f"{dynamic}/film/1", body=b"SECOND HALF")
    with pytest.raises(ConditionFailed):
        store.read(Key("film"), pin=film.pin)


def test_dynamic_object_without_segments(swift: SwiftServer, store: ObjectStore, bucket: str) -> None:
    """A manifest over no segments is an empty object; one over no container cannot be read, and is listed as such."""
    for name, segments in (("empty", f"{bucket}/none/"), ("nowhere", f"{bucket}-none/film/")):
        swift.call("PUT", f"{bucket}/{name}", body=b"", headers={"X-Object-Manifest": segments})
    listed = {meta.key: meta for meta in store.list()}
    assert {key: (meta.kind, meta.size) for key, meta in listed.items()} == {
        Key("empty"): (Kind.OBJECT, 0),
        Key("nowhere"): (Kind.NOT_A_FILE, 0),
    }
    assert bytes(store.read(Key("empty"), pin=listed[Key("empty")].pin).data) == b""


# -- links, expiry, versions -----------------------------------------------------------------------


def test_links_are_what_they_lead_to(swift: SwiftServer, store: ObjectStore, bucket: str) -> None:
    """A symbolic link is listed with size and etag of its end; a link to nothing is no object."""
    put(store, "end", b"the end")
    for name, end in (("link", "end"), ("broken", "gone")):
        swift.call("PUT", f"{bucket}/{name}", body=b"", headers={"X-Symlink-Target": f"{bucket}/{end}"})
    listed = {meta.key: meta for meta in store.list()}
    assert listed[Key("broken")].kind is Kind.NOT_A_FILE
    link = listed[Key("link")]
    assert (link.size, link.etag) == (7, listed[Key("end")].etag)
    assert bytes(store.read(Key("link"), pin=link.pin).data) == b"the end"


def test_folder_markers_are_told_apart(swift: SwiftServer, store: ObjectStore, bucket: str) -> None:
    """An empty object of type application/directory is a folder's marker; one with bytes is an object."""
    put(store, "folder", b"", attributes=Attributes(content_type="application/directory"))
    put(store, "file", b"x", attributes=Attributes(content_type="application/directory"))
    kinds = {meta.key: meta.kind for meta in store.list()}
    assert kinds == {Key("folder"): Kind.DIRECTORY, Key("file"): Kind.OBJECT}


def test_wrong_md5_is_refused(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes that were damaged on the way are refused by the service, single and in parts."""
    wrong = hashlib.md5(b"other").hexdigest()
    monkeypatch.setattr("providers.drivers.swift.md5_of", lambda _: wrong)
    with pytest.raises(ChecksumRefused):
        put(store, "damaged", b"some bytes")
    opened = store.open_upload(KEY, PutOptions(attempt="a1"))
    monkeypatch.setattr("providers.drivers.swift_uploads.md5_of", lambda _: wrong)
    with pytest.raises(ChecksumRefused):
        store.put_part(KEY, opened, 1, 0, b"some bytes")
    assert keys_of(store) == []


def test_metadata_beyond_ascii(store: ObjectStore) -> None:
    """Metadata values are UTF-8 in both directions."""
    put(
        store,
        "described",
        b"x",
        attributes=Attributes(metadata={"ville_é".replace("é", "e"): "Orléans 日本"}),
    )
    kept = store.head(Key("described")).attributes
    assert kept is not None
    assert dict(kept.metadata) == {"ville_e": "Orléans 日本"}


def test_limits_are_asked_for(store: ObjectStore) -> None:
    """After a look at the container the capabilities are what the server itself says, where that is less."""
    store.check()
    assert store.capabilities.max_parts == 1000
    assert store.capabilities.max_put == 5_368_709_122
    assert not store.capabilities.versions


def test_old_style_versions_are_said_to_be_elsewhere(swift: SwiftServer, harness: SwiftHarness) -> None:
    """A container whose old versions lie in another container does not claim to have none."""
    archive = swift.new_bucket("archive")
    bucket = swift.new_bucket(**{"X-Versions-Location": archive})
    with ObjectStore(harness.driver(bucket), location="swift:old") as store, pytest.raises(Unsupported):
        list(store.list_extras())


# -- who asks --------------------------------------------------------------------------------------


def test_lost_tokens_are_renewed(tmp_path: Path) -> None:
    """A token that the service forgot is asked for again, once, within the operation."""
    with Swift(tmp_path / "swift") as running:
        harness = SwiftHarness(FACTS, running.server)
        with harness.bucket() as bucket, ObjectStore(harness.driver(bucket), location="s") as store:
            put(store, "kept", b"before")
            running.forget_tokens()
            assert whole(store, "kept") == b"before"
            running.forget_tokens()
            put(store, "large", b"x" * 3_000_000, attempt="a2")
            assert store.head(Key("large")).size == 3_000_000
            running.restart()
            assert whole(store, "kept") == b"before"


@pytest.mark.server("swift_keystone")
@pytest.mark.parametrize("cloud", ["password", "application"])
def test_keystone_lets_in(swift_keystone: SwiftKeystone, cloud: str) -> None:
    """Password and application credential of clouds.yaml open the account; parts, reads and listings work."""
    bucket = f"keystone-{cloud}"
    settings = SwiftSettings(container=bucket, cloud=cloud, clouds_file=str(swift_keystone.server.clouds))
    driver = SwiftDriver(settings)
    with ObjectStore(driver, location="keystone") as store:
        with pytest.raises(NotFound):
            store.check()
        driver._http.request("PUT", bucket)
        driver._container_headers = None
        store.check()
        put(store, "small", b"small")
        upload(store, KEY, [b"in ", b"parts"], "a1")
        assert whole(store, KEY) == b"in parts"
        assert keys_of(store) == [KEY, "small"]


@pytest.mark.server("swift_keystone")
def test_keystone_token_that_was_revoked(swift_keystone: SwiftKeystone) -> None:
    """A revoked token is replaced within the operation that met it."""
    settings = SwiftSettings(
        container="revoked", cloud="password", clouds_file=str(swift_keystone.server.clouds)
    )
    driver = SwiftDriver(settings)
    with ObjectStore(driver, location="keystone") as store:
        driver._http.request("PUT", "revoked")
        token = driver._http._auth.access().token
        swift_keystone.keystone.revoke(token)
        put(store, "after", b"renewed")
        assert driver._http._auth.access().token != token


@pytest.mark.server("swift_keystone")
def test_keystone_refuses(swift_keystone: SwiftKeystone) -> None:
    """A wrong password is a matter of credentials; a region that is not there one of configuration."""
    auth = swift_keystone.keystone.auth("mover", "wrong-password", swift_keystone.project)
    clouds = swift_keystone.clouds(wrong={"auth": auth}, nobody={"auth": {**auth, "username": "nobody"}})
    for cloud in ("wrong", "nobody"):
        driver = SwiftDriver(SwiftSettings(container="c", cloud=cloud, clouds_file=str(clouds)))
        with ObjectStore(driver, location="keystone") as store, pytest.raises(Unauthenticated) as caught:
            store.check()
        assert "wrong-password" not in str(caught.value)
    elsewhere = SwiftSettings(container="c", cloud="password", region="Elsewhere", clouds_file=str(clouds))
    with pytest.raises(ConfigInvalid):
        SwiftDriver(elsewhere)
    unlisted = swift_keystone.clouds(unlisted={"auth": auth, "region_name": "Elsewhere"})
    with pytest.raises(ConfigInvalid):
        SwiftDriver(SwiftSettings(container="c", cloud="missing", clouds_file=str(unlisted)))


def test_temp_auth_refuses(swift: SwiftServer, harness: SwiftHarness, bucket: str) -> None:
    """A wrong key is a matter of credentials and is in no message."""
    driver = harness.intruder(bucket)
    assert driver is not None
    with ObjectStore(driver, location="intruder") as store, pytest.raises(Unauthenticated) as caught:
        store.check()
    assert "d3Jvbmc" not in f"{caught.value!r} {caught.value.__cause__!r}"


def test_nothing_but_store_errors_leaves(harness: SwiftHarness, bucket: str) -> None:
    """A server that is not there is said to be unreachable."""
    settings = replace(
        harness._settings(bucket), auth_url="http://127.0.0.1:9/auth/v1.0", connect_timeout=1.0
    )
    with ObjectStore(SwiftDriver(settings), location="nowhere") as store, pytest.raises(StoreError) as caught:
        store.check()
    assert caught.value.exit_code == 5
    assert not isinstance(caught.value.__cause__, urllib.error.URLError)


def test_what_came_in_by_the_s3_front_is_read(swift: SwiftServer, store: ObjectStore, bucket: str) -> None:
    """Objects written through Swift's S3 front, in parts too, are read here with their metadata and listed whole."""
    client = swift.s3.client()
    client.put_object(Bucket=bucket, Key="small", Body=b"small", Metadata={"my_name": "v"})
    begun = client.create_multipart_upload(Bucket=bucket, Key="large", Metadata={"my-name": "w"})
    sizes = (5 * 1024 * 1024, 10)
    parts = []
    for number, size in enumerate(sizes, 1):
        part = client.upload_part(
            Bucket=bucket,
            Key="large",
            UploadId=begun["UploadId"],
            PartNumber=number,
            Body=b"%d" % number * size,
        )
        parts.append({"PartNumber": number, "ETag": part["ETag"]})
    client.complete_multipart_upload(
        Bucket=bucket, Key="large", UploadId=begun["UploadId"], MultipartUpload={"Parts": parts}
    )
    client.close()
    listed = {meta.key: meta for meta in store.list()}
    assert {str(key): meta.size for key, meta in listed.items()} == {"small": 5, "large": sum(sizes)}
    for key, name, value in (("small", "my_name", "v"), ("large", "my-name", "w")):
        found = store.read(Key(key), pin=listed[Key(key)].pin)
        assert found.meta.attributes is not None
        assert found.meta.attributes.metadata[name] == value
    assert list(store.list_uploads()) == []
    store.delete(Key("large"))
    assert swift.names(f"{bucket}+segments") != []
