"""What the Swift driver decides without the network: names, headers, listings, errors, settings."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers import errors
from providers.drivers.swift import _narrower
from providers.drivers.swift_auth import open_auth
from providers.drivers.swift_errors import SwiftFailure, translate
from providers.drivers.swift_meta import attribute_headers, bare, meta_from_headers, parse_listing
from providers.drivers.swift_names import (
    Marker,
    folders_of,
    marker_name,
    marker_prefixes,
    new_folder,
    parse_marker_name,
    parse_segment_name,
    segment_name,
    upload_of,
)
from providers.drivers.swift_settings import SwiftSettings, attribute_reasons
from providers.model import Attributes, Key, Kind, UploadId
from providers.protocols import SWIFT_BASE
from providers.secrets import Secret
from providers.sites import Sites

EMPTY = "d41d8cd98f00b204e9800998ecf8427e"
UPLOADS = st.from_regex(r"[0-9a-z]{1,32}", fullmatch=True)


@given(key=st.text(st.characters(codec="utf-8"), min_size=1, max_size=900), upload=UPLOADS)
def test_names_lead_back(key: str, upload: str) -> None:
    """A marker's name tells key and upload, a segment's name its number, and no name is longer than Swift takes."""
    key = key.encode()[:1024].decode(errors="ignore")
    name = marker_name(Key(key), UploadId(upload))
    found = parse_marker_name(name)
    assert found is not None
    assert found[1] == upload
    if found[0] is None:
        assert len(key.encode()) > 960
        assert name.startswith(marker_prefixes("")[1])
    else:
        assert found[0] == key
        assert name.startswith(marker_prefixes(key[:3])[0])
    folder = new_folder(Key(key), UploadId(upload), "0123abcd")
    segment = segment_name(folder, 1000)
    assert len(segment.encode()) <= 1024
    assert parse_segment_name(segment, folder) == 1000
    assert upload_of(folder) == upload
    manifest = [{"name": f"/c+havre/{segment}", "bytes": 1}]
    assert folders_of(manifest, "c+havre") == {folder}
    assert folders_of(manifest, "other+havre") == frozenset()


@pytest.mark.parametrize("upload", ["", "UPPER", "a/b", "a" * 33, "a-b", "é"])
def test_upload_ids_of_others_are_unknown(upload: str) -> None:
    """What is no attempt of ours cannot name a marker."""
    with pytest.raises(errors.UploadLost):
        marker_name(Key("k"), UploadId(upload))


@pytest.mark.parametrize(
    "name", ["uploads/k/a/b/UP", "uploads/k//x", "segments/k/a/b/c", "uploads/x/a/b", "uploads/k/a"]
)
def test_other_names_are_no_markers(name: str) -> None:
    """Only names of the right form are read as markers."""
    assert parse_marker_name(name) in {None, (Key(""), UploadId("x"))}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"key": "a"}',
        b'{"key": "a", "folder": "../", "former": []}',
        b'{"key": "a", "folder": "", "former": ["segments/"]}',
        b'{"key": "a", "folder": "segments/k/a/x-0123abcd/../", "former": []}',
    ],
)
def test_a_marker_of_another_hand_names_nothing(body: bytes) -> None:
    """A marker whose folders are not of our form is refused, so that nothing outside is ever deleted."""
    with pytest.raises(errors.UploadLost):
        Marker.from_json(body)


def test_a_marker_is_read_back() -> None:
    """A marker says key and folders."""
    folder = new_folder(Key("é/x"), UploadId("a1"), "0123abcd")
    marker = Marker(key=Key("é/x"), folder=folder, former=(folder.replace("a1", "a0"),))
    assert Marker.from_json(marker.to_json()) == marker


@pytest.mark.parametrize("manifest", [None, {}, [1], [{"name": 1}], [{"name": "/c+havre/other/1"}]])
def test_manifests_of_others_hold_nothing_of_ours(manifest: object) -> None:
    """A manifest that is not ours, or is none, names no folder of ours."""
    assert folders_of(manifest, "c+havre") == frozenset()


def test_metadata_names_survive_the_spelling_of_headers() -> None:
    """An underscore, which servers take for a hyphen, travels escaped; so does the escape sign itself."""
    metadata = {"havre_stamp": "w.a", "per%cent": "x", "plain-name": "é à"}
    headers = attribute_headers(Attributes(metadata=metadata))
    assert headers["X-Object-Meta-havre%5fstamp"] == "w.a"
    assert headers["content-type"] == "application/octet-stream"
    received = {name.lower(): value for name, value in headers.items()} | {"x-timestamp": "1763700000.5"}
    meta = meta_from_headers(Key("k"), received, 3)
    assert meta.attributes is not None
    assert dict(meta.attributes.metadata) == metadata
    assert meta.modified_at is not None
    assert meta.modified_at.microsecond == 500_000


def test_metadata_of_the_s3_front_is_understood() -> None:
    """Swift's own S3 front spells an underscore as =5f."""
    meta = meta_from_headers(Key("k"), {"x-object-meta-my=5fname": "v"}, 0)
    assert meta.attributes is not None
    assert dict(meta.attributes.metadata) == {"my_name": "v"}


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        (Attributes(metadata={"a": "x" * 257}), "256 bytes"),
        (Attributes(metadata={"a" * 129: "x"}), "128 bytes"),
        (Attributes(metadata={"é": "x"}), "name has characters"),
        (Attributes(metadata={"a": "x\r\nX-Delete-At: 1"}), "control characters"),
        (Attributes(metadata={"a": " x"}), "spaces at its ends"),
        (Attributes(metadata={"a": ""}), "empty"),
        (Attributes(metadata={"A": "x", "a": "y"}), "only by case"),
        (Attributes(metadata={f"n{number}": "x" for number in range(91)}), "90"),
        (Attributes(metadata={f"n{number}": "x" * 200 for number in range(30)}), "4096"),
        (Attributes(tags={"a": "b"}), "tags"),
        (Attributes(content_type="a\nb"), "content type"),
        (Attributes(content_disposition="é"), "content disposition"),
    ],
)
def test_attributes_that_cannot_travel(attributes: Attributes, words: str) -> None:
    """What Swift would refuse or change is said before a byte moves, and refused if it is tried."""
    assert any(words in reason for reason in attribute_reasons(attributes))
    with pytest.raises(errors.Unsupported):
        attribute_headers(attributes)


def test_attributes_that_travel() -> None:
    """Ordinary metadata and headers raise no objection."""
    attributes = Attributes(
        content_type="application/dicom", cache_control="no-store", metadata={"a_b": "é", "c": "x" * 256}
    )
    assert attribute_reasons(attributes) == []


@pytest.mark.parametrize(
    ("told", "kept"), [('"abc"', "abc"), ("abc", "abc"), ('W/"abc"', "abc"), ("", None), (None, None)]
)
def test_etags_lose_their_quotes(told: str | None, kept: str | None) -> None:
    """Swift quotes the etag of large objects only; one form is kept."""
    assert bare(told) == kept


def test_only_plain_objects_claim_an_md5() -> None:
    """The etag of a plain object is its MD5; that of a large object is a digest of digests and claims nothing."""
    plain = meta_from_headers(Key("k"), {"etag": EMPTY}, 0)
    assert [(claim.algorithm, claim.digest.hex()) for claim in plain.claims] == [("md5", EMPTY)]
    for header in ("x-static-large-object", "x-object-manifest"):
        assert meta_from_headers(Key("k"), {"etag": f'"{EMPTY}"', header: "x"}, 7).claims == ()


def test_an_object_of_untold_size_is_no_object() -> None:
    """A dynamic large object whose size the service does not tell is listed as something that cannot be read."""
    assert meta_from_headers(Key("k"), {"x-object-manifest": "c/p"}, None).kind is Kind.NOT_A_FILE


def entry(**more: object) -> dict[str, object]:
    return {
        "name": "k",
        "bytes": 5,
        "hash": "5d41402abc4b2a76b9719d911017c592",
        "content_type": "text/plain",
        "last_modified": "2026-11-22T03:04:05.123456",
        **more,
    }


def test_listing_of_a_plain_object() -> None:
    """A listing tells size, MD5 and time, which is UTC."""
    (found,) = parse_listing(json.dumps([entry(), {"subdir": "x/"}]).encode())
    assert (found.meta.key, found.meta.size, found.meta.etag) == ("k", 5, "5d41402abc4b2a76b9719d911017c592")
    assert found.meta.claims[0].algorithm == "md5"
    assert found.meta.modified_at is not None
    assert found.meta.modified_at.isoformat() == "2026-11-22T03:04:05.123456+00:00"
    assert (found.is_latest, found.is_deleted, found.is_vague) == (True, False, False)


def test_listing_of_a_static_large_object() -> None:
    """Its etag is the one that a read gives, not the manifest's own."""
    (found,) = parse_listing(json.dumps([entry(slo_etag='"abc"')]).encode())
    assert (found.meta.etag, found.meta.claims, found.is_vague) == ("abc", (), False)


@pytest.mark.parametrize("more", [{"bytes": 0, "hash": EMPTY}, {"symlink_path": "/v1/AUTH_a/c/o"}])
def test_listings_that_do_not_tell_what_a_read_gives(more: dict[str, object]) -> None:
    """An empty object may be a dynamic large object, and a link is not what it leads to."""
    (found,) = parse_listing(json.dumps([entry(**more)]).encode())
    assert found.is_vague


def test_listing_of_a_folder() -> None:
    """An empty object of type application/directory is a folder's marker."""
    body = json.dumps([entry(bytes=0, hash=EMPTY, content_type="application/directory")]).encode()
    assert parse_listing(body)[0].meta.kind is Kind.DIRECTORY


def test_listing_of_versions() -> None:
    """Old versions and delete markers are told apart."""
    rows = [
        entry(version_id="2", is_latest=True, content_type="application/x-deleted;swift_versions_deleted=1"),
        entry(version_id="1", is_latest=False),
        entry(version_id="null", is_latest=False),
    ]
    found = parse_listing(json.dumps(rows).encode())
    assert [(one.is_deleted, one.is_latest) for one in found] == [
        (True, True),
        (False, False),
        (False, False),
    ]
    assert [one.extra().kind for one in found[:2]] == [Kind.DELETE_MARKER, Kind.NONCURRENT_VERSION]
    assert found[2].meta.version is None


@pytest.mark.parametrize("body", [b"<html>", b"{}", b'[{"name": "k"}]', b"[1]", b'[{"name": "k", "byt'])
def test_what_is_no_listing(body: bytes) -> None:
    """Something in between that answers in its own words is a passing trouble, not an empty container."""
    with pytest.raises(errors.Unavailable):
        parse_listing(body)


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (SwiftFailure(401), errors.Unauthenticated),
        (SwiftFailure(403), errors.PermissionDenied),
        (SwiftFailure(403, "auth"), errors.Unauthenticated),
        (SwiftFailure(404), errors.NotFound),
        (SwiftFailure(409), errors.Unavailable),
        (SwiftFailure(409, "read"), errors.ConditionFailed),
        (SwiftFailure(412), errors.ConditionFailed),
        (SwiftFailure(412, "create"), errors.AlreadyExists),
        (SwiftFailure(400, "manifest"), errors.UploadLost),
        (SwiftFailure(413), errors.Unsupported),
        (SwiftFailure(413, quota=True), errors.LocalStorageFull),
        (SwiftFailure(416), errors.RangeInvalid),
        (SwiftFailure(422), errors.ChecksumRefused),
        (SwiftFailure(429), errors.Throttled),
        (SwiftFailure(498), errors.Throttled),
        (SwiftFailure(500), errors.Unavailable),
        (SwiftFailure(503), errors.Unavailable),
        (SwiftFailure(503, retry_after=2.0), errors.Throttled),
        (SwiftFailure(507), errors.LocalStorageFull),
        (SwiftFailure(418), errors.Unexpected),
        (TimeoutError(), errors.Unavailable),
        (ConnectionResetError(), errors.Unavailable),
        (ValueError("secret words"), errors.Unexpected),
    ],
)
def test_errors_are_classified(failure: Exception, kind: type[errors.StoreError]) -> None:
    """Each answer has its class, and no message quotes what came from outside."""
    found = translate(failure)
    assert type(found) is kind
    assert "secret words" not in str(found)


def test_errors_of_the_openstack_client_are_classified() -> None:
    """What Keystone's client raises becomes a class of ours."""
    from keystoneauth1 import exceptions as ka
    from openstack import exceptions as os_

    assert type(translate(ka.Unauthorized())) is errors.Unauthenticated
    assert type(translate(ka.EndpointNotFound())) is errors.ConfigInvalid
    assert type(translate(ka.ConnectFailure())) is errors.Unavailable
    assert type(translate(ka.ServiceUnavailable())) is errors.Unavailable
    assert type(translate(ka.SSLError())) is errors.ConfigInvalid
    assert type(translate(os_.ConfigException("x"))) is errors.ConfigInvalid


def test_limits_that_the_service_states_only_narrow() -> None:
    """What /info says is taken where it is stricter, and never where it is looser or nonsense."""
    told = {
        "swift": {"max_file_size": 1000, "container_listing_limit": 20_000, "max_object_name_length": "x"},
        "slo": {"max_manifest_segments": 500},
    }
    found = _narrower(json.dumps(told).encode(), SWIFT_BASE)
    assert found == {"max_put": 1000, "max_part": 1000, "max_parts": 500}
    assert _narrower(b"", SWIFT_BASE) == {}
    assert _narrower(b"no json", SWIFT_BASE) == {}
    assert _narrower(b"[]", SWIFT_BASE) == {}


@pytest.mark.parametrize(
    "settings",
    [
        SwiftSettings(container="c"),
        SwiftSettings(container="c", cloud="a", auth_url="https://h/auth/v1.0"),
        SwiftSettings(container="c", auth_url="https://h/auth/v1.0"),
        SwiftSettings(
            container="c", auth_url="http://h.example/auth/v1.0", user=Secret("u"), key=Secret("k")
        ),
        SwiftSettings(container="c", cloud="a", clouds_file="/nonexistent/clouds.yaml"),
    ],
    ids=["nothing", "both", "no-key", "plain-http", "no-file"],
)
def test_settings_that_make_no_sense(settings: SwiftSettings) -> None:
    """Authentication is refused before anything is sent."""
    with pytest.raises(errors.ConfigInvalid):
        open_auth(settings)


@pytest.mark.parametrize(
    ("cloud", "words"),
    [
        ({"verify": False}, "verification of certificates"),
        (
            {"auth": {"auth_url": "http://keystone.example/v3", "username": "u", "password": "hidden"}},
            "plain http",
        ),
        ({"auth_type": "nonsense"}, "does not describe"),
    ],
)
def test_clouds_that_are_refused(tmp_path: Path, cloud: dict[str, object], words: str) -> None:
    """A cloud that would send a password unprotected, or that is not whole, is refused, and no password is said."""
    whole = {
        "auth": {"auth_url": "https://keystone.example/v3", "username": "u", "password": "hidden"},
        **cloud,
    }
    path = tmp_path / "clouds.yaml"
    path.write_text(json.dumps({"clouds": {"a": whole}}))
    with pytest.raises(errors.ConfigInvalid, match=words) as caught:
        open_auth(SwiftSettings(container="c", cloud="a", clouds_file=str(path)))
    assert "hidden" not in f"{caught.value} {caught.value.hint}"


def write_site(folder: Path, body: str) -> Sites:
    path = folder / "havre.toml"
    path.write_text(f'[sites.osp]\nprofile = "openstack-swift"\n{body}\n')
    return Sites.load(path, {})


def test_site_of_a_cloud(tmp_path: Path) -> None:
    """A site that names a cloud has its pace apart from others."""
    site = write_site(tmp_path, 'cloud = "hds"\nregion = "R1"').site("osp")
    assert site.swift is not None
    assert (site.swift.cloud, site.swift.region, site.endpoint) == ("hds", "R1", "cloud:hds:R1")


def test_site_of_temp_auth(tmp_path: Path) -> None:
    """A site of temp auth names the variables of user and key."""
    body = 'auth_url = "https://h.example/auth/v1.0/"\nuser_env = "U"\nkey_env = "K"\nca_bundle = "ca.pem"'
    site = write_site(tmp_path, body).site("osp")
    assert site.swift is not None
    assert (site.endpoint, site.variables) == ("https://h.example/auth/v1.0", {"user": "U", "key": "K"})
    assert site.ca_bundle == tmp_path / "ca.pem"


@pytest.mark.parametrize(
    "body",
    [
        "",
        'auth_url = "https://h.example/auth"',
        'auth_url = "https://h.example/auth"\nuser_env = "U"',
        'auth_url = "http://h.example/auth"\nuser_env = "U"\nkey_env = "K"',
        'cloud = "a"\nauth_url = "https://h.example/auth"\nuser_env = "U"\nkey_env = "K"',
        'cloud = "a"\nuser_env = "U"\nkey_env = "K"',
        'cloud = "a"\nkey = "literal"',
        'cloud = "a"\npassword = "literal"',
        'cloud = "a"\nendpoint = "https://user:pw@h.example/v1"',
    ],
)
def test_sites_that_make_no_sense(tmp_path: Path, body: str) -> None:
    """Missing, contradictory or literal credentials are refused when the configuration is read."""
    with pytest.raises(errors.ConfigInvalid) as caught:
        write_site(tmp_path, body)
    assert "literal" not in str(caught.value).replace("a literal", "")
