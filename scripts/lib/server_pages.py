"""The pages of the test servers, from what tests saw of them: `providers/docs/servers.md` and `hostile-matrix.md`.

Reads the committed records of `tests/hostile`; nothing here looks at a server.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any, Final

__all__ = ["MATRIX_PAGE", "SERVERS_PAGE", "matrix_page", "servers_page"]

_ROOT: Final = Path(__file__).parents[2]
_RECORDS: Final = _ROOT / "tests/hostile"
SERVERS_PAGE: Final = Path("providers/docs/servers.md")
MATRIX_PAGE: Final = Path("providers/docs/hostile-matrix.md")
_MARKS: Final = {"yes": "yes", "no": "no", "lies": "**lies**", "part": "part"}
_GENERATED: Final = "<!-- Made by scripts/regenerate from {source}; do not edit. -->\n"


def _read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((_RECORDS / name).read_text("utf-8"))
    return found


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def servers_page() -> str:
    """What each server was seen to do: a table of marks, and a list of what each said in its own words."""
    record = _read("servers.json")
    titles: dict[str, str] = dict(record["titles"])
    servers = {name: record["servers"][name] for name in record["order"] if name in record["servers"]}
    lines = [
        "# What the test servers do",
        "",
        _GENERATED.format(source="tests/hostile/servers.json"),
        "Each cell was seen by a test on a running server (`tests/hostile/test_capabilities.py`), with boto3 and hand-made",
        "requests; the drivers of this project took no part. A test fails when a server no longer does what stands here.",
        "",
        "- **yes**: as Amazon documents it.",
        "- **no**: absent or refused, so that a client notices.",
        "- **lies**: accepted and not done, or done otherwise.",
        "- **part**: in part; the notes below say which.",
        "",
        "A column marked *double* is no measurement: a small program of this suite, made from public documents, stands in",
        "for a service that cannot be run here. It says what those documents say. No cloud was contacted.",
        "",
    ]
    lines += [
        f"- `{name}`: {server['title']}, {server['version']}{' (*double*)' if server['double'] else ''}"
        for name, server in servers.items()
    ]
    heads = [f"{name}{' (*double*)' if server['double'] else ''}" for name, server in servers.items()]
    lines += ["", f"| check | {' | '.join(heads)} |", f"|---|{'---|' * len(heads)}"]
    for check, title in titles.items():
        marks = [
            _MARKS[seen.partition(":")[0]] if (seen := server["checks"].get(check)) else "-"
            for server in servers.values()
        ]
        lines.append(f"| {_cell(title)} | {' | '.join(marks)} |")
    lines += ["", "## Notes", "", "What stood behind each mark that is not a plain yes.", ""]
    for name, server in servers.items():
        lines += [f"### {name}", "", f"{server['title']}, {server['version']}.", ""]
        for check, title in titles.items():
            mark, _, note = server["checks"].get(check, "yes").partition(": ")
            if mark != "yes" or note:
                lines.append(f"- {title}: {mark}{f' ({_cell(note)})' if note else ''}")
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def matrix_page() -> str:
    """How waves ended on each server, under an honest profile and under one that claims too much."""
    record = _read("matrix.json")
    known = _read("servers.json")
    order = [name for name in known["order"] if name in record]
    lines = [
        "# The hostile matrix",
        "",
        _GENERATED.format(source="tests/hostile/matrix.json"),
        "A wave is planned and run against each server (`tests/hostile/test_matrix.py`), twice: as `generic-s3`, the",
        "profile that promises nothing, and under a *lying* profile that claims create-if-absent, verified SHA-256, every",
        "key and whatever else the server may not do. Every object that the wave calls verified is then fetched by",
        "apache-libcloud (or boto3, for keys that libcloud rewrites), opened by the `crypt4gh` package where it is sealed,",
        "and compared with the source. A cell that is done with wrong bytes fails the test, and so does an exit code 0 over",
        "an object that is not verified.",
        "",
        "`taken` stands at the target before the wave begins; it is somebody else's and must stay.",
        "",
    ]
    cells = Counter(
        outcome.partition(":")[0]
        for name in order
        for run in record[name].values()
        for outcome in run.values()
    )
    lines += ["| outcome | cells |", "|---|---|"]
    lines += [f"| {_cell(outcome)} | {count} |" for outcome, count in sorted(cells.items())]
    lines += [f"| done, wrong bytes | {cells['DONE, WRONG BYTES']} |", ""]
    for name in order:
        server = known["servers"].get(name, {})
        double = " (*double*)" if server.get("double") else ""
        lines += [f"## {name}{double}", "", f"{server.get('title', name)}, {server.get('version', '?')}.", ""]
        runs = record[name]
        columns = sorted(runs)
        objects = sorted({thing for run in runs.values() for thing in run})
        alike = [
            thing for thing in objects if all(runs[column].get(thing) == "verified" for column in columns)
        ]
        lines += [
            f"Verified under {', '.join(columns)}: {', '.join(_cell(thing) for thing in alike) or 'none'}.",
            "",
        ]
        rest = [thing for thing in objects if thing not in alike]
        if rest:
            lines += [f"| object | {' | '.join(columns)} |", f"|---|{'---|' * len(columns)}"]
            lines += [
                f"| {_cell(thing)} | {' | '.join(_cell(runs[column].get(thing, '-')) for column in columns)} |"
                for thing in rest
            ]
            lines.append("")
    return "\n".join(lines).rstrip() + "\n"
