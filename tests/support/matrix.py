"""One cell of the hostile matrix: a wave planned and run against one server, and what became of each object.

The source is a double of an honest S3, so that every key can be there. The target is taken for what a profile says:
`generic-s3`, which promises nothing, or one that claims all that the server may not do. What stands at the target at
the end is read by other people's code (`support.second_reader`) and compared with what the source holds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from migrator.core.modes import DatasetClass, Mode
from migrator.core.plan import Plan
from migrator.core.states import State
from migrator.engine.context import Stop
from migrator.engine.files import WaveFiles
from migrator.engine.planner import KeysRefused, PlanRequest, make_plan
from migrator.engine.progress import Progress
from migrator.engine.run import migrate
from migrator.engine.settings import Settings
from migrator.envelope.keys import Identity
from migrator.errors import MigrationError
from migrator.ledger.ledger import Ledger
from providers.errors import StoreError
from providers.layers.retry import RetryPolicy
from providers.location import Location
from providers.opening import open_store
from providers.sites import Sites
from providers.store import ObjectStore
from support.double_core import Double
from support.double_store import Dialect
from support.endpoints import S3Server
from support.second_reader import KeyRewritten, SecondReader, Unreadable, open_crypt4gh

__all__ = ["AWKWARD", "PLAIN", "PROFILES", "SILENT", "TAKEN", "WRONG", "Cell", "run_cell"]

UNITS = 80
"""64 KiB units in a part: 5 MiB, the least that most servers take."""
_PART = UNITS * 65_536
PLAIN: dict[str, int] = {
    "empty": 0,
    "small": 1000,
    "just over one part": _PART + 1,
    "several parts": 2 * _PART + 100_000,
    "with metadata": 5000,
    "taken": 2000,
}
"""Objects of the first wave by size. `taken` stands at the target already, with other bytes."""
TAKEN = b"somebody else's object"
AWKWARD = {
    "space": "a b/c d",
    "plus": "a+b",
    "percent": "100%25 %zz",
    "a//b": "p/a//b",
    "dir/": "q/dir/",
    "leading slash": "/lead",
    "emoji": "😀/é漢",
    "./ piece": "r/./b",
    "../ piece": "r/s/../b",
    "markup": "a&<>'\"b",
    "?#;": "q?#;=@:,!$*()~",
    "backslash": "a\\b",
    "tab": "a\tb",
    "newline": "a\nb",
    "control": "a\x01b",
    "composed": "\u00e9",
    "decomposed": "e\u0301",
    "long piece": "w" * 250,
    "x": "nest/x",
    "x/y": "nest/x/y",
    "%2F": "a%2Fb",
}
"""Keys of the second wave."""
WRONG = "DONE, WRONG BYTES"
SILENT = "verified; METADATA LOST IN SILENCE"
_LYING = """schema = 1

[profile]
name = "lying"
title = "A profile that claims all that an S3 service could do"
protocol = "s3"

[endpoint]
addressing = { value = "path", status = "measured", source = "a test", date = "2026-11-21" }

[quirks]
"""
_CLAIMS = (
    "put_if_absent", "complete_if_absent", "verifies_sha256", "verifies_md5", "lists_uploads", "tags", "metadata",
    "content_headers", "keys_nest", "any_key", "atomic_put", "complete_tells_etag",
)  # fmt: skip
PROFILES = ("generic-s3", "lying")
_QUICK = RetryPolicy(attempts=3, first_delay=0.001, jitter=0.001, max_delay=0.01)
_SECRET = hashlib.shake_256(b"the reader of the matrix").digest(32)


@dataclass(kw_only=True)
class Cell:
    """How one wave ended.

    Attributes:
        exit_code: What the command would exit with.
        outcomes: Object → how it ended.
    """

    exit_code: int
    outcomes: dict[str, str] = field(default_factory=dict)


def run_cell(root: Path, server: S3Server, *, mode: Mode, profile: str, objects: Mapping[str, str]) -> Cell:
    """Plan and run one wave.

    Args:
        root: An empty directory.
        server: The target.
        mode: `encrypt` or `copy`.
        profile: One of `PROFILES`.
        objects: Name in the matrix → key.
    """
    with Double(Dialect(), kind="double") as source:
        return _Run(root, source.server, server, mode, profile, dict(objects)).run()


class _Run:
    def __init__(
        self,
        root: Path,
        source: S3Server,
        target: S3Server,
        mode: Mode,
        profile: str,
        objects: dict[str, str],
    ) -> None:
        self._root, self._target, self._mode, self._objects = root, target, mode, objects
        self._bodies = {name: _body(name) for name in objects}
        self._buckets = source.new_bucket("source"), target.new_bucket("matrix")
        self._source = source
        self._sites = _write_sites(root, source, target, profile)
        self._environ = {
            "SOURCE_KEY": source.access_key,
            "SOURCE_SECRET": source.secret_key,
            "TARGET_KEY": target.access_key,
            "TARGET_SECRET": target.secret_key,
        }
        self._stop = Stop()
        self._reader = Identity.from_private_bytes(_SECRET)

    def run(self) -> Cell:
        with closing(self._source.client()) as client:
            for name, key in self._objects.items():
                more = (
                    {"Metadata": {"site": "h-7"}, "ContentType": "application/dicom"}
                    if "meta" in name
                    else {}
                )
                client.put_object(Bucket=self._buckets[0], Key=key, Body=self._bodies[name], **more)
        if "taken" in self._objects:
            with closing(self._target.client()) as client:
                client.put_object(Bucket=self._buckets[1], Key=self._target_key("taken"), Body=TAKEN)
        try:
            return self._run()
        except (StoreError, MigrationError) as error:
            # What the command would print and exit with, before or instead of moving anything.
            outcome = f"not begun: {_plain(error)}"
            return Cell(exit_code=error.exit_code, outcomes=dict.fromkeys(self._objects, outcome))

    def _run(self) -> Cell:
        refused: dict[str, str] = {}
        try:
            plan = self._plan()
        except KeysRefused as error:
            # As an operator would who reads the refusal: leave those keys out, and plan again.
            names = {key: name for name, key in self._objects.items()}
            refused = {names[key]: f"refused by plan: {reason}" for key, reason in error.refused}
            plan = self._plan(tuple(key for key, _ in error.refused))
        files = WaveFiles(self._root / "wave.toml")
        files.save(plan)
        report = migrate(
            plan,
            files,
            self._open,
            Settings(workers=1, part_units=UNITS, claim=1, settle=_QUICK),
            progress=Progress(),
            stop=self._stop,
        )
        cell = Cell(exit_code=report.exit_code, outcomes=refused)
        ledger = Ledger.open(files.ledger, wave_id=plan.id, read_only=True)
        try:
            rows = {
                key: (State(state), reason)
                for key, state, reason in ledger.query("SELECT key, state, reason FROM objects")
            }
            self._noted = {
                key for (key,) in ledger.query("SELECT o.key FROM notes n JOIN objects o ON o.row=n.row")
            }
        finally:
            ledger.close()
        for name, key in self._objects.items():
            if name in refused:
                continue
            cell.outcomes[name] = self._outcome(name, *rows.get(key, (State.PLANNED, None)), report)
        return cell

    def _plan(self, without: tuple[str, ...] = ()) -> Plan:
        if without:
            with closing(self._source.client()) as client:
                for key in without:
                    client.delete_object(Bucket=self._buckets[0], Key=key)
        request = PlanRequest(
            source=f"source:{self._buckets[0]}",
            target=f"target:{self._buckets[1]}",
            wave="wave",
            dataset_class=DatasetClass.ANONYMOUS,
            mode=self._mode,
            recipients=(self._reader.recipient(),) if self._mode.seals else (),
            identities=(self._reader,) if self._mode.seals else (),
        )
        return make_plan(request, self._open, now=datetime(2026, 11, 21, tzinfo=UTC)).plan

    def _open(self, text: str, read_only: bool) -> ObjectStore:
        return open_store(
            Location.parse(text),
            self._sites,
            environ=self._environ,
            read_only=read_only,
            retry_policy=_QUICK,
            max_connections=8,
            stop=self._stop.event,
            sleep=lambda _: None,
        )

    # -- what became of it ------------------------------------------------------------------------

    def _target_key(self, name: str) -> str:
        return self._objects[name] + (".c4gh" if self._mode.seals else "")

    def _outcome(self, name: str, state: State, reason: str | None, report: Any) -> str:
        found = self._stored(self._target_key(name))
        if name == "taken":
            if found != TAKEN:
                return "REPLACED"
            return f"kept; {state.word}: {reason}" if state is State.REJECTED else "kept; not moved"
        if state is not State.VERIFIED:
            why = reason or (_plain(report.error) if report.error is not None else "not reached")
            return f"{state.word if state in (State.FAILED, State.REJECTED) else 'not moved'}: {why}"
        if found is None or self._opened(found) != self._bodies[name]:
            return WRONG
        if "meta" in name and self._mode is Mode.COPY and not self._described(name):
            noted = self._objects[name] in self._noted
            return "verified; metadata lost, and noted" if noted else SILENT
        return "verified"

    def _opened(self, stored: bytes) -> bytes | None:
        if not self._mode.seals:
            return stored
        try:
            return open_crypt4gh(stored, _SECRET)
        except ValueError:
            return None

    def _stored(self, key: str) -> bytes | None:
        try:
            return SecondReader(self._target, self._buckets[1]).read(key)
        except (KeyRewritten, Unreadable):
            pass  # libcloud cannot: boto3 reads, which is not our code either
        with closing(self._target.client()) as client:
            try:
                body: bytes = client.get_object(Bucket=self._buckets[1], Key=key)["Body"].read()
            except (ClientError, BotoCoreError):
                return None
            return body

    def _described(self, name: str) -> bool:
        with closing(self._target.client()) as client:
            head = client.head_object(Bucket=self._buckets[1], Key=self._target_key(name))
        # HTTP folds the case of header names, and servers write them as they like.
        metadata = {name.lower(): value for name, value in head.get("Metadata", {}).items()}
        return metadata.get("site") == "h-7" and head["ContentType"] == "application/dicom"


def _body(name: str) -> bytes:
    return hashlib.shake_256(name.encode()).digest(PLAIN.get(name, 100))


def _plain(error: BaseException) -> str:
    """An error's sentence without the bucket, which is another one in each run."""
    return str(getattr(error, "message", type(error).__name__))


def _write_sites(root: Path, source: S3Server, target: S3Server, profile: str) -> Sites:
    fact = '{ value = true, status = "measured", source = "a test", date = "2026-11-21" }'
    (root / "lying.toml").write_text(_LYING + "".join(f"{claim} = {fact}\n" for claim in _CLAIMS))
    chosen = "./lying.toml" if profile == "lying" else profile
    sites = [
        f'[sites.{name}]\nprofile = "{which}"\nendpoint = "{server.endpoint}"\nregion = "{server.region}"\n'
        f'access_key_env = "{name.upper()}_KEY"\nsecret_key_env = "{name.upper()}_SECRET"\n'
        for name, server, which in (("source", source, "./lying.toml"), ("target", target, chosen))
    ]
    config = root / "havre.toml"
    config.write_text("\n".join(sites))
    return Sites.load(config, {})
