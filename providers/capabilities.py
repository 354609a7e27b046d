"""What a store can do, as values that plans check and conformance tests hold to.

A driver starts from its protocol's ``Capabilities``; a profile narrows them (a cloud that allows 1,000 parts); a
test server narrows them further with a reason. ``True`` means that the conformance suite must pass, ``False`` that
the store must raise ``Unsupported`` (so that a silent gain is noticed too). Sizes are bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Literal

__all__ = ["GIB", "KIB", "MIB", "Capabilities"]

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """The abilities and limits of one store.

    Attributes:
        pin: ``strong`` when a read can be made conditional on the version or etag that was listed, ``weak`` when
            the driver can only compare what it sees before and after (files).
        pin_by_version: Reads may name a version id.
        max_object: Largest object.
        max_put: Largest body of a single put.
        min_part: Smallest part of a multipart upload but the last.
        max_part: Largest part.
        max_parts: Most parts of one upload.
        equal_parts: Every part but the last must have the same size.
        list_limit: Most entries one page may ask for.
        max_key_bytes: Longest key, in UTF-8 bytes.
        max_segment_bytes: Longest piece of a key between slashes (file names), or None.
        any_key: Every non-empty UTF-8 key round-trips. False: see the driver's ``check_key``.
        key_rules: Names of further rules a key must keep (``providers.keys.RULES``).
        keys_nest: A key may also be another key's prefix (``a`` beside ``a/b``).
        keys_fold_case: Keys that differ only by case are one.
        put_if_absent: Single puts honour create-if-absent.
        complete_if_absent: Completing an upload honours create-if-absent.
        put_if_match: Single puts honour the condition that an object of this etag stands there.
        complete_if_match: Completing an upload honours it.
        copy_parts: A part of an upload can be copied from an object of the same bucket, within the store.
        verifies_checksum: A wrong SHA-256 (S3) or MD5/CRC64 (Azure) of a body is refused by the store itself.
        metadata: User metadata is kept.
        metadata_folds_case: Metadata names come back in lower case.
        content_headers: Content-Type, -Encoding, -Language, -Disposition and Cache-Control are kept.
        tags: Object tags can be written and read.
        lists_uploads: Unfinished uploads can be listed.
        upload_needs_attempt: Upload ids are derived from ``PutOptions.attempt``, not given by the store.
        versions: Old versions, delete markers or snapshots may exist and can be listed.
        atomic_put: A cut or failed put leaves nothing visible under the key.
    """

    pin: Literal["strong", "weak"] = "strong"
    pin_by_version: bool = False
    max_object: int = 5 * 1024 * GIB
    max_put: int = 5 * GIB
    min_part: int = 5 * MIB
    max_part: int = 5 * GIB
    max_parts: int = 10_000
    equal_parts: bool = False
    list_limit: int = 1000
    max_key_bytes: int = 1024
    max_segment_bytes: int | None = None
    any_key: bool = True
    key_rules: frozenset[str] = frozenset()
    keys_nest: bool = True
    keys_fold_case: bool = False
    put_if_absent: bool = True
    complete_if_absent: bool = True
    put_if_match: bool = False
    complete_if_match: bool = False
    copy_parts: bool = False
    verifies_checksum: bool = True
    metadata: bool = True
    metadata_folds_case: bool = True
    content_headers: bool = True
    tags: bool = True
    lists_uploads: bool = True
    upload_needs_attempt: bool = False
    versions: bool = False
    atomic_put: bool = True

    def narrowed(self, **changes: Any) -> Capabilities:
        """These capabilities with some fields replaced.

        Raises:
            ValueError: A name is not a capability.
        """
        unknown = changes.keys() - {field.name for field in fields(self)}
        if unknown:
            raise ValueError(f"unknown capability: {', '.join(sorted(unknown))}")
        return replace(self, **changes)
