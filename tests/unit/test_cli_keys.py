"""Key files and passphrases on the command line."""

import json
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from migrator.cli.keyring import Passphrases, open_identity, read_bounded, read_recipient
from migrator.cli.main import havre
from migrator.envelope.errors import KeyFileInvalid, WrongPassphrase
from migrator.errors import UsageError


def run(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(havre, ["keys", *arguments], env=environment)


@pytest.fixture
def pair(tmp_path: Path) -> Path:
    """A key pair whose passphrase is 'secret'."""
    result = run("generate", "-o", str(tmp_path / "ds"), "--passphrase-env", "PW", PW="secret")
    assert result.exit_code == 0, result.stderr
    return tmp_path / "ds"


def test_generated_pair_belongs_together(pair: Path) -> None:
    """The private half opens under its passphrase and is the public one's other half; modes are 0644 and 0600."""
    public, private = Path(f"{pair}.pub"), Path(f"{pair}.sec")
    identity = open_identity(private, Passphrases("PW", environ={"PW": "secret"}))
    assert identity.public == read_recipient(public).public
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert stat.S_IMODE(public.stat().st_mode) & 0o600 == 0o600


@pytest.mark.parametrize("suffix", [".pub", ".sec"])
def test_generate_overwrites_nothing(pair: Path, suffix: str) -> None:
    """If either file is there, neither is touched."""
    other = Path(f"{pair}.pub" if suffix == ".sec" else f"{pair}.sec")
    other.unlink()
    before = Path(f"{pair}{suffix}").read_bytes()
    result = run("generate", "-o", str(pair), "--passphrase-env", "PW", PW="x")
    assert result.exit_code == 2
    assert "is there already" in result.stderr
    assert Path(f"{pair}{suffix}").read_bytes() == before
    assert not other.exists()


def test_generate_needs_a_passphrase(tmp_path: Path) -> None:
    """Without a terminal and without a source there is no key; an empty variable is no passphrase."""
    for arguments in (["-o", str(tmp_path / "k")], ["-o", str(tmp_path / "k"), "--passphrase-env", "EMPTY"]):
        result = run("generate", *arguments, EMPTY="", HAVRE_PASSPHRASE_FILE="")
        assert result.exit_code == 2
        assert "hint: " in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_passphrase_is_asked_for_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person types a new passphrase twice; it appears nowhere."""
    answers = iter(["first try", "other", "good one", "good one"])
    monkeypatch.setattr("click.termui.hidden_prompt_func", lambda _prompt: next(answers))
    assert Passphrases(None, environ={}, interactive=True).get_new("k.sec") == b"good one"


def test_show_tells_kind_and_fingerprint(pair: Path) -> None:
    """Both halves show the same fingerprint, and the private half shows nothing secret."""
    public = json.loads(run("show", f"{pair}.pub", "--json").stdout)
    shown = run("show", f"{pair}.sec", "--json", "--passphrase-env", "PW", PW="secret")
    private = json.loads(shown.stdout)
    assert (public["kind"], private["kind"], private["locked"]) == ("public", "private", True)
    assert public["fingerprint"] == private["fingerprint"]
    assert set(private) == {"kind", "locked", "fingerprint", "public_key"}


def test_wrong_passphrase_is_exit_code_12(pair: Path) -> None:
    """A wrong passphrase is one sentence with a hint, and the passphrase is not in it."""
    result = run("show", f"{pair}.sec", "--passphrase-env", "PW", PW="hunter2")
    assert result.exit_code == 12
    assert result.stderr.startswith("havre: the passphrase does not open ")
    assert "hint: " in result.stderr
    assert "hunter2" not in result.output


def test_passphrase_file_is_read(pair: Path, tmp_path: Path) -> None:
    """HAVRE_PASSPHRASE_FILE names a file; its last line end does not belong to the passphrase."""
    path = tmp_path / "phrase"
    path.write_text("secret\n")
    assert run("show", f"{pair}.sec", HAVRE_PASSPHRASE_FILE=str(path)).exit_code == 0
    path.write_text("\n")
    assert run("show", f"{pair}.sec", HAVRE_PASSPHRASE_FILE=str(path)).exit_code == 2


def test_variable_that_is_named_comes_first(tmp_path: Path) -> None:
    """What the operator names on the command line wins over the environment's own file."""
    environ = {"PW": "named", "HAVRE_PASSPHRASE_FILE": str(tmp_path / "absent")}
    assert Passphrases("PW", environ=environ).get("k") == b"named"


def test_nobody_to_ask_is_said(pair: Path) -> None:
    """A locked key without passphrase or terminal ends with exit code 12 and the three ways to give one."""
    with pytest.raises(WrongPassphrase) as caught:
        open_identity(Path(f"{pair}.sec"), Passphrases(None, environ={}, interactive=False))
    assert "HAVRE_PASSPHRASE_FILE" in str(caught.value.hint)


def test_wrong_half_is_named(pair: Path) -> None:
    """A private key given as a recipient is refused with the file's name."""
    with pytest.raises(KeyFileInvalid, match=r"ds\.sec: this is a private key"):
        read_recipient(Path(f"{pair}.sec"))


def test_large_file_is_not_read(tmp_path: Path) -> None:
    """A file above the limit is refused, not loaded."""
    path = tmp_path / "big"
    path.write_bytes(b"x" * 11)
    with pytest.raises(UsageError, match="larger than 10 bytes"):
        read_bounded(path, 10)
    assert read_bounded(path, 11) == b"x" * 11


def test_missing_key_file_is_exit_code_10(tmp_path: Path) -> None:
    """A key file that is not there is named."""
    result = run("show", str(tmp_path / "gone"))
    assert result.exit_code == 10
    assert "gone: no such file or directory" in result.stderr
