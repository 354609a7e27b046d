"""Checking every stored byte again: a bundle against its store, beside rclone against a copy of the same objects."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench_race import WORKERS
from bench_run import Bench, Havre, Rclone, random_files, weigh
from measuring import Cost, Mark, Result, costs_of, median_of
from telling import check

from support.servers import S3Server

__all__ = ["recheck"]

_KIB, _MIB = 1024, 1024**2
_OURS, _EQUAL, _BEST = "havre check-evidence --against", "rclone check --download at 16", "rclone at its best"
_OWN = "/.havre/**"
_MARK = 1.3


@dataclass(frozen=True, slots=True, kw_only=True)
class _Load:
    name: str
    count: int
    size: int
    candidates: Sequence[tuple[str, ...]]


def recheck(bench: Bench) -> Result:
    """Objects of 64 KiB, and large ones: the same bytes of one store, read by both in turns."""
    few = 24 * _MIB if bench.quick else 512 * _MIB
    loads = (
        _Load(
            name="small",
            count=40 if bench.quick else 10_000,
            size=64 * _KIB,
            candidates=[
                ("--checkers", "32", "--fast-list"),
                ("--checkers", "64", "--fast-list"),
                ("--checkers", "16", "--fast-list", "--buffer-size", "0"),
            ],
        ),
        _Load(
            name="large",
            count=4,
            size=few,
            candidates=[
                ("--checkers", "4"),
                ("--checkers", "4", "--buffer-size", "32Mi"),
                ("--checkers", "8", "--buffer-size", "0"),
            ],
        ),
    )
    what = f"{loads[0].count:,} objects of 64 KiB, then 4 of {few // _MIB:,} MiB, all stored bytes of one S3 store"
    result = Result(name="recheck", what=what)
    for load in loads:
        with bench.store("target") as server, bench.place("recheck") as folder:
            _race(
                bench, load, _Place(folder=folder, server=server, bucket=server.new_bucket("target")), result
            )
    result.remarks.append(
        "rclone compares with a copy in local files, which is the quickest other side it can have; havre needs none"
    )
    return result


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    folder: Path
    server: S3Server
    bucket: str

    @property
    def havre(self) -> Havre:
        return Havre(folder=self.folder, sites={"target": self.server})

    def rclone(self, verb: str, source: str, target: str, *flags: str) -> Cost:
        """Run rclone without its encryption: what is stored is compared as it is."""
        runner = Rclone(
            folder=self.folder,
            source=self.server,
            target=self.server,
            target_bucket=self.bucket,
            password=Rclone.new_password(),
        )
        return runner.run(verb, source, target, *flags)

    def fill(self, bench: Bench, load: _Load) -> None:
        """Move the load into the store, seal its evidence, and take a copy of what is stored."""
        havre = self.havre.prepare()
        with bench.place("originals") as originals:
            random_files(originals, load.count, load.size)
            havre.plan(str(originals), f"target:{self.bucket}", "wave")
            havre.run("migrate", "wave.toml", "--verify", "size", "--workers", WORKERS)
        havre.run("keys", "generate", "--signing", "-o", "office")
        havre.run("evidence", "wave.toml", "--sign", "office.sec", "--out", "papers", "--open", "target")
        self.rclone("copy", f"target:{self.bucket}", "twin", "--transfers", "8", "--exclude", _OWN)
        stored, _ = weigh(self.server, self.bucket, without=[_OWN])
        check(stored == load.count, f"the store holds {load.count} objects (there are {stored})")

    def ours(self) -> Cost:
        """havre: bundle, rows, openings, and every stored byte."""
        against = ("--against", f"target:{self.bucket}", "--workers", WORKERS)
        return self.havre.run("check-evidence", "papers", "--trust", "office.pub", *against)

    def theirs(self, flags: Sequence[str]) -> Cost:
        """rclone: every stored byte and every byte of the copy."""
        return self.rclone("check", "twin", f"target:{self.bucket}", "--download", "--exclude", _OWN, *flags)


def _race(bench: Bench, load: _Load, place: _Place, result: Result) -> None:
    bench.note(f"recheck: filling the store with the {load.name} objects")
    place.fill(bench, load)
    walls = []
    candidates = load.candidates[:1] if bench.quick else load.candidates
    for flags in candidates:
        walls.append(place.theirs(flags).wall)
        result.remarks.append(f"{load.name}, trial (not counted): {walls[-1]:.2f} s with {' '.join(flags)}")
        bench.note(f"recheck: {result.remarks[-1]}")
    best = candidates[walls.index(min(walls))]
    contenders: list[tuple[str, Callable[[], Cost]]] = [
        (f"{load.name}: {_OURS}", place.ours),
        (f"{load.name}: {_EQUAL}", partial(place.theirs, ("--checkers", WORKERS))),
        (f"{load.name}: {_BEST}", partial(place.theirs, best)),
    ]
    for number in range(bench.rounds):
        # Each round begins with another contender: none has the warm or the tired machine to itself.
        first = number % len(contenders)
        for name, run in contenders[first:] + contenders[:first]:
            result.add(name, run())
            wall = costs_of(result, name, "wall")[-1]
            bench.note(f"recheck: round {number + 1} of {bench.rounds}: {name} {wall:.2f} s")
    ours = contenders[0][0]
    for name, _ in contenders[1:]:
        speed, cpu = (
            median_of(result, name, figure) / median_of(result, ours, figure) for figure in ("wall", "cpu")
        )
        result.marks.append(Mark(what=f"speed, havre / {name}", value=speed, at_least=_MARK))
        result.remarks.append(f"CPU, havre / {name}: {1 / cpu:.2f}")
    peak = max(costs_of(result, ours, "peak")) / _MIB
    result.marks.append(Mark(what=f"{load.name}: peak memory of havre", value=peak, at_most=300, unit=" MiB"))
