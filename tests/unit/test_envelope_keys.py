"""Key files, key pairs and derived data keys."""

import base64
import hashlib
import os
import subprocess
import sys

import pytest

from migrator.envelope.data_key import DataKeys, derive_data_key
from migrator.envelope.errors import FormatUnsupported, KeyFileInvalid, WrongPassphrase
from migrator.envelope.key_files import MAX_TEXT, parse_private_text
from migrator.envelope.keys import Identity, Recipient, fingerprint

SECRET = hashlib.sha256(b"a secret key").digest()
KEYS = Identity.from_private_bytes(SECRET)
LOCKED = KEYS.to_private_file(
    passphrase=b"open sesame", salt=b"s" * 16, nonce=b"n" * 12, comment=b"for tests"
)


def private_file(*strings: bytes, magic: bytes = b"c4gh-v1") -> str:
    raw = magic + b"".join(len(s).to_bytes(2, "big") + s for s in strings)
    return pem(raw, "PRIVATE")


def pem(raw: bytes, kind: str) -> str:
    body = base64.b64encode(raw).decode()
    return f"-----BEGIN CRYPT4GH {kind} KEY-----\n{body}\n-----END CRYPT4GH {kind} KEY-----\n"


def test_a_locked_key_opens_with_its_passphrase():
    """What was written comes back, and the comment stands in clear."""
    assert Identity.from_private_file(LOCKED, b"open sesame") == KEYS
    assert parse_private_text(LOCKED).comment == b"for tests"
    assert parse_private_text(LOCKED).locked


@pytest.mark.parametrize("passphrase", [None, b"", b"open sesame "])
def test_a_wrong_passphrase_is_named(passphrase):
    """A missing or wrong passphrase is WrongPassphrase, which ends the command with 12."""
    with pytest.raises(WrongPassphrase) as caught:
        Identity.from_private_file(LOCKED, passphrase)
    assert caught.value.exit_code == 12


def test_a_key_without_passphrase_opens():
    """Keys made with --nocrypt are read, with or without a passphrase at hand."""
    text = private_file(b"none", b"none", SECRET)
    assert Identity.from_private_file(text) == KEYS
    assert Identity.from_private_file(text.replace("\n", "\r\n").encode(), b"unused") == KEYS


def test_a_public_key_comes_back():
    """A public key file holds the 32 bytes, whatever its line ends."""
    recipient = KEYS.recipient()
    assert Recipient.from_public_file(recipient.to_public_file()) == recipient
    assert Recipient.from_public_file(recipient.to_public_file().replace("\n", "\r\n").encode()) == recipient


def test_secrets_are_not_shown():
    """Printing an identity, its file or the root of data keys shows no secret."""
    shown = repr(KEYS) + str(KEYS) + repr(parse_private_text(private_file(b"none", b"none", SECRET)))
    shown += repr(DataKeys(SECRET))
    assert SECRET.hex() not in shown
    assert repr(SECRET) not in shown


def test_a_fingerprint_is_the_start_of_a_digest():
    """People compare 16 digits that sha256sum can reproduce."""
    assert fingerprint(KEYS.public) == hashlib.sha256(KEYS.public).hexdigest()[:16]
    assert KEYS.fingerprint == KEYS.recipient().fingerprint == fingerprint(KEYS.public)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no key",
        "x" * (MAX_TEXT + 1),
        "clé",
        b"\xff\xfe",
        LOCKED[:40],
        LOCKED.replace("END", "DNE"),
        KEYS.recipient().to_public_file(),
        "-----BEGIN CRYPT4GH PRIVATE KEY-----\n!!!\n-----END CRYPT4GH PRIVATE KEY-----",
        "-----BEGIN CRYPT4GH PRIVATE KEY-----\n-----END CRYPT4GH PRIVATE KEY-----",
        private_file(b"none", b"none", SECRET, magic=b"c4gh-v2"),
        private_file(b"none", b"none", SECRET[:-1]),
        private_file(b"none", b"none", SECRET, b"comment", b"more"),
        private_file(b"none", b"chacha20_poly1305", SECRET),
        private_file(b"scrypt", bytes(20), b"none", SECRET),
        private_file(b"scrypt", bytes(4), b"chacha20_poly1305", bytes(60)),
        private_file(b"scrypt", bytes(100), b"chacha20_poly1305", bytes(60)),
        private_file(b"argon2", bytes(20), b"chacha20_poly1305", bytes(60)),
        private_file(b"none", b"none"),
        pem(b"c4gh-v1\xff\xffshort", "PRIVATE"),
    ],
)
def test_damaged_private_keys_are_refused(text):
    """Every way to be no private key is KeyFileInvalid, with a hint."""
    with pytest.raises(KeyFileInvalid) as caught:
        Identity.from_private_file(text, b"any")
    assert caught.value.hint


@pytest.mark.parametrize("raw", [b"", bytes(31), bytes(33), bytes(32), (1).to_bytes(32, "little")])
def test_useless_public_keys_are_refused(raw):
    """A public key has 32 bytes and is not a point of low order, which protects nothing."""
    with pytest.raises(KeyFileInvalid):
        Recipient.from_public_file(pem(raw, "PUBLIC"))


def test_raw_keys_have_their_length():
    """Raw bytes are held to 32, as files are."""
    for make in (Recipient.from_public_bytes, Identity.from_private_bytes):
        with pytest.raises(KeyFileInvalid):
            make(bytes(31))


@pytest.mark.parametrize("kdf", [b"bcrypt", b"pbkdf2_hmac_sha256"])
def test_other_key_derivations_are_named(kdf):
    """A key locked otherwise than with scrypt is refused with the command that mends it."""
    with pytest.raises(FormatUnsupported) as caught:
        Identity.from_private_file(private_file(kdf, bytes(20), b"chacha20_poly1305", bytes(60)), b"any")
    assert "crypt4gh-keygen --relock" in (caught.value.hint or "")


@pytest.mark.parametrize("text", ["ssh-ed25519 AAAA me@host", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n"])
def test_openssh_keys_are_named(text):
    """An OpenSSH key is told apart from rubbish."""
    with pytest.raises(FormatUnsupported):
        Identity.from_private_file(text)


@pytest.mark.parametrize(
    "change",
    [
        {"passphrase": b""},
        {"salt": bytes(15)},
        {"nonce": bytes(11)},
        {"comment": bytes(1_025)},
    ],
)
def test_a_key_is_never_written_badly_locked(change):
    """An empty passphrase or entropy of the wrong length is our own mistake."""
    with pytest.raises(ValueError):
        KEYS.to_private_file(**({"passphrase": b"p", "salt": bytes(16), "nonce": bytes(12)} | change))


def test_keys_made_by_the_reference_tool_are_read(tmp_path):
    """crypt4gh-keygen locks with scrypt, and its files open here."""
    from crypt4gh.keys import c4gh

    c4gh.generate(tmp_path / "k.sec", tmp_path / "k.pub", b"their passphrase", b"a comment")
    theirs = Identity.from_private_file((tmp_path / "k.sec").read_bytes(), b"their passphrase")
    assert theirs.recipient() == Recipient.from_public_file((tmp_path / "k.pub").read_bytes())


def test_the_reference_tool_reads_our_keys(tmp_path):
    """The reference implementation opens our locked key file and our public one."""
    from crypt4gh.keys import get_private_key, get_public_key

    (tmp_path / "k.sec").write_text(LOCKED)
    (tmp_path / "k.pub").write_text(KEYS.recipient().to_public_file())
    assert get_private_key(tmp_path / "k.sec", lambda: "open sesame") == SECRET
    assert get_public_key(tmp_path / "k.pub") == KEYS.public


def test_a_data_key_is_hkdf():
    """A data key is HKDF-SHA-256 as RFC 5869 has it, computed here with nothing but HMAC."""
    import hmac

    root = bytes(range(32))
    info = b"havre/data-key/v1" + b"\0\0\0\3a/b" + b"\0\0\0\2v1" + (7).to_bytes(8, "big")
    prk = hmac.digest(b"havre/object-format/v1", root, "sha256")
    expected = hmac.digest(prk, info + b"\1", "sha256")
    assert derive_data_key(root, object_id=b"a/b", source_version=b"v1", generation=7) == expected


def test_data_keys_differ_by_every_field():
    """Moving a byte from one field to the next, or counting a generation up, gives another key."""
    keys = DataKeys(bytes(32))
    fields = [(b"ab", b"c", 0), (b"a", b"bc", 0), (b"abc", b"", 0), (b"ab", b"c", 1), (b"ab", b"c", 256)]
    derived = {keys.derive(object_id=o, source_version=v, generation=g) for o, v, g in fields}
    assert len(derived) == len(fields)
    assert derive_data_key(b"\1" * 32, object_id=b"ab", source_version=b"c", generation=0) not in derived


@pytest.mark.parametrize(
    ("object_id", "version", "generation"),
    [
        (b"", b"v", 0),
        (b"x" * 65_537, b"v", 0),
        (b"x", b"v" * 65_537, 0),
        (b"x", b"v", -1),
        (b"x", b"v", 2**64),
    ],
)
def test_data_key_fields_have_limits(object_id, version, generation):
    """Fields out of range are our own mistake."""
    with pytest.raises(ValueError):
        derive_data_key(bytes(32), object_id=object_id, source_version=version, generation=generation)
    with pytest.raises(ValueError, match="32 bytes"):
        DataKeys(bytes(16))


def test_the_envelope_imports_nothing_impure():
    """Loading the envelope loads no network, database, process or vendor module of its own."""
    program = (
        "import sys; before = set(sys.modules); import migrator.envelope.policy, migrator.envelope.segments, "
        "migrator.envelope.data_key; print(*(set(sys.modules) - before))"
    )
    shown = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    loaded = set(shown.stdout.split())
    assert "migrator.envelope.header" in loaded
    assert not loaded & {"sqlite3", "subprocess", "boto3", "obstore", "azure", "secrets"}
