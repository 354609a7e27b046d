"""The Azure driver's pure parts: names, block ids, signing, XML, headers, error classes."""

import base64
import hmac
import http.client
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

import obstore.exceptions
import pytest
import urllib3.exceptions
from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError
from hypothesis import given
from hypothesis import strategies as st

from providers import errors
from providers.drivers.azure_auth import (
    BearerSigner,
    SasSigner,
    SharedKeySigner,
    header_rank,
    open_signer,
    string_to_sign,
)
from providers.drivers.azure_blob import AzureBlobDriver
from providers.drivers.azure_blocks import STAMP, aborted_attempt, block_id, parse_block_id
from providers.drivers.azure_errors import classify, translate
from providers.drivers.azure_fast import AzureFast
from providers.drivers.azure_http import AzureFailure, AzureHttp, error_code
from providers.drivers.azure_meta import (
    attribute_headers,
    extra_from_entry,
    meta_from_entry,
    meta_from_headers,
)
from providers.drivers.azure_settings import AZURE_BLOB, AzureSettings, attribute_reasons, key_reason
from providers.drivers.azure_xml import parse_block_list, parse_list, parse_tags, write_block_list
from providers.drivers.obstore_keys import round_trips
from providers.model import Attributes, Key, Kind, PutOptions
from providers.secrets import Secret

SETTINGS = AzureSettings(container="c", account="acc", account_key=Secret("a2V5"))
LISTING = b"""<?xml version="1.0" encoding="utf-8"?><EnumerationResults><Blobs>
<Blob><Name>a b</Name><Properties><Last-Modified>Sat, 21 Nov 2026 10:00:00 GMT</Last-Modified><Etag>0x1</Etag>
<Content-Length>5</Content-Length><Content-MD5>AAAA</Content-MD5><BlobType>BlockBlob</BlobType>
<AccessTier>Hot</AccessTier></Properties></Blob>
<Blob><Name Encoded="true">a%EF%BF%BEb</Name>
<Properties><Content-Length>0</Content-Length></Properties></Blob>
<Blob><Name>app</Name><Properties><BlobType>AppendBlob</BlobType></Properties></Blob>
<Blob><Name>page</Name><Properties><BlobType>PageBlob</BlobType></Properties></Blob>
<Blob><Name>cold</Name><Properties><BlobType>BlockBlob</BlobType>
<AccessTier>Archive</AccessTier></Properties></Blob>
<Blob><Name>cpk</Name>
<Properties><CustomerProvidedKeySha256>x</CustomerProvidedKeySha256></Properties></Blob>
<Blob><Name>dir</Name><Properties><BlobType>BlockBlob</BlobType></Properties>
<Metadata><hdi_isfolder>true</hdi_isfolder></Metadata></Blob>
<Blob><Name>dir2</Name><Properties><ResourceType>directory</ResourceType></Properties></Blob>
<Blob><Name>s</Name><Snapshot>2026-01-01</Snapshot>
<Properties><Content-Length>3</Content-Length></Properties></Blob>
<Blob><Name>v</Name><VersionId>v1</VersionId><Properties/></Blob>
<Blob><Name>v</Name><VersionId>v2</VersionId><IsCurrentVersion>true</IsCurrentVersion><Properties/></Blob>
<Blob><Name>gone</Name><Deleted>true</Deleted><Properties/></Blob>
</Blobs><NextMarker>next!</NextMarker></EnumerationResults>"""


def test_a_listing_tells_every_kind_apart():
    """Each blob of a listing gets the kind that decides whether it can be read."""
    entries, marker = parse_list(LISTING)
    kinds = [meta_from_entry(entry).kind for entry in entries[:8]]
    assert marker == "next!"
    assert kinds == [
        Kind.OBJECT,
        Kind.OBJECT,
        Kind.APPEND_BLOB,
        Kind.PAGE_BLOB,
        Kind.ARCHIVED,
        Kind.CUSTOMER_KEY,
        Kind.DIRECTORY,
        Kind.DIRECTORY,
    ]


def test_a_listed_blob_equals_the_same_blob_by_head():
    """Etag, time and MD5 are spelt alike whether a listing or a HEAD told them, so that pins compare."""
    listed = meta_from_entry(parse_list(LISTING)[0][0])
    headers = {
        "ETag": '"0x1"',
        "Last-Modified": "Sat, 21 Nov 2026 10:00:00 GMT",
        "Content-MD5": "AAAA",
        "x-ms-blob-type": "BlockBlob",
    }
    seen = meta_from_headers(Key("a b"), headers, 5)
    assert listed.pin == seen.pin
    assert listed.claims == seen.claims
    assert listed.modified_at == seen.modified_at == datetime(2026, 11, 21, 10, tzinfo=UTC)


def test_an_encoded_name_is_decoded():
    """A name that XML cannot carry arrives as it is stored."""
    assert parse_list(LISTING)[0][1].name == "a\ufffeb"


def test_extras_are_all_that_is_not_current():
    """Snapshots, older versions and deleted blobs are extras; current blobs are not."""
    extras = [extra_from_entry(entry) for entry in parse_list(LISTING)[0]]
    assert extras[:8] == [None] * 8
    found = [(extra.kind, extra.version) if extra else None for extra in extras[8:]]
    assert found == [
        (Kind.SNAPSHOT, "2026-01-01"),
        (Kind.NONCURRENT_VERSION, "v1"),
        None,
        (Kind.SOFT_DELETED, None),
    ]


@given(st.text("0123456789abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=32), st.integers(1, 50_000))
def test_a_block_id_carries_attempt_and_number(attempt, number):
    """Block ids are read back exactly and all have one length, which the service demands."""
    name = block_id(attempt, number)
    assert parse_block_id(name) == (attempt, number)
    assert len(name) == len(block_id("x", 1))
    assert len(base64.b64decode(name)) <= 64


@pytest.mark.parametrize(
    "name", ["", "//4xMg==", "AAAA", "not base64!", base64.b64encode(b"havre:A:1").decode()]
)
def test_another_programs_block_id_is_not_ours(name):
    """Ids of any other shape are foreign."""
    assert parse_block_id(name) is None


@pytest.mark.parametrize("attempt", ["", "A", "a b", "x" * 33, "//4xMg=="])
def test_an_attempt_of_another_shape_is_no_upload(attempt):
    """An upload id that this driver cannot have given is UploadLost."""
    with pytest.raises(errors.UploadLost):
        block_id(attempt, 1)


def test_an_unfinished_abort_is_recognised():
    """The stamp of a blob that an abort left names the attempt; an ordinary stamp does not."""
    assert aborted_attempt({STAMP: "aborted-k3"}) == "k3"
    assert aborted_attempt({"havre_stamp": "aborted-k3"}) == "k3"
    assert aborted_attempt({STAMP: "k3"}) is None
    assert aborted_attempt({}) is None


def test_block_lists_are_written_and_read():
    """Put Block List takes staged blocks only, in the given order; Get Block List keeps both halves apart."""
    assert b"<Uncommitted>a=</Uncommitted><Uncommitted>b=</Uncommitted>" in write_block_list(["a=", "b="])
    blocks = parse_block_list(
        b"<BlockList><CommittedBlocks><Block><Name>a</Name><Size>1</Size></Block></CommittedBlocks>"
        b"<UncommittedBlocks><Block><Name>b</Name><Size>2</Size></Block></UncommittedBlocks></BlockList>"
    )
    assert [(block.name, block.size) for block in blocks.committed] == [("a", 1)]
    assert [(block.name, block.size) for block in blocks.uncommitted] == [("b", 2)]


def test_tags_are_read():
    """Tag pairs come from the TagSet."""
    assert parse_tags(b"<Tags><TagSet><Tag><Key>k</Key><Value>v</Value></Tag></TagSet></Tags>") == {"k": "v"}


def test_the_text_to_sign_follows_the_reference():
    """The string to sign of a ranged, conditional GET has the reference's fields in their places."""
    headers = {"x-ms-version": "2024-11-04", "x-ms-date": "D", "If-Match": '"e"', "Range": "bytes=0-1"}
    text = string_to_sign("acc", "GET", "/c/a%20b", (("versionid", "v"), ("comp", "x")), headers)
    assert text.split("\n") == [
        *("GET", "", "", "", "", "", "", "", '"e"', "", "", "bytes=0-1"),
        *("x-ms-date:D", "x-ms-version:2024-11-04"),
        *("/acc/c/a%20b", "comp:x", "versionid:v"),
    ]


def test_an_empty_body_is_signed_without_its_length():
    """Content-Length 0 is an empty field, as every version since 2015 wants it."""
    assert string_to_sign("a", "PUT", "/", (), {"Content-Length": "0"}) == string_to_sign(
        "a", "PUT", "/", (), {}
    )


def test_headers_are_signed_in_the_services_order():
    """'_' sorts before digits and '-' not at all, unlike code points."""
    names = ["x-ms-meta-a1", "x-ms-meta-a_b", "x-ms-meta-ab"]
    assert sorted(names, key=header_rank) == ["x-ms-meta-a_b", "x-ms-meta-a1", "x-ms-meta-ab"]


def test_a_shared_key_signs_with_hmac():
    """The signature is HMAC-SHA-256 of the text under the decoded key."""
    headers = {"x-ms-date": "D"}
    assert SharedKeySigner("acc", "a2V5").sign("GET", "/c", (), headers) == ""
    assert (
        headers["Authorization"]
        == "SharedKey acc:"
        + base64.b64encode(
            hmac.digest(b"key", string_to_sign("acc", "GET", "/c", (), headers).encode(), "sha256")
        ).decode()
    )


def test_a_signature_goes_into_the_query():
    """A SAS is appended as it is, without its question mark."""
    assert SasSigner("?sv=1&sig=x").sign("GET", "/c", (), {}) == "sv=1&sig=x"


def test_a_token_is_renewed_before_it_ends():
    """A token is asked for once while it lasts, and again when less than five minutes remain."""
    ends = iter([4_000_000_000, 0, 4_000_000_000])
    calls = []

    def get_token(scope):
        calls.append(scope)
        return SimpleNamespace(token=f"t{len(calls)}", expires_on=next(ends))

    signer = BearerSigner(SimpleNamespace(get_token=get_token))
    headers = {}
    signer.sign("GET", "/c", (), headers)
    signer.sign("GET", "/c", (), headers)
    assert headers["Authorization"] == "Bearer t1"
    assert calls == ["https://storage.azure.com/.default"]
    late = BearerSigner(SimpleNamespace(get_token=get_token))
    late.sign("GET", "/c", (), headers)
    late.sign("GET", "/c", (), headers)
    assert headers["Authorization"] == "Bearer t3"


@pytest.mark.parametrize(
    "settings",
    [
        AzureSettings(container="c", account="a", account_key=Secret("not base64!")),
        AzureSettings(container="c", account="a", account_key=Secret("a2V5"), sas=Secret("s")),
        AzureSettings(container="c", account="a", endpoint="http://127.0.0.1:1/a"),
    ],
    ids=["no base64", "key and sas", "token over http"],
)
def test_credentials_that_make_no_sense_are_refused(settings):
    """Such settings are ConfigInvalid before any request."""
    with pytest.raises(errors.ConfigInvalid):
        open_signer(settings)


def test_no_secret_shows_in_settings():
    """Settings print without the key and the signature."""
    text = repr(AzureSettings(container="c", account="a", account_key=Secret("TOPKEY"), sas=Secret("TOPSAS")))
    assert "TOP" not in text


@pytest.mark.parametrize(
    "key",
    ["", "a/../b", "./a", "a\\b", "a\nb", "a\x7fb", "a\x85b", "x" * 1025, "a/" * 254 + "b", "a.", "\ud800"],
)
def test_keys_that_azure_cannot_hold_are_refused(key):
    """The reason never quotes the key."""
    reason = key_reason(key, AZURE_BLOB)
    assert reason
    assert not key or key not in reason


@pytest.mark.parametrize(
    "key", ["a", "a b/é", "/a", "a//b", "a/", "é" * 1024, "a/" * 253 + "b", "%2F?#&+", ".a", "a.b"]
)
def test_keys_that_azure_holds_are_taken(key):
    """Slashes anywhere, any printable character and 1,024 characters are fine."""
    assert key_reason(key, AZURE_BLOB) is None


@pytest.mark.parametrize("key", ["", "/a", "a/", "a//b", "./a", "a/..", "a\\b", "a\nb", "a\xa0b"])
def test_obstore_is_kept_from_keys_it_changes(key):
    """Keys that obstore's path type strips, refuses or may change go another way."""
    assert not round_trips(key)


@pytest.mark.parametrize("key", ["a", "a b/é.c", "q?%2F#&+", "..a", "a.", "日本/x"])
def test_obstore_gets_ordinary_keys(key):
    """Keys that came back unchanged from a real round trip are allowed."""
    assert round_trips(key)


def test_obstore_is_kept_from_metadata_it_signs_wrongly():
    """Names in which '_' stands against a digit are sorted otherwise, which breaks the signature."""
    fast = AzureFast(SETTINGS, open_signer(SETTINGS))
    assert fast.can_put(Key("a"), Attributes(metadata={"havre_stamp": "1", "Other": "2"}))
    assert not fast.can_put(Key("a"), Attributes(metadata={"a1": "1", "a_b": "2"}))
    assert not fast.can_put(Key("a/"), Attributes())


def test_attributes_that_travel_give_no_reason():
    """Ordinary headers, metadata and tags pass."""
    attributes = Attributes(content_type="text/plain", metadata={"a_1": "x y"}, tags={"k": "v/1", "e": ""})
    assert attribute_reasons(attributes) == []


@pytest.mark.parametrize(
    "attributes",
    [
        Attributes(metadata={"a-b": "x"}),
        Attributes(metadata={"1a": "x"}),
        Attributes(metadata={"a": "x", "A": "y"}),
        Attributes(metadata={"a": "é"}),
        Attributes(metadata={"a": " x"}),
        Attributes(metadata={"a": ""}),
        Attributes(metadata={"a": "x" * 8192}),
        Attributes(content_disposition="é"),
        Attributes(content_type="a\r\nb"),
        Attributes(tags={str(number): "" for number in range(11)}),
        Attributes(tags={"": "x"}),
        Attributes(tags={"k": "x" * 257}),
        Attributes(tags={"k": "é"}),
    ],
)
def test_attributes_that_do_not_travel_give_one_reason(attributes):
    """Each thing that Azure refuses or changes is said in a sentence."""
    assert len(attribute_reasons(attributes)) == 1


def test_options_become_headers():
    """Attributes, tags and the condition have their headers; metadata names are in lower case."""
    options = PutOptions(
        attributes=Attributes(content_type="t", cache_control="c", metadata={"Ab": "1"}, tags={"k": "a b"}),
        if_absent=True,
    )
    assert attribute_headers(options) == {
        "x-ms-blob-content-type": "t",
        "x-ms-blob-cache-control": "c",
        "x-ms-meta-ab": "1",
        "x-ms-tags": "k=a+b",
        "If-None-Match": "*",
    }


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (404, "BlobNotFound", errors.NotFound),
        (404, "", errors.NotFound),
        (409, "BlobAlreadyExists", errors.AlreadyExists),
        (412, "ConditionNotMet", errors.ConditionFailed),
        (403, "AuthenticationFailed", errors.Unauthenticated),
        (403, "AuthorizationFailure", errors.PermissionDenied),
        (403, "AuthorizationPermissionMismatch", errors.PermissionDenied),
        (400, "InvalidBlockList", errors.UploadLost),
        (400, "Md5Mismatch", errors.ChecksumRefused),
        (400, "Crc64Mismatch", errors.ChecksumRefused),
        (416, "InvalidRange", errors.RangeInvalid),
        (503, "ServerBusy", errors.Throttled),
        (429, "", errors.Throttled),
        (500, "OperationTimedOut", errors.Unavailable),
        (502, "", errors.Unavailable),
        (409, "BlobArchived", errors.Unsupported),
        (409, "SnapshotsPresent", errors.Unsupported),
        (501, "APINotImplemented", errors.Unsupported),
        (400, "InvalidUri", errors.KeyRefused),
        (418, "Teapot", errors.Unexpected),
    ],
)
def test_service_answers_have_classes(status, code, kind):
    """The service's code decides, then the status."""
    error = classify(status, code)
    assert type(error) is kind
    assert error.status == status


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (AzureFailure(404, "BlobNotFound"), errors.NotFound),
        (FileNotFoundError("KEY"), errors.NotFound),
        (obstore.exceptions.AlreadyExistsError("KEY"), errors.AlreadyExists),
        (obstore.exceptions.AlreadyExistsError("KEY <Code>BlobArchived</Code>"), errors.Unsupported),
        (obstore.exceptions.PreconditionError("KEY"), errors.ConditionFailed),
        (
            obstore.exceptions.PermissionDeniedError(
                "KEY <Code>AuthorizationFailure</Code> failed to authenticate"
            ),
            errors.Unauthenticated,
        ),
        (obstore.exceptions.GenericError("KEY non-2xx status code: 503 Service"), errors.Throttled),
        (obstore.exceptions.GenericError("KEY non-2xx status code: 502 Bad"), errors.Unavailable),
        (obstore.exceptions.GenericError("KEY operation timed out"), errors.Unavailable),
        (obstore.exceptions.GenericError("KEY invalid peer certificate"), errors.ConfigInvalid),
        (urllib3.exceptions.ProtocolError("KEY", http.client.IncompleteRead(b"")), errors.Truncated),
        (urllib3.exceptions.ProtocolError("KEY", ConnectionResetError()), errors.Unavailable),
        (urllib3.exceptions.SSLError("KEY certificate verify failed"), errors.ConfigInvalid),
        (urllib3.exceptions.SSLError("KEY eof"), errors.Unavailable),
        (urllib3.exceptions.ConnectTimeoutError("KEY"), errors.Unavailable),
        (ClientAuthenticationError("KEY"), errors.Unauthenticated),
        (ServiceRequestError("KEY"), errors.Unavailable),
        (ConnectionResetError("KEY"), errors.Unavailable),
        (ValueError("KEY"), errors.Unexpected),
    ],
)
def test_exceptions_have_classes_and_quiet_messages(raised, kind):
    """Whatever a client raises is classified, and its text does not pass into ours."""
    error = translate(raised)
    assert type(error) is kind
    assert "KEY" not in str(error)


def test_a_classified_error_stays():
    """What a driver has classified already is given back as it is."""
    error = errors.Truncated("x")
    assert translate(error) is error


def test_azurites_refused_signature_is_told_from_a_missing_right():
    """One code serves both at Azurite; the words decide."""
    assert (
        error_code("AuthorizationFailure", "Server failed to authenticate the request.")
        == "AuthenticationFailed"
    )
    assert error_code("AuthorizationFailure", "This request is not authorized") == "AuthorizationFailure"


def test_capabilities_claim_no_check_of_a_callers_digest():
    """Azure takes no SHA-256, so the driver does not say that it verifies one, whatever a profile says."""
    settings = AzureSettings(
        container="c",
        account="a",
        account_key=Secret("a2V5"),
        capabilities=AZURE_BLOB.narrowed(verifies_checksum=True),
    )
    assert not AzureBlobDriver(settings).capabilities.verifies_checksum


def test_a_proxy_of_the_environment_is_used(monkeypatch):
    """HTTPS_PROXY and NO_PROXY hold for requests, as they do for every other client of the site."""
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "near.example")
    far = AzureHttp(SETTINGS, SasSigner("s"))
    near = AzureHttp(replace(SETTINGS, endpoint="https://near.example"), SasSigner("s"))
    assert far.proxy == "http://127.0.0.1:9"
    assert near.proxy is None
