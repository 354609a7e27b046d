"""Bundles: what is written, what a reader accepts, and that nothing leaks by it."""

from __future__ import annotations

import json
import shutil
from base64 import b64decode

import pytest

from migrator.core import events as e
from migrator.core.commitments import FIELDS
from migrator.errors import EvidenceInvalid, NothingThere, UsageError
from migrator.evidence.check import check_bundle
from migrator.evidence.facts import Inventory, Tally, transfer_predicate
from migrator.evidence.manifest_reader import opened_again, openings_of
from migrator.evidence.prove import check_proof, write_proof
from migrator.evidence.signers import PublicKey
from migrator.ledger.ledger import Ledger
from support.evidence import NOW, bundle_of, open_ledger, signers, wave_plan
from support.ledgers import DIGEST, WAVE, listed, new_ledger


def publics(signing):
    return [signer.public for signer in signing]


def test_a_bundle_holds(tmp_path):
    """A reader who trusts the key finds nothing wrong, counts the rows and sees the claim."""
    signing = signers("ed25519", "ml-dsa-65")
    verdict = check_bundle(bundle_of(tmp_path, signing), publics(signing), now_ms=NOW)
    assert verdict.findings == []
    assert verdict.rows == 12
    transfer = verdict.predicates["transfer"]
    assert transfer["states"] == {
        "verified": 7, "stored": 1, "drifted": 1, "failed": 1, "skipped": 1, "planned": 1,
    }  # fmt: skip
    assert transfer["filters"] == [["exclude", "*.tmp"]]
    assert verdict.predicates["verification"]["weakest"] == "full"
    assert verdict.trusted == {"key-1", "key-2"}


def test_the_same_ledger_gives_the_same_unsigned_bytes(tmp_path):
    """Everything but signatures is the same the second time, and with Ed25519 alone the signatures too."""
    signing = signers()
    first, second = (bundle_of(tmp_path, signing, name=name, opened=FIELDS) for name in ("one", "two"))
    files = sorted(path.relative_to(first) for path in first.rglob("*") if path.is_file())
    assert [(second / name).read_bytes() for name in files] == [(first / name).read_bytes() for name in files]


def test_a_bundle_tells_nothing_of_an_object(tmp_path):
    """No key, digest, etag or size of an object stands in a bundle that opens nothing."""
    folder = bundle_of(tmp_path, signers())
    envelopes = [json.loads(path.read_bytes()) for path in sorted((folder / "statements").iterdir())]
    text = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    text += b"".join(b64decode(envelope["payload"]) for envelope in envelopes)
    ledger = open_ledger(tmp_path / "ledger.sqlite")
    for row in ledger.rows("1"):
        assert row.key.encode() not in text
        assert (row.source_etag or "-").strip('"').encode() not in text
        for digest in (row.plaintext_sha256, row.ciphertext_sha256):
            assert digest is None or digest.hex().encode() not in text
    assert ledger.meta("evidence_key").hex().encode() not in text
    ledger.close()
    lines = (folder / "manifest.jsonl").read_bytes().splitlines()
    members = {name for line in lines for name in json.loads(line)}
    assert members == {"row", "state", "fields", "level", "at"}


def test_files_are_for_the_owner_alone(tmp_path):
    """Folder and files cannot be read by others."""
    folder = bundle_of(tmp_path, signers())
    assert folder.stat().st_mode & 0o077 == 0
    assert all(path.stat().st_mode & 0o077 == 0 for path in folder.rglob("*"))


def test_openings_show_what_was_committed_to(tmp_path):
    """What is opened is the ledger's own value; what is not stays closed."""
    signing = signers()
    folder = bundle_of(tmp_path, signing, opened=("source_key", "parts", "segments", "reason"))
    verdict = check_bundle(folder, publics(signing), now_ms=NOW)
    assert (verdict.findings, verdict.opened) == ([], 12)
    found = list(openings_of(folder / "openings.jsonl"))
    assert found[0].values["source_key"] == "patients/00000001/study-1.dcm"
    assert (found[0].values["parts"], found[0].values["reason"]) == (None, None)
    parted = found[6].values
    assert parted["parts"] == [[65_564, (b"a" * 32).hex()], [30, (b"b" * 32).hex()]]
    assert parted["segments"] == 1
    assert found[8].values["reason"] == "it grew"
    assert b"plaintext_sha256" not in b"".join(
        json.dumps(json.loads(line)["opened"]).encode()
        for line in (folder / "openings.jsonl").read_bytes().splitlines()
    )


def test_openings_are_read_again_as_they_were_checked(tmp_path):
    """A second reading gives the rows and values of the first, and ends where the file is another by then."""
    signing = signers()
    folder = bundle_of(tmp_path, signing, opened=FIELDS)
    path = folder / "openings.jsonl"
    digest = check_bundle(folder, publics(signing), now_ms=NOW).openings_sha256
    assert [(o.row, o.values) for o in opened_again(path, digest)] == [
        (o.row, o.values) for o in openings_of(path)
    ]
    content = path.read_bytes()
    for changed in (content.replace(b"study-1", b"study-2", 1), content[:-1], b"[]\n", b"{\n", b""):
        path.write_bytes(changed)
        with pytest.raises(EvidenceInvalid):
            list(opened_again(path, digest))


def test_a_key_that_nobody_trusts_proves_nothing(tmp_path):
    """A bundle that is right in itself does not hold for a reader who trusts another key."""
    folder = bundle_of(tmp_path, signers())
    verdict = check_bundle(folder, publics(signers()), now_ms=NOW)
    assert {found.file for found in verdict.findings} == {
        "checkpoint.txt", "statements/transfer.json", "statements/verification.json",
    }  # fmt: skip


def test_a_post_quantum_key_that_is_trusted_must_have_signed(tmp_path):
    """A second signature cannot be stripped from a reader who expects it."""
    ed, mldsa = signers("ed25519", "ml-dsa-65")
    folder = bundle_of(tmp_path, [ed])
    verdict = check_bundle(folder, [ed.public, mldsa.public], now_ms=NOW)
    assert [found.reason for found in verdict.findings] == ["your key key-2 has not signed it"] * 2


def test_a_bundle_from_the_future_is_refused(tmp_path):
    """What was made after the reader's tomorrow is named."""
    signing = signers()
    verdict = check_bundle(bundle_of(tmp_path, signing), publics(signing), now_ms=1_000_000_000_000)
    assert "it was made in the future" in {found.reason for found in verdict.findings}


def test_an_expired_key_does_not_sign(tmp_path):
    """A key whose time was over before the ledger was last written is refused before anything is written."""
    (signer,) = signers()
    old = PublicKey(name="old", algorithm="ed25519", public=signer.public.public, valid_until=1)
    expired = type(signer)(old, signer._private)
    with pytest.raises(UsageError, match="expired"):
        bundle_of(tmp_path, [expired])
    assert not (tmp_path / "bundle").exists()


def test_an_inventory_that_is_named_was_not_compared(tmp_path):
    """Whether or not another party's inventory is named, the bundle says that nothing was compared with it."""
    bundle_of(tmp_path, signers())
    ledger = open_ledger(tmp_path / "ledger.sqlite")
    told = {}
    for inventory in (None, Inventory("list.csv", "ab" * 32)):
        transfer = transfer_predicate(
            ledger, wave_plan(), Tally(), root=bytes(32), size=12, inventory=inventory
        )
        (told[inventory],) = [text for text in transfer["limits_of_this"] if "complete" in text]
    ledger.close()
    assert len(set(told.values())) == 2
    assert all("compared" in text for text in told.values())


def test_what_no_reader_takes_is_not_signed(tmp_path):
    """A key given twice, two keys of one name and too many keys are refused before anything is written."""
    (one,), (namesake,), many = signers(), signers(), signers(*["ed25519"] * 17)
    for signing, words in (([one, one], "signs twice"), ([one, namesake], "same name"), (many, "at most 16")):
        with pytest.raises(UsageError, match=words):
            bundle_of(tmp_path, signing)
        ledger = open_ledger(tmp_path / "ledger.sqlite")
        with pytest.raises(UsageError, match=words):
            write_proof(ledger, wave_plan(), [ledger.row(1).key], ["source_key"], signers=signing)
        ledger.close()
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []


def test_nothing_is_overwritten_and_nothing_is_left(tmp_path):
    """A folder that is there is not touched, and a bundle that cannot be made leaves no trace."""
    signing = signers()
    folder = bundle_of(tmp_path, signing)
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(UsageError, match="there already"):
        bundle_of(tmp_path, signing)
    with pytest.raises(UsageError, match="no field"):
        bundle_of(tmp_path, signing, name="other", opened=["nothing"])
    with pytest.raises(UsageError, match="Ed25519"):
        bundle_of(tmp_path, signers("ml-dsa-65"), name="other")
    new_ledger(tmp_path / "fresh").list_objects(1, [listed(1)])
    assert sorted(path.name for path in tmp_path.iterdir() if not path.name.startswith("fresh")) == before
    assert check_bundle(folder, publics(signing), now_ms=NOW).holds


def test_any_single_bit_that_changes_is_noticed(tmp_path):
    """Flipping one bit at every third byte of every file makes the bundle fail."""
    signing = signers("ed25519", "ml-dsa-65")
    folder = bundle_of(tmp_path, signing, opened=("source_key", "reason"))
    unnoticed = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        content = path.read_bytes()
        for at in range(0, len(content), 3 if len(content) < 4000 else 29):
            changed = bytearray(content)
            changed[at] ^= 1 << at % 8
            path.write_bytes(changed)
            if check_bundle(folder, publics(signing), now_ms=NOW).holds:
                unnoticed.append((path.name, at))
        path.write_bytes(content)
    assert unnoticed == []
    assert check_bundle(folder, publics(signing), now_ms=NOW).holds


@pytest.mark.parametrize("change", ["extra", "missing", "link", "folder", "truncated"])
def test_files_that_do_not_belong_are_named(tmp_path, change):
    """A file too many, too few, a link and an emptied file are findings that name it."""
    signing = signers()
    folder = bundle_of(tmp_path, signing)
    victim = folder / "gate.json"
    if change == "extra":
        victim = folder / "notes.txt"
        victim.write_text("hello")
    elif change == "missing":
        victim.unlink()
    elif change == "link":
        shutil.move(victim, tmp_path / "elsewhere")
        victim.symlink_to(tmp_path / "elsewhere")
    elif change == "folder":
        victim = folder / "more"
        victim.mkdir()
    else:
        victim.write_bytes(b"")
    verdict = check_bundle(folder, publics(signing), now_ms=NOW)
    assert victim.name in {found.file for found in verdict.findings}


def test_there_must_be_a_folder(tmp_path):
    """A name that is no folder is an error of its own."""
    with pytest.raises(NothingThere):
        check_bundle(tmp_path / "nothing", [], now_ms=NOW)


def test_a_proof_shows_chosen_fields_of_chosen_objects(tmp_path):
    """A proof holds by itself, shows what was asked for, and holds no other row's or field's value."""
    signing = signers()
    bundle_of(tmp_path, signing)
    ledger = open_ledger(tmp_path / "ledger.sqlite")
    keys = [ledger.row(2).key, ledger.row(7).key]
    data = write_proof(ledger, wave_plan(), keys, ["source_key"], signers=signing)
    proof = check_proof(json.loads(data), publics(signing))
    assert [(each.row.row, each.values) for each in proof.rows] == [
        (2, {"source_key": keys[0]}), (7, {"source_key": keys[1]}),
    ]  # fmt: skip
    assert ledger.row(3).key.encode() not in data
    assert ledger.row(2).source_etag.strip('"').encode() not in data
    with pytest.raises(NothingThere):
        write_proof(ledger, wave_plan(), ["nothing"], ["source_key"], signers=signing)
    ledger.close()


def test_an_incomplete_inventory_proves_nothing(tmp_path):
    """Neither a bundle nor a proof is made of a listing that was cut, and nothing of it is left."""
    ledger = new_ledger(tmp_path / "ledger.sqlite")
    ledger.list_objects(1, [listed(1)])
    ledger.close()
    with pytest.raises(NothingThere):
        bundle_of(tmp_path, signers())
    ledger = open_ledger(tmp_path / "ledger.sqlite")
    with pytest.raises(NothingThere):
        write_proof(ledger, wave_plan(), [listed(1).key], ["source_key"], signers=signers())
    ledger.close()
    assert {path.name for path in tmp_path.iterdir()} <= {
        f"ledger.sqlite{end}" for end in ("", "-wal", "-shm")
    }


def test_a_proof_by_a_kept_tree_is_the_proof_from_all_rows(tmp_path):
    """The tree that sealing kept gives the same bytes as all rows, and reads no row of another block."""
    signing = signers("ed25519", "ml-dsa-65")
    kept = tmp_path / "evidence.tree"
    bundle_of(tmp_path, signing, rows=600, kept=kept)
    assert kept.stat().st_mode & 0o077 == 0
    ledger = open_ledger(tmp_path / "ledger.sqlite")
    for number in (1, 256, 257, 594, 600):
        keys, built = [ledger.row(number).key], []
        by_tree = write_proof(
            ledger,
            wave_plan(),
            keys,
            ["source_key", "parts"],
            signers=signing,
            kept=kept,
            on_build=built.append,
        )
        assert built == []
        assert by_tree == write_proof(ledger, wave_plan(), keys, ["source_key", "parts"], signers=signing)
        assert check_proof(json.loads(by_tree), publics(signing)).rows[0].row.row == number
    many = [ledger.row(number).key for number in (1, 2, 300, 600)]
    data = write_proof(ledger, wave_plan(), many, ["source_key"], signers=signing, kept=kept)
    assert [each.row.row for each in check_proof(json.loads(data), publics(signing)).rows] == [1, 2, 300, 600]
    ledger.close()


@pytest.mark.parametrize(
    "what", ["moved on", "other keys", "gone", "cut off", "a hash", "the checkpoint", "empty"]
)
def test_a_kept_tree_that_does_not_fit_is_built_anew(tmp_path, what):
    """Whatever is wrong with a kept tree, the proof is that of all rows, the reason is told, and the next is quick."""
    signing = signers()
    kept = tmp_path / "evidence.tree"
    bundle_of(tmp_path, signing, rows=600, kept=kept)
    right = kept.read_bytes()
    if what == "moved on":
        ledger = Ledger.open(tmp_path / "ledger.sqlite", wave_id=WAVE, plan_digest=DIGEST)
        ledger.append([e.EpochRaised(2)])
        ledger.close()
    elif what == "other keys":
        signing = signers()
    elif what == "gone":
        kept.unlink()
    else:
        kept.write_bytes(
            {
                "cut off": right[:-1],
                "a hash": right[:-90] + bytes(3) + right[-87:],
                "the checkpoint": right.replace(b"600", b"601"),
                "empty": b"",
            }[what]
        )
    ledger = open_ledger(tmp_path / "ledger.sqlite")
    keys, built = [ledger.row(7).key], []

    def proof(**more):
        return write_proof(ledger, wave_plan(), keys, ["source_key"], signers=signing, **more)

    assert proof(kept=kept, on_build=built.append) == proof()
    assert len(built) == 1
    assert proof(kept=kept, on_build=built.append) == proof()
    assert len(built) == 1
    ledger.close()


def test_a_kept_tree_tells_nothing_of_an_object(tmp_path):
    """No key, digest or secret stands in it, and it is the same bytes again."""
    signing = signers()
    bundle_of(tmp_path, signing, kept=tmp_path / "one")
    bundle_of(tmp_path, signing, name="again", kept=tmp_path / "two")
    content = (tmp_path / "one").read_bytes()
    assert content == (tmp_path / "two").read_bytes()
    ledger = open_ledger(tmp_path / "ledger.sqlite")
    secrets = [ledger.meta("evidence_key"), *(row.key.encode() for row in ledger.rows("1"))]
    assert [secret for secret in secrets if secret in content or secret.hex().encode() in content] == []
    ledger.close()


def test_a_proof_that_was_changed_does_not_hold(tmp_path):
    """Another value, row, path, checkpoint or key is refused."""
    signing = signers()
    bundle_of(tmp_path, signing)
    ledger = open_ledger(tmp_path / "ledger.sqlite")
    data = write_proof(ledger, wave_plan(), [ledger.row(2).key], ["source_key"], signers=signing)
    ledger.close()

    def changed(change):
        document = json.loads(data)
        change(document)
        return document

    changes = [
        lambda d: d["rows"][0]["opened"]["source_key"].update(value="other"),
        lambda d: d["rows"][0].update(line=d["rows"][0]["line"].replace("verified", "planned")),
        lambda d: d["rows"][0]["path"].reverse(),
        lambda d: d["rows"][0]["path"].append("00" * 32),
        lambda d: d.update(checkpoint=d["checkpoint"].replace("\n12\n", "\n13\n")),
        lambda d: d["keys"][0].update(public="AAAA"),
        lambda d: d["rows"].append(d["rows"][0]),
        lambda d: d["rows"][0]["opened"].clear(),
        lambda d: d.update(format="havre-proof/2"),
        lambda d: d["rows"][0].update(path=[1]),
        lambda d: d.update(rows={}),
    ]
    for change in changes:
        with pytest.raises(EvidenceInvalid):
            check_proof(changed(change), publics(signing))
    with pytest.raises(EvidenceInvalid, match="trust"):
        check_proof(json.loads(data), publics(signers()))
