"""How long a killed run needs, once started again, until it sends data."""

import dataclasses
import subprocess
import time
from pathlib import Path

from bench_proxy import WatchingProxy
from bench_run import Bench, Havre, tiny_files, weigh
from measuring import Cost, Mark, Result, median_of
from telling import check, fail

__all__ = ["resume"]

_POLL_SECONDS = 0.2
_PATIENCE_SECONDS = 120
_GOES_ON_SECONDS = 1


def resume(bench: Bench) -> Result:
    """Kill a run half-way through many objects, start it again, and wait for its first byte of data."""
    count = 1_500 if bench.quick else 100_000
    result = Result(name="resume", what=f"a wave of {count:,} objects, directory to S3, killed half-way")
    with (
        bench.place("resume") as folder,
        bench.store("target") as target,
        WatchingProxy(target.endpoint, bucket := target.new_bucket("target")) as proxy,
    ):
        tiny_files(folder / "source", count)
        seen_by_havre = dataclasses.replace(target, endpoint=proxy.endpoint)
        havre = Havre(folder=folder, sites={"target": seen_by_havre}).prepare()
        havre.plan("./source", f"target:{bucket}", "wave")
        bench.note("resume: running until half of the objects are stored")
        _run_until_half(havre, count)
        for number in range(bench.rounds):
            proxy.watch()
            began = time.monotonic()
            child = _start(havre)
            try:
                first = proxy.first_data(_PATIENCE_SECONDS)
                if first is None:
                    fail("a resumed run sends data")
                time.sleep(0 if bench.quick else _GOES_ON_SECONDS)
            finally:
                child.kill()
                child.wait()
            result.add("resumed run to its first byte", Cost(wall=first - began, cpu=0, peak=0))
            bench.note(f"resume: round {number + 1} of {bench.rounds}: {first - began:.2f} s")
        bench.note("resume: letting the wave end")
        havre.run("migrate", "wave.toml", "--verify", "size")
        stored, _ = weigh(target, bucket, without=["/.havre/**"])
        check(stored == count, f"all {count} objects are stored after every kill (there are {stored})")
    seconds = median_of(result, "resumed run to its first byte", "wall")
    result.marks.append(Mark(what="start to first new byte", value=seconds, at_most=3, unit=" s"))
    return result


def _start(havre: Havre) -> subprocess.Popen[bytes]:
    log = Path(havre.folder) / "migrate.log"
    with log.open("ab") as output:
        return subprocess.Popen(
            havre.command("migrate", "wave.toml", "--verify", "size"),
            cwd=havre.folder,
            env=havre.environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def _run_until_half(havre: Havre, count: int) -> None:
    child = _start(havre)
    try:
        while child.poll() is None:
            status = havre.status("wave")
            if status is not None:
                objects = status["objects"]
                if objects["stored"] + objects["verified"] >= count // 2:
                    return
            time.sleep(_POLL_SECONDS)
        fail(f"the first run was still at work half-way (it exited {child.returncode})")
    finally:
        child.kill()
        child.wait()
