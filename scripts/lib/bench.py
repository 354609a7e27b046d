"""The benchmark: see scripts/bench, which starts this, and migrator/docs/benchmarks.md."""

import argparse
import json
import shutil
import signal
import statistics
import sys
import tempfile
from pathlib import Path
from typing import NoReturn

from bench_evidence import evidence
from bench_harbours import sftp, sftp_stream, swift
from bench_local import cores, memory
from bench_race import large, small
from bench_recheck import recheck
from bench_resume import resume
from bench_run import Bench
from measuring import Result, machine
from telling import CheckError, check

_BENCHMARKS = {
    "small": small,
    "large": large,
    "memory": memory,
    "cores": cores,
    "resume": resume,
    "evidence": evidence,
    "recheck": recheck,
    "sftp": sftp,
    "sftp-stream": sftp_stream,
    "swift": swift,
}
_MIB, _GIB = 1024**2, 1024**3
# Four originals of 1 GiB, then the source's copy, then the target's: never all three at once, but a
# store frees what it was told to delete only when it ends.
_NEEDED = {
    "small": 1,
    "large": 14,
    "memory": 3,
    "cores": 1,
    "resume": 2,
    "evidence": 4,
    "recheck": 8,
    "sftp": 5,
    "sftp-stream": 2,
    "swift": 6,
}


def main() -> int:
    """Run what was asked for; 0 if all of it was measured."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Measure havre beside rclone.")
    parser.add_argument("what", nargs="+", choices=[*_BENCHMARKS, "all"])
    parser.add_argument("--rounds", type=int, default=3, help="at least 3, unless --quick (then 1)")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: the figures mean nothing")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write everything as JSON")
    parser.add_argument("--workdir", type=Path, default=Path(tempfile.gettempdir()))
    options = parser.parse_args()
    if not options.quick and options.rounds < 3:
        parser.error("fewer than three rounds say nothing; take --quick to see whether it runs")
    names = list(_BENCHMARKS) if "all" in options.what else list(dict.fromkeys(options.what))
    signal.signal(signal.SIGTERM, _as_interrupt)
    results: list[Result] = []
    try:
        with tempfile.TemporaryDirectory(prefix="havre-bench-", dir=options.workdir) as folder:
            _check_room(Path(folder), names, quick=options.quick)
            rounds = 1 if options.quick else options.rounds
            bench = Bench(folder=Path(folder), rounds=rounds, quick=options.quick)
            for name in names:
                results.append(_BENCHMARKS[name](bench))
                _print_result(results[-1], judged=not options.quick)
                # Written after each: a long run that breaks late keeps what it has measured.
                _write(options.json, results, quick=options.quick)
    except KeyboardInterrupt:
        print("bench: interrupted; the servers are stopped", file=sys.stderr)
        return 130
    except CheckError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    print("\nmachine")
    for key, value in machine().items():
        print(f"  {key:<10} {value}")
    return 0


def _as_interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def _check_room(folder: Path, names: list[str], *, quick: bool) -> None:
    needed = 1 if quick else max(_NEEDED[name] for name in names)
    free = shutil.disk_usage(folder).free / _GIB
    check(
        free > needed, f"{folder.parent} has {needed} GiB free (it has {free:.1f}; --workdir names another)"
    )


def _write(path: Path | None, results: list[Result], *, quick: bool) -> None:
    if path is None:
        return
    document = {"quick": quick, "machine": machine(), "results": [result.as_json() for result in results]}
    path.write_text(json.dumps(document, indent=2) + "\n")


def _print_result(result: Result, *, judged: bool) -> None:
    print(f"\n{result.name}: {result.what}")
    if result.rounds:
        print(f"  {'median of the rounds':<68} {'wall s':>8} {'cpu s':>8} {'peak MiB':>9} {'rounds':>6}")
    for name, rounds in result.rounds.items():
        wall, cpu, peak = (
            statistics.median(each[field] for each in rounds) for field in ("wall", "cpu", "peak")
        )
        print(f"  {name[:68]:<68} {wall:8.2f} {cpu:8.2f} {peak / _MIB:9.0f} {len(rounds):6}")
    for remark in result.remarks:
        print(f"  {remark}")
    for mark in result.marks:
        limit = f"at most {mark.at_most:g}" if mark.at_most is not None else f"at least {mark.at_least:g}"
        verdict = ("met" if mark.met else "MISSED") if judged else "quick"
        print(f"  {verdict:<6} {mark.what}: {mark.value:.2f}{mark.unit} ({limit}{mark.unit})")
    print(flush=True)


if __name__ == "__main__":
    sys.exit(main())
