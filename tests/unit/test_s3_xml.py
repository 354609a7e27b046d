"""S3's XML: what is read of it, and what is refused."""

import pytest

from providers.drivers.s3_xml import XmlInvalid, decoder, parse

LISTING = b"""<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><EncodingType>url</EncodingType>
<Contents><Key>a%2Bb+c</Key><Size>3</Size><Owner><ID>someone</ID></Owner><ETag>&#34;x&#34;</ETag></Contents>
<Contents><Key>d</Key><Size>4</Size></Contents><IsTruncated>false</IsTruncated></ListBucketResult>"""


def test_records_and_values_are_told_apart() -> None:
    """Values of the root, fields of each record, and nothing that lies deeper."""
    document = parse(LISTING)
    assert document.root == "ListBucketResult"
    assert document.values["IsTruncated"] == "false"
    assert document.records == [
        ("Contents", {"Key": "a%2Bb+c", "Size": "3", "Owner": "", "ETag": '"x"'}),
        ("Contents", {"Key": "d", "Size": "4"}),
    ]


def test_plus_is_a_space_in_an_encoded_listing() -> None:
    """Stores that encode names write a space as a plus, and a plus as %2B."""
    assert decoder(parse(LISTING))("a%2Bb+c") == "a+b c"


def test_names_stay_as_they_are_without_an_encoding() -> None:
    """Percent signs of a listing that is not encoded belong to the names."""
    plain = parse(LISTING.replace(b"<EncodingType>url</EncodingType>", b""))
    assert decoder(plain)("a%2Bb+c") == "a%2Bb+c"


def test_an_error_is_read() -> None:
    """An error's code is a value of its root."""
    assert parse(b"<Error><Code>NoSuchKey</Code></Error>").values == {"Code": "NoSuchKey"}


BOMB = b'<!DOCTYPE e [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><Error><Code>&b;</Code></Error>'


@pytest.mark.parametrize(
    "body",
    [
        BOMB,
        BOMB.decode().encode("utf-16"),
        b'<!DOCTYPE e SYSTEM "file:///etc/passwd"><Error/>',
        b"<Error><Code>",
        b"<Error></Errer>",
        b"<Error>&undeclared;</Error>",
        b"<Error/>trailing",
        b"",
        b"not xml",
        b"<html><body>Bad gateway<br></body></html>",
        b"<Error>\xff\xfe</Error>",
    ],
)
def test_hostile_or_broken_answers_are_refused(body: bytes) -> None:
    """Entities, document types, cut and foreign answers are one error, and never expanded."""
    with pytest.raises(XmlInvalid):
        parse(body)
