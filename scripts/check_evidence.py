"""Decide if an evidence bundle, or a proof, holds: `migrator/docs/evidence-format.md` says what that means.

Called as below, it exits with 0 if all holds, 4 if not, 2 if called wrongly. At most 250 lines, for one sitting.
"""

# fmt: off
import argparse
import base64
import hashlib
import json
import re
import sys
import time
from collections import Counter
from contextlib import contextmanager, suppress
from functools import reduce
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization as ser

DER = {"ed25519": "302a300506032b6570032100", "ml-dsa-65": "308207b2300b0609608648016503040312038207a100"}  # heads of raw keys
DAY, MAX_ROW, MAX_NOTE, MAX_STAMP, MAX_OPENING, MAX_DOCUMENT, MAX_ROWS = 86_400_000, 4096, 8192, 1 << 18, 8 << 20, 16 << 20, 2**40
TRANSFER, VERIFICATION, ROWS = "statements/transfer.json", "statements/verification.json", {"manifest.jsonl", "checkpoint.txt"}
EXTRA, NEEDED = {"openings.jsonl", "timestamp.tsr"}, ROWS | {"plan.toml", "gate.json", "run.json", "keys.json", TRANSFER, VERIFICATION}
LEVELS = ["size", "store-checksum", "ciphertext", "sample", "full"]  # the weakest first
T, N, S = r'"(?:[^"\\]|\\.)*+"', "(?:0|[1-9][0-9]*+)", '"[0-9a-f]{64}"'  # text, number, digest in canonical JSON
def one_of(*words: str) -> str:
    return f'"(?:{"|".join(map(re.escape, words))})"'
def maybe(form: str) -> str:
    return f"(?:null|{form})"
def several(form: str, start: str = r"\[", end: str = r"\]") -> str:
    return f"{start}(?:{form}(?:,{form})*+)?{end}"
def record(**members: str) -> str:
    return r"\{" + ",".join(f'"{name.rstrip("_")}":{form}' for name, form in sorted(members.items())) + r"\}"
FIELDS = {"source_key": T, "source_version": maybe(T), "source_etag": maybe(T), "source_size": N, "plaintext_sha256": maybe(S),
    "target_key": maybe(T), "target_version": maybe(T), "target_etag": maybe(T), "stored_size": maybe(N),
    "ciphertext_sha256": maybe(S), "parts": maybe(several(rf"\[{N},{S}\]")), "header_sha256": maybe(S),
    "segments": maybe(N), "reason": maybe(T)}
VALUE = record(salt='"[0-9a-f]{32}"', value=f"(?:{'|'.join(sorted(set(FIELDS.values())))})")
OPENED = {"commitments": several(f"{T}:{S}", r"\{", r"\}"), "opened": several(f"{T}:{VALUE}", r"\{", r"\}")}
ROW = "|".join((record(row=N, fields=S, at=N, level=one_of(*LEVELS), state=one_of("verified", "skipped")),
    record(row=N, fields=S, at=N, state=one_of("stored", "drifted", "rejected", "failed")),
    record(row=N, fields=S, state=one_of("skipped", "drifted", "rejected", "failed", "planned"))))
KEYS = several(record(name='"[A-Za-z0-9._-]{1,64}"', algorithm=one_of(*DER), keyid=S, public=T, valid_from=N, valid_until=maybe(N), held=one_of("file", "transit")))
ENVELOPE = record(payload=T, payloadType=one_of("application/vnd.in-toto+json"), signatures=several(record(keyid=S, sig=T)))
COUNTS, TREE = several(f"{T}:{N}", r"\{", r"\}"), record(root=S, size=N)
REWRAPS = r'(?:,"rewraps":(?!\[\])' + several(record(at=N, headers=S, objects=N, readers=several(S), revoked="(?:true|false)")) + ")?"
PREDICATES = {
    TRANSFER: record(wave=T, wave_id=T, class_=T, mode=T, names=T, claim=T, made_at=N, tree=TREE, states=COUNTS,
        inventory=record(independent=maybe(record(name=T, sha256=S)), listed_from=N, listed_to=N, rows=N),
        filters=several(rf"\[{one_of('include', 'exclude')},{T}\]"), ledger=record(batches=N, head=S), recipients=several(S) + REWRAPS, limits_of_this=several(T)),
    VERIFICATION: record(wave_id=T, made_at=N, tree=TREE, levels=COUNTS, weakest=maybe(T), from_=maybe(N), to=maybe(N), sample=maybe(record(seed=S, size=N)))}
PROOF = record(format=one_of("havre-proof/1"), checkpoint=T, keys=KEYS, rows=several(record(line=T, path=several(S), **OPENED)))
NOTE = re.compile("(havre/wave/([0-9a-f]{32})\n(0|[1-9][0-9]{0,12})\n([A-Za-z0-9+/]{43}=)\n)\n((?:— [A-Za-z0-9._-]{1,64} [A-Za-z0-9+/=]+\n)+)")
class Wrong(Exception):
    """What is wrong, in words."""
def need(holds: object, reason: str) -> None:
    if not holds:
        raise Wrong(reason)
def number(written: str) -> int:
    need(re.fullmatch("-?[0-9]{1,16}", written) and abs(int(written)) < 2**53, "a number that is no integer below 2^53")
    return int(written)
DECODER = json.JSONDecoder(parse_int=number, parse_float=number, parse_constant=number)
ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True)
def encode(value: Any) -> bytes:
    return ENCODER.encode(value).encode()
def fits(value: Any, form: str) -> bool:
    return re.fullmatch(form, ENCODER.encode(value)) is not None
def canonical(raw: bytes, form: str = ".*", limit: int = MAX_DOCUMENT) -> Any:
    need(len(raw) <= limit, "too long")
    with suppress(ValueError, RecursionError):
        if encode(value := DECODER.decode(raw.decode())) == raw and re.fullmatch(form, raw.decode()):
            return value
    raise Wrong("not canonical JSON, or not the members and values that it must have")
def unbase64(written: str) -> bytes:
    with suppress(ValueError):
        if base64.b64encode(raw := base64.b64decode(written, validate=True)) == written.encode():
            return raw
    raise Wrong("not base64 as encoding gives it")
def sha(*pieces: bytes) -> bytes:
    return hashlib.sha256(b"".join(pieces)).digest()
def read_keys(listed: Any, now: int) -> list[dict[str, Any]]:
    need(fits(listed, KEYS) and all(0 < len({k[it] for k in listed}) == len(listed) <= 16 for it in ("keyid", "name")), "not 1 to 16 keys")
    for key in listed:
        key["raw"] = unbase64(key["public"])
        need(len(key["raw"]) == {"ed25519": 32}.get(key["algorithm"], 1952) and sha(key["raw"]).hex() == key["keyid"], "a key of a wrong length or keyid")
        need(key["valid_from"] <= now + DAY, f"{key['name']} may not sign yet")
    return listed
def trusted_key(path: Path) -> dict[str, Any]:
    if not (raw := path.read_bytes()).startswith(b"-----BEGIN"):
        return read_keys([canonical(raw.removesuffix(b"\n"))], 2**53)[0]
    der = ser.load_pem_public_key(raw).public_bytes(ser.Encoding.DER, ser.PublicFormat.SubjectPublicKeyInfo).hex()
    need(kind := next((kind for kind in DER if der.startswith(DER[kind])), None), "neither an Ed25519 nor an ML-DSA-65 key")
    return {"algorithm": kind, "raw": bytes.fromhex(der.removeprefix(DER[kind])), "valid_until": None}
def open_fields(entry: dict[str, Any], fields: str) -> None:
    closed, opened, joined = entry["commitments"], entry["opened"], b"\2"
    need(opened and sorted([*closed, *opened]) == sorted(FIELDS), "not each field once, opened or with a commitment")
    for name, form in FIELDS.items():
        if name in opened:
            need(fits(opened[name]["value"], form), f"not a value that {name} may have")
            salted = bytes.fromhex(opened[name]["salt"]) + bytes([len(name)]) + name.encode()
        joined += sha(b"\1", salted, encode(opened[name]["value"])) if name in opened else bytes.fromhex(closed[name])
    need(sha(joined).hex() == fields, "what is opened does not give the row's fields")
def climb(index: int, size: int, leaf: bytes, path: list[str]) -> bytes:
    if size == 1 or not path:
        return leaf if size == 1 and not path else b""  # b"": no path of that length
    half = 1 << (size - 1).bit_length() - 1
    below = climb(index % half, half if index < half else size - half, leaf, path[:-1])
    return sha(b"\1", below, bytes.fromhex(path[-1])) if index < half else sha(b"\1", bytes.fromhex(path[-1]), below)
class Check:
    """One judgement, by the keys that a reader trusts and the reader's clock in milliseconds since 1970."""
    def __init__(self, trusted: list[dict[str, Any]], now: int) -> None:
        self.found: list[tuple[str, int, str]] = []
        self.trusted, self.now, self.digests = {key["raw"]: key for key in trusted}, now, dict[str, str]()
    @contextmanager
    def _about(self, file: str, line: int = 0) -> Any:
        try:
            yield
        except (Wrong, OSError) as wrong:
            self.found += [(file, line, str(wrong))] if len(self.found) < 1000 else []  # a million would need memory
    def _signed(self, file: str, must: list[Any], has: list[Any], message: bytes) -> None:
        good, always = set(), {raw for raw, key in self.trusted.items() if key["algorithm"] != "ed25519"}
        for (_, key), (_, signature) in zip(must, has, strict=False):
            with suppress(InvalidSignature, UnsupportedAlgorithm, ValueError):
                ser.load_der_public_key(bytes.fromhex(DER[key["algorithm"]]) + key["raw"]).verify(signature, message)
                good.add(key["raw"])
        with self._about(file):
            need([mark for mark, _ in has] == [mark for mark, _ in must], "not signed by just the listed keys, in order")
            need(len(good) == len(must), "a signature is wrong, or of a kind that cannot be checked here")
            need(good & self.trusted.keys(), "no signature by a key that the reader trusts")
            need(file not in PREDICATES or always <= good, "no signature by an ML-DSA key that the reader trusts")
    def _checkpoint(self, file: str, raw: bytes, keys: list[dict[str, Any]]) -> tuple[str, int, str]:
        body, wave, size, root, notes = match.groups() if (match := NOTE.fullmatch(raw.decode(errors="replace"))) else [""] * 5
        need(body and int(size) <= MAX_ROWS and len(raw) <= MAX_NOTE, "not in the form of a checkpoint")
        has = [(name, unbase64(mark)) for _, name, mark in (note.split(" ") for note in notes.splitlines())]
        must = [((k["name"], sha(k["name"].encode(), b"\n\1", k["raw"])[:4]), k) for k in keys if k["algorithm"] == "ed25519"]
        self._signed(file, must, [((name, mark[:4]), mark[4:]) for name, mark in has], body.encode())
        return wave, int(size), unbase64(root).hex()
    def _statement(self, file: str, envelope: Any, keys: list[dict[str, Any]], subjects: set[str]) -> dict[str, Any]:
        need(fits(envelope, ENVELOPE), "not in the form of an envelope")
        payload = unbase64(envelope["payload"])
        has = [(one["keyid"], unbase64(one["sig"])) for one in envelope["signatures"]]
        self._signed(file, [(key["keyid"], key) for key in keys], has, b"DSSEv1 28 application/vnd.in-toto+json %d " % len(payload) + payload)
        form = record(_type=one_of("https://in-toto.io/Statement/v1"), predicateType=one_of(f"urn:havre:predicate:{file[11:-5]}:1"),
                      subject=several(record(name=T, digest=record(sha256=S))), predicate=PREDICATES[file])
        said = canonical(payload, form)
        self.found += [(one["name"], 0, f"not the file that {file} is about") for one in said["subject"]
                       if one["digest"]["sha256"] != self.digests.get(one["name"])]
        need([one["name"] for one in said["subject"]] == sorted(subjects), "not about the files that it must be about")
        return said["predicate"]
    def _lines(self, root: Path, file: str, limit: int, form: str) -> Any:
        digest = hashlib.sha256()
        with self._about(file), (root / file).open("rb") as stream:
            for count, line in enumerate(iter(lambda: stream.readline(limit + 2), b""), 1):
                digest.update(line)
                need(line.endswith(b"\n"), f"line {count} is too long, or was cut off")
                value = {"row": 0}
                with self._about(file, count):
                    value = canonical(line[:-1], form, limit)
                yield count, line[:-1], value
        self.digests[file] = digest.hexdigest()
    def _rows(self, root: Path, openings: Any, end: Any = (0, b"", {"row": 0})) -> dict[str, Any]:
        states, levels, weakest, times, peaks, count = Counter[str](), Counter[str](), len(LEVELS), list[int](), list[bytes](), 0
        turn, _, entry = next(openings, end)
        for count, line, row in self._lines(root, "manifest.jsonl", MAX_ROW, ROW):
            peaks.append(sha(b"\0", line))
            for _ in range((count & -count).bit_length() - 1):
                peaks[-2:] = [sha(b"\1", *peaks[-2:])]
            with self._about("manifest.jsonl", count):
                need(row["row"] == count, "not the row that must be next")
                states[row["state"]] += 1
                levels.update([row["level"]] if "level" in row else [])
                weakest = min(weakest, LEVELS.index(row["level"])) if row["state"] == "verified" else weakest
                times = [min(*times[:1], row["at"], 2**53), max(*times[1:], row["at"], 0)] if "at" in row else times
                if entry["row"] == count:
                    with self._about("openings.jsonl", turn):
                        open_fields(entry, row["fields"])
                    turn, _, entry = next(openings, end)
        self.found += [("openings.jsonl", turn, "a row that there is not, or that does not rise")] if turn else []
        top = reduce(lambda right, left: sha(b"\1", left, right), peaks[::-1]) if peaks else sha()
        return {"tree": {"root": top.hex(), "size": count}, "states": states, "levels": levels,
                "weakest": [*LEVELS, None][weakest], "from": [*times, None][0], "to": [*times, None, None][1]}
    def bundle(self, root: Path) -> None:
        """Judge a bundle."""
        names, keys, files, size = set[str](), list[dict[str, Any]](), dict[str, Any](), 0
        for path in sorted(path for down in ("*", "statements/*", "derogations/*") for path in root.glob(down)):
            with self._about(name := path.relative_to(root).as_posix()):
                need(not path.is_symlink() and (path.is_dir() or path.is_file()), "a symbolic link, or not a file")
                if path.is_file() or name not in ("statements", "derogations"):
                    need((name in NEEDED | EXTRA and (name not in EXTRA or path.stat().st_size)) or re.fullmatch("derogations/[^/]+[.]json", name), "surplus")
                    names.add(name)
        self.found += [(name, 0, "missing") for name in sorted(NEEDED - names)]
        for name in sorted(names - {"manifest.jsonl", "openings.jsonl"}):
            with self._about(name), (root / name).open("rb") as stream:
                self.digests[name] = sha(raw := stream.read(MAX_DOCUMENT + 2)).hex()
                need(len(raw) <= MAX_DOCUMENT and (raw[-1:] == b"\n" or name[-5:] != ".json"), "too long, or cut off")
                files[name] = canonical(raw[:-1]) if name[-5:] == ".json" else raw
        with self._about("timestamp.tsr"):  # all that can be said without the authority's certificate
            if (stamp := files.get("timestamp.tsr")) is not None:
                need(len(stamp) <= MAX_STAMP and bytes.fromhex(self.digests.get(TRANSFER, "")) in stamp, f"not over {TRANSFER}, or too long")
        with self._about("keys.json"):
            need(fits(files.get("keys.json"), record(keys=KEYS)), "no list of keys as it must be")
            keys = read_keys(files["keys.json"]["keys"], self.now)
        facts = self._rows(root, self._lines(root, "openings.jsonl", MAX_OPENING, record(row=N, **OPENED)) if "openings.jsonl" in names else iter(()))
        with self._about("checkpoint.txt"):
            facts["wave_id"], size, top = self._checkpoint("checkpoint.txt", files.get("checkpoint.txt", b""), keys)
            need(facts["tree"] == {"root": top, "size": size}, "not of the tree over the rows")
        for file, subjects in ((TRANSFER, names - EXTRA - {TRANSFER, VERIFICATION}), (VERIFICATION, ROWS)):
            with self._about(file):
                said = self._statement(file, files.get(file), keys, subjects)
                need(encode(said.get("inventory", {}).get("rows", size)) == encode(size), "inventory: not the rows that there are")
                need((made := said["made_at"]) <= self.now + DAY, "made in the future")
                for key in (key for one in keys for key in (one, self.trusted.get(one["raw"], one))):  # as listed, and as the reader has it
                    need((key["valid_until"] is None or made <= key["valid_until"]) and key.get("valid_from", 0) <= self.now + DAY, "made when a key was not valid")
                need(said.get("rewraps", [{"readers": said.get("recipients")}])[-1]["readers"] == said.get("recipients"), "rewraps: other readers at the end")
                for name in sorted(said.keys() & facts.keys()):
                    need(encode(said[name]) == encode(facts[name]), f"{name} is not what the other files give")
                facts |= {"wave_id": said["wave_id"], "made_at": made}
    def proof(self, path: Path) -> None:
        """Judge a proof."""
        with self._about(file := path.name), path.open("rb") as stream:
            need(len(raw := stream.read(MAX_DOCUMENT + 2)) <= MAX_DOCUMENT and raw.endswith(b"\n"), "too long, or cut off")
            note, last = (proof := canonical(raw[:-1], PROOF))["checkpoint"].encode(), 0
            need(self.digests.get("checkpoint.txt", sha(note).hex()) == sha(note).hex(), "a proof from another bundle")
            _, size, top = self._checkpoint(file, note, read_keys(proof["keys"], 2**53))
            for one in proof["rows"]:
                row = canonical(line := one["line"].encode(), ROW, MAX_ROW)
                need(last < (last := row["row"]) <= size, "rows that do not rise")
                need(climb(last - 1, size, sha(b"\0", line), one["path"]).hex() == top, f"row {last} is not in the tree")
                open_fields(one, row["fields"])
            need(last, "proves nothing")
def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Decide whether an evidence bundle, or a proof, holds.")
    parser.add_argument("dir", nargs="?", type=Path, metavar="DIR")
    parser.add_argument("--trust", type=Path, action="append", required=True, metavar="KEY.pub", help="a key as in keys.json, or PEM")
    parser.add_argument("--proof", type=Path, metavar="FILE")
    asked = parser.parse_args(arguments)
    try:
        check = Check([trusted_key(path) for path in asked.trust], time.time_ns() // 1_000_000)
        need(asked.dir.is_dir() if asked.dir else asked.proof, "no bundle and no proof")
    except (Wrong, OSError, ValueError, UnsupportedAlgorithm) as wrong:
        parser.error(str(wrong))
    _ = asked.dir and check.bundle(asked.dir), asked.proof and check.proof(asked.proof)
    print(*(f"{ascii(file)[1:-1]}{f':{line}' if line else ''}: {reason}" for file, line, reason in check.found),
          "does not hold" if check.found else "holds", sep="\n")
    return 4 if check.found else 0
if __name__ == "__main__":
    sys.exit(main())
