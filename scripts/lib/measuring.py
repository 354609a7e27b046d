"""What a command costs, and what a number of rounds say about it."""

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from telling import ROOT, check

__all__ = ["Cost", "Mark", "Result", "costs_of", "machine", "median_of", "run_measured"]

_LAUNCHER = Path(__file__).with_name("measured_child.py")
_TAIL = 3000


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a command took: seconds on the clock, seconds of CPU (user and system), peak resident bytes."""

    wall: float
    cpu: float
    peak: int

    def __add__(self, other: "Cost") -> "Cost":
        """The cost of one command after another."""
        return Cost(wall=self.wall + other.wall, cpu=self.cpu + other.cpu, peak=max(self.peak, other.peak))


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A mark to meet: a number and on which side of it to stay.

    Attributes:
        what: the quantity in words.
        value: what was measured (a median, or a ratio of medians).
        at_most: the mark, where smaller is better.
        at_least: the mark, where larger is better.
    """

    what: str
    value: float
    at_most: float | None = None
    at_least: float | None = None
    unit: str = ""

    @property
    def met(self) -> bool:
        """Whether the measurement is on the right side."""
        if self.at_most is not None:
            return self.value <= self.at_most
        return self.at_least is None or self.value >= self.at_least


@dataclass(kw_only=True)
class Result:
    """One benchmark: its marks, every round's figures, and remarks."""

    name: str
    what: str
    marks: list[Mark] = field(default_factory=list)
    rounds: dict[str, list[dict[str, float]]] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    def add(self, contender: str, cost: Cost) -> None:
        """Keep one round of one contender."""
        self.rounds.setdefault(contender, []).append(asdict(cost))

    def as_json(self) -> dict[str, Any]:
        """The result as the JSON file holds it."""
        marks = [asdict(mark) | {"met": mark.met} for mark in self.marks]
        return {"name": self.name, "what": self.what, "marks": marks, "rounds": self.rounds} | {
            "remarks": self.remarks
        }


def costs_of(result: Result, contender: str, field_name: str) -> list[float]:
    """One figure of every round of a contender."""
    return [each[field_name] for each in result.rounds[contender]]


def median_of(result: Result, contender: str, field_name: str) -> float:
    """The median over the rounds."""
    return statistics.median(costs_of(result, contender, field_name))


def run_measured(
    command: Sequence[str | Path],
    *,
    environment: Mapping[str, str],
    cwd: Path,
    cpus: str = "-",
    allowed: Callable[[int], bool] = lambda code: code == 0,
) -> Cost:
    """Run a command to its end and measure it; what it prints goes to a file.

    Raises:
        CheckError: it exited with a code that is not allowed; the end of its output is quoted.
    """
    with tempfile.TemporaryDirectory(prefix="havre-measured-") as folder:
        log, cost = Path(folder) / "log", Path(folder) / "cost.json"
        with log.open("wb") as output:
            subprocess.run(
                [sys.executable, "-I", "-S", _LAUNCHER, cost, cpus, *command],
                env=dict(environment),
                cwd=cwd,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=True,
            )
        figures = json.loads(cost.read_bytes())
        tail = log.read_bytes()[-_TAIL:].decode(errors="replace")
    name = " ".join(str(part) for part in command[:3])
    check(allowed(figures["code"]), f"{name} succeeds (it exited {figures['code']}):\n{tail}")
    return Cost(wall=figures["wall"], cpu=figures["user"] + figures["system"], peak=figures["peak"])


def machine() -> dict[str, str]:
    """What the figures were measured on."""
    info = {
        "processor": _first_field("/proc/cpuinfo", "model name") or platform.processor(),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": _first_field("/proc/meminfo", "MemTotal"),
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }
    for name, command in (
        ("havre", [ROOT / ".venv/bin/havre", "--version"]),
        ("commit", ["git", "-C", ROOT, "describe", "--always", "--dirty"]),
        ("rclone", [ROOT / ".venv/bin/rclone", "version"]),
        ("seaweedfs", [ROOT / ".venv/bin/weed", "version"]),
    ):
        try:
            answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        except (OSError, subprocess.CalledProcessError):
            continue
        info[name] = answer.partition("\n")[0].strip()
    return info


def _first_field(path: str, name: str) -> str:
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")
