"""``havre evidence``, ``check-evidence`` and ``prove``: papers that a third party can check."""

from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from migrator.cli.group import Invocation, Verb
from migrator.cli.params import FILE, LOCATION, WAVE, common_options, key_options
from migrator.errors import EvidenceInvalid, NothingThere, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from migrator.core.plan import Plan
    from migrator.engine.files import WaveFiles
    from migrator.evidence.against import Comparison
    from migrator.evidence.check import Verdict
    from migrator.evidence.signers import PublicKey, Signer
    from migrator.ledger.ledger import Ledger

__all__ = ["check_evidence", "evidence", "prove"]

_GROUPS: Final = ("none", "target", "all")
_MAX_PROOF: Final = 64 * 1024 * 1024
_SHOWN: Final = 20
_SIGN = click.option(
    "--sign", "signing_keys", type=FILE, multiple=True, required=True, metavar="KEY.sec",
    help="Signing key, from 'havre keys generate --signing'. May be repeated.",
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
@_PASSPHRASE
@common_options
def evidence(
    invocation: Invocation,
    wave: Path,
    out: Path,
    signing_keys: Sequence[Path],
    group: str,
    inventory: Path | None,
    passphrase_env: str | None,
) -> int:
    """Write a folder from which anybody who trusts the signing key can check what became of every object.

    By default nothing in it tells a name, a size or a digest of an object: each is committed to under a salt
    of its own and can be opened later, one by one, with 'havre prove', or all together with --open.
    """
    from migrator.core.commitments import FIELDS  # noqa: PLC0415 - loads when used
    from migrator.evidence.against import NEEDED  # noqa: PLC0415 - loads when used
    from migrator.evidence.bundle import write_bundle  # noqa: PLC0415 - loads when used
    from migrator.evidence.facts import Inventory  # noqa: PLC0415 - loads when used
    from migrator.evidence.manifest_reader import sha256_of  # noqa: PLC0415 - loads when used

    named = None if inventory is None else Inventory(inventory.name, sha256_of(inventory))
    signers = _signers(signing_keys, passphrase_env)
    opened = {"none": (), "target": tuple(set(NEEDED) - {"plaintext_sha256"}), "all": FIELDS}[group]
    with _reading(invocation, wave) as (ledger, plan, files):
        bundle = write_bundle(
            ledger,
            plan,
            files.plan_path.read_bytes(),
            out,
            signers=signers,
            gate=_gate(files, ledger, plan),
            derogations=_derogations(files),
            inventory=named,
            opened=opened,
        )
    facts: dict[str, Any] = {
        "folder": str(bundle.folder),
        "root": bundle.root.hex(),
        "rows": bundle.rows,
        "states": dict(bundle.states),
        "weakest": bundle.weakest,
        "signed_by": [signer.public.name for signer in signers],
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
        ]
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
@key_options
@common_options
def check_evidence(  # noqa: PLR0917 - the verb's options
    invocation: Invocation,
    folder: Path,
    trust: Sequence[Path],
    against: str | None,
    level: str,
    workers: int,
    identities: Sequence[Path],
    passphrase_env: str | None,
) -> int:
    """Say whether a bundle holds, and name the file and line of everything that does not.

    Needs no ledger, no network and no private key. With --against, stored objects are compared with the
    digests that the bundle opens; with --identity too, they are decrypted and hashed.
    """
    from migrator.evidence.check import check_bundle  # noqa: PLC0415 - loads when used

    output = invocation.output
    verdict = check_bundle(folder, _trusted(trust), now_ms=int(time.time() * 1000))
    compared = None
    if against is not None and verdict.holds:
        compared = _compare(invocation, folder, against, level, workers, identities, passphrase_env)
    if output.json:
        output.object(_as_json(verdict, compared))
    else:
        output.lines(_told(verdict, compared))
    return 0 if verdict.holds and not (compared and compared.differences) else EvidenceInvalid.exit_code


@click.command(
    cls=Verb,
    short_help="Prove what became of some objects, and nothing else.",
    epilog="""
havre prove may.toml patients/0001.dcm --sign office.sec -o proof.json
havre prove may.toml a.dcm b.dcm --field source_key --field plaintext_sha256 --sign office.sec -o proof.json
havre prove --check proof.json --trust office.pub
""",
)
@click.argument("wave", type=WAVE, metavar="WAVE.toml", required=False)
@click.argument("keys", nargs=-1, metavar="[KEY]...")
@click.option("--field", "fields", multiple=True, metavar="FIELD",
              help="Field to show; default source_key and plaintext_sha256. May be repeated.")  # fmt: skip
@click.option("--sign", "signing_keys", type=FILE, multiple=True, metavar="KEY.sec", help="Signing key.")
@click.option("-o", "--output", "out", type=FILE, metavar="FILE", help="Proof file to write.")
@click.option("--check", type=FILE, metavar="FILE", help="Check a proof instead of making one.")
@click.option(
    "--trust", type=FILE, multiple=True, metavar="KEY.pub", help="With --check: key that you trust."
)
@_PASSPHRASE
@common_options
def prove(  # noqa: PLR0917 - the verb's options
    invocation: Invocation,
    wave: Path | None,
    keys: Sequence[str],
    fields: Sequence[str],
    signing_keys: Sequence[Path],
    out: Path | None,
    check: Path | None,
    trust: Sequence[Path],
    passphrase_env: str | None,
) -> int:
    """Write a self-contained proof for chosen objects and chosen fields; it says nothing about any other.

    With --check, read such a proof and print what it shows.
    """
    if check is not None:
        return _check_proof(invocation, check, trust)
    if wave is None or not keys or out is None or not signing_keys:
        raise UsageError(
            "a proof needs a wave, a key, --sign and -o",
            hint="or name a proof to read with --check and --trust",
        )
    from migrator.evidence.prove import write_proof  # noqa: PLC0415 - loads when used

    signers = _signers(signing_keys, passphrase_env)
    with _reading(invocation, wave) as (ledger, plan, _):
        data = write_proof(ledger, plan, keys, fields or ("source_key", "plaintext_sha256"), signers=signers)
    from migrator.cli.verb_keys import write_new  # noqa: PLC0415 - loads when used

    write_new(out, data.decode(), 0o600)
    if invocation.output.json:
        invocation.output.object({"file": str(out), "objects": len(keys), "bytes": len(data)})
    else:
        invocation.output.lines([f"proof    {out}", f"objects  {len(keys)}"])
    return 0


def _check_proof(invocation: Invocation, path: Path, trust: Sequence[Path]) -> int:
    from migrator.cli.keyring import read_bounded  # noqa: PLC0415 - loads when used
    from migrator.core.canonical import decode  # noqa: PLC0415 - loads when used
    from migrator.evidence.prove import check_proof  # noqa: PLC0415 - loads when used

    if not trust:
        raise UsageError("a proof is checked with a key that you trust", hint="name it with --trust KEY.pub")
    data = read_bounded(path, _MAX_PROOF)
    if not data.endswith(b"\n"):
        raise EvidenceInvalid("the proof's last line has no end")
    proof = check_proof(decode(data[:-1]), _trusted(trust))
    rows: list[dict[str, Any]] = [
        {
            "row": each.row.row,
            "state": each.row.state,
            "level": each.row.level,
            "at": each.row.at,
            "opened": each.values,
        }
        for each in proof.rows
    ]
    if invocation.output.json:
        invocation.output.object(
            {
                "holds": True,
                "wave_id": proof.wave_id,
                "size": proof.size,
                "trusted": list(proof.trusted),
                "rows": rows,
            }
        )
        return 0
    lines = [
        "the proof holds",
        f"wave       {proof.wave_id}, {proof.size:,} rows",
        f"signed by  {', '.join(proof.trusted)}, which you trust",
    ]
    for row in rows:
        lines.append(
            f"row {row['row']:,}: {row['state']}" + (f", verified: {row['level']}" if row["level"] else "")
        )
        lines += [f"  {name:<18} {value}" for name, value in sorted(row["opened"].items())]
    invocation.output.lines(lines)
    return 0


def _signers(paths: Sequence[Path], passphrase_env: str | None) -> list[Signer]:
    from migrator.cli.signing import open_signer  # noqa: PLC0415 - loads when used

    return [open_signer(path, passphrase_env) for path in paths]


def _trusted(paths: Sequence[Path]) -> list[PublicKey]:
    from migrator.cli.signing import read_public_key  # noqa: PLC0415 - loads when used

    return [read_public_key(path) for path in paths]


class _reading:  # noqa: N801 - used like a function
    """A wave's ledger, held so that no run changes it meanwhile, its plan and its files."""

    def __init__(self, invocation: Invocation, wave: Path) -> None:
        self._invocation, self._wave = invocation, wave

    def __enter__(self) -> tuple[Ledger, Plan, WaveFiles]:
        from migrator.cli.wiring import wave_files  # noqa: PLC0415 - loads when used
        from migrator.engine.session import owner  # noqa: PLC0415 - loads when used
        from migrator.ledger.ledger import Ledger  # noqa: PLC0415 - loads when used
        from migrator.ledger.lock import LedgerLock  # noqa: PLC0415 - loads when used

        files = wave_files(self._invocation, self._wave)
        plan = files.load()
        if not files.ledger.exists():
            raise NothingThere("this wave has no ledger yet", hint="run 'havre migrate' first")
        self._lock = LedgerLock(files.lock, owner())
        try:
            self._ledger = Ledger.open(files.ledger, wave_id=plan.id, plan_digest=plan.digest, read_only=True)
        except BaseException:
            self._lock.release()
            raise
        return self._ledger, plan, files

    def __exit__(self, *_: object) -> None:
        self._ledger.close()
        self._lock.release()


def _gate(files: WaveFiles, ledger: Ledger, plan: Plan) -> dict[str, Any]:
    """The verdict that the wave rests on, whole; where none was asked for, that."""
    from migrator.engine.gate_files import kept_verdict  # noqa: PLC0415 - loads when used

    return kept_verdict(files, ledger.meta("gate")) or {"outcome": plan.gate}


def _derogations(files: WaveFiles) -> dict[str, bytes]:
    """What was relied on, by digest. Signatures cover what the envelopes hold, not how those are spelt."""
    from migrator.core.canonical import encode  # noqa: PLC0415 - loads when used
    from migrator.engine.gate_files import kept_derogations  # noqa: PLC0415 - loads when used

    return {
        f"{hashlib.sha256(data).hexdigest()}.json": encode(json.loads(data)) + b"\n"
        for data in kept_derogations(files)
    }


def _compare(
    invocation: Invocation,
    folder: Path,
    against: str,
    level: str,
    workers: int,
    identities: Sequence[Path],
    passphrase_env: str | None,
) -> Comparison:
    from migrator.cli.keyring import Passphrases, open_identities  # noqa: PLC0415 - loads when used
    from migrator.cli.wiring import load_opener  # noqa: PLC0415 - loads when used
    from migrator.evidence.against import compare_stored  # noqa: PLC0415 - loads when used
    from migrator.evidence.manifest_reader import openings_of  # noqa: PLC0415 - loads when used

    path = folder / "openings.jsonl"
    if not path.is_file():
        raise UsageError(
            "the bundle opens nothing that could be compared", hint="ask for one made with --open target"
        )
    opened = open_identities(identities, Passphrases(passphrase_env, environ=os.environ))
    with load_opener(invocation, connections=workers)(against, True) as store:
        store.check()
        return compare_stored(
            store, openings_of(path), identities=opened, read_bytes=level == "full", workers=workers
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
        "against": compared
        and {
            "compared": compared.compared,
            "bytes": compared.bytes,
            "decrypted": compared.opened,
            "without": compared.without,
            "differences": [{"row": row, "reason": reason} for row, reason in compared.differences],
        },
    }


def _told(verdict: Verdict, compared: Comparison | None) -> Iterator[str]:
    if not verdict.holds:
        yield f"the bundle does not hold: {len(verdict.findings)} findings"
        for found in verdict.findings[:_SHOWN]:
            where = found.file if found.line is None else f"{found.file}, line {found.line}"
            yield f"  {where}: {found.reason}"
        return
    transfer, verification = verdict.predicates["transfer"], verdict.predicates["verification"]
    yield "the bundle holds"
    yield f"signed by     {', '.join(sorted(verdict.trusted))}, which you trust"
    yield f"claim         {transfer['claim']}"
    states = ", ".join(f"{count:,} {state}" for state, count in sorted(transfer["states"].items()))
    yield f"objects       {verdict.rows:,}: {states}"
    yield f"weakest       {verification['weakest'] or 'nothing was verified'}"
    independent = transfer["inventory"]["independent"]
    yield f"inventory     {independent['name'] if independent else 'none by another party'}"
    if verdict.opened:
        yield f"opened        {verdict.opened:,} rows, as committed"
    yield "not established"
    yield from (f"  {limit}" for limit in transfer["limits_of_this"])
    if compared is not None:
        yield f"against store {compared.compared:,} objects, {compared.bytes:,} bytes, are what was recorded"
        if compared.opened:
            yield f"decrypted     {compared.opened:,} objects"
        for row, reason in compared.differences[:_SHOWN]:
            yield f"  row {row:,}: {reason}"
