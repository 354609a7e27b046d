"""Attributes as S3 headers."""

import pytest

from providers.capabilities import Capabilities
from providers.drivers.s3_headers import check_attributes, meta_of, require_attributes, same_etag
from providers.errors import Unsupported
from providers.model import Attributes, Claim, Key, Kind

ALL = Capabilities()


def test_attributes_round_trip() -> None:
    """What is sent as headers is read back from headers."""
    attributes = Attributes(
        content_type="a/b",
        content_encoding="gzip",
        content_language="fr",
        content_disposition='inline; filename="x  y"',
        cache_control="no-store",
        metadata={"note": "two  spaces", "empty": ""},
    )
    meta = meta_of(Key("k"), 0, require_attributes(attributes, ALL))
    assert meta.attributes == attributes


def test_tags_are_encoded() -> None:
    """Separators and letters beyond ASCII are percent-encoded in the tag header."""
    headers = require_attributes(Attributes(tags={"a&b": "é =+"}), ALL)
    assert headers["x-amz-tagging"] == "a%26b=%C3%A9%20%3D%2B"


@pytest.mark.parametrize(
    ("attributes", "capabilities", "word"),
    [
        (Attributes(metadata={"a b": "x"}), ALL, "'a b'"),
        (Attributes(metadata={"note": "é"}), ALL, "'note'"),
        (Attributes(metadata={"note": "a\r\nx-evil: 1"}), ALL, "'note'"),
        (Attributes(metadata={"note": " outer"}), ALL, "'note'"),
        (Attributes(metadata={"A": "1", "a": "2"}), ALL, "case"),
        (Attributes(metadata={"long": "x" * 2048}), ALL, "2048"),
        (Attributes(content_type="a\nb"), ALL, "content-type"),
        (Attributes(tags={str(number): "" for number in range(11)}), ALL, "11"),
        (Attributes(tags={"": "x"}), ALL, "tag"),
        (Attributes(tags={"a": "b"}), ALL.narrowed(tags=False), "tags"),
        (Attributes(metadata={"a": "b"}), ALL.narrowed(metadata=False), "metadata"),
        (Attributes(content_type="a/b"), ALL.narrowed(content_headers=False), "content-type"),
    ],
)
def test_what_cannot_travel_is_named(attributes: Attributes, capabilities: Capabilities, word: str) -> None:
    """A reason says which name it is about, and sending is refused rather than altered."""
    assert any(word in reason for reason in check_attributes(attributes, capabilities))
    with pytest.raises(Unsupported, match=word):
        require_attributes(attributes, capabilities)


@pytest.mark.parametrize(
    ("headers", "claims"),
    [
        ({"x-amz-checksum-sha256": "AAEC"}, (Claim(algorithm="sha256", digest=b"\0\1\2"),)),
        ({"x-amz-checksum-sha256": "AAEC-3"}, ()),
        ({"x-amz-checksum-crc32": "AAEC", "x-amz-checksum-type": "COMPOSITE"}, ()),
        (
            {"x-amz-checksum-crc64nvme": "AAEC", "x-amz-checksum-type": "FULL_OBJECT"},
            (Claim(algorithm="crc64nvme", digest=b"\0\1\2"),),
        ),
        ({"x-amz-checksum-sha256": "?"}, ()),
    ],
)
def test_only_whole_object_digests_are_claims(headers: dict[str, str], claims: tuple[Claim, ...]) -> None:
    """A checksum of checksums says nothing about the object's bytes."""
    assert meta_of(Key("k"), 3, headers).claims == claims


@pytest.mark.parametrize(
    ("headers", "kind"),
    [
        ({}, Kind.OBJECT),
        ({"x-amz-storage-class": "GLACIER_IR"}, Kind.OBJECT),
        ({"x-amz-storage-class": "GLACIER"}, Kind.ARCHIVED),
        ({"x-amz-storage-class": "DEEP_ARCHIVE", "x-amz-restore": 'ongoing-request="true"'}, Kind.ARCHIVED),
        ({"x-amz-storage-class": "GLACIER", "x-amz-restore": 'ongoing-request="false"'}, Kind.OBJECT),
        ({"x-amz-server-side-encryption-customer-algorithm": "AES256"}, Kind.CUSTOMER_KEY),
    ],
)
def test_kinds_are_seen(headers: dict[str, str], kind: Kind) -> None:
    """Archived objects and those under a customer's key are not plain objects."""
    assert meta_of(Key("k"), 3, headers).kind is kind


def test_etags_are_compared_without_their_quotes() -> None:
    """Listings of some stores leave the quotes out."""
    assert same_etag('"a-2"', "a-2")
    assert not same_etag('"a-2"', '"a-3"')


def test_the_null_version_is_no_version() -> None:
    """A bucket without versions answers with the version id null."""
    assert meta_of(Key("k"), 3, {"x-amz-version-id": "null"}).version is None
