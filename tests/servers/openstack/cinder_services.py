"""Cinder whole in one process: its API as a WSGI application, and scheduler and volume as threads beside it.

Imported by gunicorn with the interpreter of the environment that holds Cinder; ``~/.cinder/cinder.conf`` says the
rest. The message bus is ``fake://``, which reaches no further than the process; the driver is Cinder's own that logs
what it would do, so volumes become available and hold nothing. The database is made first.
"""

import os
import sqlite3
import sys
import traceback
from pathlib import Path

from cinder import monkey_patch

# ruff: noqa: E402 - decided before anything that depends on it is imported
monkey_patch.patch(backend="threading")

import os_brick
from cinder import objects, service, version
from cinder.common import constants
from cinder.db import migration
from cinder.wsgi import wsgi
from oslo_config import cfg

CONF = cfg.CONF


def _database() -> None:
    path = Path(CONF.database.connection.removeprefix("sqlite:///"))
    if not path.exists():
        migration.db_sync()
        with sqlite3.connect(path) as database:
            # Readers then do not block the one who writes.
            database.execute("PRAGMA journal_mode=WAL")


def _start() -> None:
    os_brick.setup(CONF)
    service.Service.create(binary=constants.SCHEDULER_BINARY).start()
    for name in CONF.enabled_backends:
        service.Service.create(
            host=f"{CONF.host}@{name}", service_name=name, binary=constants.VOLUME_BINARY, coordination=True
        ).start()


try:
    objects.register_all()
    CONF(sys.argv[1:], project="cinder", version=version.version_string())
    _database()
    application = wsgi.initialize_application()
    _start()
except BaseException:  # noqa: BLE001 - whatever it was, the process ends
    # Threads that run already would keep the process, and whoever waits for it would wait in vain.
    traceback.print_exc()
    os._exit(3)
