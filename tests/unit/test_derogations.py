"""Derogations: only what a trusted key signed counts, for the case and the days it names."""

import base64
import json
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.errors import ConfigInvalid
from providers.gate import Derogation, DerogationRefused, Outcome, read_derogation, sign_derogation
from providers.gate.derogations import MAX_DEROGATION, public_key_text
from support.gates import DAY, demo_place, derogation, officer, verdict

KEY = officer()
TRUSTED = (public_key_text(KEY),)


def signed(**changes: Any) -> bytes:
    return sign_derogation(derogation(**changes), KEY)


def read(**changes: Any) -> Derogation:
    return read_derogation(signed(**changes), TRUSTED)


def outcome(*derogations: Derogation, dataset_class: str = "eds", **asked: Any) -> str:
    place = demo_place("generic-s3")
    return str(verdict(dataset_class, place, derogations=derogations, **asked).outcome)


def forged(**changes: Any) -> bytes:
    """A derogation whose payload was changed after it was signed."""
    envelope = json.loads(signed())
    payload = json.loads(base64.b64decode(envelope["payload"])) | changes
    envelope["payload"] = base64.b64encode(canonical(payload)).decode()
    return canonical(envelope) + b"\n"


def canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def test_a_derogation_survives_its_file() -> None:
    """What was decided is what is read, with the file's digest and the key's id."""
    found = read(wave="may")
    assert (found.wave, found.rules, found.by) == ("may", ("eds-hds",), "A. Martin, data protection officer")
    assert (found.valid_from, found.valid_until) == (date(2026, 11, 1), date(2026, 11, 30))
    assert len(found.digest) == len(found.key) == 64


def test_a_derogation_makes_a_refusal_a_condition() -> None:
    """A refusal that it names becomes a condition that names it; nothing else changes."""
    assert outcome() == "refused"
    found = read(rules=("eds-hds", "eds-eea"))
    overridden = verdict("eds", demo_place("generic-s3"), derogations=(found,))
    assert overridden.outcome is Outcome.CONDITIONS
    assert overridden.derogations == (found.digest,)
    assert {one.rule for one in overridden.reasons if one.overridden_by} == {"eds-hds", "eds-eea"}


def test_a_refusal_that_no_derogation_names_stays() -> None:
    """One rule overridden leaves the other refusals."""
    assert outcome(read(rules=("eds-hds",))) == "refused"
    assert outcome(read(rules=("eds-hds",)), read(rules=("eds-eea",))) == "conditions"


@pytest.mark.parametrize(
    ("changes", "asked"),
    [
        ({"dataset_class": "snds"}, {}),
        ({"wave": "june"}, {"wave": "may"}),
        ({"wave": "june"}, {"wave": None}),
        ({"destination": "elsewhere:data"}, {}),
        ({"destination": "there:dat"}, {}),
        ({"destination": "there:data/below"}, {}),
        ({}, {"at": date(2026, 10, 31)}),
        ({}, {"at": date(2026, 12, 1)}),
    ],
    ids=[
        "class",
        "wave",
        "no wave",
        "destination",
        "prefix of a name",
        "part of it",
        "too early",
        "too late",
    ],
)
def test_a_derogation_for_another_case_does_not_count(changes: dict[str, Any], asked: dict[str, Any]) -> None:
    """Another class, wave, destination or day leaves the refusal as it is."""
    assert outcome(read(rules=("eds-hds", "eds-eea"), **changes), **asked) == "refused"


@pytest.mark.parametrize(
    "changes", [{"wave": "may"}, {"wave": "may", "destination": None}, {"destination": "there:data/"}]
)
def test_a_derogation_counts_for_what_it_names(changes: dict[str, Any]) -> None:
    """The wave alone, the destination alone or both can be named; first and last day count."""
    found = read(rules=("eds-hds", "eds-eea"), **changes)
    for day in (found.valid_from, DAY, found.valid_until):
        assert outcome(found, wave="may", at=day) == "conditions"


@pytest.mark.parametrize(
    "changes",
    [
        {"rules": ["eds-hds", "eds-eea"]},
        {"valid_until": "2030-01-01"},
        {"class": "snds"},
        {"destination": "anywhere:else"},
        {"reason": "none"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_forged_derogation_is_refused(changes: dict[str, Any]) -> None:
    """Whatever is changed after the signature, the signature no longer fits."""
    with pytest.raises(DerogationRefused, match="no trusted key signed") as caught:
        read_derogation(forged(**changes), TRUSTED)
    assert caught.value.exit_code == 6


def test_a_derogation_by_another_key_is_refused() -> None:
    """A good signature by a key that nobody trusts counts for nothing, whatever key id it claims."""
    stranger = json.loads(sign_derogation(derogation(), officer(2)))
    stranger["signatures"][0]["keyid"] = json.loads(signed())["signatures"][0]["keyid"]
    with pytest.raises(DerogationRefused, match="no trusted key signed"):
        read_derogation(canonical(stranger) + b"\n", TRUSTED)


def test_without_a_trusted_key_nothing_counts() -> None:
    """An empty [trust] accepts no derogation and says what to write."""
    with pytest.raises(DerogationRefused, match="no key is trusted") as caught:
        read_derogation(signed(), ())
    assert "derogation_keys" in str(caught.value.hint)


def test_one_of_several_trusted_keys_is_enough() -> None:
    """Every trusted key is tried, and the one that fits is named."""
    several = (public_key_text(officer(3)), *TRUSTED)
    assert read_derogation(signed(), several).key == read().key


@pytest.mark.parametrize("key", ["", "no key", base64.b64encode(b"x" * 31).decode(), TRUSTED[0] + "AA"])
def test_a_trusted_key_that_is_none_is_a_mistake_of_the_configuration(key: str) -> None:
    """A malformed public key is named as such, not as a bad derogation."""
    with pytest.raises(ConfigInvalid, match="no Ed25519 public key") as caught:
        read_derogation(signed(), (key,))
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        ({"wave": None, "destination": None}, "neither a wave nor a destination"),
        ({"rules": []}, "names no rule"),
        ({"rules": "eds-hds"}, "names no rule"),
        ({"reason": " "}, "lacks 'reason'"),
        ({"by": None}, "lacks 'by'"),
        ({"class": "all"}, "class is not known"),
        ({"valid_until": "2026-10-01"}, "ends before it begins"),
        ({"valid_until": "2026-11-31"}, "not written as"),
        ({"valid_until": "20261130"}, "not written as"),
        ({"schema": 2}, "does not know"),
        ({"schema": True}, "does not know"),
        ({"forever": "yes"}, "does not know"),
        ({"wave": 7}, "'wave' makes no sense"),
    ],
)
def test_a_derogation_that_makes_no_sense_is_refused_though_signed(
    payload: dict[str, Any], said: str
) -> None:
    """A good signature does not mend a document that leaves open what it is for."""
    document = {**derogation().to_payload(), **payload}
    text = canonical({name: value for name, value in document.items() if value is not None})
    kind = b"application/vnd.havre.derogation+json"
    signature = KEY.sign(b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(text), text))
    envelope = {
        "payloadType": kind.decode(),
        "payload": base64.b64encode(text).decode(),
        "signatures": [{"keyid": "", "sig": base64.b64encode(signature).decode()}],
    }
    with pytest.raises(DerogationRefused, match=said):
        read_derogation(canonical(envelope) + b"\n", TRUSTED)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"\xff",
        b"[" * 5000,
        b"x" * (MAX_DEROGATION + 1),
        b'{"payload":"","payloadType":"text/plain","signatures":[]}',
        b'{"payload":"*","payloadType":"application/vnd.havre.derogation+json","signatures":[]}',
        b'{"payload":"","payloadType":"application/vnd.havre.derogation+json","signatures":[1]}',
        b'{"payload":"","payloadType":"application/vnd.havre.derogation+json","signatures":[]}',
        b'{"a":1,"a":2}',
        b" " + signed(),
        signed()[:-1] + b" \n",
    ],
    ids=range(14),
)
def test_a_file_that_is_no_derogation_is_refused(data: bytes) -> None:
    """Broken, bottomless, oversized and ambiguous files end in one refusal."""
    with pytest.raises(DerogationRefused) as caught:
        read_derogation(data, TRUSTED)
    assert caught.value.hint


@given(st.integers(0, len(signed()) - 2), st.integers(1, 255))
def test_no_changed_byte_is_accepted(at: int, flip: int) -> None:
    """A file with any byte changed is refused, or says exactly the same as before."""
    data = bytearray(signed())
    data[at] ^= flip
    try:
        found = read_derogation(bytes(data), TRUSTED)
    except DerogationRefused:
        return
    # The key id is a hint that nothing rests on.
    assert found.to_payload() == derogation().to_payload()


def test_nothing_is_signed_that_would_be_refused() -> None:
    """A derogation that ends before it begins cannot be signed."""
    with pytest.raises(DerogationRefused, match="ends before"):
        signed(valid_until=date(2026, 11, 1) - timedelta(days=1))
