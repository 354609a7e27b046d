"""Run a program that the kernel kills when the process that asked for it dies.

Called as ``python die_with_parent.py PARENT_PID PROGRAM [ARGUMENT]...``. A test run that is killed
outright runs no clean-up of its own; without this, each such run would leave its servers behind.

Implements PR_SET_PDEATHSIG of prctl(2), which survives execve(2). Where the kernel has no such call
(it is Linux only) the program runs all the same, without that safety.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Arm the death signal, then become the program."""
    parent, *argv = sys.argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        # The parent may have died before the signal was armed; then nobody would ever send it.
        if os.getppid() != int(parent):
            sys.exit("the parent process is gone")
    os.execv(argv[0], argv)


if __name__ == "__main__":
    main()
