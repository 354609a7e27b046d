"""Every check of a probe: its id, what it says in words, and which fact of the profile it holds to account.

A check without a fact tests what the protocol itself promises, so that every profile declares it. ``good`` is the
answer that makes a migration safer or easier: where a profile is silent, the other one is assumed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from providers.probe.awkward import AWKWARD

__all__ = ["CHECKS", "KEY_CHECK", "Check"]

KEY_CHECK: Final = "key-"
"""How the ids of checks begin that try one kind of key."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that a probe tries.

    Attributes:
        id: Stable name, part of the JSON.
        words: What is tried, said as what a store ought to do.
        fact: ``section.name`` in the profile, ``capability.name`` for what only the protocol declares, ``keys``
            for a kind of key, or "" where the protocol promises it.
        good: The answer to hope for.
    """

    id: str
    words: str
    fact: str = ""
    good: bool = True


_OBJECTS: Final = (
    Check("write-read", "write an object and read it back"),
    Check("empty-object", "keep an empty object"),
    Check("overwrite", "overwrite an object"),
    Check("absent", "say that an object is not there"),
    Check("listed", "list an object with its size"),
    Check("list-order", "list keys in the order of their UTF-8 bytes", "quirks.lists_in_key_order"),
    Check("read-span", "read a span of an object"),
    Check("read-outside", "refuse a span outside of the object (416)"),
    Check("short-read", "a read that would end early is noticed"),
    Check("stale-read", "refuse to read under a stale etag", "capability.pin"),
    Check("stale-write", "refuse to write under a stale etag", "quirks.put_if_match"),
    Check("put-fence", "refuse to create an object twice", "quirks.put_if_absent"),
    Check("put-race", "let one of several creators at once win", "quirks.put_if_absent_atomic"),
    Check("metadata", "keep user metadata", "quirks.metadata"),
    Check("metadata-case", "metadata names lose their case", "quirks.metadata_folds_case", good=False),
    Check("content-headers", "keep content headers", "quirks.content_headers"),
    Check("tags", "keep tags", "quirks.tags"),
)
_DIGESTS: Final = (
    Check("md5", "refuse a wrong Content-MD5", "quirks.verifies_md5"),
    Check("sha256", "refuse a wrong SHA-256 of an object", "quirks.verifies_sha256"),
    Check("payload-hash", "refuse a body that its signature denies", "quirks.verifies_payload_hash"),
    Check("trailer", "take a checksum that follows the body", "quirks.checksum_trailers"),
    Check("part-md5", "refuse a wrong Content-MD5 of a part", "quirks.verifies_md5"),
    Check("part-sha256", "refuse a wrong SHA-256 of a part", "quirks.verifies_sha256"),
    Check("part-crc64", "refuse a wrong CRC64 of a block", "quirks.verifies_sha256"),
)
_UPLOADS: Final = (
    Check("upload", "complete an upload in equal parts"),
    Check("upload-aborted", "show nothing after an upload was aborted"),
    Check("uploads-listed", "list unfinished uploads", "quirks.lists_uploads"),
    Check("parts-repeated", "ListParts repeats a part sent twice", "quirks.list_parts_repeats", good=False),
    Check("part-too-small", "refuse a part below the smallest", "limits.min_part"),
    Check("unequal-parts", "parts must all be equal", "quirks.equal_parts", good=False),
    Check("part-number", "take parts up to the highest number", "limits.max_parts"),
    Check("parts-1001", "complete an upload of 1,001 parts", "limits.max_parts"),
    Check("complete-fence", "refuse to complete over an object", "quirks.complete_if_absent"),
    Check("complete-race", "let one of several completions win", "quirks.complete_if_absent_atomic"),
    Check("complete-twice", "take a second completion of an upload", "quirks.complete_twice"),
    Check("complete-etag", "completion tells the etag that HEAD tells", "quirks.complete_tells_etag"),
)
_SECRETS: Final = (
    Check("sse-c", "refuse to read without the customer's key", "keys.sse_c"),
    Check("lock", "refuse to delete a locked version", "quirks.object_lock"),
)
_KEYS: Final = (
    Check("keys-nest", "keep x beside x/y", "quirks.keys_nest"),
    *(Check(f"{KEY_CHECK}{one.slug}", f"keep a key with {one.words}", "keys") for one in AWKWARD),
)
CHECKS: Final = {one.id: one for one in (*_OBJECTS, *_DIGESTS, *_UPLOADS, *_SECRETS, *_KEYS)}
"""Every check by its id, in the order of a report."""
