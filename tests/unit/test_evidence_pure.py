"""Canonical JSON, trees and commitments: arithmetic that others must be able to repeat."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator.core.canonical import MAX_INTEGER, decode, encode
from migrator.core.commitments import FIELDS, Salts, commit, fields_digest, row_commitments
from migrator.core.merkle import EMPTY_ROOT, Tree, leaf_hash, node_hash, root_from_proof
from migrator.core.tiles import BLOCK, TiledTree, block_path, block_root, paths_through, split, widths
from migrator.errors import EvidenceInvalid

LEAVES = [
    bytes.fromhex(text)
    for text in (
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
    )
]  # fmt: skip
# The roots of the first one to eight of these leaves, from the test data of Certificate Transparency.
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-MAX_INTEGER, MAX_INTEGER)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
    max_leaves=12,
)


def tree_of(leaves: list[bytes]) -> bytes:
    """The tree hash, by the letter of RFC 9162 section 2.1.1."""
    if not leaves:
        return EMPTY_ROOT
    if len(leaves) == 1:
        return leaf_hash(leaves[0])
    left = 1 << (len(leaves) - 1).bit_length() - 1
    return node_hash(tree_of(leaves[:left]), tree_of(leaves[left:]))


@given(JSON)
def test_canonical_json_reads_back(value):
    """What is written is read back, and written again it is the same bytes."""
    assert decode(encode(value)) == value
    assert json.loads(encode(value)) == value


@pytest.mark.parametrize(
    "text",
    [
        '{"a":1,"a":1}', '{"b":1,"a":2}', '{"a": 1}', "1.0", "1e3", "-0", "01", "9007199254740992", "NaN",
        "Infinity", '"\\u0041"', '"\\/"', '"\\u000A"', "[1,]", "", " 1", "1\n", "\ufeff1", "9" * 5000,
        "[" * 5000 + "]" * 5000, '"\ud800"', "true false",
    ],
)  # fmt: skip
def test_what_is_not_canonical_is_refused(text):
    """Another spelling, a member twice, a fraction and a huge number are each refused in one way."""
    with pytest.raises(EvidenceInvalid):
        decode(text.encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize("value", [1.5, MAX_INTEGER + 1, {1: 2}, "\ud800", b"bytes"])
def test_what_has_no_canonical_form_is_not_written(value):
    """A fraction, a huge integer and a lone surrogate have no form."""
    with pytest.raises(ValueError, match=r"form|large|text|surrogates"):
        encode(value)


@pytest.mark.parametrize("count", range(1, 9))
def test_roots_are_those_of_certificate_transparency(count):
    """The tree over the known leaves has the known roots."""
    tree = Tree()
    for leaf in LEAVES[:count]:
        tree.add(leaf)
    assert tree.root().hex() == ROOTS[count - 1]


def path_by_the_letter(index: int, leaves: list[bytes]) -> list[bytes]:
    """The inclusion proof, by the letter of RFC 9162 section 2.1.3.1."""
    if len(leaves) == 1:
        return []
    left = 1 << (len(leaves) - 1).bit_length() - 1
    if index < left:
        return [*path_by_the_letter(index, leaves[:left]), tree_of(leaves[left:])]
    return [*path_by_the_letter(index - left, leaves[left:]), tree_of(leaves[:left])]


def tiled(leaves):
    """A tree in blocks over these leaves, and its levels as something reads them."""
    tree = TiledTree()
    for leaf in leaves:
        tree.add(leaf)
    step = BLOCK * 32
    levels = [
        lambda block, nodes=nodes: split(nodes[block * step : (block + 1) * step]) for nodes in tree.levels()
    ]
    return tree, levels


def proven(index, leaves, levels, root):
    block, place = divmod(index, BLOCK)
    found = paths_through(block, leaves[block * BLOCK : (block + 1) * BLOCK], [place], levels, root)
    return None if found is None else found[0]


@given(st.integers(1, 70), st.data())
def test_every_leaf_has_a_proof_and_no_other(size, data):
    """A proof leads to the root from its own leaf, index and size, and from no other."""
    leaves = [b"leaf %d" % number for number in range(size)]
    tree, levels = tiled(leaves)
    root = tree.root()
    assert root == tree_of(leaves)
    for index in data.draw(st.sets(st.integers(0, size - 1), max_size=8)):
        path = proven(index, leaves, levels, root)
        assert path == path_by_the_letter(index, leaves)
        assert root_from_proof(leaves[index], index, size, path) == root
        assert root_from_proof(b"other", index, size, path) != root
        assert root_from_proof(leaves[index], size, size, path) is None
        assert root_from_proof(leaves[index], index, size, [*path, bytes(32)]) != root
        if path:
            assert root_from_proof(leaves[index], index, size, path[:-1]) != root
            assert root_from_proof(leaves[index], index, size, [bytes(32), *path[1:]]) != root


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 511, 512, 513, 769, 65_535, 65_536, 65_537, 65_800])
def test_blocks_make_the_tree_of_the_rfc(size):
    """At the edges of blocks and of their levels root, widths and proofs are those of a tree without blocks."""
    leaves = [b"%d" % number for number in range(size)]
    whole = Tree()
    for leaf in leaves:
        whole.add(leaf)
    tree, levels = tiled(leaves)
    root = whole.root()
    assert tree.root() == root
    assert [len(nodes) // 32 for nodes in tree.levels()] == widths(size)
    for index in {0, size // 2, max(size - 257, 0), size - 1}:
        assert root_from_proof(leaves[index], index, size, proven(index, leaves, levels, root)) == root


def test_what_does_not_lead_to_the_root_proves_nothing():
    """Another leaf, another hash of a level, another root, a level too few and a leaf that is not there."""
    leaves = [b"%d" % number for number in range(600)]
    tree, levels = tiled(leaves)
    root = tree.root()
    assert proven(300, leaves, levels, root) is not None
    assert proven(300, [*leaves[:300], b"x", *leaves[301:]], levels, root) is None
    assert proven(300, [*leaves[:301], b"x", *leaves[302:]], levels, root) is None
    assert proven(300, leaves, [lambda _: [bytes(32)] * 3, levels[1]], root) is None
    assert proven(300, leaves, levels, bytes(32)) is None
    assert proven(300, leaves, levels[:1], root) is None
    assert proven(300, leaves, [lambda _: [], levels[1]], root) is None
    assert paths_through(1, leaves[256:290], [4], levels, root) is None
    assert paths_through(1, [], [4], levels, root) is None


def test_an_empty_tree_has_no_blocks():
    """No leaves: the root that RFC 9162 gives them, no level, and nothing to prove."""
    assert (TiledTree().root(), TiledTree().levels(), widths(0)) == (EMPTY_ROOT, [], [])
    with pytest.raises(ValueError, match="empty"):
        block_root([])
    with pytest.raises(IndexError):
        block_path([bytes(32)], 1)


def test_commitments_are_as_the_format_says():
    """A commitment, a row's fields and salts, computed again by hand from the page."""
    salts = Salts(b"s" * 32, b"h" * 32)
    drawn = salts.of(7)
    stream = hashlib.shake_256(b"havre/evidence/salt/v1" + b"s" * 32 + b"h" * 32 + (7).to_bytes(8, "big"))
    assert b"".join(drawn) == stream.digest(16 * len(FIELDS))
    values = {"source_key": "a/é.dcm", "source_size": 12}
    commitments = row_commitments(drawn, values)
    by_hand = [
        hashlib.sha256(
            b"\x01" + salt + bytes([len(name)]) + name.encode()
            + json.dumps(values.get(name), ensure_ascii=False).encode()
        ).digest()
        for name, salt in zip(FIELDS, drawn, strict=True)
    ]  # fmt: skip
    assert list(commitments) == by_hand
    assert fields_digest(commitments) == hashlib.sha256(b"\x02" + b"".join(by_hand)).digest()


def test_salts_differ_by_row_field_head_and_secret():
    """No two rows, fields, states of a ledger or ledgers share a salt."""
    drawn = [
        salt
        for secret, head in ((b"s" * 32, b"h" * 32), (b"t" * 32, b"h" * 32), (b"s" * 32, b"i" * 32))
        for row in (1, 2)
        for salt in Salts(secret, head).of(row)
    ]
    assert len(set(drawn)) == len(drawn)
    assert "s" * 8 not in repr(Salts(b"s" * 32, b"h" * 32))


def test_a_field_that_there_is_not_cannot_be_committed_to():
    """Names and lengths are held to the format."""
    with pytest.raises(KeyError):
        commit("other", bytes(16), None)
    with pytest.raises(ValueError, match="16 bytes"):
        commit("reason", bytes(15), None)
    with pytest.raises(ValueError, match="32 bytes"):
        Salts(b"short", bytes(32))
    with pytest.raises(ValueError, match="each field"):
        fields_digest((bytes(32),))
