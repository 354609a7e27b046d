"""Programs that are no Python packages: on this machine, or unpacked under `.venv` by `scripts/lib/debian-programs`."""

import os
import shutil
import sysconfig
from pathlib import Path

__all__ = ["find_program", "library_folder", "program_environment"]

_ROOT = Path(__file__).parents[2]
_UNPACKED = (_ROOT / ".venv/debian", _ROOT / ".venv/ceph")
_FOLDERS = ("usr/bin", "usr/sbin", "usr/lib/openssh")


def find_program(name: str) -> str | None:
    """The path of a program (`sshd`, `memcached`, `radosgw`), or None; the machine's own comes first."""
    own = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin", "/usr/lib/openssh"])
    unpacked = os.pathsep.join(str(root / folder) for root in _UNPACKED for folder in _FOLDERS)
    return shutil.which(name, path=own) or shutil.which(name, path=unpacked)


def library_folder(program: str) -> Path:
    """Where the libraries and plugins are that came with a program."""
    triplet = sysconfig.get_config_var("MULTIARCH") or "x86_64-linux-gnu"
    for root in _UNPACKED:
        if Path(program).is_relative_to(root):
            return root / "usr/lib" / triplet
    return Path("/usr/lib") / triplet


def program_environment(program: str) -> dict[str, str]:
    """What a program needs in its environment to find libraries that were unpacked with it."""
    folder = library_folder(program)
    if not folder.is_relative_to(_ROOT):
        return {}
    # Some packages of Debian 12 still put theirs under /lib, which an installed system joins with /usr/lib.
    folders = (folder, folder / "ceph", folder.parents[2] / "lib" / folder.name)
    return {"LD_LIBRARY_PATH": os.pathsep.join(map(str, folders))}
