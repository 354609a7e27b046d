"""The exit codes, once: the help, the page ``migrator/docs/exit-codes.md`` and the tests read this table."""

from __future__ import annotations

from typing import Final

__all__ = ["EXIT_CODES", "INTERRUPTED", "NOT_ALL", "USAGE", "exit_code_lines"]

USAGE: Final = 2
NOT_ALL: Final = 3
INTERRUPTED: Final = 130

EXIT_CODES: Final[tuple[tuple[int, str], ...]] = (
    (0, "all done"),
    (1, "failed"),
    (USAGE, "usage or configuration"),
    (NOT_ALL, "finished, but some objects were not transferred"),
    (4, "verification found differences"),
    (5, "temporary trouble outlasted the retries; try later"),
    (6, "a gate said no"),
    (10, "location, wave or ledger not found"),
    (11, "another run holds the ledger"),
    (12, "no identity or passphrase matched"),
    (13, "a store lacks a capability that this needs"),
    (INTERRUPTED, "interrupted; the same command carries on"),
)


def exit_code_lines() -> list[str]:
    """The table as aligned lines of text."""
    return [f"{code:>5}  {meaning}" for code, meaning in EXIT_CODES]
