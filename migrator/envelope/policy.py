"""What a reader accepts of what a header held, and headers for new readers.

``STRICT`` is for objects that we wrote: one data key, no edit list. ``FOREIGN`` is for files that other
Crypt4GH tools made: several data keys, still no edit list. A foreign file with an edit list is refused rather
than read in part: honouring it means leaving out bytes that are in the file, which a complete copy must not do
silently, and dropping it would bring back bytes that its owner hid.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from migrator.envelope.arithmetic import NONCE
from migrator.envelope.errors import FormatUnsupported, HeaderInvalid
from migrator.envelope.header import Entropy, OpenedHeader, open_header, parse_header, seal_header

if TYPE_CHECKING:
    from collections.abc import Sequence

    from migrator.envelope.keys import Identity, Recipient

__all__ = ["MAX_FOREIGN_DATA_KEYS", "Profile", "check_foreign", "check_strict", "rewrap_header"]

MAX_FOREIGN_DATA_KEYS: Final = 16
"""Each segment is tried with each data key, so their number bounds the work per segment."""

_WRITER: Final = 32


class Profile(StrEnum):
    """Which rules a header is held to."""

    STRICT = "strict"
    FOREIGN = "foreign"


def check_strict(opened: OpenedHeader) -> bytes:
    """Return the one data key of an object of ours.

    Raises:
        HeaderInvalid: There is an edit list, or more than one data key: somebody who holds the recipient's
            public key, which is no secret, has added packets.
    """
    if opened.edit_list is not None or len(opened.data_keys) != 1:
        raise HeaderInvalid(
            "the header holds more than one data key, or an edit list",
            hint="this is not a header that havre wrote; compare it with the signed manifest",
        )
    return opened.data_keys[0]


def check_foreign(opened: OpenedHeader) -> tuple[bytes, ...]:
    """Return the data keys of a file that another tool made.

    Raises:
        FormatUnsupported: There is an edit list.
        HeaderInvalid: There are more than 16 data keys.
    """
    if opened.edit_list is not None:
        raise FormatUnsupported(
            "the file has an edit list",
            hint="copy it byte for byte (--mode copy), or decrypt it first with another Crypt4GH tool",
        )
    if len(opened.data_keys) > MAX_FOREIGN_DATA_KEYS:
        raise HeaderInvalid("the header holds more than 16 data keys")
    return opened.data_keys


def rewrap_header(
    header_bytes: bytes,
    identities: Sequence[Identity],
    new_recipients: Sequence[Recipient],
    *,
    entropy: Entropy,
    pad_to: int | None = None,
    profile: Profile = Profile.STRICT,
) -> bytes:
    """Build a header that gives an object's data key to new recipients; its segments stay as they are.

    Packets for readers who are not in ``new_recipients`` are left out. That is not revocation: whoever has
    opened the old header knows the data key, and old copies stay readable.

    Args:
        header_bytes: The old header; bytes that follow it are not looked at.
        identities: One of them must open the old header.
        new_recipients: All who shall read, including those who could before.
        entropy: Draws the writer key, the nonces and the padding.
        pad_to: Exact length of the new header, or None; the old length where parts are to be kept in place.
        profile: Rules for the old header.

    Raises:
        HeaderInvalid: The old header is damaged or breaks the profile.
        NoMatch: No identity opens it.
        FormatUnsupported: It uses a feature this reader refuses.
        ValueError: As ``build_header``.
    """
    opened = open_header(parse_header(header_bytes), identities)
    data_keys = (check_strict(opened),) if profile is Profile.STRICT else check_foreign(opened)
    return seal_header(
        data_keys,
        new_recipients,
        writer_private=entropy(_WRITER),
        nonces=entropy(NONCE * len(data_keys) * len(new_recipients)),
        pad_to=pad_to,
        padding_entropy=entropy,
    )
