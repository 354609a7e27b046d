"""Checks of a write against what the store declares, before a byte moves. Pure."""

from __future__ import annotations

from providers.capabilities import Capabilities
from providers.errors import Unsupported
from providers.model import NO_ATTRIBUTES, PutOptions

__all__ = ["require_options", "require_part", "require_put"]


def require_put(limits: Capabilities, size: int, options: PutOptions) -> None:
    """Let a single put of ``size`` bytes pass.

    Raises:
        Unsupported: The body is too large or the options ask for what the store lacks.
    """
    if size > limits.max_put:
        raise Unsupported(f"a single put takes {limits.max_put} bytes, not {size}")
    if options.if_absent and not limits.put_if_absent:
        raise Unsupported("the store has no create-if-absent")
    if options.if_match is not None and not limits.put_if_match:
        raise Unsupported("the store has no replace-if-unchanged")
    require_options(limits, options)


def require_part(limits: Capabilities, number: int, offset: int, size: int) -> None:
    """Let part ``number`` of ``size`` bytes at ``offset`` pass.

    Raises:
        Unsupported: Its number, size or place is outside what the store takes.
    """
    if not 1 <= number <= limits.max_parts:
        raise Unsupported(f"part numbers run from 1 to {limits.max_parts}, not {number}")
    if size > limits.max_part:
        raise Unsupported(f"a part takes {limits.max_part} bytes, not {size}")
    if offset < 0 or offset + size > limits.max_object:
        raise Unsupported(f"an object takes {limits.max_object} bytes")


def require_options(limits: Capabilities, options: PutOptions) -> None:
    """Let the attributes that an object is to be written with pass.

    Raises:
        Unsupported: The store keeps no metadata, tags or content headers and some are given.
    """
    wanted = options.attributes
    if wanted is NO_ATTRIBUTES:
        return
    if wanted.metadata and not limits.metadata:
        raise Unsupported("the store keeps no user metadata")
    if wanted.tags and not limits.tags:
        raise Unsupported("the store keeps no tags")
    if not limits.content_headers and (
        wanted.content_type
        or wanted.content_encoding
        or wanted.content_language
        or wanted.content_disposition
        or wanted.cache_control
    ):
        raise Unsupported("the store keeps no content headers")
