"""What may lie where in a bundle's folder.

Source: the section "Files" of ``migrator/docs/evidence-format.md``.
"""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path
from typing import Final

__all__ = ["FOLDERS", "inside", "is_derogation"]

_STATEMENTS: Final = "statements"
_DEROGATIONS: Final = "derogations"
FOLDERS: Final = (_STATEMENTS, _DEROGATIONS)
"""The only folders of a bundle."""


def inside(folder: Path, *, at_most: int) -> list[Path]:
    """What lies in a folder, sorted; nothing of what is no folder, or cannot be looked into.

    Args:
        folder: The folder; of a symbolic link to one, nothing is told.
        at_most: How many names to take at most; which of more, is left open.
    """
    if folder.is_symlink() or not folder.is_dir():
        return []
    try:
        with os.scandir(folder) as found:
            return sorted(folder / entry.name for entry in islice(found, at_most))
    except OSError:
        return []


def is_derogation(name: str) -> bool:
    """Whether this is the path of a derogation within a bundle."""
    folder, _, file = name.partition("/")
    return folder == _DEROGATIONS and "/" not in file and file.endswith(".json") and file != ".json"
