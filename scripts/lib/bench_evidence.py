"""Evidence of a million rows: sealed and signed, checked by two programs, and one proof.

Every step is a process of its own: `bench_evidence.py STEP FOLDER ROWS`.
"""

import json
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))

from bench_run import Bench  # noqa: E402 - after the path is set
from measuring import Mark, Result, median_of, run_measured  # noqa: E402 - as above

__all__ = ["evidence"]

_MIB = 1024**2
_WAVE, _DIGEST = "00112233445566778899aabbccddeeff", "d" * 64
_SEAL, _CHECK, _SECOND = "seal and sign", "check", "check with scripts/check_evidence.py"
_PROVE, _PROOF = "prove one object", "check the proof"


def evidence(bench: Bench) -> Result:
    """What sealing, signing, checking and proving take."""
    rows = 2_000 if bench.quick else 1_000_000
    result = Result(name="evidence", what=f"{rows:,} rows, an Ed25519 and an ML-DSA-65 signature")
    python = sys.executable
    with bench.place("evidence") as folder:

        def step(name: str) -> list[str | Path]:
            return [python, Path(__file__), name, folder, str(rows)]

        run_measured(step("make"), environment={}, cwd=ROOT)
        for _ in range(bench.rounds):
            for name, command in (
                (_SEAL, step("seal")),
                (_CHECK, step("check")),
                (
                    _SECOND,
                    [
                        python,
                        ROOT / "scripts/check_evidence.py",
                        folder / "bundle",
                        "--trust",
                        folder / "1.pub",
                    ],
                ),
                (_PROVE, step("prove")),
                (_PROOF, step("check-proof")),
            ):
                cost = run_measured(command, environment={}, cwd=ROOT)
                result.add(name, cost)
                bench.note(f"evidence: {name}: {cost.cpu:.1f} s of CPU, {cost.peak / _MIB:.0f} MiB")
        within = json.loads((folder / "proof-seconds.json").read_text())
    cpu = median_of(result, _SEAL, "cpu") + median_of(result, _CHECK, "cpu")
    result.marks.append(Mark(what="CPU to seal, sign and check", value=cpu, at_most=120, unit=" s"))
    peak = max(median_of(result, name, "peak") for name in (_SEAL, _CHECK, _SECOND, _PROVE)) / _MIB
    result.marks.append(Mark(what="peak memory", value=peak, at_most=300, unit=" MiB"))
    result.marks.append(
        Mark(what="checking one proof, without starting Python", value=within * 1000, at_most=50, unit=" ms")
    )
    result.remarks.append("proving reads every row again: no tree is kept between commands")
    return result


def _make(folder: Path, rows: int) -> None:
    from migrator.core import events as e
    from migrator.evidence.signing_keys import new_signing_key, private_pem, public_text
    from migrator.ledger.ledger import Ledger
    from migrator.ledger.rows import Listed

    ledger = Ledger.create(folder / "ledger.sqlite", wave_id=_WAVE, plan_digest=_DIGEST)
    for first in range(1, rows + 1, 1000):
        batch = range(first, min(first + 1000, rows + 1))
        ledger.list_objects(
            first, [Listed(f"o/{n:09}", n, None, f'"{n:032x}"', None, 1_700_000_000_000, None) for n in batch]
        )
    ledger.append([e.ManifestSealed(rows, rows)])
    for first in range(1, rows + 1, 250):
        batch = range(first, min(first + 250, rows + 1))
        ledger.append([e.GenerationStarted(1, ((batch[0], batch[-1]),))])
        ledger.append(
            [
                event
                for n in batch
                for event in (
                    e.ObjectStored(n, 100 + n, bytes(32), bytes(32), bytes(6), f'"{n:032x}"', None, None),
                    e.ObjectVerified(n, "full", None),
                )
            ]
        )
    ledger.close()
    for number, algorithm in enumerate(("ed25519", "ml-dsa-65"), 1):
        signer = new_signing_key(f"key-{number}", algorithm, valid_from=0, valid_until=None)
        (folder / f"{number}.pem").write_bytes(private_pem(signer, b"bench"))
        (folder / f"{number}.pub").write_bytes(public_text(signer.public))


def _step(name: str, folder: Path) -> None:
    import shutil

    from migrator.core.canonical import decode
    from migrator.core.modes import DatasetClass, Mode
    from migrator.core.plan import Plan
    from migrator.engine.recipients import write_recipient
    from migrator.envelope.keys import Identity
    from migrator.evidence.bundle import write_bundle
    from migrator.evidence.check import check_bundle
    from migrator.evidence.prove import check_proof, write_proof
    from migrator.evidence.signing_keys import read_public, read_signer
    from migrator.ledger.ledger import Ledger

    publics = [read_public((folder / f"{n}.pub").read_bytes(), name=str(n)) for n in (1, 2)]
    if name == "check":
        assert check_bundle(folder / "bundle", publics, now_ms=time.time_ns() // 1_000_000).holds
        return
    if name == "check-proof":
        data = (folder / "proof.json").read_bytes()
        began = time.perf_counter()
        assert check_proof(decode(data[:-1]), publics).rows
        (folder / "proof-seconds.json").write_text(json.dumps(time.perf_counter() - began))
        return
    plan = Plan(
        wave="bench",
        id=_WAVE,
        dataset_class=DatasetClass.PSEUDONYMISED,
        mode=Mode.ENCRYPT,
        source="/from",
        target="/to",
        recipients=(write_recipient(Identity.from_private_bytes(bytes(range(32))).recipient()),),
    )
    signers = [
        read_signer((folder / f"{n}.pem").read_bytes(), public, b"bench")
        for n, public in enumerate(publics, 1)
    ]
    ledger = Ledger.open(folder / "ledger.sqlite", wave_id=_WAVE, plan_digest=_DIGEST, read_only=True)
    if name == "seal":
        shutil.rmtree(folder / "bundle", ignore_errors=True)
        write_bundle(ledger, plan, b"", folder / "bundle", signers=signers, gate={"verdict": "not asked"})
    else:
        (folder / "proof.json").write_bytes(
            write_proof(ledger, plan, ["o/000000007"], ["source_key"], signers=signers)
        )
    ledger.close()


if __name__ == "__main__":
    if sys.argv[1] == "make":
        _make(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        _step(sys.argv[1], Path(sys.argv[2]))
