"""The command as people run it, in a process and a directory of its own."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

__all__ = ["PASSPHRASE", "Command", "digests"]

PASSPHRASE = "correct horse"


class Command:
    """Runs `havre` in a directory of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("HAVRE_")}
        self.environment = {**inherited, "HOME": str(directory), "PW": PASSPHRASE}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "migrator.cli", *arguments],
            cwd=self.directory,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        with self.start(*arguments) as process:
            out, err = process.communicate(timeout=240)
        assert process.returncode == code, f"{arguments}: {process.returncode}\n{out}\n{err}"
        assert "Traceback" not in err
        return subprocess.CompletedProcess(arguments, code, out, err)

    def json(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self(*arguments, "--json", code=code).stdout)
        return found

    def events(self, *arguments: str, code: int = 0) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self(*arguments, "--json", code=code).stdout.splitlines()]


def digests(root: Path) -> dict[str, str]:
    """What sha256sum prints, by path; havre's own objects left out."""
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*")
        if path.is_file() and ".havre" not in path.relative_to(root).parts
    }
