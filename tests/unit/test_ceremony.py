"""Records of key ceremonies: what they say, who signed, and that no byte of them may change."""

import json
import os
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from migrator.cli.main import havre
from migrator.core.canonical import encode
from migrator.envelope.keys import Identity
from migrator.errors import EvidenceInvalid, IntegrityError
from migrator.evidence.ceremony import PREDICATE, CeremonyKey, exercise, read_ceremony, write_ceremony
from migrator.evidence.dsse import seal_statement, statement
from migrator.evidence.signers import PublicKey, Signer
from migrator.evidence.signing_keys import new_signing_key
from support.evidence import NOW, signers

IDENTITY = Identity.from_private_bytes(bytes(range(32)))
SERVER = {"address": "https://b", "namespace": None, "mount": "transit", "key": "ds", "version": 1}


def key(**changed: Any) -> CeremonyKey:
    fields: dict[str, Any] = {
        "name": "ds.pub",
        "public_file": b"public",
        "public": IDENTITY.public,
        "private_file": b"private",
        "made": True,
        "kind": "wrapped",
        "copies": 2,
        "server": SERVER,
        "tried_ms": NOW,
    }
    return CeremonyKey(**fields | changed)


def record(signing: list[Any], *keys: CeremonyKey) -> bytes:
    return write_ceremony(
        keys or (key(),),
        signing,
        made_ms=NOW,
        present=["A. Martin, DPO"],
        place=None,
        owner={"user": "op", "host": "worker-1", "pid": 1},
        clock={"synchronised": True, "max_error_us": 5, "store_skew_ms": 0},
    )


def publics(signing: list[Any]) -> list[PublicKey]:
    return [signer.public for signer in signing]


def test_a_record_holds_for_whoever_trusts_its_signer() -> None:
    """The record is read back, with the trusted key named; a reader who trusts another key is told so."""
    signing = signers("ed25519", "ed25519")
    found = read_ceremony(record(signing), publics(signing)[1:], now_ms=NOW)
    assert found.trusted == ("key-2",)
    assert found.predicate["present"] == ["A. Martin, DPO"]
    assert found.predicate["keys"][0]["fingerprint"] == IDENTITY.fingerprint
    with pytest.raises(EvidenceInvalid, match="no key that you trust"):
        read_ceremony(record(signing), publics(signers()), now_ms=NOW)


def test_no_byte_may_change() -> None:
    """One bit of each byte turned over, a cut and a surplus byte: the record does not hold any more."""
    signing = signers()
    data, trusted = record(signing), publics(signing)
    for at in range(len(data)):
        changed = bytearray(data)
        changed[at] ^= 1 << (at % 8)
        with pytest.raises(EvidenceInvalid):
            read_ceremony(bytes(changed), trusted, now_ms=NOW)
    for other in (b"", data[:-1], data + b"\n", data[:100]):
        with pytest.raises(EvidenceInvalid):
            read_ceremony(other, trusted, now_ms=NOW)


def test_a_signature_that_was_stripped_shows() -> None:
    """Each key that the record names must have signed it."""
    signing = signers("ed25519", "ed25519")
    document = json.loads(record(signing))
    document["signatures"].pop(0)
    with pytest.raises(EvidenceInvalid, match="exactly the keys"):
        read_ceremony(encode(document) + b"\n", publics(signing), now_ms=NOW)


@pytest.mark.parametrize(
    "change",
    [
        {"present": []},
        {"present": [""]},
        {"keys": []},
        {"place": ""},
        {"made_at": -1},
        {"made_at": True},
        {"clock": {"synchronised": 1, "max_error_us": None}},
        {"more": 1},
        {"signing": 7},
    ],
)
def test_a_signed_record_of_another_shape_is_refused(change: dict[str, Any]) -> None:
    """A right signature does not make a wrong document right."""
    with pytest.raises(EvidenceInvalid):
        read_ceremony(resigned(change), publics(SIGNING), now_ms=NOW)


SIGNING: list[Any] = signers()


def resigned(change: dict[str, Any], entry: dict[str, Any] | None = None) -> bytes:
    """The record with other members, signed by the right key all the same."""
    payload = json.loads(b64decode(json.loads(record(SIGNING))["payload"]))
    predicate = payload["predicate"] | change
    if entry is not None:
        predicate["keys"] = [predicate["keys"][0] | entry]
    subjects = {item["name"]: item["digest"]["sha256"] for item in payload["subject"]}
    signing: list[Signer] = SIGNING
    return seal_statement(statement(PREDICATE, subjects, predicate), signing)


@pytest.mark.parametrize(
    "entry",
    [
        {"name": "other.pub"},
        {"name": "a/b"},
        {"algorithm": "rsa"},
        {"fingerprint": "0" * 16},
        {"public": "0" * 63},
        {"made": 1},
        {"held": {"kind": "wrapped", "sha256": "0" * 64, "copies": None, "server": None}},
        {"held": {"kind": "passphrase-file", "sha256": "0" * 64, "copies": None, "server": SERVER}},
        {"held": {"kind": "memory", "sha256": "0" * 64, "copies": None, "server": None}},
    ],
)
def test_a_signed_key_that_contradicts_itself_is_refused(entry: dict[str, Any]) -> None:
    """Names, fingerprints and what keeps a private half have to agree."""
    with pytest.raises(EvidenceInvalid):
        read_ceremony(resigned({}, entry), publics(SIGNING), now_ms=NOW)


def test_the_unchanged_record_holds_when_signed_again() -> None:
    """The refusals above are due to what was changed."""
    assert read_ceremony(resigned({}, {}), publics(SIGNING), now_ms=NOW).trusted == ("key-1",)


def test_times_are_held_against_the_reader() -> None:
    """A record from the future, or by a key whose time was over or has not begun, is refused."""
    signing = signers()
    with pytest.raises(EvidenceInvalid, match="future"):
        read_ceremony(record(signing), publics(signing), now_ms=NOW - 2 * 86_400_000)
    for start, end, words in ((0, NOW - 1, "was over"), (NOW + 2 * 86_400_000, None, "has not begun")):
        other = [new_signing_key("k", "ed25519", valid_from=start, valid_until=end)]
        with pytest.raises(EvidenceInvalid, match=words):
            read_ceremony(record(other), publics(other), now_ms=NOW)


def test_what_the_reader_knows_of_a_key_counts() -> None:
    """A key that the reader was told to trust until some day does not sign after it, whatever the record says."""
    signing = signers()
    known = signing[0].public
    until = PublicKey(name=known.name, algorithm="ed25519", public=known.public, valid_until=NOW - 1)
    with pytest.raises(EvidenceInvalid, match="was over"):
        read_ceremony(record(signing), [until], now_ms=NOW)


def test_a_trial_tells_a_wrong_private_half() -> None:
    """The trial passes with the right private half and fails with another."""
    exercise(IDENTITY.recipient(), IDENTITY, os.urandom)
    with pytest.raises(IntegrityError, match="does not open"):
        exercise(IDENTITY.recipient(), Identity.from_private_bytes(b"\x07" * 32), os.urandom)


def run(root: Path, *arguments: str) -> Any:
    return CliRunner().invoke(havre, ["keys", *arguments], env={"PW": "secret", "HAVRE_PASSPHRASE_FILE": ""})


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a signing key."""
    monkeypatch.chdir(tmp_path)
    assert run(tmp_path, "generate", "--signing", "-o", "office", "--passphrase-env", "PW").exit_code == 0
    return tmp_path


def test_a_ceremony_needs_no_server(office: Path) -> None:
    """Passphrase files are made, tried and recorded; the record checks offline."""
    made = run(
        office,
        *("ceremony", "--make", "ds", "--present", "A", "--sign", "office.sec", "-o", "record.json"),
        *("--passphrase-env", "PW"),
    )
    assert made.exit_code == 0, made.output
    checked = run(office, "check-ceremony", "record.json", "--trust", "office.pub", "--key", "ds.pub")
    assert checked.exit_code == 0, checked.output
    assert "kept in a file with a passphrase" in checked.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--make", "ds"], "has witnesses"),
        (["--make", "ds", "--present", " "], "has witnesses"),
        (["--present", "A"], "is about keys"),
        (["--make", "ds", "--make", "./ds", "--present", "A"], "same name"),
        (["--key", "x.sec", "--wrapped-by", "v", "--present", "A"], "goes with --make"),
        (["--make", "ds", "--present", "A", "--sign", "office.sec"], "signs twice"),
    ],
)
def test_a_ceremony_that_makes_no_sense_makes_nothing(office: Path, arguments: list[str], words: str) -> None:
    """Without people, without keys, or with a key twice, no file is written."""
    before = sorted(office.iterdir())
    told = run(
        office, "ceremony", *arguments, "--sign", "office.sec", "-o", "r.json", "--passphrase-env", "PW"
    )
    assert (told.exit_code, words in told.stderr) == (2, True), told.output
    assert sorted(office.iterdir()) == before


def test_what_a_record_says_does_not_steer_the_terminal(office: Path) -> None:
    """A name with control characters and line ends stays on its line."""
    written = ("--present", "A\x1b[2J\nthe record holds", "--sign", "office.sec", "-o", "r.json")
    assert run(office, "ceremony", "--make", "ds", *written, "--passphrase-env", "PW").exit_code == 0
    told = run(office, "check-ceremony", "r.json", "--trust", "office.pub").stdout
    assert told.splitlines().count("the record holds") == 1
    assert "present    A\\x1b[2J the record holds\n" in told


def test_halves_of_two_pairs_are_no_pair(office: Path) -> None:
    """A public half beside another's private half is refused before anything is recorded."""
    for name in ("one", "two"):
        run(office, "generate", "-o", name, "--passphrase-env", "PW")
    (office / "two.pub").replace(office / "one.pub")
    shown = ("--key", "one.sec", "--present", "A", "--sign", "office.sec", "-o", "r.json")
    told = run(office, "ceremony", *shown, "--passphrase-env", "PW")
    assert (told.exit_code, "do not belong together" in told.stderr) == (2, True)
    assert not (office / "r.json").exists()
