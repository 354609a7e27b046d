"""Listings of S3 as a driver reads them, from answers that the test writes."""

from collections.abc import Mapping

import pytest

from providers.drivers import s3_lists
from providers.drivers.s3_wire import Answer
from providers.drivers.s3_xml import XmlInvalid
from providers.errors import ConfigInvalid
from providers.model import ETag, Key, Kind, PageToken, UploadId


class Scripted:
    """Answers with the documents it was given, and keeps what was asked."""

    def __init__(self, *bodies: str) -> None:
        self.bodies = list(bodies)
        self.asked: list[dict[str, str]] = []

    def request(
        self, operation: str, method: str, key: str | None = None, *, query: Mapping[str, str] | None = None
    ) -> Answer:
        self.asked.append(dict(query or {}))
        return Answer(200, {}, self.bodies.pop(0).encode())


def entry(key: str, etag: str = "e", size: int = 1, more: str = "", name: str = "Contents") -> str:
    return f"<{name}><Key>{key}</Key><ETag>{etag}</ETag><Size>{size}</Size>{more}</{name}>"


def current(*entries: str, follow: str = "", truncated: bool | None = None) -> str:
    goes_on = bool(follow) if truncated is None else truncated
    token = f"<NextContinuationToken>{follow}</NextContinuationToken>" if follow else ""
    return (
        f"<ListBucketResult><EncodingType>url</EncodingType>{''.join(entries)}{token}"
        f"<IsTruncated>{str(goes_on).lower()}</IsTruncated></ListBucketResult>"
    )


def versions(*entries: str, follow: tuple[str, str] | None = None) -> str:
    markers = (
        f"<NextKeyMarker>{follow[0]}</NextKeyMarker><NextVersionIdMarker>{follow[1]}</NextVersionIdMarker>"
        if follow
        else ""
    )
    return (
        f"<ListVersionsResult>{''.join(entries)}{markers}"
        f"<IsTruncated>{str(follow is not None).lower()}</IsTruncated></ListVersionsResult>"
    )


def version(key: str, name: str, etag: str = "e", *, latest: bool = True) -> str:
    more = f"<VersionId>{name}</VersionId><IsLatest>{str(latest).lower()}</IsLatest>"
    return entry(key, etag, 1, more, "Version")


def test_a_page_is_read_and_followed() -> None:
    """Encoded names are decoded, and the store's token leads on."""
    client = Scripted(current(entry("a%2Bb+%01"), follow="t/="), current(entry("c")))
    page = s3_lists.current_page(client, "p", None, 7)  # type: ignore[arg-type]
    assert [one.key for one in page.entries] == ["a+b \x01"]
    last = s3_lists.current_page(client, "p", page.next_token, 7)  # type: ignore[arg-type]
    assert last.next_token is None
    assert client.asked[1]["continuation-token"] == "t/="
    assert client.asked[0]["max-keys"] == "7"


def test_archived_objects_are_named() -> None:
    """A storage class that needs a restore is a kind of its own."""
    body = current(entry("a", more="<StorageClass>DEEP_ARCHIVE</StorageClass>"))
    page = s3_lists.current_page(Scripted(body), "", None, 7)  # type: ignore[arg-type]
    assert page.entries[0].kind is Kind.ARCHIVED


@pytest.mark.parametrize(
    "body",
    [
        current(entry("a"), truncated=True),
        current(entry("a"), follow="same"),
        current("<Contents><Size>1</Size></Contents>"),
        "<Error><Code>InternalError</Code></Error>",
    ],
)
def test_a_listing_that_cannot_be_complete_is_refused(body: str) -> None:
    """A page that does not lead on, an entry without a key, and an error sent with 200 are never an end."""
    with pytest.raises(XmlInvalid):
        s3_lists.current_page(Scripted(body), "", PageToken("same"), 7)  # type: ignore[arg-type]


def test_version_ids_are_added_where_the_same_object_is_named() -> None:
    """An object that was replaced between the two answers keeps its etag as pin."""
    client = Scripted(
        current(entry("a"), entry("b", "old"), entry("c"), follow="t"),
        versions(version("a", "v2"), version("a", "v1", "d", latest=False), follow=("a", "v1")),
        versions(version("b", "v3", "new"), version("d", "v4"), follow=("d", "v4")),
        current(entry("d")),
        versions(version("d", "v4")),
    )
    page = s3_lists.versioned_page(client, "", None, 3)  # type: ignore[arg-type]
    assert [(one.key, one.version) for one in page.entries] == [("a", "v2"), ("b", None), ("c", None)]
    last = s3_lists.versioned_page(client, "", page.next_token, 3)  # type: ignore[arg-type]
    assert [(one.key, one.version) for one in last.entries] == [("d", "v4")]
    assert last.next_token is None
    assert (client.asked[3]["continuation-token"], client.asked[4]["key-marker"]) == ("t", "c")


def test_a_foreign_token_is_refused() -> None:
    """A token of another listing is an error of whoever keeps it."""
    with pytest.raises(ConfigInvalid):
        s3_lists.versioned_page(Scripted(), "", PageToken("{"), 3)  # type: ignore[arg-type]


def test_old_versions_and_delete_markers_are_extras() -> None:
    """The current object is not one, and a delete marker always is."""
    marker = "<DeleteMarker><Key>b</Key><VersionId>m</VersionId><IsLatest>true</IsLatest></DeleteMarker>"
    client = Scripted(
        versions(version("a", "v2"), version("a", "v1", latest=False), follow=("a", "v1")), versions(marker)
    )
    found = list(s3_lists.extras(client, "", 9))  # type: ignore[arg-type]
    assert [(one.key, one.kind, one.version) for one in found] == [
        ("a", Kind.NONCURRENT_VERSION, "v1"),
        ("b", Kind.DELETE_MARKER, "m"),
    ]


def test_a_part_number_is_given_once() -> None:
    """Of a number that was sent again the last one named counts."""
    body = (
        "<ListPartsResult><Part><PartNumber>2</PartNumber><ETag>x</ETag><Size>5</Size></Part>"
        "<Part><PartNumber>1</PartNumber><ETag>old</ETag><Size>5</Size></Part>"
        "<Part><PartNumber>1</PartNumber><ETag>new</ETag><Size>6</Size><ChecksumSHA256>AAEC</ChecksumSHA256></Part>"
        "<IsTruncated>false</IsTruncated></ListPartsResult>"
    )
    found = list(s3_lists.parts(Scripted(body), Key("k"), UploadId("u")))  # type: ignore[arg-type]
    assert [(one.number, one.etag, one.size) for one in found] == [(1, ETag("new"), 6), (2, ETag("x"), 5)]
    assert [one.sha256 for one in found] == [b"\0\1\2", None]


def uploads(*keys: str, follow: str = "") -> str:
    rows = "".join(f"<Upload><Key>{key}</Key><UploadId>u</UploadId></Upload>" for key in keys)
    markers = f"<NextKeyMarker>{follow}</NextKeyMarker>" if follow else ""
    truncated = str(bool(follow)).lower()
    return (
        f"<ListMultipartUploadsResult>{rows}{markers}"
        f"<IsTruncated>{truncated}</IsTruncated></ListMultipartUploadsResult>"
    )


def test_uploads_of_other_prefixes_are_left_out() -> None:
    """A store that takes the prefix as a hint must not lead a sweep to a neighbour's upload."""
    client = Scripted(uploads("p/a", "q/b", follow="q/b"), uploads("p/c"))
    assert [one.key for one in s3_lists.uploads(client, "p/")] == ["p/a", "p/c"]  # type: ignore[arg-type]


def test_a_listing_of_uploads_that_stands_still_is_refused() -> None:
    """The same marker twice would be asked for ever."""
    client = Scripted(uploads("a", follow="a"), uploads("a", follow="a"))
    with pytest.raises(XmlInvalid):
        list(s3_lists.uploads(client, ""))  # type: ignore[arg-type]
