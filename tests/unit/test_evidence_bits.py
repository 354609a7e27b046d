"""Whatever bit of whatever file of a bundle or proof is turned: both verifiers name the file, or the page lists the bit."""

from __future__ import annotations

import json
import random
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migrator.core.canonical import decode
from migrator.errors import EvidenceInvalid
from migrator.evidence.check import check_bundle
from migrator.evidence.prove import check_proof
from migrator.evidence.signing_keys import read_public
from support.evidence import second_verifier

ROOT = Path(__file__).parents[2]
HERE = ROOT / "migrator" / "docs" / "evidence-vectors"
NOW = json.loads((HERE / "mutations.json").read_bytes())["now"]
KEYS = ("office.pub", "archive.pub")
SECOND = second_verifier()
SMALL = 400
FILES = {
    path.relative_to(HERE / "bundle").as_posix(): path.read_bytes()
    for path in sorted((HERE / "bundle").rglob("*"))
    if path.is_file()
}
PROOF = (HERE / "proof.json").read_bytes()
PUBLICS = [read_public((HERE / name).read_bytes(), name=name) for name in KEYS]
# What the section "What is not covered" lists of a proof: a key's times and custody, and all of an ML-DSA key.
_PATTERNS = (
    rb'"valid_from":\d+',
    rb'"valid_until":(?:null|\d+)',
    rb'"held":"[a-z]+"',
    rb'\{"algorithm":"ml-dsa-65"[^}]*\}',
)
UNCOVERED = [span.span() for pattern in _PATTERNS for span in re.finditer(pattern, PROOF)]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """A copy of the committed bundle, in which a test may turn bits."""
    folder = tmp_path_factory.mktemp("bits") / "bundle"
    for name, data in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


@pytest.fixture(scope="module")
def without_openings(bundle, tmp_path_factory):
    """The same without its largest file, which it need not have: quicker to judge."""
    folder = tmp_path_factory.mktemp("small") / "bundle"
    shutil.copytree(bundle, folder, ignore=shutil.ignore_patterns("openings.jsonl"))
    return folder


@contextmanager
def turned(folder: Path, name: str, bit: int) -> Iterator[None]:
    """One bit of one file is another while this lasts."""
    content = bytearray(FILES[name])
    content[bit // 8] ^= 1 << bit % 8
    (folder / name).write_bytes(content)
    try:
        yield
    finally:
        (folder / name).write_bytes(FILES[name])


def named_by(folder: Path) -> tuple[set[str], set[str]]:
    """The files that either program finds fault with."""
    other = SECOND.Check([SECOND.trusted_key(HERE / name) for name in KEYS], NOW)
    other.bundle(folder)
    first = check_bundle(folder, PUBLICS, now_ms=NOW)
    return {found.file for found in first.findings}, {file for file, _, _ in other.found}


@pytest.mark.parametrize("name", [name for name, data in FILES.items() if len(data) <= SMALL])
def test_every_byte_of_a_small_file_is_covered(without_openings, name):
    """One bit of each byte of each small file, and every bit of its first and last bytes, is named by both."""
    choose, size = random.Random(name), len(FILES[name])
    bits = {at * 8 + choose.randrange(8) for at in range(size)}
    bits.update(range(16), range((size - 2) * 8, size * 8))
    unnamed = []
    for bit in sorted(bits):
        with turned(without_openings, name, bit):
            unnamed += [(bit, found) for found in named_by(without_openings) if name not in found]
    assert unnamed == []


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_bit_of_any_file_is_covered(bundle, data):
    """A bit drawn from all bits of all files is named, with its file, by both."""
    name = data.draw(st.sampled_from(sorted(FILES)))
    bit = data.draw(st.integers(0, len(FILES[name]) * 8 - 1))
    with turned(bundle, name, bit):
        first, second = named_by(bundle)
    assert name in first
    assert name in second


def test_nothing_is_named_where_nothing_was_turned(bundle, without_openings):
    """The bundle as committed has no fault, or the tests above would prove nothing."""
    assert named_by(bundle) == (set(), set())
    assert named_by(without_openings) == (set(), set())


@settings(max_examples=300, deadline=None)
@given(bit=st.integers(0, len(PROOF) * 8 - 1))
def test_any_bit_of_a_proof_is_covered_or_listed(tmp_path_factory, bit):
    """A bit of a proof is refused by both, or lies in what the page lists as not covered, and both say the same."""
    content = bytearray(PROOF)
    content[bit // 8] ^= 1 << bit % 8
    path = tmp_path_factory.getbasetemp() / "turned-proof.json"
    path.write_bytes(content)
    other = SECOND.Check([SECOND.trusted_key(HERE / name) for name in KEYS], NOW)
    other.proof(path)
    try:
        if not content.endswith(b"\n"):
            raise EvidenceInvalid("its last line has no end")
        check_proof(decode(bytes(content[:-1])), PUBLICS)
        first = True
    except EvidenceInvalid:
        first = False
    assert first == (not other.found)
    assert not first or any(start <= bit // 8 < end for start, end in UNCOVERED)
