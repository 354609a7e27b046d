"""Headers: built, taken apart, opened, held to a profile, and given to new readers."""

import hashlib
from itertools import count

import pytest

from migrator.envelope.arithmetic import PADDED_HEADER, header_length
from migrator.envelope.errors import (
    FormatUnsupported,
    HeaderInvalid,
    HeaderTruncated,
    NoMatch,
)
from migrator.envelope.header import (
    MAX_HEADER,
    MAX_PACKETS,
    MAX_PADDING_PACKET,
    MAX_RECIPIENTS,
    MIN_PADDING_PACKET,
    build_header,
    open_header,
    parse_header,
    seal_header,
)
from migrator.envelope.keys import Identity
from migrator.envelope.packets import PacketSealer, frame
from migrator.envelope.policy import Profile, check_foreign, check_strict, rewrap_header

DATA_KEY = bytes(range(32))
WRITER = b"w" * 32


def entropy_from(seed: str):
    """Deterministic bytes that never repeat."""
    calls = count()

    def draw(length: int) -> bytes:
        return hashlib.shake_256(f"{seed}/{next(calls)}".encode()).digest(length)

    return draw


def identity(name: str) -> Identity:
    return Identity.from_private_bytes(hashlib.sha256(name.encode()).digest())


ALICE, BOB, EVE = identity("alice"), identity("bob"), identity("eve")


def build(*readers: Identity, pad_to: int | None = None, seed: str = "s") -> bytes:
    draw = entropy_from(seed)
    return build_header(
        DATA_KEY,
        [reader.recipient() for reader in readers],
        writer_private=draw(32),
        nonces=draw(12 * len(readers)),
        pad_to=pad_to,
        padding_entropy=draw,
    )


def raw_header(*packets: bytes, declared: int | None = None) -> bytes:
    count_field = len(packets) if declared is None else declared
    return b"crypt4gh" + (1).to_bytes(4, "little") + count_field.to_bytes(4, "little") + b"".join(packets)


def packet_of(payload: bytes, nonce: int = 0, reader: Identity = ALICE) -> bytes:
    return frame(PacketSealer(WRITER).seal(payload, reader.recipient(), nonce.to_bytes(12, "big")))


def data_payload(key: bytes, method: int = 0) -> bytes:
    return bytes(4) + method.to_bytes(4, "little") + key


def edit_payload(*lengths: int, declared: int | None = None) -> bytes:
    count_field = len(lengths) if declared is None else declared
    return (
        (1).to_bytes(4, "little")
        + count_field.to_bytes(4, "little")
        + b"".join(n.to_bytes(8, "little") for n in lengths)
    )


@pytest.mark.parametrize("readers", [(ALICE,), (ALICE, BOB), (EVE, BOB, ALICE)])
def test_every_recipient_opens_the_header(readers):
    """Each recipient finds the same one data key in a header of the announced length."""
    header = build(*readers)
    assert len(header) == header_length(len(readers))
    for reader in readers:
        opened = open_header(parse_header(header + b"segments follow"), [reader])
        assert check_strict(opened) == DATA_KEY
        assert opened.length == len(header)


def test_a_stranger_opens_nothing():
    """Without a matching identity there is NoMatch, which ends the command with 12."""
    with pytest.raises(NoMatch) as caught:
        open_header(parse_header(build(ALICE)), [EVE])
    assert caught.value.exit_code == 12
    with pytest.raises(NoMatch):
        open_header(parse_header(build(ALICE)), [])


@pytest.mark.parametrize("readers", [1, 2, 60, MAX_RECIPIENTS])
def test_a_padded_header_has_exactly_the_asked_length(readers):
    """Padding fills to the byte, in packets small enough for htslib's agent, and readers still open."""
    names = [identity(str(n)) for n in range(readers)]
    header = build(*names, pad_to=PADDED_HEADER)
    parsed = parse_header(header)
    assert len(header) == parsed.length == PADDED_HEADER
    padding = [len(packet) + 4 for packet in parsed.packets[readers:]]
    assert min(padding) >= MIN_PADDING_PACKET
    assert max(padding) <= MAX_PADDING_PACKET
    assert check_strict(open_header(parsed, [names[-1]])) == DATA_KEY


def test_padding_to_the_natural_length_adds_nothing():
    """A header that already has the length asked for stays as it is."""
    assert build(ALICE, pad_to=header_length(1)) == build(ALICE)


@pytest.mark.parametrize("room", [-1, 1, MIN_PADDING_PACKET - 1])
def test_padding_that_cannot_fit_is_refused(room):
    """No packet is shorter than the smallest one that every reader passes over."""
    with pytest.raises(ValueError, match="padding"):
        build(ALICE, pad_to=header_length(1) + room)


@pytest.mark.parametrize(
    "change",
    [
        {"data_key": b"short"},
        {"recipients": []},
        {"recipients": [ALICE.recipient(), ALICE.recipient()], "nonces": bytes(24)},
        {"recipients": [ALICE.recipient(), BOB.recipient()], "nonces": bytes(24)},
        {"nonces": bytes(11)},
        {"writer_private": bytes(31)},
        {"pad_to": PADDED_HEADER},
        {"pad_to": PADDED_HEADER, "padding_entropy": lambda n: bytes(n - 1)},
    ],
)
def test_wrong_arguments_are_refused(change):
    """Our own mistakes are ValueError: lengths, repeated recipients or nonces, padding without entropy."""
    arguments = {
        "data_key": DATA_KEY,
        "recipients": [ALICE.recipient()],
        "writer_private": WRITER,
        "nonces": bytes(12),
    } | change
    with pytest.raises(ValueError):
        build_header(**arguments)


def test_every_cut_header_says_how_much_it_needs():
    """A reader that follows `needed` gets to the whole header, growing every time and never past its end."""
    header = build(ALICE, BOB, EVE)
    for cut in range(len(header)):
        with pytest.raises(HeaderTruncated) as caught:
            parse_header(header[:cut])
        assert cut < caught.value.needed <= len(header)


@pytest.mark.parametrize(
    "hostile",
    [
        b"not an encrypted object at all",
        raw_header(declared=0),
        raw_header(declared=MAX_PACKETS + 1),
        raw_header(declared=2**32 - 1),
        raw_header(bytes(200), declared=1),
        raw_header((7).to_bytes(4, "little") + bytes(200)),
        raw_header((2**32 - 1).to_bytes(4, "little") + bytes(200)),
        raw_header((MAX_HEADER - 15).to_bytes(4, "little") + bytes(200)),
        raw_header(packet_of(b"")),
        raw_header(packet_of(bytes(8) + b"short key")),
        raw_header(packet_of(edit_payload(1, 2, declared=3))),
        raw_header(packet_of(edit_payload(declared=2**32 - 1))),
        raw_header(packet_of(edit_payload(1)), packet_of(edit_payload(1), nonce=1)),
    ],
)
def test_hostile_headers_are_refused(hostile):
    """Impossible counts and lengths, and packets that open to nonsense, are HeaderInvalid."""
    with pytest.raises(HeaderInvalid) as caught:
        open_header(parse_header(hostile), [ALICE])
    assert not isinstance(caught.value, HeaderTruncated)


def test_a_header_never_asks_for_more_than_the_limit():
    """However a header lies, `needed` stays within MAX_HEADER."""
    for length in (8, 1_000, MAX_HEADER - 16 - 8 * (MAX_PACKETS - 1)):
        with pytest.raises(HeaderTruncated) as caught:
            parse_header(raw_header(length.to_bytes(4, "little"), declared=MAX_PACKETS))
        assert caught.value.needed <= MAX_HEADER


@pytest.mark.parametrize(
    "unsupported",
    [
        build(ALICE)[:8] + (2).to_bytes(4, "little") + build(ALICE)[12:],
        raw_header(packet_of((2).to_bytes(4, "little") + bytes(40))),
        raw_header(packet_of(data_payload(DATA_KEY, method=1))),
    ],
)
def test_unknown_versions_types_and_ciphers_are_named(unsupported):
    """What is well-formed and unknown is FormatUnsupported."""
    with pytest.raises(FormatUnsupported):
        open_header(parse_header(unsupported), [ALICE])


@pytest.mark.parametrize(
    "surplus",
    [
        frame((0x51504651).to_bytes(4, "little") + bytes(1_200)),
        frame(bytes(4)),
        frame(bytes(4) + bytes(32) + bytes(72)),
        frame(bytes(4) + b"\x42" * 104),
        packet_of(data_payload(b"e" * 32), reader=EVE),
    ],
    ids=["unknown method", "too short", "low-order writer", "noise", "somebody else's"],
)
def test_packets_that_do_not_open_are_passed_over(surplus):
    """Packets of other methods, for other readers or made of noise change nothing."""
    header = raw_header(surplus, packet_of(data_payload(DATA_KEY)), surplus)
    assert check_strict(open_header(parse_header(header), [ALICE])) == DATA_KEY


def test_a_padded_packet_opens():
    """The standard allows bytes after the data key within its packet."""
    header = raw_header(packet_of(data_payload(DATA_KEY) + bytes(100)))
    assert check_strict(open_header(parse_header(header), [ALICE])) == DATA_KEY


def test_only_the_foreign_profile_takes_several_data_keys():
    """A second data key in an object of ours means that somebody added a packet."""
    header = raw_header(packet_of(data_payload(DATA_KEY)), packet_of(data_payload(b"2" * 32), nonce=1))
    opened = open_header(parse_header(header), [ALICE])
    assert check_foreign(opened) == (DATA_KEY, b"2" * 32)
    with pytest.raises(HeaderInvalid):
        check_strict(opened)


def test_too_many_foreign_data_keys_are_refused():
    """Work per segment is bounded: sixteen data keys, no more."""
    packets = [packet_of(data_payload(bytes([n]) * 32), nonce=n) for n in range(17)]
    with pytest.raises(HeaderInvalid):
        check_foreign(open_header(parse_header(raw_header(*packets)), [ALICE]))


def test_the_same_data_key_twice_counts_once():
    """Two identities of one person may open the same data key."""
    opened = open_header(parse_header(build(ALICE, BOB)), [BOB, ALICE])
    assert check_strict(opened) == DATA_KEY


def test_edit_lists_are_read_and_refused():
    """No profile reads a file in part."""
    header = raw_header(packet_of(data_payload(DATA_KEY)), packet_of(edit_payload(10, 20), nonce=1))
    opened = open_header(parse_header(header), [ALICE])
    assert opened.edit_list == (10, 20)
    with pytest.raises(HeaderInvalid):
        check_strict(opened)
    with pytest.raises(FormatUnsupported):
        check_foreign(opened)


def test_rewrap_gives_the_data_key_to_the_new_readers_only():
    """After a rewrap the new reader opens the header, the old one does not, and the length can be kept."""
    old = build(ALICE, pad_to=PADDED_HEADER)
    new = rewrap_header(
        old + b"body", [ALICE], [BOB.recipient()], entropy=entropy_from("new"), pad_to=PADDED_HEADER
    )
    assert len(new) == len(old)
    assert check_strict(open_header(parse_header(new), [BOB])) == DATA_KEY
    with pytest.raises(NoMatch):
        open_header(parse_header(new), [ALICE])


def test_rewrap_of_a_foreign_header_keeps_every_data_key():
    """All data keys of a foreign file reach every new reader; the strict profile refuses such a file."""
    keys = (DATA_KEY, b"2" * 32)
    old = seal_header(
        keys,
        [ALICE.recipient()],
        writer_private=WRITER,
        nonces=b"".join(n.to_bytes(12, "big") for n in (1, 2)),
    )
    readers = [BOB.recipient(), EVE.recipient()]
    new = rewrap_header(old, [ALICE], readers, entropy=entropy_from("new"), profile=Profile.FOREIGN)
    for reader in (BOB, EVE):
        assert check_foreign(open_header(parse_header(new), [reader])) == keys
    with pytest.raises(HeaderInvalid):
        rewrap_header(old, [ALICE], readers, entropy=entropy_from("new"))


def test_opened_headers_do_not_show_their_keys():
    """Printing what was opened shows no data key."""
    shown = repr(open_header(parse_header(build(ALICE)), [ALICE]))
    assert "data_keys" not in shown
    assert DATA_KEY.hex() not in shown
