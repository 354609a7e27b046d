"""What stands in the way of a rewrap, and what it leaves alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from migrator.core.modes import Level, Mode
from migrator.engine import rewrap_object
from migrator.engine.context import Context
from migrator.engine.rewrap_source import present
from migrator.errors import UsageError
from migrator.ledger.ledger import Ledger
from migrator.ledger.rows import Row
from providers.drivers.s3 import S3Driver
from providers.errors import Unsupported
from providers.model import Key, ObjectMeta, Pin
from support.crash import Died, Doom
from support.endpoints import AzureServer, S3Server
from support.harness import AzureHarness, S3Harness
from support.rewraps import OTHER, READER, body_of, data_key_of, header_of, rewrapped, stored_objects
from support.waves import FACTS, UNIT, Place, Wave, content, folder_place, opened, sealed

PLAIN = {"empty": b"", "small": content("small", 1000), "dir/parts": content("parts", 6 * UNIT + 77)}


def moved(root: Path, **more: object) -> Wave:
    """A wave that was migrated."""
    wave = Wave.make(root, PLAIN, **more)  # type: ignore[arg-type]
    assert wave.run().exit_code == 0
    return wave


@pytest.mark.parametrize("key", ["small.c4gh", "dir/parts.c4gh"])
def test_changed_at_target(tmp_path: Path, key: str) -> None:
    """What somebody else put in an object's place is named and stays; the others go over; so it is the next time."""
    wave = moved(tmp_path)
    wave.target.put(key, b"not ours")
    for _ in range(2):
        report = rewrapped(wave, add=(OTHER,))
        assert report.exit_code == 3
        assert wave.target.objects()[key] == b"not ours"
    assert wave.reasons()[key.removesuffix(".c4gh")].startswith("changed at target")
    for other, stored in wave.target.objects().items():
        if other != key:
            assert opened(stored, OTHER) == PLAIN[other.removesuffix(".c4gh")]
    assert wave.target.leftovers() == []
    wave.audit()


def test_gone_from_target(tmp_path: Path) -> None:
    """An object that is gone is not made again."""
    wave = moved(tmp_path)
    with wave.target.bare() as store:
        store.delete(Key("small.c4gh"))
    assert rewrapped(wave, add=(OTHER,)).exit_code == 3
    assert "small.c4gh" not in wave.target.objects()
    assert "nothing stands there" in wave.reasons()["small"]


@pytest.mark.parametrize("revoke", [False, True])
@pytest.mark.parametrize("key", ["small.c4gh", "dir/parts.c4gh"])
def test_damage_is_not_carried_on(tmp_path: Path, key: str, revoke: bool) -> None:
    """A byte that rotted at the target, unseen by size and time, is found before anything is replaced."""
    wave = moved(tmp_path)
    path = wave.target.path / key
    stored = bytearray(path.read_bytes())
    stored[-1] ^= 1
    path.write_bytes(stored)
    ledger = wave.ledger()
    etag = ledger.one("SELECT target_etag FROM objects WHERE key=?", (key.removesuffix(".c4gh"),))
    ledger.close()
    with wave.target.bare() as store:
        now = store.head(Key(key)).etag
    # A directory sees that the file was written; a store that rots does not: the record is made to agree.
    writing = Ledger.open(wave.files.ledger, wave_id=wave.plan.id)
    writing.execute("UPDATE objects SET target_etag=? WHERE target_etag=?", (now, etag))
    writing.close()
    report = rewrapped(wave, add=(OTHER,), revoke=revoke)
    assert report.exit_code == 4, report
    assert wave.target.objects()[key] == bytes(stored)


def test_a_wave_that_has_not_ended_is_refused(tmp_path: Path) -> None:
    """Readers are changed when everything stands there, not before."""
    wave = Wave.make(tmp_path, PLAIN)
    with pytest.raises(Died):
        wave.run(Doom(60))
    with pytest.raises(UsageError, match="come to its end"):
        rewrapped(wave, add=(OTHER,))
    assert wave.run().exit_code == 0
    assert rewrapped(wave, add=(OTHER,)).exit_code == 0


def test_plain_waves_have_no_readers(tmp_path: Path) -> None:
    """A wave that encrypts nothing is refused."""
    wave = moved(tmp_path, mode=Mode.COPY)
    with pytest.raises(UsageError, match="no readers"):
        rewrapped(wave, add=(OTHER,))


def test_a_rewrapped_wave_can_be_rewrapped(tmp_path: Path) -> None:
    """A wave in mode `rewrap`, whose objects keep their source's data keys, changes readers like any other."""
    wave = moved(tmp_path, mode=Mode.REWRAP)
    before = wave.target.objects()
    assert rewrapped(wave, add=(OTHER,), remove=(READER,)).exit_code == 0
    after = stored_objects(wave, OTHER)
    assert {key: body_of(body) for key, body in after.items()} == {
        key: body_of(body) for key, body in before.items()
    }


def test_revocation_outlives_an_interruption_and_another_change(tmp_path: Path) -> None:
    """Objects that a cut revocation has not reached are sealed anew by the change after it, asked for or not."""
    wave = moved(tmp_path, workers=1)
    keys = {key: data_key_of(stored, READER) for key, stored in wave.target.objects().items()}
    with pytest.raises(Died):
        rewrapped(wave, Doom(45), revoke=True)
    assert rewrapped(wave, add=(OTHER,)).exit_code == 0
    after = stored_objects(wave, OTHER)
    assert all(data_key_of(stored, OTHER) != keys[key] for key, stored in after.items())
    wave.audit()


def test_the_book_follows(tmp_path: Path) -> None:
    """Who may read the objects may read what surrounded them, and a restore by a new reader alone is whole."""
    wave = moved(tmp_path)
    assert rewrapped(wave, add=(OTHER,), remove=(READER,), revoke=True).exit_code == 0
    back = folder_place(tmp_path, "back")
    assert wave.restore(back, identities=(OTHER,)).exit_code == 0
    assert back.objects() == PLAIN


def test_a_sample_and_a_size_are_not_called_more(tmp_path: Path) -> None:
    """The level that is recorded is the one that was reached; a later verification with a key raises it."""
    wave = moved(tmp_path)
    assert rewrapped(wave, add=(OTHER,), verify=Level.SIZE).level == "size"
    assert rewrapped(wave, remove=(READER,)).level == "ciphertext"
    assert wave.verify(identities=(OTHER,)).level == "full"
    wave.audit()


def test_migrate_after_a_cut_rewrap_harms_nothing(tmp_path: Path) -> None:
    """Whatever a rewrap left, `migrate` moves nothing again and the rewrap carries on."""
    for at in range(20, 90, 10):
        root = tmp_path / str(at)
        root.mkdir()
        wave = moved(root)
        with pytest.raises(Died):
            rewrapped(wave, Doom(at), add=(OTHER,), revoke=True)
        before = wave.target.objects()
        assert wave.run().exit_code == 0, at
        assert wave.target.objects() == before
        assert rewrapped(wave, add=(OTHER,), revoke=True).exit_code == 0
        stored_objects(wave, OTHER)
        assert all(header_of(stored) for stored in before.values())
        wave.audit()


def test_what_stood_there_before_is_brought_over_too(tmp_path: Path) -> None:
    """Objects that were found at the target with the same content are verified, and change readers like the others."""
    wave = Wave.make(tmp_path, PLAIN)
    for key in ("small", "dir/parts"):
        wave.target.put(key + ".c4gh", sealed(PLAIN[key], READER, key))
    assert wave.run(identities=(READER,)).counts["skipped"] == 2
    assert wave.verify(identities=(READER,)).exit_code == 0
    assert rewrapped(wave, add=(OTHER,)).exit_code == 0
    assert rewrapped(wave, remove=(READER,), revoke=True, identities=(OTHER,)).exit_code == 0
    stored_objects(wave, OTHER)
    wave.audit()


def test_damage_of_what_stood_there_before_is_recorded(tmp_path: Path) -> None:
    """An object that was found at the target and rots there is named by a verification, and the ledger holds."""
    wave = Wave.make(tmp_path, PLAIN)
    wave.target.put("small.c4gh", sealed(PLAIN["small"], READER))
    assert wave.run(identities=(READER,)).counts["skipped"] == 1
    wave.target.put("small.c4gh", b"rotten")
    assert wave.verify(identities=(READER,)).exit_code == 4
    assert "small" in wave.reasons()
    wave.audit()


@pytest.mark.server("azurite")
def test_blobs(tmp_path: Path, azurite: AzureServer) -> None:
    """Azure, which copies no parts for us, holds to the condition itself: readers change, a stranger's blob stays."""
    harness = AzureHarness(FACTS["azurite"], azurite)
    target = Place(harness, harness.new_bucket())
    wave = moved(tmp_path, target=target)
    before = target.objects()
    assert rewrapped(wave, add=(OTHER,)).exit_code == 0
    after = stored_objects(wave, OTHER)
    assert {key: body_of(body) for key, body in after.items()} == {
        key: body_of(body) for key, body in before.items()
    }
    target.put("small.c4gh", b"not ours")
    report = rewrapped(wave, remove=(READER,), revoke=True, identities=(READER, OTHER))
    assert report.exit_code == 3
    found = target.objects()
    assert found.pop("small.c4gh") == b"not ours"
    for key, stored in found.items():
        assert opened(stored, OTHER) == PLAIN[key.removesuffix(".c4gh")]
        assert not body_of(stored) or body_of(stored) != body_of(after[key])
    wave.audit()
    harness.drop_bucket(target.bucket)


@pytest.mark.server("seaweedfs")
def test_old_versions_are_told(tmp_path: Path, seaweedfs: S3Server) -> None:
    """In a versioned bucket the old versions stay, open for their readers, and the report counts them."""
    harness = S3Harness(FACTS["seaweedfs"], seaweedfs)
    target = Place(harness, harness.new_bucket(versioned=True))
    wave = moved(tmp_path, target=target, part_units=80)
    report = rewrapped(wave, add=(OTHER,), remove=(READER,))
    assert report.exit_code == 0
    assert any(note.startswith("3 old version(s) stay") for note in report.notes), report.notes
    stored_objects(wave, OTHER)
    ledger = wave.ledger()
    (old,) = ledger.all("SELECT old_version FROM rewraps JOIN objects USING (row) WHERE key='small'")
    ledger.close()
    with target.bare() as store:
        store.check()
        kept = bytes(store.read(Key("small.c4gh"), pin=Pin(version=old[0])).data)
    assert opened(kept, READER) == PLAIN["small"]
    harness.drop_bucket(target.bucket)


LARGE = {"small": PLAIN["small"], "parts": content("parts", 3 * 80 * UNIT)}


def _on_s3(root: Path, server: S3Server) -> Wave:
    harness = S3Harness(FACTS["seaweedfs"], server)
    wave = Wave.make(root, LARGE, target=Place(harness, harness.new_bucket()), part_units=80)
    assert wave.run().exit_code == 0
    return wave


@pytest.mark.server("seaweedfs")
def test_what_the_store_copies_is_not_sent(
    tmp_path: Path, seaweedfs: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of an object in parts only the first travels; where the store refuses to copy after all, everything does."""
    wave = _on_s3(tmp_path, seaweedfs)
    large = len(wave.target.objects()["parts.c4gh"])
    first = 80 * (UNIT + 28)
    doom = Doom()
    assert rewrapped(wave, doom, add=(OTHER,)).exit_code == 0
    assert doom.sent["parts.c4gh"] == first
    before = stored_objects(wave, OTHER)

    def refuse(*_: object, **__: object) -> None:
        raise Unsupported("not today")

    monkeypatch.setattr(S3Driver, "copy_part", refuse)
    doom = Doom()
    assert rewrapped(wave, doom, remove=(READER,)).exit_code == 0
    assert doom.sent["parts.c4gh"] == large
    after = stored_objects(wave, OTHER)
    assert {key: body_of(body) for key, body in after.items()} == {
        key: body_of(body) for key, body in before.items()
    }
    wave.audit()
    wave.target.harness.drop_bucket(wave.target.bucket)


@pytest.mark.server("seaweedfs")
@pytest.mark.parametrize("key", ["small.c4gh", "parts.c4gh"])
def test_a_writer_between_look_and_effect(
    tmp_path: Path, seaweedfs: S3Server, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    """Where the store has the condition, even an object that changes behind the last look is not overwritten."""
    wave = _on_s3(tmp_path, seaweedfs)
    looks: list[str] = []

    def look_and_lose(context: Context, row: Row) -> ObjectMeta | None:
        found = present(context, row)
        if context.target_key(row) == key:
            looks.append(key)
            if len(looks) == 1:  # the one in rewrap_object: just before the effect
                wave.target.put(key, b"not ours")
        return found

    monkeypatch.setattr(rewrap_object, "present", look_and_lose)
    assert rewrapped(wave, add=(OTHER,)).exit_code == 3
    assert wave.target.objects()[key] == b"not ours"
    assert wave.target.uploads() == []
    assert wave.reasons()[key.removesuffix(".c4gh")].startswith("changed at target")
    wave.target.harness.drop_bucket(wave.target.bucket)
