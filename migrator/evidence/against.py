"""Holding stored objects against what a bundle opened of them: no ledger, and no key unless there is one.

Source: the last paragraph of the section "Openings" of ``migrator/docs/evidence-format.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any, Final

from migrator.engine.rehash import compare_pieces, plain_digest
from migrator.envelope.keys import Identity
from migrator.errors import IntegrityError
from migrator.evidence.manifest_reader import Opening
from providers.errors import ConditionFailed, NotFound, RangeInvalid
from providers.model import Key, Pin, Span, VersionId
from providers.store import ObjectStore

__all__ = ["NEEDED", "Comparison", "compare_stored"]

NEEDED: Final = (
    "target_key",
    "target_version",
    "stored_size",
    "ciphertext_sha256",
    "parts",
    "plaintext_sha256",
)
"""The fields to open for this."""
_PAGE: Final = 512


@dataclass(slots=True)
class Comparison:
    """What comparing came to.

    Attributes:
        compared: Objects that are what was recorded.
        bytes: Stored bytes that were read.
        opened: Of these, objects that were also decrypted and equal the plaintext digest that was opened.
        without: Rows that say nothing of a stored object.
        differences: Row and reason of each that differs.
    """

    compared: int = 0
    bytes: int = 0
    opened: int = 0
    without: int = 0
    differences: list[tuple[int, str]] = field(default_factory=list)


def compare_stored(
    store: ObjectStore,
    openings: Iterable[Opening],
    *,
    identities: Sequence[Identity] = (),
    read_bytes: bool = True,
    workers: int = 16,
    on_object: Callable[[int], None] = lambda _bytes: None,
) -> Comparison:
    """Compare every object that is opened with what stands in a store.

    Args:
        store: The wave's target.
        openings: What the bundle opened.
        identities: Private keys; with one, plain bytes are compared too.
        read_bytes: Read every byte; else compare sizes and the store's own SHA-256 only.
        workers: Objects at once.
        on_object: Told the stored bytes of each object that was compared.

    Raises:
        StoreError: The store cannot be read.
        NoMatch: No identity opens an object.
        IntegrityError: The bundle does not open the fields that this needs.
    """
    result = Comparison()
    check = partial(_compare, store, tuple(identities), read_bytes)
    with ThreadPoolExecutor(workers, thread_name_prefix="compare") as pool:
        for page in _pages(openings):
            for opening, (size, difference, opened) in zip(page, pool.map(check, page), strict=True):
                if size is None:
                    result.without += 1
                elif difference is not None:
                    result.differences.append((opening.row, difference))
                else:
                    result.compared += 1
                    result.bytes += size if read_bytes else 0
                    result.opened += opened
                    on_object(size)
    return result


def _pages(openings: Iterable[Opening]) -> Iterator[list[Opening]]:
    stream = iter(openings)
    while page := list(islice(stream, _PAGE)):
        yield page


def _compare(
    store: ObjectStore,
    identities: tuple[Identity, ...],
    read_bytes: bool,  # noqa: FBT001 - internal
    opening: Opening,
) -> tuple[int | None, str | None, bool]:
    """The stored size (None where nothing was stored), what differs or None, whether plain bytes were compared."""
    values, opened = opening.values, False
    for name in ("target_key", "stored_size"):
        if name not in values:
            raise IntegrityError(
                f"the bundle does not open the field {name}", hint="ask for a bundle made with --open target"
            )
    if values["stored_size"] is None:
        return None, None, False
    size = _size(values["stored_size"])
    key, version = Key(str(values["target_key"])), values.get("target_version")
    try:
        meta = store.head(key, version=None if version is None else VersionId(str(version)))
        if meta.size != size:
            return size, f"the store holds {meta.size} bytes, {size} were recorded", False
        if read_bytes and size:
            pin = Pin(version=meta.version, etag=meta.etag, size=size)
            opened = _compare_bytes(store, key, pin, size, values, identities)
        elif not read_bytes and values.get("ciphertext_sha256") is not None:
            for claim in meta.claims:
                if claim.algorithm == "sha256" and claim.digest.hex() != values["ciphertext_sha256"]:
                    return size, "the store declares another SHA-256 than was recorded", False
    except NotFound:
        return size, "the object is not there", False
    except (ConditionFailed, RangeInvalid):
        return size, "the object changed while it was read", False
    except IntegrityError as error:
        return size, error.message, False
    return size, None, opened


def _compare_bytes(
    store: ObjectStore,
    key: Key,
    pin: Pin,
    size: int,
    values: dict[str, Any],
    identities: tuple[Identity, ...],
) -> bool:
    """Compare stored bytes; whether plain bytes were compared too: only where their digest was opened."""

    def read(start: int, length: int) -> memoryview:
        return memoryview(store.read(key, span=Span(start=start, length=length), pin=pin).data)

    whole, parts = values.get("ciphertext_sha256"), values.get("parts")
    try:
        if whole is not None:
            pieces = [(size, bytes.fromhex(whole))]
        elif parts is not None:
            pieces = [(_size(length), bytes.fromhex(digest)) for length, digest in parts]
        else:
            raise IntegrityError("no digest of the stored bytes was opened")
    except (TypeError, ValueError):
        raise IntegrityError("the digests that were opened make no sense") from None
    compare_pieces(read, size, pieces)
    recorded = values.get("plaintext_sha256")
    if not identities or recorded is None:
        return False
    if plain_digest(read, size, identities).hex() != recorded:
        raise IntegrityError("the stored bytes open to something else than was recorded")
    return True


def _size(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise IntegrityError("a size that was opened makes no sense")
    return value
