"""The estate table of a site is checked as a whole, and never holds a credential."""

from pathlib import Path

import pytest

from providers.errors import ConfigInvalid, Unauthenticated
from providers.estate.settings import COMPUTE, DNS, EstateSettings, read_estate
from providers.sites import Sites

SITE = '[sites.a]\nprofile = "minio"\nregion = "r"\nendpoint = "http://127.0.0.1:9"\n'


def load(folder: Path, table: str) -> EstateSettings | None:
    path = folder / "havre.toml"
    path.write_text(f"{SITE}[sites.a.estate]\n{table}")
    return Sites.load(path, {}).site("a").estate


def test_a_cloud_is_openstack(tmp_path: Path) -> None:
    """Naming a cloud of clouds.yaml is enough."""
    found = load(tmp_path, 'cloud = "hds"\n')
    assert found == EstateSettings(compute="openstack", cloud="hds")


def test_a_site_without_a_table_has_none(tmp_path: Path) -> None:
    """Without the table nothing else is asked, on a directory as on a store."""
    path = tmp_path / "havre.toml"
    path.write_text(f'{SITE}[sites.b]\nprofile = "filesystem"\nroot = "x"\n')
    sites = Sites.load(path, {})
    assert sites.site("a").estate is None
    assert sites.site("b").estate is None


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ('compute = "cloudy"\n', "must be one of"),
        ('dns = "zone-o-matic"\n', "must be one of"),
        ('cloud = "hds"\nregio = "x"\n', "unknown field"),
        ("cloud = 3\n", "must be text"),
        ('compute = "azure"\ntenant = "t"\n', "needs the field"),
        ('dns = "powerdns"\ndns_key_env = "K"\n', "dns_endpoint"),
        ('cloud = "hds"\nkey = "AKIA0000000000000000"\n', "never stands in this file"),
        ('cloud = "hds"\nkey_env = "not a name"\n', "name of an environment variable"),
        (
            'compute = "ec2"\nregion = "r"\nuser_env = "U"\nkey_env = "K"\nendpoint = "http://cloud.example.org"\n',
            "plain http",
        ),
    ],
)
def test_a_table_that_makes_no_sense_is_refused(tmp_path: Path, table: str, complaint: str) -> None:
    """Wrong names, types, combinations and literal credentials are refused, and no value is repeated."""
    with pytest.raises(ConfigInvalid, match=complaint) as caught:
        load(tmp_path, table)
    assert "AKIA" not in str(caught.value)


@pytest.mark.parametrize(("field", "known"), [("compute", COMPUTE), ("dns", DNS)])
def test_every_service_names_what_it_needs(field: str, known: dict[str, tuple[str, ...]]) -> None:
    """Each cloud and DNS service is accepted with exactly the fields it says it needs."""
    for name, needed in known.items():
        table = {field: name} | {one: "X" if one.endswith("_env") else "x" for one in needed}
        table |= {one: "https://dns.example.org" for one in needed if one.endswith("endpoint")}
        found = read_estate("here", table)
        assert found is not None
        assert getattr(found, field) == name


def test_a_credential_comes_from_its_variable() -> None:
    """What the variable holds is the credential; an unset one is said by name."""
    settings = EstateSettings(variables={"key": "THE_KEY"})
    found = settings.secret("key", {"THE_KEY": "value"})
    assert found is not None
    assert found.reveal() == "value"
    assert "value" not in repr(found)
    assert settings.secret("user", {}) is None
    with pytest.raises(Unauthenticated, match="THE_KEY"):
        settings.secret("key", {})
