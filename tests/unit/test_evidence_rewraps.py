"""What evidence says of readers that were changed after the transfer."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

import pytest

from migrator.core import events as e
from migrator.errors import EvidenceInvalid, LedgerCorrupt
from migrator.evidence.bundle import TRANSFER
from migrator.evidence.check import check_bundle
from migrator.evidence.dsse import seal_statement, statement
from migrator.evidence.predicates import check_transfer
from migrator.evidence.signing_keys import public_text
from migrator.ledger.ledger import Ledger
from support.evidence import NOW, bundle_of, finished_ledger, open_ledger, second_verifier, signers
from support.ledgers import DIGEST, WAVE

_NEW = (b"\x07" * 32, b"\x05" * 32)


def rewrapped_ledger(path: Path, *, revoke: bool = False) -> None:
    """A finished ledger of 12 rows, whose first two objects and the one in parts (7) were given to two others."""
    finished_ledger(path)
    ledger = Ledger.open(path, wave_id=WAVE, plan_digest=DIGEST)
    ledger.append([e.ReadersChanged(1, _NEW, revoke), e.RewrapStarted(1, ((1, 2), (7, 7)))])
    for row in (1, 2, 7):
        whole = row != 7
        ledger.append(
            [
                e.RewrapOpened(row, None if whole else "u2", 0 if whole else 128, revoke, b"b" * 32),
                e.RewrapPartStored(row, 1, 332 if whole else 65_564, b"n" * 32, bytes(6), "p", b"a" * 32, False),
                *([] if whole else [e.RewrapPartStored(row, 2, 30, b"b" * 32, bytes(6), "p", None, True)]),
                e.ObjectRewrapped(
                    row, 1, revoke, b"b" * 32, b"a" * 32, 332 if whole else 65_594, b"n" * 32 if whole else None,
                    bytes(6) if whole else None, "new", "v2", "old", "v1",
                ),
                e.ObjectVerified(row, "ciphertext", None),
            ]
        )  # fmt: skip
    ledger.close()


@pytest.mark.parametrize("revoke", [False, True])
def test_a_bundle_tells_every_change(tmp_path: Path, revoke: bool) -> None:
    """The transfer statement has the set, how many objects it reached, their headers, and what remains open."""
    rewrapped_ledger(tmp_path / "ledger.sqlite", revoke=revoke)
    signing = signers()
    folder = bundle_of(tmp_path, signing)
    verdict = check_bundle(folder, [one.public for one in signing], now_ms=NOW)
    assert verdict.holds, verdict.findings
    transfer = verdict.predicates["transfer"]
    headers = b"".join(row.to_bytes(8, "big") + b"b" * 32 + b"a" * 32 for row in (1, 2, 7))
    (entry,) = transfer["rewraps"]
    assert entry.pop("at") > 0
    assert entry == {
        "headers": hashlib.sha256(headers).hexdigest(),
        "objects": 3,
        "readers": sorted(public.hex() for public in _NEW),
        "revoked": revoke,
    }
    assert transfer["recipients"] == entry["readers"]
    (former,) = [text for text in transfer["limits_of_this"] if "taken out" in text]
    assert ("data keys" in former) is not revoke
    assert any("not brought over" in text for text in transfer["limits_of_this"])


def test_a_wave_without_a_change_says_nothing_of_it(tmp_path: Path) -> None:
    """The member is absent where readers were never changed, so older bundles stay what they are."""
    signing = signers()
    folder = bundle_of(tmp_path, signing)
    verdict = check_bundle(folder, [one.public for one in signing], now_ms=NOW)
    assert "rewraps" not in verdict.predicates["transfer"]


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        [{"at": 1, "headers": "0" * 64, "objects": 1, "readers": ["1" * 64], "revoked": False}],
        [{"at": 1, "headers": "0" * 64, "objects": 1, "readers": [], "revoked": 0}],
        [{"at": -1, "headers": "0" * 64, "objects": 1, "readers": [], "revoked": False}],
        {},
    ],
    ids=["empty", "other readers", "no truth value", "negative", "no list"],
)
def test_a_wrong_history_is_refused(tmp_path: Path, wrong: object) -> None:
    """An empty list, a last set that is not the recipients, and members of another kind are refused."""
    rewrapped_ledger(tmp_path / "ledger.sqlite")
    signing = signers()
    folder = bundle_of(tmp_path, signing)
    verdict = check_bundle(folder, [one.public for one in signing], now_ms=NOW)
    transfer = dict(verdict.predicates["transfer"])
    check_transfer(transfer)
    with pytest.raises(EvidenceInvalid):
        check_transfer({**transfer, "rewraps": wrong})


_ENTRY = {"at": 1, "headers": "0" * 64, "objects": 1, "readers": ["1" * 64], "revoked": False}


@pytest.mark.parametrize(
    ("told", "recipients", "holds"),
    [
        ([_ENTRY], ["1" * 64], True),
        ([{**_ENTRY, "readers": ["2" * 64]}, {**_ENTRY, "revoked": True}], ["1" * 64], True),
        ([_ENTRY, {**_ENTRY, "readers": ["2" * 64]}], ["1" * 64], False),
        ([_ENTRY], [], False),
        ([], ["1" * 64], False),
        ([{**_ENTRY, "revoked": 1}], ["1" * 64], False),
        ([{**_ENTRY, "objects": None}], ["1" * 64], False),
        ([{**_ENTRY, "who": "me"}], ["1" * 64], False),
        ([{**_ENTRY, "headers": "0" * 63}], ["1" * 64], False),
        ({}, ["1" * 64], False),
        (None, ["1" * 64], False),
    ],
)
def test_both_programs_judge_a_signed_history_alike(
    tmp_path: Path, told: object, recipients: list[str], holds: bool
) -> None:
    """Whatever a signer says of readers, both programs take it or refuse it."""
    signing = signers()
    folder = bundle_of(tmp_path, signing)
    trusted = [one.public for one in signing]
    path = folder / "statements/transfer.json"
    payload = json.loads(base64.b64decode(json.loads(path.read_bytes())["payload"]))
    predicate = {**payload["predicate"], "rewraps": told, "recipients": recipients}
    subjects = {one["name"]: one["digest"]["sha256"] for one in payload["subject"]}
    path.write_bytes(seal_statement(statement(TRANSFER, subjects, predicate), signing))
    for key in trusted:
        (tmp_path / f"{key.name}.pub").write_bytes(public_text(key))
    second = second_verifier()
    other = second.Check([second.trusted_key(tmp_path / f"{key.name}.pub") for key in trusted], NOW)
    other.bundle(folder)
    assert check_bundle(folder, trusted, now_ms=NOW).holds is holds
    assert (not other.found) is holds, other.found


@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE rewraps SET header_before=zeroblob(32) WHERE row=2",
        "DELETE FROM rewraps WHERE row=7",
        "UPDATE readers SET revoke=1",
        "UPDATE objects SET target_etag='other' WHERE row=1",
        "UPDATE objects SET plaintext_sha256=NULL WHERE row=2",
        "UPDATE rewraps SET readers=2 WHERE row=1",
    ],
)
def test_the_audit_sees_a_changed_history(tmp_path: Path, tampering: str) -> None:
    """Whoever changes the history, the readers or a receipt behind it contradicts the chain."""
    path = tmp_path / "ledger.sqlite"
    rewrapped_ledger(path)
    ledger = open_ledger(path)
    assert ledger.audit() > 0
    ledger.close()
    ledger = Ledger.open(path, wave_id=WAVE, plan_digest=DIGEST)
    ledger.execute(tampering)
    with pytest.raises(LedgerCorrupt):
        ledger.audit()
    ledger.close()
