"""havre beside rclone from the harbours that are no S3: SFTP and Swift; and one stream over SFTP."""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench_places import path_of, remote_of, table_of
from bench_race import Load, race
from bench_run import Bench, random_files
from looking import RCLONE
from measuring import Mark, Result, costs_of, median_of, run_measured
from telling import ROOT, check

from support.sshd import Sshd, SshdPlace, missing_sshd
from support.swift import Swift, SwiftServer

__all__ = ["sftp", "sftp_stream", "swift"]

_KIB, _MIB, _GIB = 1024, 1024**2, 1024**3
_OURS, _THEIRS, _BEST = "havre", "rclone", "rclone at its best"
_READER = Path(__file__).with_name("bench_reader.py")
# rclone asks for 32 KiB at a time by default; what OpenSSH takes at most is 255 KiB.
_LARGE_CHUNKS = ("--sftp-chunk-size", "255Ki")


def sftp(bench: Bench) -> Result:
    """Two thousand files of half a MiB, as a hospital's images are, from SFTP to S3."""
    lean = ("--no-check-dest", "--s3-no-head", "--s3-no-head-object")
    candidates = [
        ("--transfers", "16", "--checkers", "16", *_LARGE_CHUNKS, *lean),
        ("--transfers", "32", "--checkers", "32", *lean),
        ("--transfers", "8", "--checkers", "8", *_LARGE_CHUNKS, *lean),
    ]
    count = 20 if bench.quick else 2000
    load = Load(
        name="sftp", count=count, size=512 * _KIB, candidates=candidates, wall_mark=0.9, cpu_mark=None
    )
    what = f"{count:,} objects of 512 KiB, SFTP to S3, encrypted and verified by reading back"
    return race(bench, load, what, _sshd(bench))


def swift(bench: Bench) -> Result:
    """The same from Swift to S3."""
    lean = ("--no-check-dest", "--s3-no-head", "--s3-no-head-object")
    candidates = [
        ("--transfers", "16", "--checkers", "16", *lean),
        ("--transfers", "32", "--checkers", "32", *lean),
        ("--transfers", "8", "--checkers", "8", *lean),
    ]
    count = 20 if bench.quick else 2000
    load = Load(
        name="swift", count=count, size=512 * _KIB, candidates=candidates, wall_mark=0.9, cpu_mark=None
    )
    what = f"{count:,} objects of 512 KiB, Swift to S3, encrypted and verified by reading back"
    return race(bench, load, what, _swift(bench))


def sftp_stream(bench: Bench) -> Result:
    """One large file, read from its beginning to its end by one thread over one session."""
    size = 64 * _MIB if bench.quick else _GIB
    result = Result(
        name="sftp-stream", what=f"one file of {size // _MIB:,} MiB, read over SFTP in one stream"
    )
    with _sshd(bench) as server, bench.place("reader") as folder:
        bucket = server.new_bucket("source")
        with bench.place("originals") as originals:
            random_files(originals, 1, size)
            (original,) = originals.rglob("*.bin")
            shutil.move(original, server.root / bucket / "large")
        (folder / "havre.toml").write_text(table_of("source", server))
        contenders = [
            (_OURS, [sys.executable, str(_READER), "source", bucket, "large", str(size)]),
            (_THEIRS, _cat(server, bucket)),
            (_BEST, _cat(server, bucket, *_LARGE_CHUNKS)),
        ]
        environment = {
            **os.environ,
            **remote_of("source", server),
            "HAVRE_CONFIG": str(folder / "havre.toml"),
        }
        for number in range(bench.rounds):
            first = number % len(contenders)
            for name, command in contenders[first:] + contenders[:first]:
                result.add(name, run_measured(command, environment=environment, cwd=ROOT))
                wall = costs_of(result, name, "wall")[-1]
                bench.note(f"sftp-stream: round {number + 1} of {bench.rounds}: {name} {wall:.2f} s")
    for theirs in (_THEIRS, _BEST):
        ratio = median_of(result, theirs, "wall") / median_of(result, _OURS, "wall")
        result.marks.append(Mark(what=f"speed, havre / {theirs}", value=ratio, at_least=0.9))
    speed = size / _MIB / median_of(result, _OURS, "wall")
    result.remarks.append(f"havre: {speed:.0f} MiB/s; starting each program is part of its time")
    return result


def _cat(server: SshdPlace, bucket: str, *flags: str) -> list[str]:
    path = f"source:{path_of(server, bucket)}/large"
    return [str(RCLONE), "--config", os.devnull, "cat", "--discard", path, *flags]


@contextmanager
def _sshd(bench: Bench) -> Iterator[SshdPlace]:
    reason = missing_sshd()
    check(reason is None, reason or "")
    with bench.place("sshd") as folder, Sshd(folder) as running:
        yield running.place


@contextmanager
def _swift(bench: Bench) -> Iterator[SwiftServer]:
    with bench.place("swift") as folder, Swift(folder) as running:
        yield running.server
