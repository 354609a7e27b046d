"""SFTP sites in `havre.toml`: what a table may say, and what it must not."""

from __future__ import annotations

from pathlib import Path

import pytest

from providers.errors import ConfigInvalid
from providers.sftp_place import Hop
from providers.sites import Site, Sites

TABLE = '[sites.hospital]\nprofile = "sftp"\nhost = "sftp.example.org"\nuser = "havre"\n'


@pytest.fixture
def read(tmp_path):
    def load(more: str = "", table: str = TABLE) -> Site:
        path = tmp_path / "havre.toml"
        path.write_text(table + more)
        return Sites.load(path, {}).site("hospital")

    return load


def test_the_least_a_site_says(read):
    """Host and user are enough: port 22, the folder of the login, the user's own known hosts."""
    place = read().sftp
    assert place.server == Hop(host="sftp.example.org", user="havre", port=22)
    assert (place.root, place.jump, place.known_hosts, place.key_file) == ("", None, None, None)


def test_files_lie_beside_the_configuration(read, tmp_path):
    """Relative files are relative to the configuration; `~/` is left for whoever opens them."""
    place = read('known_hosts = "known_hosts"\nkey_file = "~/.ssh/havre"\nroot = "data/in"\n').sftp
    assert place.known_hosts == tmp_path / "known_hosts"
    assert place.key_file == Path("~/.ssh/havre")
    assert place.root == "data/in"


@pytest.mark.parametrize(
    ("text", "hop"),
    [
        ("bastion.example.org", Hop(host="bastion.example.org", user="havre")),
        ("me@bastion", Hop(host="bastion", user="me")),
        ("me@bastion:2222", Hop(host="bastion", user="me", port=2222)),
        ("[::1]:22", Hop(host="::1", user="havre")),
        ("10.0.0.1:8022", Hop(host="10.0.0.1", user="havre", port=8022)),
    ],
)
def test_jump_hosts(read, text, hop):
    """A jump host is written as ssh does; without a user it is the site's."""
    assert read(f'jump = "{text}"\n').sftp.jump == hop


def test_names_for_known_hosts():
    """`known_hosts` calls a host by its name in lower case, and by its port where that is not 22."""
    assert Hop(host="Bastion", user="x").name == "bastion"
    assert Hop(host="Bastion", user="x", port=23).name == "[bastion]:23"


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ('jump = "a:b:c"\n', "no jump host"),
        ('jump = "me@"\n', "no jump host"),
        ('jump = "host:0"\n', "no jump host"),
        ('jump = "host:65536"\n', "no jump host"),
        ('jump = "-oProxyCommand=x"\n', "no jump host"),
        ("port = 65536\n", "'port'"),
        ('port = "22"\n', "'port'"),
        ('root = "../other"\n', "'root'"),
        ('root = "a/../../b"\n', "'root'"),
        ('password = "hunter2"\n', "never stands in this file"),
        ('password_env = "hunter2!"\n', "must be the name of an environment variable"),
        ('key_passphrase_env = "PW"\n', "needs 'key_file'"),
        ('endpoint = "https://x"\n', "endpoint"),
    ],
)
def test_tables_that_make_no_sense(read, more, says):
    """Each mistake is named with its field, and no credential is repeated."""
    with pytest.raises(ConfigInvalid) as caught:
        read(more)
    assert says in caught.value.message
    assert "hunter2" not in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize("host", ["user@host", "host:22", "sftp://host", "-host", "a/b"])
def test_a_host_is_a_name_or_an_address(read, host):
    """A host field holds nothing but a host."""
    with pytest.raises(ConfigInvalid, match="'host'"):
        read(table=TABLE.replace("sftp.example.org", host))


@pytest.mark.parametrize("field", ["host", "user"])
def test_required_fields(read, field):
    """Host and user must be said."""
    table = "\n".join(line for line in TABLE.splitlines() if not line.startswith(field)) + "\n"
    with pytest.raises(ConfigInvalid, match=f"field '{field}' is required"):
        read(table=table)


def test_credentials_are_variables(read):
    """A site keeps the names of variables, not what they hold."""
    site = read('key_file = "k"\nkey_passphrase_env = "PW"\npassword_env = "PX"\nmax_connections = 4\n')
    assert dict(site.variables) == {"key_passphrase": "PW", "password": "PX"}
    assert site.max_connections == 4
    assert site.endpoint == "sftp://sftp.example.org:22"
    assert Hop(host="::1", user="x", port=2222).url == "sftp://[::1]:2222"
