"""Glance's API as a WSGI application, its database made first.

Imported by gunicorn with the interpreter of the environment that holds Glance; ``OS_GLANCE_CONFIG_DIR`` names the
folder of ``glance-api.conf``.
"""

from pathlib import Path

from glance.cmd import manage
from glance.common import wsgi_app

wsgi_app.CONF([], project="glance", prog="glance-api", default_config_files=wsgi_app._get_config_files())
if not Path(wsgi_app.CONF.database.connection.removeprefix("sqlite:///")).exists():
    manage.DbCommands().sync()
application = wsgi_app.init_app()
