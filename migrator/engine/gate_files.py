"""What the gate leaves in a wave's folder: the verdict a run rests on, and the derogations that came with it.

Files are canonical JSON (members sorted, no spaces, one line), readable by their owner alone, and appear whole or
not at all.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any, Final

from migrator.core.canonical import encode
from migrator.engine.files import WaveFiles
from migrator.errors import UsageError

__all__ = ["kept_derogations", "kept_verdict", "read_derogation_file", "save_derogation", "save_verdict"]

_VERDICT: Final = "gate.json"
_VERDICTS: Final = "verdicts"
_REFUSAL: Final = "gate-refused.json"
_DEROGATIONS: Final = "derogations"
_MAX_FILE: Final = 64 * 1024
_MAX_VERDICT: Final = 16 * 1024 * 1024
_MAX_KEPT: Final = 100


def save_verdict(files: WaveFiles, verdict: dict[str, Any], *, refused: bool) -> str:
    """Keep a verdict: ``gate.json`` is the newest that let a run begin, ``gate-refused.json`` what stopped one.

    A copy stands in ``verdicts/`` under its digest and is never replaced: the one that the ledger names is still there
    when a second run asked in vain, or one died before it began.

    Returns:
        What the ledger keeps of it: a canonical JSON object with ``as_of``, ``outcome`` and the file's SHA-256.
    """
    files.make_folder()
    data = encode(verdict) + b"\n"
    digest = hashlib.sha256(data).hexdigest()
    if not refused:
        folder = files.folder / _VERDICTS
        folder.mkdir(mode=0o700, exist_ok=True)
        _write(folder / f"{digest}.json", data)
    _write(files.folder / (_REFUSAL if refused else _VERDICT), data)
    return encode({"as_of": verdict["as_of"], "outcome": verdict["outcome"], "sha256": digest}).decode()


def kept_verdict(files: WaveFiles, recorded: str | None) -> dict[str, Any] | None:
    """The verdict that the last run rests on, or None if none was asked for.

    Args:
        files: The wave's files.
        recorded: What the ledger keeps of it (``save_verdict``), or None.

    Raises:
        UsageError: The file is missing, or is not the one that the ledger recorded.
    """
    if recorded is None:
        return None
    digest = json.loads(recorded)["sha256"]
    path = files.folder / _VERDICTS / f"{digest}.json"
    data = path.read_bytes() if path.is_file() and path.stat().st_size <= _MAX_VERDICT else b""
    if hashlib.sha256(data).hexdigest() != digest:
        raise UsageError(
            f"{path}, the verdict that the last run recorded, is missing or was changed",
            hint="put the file back, or run 'havre migrate' again: it asks the gate anew",
        )
    verdict: dict[str, Any] = json.loads(data)
    return verdict


def save_derogation(files: WaveFiles, data: bytes) -> Path:
    """Copy a derogation into the wave's folder, under its digest; it travels with the wave from there."""
    files.make_folder()
    folder = files.folder / _DEROGATIONS
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / f"{hashlib.sha256(data).hexdigest()}.json"
    _write(path, data)
    return path


def kept_derogations(files: WaveFiles) -> tuple[bytes, ...]:
    """The derogations in the wave's folder, as they are; nothing is said of their signatures.

    Raises:
        UsageError: There are more than a folder of ours would hold, or one is too large.
        OSError: One cannot be read.
    """
    folder = files.folder / _DEROGATIONS
    if not folder.is_dir():
        return ()
    found = sorted(folder.glob("*.json"))
    if len(found) > _MAX_KEPT:
        raise UsageError(
            f"{folder} holds more than {_MAX_KEPT} derogations", hint="keep those that still count"
        )
    return tuple(read_derogation_file(path) for path in found)


def read_derogation_file(path: Path) -> bytes:
    """The bytes of a derogation file.

    Raises:
        UsageError: It is too large to be one.
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        data = file.read(_MAX_FILE + 1)
    if len(data) > _MAX_FILE:
        raise UsageError(f"{path} is too large to be a derogation", hint="is this the right file?")
    return data


def _write(path: Path, data: bytes) -> None:
    descriptor, name = tempfile.mkstemp(prefix=".gate-", dir=path.parent)  # created 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
