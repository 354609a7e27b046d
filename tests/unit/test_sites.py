"""Sites: where the configuration lies, what it may say, and what opens from it."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from providers.errors import AlreadyExists, ConfigInvalid, NotFound, StoreError, Unauthenticated
from providers.location import Location
from providers.model import Key, PutOptions
from providers.opening import Limiters
from providers.sites import Site, Sites, find_config, open_store

if TYPE_CHECKING:
    from pathlib import Path

AZURE = 'profile = "azure"\naccount = "devstoreaccount1"\n'
S3 = 'profile = "generic-s3"\nendpoint = "https://s3.example.org"\n'
OVH = 'profile = "ovhcloud"\nregion = "gra"\n'


def load(folder: Path, text: str) -> Sites:
    path = folder / "havre.toml"
    path.write_text(text)
    return Sites.load(path, {})


def site(folder: Path, body: str) -> Site:
    return load(folder, f"[sites.one]\n{body}").site("one")


def refusal(folder: Path, body: str) -> StoreError:
    with pytest.raises(ConfigInvalid) as caught:
        site(folder, body)
    assert caught.value.exit_code == 2
    return caught.value


def test_files_are_looked_for_in_order(tmp_path):
    """--config goes before $HAVRE_CONFIG, the current directory and the user's own, in that order."""
    places = [
        tmp_path / name for name in ("option.toml", "variable.toml", "cwd/havre.toml", "xdg/havre/havre.toml")
    ]
    home = tmp_path / "home/.config/havre/havre.toml"
    for path in [*places, home]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    option, variable, here, xdg = places
    environ = {
        "HAVRE_CONFIG": str(variable),
        "XDG_CONFIG_HOME": str(tmp_path / "xdg"),
        "HOME": str(tmp_path / "home"),
    }
    assert find_config(option, environ, cwd=here.parent) == option
    assert find_config(None, environ, cwd=here.parent) == variable
    del environ["HAVRE_CONFIG"]
    assert find_config(None, environ, cwd=here.parent) == here
    assert find_config(None, environ, cwd=tmp_path) == xdg
    del environ["XDG_CONFIG_HOME"]
    assert find_config(None, environ, cwd=tmp_path) == home
    assert find_config(None, {}, cwd=tmp_path) is None


def test_a_file_that_is_named_must_be_there(tmp_path):
    """A missing file that someone named is an error; no file at all is not."""
    with pytest.raises(ConfigInvalid, match="--config names"):
        Sites.load(tmp_path / "none.toml", {})
    with pytest.raises(ConfigInvalid, match="HAVRE_CONFIG names"):
        Sites.load(None, {"HAVRE_CONFIG": str(tmp_path / "none.toml")})
    assert Sites.load(None, {}, cwd=tmp_path).by_name == {}


def test_a_whole_configuration_is_read(tmp_path):
    """Endpoints come from profiles, credentials are only named, and trust is kept."""
    sites = load(
        tmp_path,
        f'[sites.hdh]\n{AZURE}account_key_env = "HDH_KEY"\n'
        f'[sites.ovh]\n{OVH}aws_profile = "ovh"\n'
        '[sites.weed]\nprofile = "seaweedfs"\nendpoint = "http://127.0.0.1:8333/"\n'
        '[sites.disk]\nprofile = "filesystem"\nroot = "data"\n'
        '[trust]\nderogation_keys = ["abc"]\n',
    )
    assert sites.site("hdh").endpoint == "https://devstoreaccount1.blob.core.windows.net"
    assert sites.site("hdh").variables == {"account_key": "HDH_KEY"}
    ovh = sites.site("ovh")
    assert (ovh.endpoint, ovh.region, ovh.addressing) == ("https://s3.gra.io.cloud.ovh.net", "gra", "auto")
    weed = sites.site("weed")
    assert (weed.endpoint, weed.region, weed.addressing) == ("http://127.0.0.1:8333", "us-east-1", "path")
    assert sites.site("disk").root == tmp_path / "data"
    assert sites.derogation_keys == ("abc",)


def test_an_unknown_site_is_answered_with_those_there_are(tmp_path):
    """The hint names the known sites, the nearest first."""
    sites = load(tmp_path, f"[sites.ovh]\n{OVH}[sites.hdh]\n{AZURE}")
    with pytest.raises(ConfigInvalid, match="'ohv'") as caught:
        sites.site("ohv")
    assert caught.value.hint == "did you mean 'ovh'? known sites: hdh, ovh"
    with pytest.raises(ConfigInvalid) as caught:
        Sites().site("ovh")
    assert caught.value.hint == "write [sites.ovh] into havre.toml"


@pytest.mark.parametrize(
    ("body", "message", "hint"),
    [
        (S3 + 'regoin = "x"', "unknown field 'regoin'", "did you mean 'region'?"),
        (AZURE + 'region = "x"', "unknown field 'region'", None),
        ('profile = "filesystem"', "field 'root' is required", None),
        ('profile = "azure"', "field 'account' is required", None),
        ('region = "gra"', "field 'profile' is required", None),
        ('profile = "ovhcluod"', "no profile is called", "did you mean 'ovhcloud'?"),
        ('profile = "generic-s3"', "field 'endpoint' is required", None),
        ('profile = "ovhcloud"', "field 'region' is required", "gra"),
        ('profile = "ovhcloud"\nregion = "mars"', "knows no region 'mars'", "give an endpoint too"),
        (S3 + "region = 3", "field 'region' must be text", None),
        (S3 + "max_connections = 0", "must be a whole number from 1", None),
        (S3 + "max_connections = true", "must be a whole number from 1", None),
        (S3 + 'addressing = "either"', "path, virtual or auto", None),
        (S3 + 'access_key_env = "A"', "needs 'secret_key_env'", None),
        (S3 + 'session_token_env = "A"', "needs 'access_key_env'", None),
        (S3 + 'aws_profile = "x"\naccess_key_env = "A"\nsecret_key_env = "B"', "not both", None),
        (AZURE + 'account_key_env = "A"\nsas_env = "B"', "not both", None),
    ],
)
def test_what_a_site_may_not_say_is_named(tmp_path, body, message, hint):
    """Each mistake names the file, the site and the field."""
    error = refusal(tmp_path, body)
    assert message in error.message
    if "profile is called" not in message:
        assert "havre.toml: [sites.one]" in error.message
    if hint is not None:
        assert hint in (error.hint or "")


@pytest.mark.parametrize(
    "field",
    ["account_key", "sas", "access_key", "secret_key", "password", "session_token", "connection_string"],
)
def test_a_credential_in_the_file_is_refused_and_not_repeated(tmp_path, field):
    """No field of the file can hold a credential itself, on no protocol."""
    for body in (AZURE, S3):
        error = refusal(tmp_path, f'{body}{field} = "hunter2"')
        assert "never stands in this file" in error.message
        assert f"{field}_env" in (error.hint or "")
        assert "hunter2" not in f"{error} {error.hint}"


def test_a_credential_in_place_of_a_variables_name_is_refused_and_not_repeated(tmp_path):
    """A key pasted where the variable's name belongs does not reach the screen."""
    error = refusal(tmp_path, AZURE + 'account_key_env = "Eby8/hunter2=="')
    assert "name of an environment variable" in error.message
    assert "hunter2" not in f"{error} {error.hint}"


def test_a_broken_file_does_not_show_its_lines(tmp_path):
    """A parse error gives the place, not the text, which may be a credential."""
    with pytest.raises(ConfigInvalid, match="line 2") as caught:
        load(tmp_path, '[sites.one]\naccount_key = hunter2"')
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("endpoint", "message"),
    [
        ("http://s3.example.org", "plain http"),
        ("http://10.0.0.1:9000", "plain http"),
        ("https://user:hunter2@s3.example.org", "neither user"),
        ("https://s3.example.org/?sig=hunter2", "neither user"),
        ("s3.example.org", "not an http(s) URL"),
        ("ftp://s3.example.org", "not an http(s) URL"),
        ("https://[::1", "not an http(s) URL"),
        ("https://s3.example.org:x", "not an http(s) URL"),
    ],
)
def test_an_endpoint_is_a_tls_url_without_credentials(tmp_path, endpoint, message):
    """Plain http across a network and credentials in the URL are refused without repeating them."""
    error = refusal(tmp_path, f'profile = "generic-s3"\nendpoint = "{endpoint}"')
    assert message in error.message
    assert "hunter2" not in f"{error} {error.hint}"


@pytest.mark.parametrize(
    "lines",
    [
        'endpoint = "http://127.0.0.1:9000"',
        'endpoint = "http://[::1]:9000"',
        'endpoint = "http://localhost"',
        'endpoint = "http://s3.example.org"\ninsecure_http = true',
    ],
)
def test_plain_http_is_for_this_machine_or_on_request(tmp_path, lines):
    """Loopback needs no TLS, and a trusted network can be said to be one."""
    assert site(tmp_path, f'profile = "generic-s3"\n{lines}').endpoint.startswith("http://")


def test_tables_of_another_shape_are_refused(tmp_path):
    """Unknown tables, sites that are no tables and odd trust lists are named."""
    for text, message in (
        ("[site.ovh]", "unknown field 'site'"),
        ("sites = 3", "must be a table"),
        ("[sites]\novh = 3", "must be a table"),
        ('[sites."o:h"]\n' + OVH, "a name is made of"),
        ("[trust]\nkeys = []", "unknown field 'keys'"),
        ("[trust]\nderogation_keys = [1]", "list of texts"),
    ):
        with pytest.raises(ConfigInvalid, match=message):
            load(tmp_path, text)


def test_a_missing_variable_is_named(tmp_path):
    """Credentials that are not there are told by the variable's name and the site's."""
    for body in (AZURE + 'account_key_env = "K"', S3 + 'access_key_env = "K"\nsecret_key_env = "L"'):
        sites = load(tmp_path, f"[sites.one]\n{body}")
        for environ in ({}, {"K": ""}):
            with pytest.raises(Unauthenticated, match="variable K is not set") as caught:
                open_store(Location.parse("one:data"), sites, environ=environ)
            assert "site one" in (caught.value.hint or "")


def test_a_directory_to_be_read_must_be_there(tmp_path):
    """A source directory that is missing is not found; a target is made."""
    location = Location.parse(f"{tmp_path}/new")
    with pytest.raises(NotFound) as caught:
        open_store(location, Sites(), environ={}, read_only=True)
    assert caught.value.exit_code == 10
    with open_store(location, Sites(), environ={}) as store:
        store.put(Key("a"), b"x")
    with open_store(location, Sites(), environ={}, read_only=True) as store:
        assert [meta.key for meta in store.list()] == ["a"]
        assert store.location == str(tmp_path / "new")


def test_home_is_the_environments(tmp_path):
    """A tilde stands for the HOME that was given, not for the process's own."""
    (tmp_path / "data").mkdir()
    with open_store(
        Location.parse("~/data"), Sites(), environ={"HOME": str(tmp_path)}, read_only=True
    ) as store:
        assert store.location == "~/data"


def test_a_directory_can_be_a_site(tmp_path):
    """A filesystem site's buckets are directories under its root."""
    sites = load(tmp_path, '[sites.disk]\nprofile = "filesystem"\nroot = "."\n')
    (tmp_path / "bucket").mkdir()
    with open_store(Location.parse("disk:bucket/p"), sites, environ={}, read_only=True) as store:
        assert (store.location, store.prefix) == ("disk:bucket", "p/")


def test_stores_of_every_protocol_open_without_a_request(tmp_path):
    """Opening composes driver and layers from the site and asks the network nothing."""
    sites = load(
        tmp_path,
        f'[sites.hdh]\n{AZURE}account_key_env = "K"\n'
        f'[sites.ovh]\n{OVH}access_key_env = "K"\nsecret_key_env = "L"\n',
    )
    environ = {"K": "c2VjcmV0", "L": "hunter2"}
    for text, parts in (("hdh:data", 50_000), ("ovh:data.with.dots/p", 10_000)):
        with open_store(Location.parse(text), sites, environ=environ, read_only=True) as store:
            assert store.capabilities.max_parts == parts
            assert "hunter2" not in repr(store)


def round_trip(folder: Path, body: str, bucket: str, environ: dict[str, str]) -> None:
    """Write an object under a prefix of a site, and read it back through a store that may only read."""
    sites = load(folder, f"[sites.one]\n{body}")
    location = Location.parse(f"one:{bucket}/folder")
    with open_store(location, sites, environ=environ) as store:
        store.check()
        store.put(Key("a"), b"body", PutOptions(if_absent=True))
        with pytest.raises(AlreadyExists):
            store.put(Key("a"), b"other", PutOptions(if_absent=True))
    with open_store(location, sites, environ=environ, read_only=True) as store:
        assert [meta.key for meta in store.list()] == ["a"]
        assert bytes(store.read(Key("a")).data) == b"body"


@pytest.mark.server("seaweedfs")
def test_a_site_reaches_an_s3_server(tmp_path, seaweedfs):
    """Endpoint, region, addressing and named variables of a site are enough to write and read."""
    body = f'profile = "seaweedfs"\nendpoint = "{seaweedfs.endpoint}"\nregion = "{seaweedfs.region}"\n'
    variables = 'access_key_env = "K"\nsecret_key_env = "L"\n'
    environ = {"K": seaweedfs.access_key, "L": seaweedfs.secret_key}
    round_trip(tmp_path, body + variables, seaweedfs.new_bucket(), environ)


@pytest.mark.server("azurite")
def test_a_site_reaches_an_azure_server(tmp_path, azurite):
    """Account, endpoint and the variable of its key are enough to write and read."""
    body = f'profile = "azure"\naccount = "{azurite.account}"\nendpoint = "{azurite.endpoint}"\n'
    round_trip(tmp_path, body + 'account_key_env = "K"\n', azurite.new_bucket(), {"K": azurite.account_key})


def test_one_endpoint_has_one_pace():
    """Stores of one endpoint share a limiter; others have their own."""
    limiters = Limiters()
    assert limiters.of("https://a", 4) is limiters.of("https://a", 8)
    assert limiters.of("https://a", 4) is not limiters.of("https://b", 4)


def test_reading_sites_loads_no_sdk():
    """A command that opens no store does not pay for boto3, the Azure SDK or obstore."""
    code = (
        "import sys, providers.sites\n"
        "heavy = {'boto3', 'botocore', 'azure', 'obstore', 'urllib3', 'tenacity'}\n"
        "print(*sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "\n", "")
