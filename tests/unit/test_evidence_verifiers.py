"""Two programs that share no code come to the same verdict, on what is right and on whatever was tampered with."""

import json
import random
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from migrator.cli.main import havre
from migrator.core import events as e
from migrator.core.canonical import decode, encode
from migrator.core.commitments import FIELDS
from migrator.core.merkle import root_from_proof
from migrator.errors import EvidenceInvalid, UsageError
from migrator.evidence import prove
from migrator.evidence.bundle import write_bundle
from migrator.evidence.check import check_bundle
from migrator.evidence.checkpoint import seal_checkpoint
from migrator.evidence.prove import check_proof, write_proof
from migrator.evidence.signing_keys import public_text, read_public, read_signer
from support.evidence import NOW, bundle_of, open_ledger, second_verifier, signers, wave_plan
from support.ledgers import WAVE, sealed_ledger, stored

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "check_evidence.py"
HERE = ROOT / "migrator" / "docs" / "evidence-vectors"
REGENERATE = ROOT / "tests" / "vectors" / "evidence" / "regenerate.py"
VECTORS = json.loads((HERE / "mutations.json").read_bytes())


SECOND = second_verifier()


def publics(names):
    return [read_public((HERE / name).read_bytes(), name=name) for name in names]


def second(names, now):
    return SECOND.Check([SECOND.trusted_key(HERE / name) for name in names], now)


def verdicts(folder, names=("office.pub", "archive.pub"), now=VECTORS["now"]):
    """Whether the bundle holds, by either program."""
    other = second(names, now)
    other.bundle(folder)
    return check_bundle(folder, publics(names), now_ms=now).holds, not other.found


def proof_verdicts(path, names=("office.pub", "archive.pub"), now=VECTORS["now"]):
    """Whether the proof holds, by either program."""
    other = second(names, now)
    other.proof(path)
    data = path.read_bytes()
    try:
        if not data.endswith(b"\n"):
            raise EvidenceInvalid("its last line has no end")
        check_proof(decode(data[:-1]), publics(names))
    except EvidenceInvalid:
        return False, not other.found
    return True, not other.found


def files():
    return {
        p.relative_to(HERE / "bundle").as_posix(): p.read_bytes()
        for p in (HERE / "bundle").rglob("*")
        if p.is_file()
    }


def write(folder, content):
    for name, data in content.items():
        if data is not None:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
    return folder


@pytest.fixture(scope="module")
def committed(tmp_path_factory):
    """A copy of the committed bundle that a test may change if it puts it back."""
    return write(tmp_path_factory.mktemp("committed") / "bundle", files())


def test_the_committed_bundle_and_proof_hold():
    """What must hold does, by both programs."""
    assert verdicts(HERE / "bundle") == (True, True)
    assert proof_verdicts(HERE / "proof.json") == (True, True)


@pytest.mark.parametrize("case", VECTORS["bundles"], ids=lambda case: case["name"])
def test_a_tampered_bundle_is_refused_by_both(case, tmp_path):
    """Each listed change of the committed bundle is refused."""
    changed = {name: None if data is None else data.encode("latin-1") for name, data in case["files"].items()}
    folder = write(tmp_path / "bundle", files() | changed)
    assert verdicts(folder, case["trust"]) == (False, False)


@pytest.mark.parametrize("case", VECTORS["proofs"], ids=lambda case: case["name"])
def test_a_tampered_proof_is_refused_by_both(case, tmp_path):
    """Each listed change of the committed proof is refused."""
    path = tmp_path / "proof.json"
    path.write_bytes(case["proof"].encode("latin-1"))
    assert proof_verdicts(path, case["trust"]) == (False, False)


def test_the_vectors_follow_from_the_committed_bundle():
    """The list of changes is what its generator makes."""
    done = subprocess.run(
        [sys.executable, REGENERATE, "--check"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_any_single_bit_that_changes_is_refused_by_both(committed):
    """One bit at positions sampled from every file of a bundle, and the two last bytes of each."""
    choose = random.Random(4)
    unnoticed = []
    for name, content in files().items():
        places = {
            *choose.sample(range(len(content)), min(len(content), 25)),
            len(content) - 1,
            len(content) - 2,
        }
        for at in sorted(places):
            changed = bytearray(content)
            changed[at] ^= 1 << choose.randrange(8)
            (committed / name).write_bytes(changed)
            if verdicts(committed) != (False, False):
                unnoticed.append((name, at, verdicts(committed)))
        (committed / name).write_bytes(content)
    assert unnoticed == []


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(name=st.sampled_from(sorted(files())), data=st.data())
def test_splices_get_the_same_verdict(committed, name, data):
    """Whatever is cut out, put in or moved between files, both refuse unless nothing changed."""
    content = files()[name]
    source = files()[data.draw(st.sampled_from(sorted(files())))]
    start = data.draw(st.integers(0, len(content)))
    end = data.draw(st.integers(start, len(content)))
    taken = data.draw(st.integers(0, len(source)))
    piece = data.draw(st.one_of(st.binary(max_size=20), st.just(source[taken : taken + end - start])))
    changed = content[:start] + piece + content[end:]
    try:
        (committed / name).write_bytes(changed)
        assert verdicts(committed) == ((True, True) if changed == content else (False, False))
    finally:
        (committed / name).write_bytes(content)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_spliced_proofs_get_the_same_verdict(tmp_path_factory, data):
    """Both programs say the same of a proof that was spliced, whether or not what changed is signed."""
    content = (HERE / "proof.json").read_bytes()
    start = data.draw(st.integers(0, len(content)))
    end = data.draw(st.integers(start, min(len(content), start + 40)))
    piece = data.draw(
        st.one_of(st.binary(max_size=20), st.text("0123456789abcdef", max_size=8).map(str.encode))
    )
    path = tmp_path_factory.mktemp("proof") / "proof.json"
    path.write_bytes(content[:start] + piece + content[end:])
    first, other = proof_verdicts(path)
    assert first == other


@pytest.mark.parametrize("opened", [(), ("source_key",), FIELDS])
@pytest.mark.parametrize("algorithms", [("ed25519",), ("ed25519", "ml-dsa-65"), ("ed25519", "ed25519")])
def test_a_bundle_that_was_just_made_holds_for_both(tmp_path, opened, algorithms):
    """Whatever is opened and whoever signs, both programs accept what was written."""
    signing = signers(*algorithms)
    folder = bundle_of(tmp_path, signing, opened=opened)
    trusted = [signer.public for signer in signing]
    for key in trusted:
        (tmp_path / f"{key.name}.pub").write_bytes(public_text(key))
    other = SECOND.Check([SECOND.trusted_key(tmp_path / f"{key.name}.pub") for key in trusted], NOW)
    other.bundle(folder)
    assert other.found == []
    assert check_bundle(folder, trusted, now_ms=NOW).findings == []


def test_a_folder_too_deep_to_walk_is_refused_by_both(tmp_path):
    """Folders within folders, more than a program can go down, are a finding and no crash."""
    folder = write(tmp_path / "bundle", files())
    deep = [folder / "more"]
    for _ in range(1_200):
        deep.append(deep[-1] / "d")
    for path in deep:
        path.mkdir()
    try:
        assert verdicts(folder) == (False, False)
    finally:
        for path in reversed(deep):
            path.rmdir()


def both_say(tmp_path, folder, signing):
    """Whether a bundle that was just made holds, by either program."""
    for signer in signing:
        (tmp_path / f"{signer.public.name}.pub").write_bytes(public_text(signer.public))
    other = SECOND.Check([SECOND.trusted_key(tmp_path / f"{s.public.name}.pub") for s in signing], NOW)
    other.bundle(folder)
    return check_bundle(folder, [s.public for s in signing], now_ms=NOW), other.found


@pytest.mark.parametrize(
    ("levels", "weakest"),
    [
        ([], None),
        (["full", "size"], "size"),
        (["sample", "ciphertext"], "ciphertext"),
        (["sample"], "sample"),
    ],
)
def test_the_weakest_level_is_that_of_verified_rows(tmp_path, levels, weakest):
    """What was skipped was compared in full, and says nothing of what was verified; both rank levels alike."""
    ledger = sealed_ledger(tmp_path / "ledger.sqlite", len(levels) + 2)
    ledger.append([e.EpochRaised(1), e.RunStarted("{}", "0.1", 1, "full", None)])
    for row, level in enumerate(levels, 1):
        ledger.append([*stored(row), e.ObjectVerified(row, level, None)])
    for row in (len(levels) + 1, len(levels) + 2):
        ledger.append([e.ObjectSkipped(row, "there", 7, bytes(32), bytes(32), "e", None)])
    ledger.append([e.RunEnded("done")])
    ledger.close()
    signing = signers()
    verdict, other = both_say(tmp_path, bundle_of(tmp_path, signing), signing)
    assert (verdict.findings, other) == ([], [])
    assert verdict.predicates["verification"]["weakest"] == weakest


def test_a_derogation_has_a_name_for_both(tmp_path):
    """A signed file that is called nothing but `.json` has no place in a bundle."""
    bundle_of(tmp_path, signers())
    ledger, signing = open_ledger(tmp_path / "ledger.sqlite"), signers()
    folder = write_bundle(
        ledger,
        wave_plan(),
        b"",
        tmp_path / "odd",
        signers=signing,
        gate={},
        derogations={".json": b"{}\n"},
    ).folder
    ledger.close()
    verdict, other = both_say(tmp_path, folder, signing)
    assert "derogations/.json" in {found.file for found in verdict.findings}
    assert "derogations/.json" in {file for file, _, _ in other}


@pytest.mark.parametrize(("size", "holds"), [(2**40, True), (2**40 + 1, False)])
def test_a_tree_has_at_most_so_many_rows_for_both(tmp_path, size, holds):
    """A proof under a signed checkpoint of more rows than the page allows is refused."""
    (signer,) = signers()
    bundle_of(tmp_path, [signer])
    ledger = open_ledger(tmp_path / "ledger.sqlite")
    key = ledger.row(1).key
    proof = decode(write_proof(ledger, wave_plan(), [key], ["source_key"], signers=[signer])[:-1])
    ledger.close()
    (row,) = proof["rows"]
    row["path"] = ["00" * 32] * (size - 1).bit_length()
    root = root_from_proof(row["line"].encode(), 0, size, [bytes(32)] * len(row["path"]))
    proof["checkpoint"] = seal_checkpoint(WAVE, size, root, [signer]).decode()
    (tmp_path / "proof.json").write_bytes(encode(proof) + b"\n")
    (tmp_path / "key.pub").write_bytes(public_text(signer.public))
    other = SECOND.Check([SECOND.trusted_key(tmp_path / "key.pub")], NOW)
    other.proof(tmp_path / "proof.json")
    assert (other.found == []) == holds
    with nullcontext() if holds else pytest.raises(EvidenceInvalid, match="more rows"):
        check_proof(proof, [signer.public])


def test_a_proof_is_no_longer_than_both_take(tmp_path, monkeypatch):
    """What readers would refuse for its length is not written; both have the same limit."""
    assert prove.MAX_PROOF == SECOND.MAX_DOCUMENT
    signing = signers()
    bundle_of(tmp_path, signing)
    ledger = open_ledger(tmp_path / "ledger.sqlite")
    key = ledger.row(1).key
    length = len(write_proof(ledger, wave_plan(), [key], ["source_key"], signers=signing))
    monkeypatch.setattr(prove, "MAX_PROOF", length)
    assert len(write_proof(ledger, wave_plan(), [key], ["source_key"], signers=signing)) == length
    monkeypatch.setattr(prove, "MAX_PROOF", length - 1)
    with pytest.raises(UsageError, match="readers take"):
        write_proof(ledger, wave_plan(), [key], ["source_key"], signers=signing)
    ledger.close()


@pytest.mark.parametrize("what", ["file", "folder", "empty folder"])
def test_links_and_surplus_folders_are_refused_by_both(tmp_path, what):
    """A link to a right file, a link to a folder of right files, and a folder too many."""
    folder = write(tmp_path / "bundle", files())
    if what == "empty folder":
        (folder / "more").mkdir()
    else:
        name = "gate.json" if what == "file" else "derogations"
        (folder / name).rename(tmp_path / "elsewhere")
        (folder / name).symlink_to(tmp_path / "elsewhere")
    assert verdicts(folder) == (False, False)


def test_a_key_of_another_kind_is_no_signing_key():
    """The public key of another algorithm is refused in a sentence, and never a private half of ours."""
    pair = ec.generate_private_key(ec.SECP256R1())
    pem = pair.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    with pytest.raises(UsageError, match="no public signing key"):
        read_public(pem, name="curve")
    private = pair.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (signer,) = signers()
    with pytest.raises(UsageError, match="do not belong together"):
        read_signer(private, signer.public, None)


def test_a_folder_that_was_sent_does_not_steer_the_terminal(tmp_path):
    """The name of a file with control characters and line ends stays on its line."""
    folder = write(tmp_path / "bundle", files() | {"\x1b[2J\nthe bundle holds": b""})
    told = CliRunner().invoke(havre, ["check-evidence", str(folder), "--trust", str(HERE / "office.pub")])
    assert (told.exit_code, "\x1b" in told.stdout) == (4, False)
    assert "the bundle holds" not in told.stdout.splitlines()
    assert "\\x1b[2J the bundle holds: no bundle has such a file" in told.stdout


@pytest.mark.parametrize("known", [{"valid_until": 5}, {"valid_from": VECTORS["now"] + 2 * 86_400_000}])
def test_a_readers_copy_of_a_key_counts(tmp_path, known):
    """What keys.json says of a key does not prolong what the reader knows of it."""
    key = json.loads((HERE / "office.pub").read_bytes()) | known
    path = tmp_path / "office.pub"
    path.write_bytes(json.dumps(key, sort_keys=True, separators=(",", ":")).encode() + b"\n")
    other = SECOND.Check([SECOND.trusted_key(path)], VECTORS["now"])
    other.bundle(HERE / "bundle")
    verdict = check_bundle(
        HERE / "bundle", [read_public(path.read_bytes(), name="office")], now_ms=VECTORS["now"]
    )
    assert (verdict.holds, bool(other.found)) == (False, True)


def test_the_program_runs_by_itself(tmp_path):
    """It prints file, line, reason and verdict, and exits with 0, 4 or 2."""

    def run(*arguments):
        done = subprocess.run(
            [sys.executable, SCRIPT, *arguments], capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout

    trust = ["--trust", HERE / "office.pub", "--trust", HERE / "archive.pub"]
    assert run(HERE / "bundle", *trust, "--proof", HERE / "proof.json") == (0, "holds\n")
    changed = files()["manifest.jsonl"].replace(b'"row":3', b'"row":4')
    folder = write(tmp_path / "bundle", files() | {"manifest.jsonl": changed})
    code, said = run(folder, *trust)
    assert code == 4
    assert "manifest.jsonl:3: not the row that must be next\n" in said
    assert said.endswith("does not hold\n")
    assert run(HERE / "bundle")[0] == 2
    assert run(tmp_path / "nothing", *trust)[0] == 2
    assert run(HERE / "bundle", "--trust", HERE / "mutations.json")[0] == 2


def test_the_program_stays_short():
    """An auditor reads it in one sitting: at most 250 lines."""
    assert len(SCRIPT.read_text(encoding="utf-8").splitlines()) <= 250
