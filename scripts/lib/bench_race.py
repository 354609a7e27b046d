"""havre beside rclone into S3: the race itself; many small objects and a few large ones from S3."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench_places import Server, path_of
from bench_run import Bench, Havre, Rclone, random_files, weigh
from measuring import Mark, Result, costs_of, median_of
from telling import check

__all__ = ["WORKERS", "Load", "Race", "large", "race", "small"]

_KIB, _MIB, _GIB = 1024, 1024**2, 1024**3
WORKERS = "16"
_OURS, _EQUAL, _BEST = "havre", "rclone at 16", "rclone at its best"
_OWN = "/.havre/**"


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What is moved, the flags that rclone might be quickest with, and the marks: ratios havre / rclone, and MiB."""

    name: str
    count: int
    size: int
    candidates: Sequence[tuple[str, ...]]
    wall_mark: float
    cpu_mark: float | None = 0.6
    peak_mark: int = 300


def small(bench: Bench) -> Result:
    """Ten thousand objects of 4 KiB."""
    # Without a HEAD before each GET and after each PUT rclone is quicker; what it uploaded it proves
    # afterwards anyway, by reading all of it back.
    lean = ("--fast-list", "--use-server-modtime", "--s3-no-head", "--s3-no-head-object", "--no-check-dest")
    candidates = [
        ("--transfers", "32", "--checkers", "32"),
        ("--transfers", "16", "--checkers", "16", *lean),
        ("--transfers", "32", "--checkers", "32", *lean),
        ("--transfers", "64", "--checkers", "64", *lean),
    ]
    count = 40 if bench.quick else 10_000
    load = Load(name="small", count=count, size=4 * _KIB, candidates=candidates, wall_mark=0.75)
    what = f"{count:,} objects of 4 KiB, S3 to S3, encrypted and verified by reading back"
    return race(bench, load, what, bench.store("source"))


def large(bench: Bench) -> Result:
    """Four objects of 1 GiB."""

    def flags(chunk: str, concurrency: int, *more: str) -> tuple[str, ...]:
        parts = ("--s3-chunk-size", chunk, "--s3-upload-concurrency", str(concurrency))
        return ("--transfers", "4", "--checkers", "4", *parts, *more)

    candidates = [
        flags("16Mi", 4, "--multi-thread-streams", "8"),
        flags("32Mi", 4),
        flags("64Mi", 8, "--buffer-size", "32Mi"),
    ]
    size = 24 * _MIB if bench.quick else _GIB
    load = Load(name="large", count=4, size=size, candidates=candidates, wall_mark=0.8)
    what = f"4 objects of {size // _MIB:,} MiB, S3 to S3, encrypted and verified by reading back"
    return race(bench, load, what, bench.store("source"))


def race(bench: Bench, load: Load, what: str, source_of: AbstractContextManager[Server]) -> Result:
    """Run both contenders from a store into S3, round by round, and judge."""
    result = Result(name=load.name, what=what)
    with source_of as source:
        contest = Race(
            bench=bench, load=load, source=source, bucket=source.new_bucket("source"), result=result
        )
        bench.note(f"{load.name}: filling the source")
        contest.fill()
        best = contest.calibrate()
        contenders: list[tuple[str, Callable[[], None]]] = [
            (_OURS, contest.havre),
            (_EQUAL, partial(contest.rclone, _EQUAL, ("--transfers", WORKERS, "--checkers", WORKERS))),
            (_BEST, partial(contest.rclone, _BEST, best)),
        ]
        for number in range(bench.rounds):
            # Each round begins with another contender: none has the warm or the tired machine to itself.
            first = number % len(contenders)
            for name, run in contenders[first:] + contenders[:first]:
                run()
                wall = costs_of(result, name, "wall")[-1]
                bench.note(f"{load.name}: round {number + 1} of {bench.rounds}: {name} {wall:.2f} s")
    _judge(result, load)
    return result


@dataclass(frozen=True, slots=True, kw_only=True)
class Race:
    """Both contenders before the same source; each run gets a new and empty target."""

    bench: Bench
    load: Load
    source: Server
    bucket: str
    result: Result

    def fill(self) -> None:
        """Put the load into the source."""
        load = self.load
        with self.bench.place("originals") as originals:
            random_files(originals, load.count, load.size)
            filler = self._rclone(originals, self.source, self.bucket)
            filler.run(
                "copy", str(originals), f"source:{path_of(self.source, self.bucket)}", "--transfers", "8"
            )
        check(
            weigh(self.source, self.bucket) == (load.count, load.count * load.size), "the source is complete"
        )

    def havre(self) -> None:
        """Measure one round of havre."""
        count = self.load.count
        with self.bench.store("target") as target, self.bench.place("havre") as folder:
            into = target.new_bucket("target")
            havre = Havre(folder=folder, sites={"source": self.source, "target": target}).prepare()
            planned = havre.plan(f"source:{self.bucket}", f"target:{into}", "wave")
            self.result.add("havre plan (not counted)", planned)
            moved = havre.run("migrate", "wave.toml", "--verify", "full", "--workers", WORKERS)
            self.result.add(_OURS, moved)
            havre.check_all_verified("wave", count)
            stored, _ = weigh(target, into, without=[_OWN])
            check(stored == count, f"havre stored {count} objects (there are {stored})")

    def rclone(self, name: str, flags: Sequence[str], into: Result | None = None) -> None:
        """Measure one round of rclone: a copy and a check that reads everything back."""
        result = self.result if into is None else into
        # What only a copy knows is no flag of a check.
        for_check = [flag for flag in flags if flag != "--no-check-dest"]
        with self.bench.store("target") as target, self.bench.place("rclone") as folder:
            rclone = self._rclone(folder, target, target.new_bucket("target"))
            source = f"source:{path_of(self.source, self.bucket)}"
            copied = rclone.run("copy", source, "crypt:", *flags)
            checked = rclone.run("check", source, "crypt:", "--download", *for_check)
            result.add(name, copied + checked)
            result.add(f"{name}: copy", copied)
            result.add(f"{name}: check --download", checked)
            stored, _ = weigh(target, rclone.target_bucket)
            check(stored == self.load.count, f"rclone stored {self.load.count} objects (there are {stored})")
            # cryptcheck asks the target for its MD5 and computes from the source what it should be. That
            # proves less than reading back, so it is shown and counts nowhere.
            light = rclone.run("cryptcheck", source, "crypt:", *for_check)
            result.add(f"{name}: copy and cryptcheck (proves less)", copied + light)

    def calibrate(self) -> Sequence[str]:
        """Run rclone once with each candidate, and return the flags that were quickest."""
        trial = Result(name="calibration", what="")
        walls = []
        candidates = self.load.candidates[:1] if self.bench.quick else self.load.candidates
        for number, flags in enumerate(candidates, 1):
            name = f"rclone, trial {number} (not counted)"
            self.result.remarks.append(f"rclone, trial {number}: {' '.join(flags)}")
            self.rclone(name, flags, into=trial)
            self.result.rounds[name] = trial.rounds[name]
            walls.append(costs_of(trial, name, "wall")[0])
            self.bench.note(f"{self.load.name}: {walls[-1]:.2f} s with rclone {' '.join(flags)}")
        best = self.load.candidates[walls.index(min(walls))]
        self.result.remarks.append(f"{_BEST}: {' '.join(best)}")
        return best

    def _rclone(self, folder: Path, target: Server, bucket: str) -> Rclone:
        password = Rclone.new_password()
        return Rclone(
            folder=folder, source=self.source, target=target, target_bucket=bucket, password=password
        )


def _judge(result: Result, load: Load) -> None:
    for theirs in (_EQUAL, _BEST):
        for figure, at_most in (("wall", load.wall_mark), ("cpu", load.cpu_mark)):
            if at_most is None:
                continue
            ratio = median_of(result, _OURS, figure) / median_of(result, theirs, figure)
            result.marks.append(Mark(what=f"{figure}, havre / {theirs}", value=ratio, at_most=at_most))
    peak = max(costs_of(result, _OURS, "peak")) / _MIB
    result.marks.append(Mark(what="peak memory of havre", value=peak, at_most=load.peak_mark, unit=" MiB"))
