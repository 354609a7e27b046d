"""Run one command and write what it cost: `measured_child.py RESULT CPUS COMMAND…`.

A process of its own, and a small one, because a child begins its life with the peak memory of the process
that made it: measured from a large program, every command would seem as large. CPUS is a comma list, or `-`.
RESULT receives JSON: wall, user and system seconds, peak resident bytes (the largest process of the tree)
and the exit code. CPU seconds are those of the command and of all its descendants that were waited for.
"""

import json
import os
import subprocess
import sys
import time

result, cpus, *command = sys.argv[1:]
if cpus != "-":
    os.sched_setaffinity(0, {int(cpu) for cpu in cpus.split(",")})
began = time.monotonic()
child = subprocess.Popen(command, stdin=subprocess.DEVNULL)
_, status, usage = os.wait4(child.pid, 0)
wall = time.monotonic() - began
with open(result, "w") as file:  # noqa: PTH123 - pathlib alone would triple the size of this process
    json.dump(
        {
            "wall": wall,
            "user": usage.ru_utime,
            "system": usage.ru_stime,
            "peak": usage.ru_maxrss * 1024,
            "code": os.waitstatus_to_exitcode(status),
        },
        file,
    )
