"""For all objects: whatever was sealed opens, and nothing else does."""

import hashlib
import io
import subprocess
import sys
from contextlib import suppress

import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from migrator.envelope.arithmetic import (
    CIPHER_SEGMENT,
    MAX_PLAIN,
    MAX_SEGMENTS,
    PADDED_HEADER,
    SEGMENT,
    body_length,
    header_length,
    plain_length,
    segment_count,
    segment_offset,
)
from migrator.envelope.errors import EnvelopeError, SegmentInvalid
from migrator.envelope.header import build_header, open_header, parse_header
from migrator.envelope.keys import Identity
from migrator.envelope.policy import check_foreign
from migrator.envelope.segments import nonce_for, open_foreign_into, open_into, seal_into

KEY = hashlib.sha256(b"data key").digest()
CIPHER = ChaCha20Poly1305(KEY)
READER = Identity.from_private_bytes(hashlib.sha256(b"reader").digest())
SLOW = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])

EDGES = st.sampled_from([0, 1, SEGMENT - 1, SEGMENT, SEGMENT + 1, 2 * SEGMENT, 3 * SEGMENT + 5])
SIZES = EDGES | st.integers(0, 4 * SEGMENT)
CUTS = st.lists(st.integers(1, 4), max_size=3)


def content(size: int) -> bytes:
    return hashlib.shake_256(b"plain").digest(size)


def prefix(part: int) -> bytes:
    return hashlib.sha256(f"part {part}".encode()).digest()[:6]


def seal(plain: bytes, cuts: list[int] = (), first: int = 0) -> bytes:
    """Seal in parts of the given numbers of segments, the rest in the last part."""
    out = bytearray()
    index, at = first, 0
    for number, segments in enumerate(cuts):
        piece = plain[at : at + segments * SEGMENT]
        if len(piece) < segments * SEGMENT or at + len(piece) == len(plain):
            break
        out += seal_part(piece, index, number, last=False)
        at, index = at + len(piece), index + segments
    return bytes(out + seal_part(plain[at:], index, 99, last=True))


def seal_part(piece: bytes, index: int, number: int, *, last: bool) -> bytes:
    room = bytearray(body_length(len(piece)))
    assert seal_into(CIPHER, prefix(number), index, memoryview(piece), memoryview(room), last=last) == len(
        room
    )
    return bytes(room)


def unseal(body: bytes, cuts: list[int] = (), **options) -> bytes:
    """Open in slices of the given numbers of segments, the rest in the last slice."""
    out, index, at = bytearray(), 0, 0
    for segments in cuts:
        if at + segments * CIPHER_SEGMENT >= len(body):
            break
        out += open_part(body[at : at + segments * CIPHER_SEGMENT], index, last=False, **options)
        at, index = at + segments * CIPHER_SEGMENT, index + segments
    return bytes(out + open_part(body[at:], index, last=True, **options))


def open_part(sealed: bytes, index: int, *, last: bool, **options) -> bytes:
    room = bytearray(len(sealed))
    found = open_into(CIPHER, index, memoryview(sealed), memoryview(room), last=last, **options)
    return bytes(room[: found.written])


def segments_of(body: bytes) -> list[bytes]:
    return [body[at : at + CIPHER_SEGMENT] for at in range(0, len(body), CIPHER_SEGMENT)]


@given(st.integers(0, MAX_PLAIN) | SIZES)
def test_lengths_invert(plain):
    """Every plaintext length comes back from its body length, and an object is header plus body."""
    body = body_length(plain)
    assert plain_length(body) == plain
    assert body == plain + 28 * segment_count(plain)
    assert segment_offset(header_length(1), segment_count(plain)) - 124 >= body


@given(st.integers(-3, 5 * CIPHER_SEGMENT))
def test_impossible_body_lengths_are_refused(body):
    """A body ends neither inside a nonce and tag nor right after them."""
    impossible = body < 0 or 1 <= body % CIPHER_SEGMENT <= 28
    if impossible:
        with pytest.raises(SegmentInvalid):
            plain_length(body)
    else:
        assert body_length(plain_length(body)) == body


def test_limits_are_held():
    """Beyond 2**47 segments there is no index left."""
    assert plain_length(body_length(MAX_PLAIN)) == MAX_PLAIN
    with pytest.raises(SegmentInvalid):
        plain_length(body_length(MAX_PLAIN) + 29)
    for wrong in (-1, MAX_PLAIN + 1):
        with pytest.raises(ValueError):
            body_length(wrong)
    with pytest.raises(ValueError):
        header_length(0)
    for bad in (bytes(5), 0), (bytes(6), -1), (bytes(6), MAX_SEGMENTS):
        with pytest.raises(ValueError):
            nonce_for(*bad, last=False)


@SLOW
@given(SIZES, CUTS, CUTS)
def test_what_was_sealed_opens_in_any_slicing(size, sealing, opening):
    """Parts sealed in one slicing open in another, and the length is the announced one."""
    plain = content(size)
    body = seal(plain, sealing)
    assert len(body) == body_length(size)
    assert unseal(body, opening) == plain


@SLOW
@given(st.integers(1, 2 * SEGMENT + 9), CUTS, st.integers(0), st.integers(0, 7))
@example(1, [], 0, 0)
def test_a_flipped_bit_is_refused(size, cuts, position, bit):
    """Whichever bit of the body is flipped, in a nonce, in data or in a tag, the object does not open."""
    body = bytearray(seal(content(size), cuts))
    body[position % len(body)] ^= 1 << bit
    with pytest.raises(SegmentInvalid):
        unseal(bytes(body))


@SLOW
@given(st.integers(0, 2 * SEGMENT + 9), st.integers(1))
def test_a_cut_tail_is_refused(size, cut):
    """Losing any number of bytes from the end is noticed, as long as one segment is left to say so."""
    body = seal(content(size))
    kept = len(body) - cut % (len(body) + 1)
    assume(0 < kept < len(body))
    with pytest.raises(SegmentInvalid):
        unseal(body[:kept])


@SLOW
@given(st.sampled_from([1, SEGMENT, SEGMENT + 7, 3 * SEGMENT]), st.binary(min_size=1, max_size=40))
def test_surplus_bytes_are_refused(size, surplus):
    """Bytes after the last segment are noticed."""
    with pytest.raises(SegmentInvalid):
        unseal(seal(content(size)) + surplus)


@SLOW
@given(st.lists(st.integers(0, 3), max_size=6), CUTS, CUTS)
@example([1, 0, 2, 3], [], [])
@example([0, 1, 1, 2, 3], [1, 1], [])
@example([0, 2, 3], [], [])
@example([0, 1, 2, 3, 3], [], [4])
def test_any_other_order_of_segments_is_refused(order, sealing, opening):
    """Swapped, repeated, missing and surplus segments are refused, within a part and across parts."""
    assume(order and order != [0, 1, 2, 3])
    pieces = segments_of(seal(content(3 * SEGMENT + 100), sealing))
    with pytest.raises(SegmentInvalid):
        unseal(b"".join(pieces[at] for at in order), opening)


def test_a_last_segment_may_stand_nowhere_else():
    """The mark of the last segment is refused before the end, and its absence at the end."""
    whole = content(SEGMENT)
    with pytest.raises(SegmentInvalid):
        open_part(seal_part(whole, 0, 0, last=True), 0, last=False)
    with pytest.raises(SegmentInvalid):
        open_part(seal_part(whole, 0, 0, last=False), 0, last=True)


def test_a_part_does_not_end_within_a_segment():
    """A slice of an object that is not its last ends where a segment ends."""
    with pytest.raises(SegmentInvalid):
        open_part(seal_part(content(SEGMENT), 0, 0, last=False)[:-1], 0, last=False)


def test_an_empty_object_has_no_segments():
    """Nothing seals to nothing; at any other index an empty end means that the tail was cut."""
    assert seal(b"") == b""
    assert unseal(b"") == b""
    assert open_part(b"", 5, last=False) == b""
    with pytest.raises(SegmentInvalid):
        open_part(b"", 1, last=True)


def test_prefixes_are_reported_and_held_to_the_record():
    """Runs of prefixes come back in order; against the recorded one another attempt is refused."""
    attempt, other = (seal_part(content(2 * SEGMENT), 0, number, last=False) for number in (1, 2))
    room = bytearray(2 * SEGMENT)

    def prefixes(sealed: bytes, **options) -> tuple[bytes, ...]:
        found = open_into(CIPHER, 0, memoryview(sealed), memoryview(room), last=False, **options)
        return found.prefixes

    mixed = attempt[:CIPHER_SEGMENT] + other[CIPHER_SEGMENT:]
    assert prefixes(attempt) == prefixes(attempt, prefix=prefix(1)) == (prefix(1),)
    assert prefixes(mixed) == (prefix(1), prefix(2))
    for wrong in (mixed, other):
        with pytest.raises(SegmentInvalid):
            prefixes(wrong, prefix=prefix(1))


def test_unauthenticated_plaintext_is_wiped():
    """After a bad tag the output holds zeros where the segment would have stood."""
    body = bytearray(seal(content(1_000)))
    body[-1] ^= 1
    room = bytearray(b"\xaa" * 1_000)
    with pytest.raises(SegmentInvalid):
        open_into(CIPHER, 0, memoryview(body), memoryview(room), last=True)
    assert room == bytes(1_000)
    room[:] = b"\xaa" * 1_000
    with pytest.raises(SegmentInvalid):
        open_foreign_into([CIPHER], memoryview(body), memoryview(room))
    assert room == bytes(1_000)


def test_every_failure_says_the_same():
    """A forger does not learn from the message which check caught him."""
    body = seal(content(SEGMENT + 9))
    damaged = [body[:-1], body[CIPHER_SEGMENT:], body[:CIPHER_SEGMENT], body[:-1] + b"?", body[:10]]
    messages = set()
    for wrong in damaged:
        with pytest.raises(SegmentInvalid) as caught:
            unseal(wrong)
        messages.add((str(caught.value), caught.value.hint, caught.value.__cause__))
    assert len(messages) == 1


@pytest.mark.parametrize(
    ("size", "index", "room", "last"),
    [(10, 0, 38, False), (0, 3, 38, True), (10, 0, 37, True), (SEGMENT, MAX_SEGMENTS, CIPHER_SEGMENT, True)],
)
def test_wrong_sealing_is_our_own_mistake(size, index, room, last):
    """Short parts, an empty last part, small buffers and indices without end are ValueError."""
    with pytest.raises(ValueError):
        seal_into(CIPHER, bytes(6), index, memoryview(bytes(size)), memoryview(bytearray(room)), last=last)


def test_wrong_opening_is_our_own_mistake():
    """Small buffers, negative indices and no data key are ValueError."""
    body = memoryview(seal(b"text"))
    with pytest.raises(ValueError):
        open_into(CIPHER, 0, body, memoryview(bytearray(3)), last=True)
    with pytest.raises(ValueError):
        open_into(CIPHER, -1, body, memoryview(bytearray(4)), last=True)
    with pytest.raises(ValueError):
        open_into(CIPHER, MAX_SEGMENTS, body, memoryview(bytearray(4)), last=True)
    with pytest.raises(ValueError):
        open_foreign_into([], body, memoryview(bytearray(4)))


@SLOW
@given(st.lists(st.booleans(), min_size=1, max_size=4))
def test_foreign_segments_open_with_whichever_data_key_fits(choice):
    """Segments of a spliced file may each be under another data key."""
    other = ChaCha20Poly1305(bytes(32))
    plain = content(len(choice) * SEGMENT - 5)
    body = b"".join(
        bytes([rank] * 12)
        + (other if second else CIPHER).encrypt(
            bytes([rank] * 12), plain[rank * SEGMENT : (rank + 1) * SEGMENT], None
        )
        for rank, second in enumerate(choice)
    )
    room = bytearray(len(plain))
    assert open_foreign_into([CIPHER, other], memoryview(body), memoryview(room)) == len(plain)
    assert room == plain
    if any(choice):
        with pytest.raises(SegmentInvalid):
            open_foreign_into([CIPHER], memoryview(body), memoryview(room))


@settings(deadline=None)
@given(st.binary(max_size=400) | st.binary(max_size=400).map(lambda tail: b"crypt4gh\1\0\0\0" + tail))
def test_no_bytes_crash_the_header_reader(data):
    """Arbitrary bytes are a header or an EnvelopeError, nothing else."""
    with suppress(EnvelopeError):
        open_header(parse_header(data), [READER])


@settings(deadline=None)
@given(st.integers(0, 123), st.integers(0, 7))
def test_a_flipped_bit_in_a_header_gives_no_other_data_key(position, bit):
    """A damaged header either fails or still gives the data key that was sealed."""
    header = bytearray(header_for(None))
    header[position] ^= 1 << bit
    with suppress(EnvelopeError):
        assert open_header(parse_header(header), [READER]).data_keys == (KEY,)


def header_for(pad_to: int | None) -> bytes:
    return build_header(
        KEY,
        [READER.recipient()],
        writer_private=b"w" * 32,
        nonces=b"n" * 12,
        pad_to=pad_to,
        padding_entropy=hashlib.shake_256(b"padding").digest,
    )


@pytest.mark.parametrize("pad_to", [None, PADDED_HEADER])
@pytest.mark.parametrize("size", [0, 1, SEGMENT, 3 * SEGMENT + 5])
def test_the_reference_tool_decrypts_our_objects(tmp_path, size, pad_to):
    """`crypt4gh decrypt` opens what we sealed, with a padded header and without."""
    key_file = tmp_path / "reader.sec"
    key_file.write_text(READER.to_private_file(passphrase=b"pass", salt=bytes(16), nonce=bytes(12)))
    shown = subprocess.run(
        [sys.executable, "-m", "crypt4gh", "decrypt", "--sk", str(key_file)],
        input=header_for(pad_to) + seal(content(size), [1, 1]),
        capture_output=True,
        check=True,
        env={"C4GH_PASSPHRASE": "pass"},
    )
    assert shown.stdout == content(size)


@pytest.mark.parametrize("size", [0, 1, SEGMENT, 3 * SEGMENT + 5])
def test_objects_of_the_reference_tool_open_here(size):
    """The foreign reader opens what the reference library encrypted; the strict reader refuses its order."""
    from crypt4gh import lib

    sealed = io.BytesIO()
    lib.encrypt([(0, b"w" * 32, READER.public)], io.BytesIO(content(size)), sealed)
    header = parse_header(sealed.getvalue())
    keys = check_foreign(open_header(header, [READER]))
    body = sealed.getvalue()[header.length :]
    room = bytearray(plain_length(len(body)))
    ciphers = [ChaCha20Poly1305(key) for key in keys]
    assert open_foreign_into(ciphers, memoryview(body), memoryview(room)) == size
    assert room == content(size)
    if size:
        with pytest.raises(SegmentInvalid):
            open_into(ciphers[0], 0, memoryview(body), memoryview(room), last=True)
