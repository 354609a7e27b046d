"""The errors that leave the envelope.

EnvelopeError             exit
 +-- HeaderInvalid           4   the bytes are not a Crypt4GH header, or a hostile one
 |    +-- HeaderTruncated    4   the header goes on after the bytes at hand; says how many are needed
 +-- NoMatch                12   no identity opens a data key of this header
 +-- SegmentInvalid          4   a segment is damaged, out of place, missing or surplus
 +-- FormatUnsupported       1   well-formed, but a feature this reader refuses
 +-- KeyFileInvalid          2   a key file makes no sense
 +-- WrongPassphrase        12   the passphrase does not open the key file

Wrong arguments by our own code (a nonce of the wrong length, an output buffer too small) are ``ValueError``.
No message contains key material, a nonce or a passphrase.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "EnvelopeError",
    "FormatUnsupported",
    "HeaderInvalid",
    "HeaderTruncated",
    "KeyFileInvalid",
    "NoMatch",
    "SegmentInvalid",
    "WrongPassphrase",
]


class EnvelopeError(Exception):
    """Base of every error that a damaged, foreign or hostile input causes.

    Attributes:
        code: Stable name, part of the JSON output.
        exit_code: What the command exits with when this error ends it.
        message: What is wrong, in one sentence.
        hint: One sentence that tells a person what to do, if there is one.
    """

    code: ClassVar[str] = "envelope-error"
    exit_code: ClassVar[int] = 1
    default_hint: ClassVar[str | None] = None

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint if hint is not None else self.default_hint


class HeaderInvalid(EnvelopeError):
    """The bytes are not a Crypt4GH header within this reader's limits."""

    code = "header-invalid"
    exit_code = 4


class HeaderTruncated(HeaderInvalid):
    """The header goes on after the bytes at hand.

    Attributes:
        needed: Bytes from the start of the object that the next attempt must have at least.
    """

    code = "header-truncated"

    def __init__(self, needed: int) -> None:
        super().__init__("the header ends early")
        self.needed = needed


class NoMatch(EnvelopeError):
    """No identity opens a data key of this header."""

    code = "no-match"
    exit_code = 12
    default_hint = "give the private key of one of the recipients this object was encrypted for"

    def __init__(self) -> None:
        super().__init__("no identity opens this object")


class SegmentInvalid(EnvelopeError):
    """A segment is damaged, out of place, missing or surplus.

    There is one message for all of these on purpose: which check failed is of no use to an honest reader, who
    must fetch the object again in any case, and would tell a forger how far a forgery got.
    """

    code = "segment-invalid"
    exit_code = 4

    def __init__(self) -> None:
        super().__init__("the encrypted data is damaged, out of order or incomplete")


class FormatUnsupported(EnvelopeError):
    """The input is well-formed and uses a feature this reader refuses."""

    code = "format-unsupported"


class KeyFileInvalid(EnvelopeError):
    """A key file makes no sense."""

    code = "key-file-invalid"
    exit_code = 2
    default_hint = (
        "a Crypt4GH key file starts with -----BEGIN CRYPT4GH PUBLIC KEY----- or ... PRIVATE KEY-----"
    )


class WrongPassphrase(EnvelopeError):
    """The key file is locked and this passphrase, or none, does not open it."""

    code = "wrong-passphrase"
    exit_code = 12
