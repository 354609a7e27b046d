"""Programs that are no Python packages: on this machine, or unpacked under `.venv/debian` by the bootstrap."""

import os
import shutil
import sysconfig
from pathlib import Path

__all__ = ["find_program", "program_environment"]

_UNPACKED = Path(__file__).parents[2] / ".venv/debian"
_FOLDERS = ("usr/bin", "usr/sbin", "usr/lib/openssh")


def find_program(name: str) -> str | None:
    """The path of a program (`sshd`, `memcached`, `ssh-keygen`), or None; the machine's own comes first."""
    own = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin", "/usr/lib/openssh"])
    unpacked = os.pathsep.join(str(_UNPACKED / folder) for folder in _FOLDERS)
    return shutil.which(name, path=own) or shutil.which(name, path=unpacked)


def program_environment(program: str) -> dict[str, str]:
    """What a program needs in its environment to find libraries that were unpacked with it."""
    if not program.startswith(str(_UNPACKED)):
        return {}
    triplet = sysconfig.get_config_var("MULTIARCH") or "x86_64-linux-gnu"
    return {"LD_LIBRARY_PATH": str(_UNPACKED / "usr/lib" / triplet)}
