"""What ``[custody.NAME]`` may say, and where the token comes from."""

from pathlib import Path
from typing import Any

import pytest

from providers.custody_place import read_custody
from providers.errors import ConfigInvalid, Unauthenticated
from providers.sites import Sites

GOOD = {"address": "https://bao.example.org:8200/", "key": "dataset"}


def read(folder: Path = Path("/etc/havre"), **fields: Any) -> Any:
    return read_custody("havre.toml: [custody.vault]", "vault", GOOD | fields, folder)


def test_a_table_is_read() -> None:
    """Paths are relative to the file, the mount has a default, and slashes at the ends do not count."""
    place = read(token_file="t", ca_bundle="/ca.pem", namespace="/a/b/")
    assert (place.address, place.mount, place.key) == ("https://bao.example.org:8200", "transit", "dataset")
    assert (place.token_file, place.ca_bundle, place.namespace) == (
        Path("/etc/havre/t"),
        Path("/ca.pem"),
        "a/b",
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"address": "http://bao.example.org:8200"},
        {"address": "https://user:pw@bao.example.org"},
        {"address": "bao.example.org"},
        {"key": "a/b"},
        {"key": ".."},
        {"key": ""},
        {"key": 7},
        {"mount": "../sys"},
        {"mount": "a//b"},
        {"mount": "a?b"},
        {"namespace": "a\nX-Evil: 1"},
        {"token": "s.secret"},
        {"token_env": "s.not-a-name"},
        {"token_file": "t", "token_env": "T"},
        {"tls_skip_verify": True},
        {"ca_bundle": ["a"]},
    ],
)
def test_what_makes_no_sense_is_refused(fields: dict[str, Any]) -> None:
    """Plain http elsewhere, paths that leave their place, headers, credentials and unknown fields are refused."""
    with pytest.raises(ConfigInvalid) as caught:
        read(**fields)
    assert "s.secret" not in str(caught.value)
    assert "s.not-a-name" not in str(caught.value)


@pytest.mark.parametrize("address", ["http://127.0.0.1:8200", "http://localhost:8200"])
def test_plain_http_to_this_machine_passes(address: str) -> None:
    """A server on this machine may be spoken to without TLS."""
    assert read(address=address).address == address


def test_a_token_file_is_private(tmp_path: Path) -> None:
    """A token that everybody may read, is empty, or holds more than a word is refused, and not repeated."""
    file = tmp_path / "t"
    place = read(tmp_path, token_file="t")
    for content in ("", "two words", "a\nb", "x" * 5000, "caf\N{LATIN SMALL LETTER E WITH ACUTE}"):
        file.write_text(content)
        file.chmod(0o600)
        with pytest.raises(ConfigInvalid) as caught:
            place.token({})
        assert content == "" or content not in str(caught.value)
    file.write_text("s.token\n")
    assert place.token({}).reveal() == "s.token"
    file.chmod(0o644)
    with pytest.raises(ConfigInvalid, match="everybody"):
        place.token({})
    file.unlink()
    with pytest.raises(ConfigInvalid, match="cannot read"):
        place.token({})


def test_a_token_comes_from_the_variable_that_is_named() -> None:
    """The table's own variable, else the two that the servers' commands read."""
    assert read(token_env="MINE").token({"MINE": "a", "BAO_TOKEN": "b"}).reveal() == "a"
    with pytest.raises(Unauthenticated, match="MINE"):
        read(token_env="MINE").token({"BAO_TOKEN": "b"})
    assert read().token({"BAO_TOKEN": "b", "VAULT_TOKEN": "c"}).reveal() == "b"
    assert read().token({"VAULT_TOKEN": "c"}).reveal() == "c"


def test_a_custodian_is_found_by_name(tmp_path: Path) -> None:
    """The configuration gives custodians by name and helps with a typing mistake."""
    path = tmp_path / "havre.toml"
    path.write_text('[custody.vault]\naddress = "https://bao.example.org"\nkey = "ds"\n')
    sites = Sites.load(path, {})
    assert sites.custodian("vault").key == "ds"
    with pytest.raises(ConfigInvalid) as caught:
        sites.custodian("vualt")
    assert "vault" in str(caught.value.hint)
    with pytest.raises(ConfigInvalid) as caught:
        Sites().custodian("vault")
    assert "[custody.vault]" in str(caught.value.hint)
