"""havre beside rclone, S3 to S3: many small objects, and a few large ones."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench_run import Bench, Havre, Rclone, random_files, weigh
from measuring import Mark, Result, costs_of, median_of
from telling import check

from support.servers import S3Server

__all__ = ["large", "small"]

_KIB, _MIB, _GIB = 1024, 1024**2, 1024**3
_WORKERS = "16"
_OURS, _EQUAL, _BEST = "havre", "rclone at 16", "rclone at its best"
_OWN = "/.havre/**"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Load:
    """What is moved, and the flags that rclone might be quickest with."""

    name: str
    count: int
    size: int
    candidates: Sequence[tuple[str, ...]]
    wall_mark: float


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
    load = _Load(name="small", count=count, size=4 * _KIB, candidates=candidates, wall_mark=0.75)
    return _race(bench, load, f"{count:,} objects of 4 KiB, S3 to S3, encrypted and verified by reading back")


def large(bench: Bench) -> Result:
    """Four objects of 1 GiB."""

    def flags(chunk: str, concurrency: int, *more: str) -> tuple[str, ...]:
        return ("--transfers", "4", "--checkers", "4", "--s3-chunk-size", chunk) + (
            ("--s3-upload-concurrency", str(concurrency), *more)
        )

    candidates = [
        flags("16Mi", 4, "--multi-thread-streams", "8"),
        flags("32Mi", 4),
        flags("64Mi", 8, "--buffer-size", "32Mi"),
    ]
    size = 24 * _MIB if bench.quick else _GIB
    load = _Load(name="large", count=4, size=size, candidates=candidates, wall_mark=0.8)
    what = f"4 objects of {size // _MIB:,} MiB, S3 to S3, encrypted and verified by reading back"
    return _race(bench, load, what)


def _race(bench: Bench, load: _Load, what: str) -> Result:
    result = Result(name=load.name, what=what)
    with bench.store("source") as source:
        bucket = source.new_bucket("source")
        bench.note(f"{load.name}: filling the source")
        _fill(bench, source, bucket, load)
        ours = partial(_havre, bench, load, source, bucket)
        theirs = partial(_rclone, bench, load, source, bucket)
        best = _calibrate(bench, load, theirs, result)
        contenders: list[tuple[str, Callable[[], None]]] = [
            (_OURS, partial(ours, result)),
            (_EQUAL, partial(theirs, result, _EQUAL, ("--transfers", _WORKERS, "--checkers", _WORKERS))),
            (_BEST, partial(theirs, result, _BEST, best)),
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


def _fill(bench: Bench, source: S3Server, bucket: str, load: _Load) -> None:
    with bench.place("originals") as originals:
        random_files(originals, load.count, load.size)
        rclone = _between(originals, source, source, bucket)
        rclone.run("copy", str(originals), f"source:{bucket}", "--transfers", "8")
    check(weigh(source, bucket) == (load.count, load.count * load.size), "the source is complete")


def _between(folder: Path, source: S3Server, target: S3Server, bucket: str) -> Rclone:
    password = Rclone.new_password()
    return Rclone(folder=folder, source=source, target=target, target_bucket=bucket, password=password)


def _havre(bench: Bench, load: _Load, source: S3Server, bucket: str, result: Result) -> None:
    with bench.store("target") as target, bench.place("havre") as folder:
        into = target.new_bucket("target")
        havre = Havre(folder=folder, sites={"source": source, "target": target}).prepare()
        result.add("havre plan (not counted)", havre.plan(f"source:{bucket}", f"target:{into}", "wave"))
        cost = havre.run("migrate", "wave.toml", "--verify", "full", "--workers", _WORKERS)
        result.add(_OURS, cost)
        havre.check_all_verified("wave", load.count)
        stored, _ = weigh(target, into, without=[_OWN])
        check(stored == load.count, f"havre stored {load.count} objects (there are {stored})")


def _rclone(
    bench: Bench,
    load: _Load,
    source: S3Server,
    bucket: str,
    result: Result,
    name: str,
    flags: tuple[str, ...],
) -> None:
    with bench.store("target") as target, bench.place("rclone") as folder:
        rclone = _between(folder, source, target, target.new_bucket("target"))
        copied = rclone.run("copy", f"source:{bucket}", "crypt:", *flags)
        checked = rclone.run("check", f"source:{bucket}", "crypt:", "--download", *_for_check(flags))
        result.add(name, copied + checked)
        result.add(f"{name}: copy", copied)
        result.add(f"{name}: check --download", checked)
        stored, _ = weigh(target, rclone.target_bucket)
        check(stored == load.count, f"rclone stored {load.count} objects (there are {stored})")
        # cryptcheck asks the target for its MD5 and computes what it should be from the source: less
        # than a check by reading back. It is shown, and counted nowhere.
        light = rclone.run("cryptcheck", f"source:{bucket}", "crypt:", *_for_check(flags))
        result.add(f"{name}: copy and cryptcheck (less is proved)", copied + light)


def _for_check(flags: tuple[str, ...]) -> list[str]:
    """The flags of a copy that mean something to a check."""
    return [flag for flag in flags if flag != "--no-check-dest"]


def _calibrate(bench: Bench, load: _Load, theirs: Callable[..., None], result: Result) -> tuple[str, ...]:
    """Run rclone once with each candidate, and return the flags that were quickest."""
    trial = Result(name="calibration", what="")
    for number, flags in enumerate(load.candidates):
        theirs(trial, str(number), flags)
        wall = costs_of(trial, str(number), "wall")[0]
        bench.note(f"{load.name}: looking for rclone's best: {wall:.2f} s with {' '.join(flags)}")
        result.rounds[f"calibration: {' '.join(flags)}"] = trial.rounds[str(number)]
    walls = [costs_of(trial, str(number), "wall")[0] for number in range(len(load.candidates))]
    best = load.candidates[walls.index(min(walls))]
    result.remarks.append(f"{_BEST}: {' '.join(best)}")
    return best


def _judge(result: Result, load: _Load) -> None:
    for theirs in (_EQUAL, _BEST):
        for figure, at_most in (("wall", load.wall_mark), ("cpu", 0.6)):
            ratio = median_of(result, _OURS, figure) / median_of(result, theirs, figure)
            result.marks.append(Mark(what=f"{figure}, havre / {theirs}", value=ratio, at_most=at_most))
    peak = max(costs_of(result, _OURS, "peak")) / _MIB
    result.marks.append(Mark(what="peak memory of havre", value=peak, at_most=300, unit=" MiB"))
