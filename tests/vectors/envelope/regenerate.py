"""Write the vectors of the object format, or with ``--check`` compare them with those that are there.

A vector is a file: lines ``name: value``, an empty line, then the object's bytes. All entropy comes from the
vector's name, so a run always writes the same bytes. A vector that has been released is never changed: a new
behaviour is a new vector.

    expect      success, or the code of the error that a reader ends with
    profile     strict or foreign
    identity    private key of the reader, hexadecimal
    plain       SHA-256 of the plaintext, for ``success``
    established no, where success does not show that the object is whole (nothing but a header is left)
    comment     what the vector is about
"""

import argparse
import hashlib
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[2]))

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305  # noqa: E402

from migrator.envelope.arithmetic import CIPHER_SEGMENT, PADDED_HEADER, SEGMENT, body_length  # noqa: E402
from migrator.envelope.header import seal_header  # noqa: E402
from migrator.envelope.keys import Identity  # noqa: E402
from migrator.envelope.packets import PacketSealer, frame  # noqa: E402
from migrator.envelope.segments import seal_into  # noqa: E402

SUFFIX = ".vector"


def seed(label, length):
    return hashlib.shake_256(f"havre envelope vectors/{label}".encode()).digest(length)


READER = Identity.from_private_bytes(seed("reader", 32))
OTHER = Identity.from_private_bytes(seed("other reader", 32))
KEY = seed("data key", 32)


def header(*readers, pad_to=None, data_keys=(KEY,)):
    count = len(readers) * len(data_keys)
    return seal_header(
        data_keys,
        [reader.recipient() for reader in readers],
        writer_private=seed("writer", 32),
        nonces=seed("nonces", 12 * count),
        pad_to=pad_to,
        padding_entropy=lambda length: seed("padding", length),
    )


def body(plain, *, first=0, last=True, key=KEY, attempt="attempt 1"):
    room = bytearray(body_length(len(plain)))
    prefix = seed(attempt, 6)
    seal_into(ChaCha20Poly1305(key), prefix, first, memoryview(plain), memoryview(room), last=last)
    return bytes(room)


def raw_header(*packets, version=1, count=None):
    declared = len(packets) if count is None else count
    return b"crypt4gh" + version.to_bytes(4, "little") + declared.to_bytes(4, "little") + b"".join(packets)


def packet(payload, number=0):
    nonce = seed(f"packet {number}", 12)
    return frame(PacketSealer(seed("writer", 32)).seal(payload, READER.recipient(), nonce))


def flip(data, at):
    changed = bytearray(data)
    changed[at] ^= 1
    return bytes(changed)


def vectors():
    """Yield (name, fields, object)."""
    text = b"Le Havre, 49.49 N 0.11 E\n"
    two = bytes(SEGMENT) + text
    three = bytes(2 * SEGMENT) + text
    one_body, two_body, three_body = body(text), body(two), body(three)
    first, second, third = (three_body[n * CIPHER_SEGMENT : (n + 1) * CIPHER_SEGMENT] for n in range(3))
    good = header(READER)
    data = bytes(8) + KEY
    parts = body(two[:SEGMENT], last=False, attempt="part 1") + body(text, first=1, attempt="part 2")

    def case(name, comment, content, *, expect="success", plain=None, **fields):
        if plain is not None:
            fields["plain"] = hashlib.sha256(plain).hexdigest()
        return name, {"expect": expect, "profile": "strict", **fields, "comment": comment}, content

    yield case("one-segment", "the smallest useful object", good + one_body, plain=text)
    yield case("two-segments", "a full segment and a short one", good + two_body, plain=two)
    yield case(
        "full-last-segment", "the last segment is full", good + body(two[:SEGMENT]), plain=two[:SEGMENT]
    )
    yield case("two-parts", "each part has a prefix of its own", good + parts, plain=two)
    yield case("two-recipients", "our packet is the second", header(OTHER, READER) + one_body, plain=text)
    yield case(
        "padded-header", "padded to one segment", header(READER, pad_to=PADDED_HEADER) + one_body, plain=text
    )
    yield case(
        "empty",
        "nothing but a header: that it was empty is not established",
        good,
        plain=b"",
        established="no",
    )
    unknown = frame((0x51504651).to_bytes(4, "little") + seed("unknown", 1_200))
    yield case(
        "unknown-packet",
        "a packet of an unknown method",
        raw_header(unknown, packet(data)) + one_body,
        plain=text,
    )

    yield case("no-match", "for somebody else", header(OTHER) + one_body, expect="no-match")
    yield case(
        "damaged-packet", "a damaged packet opens for nobody", flip(good, 100) + one_body, expect="no-match"
    )
    yield case("not-crypt4gh", "another magic", flip(good, 0) + one_body, expect="header-invalid")
    yield case(
        "version-2", "another version", raw_header(packet(data), version=2), expect="format-unsupported"
    )
    yield case("no-packets", "a count of zero", raw_header(count=0), expect="header-invalid")
    yield case(
        "many-packets",
        "a count of 2**32 - 1",
        raw_header(packet(data), count=2**32 - 1),
        expect="header-invalid",
    )
    yield case(
        "packet-length-0",
        "a length that does not count itself",
        raw_header(bytes(108)),
        expect="header-invalid",
    )
    huge = raw_header(b"\xff" * 4 + bytes(104))
    yield case("packet-length-max", "a length of 2**32 - 1", huge, expect="header-invalid")
    yield case("cut-header", "the header ends early", good[:-1], expect="header-truncated")
    second_key = raw_header(packet(data), packet(bytes(8) + seed("second", 32), 1)) + one_body
    yield case("two-data-keys", "somebody added a data key", second_key, expect="header-invalid")
    edit = (1).to_bytes(4, "little") + (1).to_bytes(4, "little") + (5).to_bytes(8, "little")
    edited = raw_header(packet(data), packet(edit, 1)) + one_body
    yield case("edit-list", "an edit list in an object of ours", edited, expect="header-invalid")

    bad = {"expect": "segment-invalid"}
    yield case("flipped-nonce", "a bit of a prefix", good + flip(one_body, 0), **bad)
    yield case("flipped-index", "a bit of an index", good + flip(one_body, 11), **bad)
    yield case("flipped-data", "a bit of the data", good + flip(one_body, 12), **bad)
    yield case("flipped-tag", "a bit of the tag", good + flip(one_body, -1), **bad)
    yield case("cut-segment", "the last segment is cut", good + one_body[:-1], **bad)
    yield case("cut-tail", "the last segment is missing", good + two_body[:CIPHER_SEGMENT], **bad)
    yield case("short-segment", "28 bytes are no segment", good + two_body[: CIPHER_SEGMENT + 28], **bad)
    yield case("swapped", "two segments change places", good + second + first + third, **bad)
    yield case("repeated", "a segment stands twice", good + first + first + second + third, **bad)
    yield case("missing", "a segment is left out", good + first + third, **bad)
    yield case("surplus", "a segment follows the last", good + two_body + body(text, first=2), **bad)
    yield case("other-data-key", "sealed with another key", good + body(text, key=seed("second", 32)), **bad)

    foreign_nonces = seed("foreign", 24)
    foreign = b"".join(
        nonce + ChaCha20Poly1305(key).encrypt(nonce, piece, None)
        for nonce, key, piece in (
            (foreign_nonces[:12], KEY, two[:SEGMENT]),
            (foreign_nonces[12:], seed("second", 32), text),
        )
    )
    both = header(READER, data_keys=(KEY, seed("second", 32)))
    yield case("foreign", "random nonces, two data keys", both + foreign, plain=two, profile="foreign")
    yield case("foreign-damaged", "a bit of the tag", both + flip(foreign, -1), profile="foreign", **bad)
    yield case(
        "foreign-edit-list", "not read in part", edited, profile="foreign", expect="format-unsupported"
    )
    yield case("foreign-in-strict", "random nonces are not ours", good + foreign[:CIPHER_SEGMENT], **bad)


def render(fields, content):
    lines = [f"{name}: {value}" for name, value in {**fields, "identity": seed("reader", 32).hex()}.items()]
    return "\n".join(lines).encode() + b"\n\n" + content


def main():
    parser = argparse.ArgumentParser(description="write the vectors of the object format")
    parser.add_argument("--check", action="store_true", help="compare only")
    check = parser.parse_args().check
    differing = []
    for name, fields, content in vectors():
        path, wanted = HERE / f"{name}{SUFFIX}", render(fields, content)
        if path.exists() and path.read_bytes() == wanted:
            continue
        differing.append(name)
        if not check:
            path.write_bytes(wanted)
    print("differ:" if check else "written:", *differing or ["none"])
    return 1 if check and differing else 0


if __name__ == "__main__":
    sys.exit(main())
