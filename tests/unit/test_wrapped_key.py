"""Wrapped key files: one form, every bit of it covered, and the vector of the format page."""

import base64
import json
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from migrator.core.canonical import encode
from migrator.custody.transit import Transit
from migrator.custody.wrapped_key import MAX_FILE, open_wrapped, parse_wrapped, wrap_identity
from migrator.envelope.errors import EnvelopeError, KeyFileInvalid
from migrator.envelope.keys import Identity
from migrator.errors import CustodyError, CustodyKeyUnusable, MigrationError
from providers.custody_place import CustodyPlace
from providers.errors import ConfigInvalid, StoreError

PAGE = Path(__file__).parents[2] / "migrator/docs/wrapped-key-format.md"
PLACE = CustodyPlace(name="vault", address="https://bao.example.org", mount="transit", key="dataset")
IDENTITY = Identity.from_private_bytes(bytes(range(32)))


class Keeper:
    """A transit engine in this process: AES-256-GCM with associated data, as the real one does it."""

    address = "https://bao.example.org"

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def call(self, method: str, path: str, body: dict[str, str]) -> dict[str, Any]:
        binding = base64.b64decode(body["associated_data"])
        if "/encrypt/" in path:
            nonce = os.urandom(12)
            sealed = nonce + self._cipher.encrypt(nonce, base64.b64decode(body["plaintext"]), binding)
            return {"ciphertext": f"vault:v1:{base64.b64encode(sealed).decode()}"}
        try:
            sealed = base64.b64decode(body["ciphertext"].split(":")[2], validate=True)
            plain = self._cipher.decrypt(sealed[:12], sealed[12:], binding)
        except (ValueError, InvalidTag):
            raise CustodyKeyUnusable("it did not wrap this") from None
        return {"plaintext": base64.b64encode(plain).decode()}


def transit(place: CustodyPlace = PLACE, key: bytes = bytes(32)) -> Transit:
    return Transit(place, Keeper(key))  # type: ignore[arg-type] # stands in for the server


def finder(place: CustodyPlace = PLACE, key: bytes = bytes(32)) -> Callable[[str], Transit]:
    return lambda _name: transit(place, key)


def wrapped() -> bytes:
    return wrap_identity(IDENTITY, transit(), entropy=os.urandom).to_text().encode()


def test_a_wrapped_key_opens() -> None:
    """What was wrapped comes back, under another wrapping key each time."""
    first, second = wrapped(), wrapped()
    assert first != second
    for data in (first, second):
        assert open_wrapped(data, finder()).key.private_bytes_raw() == bytes(range(32))
    assert base64.b64encode(bytes(range(32))) not in first


def test_no_bit_may_change() -> None:
    """Every single bit of the file that is turned over keeps it from opening, with a clear error."""
    data = wrapped()
    for at in range(len(data)):
        for bit in range(8):
            changed = bytearray(data)
            changed[at] ^= 1 << bit
            with pytest.raises((EnvelopeError, MigrationError, StoreError)):
                open_wrapped(bytes(changed), finder())


@pytest.mark.parametrize(
    "change",
    [
        {"format": "havre-wrapped-key/2"},
        {"custody": "../x"},
        {"key": "a/b"},
        {"mount": "../../sys"},
        {"namespace": "a\nb"},
        {"namespace": 1},
        {"public": base64.b64encode(bytes(32)).decode()},
        {"public": base64.b64encode(bytes(31)).decode()},
        {"nonce": base64.b64encode(bytes(11)).decode()},
        {"sealed": base64.b64encode(bytes(47)).decode()},
        {"wrapped": "vault:v1:"},
        {"more": "x"},
    ],
)
def test_what_the_page_does_not_allow_is_refused(change: dict[str, Any]) -> None:
    """Names that leave their place, wrong lengths, weak public keys and surplus members are refused unasked."""
    document = json.loads(wrapped()) | change
    data = json.dumps(document, sort_keys=True, separators=(",", ":")).encode() + b"\n"
    with pytest.raises(KeyFileInvalid):
        parse_wrapped(data)


def test_a_document_in_another_form_is_refused() -> None:
    """White space, a missing line end, members twice and length beyond the limit are refused."""
    data = wrapped()
    twice = data.replace(b'{"custody"', b'{"custody":"vault","custody"', 1)
    for other in (data[:-1], b" " + data, data + b"\n", twice, b"{}\n", b"{", b"{" * (MAX_FILE + 1)):
        with pytest.raises(KeyFileInvalid):
            parse_wrapped(other)


def test_the_file_does_not_decide_which_key_is_asked() -> None:
    """Mount, key and namespace of the configuration count; if they are not those of the file, nobody is asked."""
    data = wrapped()
    for change in ({"mount": "other"}, {"key": "other"}, {"namespace": "team"}):
        fields: dict[str, Any] = {"mount": "transit", "key": "dataset"} | change
        place = CustodyPlace(name="vault", address="https://bao.example.org", **fields)

        def find(_name: str, place: CustodyPlace = place) -> Transit:
            return Transit(place, None)  # type: ignore[arg-type] # nobody to ask

        with pytest.raises(ConfigInvalid):
            open_wrapped(data, find)


def test_another_key_of_the_server_opens_nothing() -> None:
    """The server's key decides."""
    with pytest.raises(CustodyError):
        open_wrapped(wrapped(), finder(key=b"\x01" * 32))


def test_the_vector_of_the_page_opens() -> None:
    """The file that the format page shows opens with the wrapping key that it gives, and with no other."""
    page = PAGE.read_text(encoding="utf-8")
    (data,) = re.findall(r"^```json\n(\{.*\}\n)```$", page, re.MULTILINE)
    kept = parse_wrapped(data.encode())
    key = bytes.fromhex(re.findall(r"wrapping key `([0-9a-f]{64})`", page)[0])
    private = re.findall(r"private key `([0-9a-f]{64})`", page)[0]
    assert kept.open(key).key.private_bytes_raw().hex() == private
    assert kept.version == 3
    with pytest.raises(KeyFileInvalid):
        kept.open(bytes(32))


def test_a_file_that_seals_another_private_key_is_refused() -> None:
    """A well-made seal around the other half of no pair does not open: what comes out must fit `public`."""
    key, other = bytes(32), Identity.from_private_bytes(b"\x07" * 32)
    kept = parse_wrapped(wrapped())
    sealed = ChaCha20Poly1305(key).encrypt(bytes(12), other.key.private_bytes_raw(), encode(kept.head()))
    with pytest.raises(KeyFileInvalid, match="damaged"):
        replace(kept, _nonce=bytes(12), _sealed=sealed).open(key)
    right = ChaCha20Poly1305(key).encrypt(bytes(12), IDENTITY.key.private_bytes_raw(), encode(kept.head()))
    assert replace(kept, _nonce=bytes(12), _sealed=right).open(key).public == IDENTITY.public
