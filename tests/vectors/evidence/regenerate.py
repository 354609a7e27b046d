"""Write the vectors of the evidence format, or with ``--check`` compare them with those that are there.

``migrator/docs/evidence-vectors/bundle`` and ``proof.json`` hold under the keys ``*.pub``; ``mutations.json`` lists
changes of them after which a reader must refuse. The bundle is made once, with ``--new-bundle``, for its salts are
drawn; the changes follow from it and from fixed keys, so that a run always writes the same bytes.
"""

import argparse
import base64
import hashlib
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).parents[3]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: E402
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey  # noqa: E402

from migrator.core.merkle import Tree  # noqa: E402
from migrator.evidence.checkpoint import seal_checkpoint  # noqa: E402
from migrator.evidence.dsse import seal_statement  # noqa: E402
from migrator.evidence.prove import write_proof  # noqa: E402
from migrator.evidence.signers import PublicKey  # noqa: E402
from migrator.evidence.signing_keys import FileSigner, public_text  # noqa: E402
from support.evidence import bundle_of, open_ledger, wave_plan  # noqa: E402

HERE = ROOT / "migrator/docs/evidence-vectors"
BUNDLE = HERE / "bundle"
MADE = 1_750_000_000_000
NOW = MADE + 1_000_000
BOTH = ["office.pub", "archive.pub"]


def seed(label):
    return hashlib.sha256(f"havre evidence vectors/{label}".encode()).digest()


def ed25519(name, **times):
    private = Ed25519PrivateKey.from_private_bytes(seed(name))
    return FileSigner(
        PublicKey(name=name, algorithm="ed25519", public=private.public_key().public_bytes_raw(), **times),
        private,
    )


def mldsa(name):
    private = MLDSA65PrivateKey.from_seed_bytes(seed(name))
    return FileSigner(
        PublicKey(name=name, algorithm="ml-dsa-65", public=private.public_key().public_bytes_raw()), private
    )


OFFICE, ARCHIVE, STRANGER = ed25519("office"), mldsa("archive"), ed25519("stranger")


def make_bundle():
    """Draw a new bundle and proof."""
    shutil.rmtree(BUNDLE, ignore_errors=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.object(time, "time_ns", return_value=MADE * 1_000_000),
    ):
        signers = [OFFICE, ARCHIVE]
        bundle = bundle_of(Path(folder), signers, opened=("source_key", "stored_size", "parts", "reason"))
        shutil.copytree(bundle, BUNDLE)
        ledger = open_ledger(Path(folder) / "ledger.sqlite")
        keys = [ledger.row(row).key for row in (2, 12)]
        (HERE / "proof.json").write_bytes(
            write_proof(ledger, wave_plan(), keys, ["source_key", "stored_size"], signers=signers)
        )
        ledger.close()
    for path in (HERE, *HERE.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    for signer in (OFFICE, ARCHIVE, STRANGER):
        (HERE / f"{signer.public.name}.pub").write_bytes(public_text(signer.public))


def files():
    return {str(p.relative_to(BUNDLE)): p.read_bytes() for p in sorted(BUNDLE.rglob("*")) if p.is_file()}


def dumps(value):
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def payload(content):
    return json.loads(base64.b64decode(json.loads(content)["payload"]))


def sealed(content, signer, *, rehash=True, **told):
    """The bundle, made to fit together again and signed by one key; ``told`` replaces members of predicates."""
    content = dict(content)
    tree = Tree()
    for line in content["manifest.jsonl"].splitlines():
        tree.add(line)
    rows = [json.loads(line) for line in content["manifest.jsonl"].splitlines()]
    counts = {"states": [r["state"] for r in rows], "levels": [r["level"] for r in rows if "level" in r]}
    content["keys.json"] = dumps({"keys": [signer.public.as_json()]}) + b"\n"
    content["checkpoint.txt"] = seal_checkpoint(
        payload(content["statements/transfer.json"])["predicate"]["wave_id"], tree.size, tree.root(), [signer]
    )
    for name in ("statements/transfer.json", "statements/verification.json"):
        said = payload(content[name])
        said["predicate"]["tree"] = {"root": tree.root().hex(), "size": tree.size}
        if rehash:
            for member, values in counts.items():
                if member in said["predicate"]:
                    said["predicate"][member] = {value: values.count(value) for value in sorted(set(values))}
            if "inventory" in said["predicate"]:
                said["predicate"]["inventory"]["rows"] = tree.size
        said["predicate"].update({k: v for k, v in told.items() if k in said["predicate"]})
        for subject in said["subject"]:
            subject["digest"]["sha256"] = hashlib.sha256(content[subject["name"]]).hexdigest()
        content[name] = seal_statement(dumps(said), [signer])
    return content


def mutations():
    """Name, reader's keys, and the changed files (None: it is gone) of everything that must be refused."""
    good = files()
    lines = good["manifest.jsonl"].splitlines(keepends=True)
    transfer, verification = good["statements/transfer.json"], good["statements/verification.json"]

    def manifest(*rows):
        return {"manifest.jsonl": b"".join(rows)}

    def swapped(name, old, new, count=1):
        assert old in good[name], (name, old)
        return {name: good[name].replace(old, new, count)}

    def stripped(name, which):
        envelope = json.loads(good[name])
        del envelope["signatures"][which]
        return {name: dumps(envelope) + b"\n"}

    def reencoded(name, change):
        envelope = json.loads(good[name])
        change(envelope)
        return {name: dumps(envelope) + b"\n"}

    raised = manifest(
        *lines[:7],
        lines[7].replace(b'"stored"', b'"verified"').replace(b'"row"', b'"level":"full","row"'),
        *lines[8:],
    )
    other = {**good, **manifest(*lines[:7], *lines[8:])}
    yield "row-changed", BOTH, manifest(lines[0].replace(b'"level":"full"', b'"level":"size"'), *lines[1:])
    yield "row-removed", BOTH, manifest(*lines[:3], *lines[4:])
    yield "last-row-removed", BOTH, manifest(*lines[:-1])
    yield "row-added", BOTH, manifest(*lines, lines[-1].replace(b'"row":12', b'"row":13'))
    yield "row-twice", BOTH, manifest(*lines, lines[-1])
    yield "rows-reordered", BOTH, manifest(lines[1], lines[0], *lines[2:])
    yield (
        "rows-swapped-numbers-kept",
        BOTH,
        manifest(
            lines[1].replace(b'"row":2', b'"row":1'), lines[0].replace(b'"row":1', b'"row":2'), *lines[2:]
        ),
    )
    yield "no-rows", BOTH, manifest()
    yield "blank-line", BOTH, manifest(*lines, b"\n")
    yield "row-of-unknown-state", BOTH, manifest(lines[0].replace(b'"verified"', b'"perfect"'), *lines[1:])
    yield "row-without-end", BOTH, manifest(*lines[:-1], lines[-1].rstrip(b"\n"))
    yield "row-too-long", BOTH, manifest(*lines[:-1], lines[-1].rstrip(b"\n") + b" " * 5000 + b"\n")
    yield "level-raised", BOTH, raised
    yield "checkpoint-of-another-tree", BOTH, {"checkpoint.txt": sealed(other, OFFICE)["checkpoint.txt"]}
    yield (
        "checkpoint-signature-stripped",
        BOTH,
        {"checkpoint.txt": good["checkpoint.txt"].split("—".encode())[0]},
    )
    yield (
        "checkpoint-signed-twice",
        BOTH,
        {
            "checkpoint.txt": good["checkpoint.txt"]
            + "—".encode()
            + good["checkpoint.txt"].split("—".encode())[1]
        },
    )
    yield "checkpoint-with-extension", BOTH, swapped("checkpoint.txt", b"\n\n", b"\nmore\n\n")
    yield (
        "checkpoint-name-with-another-line-end",
        BOTH,
        swapped("checkpoint.txt", b" office ", b" off\x0bce "),
    )
    yield "checkpoint-size-with-zero", BOTH, swapped("checkpoint.txt", b"\n12\n", b"\n012\n")
    for name, said in (("transfer", transfer), ("verification", verification)):
        file = f"statements/{name}.json"
        yield f"{name}-stripped", BOTH, reencoded(file, lambda e: e.update(signatures=[]))
        yield f"{name}-ed25519-stripped", BOTH, stripped(file, 0)
        yield f"{name}-ml-dsa-stripped", BOTH, stripped(file, 1)
        yield f"{name}-signatures-reordered", BOTH, reencoded(file, lambda e: e["signatures"].reverse())
        yield (
            f"{name}-signed-twice",
            BOTH,
            reencoded(file, lambda e: e["signatures"].append(e["signatures"][0])),
        )
        yield f"{name}-of-another-type", BOTH, reencoded(file, lambda e: e.update(payloadType="text/plain"))
        yield f"{name}-replaced-by-the-other", BOTH, {file: verification if name == "transfer" else transfer}
        changed = payload(said)
        changed["predicate"]["wave_id"] = "f" * 32
        yield (
            f"{name}-of-another-wave",
            BOTH,
            reencoded(file, lambda e, c=changed: e.update(payload=base64.b64encode(dumps(c)).decode())),
        )
        yield (
            f"{name}-base64-spelt-otherwise",
            BOTH,
            reencoded(file, lambda e: e.update(payload=e["payload"] + "\n")),
        )
        envelope = sealed(good, OFFICE, wave_id="f" * 32)[file]
        resigned = {**sealed(good, OFFICE), file: envelope}
        yield f"{name}-of-another-wave-signed", ["office.pub"], resigned
    yield (
        "verification-of-another-time-signed",
        ["office.pub"],
        {
            **sealed(good, OFFICE),
            "statements/verification.json": sealed(good, OFFICE, made_at=MADE - 5)[
                "statements/verification.json"
            ],
        },
    )
    yield (
        "level-raised-rehashed",
        BOTH,
        {
            **raised,
            **{
                name: reencoded(
                    name,
                    lambda e, n=name: e.update(
                        payload=json.loads(sealed({**good, **raised}, OFFICE)[n])["payload"]
                    ),
                )[name]
                for name in ("statements/transfer.json", "statements/verification.json")
            },
        },
    )
    yield "level-raised-signed-by-stranger", BOTH, sealed({**good, **raised}, STRANGER)
    yield "signed-by-stranger", BOTH, sealed(good, STRANGER)
    yield "reader-trusts-another", ["stranger.pub"], {}
    yield "signed-without-ml-dsa", BOTH, sealed(good, OFFICE)
    yield "counts-wrong-signed", ["office.pub"], sealed(good, OFFICE, states={"verified": 12})
    yield "levels-wrong-signed", ["office.pub"], sealed(good, OFFICE, levels={"full": 12})
    yield "weakest-wrong-signed", ["office.pub"], sealed(good, OFFICE, weakest="size")
    yield "times-wrong-signed", ["office.pub"], sealed(good, OFFICE, to=MADE + 7)
    yield "count-as-truth-signed", ["office.pub"], sealed(good, OFFICE, states={"verified": True})
    yield "from-the-future-signed", ["office.pub"], sealed(good, OFFICE, made_at=NOW + 2 * 86_400_000)
    yield (
        "key-expired-signed",
        ["office.pub"],
        sealed(good, ed25519("office", valid_from=0, valid_until=MADE - 1)),
    )
    yield (
        "key-not-yet-valid-signed",
        ["office.pub"],
        sealed(good, ed25519("office", valid_from=NOW + 2 * 86_400_000)),
    )
    yield (
        "stored-without-time-signed",
        ["office.pub"],
        sealed({**good, **manifest(*lines[:7], b"{" + lines[7].split(b",", 1)[1], *lines[8:])}, OFFICE),
    )
    yield (
        "planned-with-level-signed",
        ["office.pub"],
        sealed(
            {**good, **manifest(*lines[:-1], lines[-1].replace(b'"row"', b'"level":"full","row"'))}, OFFICE
        ),
    )
    yield "gate-changed", BOTH, swapped("gate.json", b"no-objection", b"no-objections")
    yield "plan-changed", BOTH, swapped("plan.toml", b"may", b"jun")
    yield "derogation-gone", BOTH, {"derogations/one.json": None}
    yield (
        "derogation-renamed",
        BOTH,
        {"derogations/one.json": None, "derogations/two.json": good["derogations/one.json"]},
    )
    yield "derogation-added", BOTH, {"derogations/two.json": b"{}\n"}
    yield "surplus-file", BOTH, {"notes.txt": b"hello\n"}
    yield "surplus-statement", BOTH, {"statements/more.json": b"{}\n"}
    for name in sorted(set(good) - {"openings.jsonl"}):
        yield f"{name}-missing", BOTH, {name: None}
        yield f"{name}-emptied", BOTH, {name: b""}
        yield f"{name}-truncated", BOTH, {name: good[name][:-1]}
        yield f"{name}-longer", BOTH, {name: good[name] + b"\n"}
    for name in ("gate.json", "run.json", "keys.json", "derogations/one.json"):
        yield f"{name}-spaced", BOTH, {name: b"{ " + good[name][1:]}
        yield f"{name}-with-mark", BOTH, {name: b"\xef\xbb\xbf" + good[name]}
        first = good[name][1:].split(b":", 1)[0]
        yield f"{name}-member-twice", BOTH, {name: b"{" + first + b":0," + good[name][1:]}
        yield f"{name}-huge-number", BOTH, {name: b'{"a":' + b"9" * 4000 + b"}\n"}
        yield f"{name}-fraction", BOTH, {name: b'{"a":1.5}\n'}
        yield f"{name}-deep", BOTH, {name: b"[" * 5000 + b"]" * 5000 + b"\n"}
    yield "duplicate-in-row", BOTH, manifest(b'{"state":"verified",' + lines[0][1:], *lines[1:])
    yield (
        "huge-number-in-row",
        BOTH,
        manifest(lines[0].replace(b'"row":1', b'"row":1' + b"0" * 400), *lines[1:]),
    )
    openings = good["openings.jsonl"].splitlines(keepends=True)
    for name, old, new in (
        ("salt", b'"salt":"', b'"salt":"0000'),
        ("value", b'"value":"patients', b'"value":"somebody'),
        ("row", b'"row":1}', b'"row":13}'),
        ("commitment", b'"commitments":{"', b'"commitments":{"z":"","'),
    ):
        yield (
            f"opening-with-wrong-{name}",
            BOTH,
            {"openings.jsonl": openings[0].replace(old, new, 1) + b"".join(openings[1:])},
        )
    salt = json.loads(openings[0])["opened"]["source_key"]["salt"].encode()
    turned = (b"1" if salt[:1] != b"1" else b"2") + salt[1:]
    yield "opening-with-another-salt", BOTH, {"openings.jsonl": good["openings.jsonl"].replace(salt, turned)}
    yield (
        "opening-of-another-row",
        BOTH,
        {"openings.jsonl": openings[0].replace(b'"row":1}', b'"row":2}') + b"".join(openings[2:])},
    )
    yield "openings-reordered", BOTH, {"openings.jsonl": openings[1] + openings[0] + b"".join(openings[2:])}
    yield "opening-twice", BOTH, {"openings.jsonl": openings[0] + good["openings.jsonl"]}
    yield "openings-empty", BOTH, {"openings.jsonl": b""}
    yield "opening-cut-off", BOTH, {"openings.jsonl": good["openings.jsonl"][:-1]}
    shown = json.loads(openings[0])
    shown["opened"] = {}
    yield "opening-of-nothing", BOTH, {"openings.jsonl": dumps(shown) + b"\n"}


def proof_mutations():
    good = json.loads((HERE / "proof.json").read_bytes())

    def changed(change):
        document = json.loads(dumps(good))
        change(document)
        return dumps(document) + b"\n"

    row = good["rows"][0]
    yield "proof-format", BOTH, changed(lambda d: d.update(format="havre-proof/2"))
    yield "proof-value", BOTH, changed(lambda d: d["rows"][0]["opened"]["source_key"].update(value="other"))
    yield "proof-salt", BOTH, changed(lambda d: d["rows"][0]["opened"]["source_key"].update(salt="0" * 32))
    yield (
        "proof-state",
        BOTH,
        changed(lambda d: d["rows"][0].update(line=row["line"].replace('"full"', '"size"'))),
    )
    yield (
        "proof-row",
        BOTH,
        changed(lambda d: d["rows"][0].update(line=row["line"].replace('"row":2', '"row":3'))),
    )
    yield "proof-path-reversed", BOTH, changed(lambda d: d["rows"][0]["path"].reverse())
    yield "proof-path-longer", BOTH, changed(lambda d: d["rows"][0]["path"].append("00" * 32))
    yield "proof-path-shorter", BOTH, changed(lambda d: d["rows"][0]["path"].pop())
    yield (
        "proof-size",
        BOTH,
        changed(lambda d: d.update(checkpoint=d["checkpoint"].replace("\n12\n", "\n13\n"))),
    )
    yield "proof-unsigned", BOTH, changed(lambda d: d.update(checkpoint=d["checkpoint"].split("—")[0]))
    yield "proof-of-no-row", BOTH, changed(lambda d: d.update(rows=[]))
    yield "proof-row-twice", BOTH, changed(lambda d: d["rows"].append(row))
    yield "proof-rows-reordered", BOTH, changed(lambda d: d["rows"].reverse())
    yield "proof-opens-nothing", BOTH, changed(lambda d: d["rows"][0]["opened"].clear())
    yield "proof-without-keys", BOTH, changed(lambda d: d.update(keys=[]))
    yield "proof-key-unsigned", BOTH, changed(lambda d: d["keys"].append(STRANGER.public.as_json()))
    yield "proof-reader-trusts-another", ["stranger.pub"], (HERE / "proof.json").read_bytes()
    yield "proof-truncated", BOTH, (HERE / "proof.json").read_bytes()[:-1]
    yield "proof-spaced", BOTH, b"{ " + (HERE / "proof.json").read_bytes()[1:]


def text(content):
    """Bytes as JSON text, one character each."""
    return content if content is None else content.decode("latin-1")


def vectors():
    return {
        "comment": "Each must be refused. Files are replaced by these bytes, one character of U+0000 to U+00FF each;"
        " null: the file is taken away. 'now' is the reader's clock in milliseconds.",
        "now": NOW,
        "good": {"trust": BOTH},
        "bundles": [
            {
                "name": name,
                "trust": trust,
                "files": {file: text(data) for file, data in sorted(change.items())},
            }
            for name, trust, change in mutations()
        ],
        "proofs": [
            {"name": name, "trust": trust, "proof": text(data)} for name, trust, data in proof_mutations()
        ],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--new-bundle", action="store_true")
    asked = parser.parse_args()
    if asked.new_bundle:
        HERE.mkdir(exist_ok=True)
        make_bundle()
    path = HERE / "mutations.json"
    made = json.dumps(vectors(), indent=1) + "\n"
    if not asked.check:
        path.write_text(made, encoding="ascii")
    elif path.read_text(encoding="ascii") != made:
        sys.exit("mutations.json is not what the code makes\nhint: run tests/vectors/evidence/regenerate.py")


if __name__ == "__main__":
    main()
