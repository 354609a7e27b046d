"""The demonstration: see scripts/demo, which starts this."""

import argparse
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Any, NoReturn

from extraction import Item, make_items
from looking import bytes_at, digest_of, names_of_others, opened_by_crypt4gh, stands_in
from stores import Store, fill, site_table, start_source, start_target
from telling import ROOT, CheckError, Teller, amount, check, fail

_RUN = ROOT / "demo-run"
_MARK = ".made-by-scripts-demo"
_HAVRE = ROOT / ".venv/bin/havre"
_WAVE = "wave.toml"
_PREFIX = "2026-11"
_KEY = "warehouse"
_SIGNER = "office"
_PAPERS = "evidence"
_DIFFERS = 4
_LARGE = "omop/measurement.csv"
_IMAGE = "imaging/CT_small.dcm"
_AWKWARD = "notes/🏥 urgences/🩺 tri.json"
# Slow enough that the kill finds the run at work on any machine, quick enough to watch.
_FIRST_RUN = "24MiB/s"
_KILL_AT = 0.40
_NOT_ANEW = 1.25


@dataclass(frozen=True, slots=True)
class Demo:
    """What every step needs: the teller, the stores, the originals and the environment of havre."""

    tell: Teller
    source: Store
    target: Store
    items: Sequence[Item]
    environment: Mapping[str, str] = field(repr=False)

    @property
    def total(self) -> int:
        """Bytes of the originals."""
        return sum(item.size for item in self.items)

    def item(self, key: str) -> Item:
        """The original of this key."""
        return next(item for item in self.items if item.key == key)

    def havre(self, *arguments: str, expect: int = 0) -> None:
        """Run havre so that its words reach the reader, and check its exit code."""
        print(f"   $ havre {' '.join(arguments)}", flush=True)
        code = subprocess.run([_HAVRE, *arguments], cwd=_RUN, env=self.environment, check=False).returncode
        check(code == expect, f"havre {arguments[0]} exits {expect} (it exited {code})")

    def havre_json(self, *arguments: str) -> dict[str, Any] | None:
        """What havre says with --json, or None where it has nothing to say yet."""
        command = [_HAVRE, *arguments, "--json"]
        answer = subprocess.run(command, cwd=_RUN, env=self.environment, check=False, capture_output=True)
        return json.loads(answer.stdout) if answer.returncode == 0 and answer.stdout else None

    def status(self) -> dict[str, Any]:
        """Where the wave stands."""
        status = self.havre_json("status", _WAVE)
        if status is None:
            fail("havre status --json answers")
        return status


def main() -> int:
    """Run the demonstration; 0 if everything held, 1 if not, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(prog="scripts/demo", description="Show the main job on this machine.")
    parser.add_argument("--source", choices=("auto", "azure", "s3"), default="auto")
    options = parser.parse_args()
    # A polite end of this process must also end the servers: it takes the way of Ctrl-C.
    signal.signal(signal.SIGTERM, _as_interrupt)
    try:
        _run(options.source)
    except KeyboardInterrupt:
        print("\ndemo: interrupted; the servers are stopped", file=sys.stderr)
        return 130
    except CheckError as error:
        print(f"\ndemo: {error}", file=sys.stderr)
        print(f"hint: logs of the servers and the wave's ledger are in {_RUN}", file=sys.stderr)
        return 1
    return 0


def _as_interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def _run(kind: Any) -> None:
    tell = Teller()
    _make_folder()
    with ExitStack() as running:
        tell.step("Two stores start on this machine")
        source = running.enter_context(start_source(_RUN / "source", kind))
        target = running.enter_context(start_target(_RUN / "target"))
        tell.say(f"the warehouse leaves {source.title} at {source.server.endpoint}, bucket {source.bucket}")
        tell.say(f"it goes to {target.title} at {target.server.endpoint}, bucket {target.bucket}")
        tell.step("The source is filled with DICOM files and an invented OMOP extraction")
        items = make_items(_RUN / "originals")
        fill(source, items)
        demo = Demo(tell, source, target, items, _environment(source, target))
        large = demo.item(_LARGE)
        tell.say(
            f"{len(items)} objects, {amount(demo.total)}; the largest is {large.key}, {amount(large.size)}"
        )
        tell.say("names with accents, spaces and emoji, an empty object, content types and metadata")
        _prepare(demo)
        _migrate(demo)
        _verify(demo)
        _restore(demo)
        _prove(demo)
        _ask_others(demo)
    _close(demo)


def _make_folder() -> None:
    if _RUN.is_symlink() or (_RUN.exists() and not (_RUN / _MARK).is_file()):
        fail(f"{_RUN} is not from an earlier demonstration, so it stays as it is; move it away")
    if _RUN.exists():
        shutil.rmtree(_RUN)
    _RUN.mkdir()
    (_RUN / _MARK).write_text("scripts/demo deletes this folder when it starts again\n")


def _environment(*stores: Store) -> dict[str, str]:
    """The environment of havre: without the operator's own configuration, with the stores' credentials."""
    passphrase = _RUN / "passphrase"
    passphrase.touch(mode=0o600)
    passphrase.write_text(f"{secrets.token_urlsafe(24)}\n")
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("HAVRE_", "AWS_"))
    }
    environment |= {"HAVRE_PASSPHRASE_FILE": str(passphrase), "HAVRE_CONFIG": str(_RUN / "havre.toml")}
    for store in stores:
        environment |= store.environment
    return environment


def _prepare(demo: Demo) -> None:
    tell, source, target = demo.tell, demo.source, demo.target
    tell.step("A sites file, a key pair, and a plan that a person can review")
    config = _RUN / "havre.toml"
    config.write_text(f"{site_table(source)}\n{site_table(target)}")
    values = [value for store in (source, target) for value in store.environment.values()]
    check(not any(value in config.read_text() for value in values), "havre.toml holds no credential")
    demo.havre("keys", "generate", "-o", _KEY)
    demo.havre(
        "plan",
        f"{source.site}:{source.bucket}",
        f"{target.site}:{target.bucket}/{_PREFIX}",
        *("--wave", "demo", "--class", "pseudonymised", "--mode", "encrypt"),
        *("--recipient", f"{_KEY}.pub", "--identity", f"{_KEY}.sec", "--names", "visible", "-o", _WAVE),
    )


def _migrate(demo: Demo) -> None:
    tell = demo.tell
    tell.step(f"The run starts, at {_FIRST_RUN} so that it can be watched, and is killed half-way")
    command = [_HAVRE, "migrate", _WAVE, "--bandwidth", _FIRST_RUN]
    print(f"   $ havre {' '.join(command[1:])} &", flush=True)
    child = subprocess.Popen(command, cwd=_RUN, env=demo.environment)
    try:
        share = _wait_for_share(demo, child)
    finally:
        # SIGKILL: no handler runs, nothing is flushed, the ledger is as the last commit left it.
        child.kill()
        child.wait()
    if sys.stderr.isatty():
        print("\x1b[?25h", file=sys.stderr)  # a killed program cannot give the terminal its cursor back
    tell.held(child.returncode == -signal.SIGKILL, f"kill -9, with {share:.0%} of the bytes at the target")
    before = demo.status()
    tell.say(f"the ledger says: {_counts(before)}")
    check(before["bytes"]["stored"] < demo.total, "the run was killed before its end")

    tell.step("The same command again: it goes on where the ledger ends")
    demo.havre("migrate", _WAVE)
    after = demo.status()
    objects = after["objects"]
    done = objects["verified"] + objects["skipped"]
    tell.held(objects["total"] == len(demo.items), f"the inventory lists all {len(demo.items)} objects")
    tell.held(done == len(demo.items), "every object is stored and was verified in full")
    # Had the second run begun anew, it would have sent everything, on top of what had arrived before.
    sent_again = after["bytes"]["resent"] / demo.total
    tell.held(share + sent_again < _NOT_ANEW, "the second run kept what had arrived and sent the rest")


def _wait_for_share(demo: Demo, child: subprocess.Popen[bytes]) -> float:
    """Wait until enough objects are done and enough bytes lie at the target, and return their share.

    The ledger counts an object once it is whole; the target also tells of the parts of objects that are not,
    so the kill falls into the middle of the large one.
    """
    while True:
        if child.poll() is not None:
            fail(f"the run ended by itself before {_KILL_AT:.0%}, with exit code {child.returncode}")
        status = demo.havre_json("status", _WAVE)
        if status is not None:
            done = status["objects"]["stored"] + status["objects"]["verified"]
            share = bytes_at(demo.target) / demo.total
            if done >= _KILL_AT * len(demo.items) and share >= _KILL_AT:
                return share
        time.sleep(0.1)


def _counts(status: Mapping[str, Any]) -> str:
    objects = ", ".join(f"{count} {name}" for name, count in status["objects"].items() if count)
    return f"{objects}; {amount(status['bytes']['stored'])} of {amount(status['bytes']['total'])} stored"


def _verify(demo: Demo) -> None:
    demo.tell.step("Where it stands, and the proof again: every object read back, opened and hashed")
    demo.havre("status", _WAVE)
    demo.havre("verify", _WAVE, "--level", "full", "--identity", f"{_KEY}.sec")


def _restore(demo: Demo) -> None:
    tell = demo.tell
    tell.step("The way back: two objects are restored and compared with their originals")
    tell.say("(a directory has no content types and metadata: havre notes what could not travel)")
    for key in (_LARGE, _AWKWARD):
        demo.havre("restore", _WAVE, "./restored", "--identity", f"{_KEY}.sec", "--include", f"/{key}")
        original = demo.item(key).sha256()
        tell.held(digest_of(_RUN / "restored" / key) == original, f"sha256 {original[:16]}… of {key}")


def _prove(demo: Demo) -> None:
    tell, target = demo.tell, demo.target
    tell.step("Evidence: a signed folder that others check with a public key, without trusting havre")
    demo.havre("keys", "generate", "--signing", "-o", _SIGNER)
    demo.havre("evidence", _WAVE, "--sign", f"{_SIGNER}.sec", "--out", _PAPERS, "--open", "target")
    place = f"{target.site}:{target.bucket}/{_PREFIX}"
    demo.havre("check-evidence", _PAPERS, "--trust", f"{_SIGNER}.pub", "--against", place)
    tell.say("a program that shares no code with havre reads the same folder:")
    tell.held(_checked_by_others(_PAPERS) == 0, "scripts/check_evidence.py says that it holds")
    forged = _RUN / "evidence-forged"
    shutil.copytree(_RUN / _PAPERS, forged)
    rows = (forged / "manifest.jsonl").read_bytes()
    (forged / "manifest.jsonl").write_bytes(rows.replace(b'"level":"full"', b'"level":"size"', 1))
    demo.havre("check-evidence", forged.name, "--trust", f"{_SIGNER}.pub", expect=_DIFFERS)
    tell.held(_checked_by_others(forged.name) == _DIFFERS, "both name the one row that was changed by hand")


def _checked_by_others(folder: str) -> int:
    command = [sys.executable, ROOT / "scripts/check_evidence.py", folder, "--trust", f"{_SIGNER}.pub"]
    return subprocess.run(command, cwd=_RUN, check=False, stdout=subprocess.DEVNULL).returncode


def _ask_others(demo: Demo) -> None:
    tell = demo.tell
    tell.step("Other people's tools look at the target")
    item = demo.item("omop/person.csv")
    opened = _RUN / "opened-by-crypt4gh"
    opened_by_crypt4gh(
        demo.target,
        f"{_PREFIX}/{item.key}.c4gh",
        identity=_RUN / f"{_KEY}.sec",
        passphrase=(_RUN / "passphrase").read_text().strip(),
        into=opened,
    )
    tell.held(
        digest_of(opened) == item.sha256(), f"the crypt4gh package of PyPI opens {item.key}.c4gh: same sha256"
    )
    names = names_of_others(demo.target, _PREFIX)
    expected = {f"{item.key}.c4gh" for item in demo.items}
    tell.held(names == expected, f"rclone lists {len(expected)} objects, each under the name it should have")
    # A store may compress tables on its disk; the pixels of an image it keeps as they are.
    pixels = demo.item(_IMAGE).path.read_bytes()
    needle = pixels[len(pixels) // 2 :][:48]
    tell.held(stands_in(demo.source.data, needle), f"48 bytes of {_IMAGE} stand in the source's files")
    tell.held(not stands_in(demo.target.data, needle), "and nowhere in the target's files")


def _close(demo: Demo) -> None:
    tell = demo.tell
    tell.step("Everything held; the stores are stopped. Where to look")
    for path, what in (
        (_WAVE, "the wave: what was intended, to be reviewed before a run"),
        ("wave.havre/", "its ledger: what happened"),
        ("havre.toml", "the sites, without credentials"),
        ("originals/", "the originals (the DICOM files are in the pydicom package)"),
        ("restored/", "what came back"),
        ("evidence/", "what an auditor needs, beside the public key office.pub"),
        ("source/data/, target/data/", "what the two stores keep on disk"),
    ):
        tell.say(f"demo-run/{path:<27} {what}")
    print(f"\ndemo: done in {tell.elapsed:.0f} s")


if __name__ == "__main__":
    with suppress(BrokenPipeError):
        sys.exit(main())
