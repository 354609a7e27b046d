"""Locations are read without looking anything up, and never carry a credential."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.errors import ConfigInvalid
from providers.location import Location

NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)
PLAIN = st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters="?"), max_size=30)


@pytest.mark.parametrize(
    ("text", "location"),
    [
        ("ovh:data", Location("ovh", "data")),
        ("ovh:data/", Location("ovh", "data")),
        ("ovh:data/a", Location("ovh", "data", "a/")),
        ("ovh:data/a/b/", Location("ovh", "data", "a/b/")),
        ("hdh:$web/x", Location("hdh", "$web", "x/")),
        ("ovh:data//x", Location("ovh", "data", "/x/")),
        ("ovh:data/a@b:c", Location("ovh", "data", "a@b:c/")),
        ("./dir", Location(None, "./dir")),
        ("../dir/", Location(None, "../dir")),
        ("/", Location(None, "/")),
        (".", Location(None, ".")),
        ("~/x", Location(None, "~/x")),
        ("/srv/a:b@c?d", Location(None, "/srv/a:b@c?d")),
    ],
)
def test_what_a_person_writes_is_read(text, location):
    """Sites, buckets, prefixes and local paths are told apart by their form."""
    assert Location.parse(text) == location


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("", "empty", "site:bucket/prefix"),
        ("dir", "'dir' is no location", "write ./dir"),
        ("dir/sub", "no location", "write ./dir/sub"),
        ("ovh:", "bucket is missing", "site:bucket"),
        ("ovh:/x", "bucket is missing", "site:bucket"),
        (":data", "cannot be the name of a site", "site:bucket"),
        ("C:\\data", "cannot be the name of a bucket", "site:bucket"),
        ("ovh:da ta", "cannot be the name of a bucket", "site:bucket"),
        ("ovh:da\nta", "control", "site:bucket"),
        ("https://s3.example.org/data", "not a URL", "the site holds the endpoint"),
        ("s3://data", "not a URL", "the site holds the endpoint"),
    ],
)
def test_what_is_no_location_is_refused_with_advice(text, message, hint):
    """A wrong location is a usage error that says what to write."""
    with pytest.raises(ConfigInvalid, match=message) as caught:
        Location.parse(text)
    assert hint in (caught.value.hint or "")
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    "text", ["AKIA:hunter2@host/data", "ovh:hunter2@data/x", "hunter2@data", "ovh:data/x?sig=hunter2"]
)
def test_credentials_are_refused_and_not_repeated(text):
    """Whatever looks like a credential in a location is not printed back."""
    with pytest.raises(ConfigInvalid) as caught:
        Location.parse(text)
    assert "hunter2" not in f"{caught.value} {caught.value.hint}"
    assert "environment variables" in (caught.value.hint or "")


@given(site=NAMES, bucket=NAMES, prefix=PLAIN)
def test_a_location_survives_being_written_and_read(site, bucket, prefix):
    """Writing and reading are inverse on everything that parse gives."""
    location = Location.parse(f"{site}:{bucket}/{prefix}")
    assert Location.parse(str(location)) == location
    assert location.prefix in {"", prefix, f"{prefix}/"}
    assert location.place == f"{site}:{bucket}"


@given(start=st.sampled_from(["/", "./", "../", "~/"]), rest=PLAIN)
def test_a_local_path_survives_being_written_and_read(start, rest):
    """Local paths keep their text but for slashes at the end."""
    location = Location.parse(start + rest)
    assert location.is_local
    assert str(location) == ((start + rest).rstrip("/") or "/")
    assert Location.parse(str(location)).bucket == location.bucket
