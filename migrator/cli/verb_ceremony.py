"""``havre keys ceremony`` and ``check-ceremony``: a signed record of how keys came to be, and reading one."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from migrator.cli.group import Invocation, Verb
from migrator.cli.output import plain
from migrator.cli.params import FILE, common_options
from migrator.errors import EvidenceInvalid, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from migrator.cli.keyring import Passphrases
    from migrator.evidence.ceremony import Ceremony, CeremonyKey

__all__ = ["ceremony", "check_ceremony"]

_MAX_PRESENT: Final = 65_536


@click.command(
    "ceremony",
    cls=Verb,
    short_help="Make or show keys before witnesses, and sign a record of it.",
    epilog="""
havre keys ceremony --make dataset --present 'A. Martin, DPO' --present 'B. Roy, CISO' --copies 2 --sign office.sec -o ceremony.json
havre keys ceremony --key dataset.sec --present-file people.txt --sign transit:seal -o yearly-trial.json
""",
)
@click.option("--make", "makes", type=FILE, multiple=True, metavar="NAME",
              help="Make a key pair: NAME.pub and NAME.sec. May be repeated.")  # fmt: skip
@click.option("--key", "shown", type=FILE, multiple=True, metavar="KEY.sec",
              help="Private key that is there already, its public half beside it. May be repeated.")  # fmt: skip
@click.option("--wrapped-by", metavar="NAME",
              help="With --make: the server of [custody.NAME] wraps the private half.")  # fmt: skip
@click.option("--copies", type=click.IntRange(1, 1_000), metavar="N",
              help="How many copies of each private half there are to be, as you declare it.")  # fmt: skip
@click.option(
    "--present", multiple=True, metavar="PERSON", help="Name and role of a person present. May be repeated."
)
@click.option("--present-file", type=FILE, metavar="FILE", help="The same from a file, a person a line.")
@click.option("--place", metavar="TEXT", help="Where it takes place.")
@click.option("--sign", "signing_keys", type=FILE, multiple=True, required=True, metavar="KEY.sec",
              help="Signing key, or transit:NAME for one that a server keeps. May be repeated.")  # fmt: skip
@click.option("-o", "--output", "out", required=True, type=FILE, metavar="FILE", help="Record to write.")
@click.option("--passphrase-env", metavar="VAR",
              help="Environment variable that holds the passphrase of the key pairs. Else "
              "$HAVRE_PASSPHRASE_FILE names a file, or the terminal is asked.")  # fmt: skip
@click.option("--sign-passphrase-env", metavar="VAR", help="The same for the signing keys, if it is another.")
@common_options
def ceremony(  # noqa: PLR0917 - the verb's options
    invocation: Invocation,
    makes: Sequence[Path],
    shown: Sequence[Path],
    wrapped_by: str | None,
    copies: int | None,
    present: Sequence[str],
    present_file: Path | None,
    place: str | None,
    signing_keys: Sequence[Path],
    out: Path,
    passphrase_env: str | None,
    sign_passphrase_env: str | None,
) -> int:
    """Make key pairs, or show ones that are there, and write a signed record of who was present and what was done.

    Each private half is read back from its file and has to open what was encrypted for its public half, by its
    passphrase or by its server. The record holds public keys, how the private halves are kept, the people, the
    time, the host and its clock; no secret. It is signed like evidence: see 'havre keys check-ceremony'.
    """
    from migrator.cli.keyring import Passphrases, read_bounded  # noqa: PLC0415 - loads when used
    from migrator.cli.new_files import write_new  # noqa: PLC0415 - loads when used
    from migrator.cli.signing import open_signer  # noqa: PLC0415 - loads when used
    from migrator.engine.clock import clock_state  # noqa: PLC0415 - loads when used
    from migrator.engine.session import owner  # noqa: PLC0415 - loads when used
    from migrator.evidence.ceremony import write_ceremony  # noqa: PLC0415 - loads when used
    from migrator.evidence.signers import check_signers  # noqa: PLC0415 - loads when used

    people = [*present, *(_people(read_bounded(present_file, _MAX_PRESENT)) if present_file else ())]
    if not people or not all(person.strip() for person in people):
        raise UsageError("a ceremony has witnesses", hint="name each with --present 'NAME, ROLE'")
    if not makes and not shown:
        raise UsageError(
            "a ceremony is about keys", hint="make some with --make NAME, or show one with --key KEY.sec"
        )
    if wrapped_by is not None and not makes:
        raise UsageError("--wrapped-by goes with --make", hint="to wrap a key that is there: havre keys wrap")
    if out.exists() or out.is_symlink():
        raise UsageError(f"{out} is there already", hint="choose another name with -o")
    # Opened before anything is made: a signing key that is not to be had must not leave keys without a record.
    signers = [open_signer(path, sign_passphrase_env or passphrase_env) for path in signing_keys]
    check_signers(signers)
    passphrases = Passphrases(passphrase_env, environ=os.environ)
    keys = _hold(makes, shown, passphrases, wrapped_by, copies)
    record = write_ceremony(
        keys,
        signers,
        made_ms=int(time.time() * 1000),
        present=people,
        place=place,
        owner=owner(),
        clock=clock_state(0.0),
    )
    write_new(out, record.decode(), 0o600)
    if invocation.output.json:
        invocation.output.object(
            {
                "record": str(out),
                "keys": [key.as_json() for key in keys],
                "signed_by": [signer.public.name for signer in signers],
            }
        )
    else:
        invocation.output.lines(
            [
                f"record     {out}",
                *(
                    f"key        {key.name}: {key.as_json()['fingerprint']}, opened as it is kept"
                    for key in keys
                ),
                f"signed by  {', '.join(signer.public.name for signer in signers)}",
            ]
        )
    invocation.output.hint(f"have another machine check it: havre keys check-ceremony {out} --trust KEY.pub")
    return 0


def _people(data: bytes) -> list[str]:
    try:
        return [line.strip() for line in data.decode().splitlines() if line.strip()]
    except UnicodeDecodeError:
        raise UsageError("the file of people present is not UTF-8 text") from None


def _hold(
    makes: Sequence[Path],
    shown: Sequence[Path],
    passphrases: Passphrases,
    wrapped_by: str | None,
    copies: int | None,
) -> list[CeremonyKey]:
    from migrator.cli.key_pairs import make_pair  # noqa: PLC0415 - loads when used
    from migrator.cli.new_files import free_pair  # noqa: PLC0415 - loads when used

    pairs = [(free_pair(stem)[1], False) for stem in makes]
    pairs += [(path, True) for path in shown]
    names = [path.with_suffix(".pub").name for path, _ in pairs]
    if len(set(names)) != len(names):
        raise UsageError("two of these keys have the same name", hint="name each key once")
    # What is there already is tried first: if it does not open, nothing was made.
    keys = [_tried(path, passphrases, copies, made=False) for path in shown]
    for stem in makes:
        private = make_pair(stem, passphrases, wrapped_by)[1]
        keys.append(_tried(private, passphrases, copies, made=True))
    if len({key.public for key in keys}) != len(keys):
        raise UsageError("two of these files hold the same key", hint="name each key once")
    return keys


def _tried(private: Path, passphrases: Passphrases, copies: int | None, *, made: bool) -> CeremonyKey:
    """Read both halves back from their files, and have the private one open a trial."""
    from migrator.cli.custody import current_transit  # noqa: PLC0415 - loads when used
    from migrator.cli.key_pairs import kept_how  # noqa: PLC0415 - loads when used
    from migrator.cli.keyring import open_identity, read_bounded, read_recipient  # noqa: PLC0415 - see above
    from migrator.envelope.key_files import MAX_TEXT  # noqa: PLC0415 - loads when used
    from migrator.evidence.ceremony import CeremonyKey, exercise  # noqa: PLC0415 - loads when used

    public = private.with_suffix(".pub")
    recipient, identity = read_recipient(public), open_identity(private, passphrases)
    if recipient.public != identity.public:
        raise UsageError(
            f"{public} and {private} do not belong together", hint="take the public half from a copy"
        )
    exercise(recipient, identity, os.urandom)
    data = read_bounded(private, MAX_TEXT)
    kind, server = kept_how(data)
    if server is not None:
        place = current_transit()(server.pop("custody")).place
        server["address"] = place.address
    return CeremonyKey(
        name=public.name,
        public_file=read_bounded(public, MAX_TEXT),
        public=recipient.public,
        private_file=data,
        made=made,
        kind=kind,
        copies=copies,
        server=server,
        tried_ms=int(time.time() * 1000),
    )


@click.command(
    "check-ceremony",
    cls=Verb,
    short_help="Check the record of a key ceremony, offline.",
    epilog="""
havre keys check-ceremony ceremony.json --trust office.pub
havre keys check-ceremony ceremony.json --trust office.pub --key dataset.pub
""",
)
@click.argument("file", type=FILE, metavar="FILE")
@click.option("--trust", type=FILE, multiple=True, required=True, metavar="KEY.pub",
              help="Public signing key that you trust, had by another way than the record. May be repeated.")  # fmt: skip
@click.option("--key", "public_keys", type=FILE, multiple=True, metavar="KEY.pub",
              help="Public key file that has to be in the record. May be repeated.")  # fmt: skip
@common_options
def check_ceremony(
    invocation: Invocation, file: Path, trust: Sequence[Path], public_keys: Sequence[Path]
) -> int:
    """Say whether the record of a ceremony holds, and what it says. Needs no private key and no network."""
    from migrator.cli.keyring import read_bounded, read_recipient  # noqa: PLC0415 - loads when used
    from migrator.cli.signing import read_public_key  # noqa: PLC0415 - loads when used
    from migrator.evidence.ceremony import MAX_RECORD, read_ceremony  # noqa: PLC0415 - loads when used

    trusted = [read_public_key(path) for path in trust]
    try:
        found = read_ceremony(read_bounded(file, MAX_RECORD), trusted, now_ms=int(time.time() * 1000))
    except EvidenceInvalid as error:
        raise EvidenceInvalid(
            f"{file} does not hold: {error.message}", hint="ask whoever signed it for another copy"
        ) from None
    known = {entry["public"] for entry in found.predicate["keys"]}
    for path in public_keys:
        if read_recipient(path).public.hex() not in known:
            raise EvidenceInvalid(f"the record does not speak of the key {path}")
    if invocation.output.json:
        invocation.output.object(
            {"holds": True, "trusted": sorted(found.trusted), "ceremony": found.predicate}
        )
    else:
        # Whoever signed wrote these texts: none may steer the terminal or look like a line of ours.
        invocation.output.lines(map(plain, _told(found)))
    return 0


def _told(found: Ceremony) -> list[str]:
    said = found.predicate
    made = datetime.fromtimestamp(said["made_at"] / 1000, UTC).isoformat(timespec="seconds")
    clock = {True: "kept in step", False: "not kept in step", None: "in an unknown state"}
    return [
        "the record holds",
        f"signed by  {', '.join(sorted(found.trusted))}, which you trust",
        f"held       {made}, by a clock {clock[said['clock']['synchronised']]}"
        + (f", at {said['place']}" if said["place"] else ""),
        f"run by     {said['run']['user']} on {said['run']['host']}, havre {said['run']['version']}",
        *(f"present    {person}" for person in said["present"]),
        *(f"key        {_told_key(entry)}" for entry in said["keys"]),
        "not established",
        *(f"  {limit}" for limit in said["limits_of_this"]),
    ]


def _told_key(entry: dict[str, Any]) -> str:
    held, server = entry["held"], entry["held"]["server"]
    kept = {"passphrase-file": "a file with a passphrase", "unlocked-file": "a file that is not locked"}.get(
        held["kind"]
    ) or f"a file that version {server['version']} of the key {server['key']} at {server['address']} wraps"
    copies = "" if held["copies"] is None else f", {held['copies']} copies declared"
    return (
        f"{entry['name']}, {entry['fingerprint']}, {'made' if entry['made'] else 'shown'}, kept in {kept}{copies}; "
        "it opened what was encrypted for it"
    )
