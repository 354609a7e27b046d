"""What each protocol can do before a profile says more; free of SDK imports so that facts load fast.

A driver that is built without a profile starts from its constant here; ``Profile.capabilities`` narrows the
same constant by the facts of one cloud.
"""

from __future__ import annotations

from typing import Final, Literal

from providers.capabilities import MIB, Capabilities

__all__ = ["AZURE_BASE", "BASES", "FILESYSTEM_BASE", "S3_BASE", "SFTP_BASE", "SWIFT_BASE", "Protocol"]

Protocol = Literal["s3", "azure_blob", "filesystem", "swift", "sftp"]
"""How a store is spoken to."""

S3_BASE: Final = Capabilities(put_if_match=True, complete_if_match=True, copy_parts=True)
"""Amazon's published S3 limits."""

AZURE_BASE: Final = Capabilities(
    max_object=50_000 * 4000 * MIB,
    max_put=5000 * MIB,
    min_part=1,
    max_part=4000 * MIB,
    max_parts=50_000,
    list_limit=5000,
    max_key_bytes=4 * 1024,
    versions=True,
    any_key=False,
    upload_needs_attempt=True,
    put_if_match=True,
    complete_if_match=True,
    key_rules=frozenset({"no-dot-segments", "no-backslash", "no-control"}),
)
"""Block blobs (learn.microsoft.com, scalability targets). Names have 1,024 characters, up to four times as
many bytes; the driver counts characters."""

FILESYSTEM_BASE: Final = Capabilities(
    pin="weak",
    min_part=1,
    max_parts=1_000_000,
    list_limit=10_000,
    max_key_bytes=4096,
    max_segment_bytes=255,
    any_key=False,
    keys_nest=False,
    verifies_checksum=False,
    metadata=False,
    content_headers=False,
    tags=False,
    upload_needs_attempt=True,
    atomic_put=True,
    key_rules=frozenset({"no-trailing-slash", "no-dot-segments", "no-empty-segments", "no-nul"}),
)
"""A directory on a Linux file system (NAME_MAX 255, PATH_MAX 4096)."""

SWIFT_BASE: Final = Capabilities(
    max_object=1000 * 5_368_709_122,
    max_put=5_368_709_122,
    min_part=1,
    max_part=5_368_709_122,
    max_parts=1000,
    list_limit=10_000,
    any_key=False,
    verifies_checksum=False,
    tags=False,
    upload_needs_attempt=True,
    key_rules=frozenset({"no-nul"}),
)
"""OpenStack Swift as it is shipped (deployment guide: swift-constraints, and ``[filter:slo]``)."""

SFTP_BASE: Final = FILESYSTEM_BASE.narrowed(max_key_bytes=3072)
"""OpenSSH before a Linux file system; a kibibyte of PATH_MAX is left to the path of the root."""

BASES: Final[dict[Protocol, Capabilities]] = {
    "s3": S3_BASE,
    "azure_blob": AZURE_BASE,
    "filesystem": FILESYSTEM_BASE,
    "swift": SWIFT_BASE,
    "sftp": SFTP_BASE,
}
