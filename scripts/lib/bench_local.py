"""Between directories: does memory grow with the number of objects, and does a second core help."""

import os
import shutil
from functools import partial
from pathlib import Path

from bench_run import Bench, Havre, random_files, tiny_files
from measuring import Cost, Mark, Result, costs_of, median_of

__all__ = ["cores", "memory"]

_MIB, _GIB = 1024**2, 1024**3
_SHM = Path("/dev/shm")


def memory(bench: Bench) -> Result:
    """Peak memory of a wave of many files against one of few."""
    few, many = (100, 400) if bench.quick else (10_000, 200_000)
    result = Result(
        name="memory", what=f"{many:,} files of a few bytes against {few:,}, directory to directory"
    )
    for number in range(bench.rounds):
        for count in (few, many) if number % 2 == 0 else (many, few):
            with bench.place("memory") as folder:
                tiny_files(folder / "source", count)
                havre = Havre(folder=folder).prepare()
                planned = havre.plan("./source", "./target", "wave")
                moved = havre.run("migrate", "wave.toml", "--verify", "full")
                havre.check_all_verified("wave", count)
                result.add(f"plan, {count:,} files", planned)
                result.add(f"migrate, {count:,} files", moved)
                bench.note(f"memory: {count:,} files: {moved.peak / _MIB:.0f} MiB, {moved.wall:.1f} s")
    for verb in ("plan", "migrate"):
        ratio = median_of(result, f"{verb}, {many:,} files", "peak")
        ratio /= median_of(result, f"{verb}, {few:,} files", "peak")
        result.marks.append(Mark(what=f"peak memory of {verb}, many / few", value=ratio, at_most=1.2))
    return result


def cores(bench: Bench) -> Result:
    """Encryption with two cores against one."""
    count, size = (4, 4 * _MIB) if bench.quick else (8, 256 * _MIB)
    total = count * size
    result = Result(
        name="cores", what=f"{total / _MIB:,.0f} MiB, directory to directory in memory, encrypted"
    )
    available = sorted(os.sched_getaffinity(0))
    if len(available) < 2:
        result.remarks.append("not measured: this machine has one core")
        return result
    # In memory where there is room: the question is what the cores do, not what the disk does.
    in_memory = _SHM.is_dir() and shutil.disk_usage(_SHM).free > 3 * total
    where = Bench(folder=_SHM if in_memory else bench.folder, rounds=bench.rounds, quick=bench.quick)
    if not in_memory:
        result.remarks.append("on disk: /dev/shm has no room")
    with where.place("havre-bench-cores") as folder:
        random_files(folder / "source", count, size)
        one, two = str(available[0]), ",".join(str(cpu) for cpu in available[:2])
        for number in range(bench.rounds):
            contenders = [("one core", one), ("two cores", two)]
            for name, cpus in contenders if number % 2 == 0 else reversed(contenders):
                cost = _encrypt_all(where, folder, cpus)
                result.add(name, cost)
                bench.note(f"cores: {name}: {total / _MIB / cost.wall:,.0f} MiB/s")
    speeds = {name: total / median_of(result, name, "wall") for name in ("one core", "two cores")}
    result.remarks += [f"{name}: {speed / _MIB:,.0f} MiB/s" for name, speed in speeds.items()]
    # Starting Python and reading the wave are part of both times: the ratio is that of whole commands.
    gain = speeds["two cores"] / speeds["one core"]
    result.marks.append(Mark(what="bytes per second, two cores / one", value=gain, at_least=1.7))
    worst = max(costs_of(result, "two cores", "peak")) / _MIB
    result.marks.append(Mark(what="peak memory of havre", value=worst, at_most=300, unit=" MiB"))
    return result


def _encrypt_all(bench: Bench, folder: Path, cpus: str) -> Cost:
    with bench.place("havre-bench-run") as run:
        havre = Havre(folder=run).prepare()
        havre.plan(str(folder / "source"), "./target", "wave")
        migrate = partial(havre.run, "migrate", "wave.toml", "--verify", "size")
        return migrate(cpus=cpus)
