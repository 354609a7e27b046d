"""Make Neutron's tables from its own models: its migrations use statements that SQLite lacks.

Called as ``python neutron_schema.py SQLALCHEMY_URL`` with the interpreter of the environment that holds Neutron.
"""

import sys

import sqlalchemy
from neutron.db.migration.models import head  # noqa: F401 - importing it loads every model
from neutron_lib.db import model_base

model_base.BASEV2.metadata.create_all(sqlalchemy.create_engine(sys.argv[1]))
