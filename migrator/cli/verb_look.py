"""``havre ls``: look at a location before anything moves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from migrator.cli.group import Invocation, Verb
from migrator.cli.output import printable, to_json
from migrator.cli.params import LOCATION, common_options

if TYPE_CHECKING:
    from providers.model import ObjectMeta

__all__ = ["ls"]


@click.command(
    cls=Verb,
    short_help="List the objects of a location.",
    epilog="""
havre ls hdh:warehouse/2024
havre ls ./exports --limit 20
havre ls ovh:warehouse --summary --json
""",
)
@click.argument("location", type=LOCATION)
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Stop after N objects.")
@click.option("--summary", is_flag=True, help="Print the count and the size only.")
@common_options
def ls(invocation: Invocation, location: str, limit: int | None, *, summary: bool) -> int:
    """List the objects of a location, with sizes in bytes and times in UTC, in the store's own order.

    Characters that do not print are shown as escapes; --json holds every key as it is.
    """
    from migrator.cli.wiring import load_opener  # noqa: PLC0415 - loads when used
    from migrator.core.units import format_size  # noqa: PLC0415 - loads when used

    output = invocation.output
    count = size = 0
    cut = False
    with load_opener(invocation)(location, True) as store:
        if output.json:
            output.data(f'{{"location": {to_json(location)}, "objects": [')
        for entry in store.list():
            if limit is not None and count == limit:
                cut = True
                break
            if not summary:
                _show(output.json, first=count == 0, entry=entry, write=output.data)
            count += 1
            size += entry.size
    if output.json:
        output.data(f'], "count": {count}, "bytes": {size}, "complete": {to_json(not cut)}}}')
    elif summary:
        output.data(f"{count:,} objects, {size:,} bytes ({format_size(size)})")
    if cut:
        output.say(f"there is more after the first {count:,} objects")
    elif not output.json and not summary:
        output.say(f"{count:,} objects, {format_size(size)}")
    return 0


def _show(as_json: bool, *, first: bool, entry: ObjectMeta, write: Any) -> None:  # noqa: FBT001 - private
    """One entry; a JSON list grows line by line, so that memory does not."""
    if as_json:
        value = {
            "key": entry.key,
            "size": entry.size,
            "modified_at": entry.modified_at,
            "kind": entry.kind,
            "storage_class": entry.storage_class,
            "etag": entry.etag,
        }
        write(("" if first else ", ") + to_json(value))
        return
    when = entry.modified_at.strftime("%Y-%m-%d %H:%M:%S") if entry.modified_at else "-"
    kind = "" if entry.kind.value == "object" else f"  ({entry.kind.value})"
    write(f"{entry.size:>15}  {when:<19}  {printable(entry.key)}{kind}")
