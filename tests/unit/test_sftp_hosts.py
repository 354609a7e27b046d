"""Which host keys are trusted: every form of `known_hosts`, and one sentence for each refusal."""

from __future__ import annotations

import base64
import hmac
from pathlib import Path

import pytest

from providers.drivers.sftp_hosts import fingerprint, key_types_of, require_trusted, trusted_keys
from providers.errors import ConfigInvalid, Retry, Unauthenticated
from providers.sftp_place import Hop

KEY = b"\0\0\0\x0bssh-ed25519the key"
OTHER = b"\0\0\0\x0bssh-ed25519another"
HOST = Hop(host="sftp.Example.org", user="havre")
ELSEWHERE = Hop(host="sftp.example.org", user="havre", port=2222)


def line(names: str, key: bytes = KEY, marker: str = "", kind: str = "ssh-ed25519") -> str:
    return f"{marker} {names} {kind} {base64.b64encode(key).decode()} a comment\n".lstrip()


def hashed(name: str) -> str:
    salt = b"0123456789abcdefghij"
    digest = hmac.digest(salt, name.encode(), "sha1")
    return f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"


@pytest.fixture
def known(tmp_path: Path):
    """Writes a file of host keys and asks what it says of a host that shows a key."""

    def ask(text: str, hop: Hop = HOST, shown: bytes = KEY) -> None:
        path = tmp_path / "known_hosts"
        path.write_text(text)
        require_trusted(trusted_keys([path], hop), shown, hop, [path])

    return ask


@pytest.mark.parametrize(
    "names",
    [
        "sftp.example.org",
        "a,sftp.example.org,b",
        "*.example.org",
        "sftp.exampl?.org",
        hashed("sftp.example.org"),
    ],
    ids=["plain", "among-others", "star", "question", "hashed"],
)
def test_a_known_key_passes(known, names):
    """A key that the file holds for the host is trusted, in whatever form the host is named."""
    known("# a comment\n\nnonsense\n" + line("other.example.org", OTHER) + line(names))


@pytest.mark.parametrize("names", ["[sftp.example.org]:2222", hashed("[sftp.example.org]:2222")])
def test_a_host_on_another_port_has_an_entry_of_its_own(known, names):
    """Off port 22 the port is part of the name, and the entry of port 22 does not count."""
    known(line(names), ELSEWHERE)
    with pytest.raises(Unauthenticated, match="is not known"):
        known(line("sftp.example.org"), ELSEWHERE)
    with pytest.raises(Unauthenticated, match="is not known"):
        known(line(names), HOST)


def test_an_unknown_host_is_refused(known):
    """A host without an entry is refused with its fingerprint and the way to add it."""
    with pytest.raises(Unauthenticated, match="is not known") as caught:
        known(line("other.example.org"))
    assert fingerprint(KEY) in caught.value.message
    assert "ssh-keyscan -p 22 sftp.Example.org" in caught.value.hint
    assert caught.value.retry is Retry.STOP


def test_a_changed_key_is_refused(known):
    """Another key than the known one is refused as changed, once and for all."""
    with pytest.raises(Unauthenticated, match="has changed") as caught:
        known(line("sftp.example.org"), shown=OTHER)
    assert fingerprint(OTHER) in caught.value.message
    assert "impersonating" in caught.value.hint
    assert caught.value.retry is Retry.STOP


def test_one_of_several_keys_is_enough(known):
    """A host with several keys may show any of them."""
    known(line("sftp.example.org", OTHER) + line("sftp.example.org"))


def test_a_revoked_key_is_refused_wherever_else_it_stands(known):
    """A key marked as revoked is refused although the same file also lists it as good."""
    with pytest.raises(Unauthenticated, match="revoked"):
        known(line("sftp.example.org") + line("*", marker="@revoked"))


def test_authorities_trust_nobody(known):
    """A certificate authority's line is no host key."""
    with pytest.raises(Unauthenticated, match="is not known"):
        known(line("*.example.org", marker="@cert-authority"))


def test_a_negated_name_excludes_the_host(known):
    """`!name` on a line excludes that host from it, whatever else the line says."""
    with pytest.raises(Unauthenticated, match="is not known"):
        known(line("*.example.org,!sftp.example.org"))


@pytest.mark.parametrize("text", ["|1|???|???", "|1|", "|1|YQ==", "|2|YQ==|YQ=="])
def test_a_damaged_hash_names_nobody(known, text):
    """A hashed name that cannot be read matches no host, and breaks nothing."""
    with pytest.raises(Unauthenticated, match="is not known"):
        known(line(text))


def test_a_key_that_is_no_base64_is_no_key(known):
    """A line whose key cannot be read is passed over."""
    with pytest.raises(Unauthenticated, match="is not known"):
        known("sftp.example.org ssh-ed25519 !!!\n")


def test_a_missing_file_holds_no_keys(tmp_path):
    """Files that are not there hold no keys; a folder in their place is said to be unreadable."""
    assert trusted_keys([tmp_path / "none"], HOST) == ()
    with pytest.raises(ConfigInvalid, match="cannot read the host keys"):
        trusted_keys([tmp_path], HOST)


def test_kinds_are_told_so_that_the_host_is_asked_for_them(tmp_path):
    """The kinds of the good keys of a host come in the file's order, each once."""
    path = tmp_path / "known_hosts"
    path.write_text(
        line("sftp.example.org", kind="ssh-rsa")
        + line("sftp.example.org", OTHER)
        + line("sftp.example.org")
        + line("sftp.example.org", OTHER, "@revoked", "ecdsa-sha2-nistp256")
    )
    assert key_types_of(trusted_keys([path], HOST)) == ("ssh-rsa", "ssh-ed25519")
