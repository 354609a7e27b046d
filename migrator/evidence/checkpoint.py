"""Checkpoints: the signed root of the tree over a wave's rows.

Source: C2SP tlog-checkpoint and signed-note, in the one form of the section "Tree and checkpoint" of
``migrator/docs/evidence-format.md``.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from migrator.errors import EvidenceInvalid
from migrator.evidence.signers import ED25519, PublicKey, Signer, decode_base64

__all__ = ["Checkpoint", "read_checkpoint", "seal_checkpoint"]

_ORIGIN: Final = "havre/wave/"
_BODY: Final = re.compile(r"havre/wave/([0-9a-f]{32})\n(0|[1-9][0-9]{0,12})\n([A-Za-z0-9+/=]{44})\n")
_SIGNATURE: Final = re.compile("\u2014 ([A-Za-z0-9._-]{1,64}) ([A-Za-z0-9+/=]{92})\n")
_MAX_TEXT: Final = 8192
_MAX_ROWS: Final = 2**40
_KEY_ID: Final = 4


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint taken apart, no signature checked yet."""

    wave_id: str
    size: int
    root: bytes
    body: bytes
    signatures: tuple[tuple[str, bytes], ...]

    def signers(self, keys: Sequence[PublicKey]) -> tuple[PublicKey, ...]:
        """The keys that signed, in the order of the signatures.

        Raises:
            EvidenceInvalid: A signature is wrong, or by a key that is not among ``keys``.
        """
        by_name = {key.name: key for key in keys if key.algorithm == ED25519}
        found = []
        for name, signature in self.signatures:
            key = by_name.get(name)
            if key is None:
                raise EvidenceInvalid("the checkpoint is signed by a key that is nowhere named")
            start, rest = signature[:_KEY_ID], signature[_KEY_ID:]
            if start != _note_key_id(key) or not key.verify(rest, self.body):
                raise EvidenceInvalid(f"the signature of the checkpoint by {name} is wrong")
            found.append(key)
        return tuple(found)


def seal_checkpoint(wave_id: str, size: int, root: bytes, signers: Sequence[Signer]) -> bytes:
    """The file, signed by each Ed25519 key."""
    body = f"{_ORIGIN}{wave_id}\n{size}\n{base64.b64encode(root).decode()}\n".encode()
    lines = [body, b"\n"]
    for signer in signers:
        if signer.public.algorithm == ED25519:
            value = base64.b64encode(_note_key_id(signer.public) + signer.sign(body)).decode()
            lines.append(f"\u2014 {signer.public.name} {value}\n".encode())
    return b"".join(lines)


def read_checkpoint(data: bytes) -> Checkpoint:
    """Take a checkpoint apart.

    Raises:
        EvidenceInvalid: It is not one in its one form.
    """
    try:
        text = data[: _MAX_TEXT + 1].decode()
    except UnicodeDecodeError:
        raise EvidenceInvalid("the checkpoint is not UTF-8 text") from None
    body, blank, rest = text.partition("\n\n")
    found = _BODY.fullmatch(body + "\n")
    if len(data) > _MAX_TEXT or not blank or found is None or not rest:
        raise EvidenceInvalid("the checkpoint is not in its one form")
    if int(found[2]) > _MAX_ROWS:
        raise EvidenceInvalid("the checkpoint is of more rows than any bundle has")
    signatures = []
    position = 0
    while position < len(rest):
        line = _SIGNATURE.match(rest, position)
        if line is None:
            raise EvidenceInvalid("a signature line of the checkpoint is not in its one form")
        signatures.append((line[1], decode_base64(line[2])))
        position = line.end()
    if len({name for name, _ in signatures}) != len(signatures):
        raise EvidenceInvalid("a key signed the checkpoint twice")
    return Checkpoint(
        wave_id=found[1],
        size=int(found[2]),
        root=decode_base64(found[3]),
        body=(body + "\n").encode(),
        signatures=tuple(signatures),
    )


def _note_key_id(key: PublicKey) -> bytes:
    return hashlib.sha256(key.name.encode() + b"\n\x01" + key.public).digest()[:_KEY_ID]
