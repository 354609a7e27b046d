"""Time-stamps: asked of an authority that openssl plays, kept only if they hold, and checked by whoever trusts it."""

from __future__ import annotations

import hashlib
import random
import threading
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from migrator.errors import EvidenceInvalid, TimestampFailed, UsageError
from migrator.evidence.authority import check_url, request_timestamp
from migrator.evidence.check import check_bundle
from migrator.evidence.timestamp import MAX_RESPONSE, read_authorities, verify_timestamp
from support.evidence import NOW, bundle_of, second_verifier, signers
from support.require import require_server
from support.tsa import Authority, serving

SECOND = second_verifier()
STAMPED = b'{"payload":"..."}\n'


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """An authority whose certificate is valid now."""
    require_server("openssl")
    return Authority(tmp_path_factory.mktemp("authority") / "good")


@pytest.fixture(scope="module")
def roots(authority):
    """What a reader trusts of it."""
    return read_authorities(authority.root.read_bytes())


@pytest.fixture(scope="module")
def stamped_bundle(authority, roots, tmp_path_factory):
    """A bundle with a time-stamp, and who signed it."""
    signing, seen = signers(), []

    def stamp(data):
        seen.append(data)
        with serving(lambda handler, query: handler.send(authority.answer(query))) as url:
            return request_timestamp(url, data, roots)[0]

    folder = bundle_of(tmp_path_factory.mktemp("stamped"), signing, stamp=stamp)
    assert seen == [(folder / "statements/transfer.json").read_bytes()]
    return folder, signing


def verdict_of(folder, signing, authorities=(), now=NOW):
    return check_bundle(folder, [s.public for s in signing], now_ms=now, authorities=authorities)


def second_says(folder, signing):
    """Whether the second program holds it for right."""
    keys = [
        {"algorithm": s.public.algorithm, "raw": s.public.public, "valid_until": s.public.valid_until}
        for s in signing
    ]
    check = SECOND.Check(keys, NOW)
    check.bundle(folder)
    return not check.found


def test_what_an_authority_answers_is_kept_and_holds(authority, roots):
    """A right answer is given back with the time and the name that are signed in it."""
    asked = []

    def respond(handler, query):
        asked.append((handler.path, handler.headers["Content-Type"]))
        handler.send(authority.answer(query))

    with serving(respond) as url:
        response, found = request_timestamp(url, STAMPED, roots)
    assert asked == [("/stamp", "application/timestamp-query")]
    assert found.authority == "CN=Authority of tests"
    assert verify_timestamp(response, STAMPED, roots) == found
    with pytest.raises(EvidenceInvalid, match="no time-stamp over"):
        verify_timestamp(response, STAMPED + b" ", roots)


def answers(authority, other):
    """What an authority may do wrong, by name; each gets the handler and the request."""
    return {
        "wrong imprint": (lambda h, _: h.send(authority.answer_about(b"other")), "no time-stamp over"),
        "wrong nonce": (lambda h, _: h.send(authority.answer_about(STAMPED)), "another request"),
        "unknown root": (lambda h, q: h.send(other.answer(q)), "does not hold"),
        "refusal": (lambda h, _: h.send(bytes.fromhex("30053003020102")), "cannot be used"),
        "garbage": (lambda h, _: h.send(b"<html>" * 20), "cannot be used"),
        "nothing": (lambda h, _: h.send(b""), "cannot be used"),
        "error": (lambda h, _: h.send(b"no", 500), "status 500"),
        "redirect": (lambda h, _: h.send(b"", 307, Location="http://127.0.0.1:1/"), "not followed"),
        "huge": (lambda h, _: h.send(bytes(MAX_RESPONSE + 1)), "more than"),
        "no http": (lambda h, _: h.wfile.write(b"SSH-2.0-x\r\n\r\n"), "no HTTP"),
        "cut off": (lambda h, q: h.send(authority.answer(q)[:-1]), "cannot be used"),
    }


@pytest.mark.parametrize(
    "what",
    [
        "wrong imprint", "wrong nonce", "unknown root", "refusal", "garbage", "nothing", "error", "redirect", "huge",
        "no http", "cut off",
    ],
)  # fmt: skip
def test_an_answer_that_does_not_hold_is_not_kept(authority, roots, tmp_path, what):
    """Each wrong answer is one sentence, and no bundle is left of it."""
    respond, match = answers(authority, Authority(tmp_path / "other"))[what]
    with serving(respond) as url:
        with pytest.raises(TimestampFailed, match=match):
            request_timestamp(url, STAMPED, roots)
        with pytest.raises(TimestampFailed):
            bundle_of(tmp_path, signers(), stamp=lambda data: request_timestamp(url, data, roots)[0])
    assert {path.name for path in tmp_path.iterdir() if not path.name.startswith("ledger")} == {"other"}


def test_an_answer_that_comes_drop_by_drop_ends(roots):
    """The whole exchange has one time, however little each wait takes."""
    done = threading.Event()

    def drip(handler, _):
        handler.send_response(200)
        handler.end_headers()
        while not done.wait(0.01):
            handler.wfile.write(b"0")

    with serving(drip) as url, pytest.raises(TimestampFailed, match="too long"):
        request_timestamp(url, STAMPED, roots, seconds=0.3)
    done.set()


def test_an_authority_that_says_nothing_or_is_not_there_is_named(roots):
    """No answer is an error that names the host."""
    done = threading.Event()
    with serving(lambda _handler, _query: done.wait(30)) as url:
        with pytest.raises(TimestampFailed, match=r"127\.0\.0\.1 gave no answer: it took too long"):
            request_timestamp(url, STAMPED, roots, seconds=0.2)
        done.set()
    with pytest.raises(TimestampFailed, match=r"127\.0\.0\.1 gave no answer"):
        request_timestamp(url, STAMPED, roots)


def test_a_certificate_must_have_been_valid_when_it_stamped(tmp_path):
    """An authority whose certificate had expired, or was not valid yet, dates nothing."""
    require_server("openssl")
    for number, valid in enumerate(
        (("20200101000000Z", "20210101000000Z"), ("20490101000000Z", "20491231000000Z"))
    ):
        dated = Authority(tmp_path / str(number), valid=valid)
        roots = read_authorities(dated.root.read_bytes())
        with (
            serving(lambda handler, query, dated=dated: handler.send(dated.answer(query))) as url,
            pytest.raises(TimestampFailed, match="does not hold"),
        ):
            request_timestamp(url, STAMPED, roots)


def test_no_other_certificate_lends_a_stamp_its_name(authority, roots):
    """A second certificate with the signer's issuer and number, which anybody can put there, is refused."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.oid.NameOID.COMMON_NAME
    forged = (
        x509.CertificateBuilder(
            issuer_name=x509.Name([x509.NameAttribute(name, "Root of tests")]),
            subject_name=x509.Name([x509.NameAttribute(name, "Somebody else, of a longer name")]),
            public_key=key.public_key(),
            serial_number=7,
            not_valid_before=datetime(2020, 1, 1, tzinfo=UTC),
            not_valid_after=datetime(2090, 1, 1, tzinfo=UTC),
        )
        .add_extension(x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("x" * 50)] * 9), critical=False)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    with pytest.raises(EvidenceInvalid, match="that alone"):
        verify_timestamp(authority.answer_about(STAMPED, beside=forged), STAMPED, roots)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://a/",
        "file:///etc/passwd",
        "http:///x",
        "//a",
        "http://u:p@a/",
        "http://a:99999/",
        "http://a/\n",
        "a",
    ],
)
def test_only_plain_http_addresses_are_asked(url):
    """Another scheme, no host, a password in the address and a line's end are refused before anything is sent."""
    with pytest.raises(UsageError):
        check_url(url)


def test_a_file_without_certificates_is_refused():
    """What is no certificate is not silently nobody's."""
    for pem in (b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", b"hello"):
        with pytest.raises(UsageError):
            read_authorities(pem)


def test_a_bundle_says_when_it_was_stamped(stamped_bundle, authority, roots):
    """With the certificate the time is told; without, that it was not checked; openssl agrees."""
    folder, signing = stamped_bundle
    found = verdict_of(folder, signing, roots)
    assert (found.findings, found.timestamp.authority) == ([], "CN=Authority of tests")
    unchecked = verdict_of(folder, signing)
    assert (unchecked.findings, unchecked.stamped, unchecked.timestamp) == ([], True, None)
    assert second_says(folder, signing)
    assert authority.holds(folder / "timestamp.tsr", folder / "statements/transfer.json")


def test_a_reader_with_a_certificate_misses_a_stamp_that_was_taken_away(roots, tmp_path):
    """Nothing that is signed tells that a bundle was stamped, so only who expects it can miss it."""
    signing = signers()
    folder = bundle_of(tmp_path, signing)
    assert verdict_of(folder, signing).holds
    assert [found.file for found in verdict_of(folder, signing, roots).findings] == ["timestamp.tsr"]


@pytest.mark.parametrize("what", ["empty", "of another bundle", "too long", "imprint"])
def test_a_stamp_that_cannot_be_of_this_bundle_is_refused_by_both(stamped_bundle, authority, what):
    """Without a certificate both programs refuse what is empty, too long or about something else."""
    folder, signing = stamped_bundle
    path = folder / "timestamp.tsr"
    right = path.read_bytes()
    changed = {
        "empty": b"",
        "of another bundle": authority.answer_about(b"other"),
        "too long": right.ljust(MAX_RESPONSE + 1, b"\0"),
        "imprint": right.replace(b"\x04\x20", b"\x04\x20\0", 1),
    }[what]
    if what == "imprint":
        at = right.index(b"\x04\x20") + 5
        changed = right[:at] + bytes([right[at] ^ 1]) + right[at + 1 :]
    try:
        path.write_bytes(changed)
        assert "timestamp.tsr" in {found.file for found in verdict_of(folder, signing).findings}
        assert not second_says(folder, signing)
    finally:
        path.write_bytes(right)


def test_a_stamp_from_another_time_than_the_bundle_is_refused(stamped_bundle, roots):
    """A reader whose clock says that the stamp is yet to come refuses it."""
    folder, signing = stamped_bundle
    at = verdict_of(folder, signing, roots).timestamp.at
    (found,) = [
        f for f in verdict_of(folder, signing, roots, at - 2 * 86_400_000).findings if "tsr" in f.file
    ]
    assert "future" in found.reason


def test_no_bit_of_a_stamp_changes_what_it_says(authority, roots):
    """A response with any bit changed is refused, or says the same of the same bytes."""
    response = authority.answer_about(STAMPED)
    right = verify_timestamp(response, STAMPED, roots)
    choose, unnoticed = random.Random(5), 0
    for at in choose.sample(range(len(response) * 8), 400):
        changed = bytearray(response)
        changed[at // 8] ^= 1 << at % 8
        try:
            assert verify_timestamp(bytes(changed), STAMPED, roots) == right
            unnoticed += 1
        except EvidenceInvalid:
            pass
    assert unnoticed < 40


@given(st.binary(max_size=300), st.integers(0, 300))
def test_garbage_is_refused_in_one_way(noise, at):
    """Whatever comes in place of a response is one kind of error."""
    digest = hashlib.sha256(STAMPED).digest()
    with pytest.raises(EvidenceInvalid):
        verify_timestamp(noise[:at] + digest + noise[at:], STAMPED, ())
