"""What the conformance tests share: gates by declared capability, and short ways to write and read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from providers.errors import KeyRefused, Unsupported
from providers.model import Key, ObjectMeta, PartReceipt, PutOptions, UploadId, UploadRef
from providers.store import ObjectStore

__all__ = ["ABSENT", "gated", "keys_of", "part_bodies", "put", "send_parts", "unfinished", "whole"]

ABSENT = PutOptions(if_absent=True, attempt="absent")


@contextmanager
def gated(held: bool) -> Iterator[None]:
    """A capability that is declared must work; one that is not must be refused, not silently there."""
    if held:
        yield
        return
    with pytest.raises((Unsupported, KeyRefused)):
        yield


def put(store: ObjectStore, key: str, body: bytes = b"body", **options: object) -> ObjectMeta:
    """Write a small object; `options` are those of `PutOptions`."""
    return store.put(Key(key), body, PutOptions(**options))  # type: ignore[arg-type]


def whole(store: ObjectStore, key: str) -> bytes:
    """All of an object's bytes."""
    return bytes(store.read(Key(key)).data)


def keys_of(store: ObjectStore, prefix: str = "") -> list[str]:
    """The keys of a listing, sorted: stores differ in their order."""
    return sorted(meta.key for meta in store.list(prefix))


def unfinished(store: ObjectStore) -> list[UploadRef]:
    """Unfinished uploads, as far as the store lists them."""
    return list(store.list_uploads()) if store.capabilities.lists_uploads else []


def part_bodies(store: ObjectStore, count: int) -> list[bytes]:
    """Parts as small as the store takes them, told apart by their bytes; the last is short."""
    size = max(store.capabilities.min_part, 1024)
    return [bytes([65 + number]) * size for number in range(count - 1)] + [b"the last part"]


def send_parts(store: ObjectStore, key: str, upload: UploadId, bodies: Sequence[bytes]) -> list[PartReceipt]:
    """Send parts in order from number 1."""
    receipts = []
    offset = 0
    for number, body in enumerate(bodies, 1):
        receipts.append(store.put_part(Key(key), upload, number, offset, body))
        offset += len(body)
    return receipts
