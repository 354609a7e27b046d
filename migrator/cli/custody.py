"""From a custodian's name to its key at the server: the configuration and the token, read when they are needed."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Final

import click

from migrator.cli.group import Invocation
from migrator.errors import CustodyDenied

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from migrator.custody.transit import Transit

__all__ = ["TRANSIT", "current_transit", "open_transit", "transit_name"]

TRANSIT: Final = "transit:"
"""What stands before a custodian's name where the path of a key file could stand too."""


def transit_name(path: Path) -> str | None:
    """The custodian that ``transit:NAME`` names; None for the path of a file."""
    text = str(path)
    return text.removeprefix(TRANSIT) if text.startswith(TRANSIT) else None


def open_transit(name: str, config: Path | None) -> Transit:
    """The key that ``[custody.NAME]`` describes. Nobody is asked anything yet.

    Raises:
        ConfigInvalid: The configuration has no such table, or the token's file is not usable.
        CustodyDenied: There is no token.
    """
    from migrator.custody.server import Server  # noqa: PLC0415 - loads when used
    from migrator.custody.transit import Transit  # noqa: PLC0415 - loads when used
    from providers.errors import Unauthenticated  # noqa: PLC0415 - loads when used
    from providers.sites import Sites  # noqa: PLC0415 - loads when used

    place = Sites.load(config, os.environ).custodian(name)
    try:
        token = place.token(os.environ)
    except Unauthenticated as error:
        raise CustodyDenied(error.message, hint=error.hint) from None
    server = Server(place.address, token, namespace=place.namespace, ca_bundle=place.ca_bundle)
    return Transit(place, server)


def current_transit() -> Callable[[str], Transit]:
    """``open_transit`` with the configuration of the verb that runs: key files are opened deep inside of many."""
    context = click.get_current_context(silent=True)
    invocation = None if context is None else context.find_object(Invocation)
    return partial(open_transit, config=None if invocation is None else invocation.config)
