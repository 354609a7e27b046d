"""Nova whole in one process: its API as a WSGI application, and conductor, scheduler and compute as threads beside it.

Imported by gunicorn with the interpreter of the environment that holds Nova; ``OS_NOVA_CONFIG_DIR`` names the folder
of ``nova.conf``, whose message bus is ``fake://``, which reaches no further than the process. The hypervisor is
Nova's own fake driver: servers become ACTIVE, and nothing runs inside them. Databases are made first.
"""

import os
import shutil
import sqlite3
import time
import traceback
from pathlib import Path

from nova import monkey_patch

# ruff: noqa: E402 - decided before anything that depends on it is imported
monkey_patch.patch(backend="threading")

import os_brick
import os_vif
from keystoneauth1 import exceptions
from nova import conf as nova_conf
from nova import context, exception, service
from nova.api.openstack import wsgi_app
from nova.cmd.manage import CellV2Commands
from nova.compute import rpcapi as compute_rpcapi
from nova.conductor import rpcapi as conductor_rpcapi
from nova.db import migration
from nova.objects import host_mapping
from nova.scheduler import rpcapi as scheduler_rpcapi
from nova.scheduler.client import report

CONF = nova_conf.CONF
_PLACEMENT_SECONDS = 120


def _databases() -> None:
    cell = Path(CONF.database.connection.removeprefix("sqlite:///"))
    if cell.exists():
        return
    migration.db_sync(database="api")
    migration.db_sync(database="main")
    for path in (cell, Path(CONF.api_database.connection.removeprefix("sqlite:///"))):
        with sqlite3.connect(path) as database:
            # Readers then do not block the one who writes.
            database.execute("PRAGMA journal_mode=WAL")
    nowhere = cell.with_name("nova_cell0.db")
    shutil.copyfile(cell, nowhere)
    commands = CellV2Commands()
    commands.map_cell0(f"sqlite:///{nowhere}")
    commands.create_cell("cell1", CONF.database.connection, CONF.transport_url)


def _await_placement() -> None:
    """Compute enters its host into placement when it starts, and placement starts at the same time."""
    end = time.monotonic() + _PLACEMENT_SECONDS
    client = report.SchedulerReportClient()
    while True:
        try:
            if client.get("/resource_providers").status_code == 200:
                return
        except (exceptions.ClientException, exception.NovaException):
            pass
        if time.monotonic() > end:
            raise SystemExit("placement does not answer")
        time.sleep(0.2)


def _start() -> None:
    os_brick.setup(CONF)
    os_vif.initialize()
    _await_placement()
    for binary, topic, other in (
        ("nova-conductor", conductor_rpcapi.RPC_TOPIC, None),
        ("nova-scheduler", scheduler_rpcapi.RPC_TOPIC, None),
        ("nova-compute", compute_rpcapi.RPC_TOPIC, compute_rpcapi.RPC_TOPIC_ALT),
    ):
        service.Service.create(binary=binary, topic=topic, topic_alt=other).start()
    host_mapping.discover_hosts(context.get_admin_context())


try:
    wsgi_app.init_global_data(wsgi_app._get_config_files(), "osapi_compute", "nova-api")
    _databases()
    _start()
    application = wsgi_app.init_application("osapi_compute", "nova-api")
except BaseException:  # noqa: BLE001 - whatever it was, the process ends
    # Threads that run already would keep the process, and whoever waits for it would wait in vain.
    traceback.print_exc()
    os._exit(3)
