"""The gap study: what a health data platform needs, held against what profiles say of each offer.

Pure over profiles: it asks no network and no clock. Needs are data (``blueprints/*.toml`` over
``capabilities.toml``), facts are data (``providers/profiles``), and the rule between them is that what is not
said is unknown and unknown is never yes.
"""

from providers.gap.blueprint import list_blueprints, load_blueprint
from providers.gap.model import Blueprint, Cell, Level, Row, State, Study
from providers.gap.study import study

__all__ = [
    "Blueprint",
    "Cell",
    "Level",
    "Row",
    "State",
    "Study",
    "list_blueprints",
    "load_blueprint",
    "study",
]
