"""``havre gate`` and ``havre derogate``: ask what speaks against a place, and sign a decision to go on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from migrator.cli.group import Invocation, Verb
from migrator.cli.params import FILE, LOCATION, common_options

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["derogate", "gate", "gate_options"]

_CLASS = click.Choice(["snds", "eds", "pseudonymised", "anonymous"])
_MODE = click.Choice(["encrypt", "rewrap", "copy", "decrypt"])
_DAY = click.DateTime(formats=["%Y-%m-%d"])
_MOST_KEY = 16 * 1024


def gate_options(function: Any) -> Any:
    """Add ``--facts`` and ``--derogation``."""
    function = click.option(
        "--derogation",
        "derogations",
        type=FILE,
        multiple=True,
        metavar="FILE",
        help="Signed decision that overrides rules of the gate. May be repeated.",
    )(function)
    return click.option(
        "--facts",
        type=FILE,
        multiple=True,
        metavar="FILE",
        help="Facts file, besides those of havre.toml. May be repeated.",
    )(function)


@click.command(
    cls=Verb,
    short_help="Say which rules speak against a place, on which facts.",
    epilog="""
havre gate ovh:warehouse --class eds
havre gate ovh:warehouse --class snds --facts attestations.toml --at 2027-01-31
havre gate ./archive --class eds --mode copy --lang fr
""",
)
@click.argument("target", type=LOCATION, metavar="DST")
@click.option("--class", "dataset_class", required=True, type=_CLASS, help="How sensitive the data is.")
@click.option(
    "--mode", type=_MODE, default="encrypt", show_default=True, help="What would happen to the bytes."
)
@click.option(
    "--from", "source", type=LOCATION, metavar="SRC", help="Where the data comes from, for the record."
)
@click.option("--wave", metavar="NAME", help="The wave's name, where a derogation names it.")
@gate_options
@click.option("--at", type=_DAY, metavar="DATE", help="The day to ask for; default today (UTC).")
@click.option("--lang", type=click.Choice(["en", "fr"]), default="en", show_default=True, help="Language.")
@common_options
def gate(
    invocation: Invocation,
    target: str,
    *,
    dataset_class: str,
    mode: str,
    source: str | None,
    wave: str | None,
    derogations: tuple[Path, ...],
    facts: tuple[Path, ...],
    at: datetime | None,
    lang: str,
) -> int:
    """Ask whether data of a class may go to DST: rules, dated facts, and what is not established.

    Nothing is opened and nothing moves. A qualification counts for one service, on one day, and
    only if an official text or a document of yours (a facts file) establishes it; unknown is never
    yes. Exit code 6 if a rule refuses and no signed derogation overrides it.

    The answer is no legal advice.
    """
    from datetime import UTC  # noqa: PLC0415 - loads when used
    from datetime import datetime as now  # noqa: PLC0415 - see above

    from migrator.cli.gate_wording import gate_lines  # noqa: PLC0415 - see above
    from migrator.cli.gatekeeper import ask, refusal  # noqa: PLC0415 - see above
    from migrator.core.modes import DatasetClass  # noqa: PLC0415 - see above
    from providers.gate import Outcome  # noqa: PLC0415 - see above

    verdict = ask(
        invocation,
        dataset_class=DatasetClass(dataset_class),
        mode=mode,
        target=target,
        source=source,
        wave=wave,
        derogations=derogations,
        facts=facts,
        at=(now.now(UTC) if at is None else at).date(),
    ).verdict
    output = invocation.output
    if output.json:
        output.object(verdict.to_dict())
    else:
        output.lines(gate_lines(verdict, lang))
    return refusal(verdict).exit_code if verdict.outcome is Outcome.REFUSED else 0


@click.command(
    cls=Verb,
    short_help="Sign a decision to go on although the gate refuses.",
    epilog="""
havre derogate ovh:warehouse --class eds --rule eds-hds --reason "certificate under way, see file 12" \\
    --by "A. Martin, data protection officer" --until 2027-01-31 --key officer.pem -o derogation.json
""",
)
@click.argument("target", required=False, type=LOCATION, metavar="[DST]")
@click.option("--wave", metavar="NAME", help="The wave it is for; DST, --wave, or both.")
@click.option("--class", "dataset_class", required=True, type=_CLASS, help="The class it is for.")
@click.option(
    "--rule", "rules", required=True, multiple=True, metavar="ID", help="Rule it overrides. May be repeated."
)
@click.option("--reason", required=True, metavar="TEXT", help="Why.")
@click.option("--by", required=True, metavar="NAME", help="Who decides, with their office.")
@click.option("--since", type=_DAY, metavar="DATE", help="First day; default today (UTC).")
@click.option("--until", required=True, type=_DAY, metavar="DATE", help="Last day.")
@click.option(
    "--key", required=True, type=FILE, metavar="KEY.pem", help="Ed25519 private key (openssl genpkey)."
)
@click.option(
    "--passphrase-env",
    metavar="VAR",
    help="Environment variable that holds the passphrase. Else $HAVRE_PASSPHRASE_FILE names a file, or "
    "the terminal is asked.",
)
@click.option("-o", "--output", "path", required=True, type=FILE, metavar="FILE", help="Where to write it.")
@common_options
def derogate(
    invocation: Invocation,
    target: str | None,
    *,
    wave: str | None,
    dataset_class: str,
    rules: tuple[str, ...],
    reason: str,
    by: str,
    since: datetime | None,
    until: datetime,
    key: Path,
    passphrase_env: str | None,
    path: Path,
) -> int:
    """Sign a derogation: who decides, why, which rules, for what, until when.

    It counts where [trust] derogation_keys in havre.toml names the public half of KEY.pem, and it
    travels with the wave. The person who decides signs it, on a machine of their own.
    """
    from datetime import UTC  # noqa: PLC0415 - loads when used
    from datetime import datetime as now  # noqa: PLC0415 - see above

    from migrator.errors import UsageError  # noqa: PLC0415 - see above
    from providers.gate import Derogation, load_rules, sign_derogation  # noqa: PLC0415 - see above
    from providers.gate.derogations import public_key_text  # noqa: PLC0415 - see above

    known = {rule.id for rule in load_rules() if dataset_class in rule.classes}
    for rule in rules:
        if rule not in known:
            raise UsageError(
                f"no rule of the class {dataset_class} is called {rule!r}",
                hint=f"rules: {', '.join(sorted(known))}",
            )
    private = _private_key(key, passphrase_env)
    derogation = Derogation(
        wave=wave,
        destination=target,
        dataset_class=dataset_class,
        rules=rules,
        reason=reason,
        by=by,
        valid_from=(now.now(UTC) if since is None else since).date(),
        valid_until=until.date(),
    )
    data = sign_derogation(derogation, private)
    with path.open("xb") as file:
        file.write(data)
    public = public_key_text(private)
    if invocation.output.json:
        invocation.output.object({"file": path, "public_key": public, "derogation": derogation.to_payload()})
    else:
        invocation.output.lines([f"derogation  {path}", f"public key  {public}"])
    invocation.output.hint(f'whoever migrates trusts it with: [trust] derogation_keys = ["{public}"]')
    return 0


def _private_key(path: Path, passphrase_env: str | None) -> Any:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415 - loads when used
        Ed25519PrivateKey,
    )
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415 - see above

    from migrator.cli.keyring import Passphrases, read_bounded  # noqa: PLC0415 - see above
    from migrator.envelope.errors import WrongPassphrase  # noqa: PLC0415 - see above
    from migrator.errors import UsageError  # noqa: PLC0415 - see above

    data = read_bounded(path, _MOST_KEY)
    passphrase = None
    if b"ENCRYPTED" in data:
        passphrase = Passphrases(passphrase_env, environ=os.environ).get(str(path))
    try:
        key = load_pem_private_key(data, passphrase)
    except ValueError:
        if passphrase is not None:
            raise WrongPassphrase(
                f"the passphrase does not open {path}", hint="check the passphrase and the file"
            ) from None
        key = None
    except TypeError:
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageError(
            f"{path} holds no Ed25519 private key",
            hint="make one with: openssl genpkey -algorithm ed25519 -aes-256-cbc -out key.pem",
        )
    return key
