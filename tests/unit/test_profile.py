"""Profiles: what ships is well-formed, what is unknown is never "yes", and mistakes are named."""

from __future__ import annotations

import json
import tomllib
from dataclasses import FrozenInstanceError
from importlib import resources

import jsonschema
import pytest

from providers import profile_spec
from providers.errors import ConfigInvalid
from providers.profile import list_profiles, load_profile
from providers.profile_schema import profile_schema
from providers.profile_spec import Status
from providers.protocols import BASES

OFFERS = (
    "azure",
    "bleu",
    "clever-cloud",
    "cloud-avenue",
    "cloud-temple",
    "docaposte",
    "numspot",
    "oodrive",
    "outscale",
    "ovhcloud",
    "ovhcloud-bmpod-snc",
    "ovhcloud-vmware-snc",
    "s3ns",
    "scaleway",
    "worldline",
)
PROGRAMS = (
    "ceph-rgw",
    "ceph-rgw-squid",
    "filesystem",
    "generic-s3",
    "minio",
    "openstack-swift",
    "seaweedfs",
    "sftp",
)
SHIPPED = OFFERS + PROGRAMS
UNDOCUMENTED = ("docaposte", "oodrive", "ovhcloud-bmpod-snc", "ovhcloud-vmware-snc", "worldline")
FRANCE = '"France"'
FACT = '{ value = true, status = "vendor", source = "https://example.org", date = "2026-01-31" }'


def profile_text(body: str = "", *, protocol: str = "s3") -> str:
    return f'schema = 1\n[profile]\nname = "mine"\ntitle = "Mine"\nprotocol = "{protocol}"\n{body}\n'


@pytest.fixture
def write(tmp_path):
    def write_text(text: str):
        path = tmp_path / "mine.toml"
        path.write_text(text)
        return path

    return write_text


def shipped_text(name: str) -> str:
    return (resources.files("providers") / "profiles" / f"{name}.toml").read_text("utf-8")


def test_the_shipped_profiles_are_listed():
    """Profiles are found among the package's own data, and each is an offer or a program."""
    assert sorted(SHIPPED) == list(list_profiles())
    kinds = {name: load_profile(name).kind for name in SHIPPED}
    assert kinds == dict.fromkeys(OFFERS, "offer") | dict.fromkeys(PROGRAMS, "software")


def test_the_committed_schema_is_the_one_the_code_states():
    """The JSON Schema file is generated from the specification and cannot drift from it."""
    committed = (resources.files("providers") / "profile.schema.json").read_text("utf-8")
    assert json.loads(committed) == profile_schema()


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_profile_loads_and_satisfies_the_schema(name):
    """Loader and schema accept the same files, and each is called as its file."""
    jsonschema.validate(tomllib.loads(shipped_text(name)), profile_schema())
    profile = load_profile(name)
    assert profile.name == name
    assert profile.facts()


@pytest.mark.parametrize("name", SHIPPED)
def test_sources_are_public_or_say_what_they_are(name):
    """No fact lacks a source, measured facts say what was measured, and vendor facts give an address."""
    for field, fact in load_profile(name).facts().items():
        if fact.status is Status.MEASURED:
            assert fact.source.startswith("measured, "), field
        if fact.status is Status.VENDOR:
            assert fact.source.startswith("https://"), field


@pytest.mark.parametrize("name", SHIPPED)
def test_no_shipped_profile_establishes_anything(name):
    """Nothing was read in an official text itself yet, so nothing may carry that status, nor the operator's."""
    assert not [field for field, fact in load_profile(name).facts().items() if fact.establishes]


@pytest.mark.parametrize("name", SHIPPED)
def test_a_profile_speaks_of_everything_that_is_asked_of_it(name):
    """Each has law, both certificates, all services and packages, if only to say what was not found."""
    profile = load_profile(name)
    assert {"entity", "parents", "non_eu_control", "exposure"} <= set(profile.law)
    assert profile.certificate("hds")
    assert profile.certificate("secnumcloud")
    assert set(profile.services) == set(profile_spec.SERVICES)
    assert {"pulumi", "terraform"} <= set(profile.iac)


@pytest.mark.parametrize("name", OFFERS)
def test_an_offer_says_how_well_its_protocol_is_known(name):
    """The protocol that a profile names stands in a fact too, so that a guess is told from documentation."""
    profile = load_profile(name)
    assert profile.endpoint["protocol"].value == profile.protocol


@pytest.mark.parametrize("name", UNDOCUMENTED)
def test_a_store_that_nobody_documents_gives_no_guarantee(name):
    """Where the protocol is a guess, nothing is promised and the strictest part plan is taken."""
    profile = load_profile(name)
    assert profile.endpoint["protocol"].status is Status.MEMORY
    capabilities = profile.capabilities()
    assert not capabilities.put_if_absent
    assert not capabilities.complete_if_absent
    assert not capabilities.verifies_checksum
    assert capabilities.equal_parts
    assert capabilities.max_parts == 1000


def test_two_releases_of_one_gateway_are_two_profiles():
    """What was measured on Ceph 16.2 is not said of later releases, and hearsay of those is no guarantee."""
    measured, later = load_profile("ceph-rgw"), load_profile("ceph-rgw-squid")
    assert measured.capabilities().put_if_absent
    assert not measured.capabilities().complete_if_absent
    assert later.quirk("put_if_absent") is None
    assert later.quirk("verifies_sha256") is True
    assert not later.capabilities().verifies_checksum


def test_statuses_are_ranked():
    """An operator's reading ranks with an official text, and nothing ranks below what was not found."""
    ranks = [status.rank for status in Status]
    assert ranks == sorted(ranks)
    assert Status.OPERATOR.rank == Status.OFFICIAL.rank == 0
    assert max(Status, key=lambda status: status.rank) is Status.NOT_FOUND


def test_an_unknown_profile_is_refused_with_the_nearest_name():
    """A typing mistake in a profile's name is answered with the name that was meant."""
    with pytest.raises(ConfigInvalid, match="'scalway'") as caught:
        load_profile("scalway")
    assert caught.value.hint == "did you mean 'scaleway'?"


def test_a_name_like_nothing_gets_the_list_of_names():
    """Without a near name the hint lists what there is."""
    with pytest.raises(ConfigInvalid) as caught:
        load_profile("zzz")
    assert "ovhcloud" in (caught.value.hint or "")


def test_a_profile_of_ones_own_is_a_path(write):
    """A file outside the package is a profile too."""
    profile = load_profile(write(profile_text(f"[quirks]\nif_match_bare = {FACT}")))
    assert profile.quirk("if_match_bare") is True


def test_a_profile_cannot_be_changed():
    """Facts are frozen once read."""
    profile = load_profile("scaleway")
    with pytest.raises(FrozenInstanceError):
        profile.name = "other"
    with pytest.raises(TypeError):
        profile.limits["max_parts"] = profile.limits["min_part"]


@pytest.mark.parametrize(
    ("body", "message", "hint"),
    [
        (f"[limit]\nx = {FACT}", "unknown field 'limit'", "did you mean 'limits'?"),
        (f"[limits]\nmax_part_count = {FACT}", "limits: unknown field 'max_part_count'", "max_part"),
        ("[quirks]\ntags = true", "quirks.tags: a fact is a table", "status"),
        (f"[quirks]\nkey_rules = {FACT}", "quirks.key_rules: must be a list", None),
        ('[quirks]\ntags = { value = true, status = "vendor", date = "2026" }', "field 'source'", None),
        (f"[quirks]\ntags = {FACT.replace('vendor', 'sure')}", "unknown status 'sure'", "official"),
        (
            f"[quirks]\ntags = {FACT.replace('vendor', 'operator')}",
            "does not belong in a profile",
            "facts file",
        ),
        (f"[services]\ngpu = {FACT}", "services.gpu: must be text, or false", None),
        (f"[services]\ngpus = {FACT}", "services: unknown field 'gpus'", "gpu"),
        (f"[law]\nhq_country = {FACT.replace('true', FRANCE)}", "does not have the form", None),
        (f"[quirks]\ntags = {FACT.replace('2026-01-31', 'today')}", "date 'today'", None),
        (f"[quirks]\ntags = {FACT.replace('vendor', 'not_found')}", "has a value unless", None),
        (f"[quirks]\ntags = {FACT.replace('value = true, ', '')}", "has a value unless", None),
        (f"[limits]\nmax_parts = {FACT}", "limits.max_parts: must be a whole number", None),
        (f"[limits]\nmax_parts = {FACT.replace('true', '0')}", "0 is out of range", None),
        (f"[endpoint]\naddressing = {FACT.replace('true', '4')}", "4 is not one of virtual", None),
        ('[[certificate]]\nservice = "S"\nkind = "hds"', "field 'held' is required", None),
        (f'[[certificate]]\nservice = "S"\nkind = "iso"\nheld = {FACT}', "kind 'iso'", None),
        (f'[certificate]\nservice = "S"\nkind = "hds"\nheld = {FACT}', r"\[\[certificate\]\]", None),
    ],
)
def test_what_a_profile_may_not_say_is_named(write, body, message, hint):
    """Each mistake is refused with the file and the field, and a hint where there is one to give."""
    path = write(profile_text(body))
    with pytest.raises(ConfigInvalid, match=message) as caught:
        load_profile(path)
    assert "mine.toml" in caught.value.message
    if hint is not None:
        assert hint in (caught.value.hint or "")
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(tomllib.loads(path.read_text()), profile_schema())


def test_a_service_is_a_name_or_false(write):
    """What an offer has is called by its product's name; false says that it has none."""
    named = FACT.replace("true", '"Example GPU"')
    absent = FACT.replace("true", "false")
    services = load_profile(write(profile_text(f"[services]\ngpu = {named}\nhsm = {absent}"))).services
    assert services["gpu"].value == "Example GPU"
    assert services["hsm"].value is False


def test_a_profile_is_of_a_known_kind(write):
    """A kind that is neither an offer nor software is refused."""
    with pytest.raises(ConfigInvalid, match="kind 'cloud'"):
        load_profile(write(profile_text().replace('title = "Mine"', 'title = "Mine"\nkind = "cloud"')))


def test_an_absent_file_and_bad_toml_are_configuration_errors(write, tmp_path):
    """No error of the TOML reader or the file system leaves the loader."""
    with pytest.raises(ConfigInvalid, match="cannot read"):
        load_profile(tmp_path / "none.toml")
    with pytest.raises(ConfigInvalid, match="not TOML"):
        load_profile(write("= x"))
    with pytest.raises(ConfigInvalid, match="protocol 'ftp'"):
        load_profile(write(profile_text(protocol="ftp")))
    with pytest.raises(ConfigInvalid, match="'schema' must be 1"):
        load_profile(write(profile_text().replace("schema = 1", "schema = 2")))


def test_capabilities_are_the_protocols_narrowed_by_facts():
    """A profile's limits and rules show in its capabilities, and the rest is the protocol's."""
    scaleway = load_profile("scaleway").capabilities()
    assert scaleway.max_parts == 1000
    assert scaleway.max_object == 5_000_000_000_000
    assert scaleway.lists_uploads is BASES["s3"].lists_uploads
    assert load_profile("outscale").capabilities().equal_parts
    assert load_profile("azure").capabilities().upload_needs_attempt
    weed = load_profile("seaweedfs").capabilities()
    assert weed.key_rules >= {"no-trailing-slash", "no-dot-segments"}
    assert weed.max_segment_bytes == 255
    assert not weed.any_key


@pytest.mark.parametrize("quirk", ["put_if_absent", "complete_if_absent", "verifies_sha256"])
@pytest.mark.parametrize(
    ("status", "kept"),
    [("official", True), ("measured", True), ("vendor", True), ("press", False), ("memory", False)],
)
def test_a_guarantee_needs_someone_who_can_know(write, quirk, status, kept):
    """Hearsay that a store honours a condition or a checksum does not make it a capability."""
    profile = load_profile(write(profile_text(f"[quirks]\n{quirk} = {FACT.replace('vendor', status)}")))
    capability = "verifies_checksum" if quirk == "verifies_sha256" else quirk
    assert getattr(profile.capabilities(), capability) is kept


def test_silence_is_no_guarantee(write):
    """A profile that says nothing of a guarantee does not give it."""
    capabilities = load_profile(write(profile_text())).capabilities()
    assert not capabilities.put_if_absent
    assert not capabilities.complete_if_absent
    assert not capabilities.verifies_checksum


def test_a_guarantee_is_never_wider_than_the_protocol(write):
    """No fact gives a protocol what it lacks."""
    text = profile_text(f"[quirks]\nverifies_sha256 = {FACT}", protocol="filesystem")
    assert not load_profile(write(text)).capabilities().verifies_checksum


def test_quirks_have_three_states():
    """True, false and not said are told apart."""
    assert load_profile("ovhcloud").quirk("if_match_bare") is True
    assert load_profile("seaweedfs").quirk("if_match_bare") is False
    assert load_profile("scaleway").quirk("if_match_bare") is None
    assert load_profile("outscale").quirk("put_if_absent") is None
    with pytest.raises(KeyError):
        load_profile("scaleway").quirk("colour")


def test_certificates_belong_to_services():
    """HDS and SecNumCloud are asked separately, and of a service."""
    scaleway = load_profile("scaleway")
    assert [held.held.value for held in scaleway.certificate("hds", "Object Storage")] == [True]
    assert [held.held.value for held in scaleway.certificate("secnumcloud")] == [False]
    assert scaleway.certificate("hds", "Instances") == ()
