"""An sshd on which commands can be run, also where it runs as an account that has no shell.

Where root runs the tests and the machine has no account `sshd`, `Sshd` runs as `nobody`, whose shell refuses
everything. Here the server then sees a copy of `/etc/passwd`, in a mount namespace of its own, that gives
`nobody` a shell; nothing outside of the server's processes changes. Imports no pytest.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess

from support.process import ServerProcess
from support.sshd import Sshd

__all__ = ["CommandSshd", "missing_commands"]

_ENTER = 'mount --bind "$0" /etc/passwd && exec "$@"'


class CommandSshd(Sshd):
    """A server whose logins may run commands."""

    def _describe(self) -> ServerProcess:
        process = super()._describe()
        if not _has_shell(self.place.user):
            accounts = self.directory / "passwd"
            accounts.write_text("".join(_line(entry, self.place.user) for entry in pwd.getpwall()))
            accounts.chmod(0o644)
            unshare = shutil.which("unshare")
            assert unshare is not None
            process._argv = [unshare, "--mount", "/bin/sh", "-c", _ENTER, str(accounts), *process._argv]
        return process


def missing_commands() -> str | None:
    """Say why no command can be run on a server here, or None where one can."""
    user = pwd.getpwuid(os.geteuid()).pw_name
    if os.geteuid() != 0:
        return None if _has_shell(user) else f"sshd: the account {user} has no shell"
    unshare = shutil.which("unshare")
    if unshare is None:
        return "sshd: no unshare program"
    tried = subprocess.run(
        [unshare, "--mount", "/bin/sh", "-c", _ENTER, "/etc/passwd", "true"], capture_output=True, check=False
    )
    return None if tried.returncode == 0 else "sshd: this root may not make a mount namespace"


def _has_shell(user: str) -> bool:
    shell = pwd.getpwnam(user).pw_shell
    return not shell.endswith(("nologin", "false"))


def _line(entry: pwd.struct_passwd, user: str) -> str:
    home, shell = ("/", "/bin/sh") if entry.pw_name == user else (entry.pw_dir, entry.pw_shell)
    fields = (entry.pw_name, "x", entry.pw_uid, entry.pw_gid, entry.pw_gecos, home, shell)
    return ":".join(map(str, fields)) + "\n"
