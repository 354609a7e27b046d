"""The wave's root secrets: made, sealed, opened again, and dropped when the wave closes.

A root derives the data key of every object, so whoever holds it can read the whole wave while it runs. For ``snds``
and ``eds`` it rests in the ledger only sealed, as a Crypt4GH header for the dataset's recipients and the named
identity; for the other classes a clear copy may stand beside it (the ledger is 0600), so that a resume needs nobody.
A run that cannot open the earlier root makes a new one: nothing is lost, but objects that were half-way up in parts
begin again, and the run says so.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field

from migrator.core.events import RootDropped, RootSealed
from migrator.envelope.arithmetic import NONCE
from migrator.envelope.data_key import ROOT_SECRET, DataKeys
from migrator.envelope.errors import NoMatch
from migrator.envelope.header import build_header, open_header, parse_header
from migrator.envelope.keys import Identity, Recipient
from migrator.envelope.policy import check_strict
from migrator.ledger.ledger import Ledger
from migrator.ledger.rows import Row

__all__ = ["Roots", "drop_roots", "open_roots"]


@dataclass(slots=True)
class Roots:
    """The roots this run can use; ``current`` derives the keys of everything that begins now."""

    current: int = 0
    unopened: int = 0
    _keys: dict[int, DataKeys] = field(default_factory=dict, repr=False)

    def has(self, root: int) -> bool:
        """Whether data keys under this root can be derived."""
        return root in self._keys

    def data_key(self, row: Row, *, generation: int | None = None) -> bytes:
        """The data key of a row's generation (its current one unless another is asked for)."""
        return self._keys[row.root].derive(
            object_id=row.row.to_bytes(8, "big"),
            source_version=row.source_identity,
            generation=row.generation if generation is None else generation,
        )

    def add(self, identifier: int, secret: bytes) -> None:
        """Take a root secret into use."""
        self._keys[identifier] = DataKeys(secret)
        self.current = identifier


def open_roots(
    ledger: Ledger, *, guarded: bool, recipients: Sequence[Recipient], identities: Sequence[Identity]
) -> Roots:
    """Open the wave's roots, making one if none can be opened; the new one is durable on return."""
    roots = Roots()
    for identifier, sealed, clear in ledger.query("SELECT id, sealed, clear FROM roots ORDER BY id"):
        if clear is not None:
            roots.add(identifier, clear)
            continue
        try:
            roots.add(identifier, check_strict(open_header(parse_header(sealed), identities)))
        except NoMatch:
            roots.unopened += 1
    if roots.current:
        return roots
    secret = os.urandom(ROOT_SECRET)
    own = (identity.recipient() for identity in identities)
    readers: list[Recipient] = list(dict.fromkeys([*recipients, *own]))
    sealed = build_header(
        secret, readers, writer_private=os.urandom(32), nonces=os.urandom(NONCE * len(readers))
    )
    identifier = int(ledger.meta("roots_made") or 0) + 1
    ledger.set_meta(roots_made=identifier)  # a number is never used again, also after the roots were dropped
    ledger.append(
        [RootSealed(identifier, hashlib.sha256(sealed).digest())],
        lambda connection: connection.execute(
            "INSERT INTO roots (id, sealed, clear) VALUES (?,?,?)",
            (identifier, sealed, None if guarded else secret),
        ),
    )
    roots.add(identifier, secret)
    return roots


def drop_roots(ledger: Ledger) -> None:
    """Erase every root from the ledger: the migrator can read nothing any more."""
    identifiers = [identifier for (identifier,) in ledger.query("SELECT id FROM roots")]
    if identifiers:
        ledger.append([RootDropped(identifier) for identifier in identifiers])
        ledger.execute("PRAGMA wal_checkpoint(TRUNCATE)")
