"""The states of an object as a Mermaid diagram, and its place in ``migrator/docs/ledger.md``.

python scripts/lib/state_diagram.py [--check]
"""

from __future__ import annotations

import sys
from pathlib import Path

from migrator.core.states import FINAL, TRANSITIONS

__all__ = ["PAGE", "diagram", "with_diagram"]

PAGE = Path(__file__).parents[2] / "migrator/docs/ledger.md"
_BEGIN = "<!-- states: drawn by scripts/lib/state_diagram.py -->\n"
_END = "<!-- end of states -->\n"


def diagram() -> str:
    """The transition table as a fenced Mermaid state diagram; arrows between the same two states are one."""
    lines = ["```mermaid", "stateDiagram-v2", "    [*] --> PLANNED: OBJECTS_LISTED"]
    for state, edges in TRANSITIONS.items():
        by_target: dict[str, list[str]] = {}
        for event, target in edges.items():
            by_target.setdefault(target.name, []).append(event.name)
        lines += [f"    {state.name} --> {target}: {', '.join(names)}" for target, names in by_target.items()]
    lines += [f"    {state.name} --> [*]" for state in FINAL]
    return "\n".join([*lines, "```"]) + "\n"


def with_diagram(page: str) -> str:
    """A page with the diagram in its place.

    Raises:
        ValueError: The page has no such place.
    """
    head, begin, rest = page.partition(_BEGIN)
    _, end, tail = rest.partition(_END)
    if not begin or not end:
        raise ValueError("the page has no place for the diagram")
    return f"{head}{begin}\n{diagram()}\n{end}{tail}"


def main(arguments: list[str]) -> int:
    """Write the diagram into its page, or see that it stands there."""
    page = PAGE.read_text(encoding="utf-8")
    wanted = with_diagram(page)
    if arguments == ["--check"]:
        return int(page != wanted)
    PAGE.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
