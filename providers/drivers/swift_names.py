"""Names of what an upload in parts leaves in the container beside the bucket; pure.

Static large objects are made of objects that lie elsewhere. Ours lie in ``<bucket>+havre``, a name that no location
can spell and neither Swift's S3 front (``+segments``) nor other clients (``_segments``) use:

``uploads/k/<key>/<upload>``
    The marker of an upload that was opened and is not done: JSON with the key and the folders of its segments.
``segments/k/<key>/<upload>-<nonce>/<part>``
    A segment. The nonce is drawn when the upload is opened, so that no segment of a visible object is ever
    written over, even if an attempt's name should come again.

A key too long for that stands as the SHA-256 of itself, under ``h/`` instead of ``k/``.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any, Final

from providers.errors import UploadLost
from providers.model import Key, UploadId

__all__ = [
    "Marker",
    "beside",
    "folders_of",
    "marker_name",
    "marker_prefixes",
    "new_folder",
    "parse_marker_name",
    "parse_segment_name",
    "segment_name",
    "upload_of",
]

_ATTEMPT: Final = re.compile(r"[0-9a-z]{1,32}")
_FOLDER: Final = re.compile(r"segments/(?:k/.+|h/[0-9a-f]{64})/([0-9a-z]{1,32})-[0-9a-f]{8}/", re.DOTALL)
_SEGMENT: Final = re.compile(r"[0-9]{6}")
# What surrounds a key in the name of a segment has 60 bytes, and a name has 1,024.
_LONGEST: Final = 960


def beside(container: str) -> str:
    """The container that holds the segments."""
    return f"{container}+havre"


def _stem(key: Key) -> str:
    encoded = key.encode()
    if len(encoded) <= _LONGEST:
        return f"k/{key}"
    return f"h/{hashlib.sha256(encoded).hexdigest()}"


def marker_name(key: Key, upload: UploadId) -> str:
    """Where an open upload is marked.

    Raises:
        UploadLost: ``upload`` is not 1 to 32 characters of ``[0-9a-z]``: no upload of this driver.
    """
    if not _ATTEMPT.fullmatch(upload):
        raise UploadLost("this is not an upload that this tool began")
    return f"uploads/{_stem(key)}/{upload}"


def marker_prefixes(prefix: str) -> tuple[str, str]:
    """What the names of markers of keys with this prefix begin with: of keys spelled out, and of all others."""
    return f"uploads/k/{prefix}", "uploads/h/"


def parse_marker_name(name: str) -> tuple[Key | None, UploadId] | None:
    """Key (None where only the marker itself says it) and upload of a marker's name; None if it is no marker."""
    stem, _, upload = name.rpartition("/")
    if not _ATTEMPT.fullmatch(upload):
        return None
    if stem.startswith("uploads/k/") and stem != "uploads/k/":
        return Key(stem.removeprefix("uploads/k/")), UploadId(upload)
    return (None, UploadId(upload)) if stem.startswith("uploads/h/") else None


def new_folder(key: Key, upload: UploadId, nonce: str) -> str:
    """Where the segments of an upload go; ``nonce`` has 8 hexadecimal digits."""
    return f"segments/{_stem(key)}/{upload}-{nonce}/"


def segment_name(folder: str, number: int) -> str:
    """The name of one segment."""
    return f"{folder}{number:06d}"


def parse_segment_name(name: str, folder: str) -> int | None:
    """The part's number, or None if it is no segment of this folder."""
    number = name.removeprefix(folder)
    return int(number) if name.startswith(folder) and _SEGMENT.fullmatch(number) else None


def folders_of(manifest: Any, container: str) -> frozenset[str]:
    """The folders of ours in ``container`` that a manifest (as the server gives it back) is made of."""
    found = set()
    for segment in manifest if isinstance(manifest, list) else ():
        path = str(segment.get("name", "")) if isinstance(segment, dict) else ""
        if path.startswith(f"/{container}/"):
            folder = path.removeprefix(f"/{container}/").rpartition("/")[0] + "/"
            if _FOLDER.fullmatch(folder):
                found.add(folder)
    return frozenset(found)


def upload_of(folder: str) -> UploadId:
    """The upload whose folder this is.

    Raises:
        ValueError: It is no folder of ours.
    """
    found = _FOLDER.fullmatch(folder)
    if found is None:
        raise ValueError(folder)
    return UploadId(found[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """What the marker of an open upload says.

    Attributes:
        key: The object's key.
        folder: Where the segments are; empty where there is nothing but folders to be cleared.
        former: Folders of what the completed object replaces, to be cleared once nothing visible needs them.
    """

    key: Key
    folder: str = ""
    former: tuple[str, ...] = ()

    def to_json(self) -> bytes:
        """Its body."""
        document = {"key": self.key, "folder": self.folder, "former": list(self.former)}
        return json.dumps(document, ensure_ascii=False).encode()

    @classmethod
    def from_json(cls, body: bytes) -> Marker:
        """Read a body.

        Raises:
            UploadLost: It is not one that this driver wrote, so nothing it names may be touched.
        """
        try:
            document = json.loads(body)
            folders = [str(document["folder"]), *map(str, document["former"])]
            if all(not folder or _FOLDER.fullmatch(folder) for folder in folders):
                return cls(key=Key(str(document["key"])), folder=folders[0], former=tuple(folders[1:]))
        except (ValueError, KeyError, TypeError):
            pass
        raise UploadLost("the upload's marker is not one that this tool wrote")
