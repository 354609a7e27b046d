"""The XML of the Blob service: listings, block lists, tags, parsed without the network.

Formats: "List Blobs", "Get Block List", "Put Block List" and "Get Blob Tags" in the REST reference.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

__all__ = [
    "Block",
    "BlockList",
    "Entry",
    "decode_digest",
    "parse_block_list",
    "parse_list",
    "parse_tags",
    "write_block_list",
]

_TRUE: Final = "true"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One ``<Blob>`` of a listing; ``properties`` holds the text of ``<Properties>`` by element name."""

    name: str
    properties: Mapping[str, str]
    metadata: Mapping[str, str]
    snapshot: str | None = None
    version: str | None = None
    is_current: bool = True
    is_deleted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One block as the service names it: the id still in base64, the size in bytes."""

    name: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockList:
    """What a blob is made of, and what waits to become part of it."""

    committed: tuple[Block, ...]
    uncommitted: tuple[Block, ...]


def _root(body: bytes) -> ET.Element:
    # The service's own answers over an authenticated channel; expat refuses entity bombs since 2.4.1.
    return ET.fromstring(body)  # noqa: S314


def _pairs(parent: ET.Element | None) -> dict[str, str]:
    return {} if parent is None else {child.tag: child.text or "" for child in parent}


def _entry(blob: ET.Element) -> Entry:
    name = blob.find("Name")
    assert name is not None
    text = name.text or ""
    version = blob.findtext("VersionId") or None
    return Entry(
        # Names that XML cannot carry come percent-encoded and say so.
        name=unquote(text) if name.get("Encoded") == _TRUE else text,
        properties=_pairs(blob.find("Properties")),
        metadata=_pairs(blob.find("Metadata")),
        snapshot=blob.findtext("Snapshot") or None,
        version=version,
        is_current=version is None or blob.findtext("IsCurrentVersion") == _TRUE,
        is_deleted=blob.findtext("Deleted") == _TRUE,
    )


def parse_list(body: bytes) -> tuple[list[Entry], str | None]:
    """The entries of a List Blobs answer and the marker of the next page.

    Raises:
        xml.etree.ElementTree.ParseError: The body is no XML (a name with a control character, a cut answer).
    """
    root = _root(body)
    return [_entry(blob) for blob in root.iterfind("Blobs/Blob")], root.findtext("NextMarker") or None


def parse_block_list(body: bytes) -> BlockList:
    """The blocks of a Get Block List answer, in the service's order.

    Raises:
        xml.etree.ElementTree.ParseError: The body is no XML.
    """
    root = _root(body)

    def blocks(part: str) -> tuple[Block, ...]:
        return tuple(
            Block(name=(block.findtext("Name") or "").strip(), size=int(block.findtext("Size") or "0"))
            for block in root.iterfind(f"{part}/Block")
        )

    return BlockList(committed=blocks("CommittedBlocks"), uncommitted=blocks("UncommittedBlocks"))


def write_block_list(names: Iterable[str]) -> bytes:
    """The body of a Put Block List that takes staged blocks only, never committed ones."""
    blocks = "".join(f"<Uncommitted>{escape(name)}</Uncommitted>" for name in names)
    return f'<?xml version="1.0" encoding="utf-8"?><BlockList>{blocks}</BlockList>'.encode()


def parse_tags(body: bytes) -> dict[str, str]:
    """The pairs of a Get Blob Tags answer.

    Raises:
        xml.etree.ElementTree.ParseError: The body is no XML.
    """
    return {
        tag.findtext("Key") or "": tag.findtext("Value") or "" for tag in _root(body).iterfind("TagSet/Tag")
    }


def decode_digest(text: str | None) -> bytes | None:
    """A base64 digest, or None where there is none or it is none."""
    if not text:
        return None
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
