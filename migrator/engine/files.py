"""The files of a wave: the wave file people review, and the folder beside it that holds the ledger."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Final

import tomli_w

from migrator.core.plan import Plan, parse_plan
from migrator.errors import NothingThere, PlanInvalid, UsageError

__all__ = ["WaveFiles"]

_MAX: Final = 1024 * 1024
_HEADING: Final = (
    "# A wave of havre. Review it; you may edit it until the first 'havre migrate'.\n"
    "# The ledger of the run lies beside this file. Nothing in here is a secret.\n\n"
)


class WaveFiles:
    """Where one wave lives. ``name.toml`` has its ledger in ``name.havre/``."""

    def __init__(self, plan_path: Path, *, folder: Path | None = None) -> None:
        self.plan_path = plan_path
        self.folder = folder or plan_path.with_suffix(".havre")

    @property
    def ledger(self) -> Path:
        """The ledger file."""
        return self.folder / "ledger.sqlite"

    @property
    def tree(self) -> Path:
        """The tree over the rows as evidence last sealed them; a cache."""
        return self.folder / "evidence.tree"

    @property
    def lock(self) -> Path:
        """The lock file."""
        return self.folder / "lock"

    def load(self) -> Plan:
        """Read the wave file.

        Raises:
            NothingThere: There is none.
            PlanInvalid: It is not a plan.
        """
        try:
            if self.plan_path.stat().st_size > _MAX:
                raise PlanInvalid("the wave file is larger than 1 MiB", hint="is this the right file?")
            text = self.plan_path.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise NothingThere(
                f"there is no wave file {str(self.plan_path)!r}", hint="make one with 'havre plan'"
            ) from None
        except IsADirectoryError:
            raise UsageError(f"{str(self.plan_path)!r} is a directory", hint="name the wave file") from None
        except UnicodeDecodeError:
            raise PlanInvalid("the wave file is not a text file", hint="is this the right file?") from None
        return parse_plan(text)

    def save(self, plan: Plan) -> None:
        """Write the wave file, whole or not at all.

        Raises:
            UsageError: A wave with this name has run already.
        """
        if self.ledger.exists():
            raise UsageError(
                f"{str(self.plan_path)!r} already has a ledger",
                hint="choose another name with -o, or move the old wave file and its .havre folder away",
            )
        folder = self.plan_path.parent
        if not folder.is_dir():
            raise NothingThere(f"there is no directory {str(folder)!r}", hint="make it, or choose another -o")
        descriptor, name = tempfile.mkstemp(prefix=".wave-", dir=folder)  # created 0600
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(_HEADING)
                file.write(tomli_w.dumps(plan.to_dict()))
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(self.plan_path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    def remove_ledger(self) -> None:
        """Remove a ledger that nothing was recorded in; never one that a run has used."""
        for suffix in ("", "-wal", "-shm"):
            self.ledger.with_name(self.ledger.name + suffix).unlink(missing_ok=True)

    def make_folder(self) -> None:
        """Make the wave's folder (0700) if it is not there."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
