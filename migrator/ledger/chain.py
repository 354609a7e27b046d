"""The hash chain over commit batches.

``digest_n = SHA-256("havre-ledger-1" || digest_{n-1} || seq (8 bytes) || at_ms (8 bytes) || events)``, big-endian,
with 32 zero bytes before the first batch. ``events`` is a CBOR sequence (RFC 8742), one array an event.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from typing import Any, Final

import cbor2

from migrator.core.events import Event, kind_of
from migrator.errors import LedgerCorrupt

__all__ = ["GENESIS", "decode", "encode", "link"]

GENESIS: Final = bytes(32)
_DOMAIN: Final = b"havre-ledger-1"


def encode(event: Event) -> bytes:
    """One event's wire form."""
    return cbor2.dumps([int(kind_of(event)), *event])


def decode(events: bytes) -> Iterator[list[Any]]:
    """The wire events of a batch.

    Raises:
        LedgerCorrupt: The bytes are not a CBOR sequence of arrays.
    """
    stream = io.BytesIO(events)
    decoder = cbor2.CBORDecoder(stream)
    while stream.tell() < len(events):
        try:
            item = decoder.decode()
        except (cbor2.CBORError, ValueError, EOFError, TypeError, RecursionError, MemoryError, OverflowError):
            raise LedgerCorrupt("a batch of the ledger cannot be decoded") from None
        if not isinstance(item, list) or not item or not isinstance(item[0], int):
            raise LedgerCorrupt("a batch of the ledger holds something that is not an event")
        yield item


def link(previous: bytes, seq: int, at_ms: int, events: bytes) -> bytes:
    """The digest of batch ``seq``."""
    digest = hashlib.sha256(_DOMAIN)
    digest.update(previous)
    digest.update(seq.to_bytes(8, "big"))
    digest.update(at_ms.to_bytes(8, "big"))
    digest.update(events)
    return digest.digest()
