"""Evidence of a million rows: sealed and signed, checked by two programs, and one proof.

Every step is a process of its own: `bench_evidence.py STEP FOLDER ROWS`.
"""

import os
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parents[2]
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))

from bench_run import Bench  # noqa: E402 - after the path is set
from measuring import Mark, Result, median_of, run_measured  # noqa: E402 - as above

if TYPE_CHECKING:
    from migrator.core.plan import Plan

__all__ = ["evidence"]

_MIB = 1024**2
_WAVE = "00112233445566778899aabbccddeeff"
_HAVRE = ROOT / ".venv/bin/havre"
_SEAL, _CHECK, _SECOND = "seal and sign", "check", "check with scripts/check_evidence.py"
_BUILD, _PROVE = "prove one object, no tree kept (every row is read)", "prove one object: the whole command"
_WITHIN, _PROOF = "prove one object, in a process of its own", "check the proof"
_MADE, _CHECKED = "seconds-made", "seconds-checked"


def evidence(bench: Bench) -> Result:
    """What sealing, signing, checking and proving take."""
    rows = 2_000 if bench.quick else 1_000_000
    result = Result(name="evidence", what=f"{rows:,} rows, an Ed25519 and an ML-DSA-65 signature")
    python = sys.executable
    with bench.place("evidence") as folder:

        def step(name: str) -> list[str | Path]:
            return [python, Path(__file__), name, folder, str(rows)]

        def prove(name: str) -> list[str | Path]:
            signed = ["--sign", "1.sec", "--sign", "2.sec"]
            return [_HAVRE, "prove", "wave.toml", "o/000000007", *signed, "-o", name]

        own = {"HAVRE_PASSPHRASE_FILE": str(folder / "passphrase"), "HOME": str(folder), "PATH": os.defpath}
        run_measured(step("make"), environment={}, cwd=ROOT)
        for number in range(bench.rounds):
            steps: list[tuple[str, list[str | Path]]] = [
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
                (_WITHIN, step("prove")),
                (_PROVE, prove(f"quick-{number}.json")),
                (_BUILD, prove(f"slow-{number}.json")),
                (_PROOF, step("check-proof")),
            ]
            for name, command in steps:
                if name == _BUILD:
                    (folder / "wave.havre/evidence.tree").unlink()
                cost = run_measured(command, environment=own, cwd=folder)
                result.add(name, cost)
                bench.note(
                    f"evidence: {name}: {cost.wall:.2f} s, {cost.cpu:.2f} s of CPU, {cost.peak / _MIB:.0f} MiB"
                )
        made, checked = (_median(folder / name) for name in (_MADE, _CHECKED))
    cpu = median_of(result, _SEAL, "cpu") + median_of(result, _CHECK, "cpu")
    result.marks.append(Mark(what="CPU to seal, sign and check", value=cpu, at_most=120, unit=" s"))
    peak = max(median_of(result, name, "peak") for name in (_SEAL, _CHECK, _SECOND, _PROVE, _BUILD)) / _MIB
    result.marks.append(Mark(what="peak memory", value=peak, at_most=300, unit=" MiB"))
    for what, value in (("making", made), ("checking", checked)):
        result.marks.append(
            Mark(
                what=f"{what} one proof, without starting Python", value=value * 1000, at_most=50, unit=" ms"
            )
        )
    result.remarks.append(
        "making one proof: the first of its process, ledger and keys already open, by the tree that sealing kept"
    )
    return result


def _median(path: Path) -> float:
    return statistics.median(float(line) for line in path.read_text().split())


def _note(path: Path, seconds: float) -> None:
    with path.open("a") as file:
        file.write(f"{seconds}\n")


def _make(folder: Path, rows: int) -> None:
    from migrator.core import events as e
    from migrator.engine.files import WaveFiles
    from migrator.evidence.signing_keys import new_signing_key, private_pem, public_text
    from migrator.ledger.ledger import Ledger
    from migrator.ledger.rows import Listed

    plan, files = _plan(), WaveFiles(folder / "wave.toml")
    files.save(plan)
    files.make_folder()
    ledger = Ledger.create(files.ledger, wave_id=_WAVE, plan_digest=plan.digest)
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
        (folder / f"{number}.sec").write_bytes(private_pem(signer, b"bench"))
        (folder / f"{number}.pub").write_bytes(public_text(signer.public))
    (folder / "passphrase").touch(mode=0o600)
    (folder / "passphrase").write_text("bench")


def _plan() -> "Plan":
    from migrator.core.modes import DatasetClass, Mode
    from migrator.core.plan import Plan
    from migrator.engine.recipients import write_recipient
    from migrator.envelope.keys import Identity

    return Plan(
        wave="bench",
        id=_WAVE,
        dataset_class=DatasetClass.PSEUDONYMISED,
        mode=Mode.ENCRYPT,
        source="/from",
        target="/to",
        recipients=(write_recipient(Identity.from_private_bytes(bytes(range(32))).recipient()),),
    )


def _step(name: str, folder: Path) -> None:
    import shutil

    from migrator.core.canonical import decode
    from migrator.engine.files import WaveFiles
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
        data = (folder / "quick-0.json").read_bytes()
        began = time.perf_counter()
        assert check_proof(decode(data[:-1]), publics).rows
        _note(folder / _CHECKED, time.perf_counter() - began)
        return
    files = WaveFiles(folder / "wave.toml")
    plan = files.load()
    signers = [
        read_signer((folder / f"{n}.sec").read_bytes(), public, b"bench")
        for n, public in enumerate(publics, 1)
    ]
    ledger = Ledger.open(files.ledger, wave_id=_WAVE, plan_digest=plan.digest, read_only=True)
    if name == "seal":
        shutil.rmtree(folder / "bundle", ignore_errors=True)
        write_bundle(
            *(ledger, plan, b"", folder / "bundle"),
            signers=signers,
            gate={"verdict": "not asked"},
            kept=files.tree,
        )
    else:
        began = time.perf_counter()
        built: list[str] = []
        write_proof(
            *(ledger, plan, ["o/000000007"], ["source_key"]),
            signers=signers,
            kept=files.tree,
            on_build=built.append,
        )
        _note(folder / _MADE, time.perf_counter() - began)
        assert not built, built
    ledger.close()


if __name__ == "__main__":
    if sys.argv[1] == "make":
        _make(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        _step(sys.argv[1], Path(sys.argv[2]))
