"""Holding stored objects against what a bundle opened of them: no ledger, and no key unless there is one.

Source: the last paragraph of the section "Openings" of ``migrator/docs/evidence-format.md``.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
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
_AHEAD: Final = 512
_STEP: Final = 8 * 1024 * 1024
_LARGE: Final = 1024 * 1024
_own: Final = threading.local()
_Outcome = tuple[int | None, str | None, bool]


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
        try:
            for row, (size, difference, opened) in _in_order(pool, check, openings):
                if size is None:
                    result.without += 1
                elif difference is not None:
                    result.differences.append((row, difference))
                else:
                    result.compared += 1
                    result.bytes += size if read_bytes else 0
                    result.opened += opened
                    on_object(size)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)  # what is not begun need not be, to fail
            raise
    return result


def _in_order(
    pool: ThreadPoolExecutor, check: Callable[[Opening], _Outcome], openings: Iterable[Opening]
) -> Iterator[tuple[int, _Outcome]]:
    """Outcomes in the order of rows, others going on while one takes long, never more than a few hundred ahead."""
    ahead: deque[tuple[int, Future[_Outcome]]] = deque()
    for opening in openings:
        ahead.append((opening.row, pool.submit(check, opening)))
        if len(ahead) >= _AHEAD:
            row, future = ahead.popleft()
            yield row, future.result()
    for row, future in ahead:
        yield row, future.result()


def _compare(
    store: ObjectStore,
    identities: tuple[Identity, ...],
    read_bytes: bool,  # noqa: FBT001 - internal
    opening: Opening,
) -> _Outcome:
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
    at = None if version is None else VersionId(str(version))
    try:
        if read_bytes and size:
            opened = _compare_bytes(store, key, at, size, values, identities)
        else:
            meta = store.head(key, version=at)
            _check_size(meta.size, size)
            recorded = values.get("ciphertext_sha256")
            for claim in meta.claims if recorded is not None else ():
                if claim.algorithm == "sha256" and claim.digest.hex() != recorded:
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
    version: VersionId | None,
    size: int,
    values: dict[str, Any],
    identities: tuple[Identity, ...],
) -> bool:
    """Compare stored bytes; whether plain bytes were compared too: only where their digest was opened."""
    pieces = _pieces(size, values)
    # The first read tells size and etag as well as a HEAD would, which is half of what a small object costs.
    length = min(size, pieces[0][0], _STEP) or min(size, _STEP)
    try:
        first = store.read(
            key, span=Span(start=0, length=length), pin=Pin(version=version), into=_buffer(length)
        )
    except RangeInvalid:
        _check_size(store.head(key, version=version).size, size)
        raise
    _check_size(first.meta.size, size)
    pin = Pin(version=first.meta.version or version, etag=first.meta.etag, size=size)

    def read(start: int, length: int) -> memoryview:
        if start == 0 and length == len(memoryview(first.data)):
            return memoryview(first.data)
        return memoryview(
            store.read(key, span=Span(start=start, length=length), pin=pin, into=_buffer(length)).data
        )

    def read_anew(start: int, length: int) -> memoryview:
        return memoryview(store.read(key, span=Span(start=start, length=length), pin=pin).data)

    compare_pieces(read, size, pieces)
    recorded = values.get("plaintext_sha256")
    if not identities or recorded is None:
        return False
    if plain_digest(read_anew, size, identities).hex() != recorded:
        raise IntegrityError("the stored bytes open to something else than was recorded")
    return True


def _buffer(length: int) -> memoryview | None:
    """The thread's own buffer for a large read, which is used again by its next; None for a small one."""
    if length < _LARGE:
        return None
    if not hasattr(_own, "buffer"):
        _own.buffer = memoryview(bytearray(_STEP))
    view: memoryview = _own.buffer[:length]
    return view


def _pieces(size: int, values: dict[str, Any]) -> list[tuple[int, bytes]]:
    whole, parts = values.get("ciphertext_sha256"), values.get("parts")
    try:
        if whole is not None:
            return [(size, bytes.fromhex(whole))]
        if parts:
            return [(_size(length), bytes.fromhex(digest)) for length, digest in parts]
    except (TypeError, ValueError):
        raise IntegrityError("the digests that were opened make no sense") from None
    raise IntegrityError("no digest of the stored bytes was opened")


def _check_size(found: int, recorded: int) -> None:
    if found != recorded:
        raise IntegrityError(f"the store holds {found} bytes, {recorded} were recorded")


def _size(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise IntegrityError("a size that was opened makes no sense")
    return value
