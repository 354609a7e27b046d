"""The demonstration's source: DICOM files that pydicom ships, and an extraction shaped like OMOP CDM tables.

The patients are invented: every row comes from a seeded generator and a few lists of concept numbers. The
column names are those of the OMOP Common Data Model 5.4 (ohdsi.github.io/CommonDataModel).
"""

import gzip
import hashlib
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from operator import add
from pathlib import Path

import pydicom.data

__all__ = ["Item", "make_items"]

_SEED = 20_261_121
_PERSONS = 60_000
_BLOCK_ROWS = 20_000
_DRAWN = 8 * _BLOCK_ROWS
_MIB = 1024 * 1024
_HEADERS = {
    "person": "person_id,gender_concept_id,year_of_birth,race_concept_id,ethnicity_concept_id",
    "visit_occurrence": (
        "visit_occurrence_id,person_id,visit_concept_id,visit_start_date,visit_end_date,visit_type_concept_id"
    ),
    "condition_occurrence": (
        "condition_occurrence_id,person_id,condition_concept_id,condition_start_date,condition_type_concept_id"
    ),
    "measurement": (
        "measurement_id,person_id,measurement_concept_id,measurement_date,measurement_type_concept_id,"
        "value_as_number,unit_concept_id"
    ),
    "drug_exposure": (
        "drug_exposure_id,person_id,drug_concept_id,drug_exposure_start_date,drug_type_concept_id,quantity"
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One object of the source: its key, the file with its bytes, and what the store keeps beside it."""

    key: str
    path: Path
    content_type: str
    metadata: dict[str, str] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes."""
        return self.path.stat().st_size

    def sha256(self) -> str:
        """Digest of the original, as sha256sum prints it."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


def make_items(folder: Path) -> list[Item]:
    """Write the originals into `folder` and describe them; the same bytes every time."""
    return [*_dicom(), *_tables(folder), *_awkward(folder)]


def _dicom() -> Iterator[Item]:
    shipped = Path(pydicom.data.__file__).parent / "test_files"
    for path in sorted(shipped.rglob("*.dcm")):
        yield Item(
            key=f"imaging/{path.relative_to(shipped).as_posix()}",
            path=path,
            content_type="application/dicom",
            metadata={"modality": "test", "origin": "pydicom"},
        )


def _tables(folder: Path) -> Iterator[Item]:
    folder.mkdir(parents=True, exist_ok=True)
    metadata = {"cdm": "omop-5.4", "extracted": "2026-11-02"}
    path = folder / "person.csv"
    path.write_text(_persons(), "ascii")
    yield Item(key="omop/person.csv", path=path, content_type="text/csv", metadata=metadata)
    for name, make, size in (
        ("visit_occurrence", _visit, 20),
        ("condition_occurrence", _condition, 30),
        ("measurement", _measurement, 168),
    ):
        path = folder / f"{name}.csv"
        with path.open("wb") as file:
            for block in _rows(name, make, size * _MIB):
                file.write(block)
        yield Item(key=f"omop/{name}.csv", path=path, content_type="text/csv", metadata=metadata)
    for year in range(2019, 2025):
        path = folder / f"drug_exposure-{year}.csv.gz"
        with path.open("wb") as raw, gzip.GzipFile("", "wb", 1, raw, mtime=0) as file:
            for block in _rows("drug_exposure", partial(_drug, year=year), 6 * _MIB):
                file.write(block)
        key = f"omop/drug_exposure/year={year}/part-0000.csv.gz"
        yield Item(key=key, path=path, content_type="application/gzip", metadata=metadata)


def _awkward(folder: Path) -> Iterator[Item]:
    notes = {
        "notes/Compte rendu d'hospitalisation (été 2024).txt": "Sortie à domicile, contrôle à six mois.\n",
        "notes/naïve Ünïcode/œdème & fièvre + 39,5 °C = 100 %.txt": "Œdème régressif, apyrexie ce matin.\n",
        "notes/🏥 urgences/🩺 tri.json": '{"niveau": 3, "motif": "douleur thoracique"}\n',
        "notes/empty": "",
    }
    for number, (key, text) in enumerate(notes.items()):
        path = folder / f"note-{number}"
        path.write_text(text, "utf-8")
        content_type = "application/json" if key.endswith("json") else "text/plain; charset=utf-8"
        yield Item(key=key, path=path, content_type=content_type, metadata={"language": "fr"})


# --- rows ---------------------------------------------------------------------------------------
# What follows a row's number is drawn once for a good hundred thousand rows, and used again from
# other places: writing a table is then as quick as joining text.


def _rows(name: str, make: Callable[[random.Random], str], size: int) -> Iterator[bytes]:
    """Yield a table of about `size` bytes, in blocks."""
    chance = random.Random(f"{_SEED}/{name}")
    rests = [make(chance) for _ in range(8192)]
    who = chance.choices(range(1, _PERSONS + 1), k=_DRAWN)
    drawn = [f",{person},{rest}\n" for person, rest in zip(who, chance.choices(rests, k=_DRAWN), strict=True)]
    yield f"{_HEADERS[name]}\n".encode()
    written, first = 0, 1
    while written < size:
        offset = chance.randrange(_DRAWN - _BLOCK_ROWS)
        numbers = map(str, range(first, first + _BLOCK_ROWS))
        block = "".join(map(add, numbers, drawn[offset : offset + _BLOCK_ROWS])).encode()
        written += len(block)
        first += _BLOCK_ROWS
        yield block


def _persons() -> str:
    chance = random.Random(f"{_SEED}/person")
    lines = [
        f"{number},{chance.choice((8507, 8532))},{chance.randint(1930, 2023)},0,0\n"
        for number in range(1, _PERSONS + 1)
    ]
    return f"{_HEADERS['person']}\n{''.join(lines)}"


def _date(chance: random.Random, year: int | None = None) -> str:
    return f"{year or chance.randint(2015, 2024)}-{chance.randint(1, 12):02}-{chance.randint(1, 28):02}"


def _visit(chance: random.Random) -> str:
    start = _date(chance)
    return f"{chance.choice((9201, 9202, 9203))},{start},{start},44818518"


def _condition(chance: random.Random) -> str:
    concept = chance.choice((320128, 201826, 317009, 313217, 433736, 257012, 4329847))
    return f"{concept},{_date(chance)},32020"


def _measurement(chance: random.Random) -> str:
    concept, low, high, unit = chance.choice(
        (
            (3004249, 60, 200, 8876),
            (3027018, 40, 160, 8541),
            (3020891, 35, 41, 586323),
            (3016723, 4, 20, 8840),
        )
    )
    return f"{concept},{_date(chance)},44818702,{chance.uniform(low, high):.2f},{unit}"


def _drug(chance: random.Random, *, year: int) -> str:
    concept = chance.choice((1127433, 1503297, 1545958, 19078461, 40213154))
    return f"{concept},{_date(chance, year)},38000177,{chance.randint(1, 90)}"
