"""``havre evidence`` and ``check-evidence``: a folder that a third party can check."""

from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from migrator.cli.exits import NOT_ALL
from migrator.cli.group import Invocation, Verb
from migrator.cli.output import plain
from migrator.cli.params import FILE, LOCATION, WAVE, common_options, key_options
from migrator.cli.stamping import Stamping, open_authorities, stamp_facts, stamped_at
from migrator.errors import EvidenceInvalid, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from migrator.core.plan import Plan
    from migrator.engine.files import WaveFiles
    from migrator.evidence.against import Comparison
    from migrator.evidence.check import Verdict
    from migrator.ledger.ledger import Ledger

__all__ = ["check_evidence", "evidence"]

_GROUPS: Final = ("none", "target", "all")
_SHOWN: Final = 20
_SIGN = click.option(
    "--sign", "signing_keys", type=FILE, multiple=True, required=True, metavar="KEY.sec",
    help="Signing key, from 'havre keys generate --signing', or transit:NAME for one that the server of "
    "[custody.NAME] keeps. May be repeated.",
)  # fmt: skip
_TRUST = click.option(
    "--trust", type=FILE, multiple=True, required=True, metavar="KEY.pub",
    help="Public signing key that you trust, had by another way than the bundle. May be repeated.",
)  # fmt: skip
_PASSPHRASE = click.option(
    "--passphrase-env", metavar="VAR",
    help="Environment variable that holds the signing key's passphrase. Else $HAVRE_PASSPHRASE_FILE names a "
    "file, or the terminal is asked.",
)  # fmt: skip


@click.command(
    cls=Verb,
    short_help="Write the signed evidence of a wave.",
    epilog="""
havre evidence may.toml --sign office.sec --out may-evidence
havre evidence may.toml --sign office.sec --out for-the-host --open target
""",
)
@click.argument("wave", type=WAVE, metavar="WAVE.toml")
@click.option("--out", type=FILE, required=True, metavar="DIR", help="Folder to write; must not exist.")
@_SIGN
@click.option("--open", "group", type=click.Choice(_GROUPS), default="none", show_default=True,
              help="What to open besides: nothing, what compares stored objects, or everything.")  # fmt: skip
@click.option("--inventory", type=FILE, metavar="FILE",
              help="Another party's inventory of the source, to be named by its digest.")  # fmt: skip
@click.option("--timestamp", metavar="URL",
              help="Have the bundle dated by the RFC 3161 time-stamp authority at this http or https address; "
              "it sees a digest only.")  # fmt: skip
@click.option("--timestamp-ca", type=FILE, metavar="FILE",
              help="The authority's root certificate (PEM), to check its answer before it is kept.")  # fmt: skip
@click.option("--timestamp-optional", is_flag=True,
              help="Write the bundle without a time-stamp if none can be had.")  # fmt: skip
@_PASSPHRASE
@common_options
def evidence(  # noqa: PLR0917 - the verb's options
    invocation: Invocation,
    wave: Path,
    out: Path,
    signing_keys: Sequence[Path],
    group: str,
    inventory: Path | None,
    timestamp: str | None,
    timestamp_ca: Path | None,
    timestamp_optional: bool,  # noqa: FBT001 - an option
    passphrase_env: str | None,
) -> int:
    """Write a folder from which anybody who trusts the signing key can check what became of every object.

    By default no row tells a name, a size or a digest of its object: each is committed to under a salt of its
    own and can be opened later, one by one, with 'havre prove', or all together with --open. The wave file
    stands in the folder as it is, with its totals and filters.
    """
    from migrator.cli.signing import open_signer  # noqa: PLC0415 - loads when used
    from migrator.cli.wiring import held_ledger  # noqa: PLC0415 - loads when used
    from migrator.core.commitments import FIELDS  # noqa: PLC0415 - loads when used
    from migrator.evidence.against import NEEDED  # noqa: PLC0415 - loads when used
    from migrator.evidence.bundle import write_bundle  # noqa: PLC0415 - loads when used
    from migrator.evidence.facts import Inventory  # noqa: PLC0415 - loads when used
    from migrator.evidence.manifest_reader import sha256_of  # noqa: PLC0415 - loads when used

    stamping = Stamping(timestamp, timestamp_ca, optional=timestamp_optional)
    named = None if inventory is None else Inventory(inventory.name, sha256_of(inventory))
    signers = [open_signer(path, passphrase_env) for path in signing_keys]
    opened = {"none": (), "target": tuple(set(NEEDED) - {"plaintext_sha256"}), "all": FIELDS}[group]
    with held_ledger(invocation, wave) as (ledger, plan, files):
        gate = _gate(files, ledger, plan)
        bundle = write_bundle(
            ledger,
            plan,
            files.plan_path.read_bytes(),
            out,
            signers=signers,
            gate=gate,
            derogations=_derogations(files, gate),
            inventory=named,
            opened=opened,
            stamp=stamping.stamp if timestamp is not None else None,
            kept=files.tree,
        )
    facts: dict[str, Any] = {
        "folder": str(bundle.folder),
        "root": bundle.root.hex(),
        "rows": bundle.rows,
        "states": dict(bundle.states),
        "weakest": bundle.weakest,
        "signed_by": [signer.public.name for signer in signers],
        "timestamp": stamping.facts(),
    }
    if invocation.output.json:
        invocation.output.object(facts)
        return 0
    invocation.output.lines(
        [
            f"evidence   {bundle.folder}",
            f"rows       {bundle.rows:,}: "
            + ", ".join(f"{count:,} {state}" for state, count in sorted(bundle.states.items())),
            f"weakest    {bundle.weakest or 'nothing was verified'}",
            f"root       {bundle.root.hex()}",
            f"signed by  {', '.join(facts['signed_by'])}",
            *stamping.told(),
        ]
    )
    invocation.output.hint(
        "plan.toml in it is the wave file as it is, with totals and filters: read it before you hand the folder on"
    )
    invocation.output.hint(
        f"check it as an auditor would: havre check-evidence {bundle.folder} --trust KEY.pub"
    )
    return 0


@click.command(
    "check-evidence",
    cls=Verb,
    short_help="Check a bundle, offline, or against a store.",
    epilog="""
havre check-evidence may-evidence --trust office.pub
havre check-evidence may-evidence --trust office.pub --against ovh:warehouse/may
""",
)
@click.argument("folder", type=FILE, metavar="DIR")
@_TRUST
@click.option("--against", type=LOCATION, metavar="LOCATION",
              help="Also compare stored objects; needs a bundle made with --open target or all.")  # fmt: skip
@click.option("--level", type=click.Choice(["size", "full"]), default="full", show_default=True,
              help="With --against: sizes only, or every stored byte.")  # fmt: skip
@click.option("--workers", type=click.IntRange(1, 256), default=16, show_default=True, metavar="N",
              help="With --against: objects at once.")  # fmt: skip
@click.option("--timestamp-ca", type=FILE, metavar="FILE",
              help="Root certificate (PEM) of a time-stamp authority that you trust; the bundle's time-stamp must "
              "then be there and hold.")  # fmt: skip
@key_options
@common_options
def check_evidence(  # noqa: PLR0917 - the verb's options
    invocation: Invocation,
    folder: Path,
    trust: Sequence[Path],
    against: str | None,
    level: str,
    workers: int,
    timestamp_ca: Path | None,
    identities: Sequence[Path],
    passphrase_env: str | None,
) -> int:
    """Say whether a bundle holds, and name the file and line of everything that does not.

    Needs no ledger, no network and no private key. With --against, stored objects are compared with the
    digests that the bundle opens; with --identity too, they are decrypted and hashed.
    """
    from migrator.cli.signing import read_public_key  # noqa: PLC0415 - loads when used
    from migrator.evidence.check import check_bundle  # noqa: PLC0415 - loads when used

    output = invocation.output
    verdict = check_bundle(
        folder,
        [read_public_key(path) for path in trust],
        now_ms=int(time.time() * 1000),
        authorities=open_authorities(timestamp_ca),
    )
    compared = None
    if against is not None and verdict.holds:
        digest = verdict.openings_sha256
        compared = _compare(invocation, folder, digest, against, level, workers, identities, passphrase_env)
    if output.json:
        output.object(_as_json(verdict, compared))
    else:
        output.lines(_told(verdict, compared, level))
    if not verdict.holds or (compared is not None and compared.differences):
        return EvidenceInvalid.exit_code
    # A row that the bundle does not open was compared with nothing: that is not all of it.
    return NOT_ALL if compared is not None and verdict.opened < verdict.rows else 0


def _gate(files: WaveFiles, ledger: Ledger, plan: Plan) -> dict[str, Any]:
    """The verdict that the wave rests on, whole; where none was asked for, that."""
    from migrator.engine.gate_files import kept_verdict  # noqa: PLC0415 - loads when used

    return kept_verdict(files, ledger.meta("gate")) or {"outcome": plan.gate}


def _derogations(files: WaveFiles, gate: Mapping[str, Any]) -> dict[str, bytes]:
    """What the verdict relies on, by digest; what else lies in that folder does not count and is left out.

    Signatures cover what the envelopes hold, not how those are spelt.
    """
    from migrator.core.canonical import encode  # noqa: PLC0415 - loads when used
    from migrator.engine.gate_files import kept_derogations  # noqa: PLC0415 - loads when used

    relied = gate.get("derogations", ())
    return {
        f"{digest}.json": encode(json.loads(data)) + b"\n"
        for data in kept_derogations(files)
        if (digest := hashlib.sha256(data).hexdigest()) in relied
    }


def _compare(  # noqa: PLR0917 - passes the options on
    invocation: Invocation,
    folder: Path,
    digest: bytes,
    against: str,
    level: str,
    workers: int,
    identities: Sequence[Path],
    passphrase_env: str | None,
) -> Comparison:
    from migrator.cli.keyring import Passphrases, open_identities  # noqa: PLC0415 - loads when used
    from migrator.cli.wiring import load_opener  # noqa: PLC0415 - loads when used
    from migrator.evidence.against import compare_stored  # noqa: PLC0415 - loads when used
    from migrator.evidence.manifest_reader import opened_again  # noqa: PLC0415 - loads when used

    path = folder / "openings.jsonl"
    if not path.is_file():
        raise UsageError(
            "the bundle opens nothing that could be compared", hint="ask for one made with --open target"
        )
    opened = open_identities(identities, Passphrases(passphrase_env, environ=os.environ))
    with load_opener(invocation, connections=workers)(against, True) as store:
        store.check()
        return compare_stored(
            store, opened_again(path, digest), identities=opened, read_bytes=level == "full", workers=workers
        )


def _as_json(verdict: Verdict, compared: Comparison | None) -> dict[str, Any]:
    return {
        "holds": verdict.holds,
        "rows": verdict.rows,
        "opened": verdict.opened,
        "trusted": sorted(verdict.trusted),
        "findings": [
            {"file": found.file, "line": found.line, "reason": found.reason} for found in verdict.findings
        ],
        "transfer": verdict.predicates.get("transfer"),
        "verification": verdict.predicates.get("verification"),
        "timestamp": None
        if not verdict.stamped
        else {"checked": False}
        if verdict.timestamp is None
        else stamp_facts(verdict.timestamp) | {"checked": True},
        "against": compared
        and {
            "compared": compared.compared,
            "bytes": compared.bytes,
            "decrypted": compared.opened,
            "without": compared.without,
            "not_opened": verdict.rows - verdict.opened,
            "differences": [{"row": row, "reason": reason} for row, reason in compared.differences],
        },
    }


def _told(verdict: Verdict, compared: Comparison | None, level: str) -> Iterator[str]:
    if not verdict.holds:
        yield f"the bundle does not hold: {len(verdict.findings)} findings"
        for found in verdict.findings[:_SHOWN]:
            where = found.file if found.line is None else f"{found.file}, line {found.line}"
            # Both come out of a folder that somebody sent: neither may steer the terminal or look like a line of ours.
            yield plain(f"  {where}: {found.reason}")
        return
    transfer, verification = verdict.predicates["transfer"], verdict.predicates["verification"]
    yield "the bundle holds"
    yield f"signed by     {', '.join(sorted(verdict.trusted))}, which you trust"
    yield plain(f"claim         {transfer['claim']}")
    states = ", ".join(f"{count:,} {state}" for state, count in sorted(transfer["states"].items()))
    yield f"objects       {verdict.rows:,}: {states}"
    yield f"weakest       {verification['weakest'] or 'nothing was verified'}"
    independent = transfer["inventory"]["independent"]
    yield plain(f"inventory     {independent['name'] if independent else 'none by another party'}")
    if verdict.timestamp is not None:
        by = plain(verdict.timestamp.authority)
        yield f"stamped       {stamped_at(verdict.timestamp)} by {by}, which you trust"
    elif verdict.stamped:
        yield "stamped       present, not checked: no --timestamp-ca"
    if verdict.opened:
        yield f"opened        {verdict.opened:,} rows, as committed"
    yield "not established"
    yield from (plain(f"  {limit}") for limit in transfer["limits_of_this"])
    if compared is not None:
        how = f"{compared.bytes:,} bytes compared" if level == "full" else "sizes compared, no byte read"
        yield f"against store {compared.compared:,} objects are what was recorded: {how}"
        if compared.opened:
            yield f"decrypted     {compared.opened:,} objects, and their plain bytes compared"
        if compared.without:
            yield f"nothing there {compared.without:,} rows say that nothing was stored"
        if verdict.opened < verdict.rows:
            yield f"not compared  {verdict.rows - verdict.opened:,} rows that the bundle does not open"
        for row, reason in compared.differences[:_SHOWN]:
            yield f"  row {row:,}: {reason}"
