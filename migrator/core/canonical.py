"""Canonical JSON: one form for one value, so that bytes can be signed and compared.

Source: the section "Conventions" of ``migrator/docs/evidence-format.md``; a subset of RFC 8785 without fractions.
"""

from __future__ import annotations

import json
from typing import Any, Final, NoReturn

from migrator.errors import EvidenceInvalid

__all__ = ["MAX_INTEGER", "decode", "encode"]

MAX_INTEGER: Final = 2**53 - 1
_quoted: Final = json.encoder.encode_basestring


def encode(value: Any) -> bytes:
    """The one form of a value made of objects, lists, text, integers, booleans and null.

    Raises:
        ValueError: It holds a fraction, an integer beyond 2**53 - 1, or a lone surrogate.
    """
    if type(value) is str:  # the commonest by far, and there are many
        return _quoted(value).encode()
    _check(value)
    return json.dumps(
        value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False
    ).encode()


def decode(data: bytes) -> Any:
    """The value of a canonical document.

    Raises:
        EvidenceInvalid: It is not JSON, has a member twice or a number that is no integer within bounds, or is not
            in its canonical form.
    """
    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_object,
            parse_float=_no_number,
            parse_constant=_no_number,
            parse_int=_integer,
        )
        canonical = encode(value)
    except (ValueError, RecursionError) as error:
        # The parser's message may quote the document.
        reason = str(error) if isinstance(error, _NotCanonicalError) else "it is not JSON"
        raise EvidenceInvalid(f"a document is not canonical: {reason}") from None
    if canonical != data:
        raise EvidenceInvalid("a document is not in its canonical form")
    return value


class _NotCanonicalError(ValueError):
    pass


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _NotCanonicalError("a member stands twice")
    return found


def _no_number(_text: str) -> NoReturn:
    raise _NotCanonicalError("a number is no integer")


def _integer(text: str) -> int:
    # Before it is converted: a million digits would take minutes.
    if len(text) > len(str(-MAX_INTEGER)):
        raise _NotCanonicalError("a number is too large")
    return int(text)


def _check(value: Any) -> None:
    if value is None or isinstance(value, bool | str):
        return
    if isinstance(value, int):
        if abs(value) > MAX_INTEGER:
            raise _NotCanonicalError("a number is too large")
    elif isinstance(value, dict):
        for name, member in value.items():
            if not isinstance(name, str):
                raise _NotCanonicalError("a member's name is no text")
            _check(member)
    elif isinstance(value, list | tuple):
        for item in value:
            _check(item)
    else:
        raise _NotCanonicalError("a value has no canonical form")
