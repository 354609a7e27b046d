"""Run the four servers of one Swift in one process group, from one directory of ours.

Called as ``python swift_servers.py DIRECTORY PORT...`` (ports of object, container and account server) with the
interpreter of the environment that holds Swift. Swift looks for ``swift.conf`` in ``/etc/swift`` when it is
imported; here it is pointed elsewhere before a server is built. The servers are forks of one process, which has
loaded everything once; the kernel ends them when it ends.
"""

import ctypes
import os
import signal
import sys
from pathlib import Path

from swift.common import storage_policy, utils, wsgi
from swift.common.ring import RingBuilder

_PR_SET_PDEATHSIG = 1
_KINDS = ("object", "container", "account")


def make_rings(directory: Path, ports: dict[str, int]) -> None:
    """One device, one replica: enough to store, and nothing is ever moved."""
    for kind, port in ports.items():
        path = directory / f"{kind}.ring.gz"
        builder = RingBuilder(4, 1, 0)
        device = {"region": 1, "zone": 1, "ip": "127.0.0.1", "port": port, "device": "d1", "weight": 1.0}
        builder.add_dev(device | {"replication_ip": "127.0.0.1", "replication_port": port, "meta": ""})
        builder.rebalance()
        builder.get_ring().save(str(path))


def serve(directory: Path, kind: str) -> int:
    """Become one server."""
    options = {"verbose": True}  # there is no syslog here: to standard error as well
    if kind == "object":
        from swift.obj import server as object_server

        options["global_conf_callback"] = object_server.global_conf_callback
    return wsgi.run_wsgi(str(directory / f"{kind}-server.conf"), f"{kind}-server", **options)


def main() -> None:
    """Start all four and end when one ends."""
    directory = Path(sys.argv[1])
    utils.set_swift_dir(str(directory))
    storage_policy.reload_storage_policies()
    make_rings(directory, dict(zip(_KINDS, map(int, sys.argv[2:]), strict=True)))
    parent = os.getpid()
    for kind in (*_KINDS, "proxy"):
        if os.fork() == 0:
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            if os.getppid() != parent:
                os._exit(1)
            sys.exit(serve(directory, kind))
    os.wait()


if __name__ == "__main__":
    main()
