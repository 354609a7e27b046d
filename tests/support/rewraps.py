"""Rewraps of waves, in this process."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from migrator.engine.context import Stop
from migrator.engine.progress import Progress
from migrator.engine.report import Report
from migrator.engine.rewrap import rewrap
from migrator.engine.rewrap_request import Request
from migrator.envelope.header import open_header, parse_header
from migrator.envelope.keys import Identity
from migrator.envelope.policy import check_strict
from support.crash import Doom
from support.waves import Wave, content, opened

__all__ = ["OTHER", "READER", "body_of", "data_key_of", "header_of", "rewrapped", "stored_objects"]

READER = Identity.from_private_bytes(content("reader", 32))
"""Whom the waves of `support.waves` are for."""
OTHER = Identity.from_private_bytes(content("another reader", 32))


def rewrapped(
    wave: Wave,
    doom: Doom | None = None,
    *,
    add: tuple[Identity, ...] = (),
    remove: tuple[Identity, ...] = (),
    revoke: bool = False,
    identities: tuple[Identity, ...] = (READER,),
    **settings: Any,
) -> Report:
    """One `havre rewrap`."""
    stop = Stop()
    request = Request(
        add=tuple(one.recipient() for one in add),
        remove=tuple(one.recipient() for one in remove),
        revoke=revoke,
    )
    with doom.watching() if doom else nullcontext():
        return rewrap(
            wave.files.load(),
            wave.files,
            wave._opener(stop, doom),
            replace(wave.settings, **settings),
            request,
            identities=identities,
            progress=Progress(),
            stop=stop,
        )


def header_of(stored: bytes) -> bytes:
    """The header's bytes."""
    return stored[: parse_header(memoryview(stored)).length]


def body_of(stored: bytes) -> bytes:
    """What follows the header."""
    return stored[len(header_of(stored)) :]


def data_key_of(stored: bytes, identity: Identity) -> bytes:
    """The data key that a reader finds."""
    return check_strict(open_header(parse_header(memoryview(stored)), [identity]))


def stored_objects(wave: Wave, identity: Identity) -> dict[str, bytes]:
    """Every object at the target; each opens for this reader to what the source held."""
    found = wave.target.objects()
    assert set(found) == {wave.target_key(key) for key in wave.plain}
    for key, stored in found.items():
        assert opened(stored, identity) == wave.plain[key.removesuffix(".c4gh")], key
        ChaCha20Poly1305(data_key_of(stored, identity))
    return found
