"""Waves to be put through faults: places, a plan, runs over wrapped drivers, and what must hold at the end."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from migrator.core.modes import DatasetClass, Level, Mode, Names
from migrator.core.plan import Plan
from migrator.engine.context import Stop
from migrator.engine.files import WaveFiles
from migrator.engine.progress import Progress
from migrator.engine.recipients import write_recipient
from migrator.engine.report import Report
from migrator.engine.restore import plan_return, restore
from migrator.engine.reverify import reverify
from migrator.engine.run import migrate
from migrator.engine.settings import Settings
from migrator.envelope.header import build_header, open_header, parse_header
from migrator.envelope.keys import Identity
from migrator.envelope.policy import check_strict
from migrator.envelope.segments import open_into, seal_into
from migrator.ledger.ledger import Ledger
from providers.driver import StoreDriver
from providers.layers import open_layers
from providers.layers.limit import AdaptiveLimiter
from providers.layers.retry import RetryPolicy
from providers.model import Key, PutOptions
from providers.store import ObjectStore
from support.crash import CrashLayer, Doom
from support.faulty import Faults, FaultyLayer
from support.harness import FilesystemHarness, Harness, load_servers

__all__ = ["FACTS", "UNIT", "Place", "Wave", "content", "folder_place", "opened", "sealed"]

FACTS = load_servers(Path(__file__).parents[1] / "conformance/servers")
UNIT = 65_536
_SEALED_UNIT = UNIT + 28
_QUICK = RetryPolicy(attempts=4, first_delay=0.001, jitter=0.001, max_delay=0.01)


def content(label: str, size: int) -> bytes:
    """Bytes that look random and are the same in every run."""
    return hashlib.shake_256(label.encode()).digest(size)


@dataclass
class Place:
    """A bucket (or directory) and the faults before it."""

    harness: Harness
    bucket: str
    faults: Faults = field(default_factory=Faults)
    changes: dict[str, Any] = field(default_factory=dict)

    def driver(self) -> StoreDriver:
        """A bare driver."""
        return self.harness.driver(self.bucket, **self.changes)

    def bare(self) -> ObjectStore:
        """A store without any layer, to set up and to look."""
        return ObjectStore(self.driver(), location="bare")

    def put(self, key: str, body: bytes, **options: Any) -> None:
        """Place an object, replacing what is there."""
        with self.bare() as store:
            store.put(Key(key), body, PutOptions(**options))

    def objects(self) -> dict[str, bytes]:
        """Every object by key, our own records left out."""
        with self.bare() as store:
            return {
                str(meta.key): bytes(store.read(meta.key).data) if meta.size else b""
                for meta in store.list()
                if not meta.key.startswith(".havre/")
            }

    def uploads(self) -> list[tuple[str, str]]:
        """Unfinished uploads."""
        with self.bare() as store:
            return [(str(found.key), str(found.upload)) for found in store.list_uploads()]

    def leftovers(self) -> list[str]:
        """Files in the staging folder of a directory; nothing elsewhere."""
        if not isinstance(self.harness, FilesystemHarness):
            return []
        staging = self.path / ".havre/uploads"
        return sorted(left.name for left in staging.iterdir()) if staging.is_dir() else []

    @property
    def path(self) -> Path:
        """The directory itself."""
        return Path(self.bucket)


def folder_place(root: Path, name: str, **changes: Any) -> Place:
    """A directory as a place."""
    path = root / name
    path.mkdir()
    return Place(FilesystemHarness(FACTS["filesystem"], root), str(path), changes=changes)


def sealed(plain: bytes, identity: Identity, label: str = "x") -> bytes:
    """A Crypt4GH file of ours."""
    data_key = content(f"key {label}", 32)
    header = build_header(
        data_key,
        [identity.recipient()],
        writer_private=content(f"writer {label}", 32),
        nonces=content("n", 12),
    )
    units = -(-len(plain) // UNIT)
    body = bytearray(len(plain) + 28 * units)
    if units:
        cipher = ChaCha20Poly1305(data_key)
        seal_into(cipher, content(f"p {label}", 6), 0, memoryview(plain), memoryview(body), last=True)
    return header + bytes(body)


def opened(file: bytes, identity: Identity) -> bytes:
    """What a Crypt4GH file holds, by the strict reader; raises where it is not strictly one of ours."""
    parsed = parse_header(memoryview(file))
    cipher = ChaCha20Poly1305(check_strict(open_header(parsed, [identity])))
    body = memoryview(file)[parsed.length :]
    if not len(body):
        return b""
    plain = bytearray(len(body) - 28 * -(-len(body) // _SEALED_UNIT))
    open_into(cipher, 0, body, memoryview(plain), last=True)
    return bytes(plain)


@dataclass
class Wave:
    """One wave with its places, its keys, and the plain content it moves."""

    plan: Plan
    files: WaveFiles
    source: Place
    target: Place
    plain: dict[str, bytes]
    reader: Identity
    settings: Settings
    opener_of: Identity | None = None
    elsewhere: dict[str, Place] = field(default_factory=dict)
    returned: WaveFiles | None = None
    """Where the last restore lives."""
    retry: RetryPolicy = _QUICK

    @classmethod
    def make(
        cls,
        root: Path,
        plain: Mapping[str, bytes],
        *,
        source: Place | None = None,
        target: Place | None = None,
        mode: Mode = Mode.ENCRYPT,
        dataset_class: DatasetClass = DatasetClass.PSEUDONYMISED,
        part_units: int = 3,
        workers: int = 2,
        verify: Level = Level.FULL,
        names: Names = Names.VISIBLE,
        claim: int = 2,
        **plan: Any,
    ) -> Wave:
        """Fill the source and write the plan; directories unless places are given."""
        source = source or folder_place(root, "source")
        target = target or folder_place(root, "target")
        reader = Identity.from_private_bytes(content("reader", 32))
        holder = Identity.from_private_bytes(content("holder", 32))
        for key, body in plain.items():
            if mode.opens:
                source.put(key + ".c4gh", sealed(body, holder, key))
            else:
                source.put(key, body)
        wave_plan = Plan(
            wave="wave",
            id=content(str(root), 16).hex(),
            dataset_class=dataset_class,
            mode=mode,
            source="source",
            target="target",
            recipients=(write_recipient(reader.recipient()),) if mode.seals else (),
            identity="holder.key" if mode.opens else None,
            names=names,
            **plan,
        )
        files = WaveFiles(root / "wave.toml")
        files.save(wave_plan)
        return cls(
            plan=wave_plan,
            files=files,
            source=source,
            target=target,
            plain=dict(plain),
            reader=reader,
            settings=Settings(
                workers=workers, part_units=part_units, claim=claim, verify=verify, settle=_QUICK
            ),
            opener_of=holder if mode.opens else None,
        )

    # -- running ---------------------------------------------------------------------------------

    def run(
        self,
        doom: Doom | None = None,
        *,
        identities: tuple[Identity, ...] | None = None,
        stop: Stop | None = None,
        on_event: Callable[[dict[str, Any]], None] | None = None,
        **settings: Any,
    ) -> Report:
        """One `havre migrate`, in this process."""
        stop = Stop() if stop is None else stop  # a stop that was not requested is false
        if identities is None:
            identities = (self.opener_of,) if self.opener_of else ()
        with doom.watching() if doom else nullcontext():
            return migrate(
                self.files.load(),
                self.files,
                self._opener(stop, doom),
                replace(self.settings, **settings),
                identities=identities,
                progress=Progress(),
                stop=stop,
                on_event=on_event,
            )

    def verify(self, *, identities: tuple[Identity, ...] = (), **settings: Any) -> Report:
        """One `havre verify`."""
        stop = Stop()
        return reverify(
            self.files.load(),
            self.files,
            self._opener(stop, None),
            replace(self.settings, **settings),
            identities=identities,
            progress=Progress(),
            stop=stop,
        )

    def restore(
        self,
        to: Place,
        doom: Doom | None = None,
        *,
        identities: tuple[Identity, ...] | None = None,
        filters: tuple[Any, ...] = (),
        keys: tuple[str, ...] = (),
        readers: tuple[Identity, ...] = (),
    ) -> Report:
        """One `havre restore`."""
        stop = Stop()
        self.elsewhere["back"] = to
        plan = self.files.load()
        recipients = tuple(reader.recipient() for reader in readers)
        with doom.watching() if doom else nullcontext():
            back = plan_return(plan, self.files, "back", recipients=recipients, filters=filters, keys=keys)
            self.returned = back.files
            return restore(
                plan,
                self.files,
                back,
                self._opener(stop, doom),
                self.settings,
                identities=(self.reader,) if identities is None else identities,
                progress=Progress(),
                stop=stop,
            )

    def _opener(self, stop: Stop, doom: Doom | None) -> Callable[[str, bool], ObjectStore]:
        places = {"source": self.source, "target": self.target, **self.elsewhere}

        def opener(text: str, read_only: bool) -> ObjectStore:
            place = places[text]
            driver: StoreDriver = place.driver()
            if doom is not None:
                driver = CrashLayer(driver, doom)
            driver = FaultyLayer(driver, place.faults)
            layered = open_layers(
                driver,
                limiter=AdaptiveLimiter(16),
                read_only=read_only,
                retry_policy=self.retry,
                stop=stop.event,
            )
            return ObjectStore(layered, location=text)

        return opener

    # -- looking ---------------------------------------------------------------------------------

    def target_key(self, key: str) -> str:
        """Where an object goes, names being visible."""
        return key + ".c4gh" if self.plan.mode.seals else key

    def plain_of(self, stored: bytes) -> bytes:
        """The plain bytes of a stored object; raises where it is not a whole and strict one."""
        return opened(stored, self.reader) if self.plan.mode.seals else stored

    def check_visible(self, *, foreign: tuple[str, ...] = ()) -> None:
        """Every visible object is whole and right; what is missing is missing."""
        for key, stored in self.target.objects().items():
            if key in foreign:
                continue
            source = key.removesuffix(".c4gh") if self.plan.mode.seals else key
            assert self.plain_of(stored) == self.plain[source], f"{key} is visible and wrong"

    def check_complete(self, *, but: tuple[str, ...] = ()) -> None:
        """Every object stands at the target, and nothing else does."""
        wanted = {self.target_key(key) for key in self.plain if key not in but}
        assert set(self.target.objects()) == wanted
        self.check_visible()

    def ledger(self) -> Ledger:
        """The ledger, to be read."""
        return Ledger.open(self.files.ledger, wave_id=self.plan.id, read_only=True)

    def audit(self) -> None:
        """The ledger's chain holds and its events lead to the states it shows."""
        ledger = self.ledger()
        try:
            assert ledger.audit() > 0
        finally:
            ledger.close()

    def recorded_bytes(self) -> int:
        """Payload bytes that the ledger holds receipts for."""
        if not self.files.ledger.exists():
            return 0
        ledger = self.ledger()
        try:
            (objects,) = next(
                ledger.query("SELECT coalesce(sum(stored_size), 0) FROM objects WHERE state IN (3, 5)")
            )
            (parts,) = next(
                ledger.query(
                    "SELECT coalesce(sum(parts.size), 0) FROM parts JOIN objects ON objects.row = parts.row "
                    "JOIN uploads ON uploads.row = parts.row WHERE state = 2 AND part_units > 0"
                )
            )
        finally:
            ledger.close()
        return int(objects + parts)

    def reasons(self) -> dict[str, str]:
        """Why objects were not moved, by key."""
        ledger = self.ledger()
        try:
            return dict(ledger.query("SELECT key, reason FROM objects WHERE state IN (4, 7, 8)"))
        finally:
            ledger.close()
