"""The XML that S3 answers with, read as flat records.

Every S3 listing has one shape: a root with named values and a run of records, each with values of its own.
Documents come from the network, so a DOCTYPE (and with it every entity trick) is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import unquote_plus
from xml.parsers.expat import ExpatError, ParserCreate  # nosec: declarations are refused below

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Document", "XmlInvalid", "decoder", "parse"]

_RECORDS: Final = frozenset({"Contents", "Version", "DeleteMarker", "Part", "Upload"})
_RECORD_DEPTH: Final = 2
_FIELD_DEPTH: Final = 3


class XmlInvalid(ValueError):
    """The answer is not the XML that the protocol promises."""


class Document(NamedTuple):
    """A parsed answer: the root's name, its own values, and its records, each with its element's name."""

    root: str
    values: dict[str, str]
    records: list[tuple[str, dict[str, str]]]


def parse(body: bytes) -> Document:
    """Read one answer.

    Raises:
        XmlInvalid: The body is not well-formed, has no root, or declares a document type.
    """
    values: dict[str, str] = {}
    records: list[tuple[str, dict[str, str]]] = []
    path: list[str] = []
    text: list[str] = []
    fields: dict[str, str] = {}

    def start(name: str, _attributes: object) -> None:
        nonlocal fields
        path.append(name)
        text.clear()
        if len(path) == _RECORD_DEPTH and name in _RECORDS:
            fields = {}
            records.append((name, fields))

    def end(name: str) -> None:
        depth = len(path)
        if depth == _FIELD_DEPTH and path[1] in _RECORDS:
            fields[name] = "".join(text)
        elif depth == _RECORD_DEPTH and name not in _RECORDS:
            values[name] = "".join(text)
        path.pop()
        text.clear()

    def doctype(*_: object) -> None:
        raise XmlInvalid("the answer declares a document type")

    parser = ParserCreate("utf-8")  # whatever the document declares: an odd encoding could hide a DOCTYPE
    parser.buffer_text = True
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text.append
    parser.StartDoctypeDeclHandler = doctype
    root: list[str] = []

    def first(name: str, attributes: object) -> None:
        root.append(name)
        parser.StartElementHandler = start
        start(name, attributes)

    parser.StartElementHandler = first
    try:
        parser.Parse(body, True)
    except ExpatError as error:
        raise XmlInvalid(f"the answer is not well-formed XML (line {error.lineno})") from None
    return Document(root[0], values, records)


def _same(value: str) -> str:
    return value


def decoder(document: Document) -> Callable[[str], str]:
    """How keys of this listing are read: percent-decoded only if the store says that it encoded them."""
    return unquote_plus if document.values.get("EncodingType", "").lower() == "url" else _same
