"""``havre prove``: proofs of chosen objects, made and checked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from migrator.cli.group import Invocation, Verb
from migrator.cli.output import printable
from migrator.cli.params import FILE, WAVE, common_options
from migrator.errors import EvidenceInvalid, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["prove"]


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
@click.option("--sign", "signing_keys", type=FILE, multiple=True, metavar="KEY.sec",
              help="Signing key, or transit:NAME for one that a server keeps.")  # fmt: skip
@click.option("-o", "--output", "out", type=FILE, metavar="FILE", help="Proof file to write.")
@click.option("--check", type=FILE, metavar="FILE", help="Check a proof instead of making one.")
@click.option(
    "--trust", type=FILE, multiple=True, metavar="KEY.pub", help="With --check: key that you trust."
)
@click.option("--passphrase-env", metavar="VAR",
              help="Environment variable that holds the signing key's passphrase. Else $HAVRE_PASSPHRASE_FILE "
              "names a file, or the terminal is asked.")  # fmt: skip
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
    from migrator.cli.new_files import write_new  # noqa: PLC0415 - loads when used
    from migrator.cli.signing import open_signer  # noqa: PLC0415 - loads when used
    from migrator.cli.wiring import held_ledger  # noqa: PLC0415 - loads when used
    from migrator.evidence.prove import write_proof  # noqa: PLC0415 - loads when used

    signers = [open_signer(path, passphrase_env) for path in signing_keys]
    built: list[str] = []
    with held_ledger(invocation, wave) as (ledger, plan, files):
        data = write_proof(
            ledger,
            plan,
            keys,
            fields or ("source_key", "plaintext_sha256"),
            signers=signers,
            kept=files.tree,
            on_build=built.append,
        )
    write_new(out, data.decode(), 0o600)
    if invocation.output.json:
        tree = {"built": bool(built), "reason": built[0] if built else None}
        invocation.output.object({"file": str(out), "objects": len(keys), "bytes": len(data), "tree": tree})
    else:
        lines = [f"proof    {out}", f"objects  {len(keys)}"]
        invocation.output.lines(
            [
                *lines,
                *(f"tree     built from all rows: {reason} (the next proof is quick)" for reason in built),
            ]
        )
    return 0


def _check_proof(invocation: Invocation, path: Path, trust: Sequence[Path]) -> int:
    from migrator.cli.keyring import read_bounded  # noqa: PLC0415 - loads when used
    from migrator.cli.signing import read_public_key  # noqa: PLC0415 - loads when used
    from migrator.core.canonical import decode  # noqa: PLC0415 - loads when used
    from migrator.evidence.prove import MAX_PROOF, check_proof  # noqa: PLC0415 - loads when used

    if not trust:
        raise UsageError("a proof is checked with a key that you trust", hint="name it with --trust KEY.pub")
    data = read_bounded(path, MAX_PROOF)
    if not data.endswith(b"\n"):
        raise EvidenceInvalid("the proof's last line has no end")
    proof = check_proof(decode(data[:-1]), [read_public_key(path) for path in trust])
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
        lines += [f"  {name:<18} {printable(str(value))}" for name, value in sorted(row["opened"].items())]
    invocation.output.lines(lines)
    return 0
