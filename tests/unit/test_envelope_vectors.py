"""The committed vectors read as each of them says, and the writer still writes them."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from migrator.envelope.errors import EnvelopeError
from migrator.envelope.header import open_header, parse_header
from migrator.envelope.keys import Identity
from migrator.envelope.policy import Profile, check_foreign, check_strict
from migrator.envelope.segments import open_foreign_into, open_into

VECTORS = Path(__file__).parents[1] / "vectors" / "envelope"
FILES = sorted(VECTORS.glob("*.vector"))


def split(path: Path) -> tuple[dict[str, str], bytes]:
    head, _, content = path.read_bytes().partition(b"\n\n")
    return dict(line.split(": ", 1) for line in head.decode().splitlines()), content


def read(content: bytes, identity: Identity, profile: Profile) -> bytes:
    """Read a whole object the way a reader of that profile does."""
    header = parse_header(content)
    opened = open_header(header, [identity])
    body = memoryview(content)[header.length :]
    room = memoryview(bytearray(len(body)))
    if profile is Profile.FOREIGN:
        written = open_foreign_into([ChaCha20Poly1305(key) for key in check_foreign(opened)], body, room)
    else:
        written = open_into(ChaCha20Poly1305(check_strict(opened)), 0, body, room, last=True).written
    return bytes(room[:written])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_vector_reads_as_it_says(path):
    """A vector opens to the plaintext it names, or ends with the error it names."""
    fields, content = split(path)
    identity = Identity.from_private_bytes(bytes.fromhex(fields["identity"]))
    if fields["expect"] == "success":
        plain = read(content, identity, Profile(fields["profile"]))
        assert hashlib.sha256(plain).hexdigest() == fields["plain"]
    else:
        with pytest.raises(EnvelopeError) as caught:
            read(content, identity, Profile(fields["profile"]))
        assert caught.value.code == fields["expect"]


def test_every_outcome_has_a_vector():
    """The vectors cover success and each error that an object can cause."""
    outcomes = {split(path)[0]["expect"] for path in FILES}
    assert outcomes == {
        "success",
        "no-match",
        "header-invalid",
        "header-truncated",
        "format-unsupported",
        "segment-invalid",
    }


def test_the_writer_still_writes_the_vectors():
    """Every vector comes out of today's writer byte for byte, and none has lost its recipe."""
    shown = subprocess.run(
        [sys.executable, VECTORS / "regenerate.py", "--check"], capture_output=True, text=True, check=False
    )
    assert (shown.returncode, shown.stdout) == (0, "differ: none\n")


def test_the_worked_example_is_a_vector():
    """The bytes printed on the format's page are those of the vector that the page names."""
    page = (Path(__file__).parents[2] / "migrator" / "docs" / "object-format.md").read_text(encoding="utf-8")
    printed = page.split("```hex\n")[1].split("```")[0]
    assert bytes.fromhex(printed) == split(VECTORS / "one-segment.vector")[1]
