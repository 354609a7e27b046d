"""Keys that a real OpenBao server keeps: wrapping, opening, signing, and every way in which it can say no."""

import base64
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from migrator.cli.keyring import Passphrases, open_identity, read_recipient
from migrator.cli.main import havre
from support.openbao import OpenBao, contents
from support.require import require_server
from support.tls import Authority

ROOT = Path(__file__).parents[2]
WRAPPING = ("encrypt", "decrypt")
SIGNING = ("keys", "sign")


@pytest.fixture(scope="module")
def bao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenBao]:
    """A server that the tests of this file share; each makes keys and tokens of its own."""
    require_server("openbao")
    with OpenBao(tmp_path_factory.mktemp("openbao")) as running:
        yield running


class Desk:
    """A folder with a configuration, where the command is run; keeps all that it said."""

    def __init__(self, root: Path, bao: OpenBao) -> None:
        self.root = root
        self.bao = bao
        self.said = ""
        self.tokens: dict[str, str] = {}
        self._tables: dict[str, dict[str, str]] = {}

    def keep(self, name: str, key: str, token: str, **fields: str) -> None:
        """Write [custody.NAME], and the token into a file of its own."""
        file = self.root / f"{name}.token"
        file.unlink(missing_ok=True)
        file.touch(mode=0o600)
        file.write_text(f"{token}\n")
        self.tokens[name] = token
        self._tables[name] = {
            "address": self.bao.address,
            "key": key,
            "token_file": file.name,
            "ca_bundle": str(self.bao.authority),
        } | fields
        lines = []
        for table, values in self._tables.items():
            lines += [
                f"[custody.{table}]",
                *(f'{field} = "{value}"' for field, value in values.items() if value),
            ]
        (self.root / "havre.toml").write_text("\n".join(lines) + "\n")

    def __call__(self, *arguments: str, code: int = 0) -> str:
        result = CliRunner().invoke(havre, list(arguments), env={"PW": "correct horse"})
        self.said += result.output
        assert result.exit_code == code, f"{arguments}: {result.exit_code}\n{result.output}"
        assert "Traceback" not in result.output
        if code:
            assert "hint: " in result.stderr
        return result.stdout if code == 0 else result.stderr

    def json(self, *arguments: str, code: int = 0) -> Any:
        return json.loads(self(*arguments, "--json", code=code))


@pytest.fixture
def desk(tmp_path: Path, bao: OpenBao, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A desk whose custodian `vault` may wrap with one key and do nothing else."""
    monkeypatch.chdir(tmp_path)
    for name in ("HAVRE_CONFIG", "HAVRE_PASSPHRASE_FILE", "BAO_TOKEN", "VAULT_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    desk = Desk(tmp_path, bao)
    key = bao.new_key()
    desk.keep("vault", key, bao.token(key, *WRAPPING))
    return desk


def key_of(desk: Desk, name: str) -> str:
    return (
        (desk.root / "havre.toml").read_text().split(f"[custody.{name}]")[1].split('key = "')[1].split('"')[0]
    )


def raw_private(path: Path) -> bytes:
    identity = open_identity(path, Passphrases("PW", environ={"PW": "correct horse"}))
    return identity.key.private_bytes_raw()


def forms(secret: bytes) -> tuple[bytes, ...]:
    """A secret as somebody may have written it down."""
    return (secret, secret.hex().encode(), base64.b64encode(secret).rstrip(b"="), repr(secret).encode())


def test_a_token_for_one_key_wraps_and_opens(desk: Desk) -> None:
    """A key pair is made, and opened again, with a token that may use one key; no secret is written or said."""
    desk("keys", "generate", "--wrapped-by", "vault", "-o", "ds")
    private = desk.root / "ds.sec"
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert read_recipient(desk.root / "ds.pub").fingerprint in desk("keys", "show", "ds.sec")
    shown = desk.json("keys", "show", "ds.sec")
    assert (shown["locked"], shown["wrapped_by"]["version"]) == (True, 1)
    written = contents(desk.root, leave_out=[desk.root / "vault.token"])
    for form in forms(raw_private(private)):
        assert form not in written
        assert form not in desk.said.encode()
    assert desk.tokens["vault"].encode() not in written
    assert desk.tokens["vault"] not in desk.said


def test_the_wrapping_key_never_shows_the_private_key_to_the_server(desk: Desk) -> None:
    """What the server decrypts is another key: the private half is sealed under it in the file only."""
    desk("keys", "generate", "--wrapped-by", "vault", "-o", "ds")
    kept = json.loads((desk.root / "ds.sec").read_text())
    public = base64.b64decode(kept["public"])
    answer = desk.bao.api(
        "POST",
        f"transit/decrypt/{key_of(desk, 'vault')}",
        {
            "ciphertext": kept["wrapped"],
            "associated_data": base64.b64encode(b"havre/custody/wrap/1\0" + public).decode(),
        },
    )
    wrapping_key = base64.b64decode(answer["data"]["plaintext"])
    assert len(wrapping_key) == 32
    assert wrapping_key != raw_private(desk.root / "ds.sec")


def test_a_wave_moves_and_comes_back_with_a_wrapped_key(desk: Desk) -> None:
    """Plan, migration, verification, evidence against the store and restore read a wrapped key like any other."""
    seal = desk.bao.new_key("ed25519")
    desk.keep("seal", seal, desk.bao.token(seal, *SIGNING))
    (desk.root / "src").mkdir()
    (desk.root / "dst").mkdir()
    plain = {f"{n}.dcm": os.urandom(70_000) for n in range(3)}
    for name, data in plain.items():
        (desk.root / "src" / name).write_bytes(data)
    desk("keys", "generate", "--wrapped-by", "vault", "-o", "ds")
    desk(
        *("plan", "./src", "./dst", "--wave", "may", "--class", "pseudonymised", "--identity", "ds.sec"),
        *("--recipient", "ds.pub", "--names", "visible"),
    )
    desk("migrate", "may.toml", "--quiet")
    assert "full" in desk("verify", "may.toml", "--identity", "ds.sec", "--quiet")
    desk("keys", "export", "seal", "-o", "seal.pub")
    desk("evidence", "may.toml", "--sign", "transit:seal", "--out", "papers", "--open", "all")
    found = desk.json(
        *("check-evidence", "papers", "--trust", "seal.pub", "--against", "./dst", "--identity", "ds.sec")
    )
    assert (found["holds"], found["trusted"], found["against"]["decrypted"]) == (True, ["seal.v1"], 3)
    outside = subprocess.run(
        [sys.executable, ROOT / "scripts/check_evidence.py", "papers", "--trust", "seal.pub"],
        cwd=desk.root, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert outside.returncode == 0, outside.stdout + outside.stderr
    (named,) = json.loads((desk.root / "papers/keys.json").read_text())["keys"]
    assert (named["name"], named["held"]) == ("seal.v1", "transit")
    desk("restore", "may.toml", "./back", "--identity", "ds.sec", "--quiet")
    assert {path.name: path.read_bytes() for path in (desk.root / "back").glob("*.dcm")} == plain
    # No folder of the wave, nothing at the target and nothing that was said holds a secret.
    tokens = [desk.root / f"{name}.token" for name in desk.tokens]
    written = contents(desk.root, leave_out=tokens)
    for form in (*forms(raw_private(desk.root / "ds.sec")), *(t.encode() for t in desk.tokens.values())):
        assert form not in written
        assert form not in desk.said.encode()


def test_a_sealed_server_does_not_stop_what_needs_no_key(desk: Desk) -> None:
    """A migration whose wave names a key that is not to be had now goes on without it and says so."""
    (desk.root / "src").mkdir()
    (desk.root / "dst").mkdir()
    (desk.root / "src/one").write_text("one")
    desk("keys", "generate", "--wrapped-by", "vault", "-o", "ds")
    desk(
        *("plan", "./src", "./dst", "--wave", "may", "--class", "pseudonymised", "--identity", "ds.sec"),
        *("--recipient", "ds.pub", "--names", "visible"),
    )
    desk.bao.seal()
    try:
        desk("migrate", "may.toml")
    finally:
        desk.bao.unseal()
    assert "carrying on without the private key" in desk.said
    assert (desk.root / "dst/one.c4gh").is_file()


def test_the_token_of_one_key_does_not_use_another(desk: Desk) -> None:
    """The server refuses another key, and the command says what a policy needs; exit code 12, no file."""
    desk.keep("other", desk.bao.new_key(), desk.tokens["vault"])
    assert "does not take the token" in desk("keys", "generate", "--wrapped-by", "other", "-o", "ds", code=12)
    assert not (desk.root / "ds.sec").exists()
    assert not (desk.root / "ds.pub").exists()


def test_a_token_that_may_look_itself_up_is_told_apart(desk: Desk) -> None:
    """Where a token says of itself that it is valid, the policy is named as what is missing."""
    token = desk.bao.api("POST", "auth/token/create", {"policies": ["default"], "ttl": "1h"})["auth"]
    desk.keep("poor", key_of(desk, "vault"), token["client_token"])
    assert "takes the token, but not for this key" in desk(
        "keys", "generate", "--wrapped-by", "poor", "-o", "ds", code=12
    )


def test_an_expired_token_is_refused(desk: Desk) -> None:
    """A key file does not open with a token whose time is over, and does again with a new one."""
    desk("keys", "generate", "--wrapped-by", "vault", "-o", "ds")
    key, token = key_of(desk, "vault"), desk.tokens["vault"]
    short = desk.bao.token(key, *WRAPPING, ttl="1s")
    desk.bao.wait_until_expired(short)
    desk.keep("vault", key, short)
    error = desk("keys", "show", "ds.sec", code=12)
    assert "expired" in error
    assert short not in desk.said
    desk.keep("vault", key, token)
    desk("keys", "show", "ds.sec")


def test_a_sealed_server_is_temporary_trouble(desk: Desk) -> None:
    """A sealed server ends with exit code 5; unsealed, the same command works."""
    desk("keys", "generate", "--wrapped-by", "vault", "-o", "ds")
    desk.bao.seal()
    try:
        assert "is sealed" in desk("keys", "show", "ds.sec", code=5)
    finally:
        desk.bao.unseal()
    desk("keys", "show", "ds.sec")


def test_a_server_that_is_away_is_temporary_trouble(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens there: exit code 5 after a few attempts."""
    monkeypatch.setattr("migrator.custody.server._pause", lambda _state: 0.0)
    desk.keep("away", "any", desk.tokens["vault"], address="https://127.0.0.1:9")
    assert "cannot be reached" in desk("keys", "generate", "--wrapped-by", "away", "-o", "ds", code=5)
    assert not (desk.root / "ds.sec").exists()


def test_a_version_that_is_switched_off_opens_nothing_until_it_is_wrapped_anew(desk: Desk) -> None:
    """After a rotation old files open; with the old version switched off only the file wrapped anew does."""
    desk("keys", "generate", "--wrapped-by", "vault", "-o", "ds")
    before = raw_private(desk.root / "ds.sec")
    key = key_of(desk, "vault")
    desk.bao.api("POST", f"transit/keys/{key}/rotate", {})
    assert raw_private(desk.root / "ds.sec") == before
    made = desk.json("keys", "wrap", "ds.sec", "--wrapped-by", "vault", "-o", "ds2.sec")
    assert made["wrapped_by"]["version"] == 2
    assert stat.S_IMODE((desk.root / "ds2.sec").stat().st_mode) == 0o600
    desk.bao.api("POST", f"transit/keys/{key}/config", {"min_decryption_version": 2})
    assert "is switched off" in desk("keys", "show", "ds.sec", code=12)
    assert raw_private(desk.root / "ds2.sec") == before


def test_a_key_that_was_deleted_is_named(desk: Desk) -> None:
    """A file whose key is gone at the server does not open: exit code 12."""
    desk("keys", "generate", "--wrapped-by", "vault", "-o", "ds")
    key = key_of(desk, "vault")
    desk.bao.api("POST", f"transit/keys/{key}/config", {"deletion_allowed": True})
    desk.bao.api("DELETE", f"transit/keys/{key}")
    assert f"the server has no key {key}" in desk("keys", "show", "ds.sec", code=12)


def test_no_key_is_made_at_the_server_by_a_typing_mistake(desk: Desk) -> None:
    """A policy with 'update' alone wraps under no key that is not there, and none comes to be."""
    absent = "never-made"
    desk.keep("vault", absent, desk.bao.token(absent, *WRAPPING))
    desk("keys", "generate", "--wrapped-by", "vault", "-o", "ds", code=12)
    assert absent not in desk.bao.api("GET", "transit/keys?list=true")["data"]["keys"]


@pytest.mark.parametrize(
    ("kind", "options", "words"),
    [
        ("rsa-2048", {}, "cannot bind what it wraps"),
        ("ed25519", {}, "cannot bind what it wraps"),
        ("aes256-gcm96", {"derived": True}, "is a derived one"),
    ],
)
def test_a_key_of_the_wrong_type_wraps_nothing(
    desk: Desk, kind: str, options: dict[str, Any], words: str
) -> None:
    """A key that cannot bind a ciphertext to the public key, or wants a context, is refused with advice."""
    key = desk.bao.new_key(kind, **options)
    desk.keep("vault", key, desk.bao.token(key, *WRAPPING))
    assert words in desk("keys", "generate", "--wrapped-by", "vault", "-o", "ds", code=12)


def test_a_mount_or_namespace_that_is_not_there_is_named(desk: Desk) -> None:
    """A wrong mount or namespace is told from a missing key."""
    key = key_of(desk, "vault")
    for fields in ({"mount": "nowhere"}, {"namespace": "nobody"}):
        desk.keep("vault", key, desk.bao.root, **fields)
        assert "no transit engine at" in desk(
            "keys", "generate", "--wrapped-by", "vault", "-o", "ds", code=12
        )


def test_an_authority_that_is_not_known_is_refused(desk: Desk, tmp_path: Path) -> None:
    """Neither the system's authorities nor another one vouch for the server: nothing is sent; exit code 1."""
    key, stranger = key_of(desk, "vault"), Authority(tmp_path / "stranger").bundle
    for bundle in ("", str(stranger)):
        desk.keep("vault", key, desk.tokens["vault"], ca_bundle=bundle)
        error = desk("keys", "generate", "--wrapped-by", "vault", "-o", "ds", code=1)
        assert "is not trusted" in error
        assert "ca_bundle" in error


def test_a_certificate_for_another_name_is_refused(desk: Desk) -> None:
    """The authority is right and the name is not: the server is not the one that was named."""
    address = desk.bao.address.replace("127.0.0.1", "localhost")
    desk.keep("vault", key_of(desk, "vault"), desk.tokens["vault"], address=address)
    assert "is not trusted" in desk("keys", "generate", "--wrapped-by", "vault", "-o", "ds", code=1)
    assert not (desk.root / "ds.sec").exists()


def test_a_file_of_another_key_does_not_open(desk: Desk) -> None:
    """A changed binding is refused by the server, a changed configuration before it is asked."""
    desk("keys", "generate", "--wrapped-by", "vault", "-o", "ds")
    desk("keys", "generate", "--wrapped-by", "vault", "-o", "other")
    mine, other = (json.loads((desk.root / f"{name}.sec").read_text()) for name in ("ds", "other"))
    swapped = mine | {"wrapped": other["wrapped"]}
    text = json.dumps(swapped, sort_keys=True, separators=(",", ":")) + "\n"
    (desk.root / "swapped.sec").write_text(text)
    assert "did not wrap this" in desk("keys", "show", "swapped.sec", code=12)
    desk.keep("vault", desk.bao.new_key(), desk.tokens["vault"])
    assert "was wrapped by the key" in desk("keys", "show", "ds.sec", code=2)


def test_a_passphrase_file_becomes_a_wrapped_one(desk: Desk) -> None:
    """A key that was locked with a passphrase is wrapped; the pair stays the same and no file is overwritten."""
    desk("keys", "generate", "-o", "ds", "--passphrase-env", "PW")
    desk("keys", "wrap", "ds.sec", "--wrapped-by", "vault", "-o", "ds2.sec", "--passphrase-env", "PW")
    assert raw_private(desk.root / "ds.sec") == raw_private(desk.root / "ds2.sec")
    before = (desk.root / "ds2.sec").read_bytes()
    result = CliRunner().invoke(
        havre,
        ["keys", "wrap", "ds.sec", "--wrapped-by", "vault", "-o", "ds2.sec", "--passphrase-env", "PW"],
        env={"PW": "correct horse"},
    )
    assert result.exit_code != 0
    assert (desk.root / "ds2.sec").read_bytes() == before


def test_a_token_comes_from_the_environment_too(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that the table names holds the token, else BAO_TOKEN; without any, exit code 12 says which."""
    key, token = key_of(desk, "vault"), desk.tokens["vault"]
    desk.keep("vault", key, token, token_file="", token_env="MY_TOKEN")
    assert "MY_TOKEN is not set" in desk("keys", "generate", "--wrapped-by", "vault", "-o", "a", code=12)
    monkeypatch.setenv("MY_TOKEN", token)
    desk("keys", "generate", "--wrapped-by", "vault", "-o", "a")
    desk.keep("vault", key, token, token_file="")
    assert "BAO_TOKEN or VAULT_TOKEN" in desk("keys", "show", "a.sec", code=12)
    monkeypatch.setenv("BAO_TOKEN", token)
    desk("keys", "show", "a.sec")


_KILLED = """
import os, signal, sys
from migrator.cli.main import havre
def die(*_a, **_k):
    os.kill(os.getpid(), signal.SIGKILL)
setattr(os, sys.argv[1], die)
havre.main(["keys", "generate", "--wrapped-by", "vault", "-o", "ds"])
"""


@pytest.mark.parametrize("at", ["write", "fsync", "link"])
def test_a_kill_between_wrapping_and_writing_leaves_nothing(desk: Desk, at: str) -> None:
    """Killed when the first byte, the flush or the name is due, no file is there, half or whole."""
    before = sorted(desk.root.iterdir())
    killed = subprocess.run(
        [sys.executable, "-c", _KILLED, at], cwd=desk.root, capture_output=True, check=False
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert sorted(desk.root.iterdir()) == before
    desk("keys", "generate", "--wrapped-by", "vault", "-o", "ds")


_KILLED_BETWEEN = """
import os, signal
from migrator.cli.main import havre
link, calls = os.link, []
def second(*a, **k):
    calls.append(a)
    if len(calls) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    link(*a, **k)
os.link = second
havre.main(["keys", "generate", "--wrapped-by", "vault", "-o", "ds"])
"""


def test_a_kill_between_the_halves_leaves_the_private_one(desk: Desk) -> None:
    """Nobody can encrypt for a key whose private half was never written; what is there is whole and opens."""
    killed = subprocess.run(
        [sys.executable, "-c", _KILLED_BETWEEN], cwd=desk.root, capture_output=True, check=False
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert [path.name for path in desk.root.glob("ds.*")] == ["ds.sec"]
    desk("keys", "show", "ds.sec")


@pytest.mark.parametrize("kind", ["aes128-gcm96", "chacha20-poly1305", "xchacha20-poly1305"])
def test_every_type_that_the_format_page_names_wraps(desk: Desk, kind: str) -> None:
    """Each authenticated cipher of the engine binds what it wraps."""
    key = desk.bao.new_key(kind)
    desk.keep("vault", key, desk.bao.token(key, *WRAPPING))
    desk("keys", "generate", "--wrapped-by", "vault", "-o", "ds")
    desk("keys", "show", "ds.sec")


def test_a_rotated_signing_key_signs_under_a_new_name(desk: Desk) -> None:
    """The newest version signs; a version is exported by its number, and trusting the old one is not enough."""
    seal = desk.bao.new_key("ed25519")
    desk.keep("seal", seal, desk.bao.token(seal, *SIGNING))
    desk("keys", "generate", "--wrapped-by", "vault", "-o", "ds")
    shown = ("--key", "ds.sec", "--present", "A. Martin, DPO", "--sign", "transit:seal")
    desk("keys", "ceremony", *shown, "-o", "one.json")
    desk("keys", "export", "seal", "-o", "v1.pub")
    desk.bao.api("POST", f"transit/keys/{seal}/rotate", {})
    desk("keys", "ceremony", *shown, "-o", "two.json")
    desk("keys", "export", "seal", "-o", "v2.pub")
    desk("keys", "export", "seal", "--key-version", "1", "-o", "again.pub")
    assert (desk.root / "again.pub").read_bytes() == (desk.root / "v1.pub").read_bytes()
    assert json.loads((desk.root / "v2.pub").read_text())["name"] == "seal.v2"
    desk("keys", "check-ceremony", "one.json", "--trust", "v1.pub")
    desk("keys", "check-ceremony", "two.json", "--trust", "v2.pub")
    result = CliRunner().invoke(havre, ["keys", "check-ceremony", "two.json", "--trust", "v1.pub"])
    assert (result.exit_code, "no key that you trust" in result.output) == (4, True)
    assert "is not there" in desk("keys", "export", "seal", "--key-version", "9", "-o", "v9.pub", code=12)


def test_a_key_that_cannot_sign_is_refused(desk: Desk) -> None:
    """A wrapping key signs nothing, and a token that may not read the public half cannot begin."""
    key = key_of(desk, "vault")
    desk.keep("seal", key, desk.bao.token(key, *SIGNING))
    desk("keys", "generate", "--wrapped-by", "vault", "-o", "ds")
    shown = (
        "keys",
        "ceremony",
        "--key",
        "ds.sec",
        "--present",
        "A",
        "--sign",
        "transit:seal",
        "-o",
        "c.json",
    )
    assert "no Ed25519 key" in desk(*shown, code=12)
    seal = desk.bao.new_key("ed25519")
    desk.keep("seal", seal, desk.bao.token(seal, "sign"))
    desk(*shown, code=12)
    assert not (desk.root / "c.json").exists()


def test_a_ceremony_is_recorded_and_checked(desk: Desk) -> None:
    """Keys are made before witnesses, opened as they are kept, and the record says so under a server's signature."""
    seal = desk.bao.new_key("ed25519")
    desk.keep("seal", seal, desk.bao.token(seal, *SIGNING))
    desk("keys", "generate", "-o", "old", "--passphrase-env", "PW")
    (desk.root / "people").write_text("B. Roy, CISO\n\nC. Petit, archivist\n")
    desk(
        *("keys", "ceremony", "--make", "ds", "--wrapped-by", "vault", "--key", "old.sec", "--copies", "2"),
        *(
            "--present",
            "A. Martin, DPO",
            "--present-file",
            "people",
            "--place",
            "Lyon",
            "--sign",
            "transit:seal",
        ),
        *("-o", "record.json", "--passphrase-env", "PW"),
    )
    assert stat.S_IMODE((desk.root / "record.json").stat().st_mode) == 0o600
    desk("keys", "export", "seal", "-o", "seal.pub")
    check = ("keys", "check-ceremony", "record.json", "--trust", "seal.pub")
    found = desk.json(*check, "--key", "ds.pub", "--key", "old.pub")["ceremony"]
    assert found["present"] == ["A. Martin, DPO", "B. Roy, CISO", "C. Petit, archivist"]
    by_name = {entry["name"]: entry for entry in found["keys"]}
    assert by_name["ds.pub"]["made"] is True
    assert by_name["ds.pub"]["held"]["server"] == {
        "address": desk.bao.address,
        "namespace": None,
        "mount": "transit",
        "key": key_of(desk, "vault"),
        "version": 1,
    }
    assert (by_name["old.pub"]["made"], by_name["old.pub"]["held"]["kind"]) == (False, "passphrase-file")
    assert [entry["held"]["copies"] for entry in found["keys"]] == [2, 2]
    told = desk(*check)
    assert "present    A. Martin, DPO" in told
    assert "not established" in told
    desk("keys", "generate", "-o", "stranger", "--passphrase-env", "PW")
    result = CliRunner().invoke(havre, [*check, "--key", "stranger.pub"])
    assert (result.exit_code, "does not speak of the key" in result.output) == (4, True)
    written = contents(desk.root, leave_out=[desk.root / f"{name}.token" for name in desk.tokens])
    for secret in (raw_private(desk.root / "ds.sec"), raw_private(desk.root / "old.sec")):
        for form in forms(secret):
            assert form not in written
            assert form not in desk.said.encode()


def test_a_ceremony_whose_signing_key_is_not_to_be_had_makes_nothing(desk: Desk) -> None:
    """The signing key is opened first: no key pair is left without a record."""
    desk.keep("seal", "absent", desk.bao.root)
    desk(
        *("keys", "ceremony", "--make", "ds", "--wrapped-by", "vault", "--present", "A"),
        *("--sign", "transit:seal", "-o", "record.json"),
        code=12,
    )
    assert not list(desk.root.glob("ds.*"))
    assert not (desk.root / "record.json").exists()
