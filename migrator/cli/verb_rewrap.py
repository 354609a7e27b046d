"""``havre rewrap``: give what a wave has stored to other readers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from migrator.cli.group import Invocation, Verb
from migrator.cli.params import FILE, WAVE, common_options, key_options, names_option
from migrator.cli.runs import Run, execute, level_option, make_settings, speed_options

if TYPE_CHECKING:
    from pathlib import Path

    from migrator.engine.report import Report
    from migrator.engine.rewrap_request import Request

__all__ = ["rewrap"]


@click.command(
    cls=Verb,
    short_help="Give what a wave has stored to other readers.",
    epilog="""
havre rewrap may.toml --add-recipient newteam.pub --identity dataset.sec
havre rewrap may.toml --remove-recipient oldteam.pub --identity dataset.sec
havre rewrap may.toml --remove-recipient oldteam.pub --revoke --identity dataset.sec
havre rewrap may.toml --add-recipient newteam.pub --dry-run
""",
)
@click.argument("wave", type=WAVE, metavar="WAVE.toml")
@click.option(
    "--add-recipient", "add", type=FILE, multiple=True, metavar="KEY.pub",
    help="Public key that shall read too. May be repeated.",
)  # fmt: skip
@click.option(
    "--remove-recipient", "remove", type=FILE, multiple=True, metavar="KEY.pub",
    help="Public key that shall read no more. May be repeated.",
)  # fmt: skip
@click.option("--revoke", is_flag=True, help="Encrypt the objects anew, under data keys nobody has seen.")
@level_option("--verify", "full")
@speed_options
@key_options
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@names_option
@common_options
def rewrap(
    invocation: Invocation,
    wave: Path,
    *,
    add: tuple[Path, ...],
    remove: tuple[Path, ...],
    revoke: bool,
    identities: tuple[Path, ...],
    passphrase_env: str | None,
    dry_run: bool,
    **hard: Any,
) -> int:
    """Give what a wave has stored to other readers, in place.

    Each object gets a new header. Its encrypted body stays as it is and is not decrypted: where the
    store can copy parts of an object by itself only the first part is sent, elsewhere, and under
    5 MiB, all of it. It takes a private key that opens the objects as they are (--identity). What
    another program has changed at the target since is left alone and named: exit code 3.

    Taking a reader out does not take back what the reader has: copies, data keys that were opened,
    and old versions that the store keeps. With --revoke the bodies are encrypted anew as well, so
    that the objects that stand there now are closed to former readers; old versions and copies
    remain even so.

    The same command carries on after an interruption; asked again when all is done, it does
    nothing. The ledger keeps who could read when, and every old header's digest; evidence tells it.

    With --json each line is one event, and the last one is the report.
    """
    settings = make_settings(**hard)
    request = _request(add, remove, revoke=revoke)
    if dry_run:
        return _dry_run(invocation, wave, request)

    def engine(run: Run) -> Report:
        from migrator.engine.rewrap import rewrap as start  # noqa: PLC0415 - loads when used

        return start(
            run.plan,
            run.files,
            run.opener,
            run.settings,
            request,
            identities=run.identities,
            progress=run.progress,
            stop=run.stop,
            on_event=run.on_event,
        )

    named = [word for path in identities for word in ("--identity", str(path))]
    named += [word for path in add for word in ("--add-recipient", str(path))]
    named += [word for path in remove for word in ("--remove-recipient", str(path))]
    return execute(
        invocation,
        wave,
        engine,
        settings,
        action="rewrapped",
        again=("havre", "rewrap", str(wave), *named, *(["--revoke"] if revoke else [])),
        identity_paths=identities,
        passphrase_env=passphrase_env,
        needs_identity=lambda _plan: True,
    )


def _request(add: tuple[Path, ...], remove: tuple[Path, ...], *, revoke: bool) -> Request:
    from migrator.cli.keyring import read_recipient  # noqa: PLC0415 - loads when used
    from migrator.engine.rewrap_request import Request  # noqa: PLC0415 - see above

    return Request(
        add=tuple(map(read_recipient, add)), remove=tuple(map(read_recipient, remove)), revoke=revoke
    )


def _dry_run(invocation: Invocation, wave: Path, request: Request) -> int:
    from migrator.cli.wiring import load_opener, wave_files  # noqa: PLC0415 - loads when used
    from migrator.engine.rewrap_request import rehearse_rewrap  # noqa: PLC0415 - see above

    files = wave_files(invocation, wave)
    answer = rehearse_rewrap(files.load(), files, load_opener(invocation, probed=True), request)
    if invocation.output.json:
        invocation.output.object(answer)
        return 0
    for name, value in answer["would"].items():
        shown = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else value
        shown = ", ".join(value) if isinstance(value, list) else shown
        invocation.output.data(f"would {name.replace('_', ' ')}: {shown}")
    return 0
