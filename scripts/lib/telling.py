"""What the scripts print: numbered steps in plain words, sizes people can read, and checks that can fail."""

import sys
import time
from pathlib import Path
from typing import NoReturn

__all__ = ["ROOT", "CheckError", "Teller", "amount", "check", "fail"]

ROOT = Path(__file__).resolve().parents[2]
# The servers are those of the tests; whoever imports `support` imports this module first.
sys.path.insert(0, str(ROOT / "tests"))


class CheckError(Exception):
    """Something that must hold did not; the message says what."""


class Teller:
    """Prints numbered steps, and how long it all took."""

    def __init__(self) -> None:
        self._step = 0
        self._began = time.monotonic()

    def step(self, title: str) -> None:
        """Begin the next step."""
        self._step += 1
        print(f"\n{self._step}. {title}", flush=True)

    def say(self, text: str) -> None:
        """Say something within a step."""
        print(f"   {text}", flush=True)

    def held(self, condition: object, text: str) -> None:
        """Say that `text` was checked and holds.

        Raises:
            CheckError: it does not hold.
        """
        check(condition, text)
        print(f"   ok: {text}", flush=True)

    @property
    def elapsed(self) -> float:
        """Seconds since the first line."""
        return time.monotonic() - self._began


def amount(count: float) -> str:
    """Bytes as people read them, in binary units."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if count < 1024 or unit == "GiB":
            return f"{count:,.0f} {unit}" if unit == "bytes" else f"{count:,.1f} {unit}"
        count /= 1024
    raise AssertionError


def check(condition: object, text: str) -> None:
    """Raise unless `condition` holds.

    Raises:
        CheckError: it does not hold.
    """
    if not condition:
        fail(f"this does not hold: {text}")


def fail(text: str) -> NoReturn:
    """Give up with a sentence.

    Raises:
        CheckError: always.
    """
    raise CheckError(text)
