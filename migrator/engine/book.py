"""The metadata book: what surrounded the objects at the source, sealed beside the dataset.

Under ``encrypt`` user metadata, tags and content headers would tell a reader of the target what the ciphertext hides,
so they are kept in one Crypt4GH file under ``.havre/`` and applied again by ``restore``. One JSON line an object:
``{"key", "target", "attributes"}``; objects with nothing to tell are left out unless names are keyed. The page
``object-format.md`` describes it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from migrator.core.events import BookStored
from migrator.core.geometry import DEFAULT_PART_UNITS
from migrator.core.modes import Mode, Names
from migrator.core.names import OWN_PREFIX
from migrator.engine.codec import SourceHeader
from migrator.engine.context import Context
from migrator.engine.settle import discard
from migrator.envelope.arithmetic import CIPHER_SEGMENT, NONCE, PADDED_HEADER, SEGMENT, body_length
from migrator.envelope.header import build_header
from migrator.envelope.keys import Identity
from migrator.envelope.segments import PREFIX, seal_into
from migrator.errors import IntegrityError
from migrator.ledger.ledger import Ledger
from migrator.ledger.rows import decode_attributes
from providers.errors import NotFound, StoreError
from providers.model import Attributes, Key, PartReceipt, PutOptions, Span
from providers.store import ObjectStore

__all__ = ["former_books", "read_book", "write_book"]

_PAGE: Final = 1000
_CHUNK_SEGMENTS: Final = 64


def write_book(context: Context, folder: Path) -> str | None:
    """Write the book of everything stored so far; returns its key, or None if there is nothing to write."""
    keyed = context.plan.names is Names.KEYED
    if context.mode is not Mode.ENCRYPT and not (keyed and context.mode.seals):
        return None
    with tempfile.TemporaryFile(dir=folder) as plain:
        digest = hashlib.sha256()
        for line in _lines(context):
            digest.update(line)
            plain.write(line)
        size = plain.tell()
        if size == 0:
            return None
        last = context.writer.call(Ledger.meta, "book_sha256")
        readers = hashlib.sha256(b"".join(sorted(reader.public for reader in context.recipients))).digest()
        for_them = (context.writer.call(Ledger.meta, "book_readers") or readers) == readers
        key = context.writer.call(Ledger.meta, "book_key")
        if last == digest.digest() and key and for_them:
            _remove_former(context)
            return str(key)
        plain.seek(0)
        # Named by a keyed digest: a plain one could be guessed from what the book says.
        told = digest.digest() if for_them else digest.digest() + readers
        name = hmac.digest(context.stamp_key, told, hashlib.sha256).hex()[:24]
        former = [*former_books(context), *([key] if key else [])]
        key = f"{OWN_PREFIX}{context.wave_id.hex()}/metadata.{name}.c4gh"
        stored = _send(context, Key(key), plain, size, attempt=name)
    context.writer.commit(BookStored(key, stored, digest.digest()))
    context.writer.call(
        Ledger.set_meta,
        book_key=key,
        book_sha256=digest.digest(),
        book_size=stored,
        book_readers=readers,
        # With the new one, so that a run which is cut here leaves none that a former reader opens.
        books_former=json.dumps([name for name in dict.fromkeys(former) if name != key]),
    )
    _remove_former(context)
    return key


def former_books(context: Context) -> list[str]:
    """Keys of older books that were not removed from the target yet; they may be sealed for former readers."""
    return list(json.loads(context.writer.call(Ledger.meta, "books_former") or "[]"))


def _remove_former(context: Context) -> None:
    former = former_books(context)
    kept = []
    for key in former:
        try:
            context.target.delete(Key(key))
        except NotFound:
            continue
        except StoreError:
            kept.append(key)  # the next run tries again
    if kept != former:
        context.writer.call(Ledger.set_meta, books_former=json.dumps(kept))


def _lines(context: Context) -> Iterator[bytes]:
    keyed = context.plan.names is Names.KEYED
    after = 0
    while True:
        rows = context.writer.call(
            Ledger.all,
            "SELECT o.row, o.key, a.body FROM objects o LEFT JOIN attributes a ON a.id=o.attributes "
            "WHERE o.row>? AND o.stored_size IS NOT NULL ORDER BY o.row LIMIT ?",
            (after, _PAGE),
        )
        if not rows:
            return
        for _row, key, body in rows:
            if body is None and not keyed:
                continue
            line: dict[str, Any] = {"key": key, "target": context.names.target(key)}
            if body is not None:
                line["attributes"] = _attributes(body)
            yield json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        after = rows[-1][0]


def _attributes(body: bytes) -> dict[str, Any]:
    attributes = decode_attributes(body)
    found: dict[str, Any] = {}
    for name in (
        "content_type",
        "content_encoding",
        "content_language",
        "content_disposition",
        "cache_control",
    ):
        value = getattr(attributes, name)
        if value is not None:
            found[name] = value
    if attributes.metadata:
        found["metadata"] = dict(attributes.metadata)
    if attributes.tags:
        found["tags"] = dict(attributes.tags)
    return found


def _send(context: Context, key: Key, plain: BinaryIO, size: int, *, attempt: str) -> int:
    """Seal and send the book, in parts if it is large. A book that stands already under its digest is left."""
    data_key = os.urandom(32)
    cipher = ChaCha20Poly1305(data_key)
    readers = context.recipients
    units = max(DEFAULT_PART_UNITS, -(-context.target.capabilities.min_part // CIPHER_SEGMENT))
    options = PutOptions(attempt=attempt)
    discard(context.target, key, attempt)
    large = size > units * SEGMENT
    header = build_header(
        data_key,
        readers,
        writer_private=os.urandom(32),
        nonces=os.urandom(NONCE * len(readers)),
        pad_to=PADDED_HEADER if large else None,
        padding_entropy=os.urandom if large else None,
    )
    total = len(header) + body_length(size)
    if not large:
        body = bytearray(total)
        body[: len(header)] = header
        data = memoryview(plain.read())
        seal_into(cipher, os.urandom(PREFIX), 0, data, memoryview(body)[len(header) :], last=True)
        context.target.put(key, body, options, sha256=hashlib.sha256(body).digest())
        return total
    upload = context.target.open_upload(key, options)
    receipts: list[PartReceipt] = []
    offset, index, number = 0, 0, 1
    pending = bytearray(header)
    while index * SEGMENT < size:
        wanted = units - 1 if number == 1 else units  # the padded header takes a segment's place
        data = memoryview(plain.read(wanted * SEGMENT))
        sealed = bytearray(body_length(len(data)))
        last = index * SEGMENT + len(data) == size
        seal_into(cipher, os.urandom(PREFIX), index, data, memoryview(sealed), last=last)
        part = pending + sealed
        pending = bytearray()
        receipts.append(
            context.target.put_part(key, upload, number, offset, part, sha256=hashlib.sha256(part).digest())
        )
        offset, index, number = offset + len(part), index + wanted, number + 1
    context.target.complete_upload(key, upload, receipts, options)
    return total


def read_book(
    target: ObjectStore, key: Key, identities: tuple[Identity, ...], *, sha256: bytes, size: int | None = None
) -> Iterator[tuple[str, str, Attributes]]:
    """The book's entries: source key, target key, attributes. They count only once the iterator has ended.

    ``size`` is how many bytes were written: of another book nothing is read.

    Raises:
        EnvelopeError: No identity opens it, or it is damaged.
        IntegrityError: It is not the book whose plain bytes have this digest.
    """
    digest = hashlib.sha256()
    found = target.head(key).size
    if size is not None and found != size:
        raise IntegrityError("the metadata book at the target is not the one that this wave wrote")
    size = found
    header = SourceHeader(
        memoryview(target.read(key, span=Span(start=0, length=min(size, 200_000))).data),
        identities,
        size=size,
    )
    step = _CHUNK_SEGMENTS * CIPHER_SEGMENT
    rest = b""
    for at in range(header.length, size, step):
        length = min(step, size - at)
        sealed = memoryview(target.read(key, span=Span(start=at, length=length)).data)
        plain = header.open((at - header.length) // CIPHER_SEGMENT, sealed, last=at + length == size)
        digest.update(plain)
        *lines, rest = (rest + bytes(plain)).split(b"\n")
        for line in lines:
            try:
                entry = json.loads(line)
                yield entry["key"], entry["target"], Attributes(**entry.get("attributes", {}))
            except (ValueError, KeyError, TypeError):
                raise IntegrityError("the metadata book of the wave cannot be read") from None
    if digest.digest() != sha256:
        raise IntegrityError("the metadata book at the target is not the one that this wave wrote")
