"""The ``havre`` command: which verbs there are, in the order of the work."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from migrator import __version__
from migrator.cli.group import Invocation, VerbGroup

__all__ = ["entry_point", "havre"]

_SECTIONS: Final = {
    "Before": {
        "providers": "migrator.cli.verb_providers:providers",
        "keys": "migrator.cli.verb_keys:keys",
        "ls": "migrator.cli.verb_look:ls",
        "doctor": "migrator.cli.verb_doctor:doctor",
        "estate": "migrator.cli.verb_estate:estate",
        "gate": "migrator.cli.verb_gate:gate",
        "derogate": "migrator.cli.verb_gate:derogate",
        "plan": "migrator.cli.verb_plan:plan",
    },
    "The move": {
        "migrate": "migrator.cli.verb_migrate:migrate",
        "status": "migrator.cli.verb_status:status",
        "verify": "migrator.cli.verb_verify:verify",
    },
    "New readers": {
        "rewrap": "migrator.cli.verb_rewrap:rewrap",
    },
    "The way back": {
        "restore": "migrator.cli.verb_restore:restore",
    },
    "The papers": {
        "evidence": "migrator.cli.verb_evidence:evidence",
        "check-evidence": "migrator.cli.verb_evidence:check_evidence",
        "prove": "migrator.cli.verb_prove:prove",
    },
    "This command": {
        "completion": "migrator.cli.verb_completion:completion",
    },
}


@click.group(
    cls=VerbGroup,
    sections=_SECTIONS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    invoke_without_command=False,
)
@click.version_option(__version__, "--version", prog_name="havre", message="%(prog)s %(version)s")
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Sites file; default $HAVRE_CONFIG, ./havre.toml, then the user's own.",
)
@click.pass_obj
def havre(invocation: Invocation, config: Path | None) -> None:
    """Take a data warehouse out of one cloud and bring it, encrypted under its owner's keys, to another.

    A wave is a set of objects that moves together. 'plan' looks at it and writes a wave file for review,
    'migrate' moves it and may be interrupted and started again at any time, 'status' says where it stands,
    'verify' proves it again, 'rewrap' gives it to other readers, 'restore' brings it back.

    A location is site:bucket/prefix, where the site is named in havre.toml, or a local path such as ./dir.
    Credentials stand in the environment variables that a site names, never in a file or an option.
    Answers go to standard output, messages to standard error.
    """
    invocation.config = config


def entry_point() -> None:
    """What the installed ``havre`` runs."""
    havre.main()
