"""Host keys: which ones are trusted, and what to say of one that is not. Nothing is ever added here.

Reads files in the form of ``known_hosts`` (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT): plain, hashed and wildcard
names, negated names, ``@revoked``. Certificate authorities (``@cert-authority``) are not used: a host must have
a key of its own in the file.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import translate as pattern_of
from pathlib import Path
from typing import Final

from providers.errors import ConfigInvalid, Unauthenticated
from providers.sftp_place import Hop

__all__ = ["HostKey", "fingerprint", "key_types_of", "require_trusted", "trusted_keys"]

_HASHED: Final = "|1|"
_MOST_BYTES: Final = 16 * 1024 * 1024
_REVOKED: Final = "@revoked"


@dataclass(frozen=True, slots=True)
class HostKey:
    """One line that speaks of a host: type and bytes of a public key, and whether it was revoked."""

    kind: str
    blob: bytes
    revoked: bool = False


def trusted_keys(files: Iterable[Path], hop: Hop) -> tuple[HostKey, ...]:
    """Every key that the files hold for a host, revoked ones among them. A file that is not there holds none.

    Raises:
        ConfigInvalid: A file cannot be read or is far too large.
    """
    return tuple(key for path in files for key in _keys_in(path, hop.name))


def require_trusted(known: Iterable[HostKey], blob: bytes, hop: Hop, files: Iterable[Path]) -> None:
    """Let a host pass that shows a known key.

    Args:
        known: What ``trusted_keys`` gave for this host.
        blob: The public key that the host proved to own, as sent.
        hop: The host.
        files: Where its key was looked for, for the message.

    Raises:
        Unauthenticated: The key is revoked, or another one than known, or the host is not known at all.
    """
    known = tuple(known)
    where = " or ".join(str(path) for path in files) or "any known_hosts file"
    if any(key.revoked and key.blob == blob for key in known):
        raise Unauthenticated(
            f"the host key that {hop.name} shows ({fingerprint(blob)}) is marked as revoked",
            hint="somebody may be impersonating this server: ask its operator; nothing was sent",
        )
    if any(key.blob == blob for key in known if not key.revoked):
        return
    if any(not key.revoked for key in known):
        raise Unauthenticated(
            f"the host key of {hop.name} has changed: it shows {fingerprint(blob)}, which is not in {where}",
            hint="somebody may be impersonating this server; if its operator confirms the new fingerprint, "
            f"replace the entry of {hop.name} in that file; nothing was sent",
        )
    raise Unauthenticated(
        f"the host key of {hop.name} is not known: it shows {fingerprint(blob)}, and {where} has no entry",
        hint="compare the fingerprint with the one the server's operator gives you, then add the key with "
        f"ssh-keyscan -p {hop.port} {hop.host} to the known_hosts file that the site names",
    )


def key_types_of(known: Iterable[HostKey]) -> tuple[str, ...]:
    """The kinds of key known for a host, so that it is asked for one of those."""
    return tuple(dict.fromkeys(key.kind for key in known if not key.revoked))


def fingerprint(blob: bytes) -> str:
    """``SHA256:…`` as ``ssh-keygen -l`` prints it."""
    return f"SHA256:{base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip('=')}"


def _keys_in(path: Path, name: str) -> Iterator[HostKey]:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ConfigInvalid(f"{path} is too large for a file of host keys")
        text = path.read_text("utf-8", errors="replace")
    except FileNotFoundError:
        return
    except OSError as error:
        raise ConfigInvalid(f"cannot read the host keys in {path}: {error.strerror}") from error
    for line in text.splitlines():
        fields = line.split()
        marker = fields.pop(0) if fields and fields[0].startswith("@") else ""
        if len(fields) < 3 or fields[0].startswith("#") or marker not in ("", _REVOKED):
            continue
        if not _names(fields[0], name):
            continue
        try:
            blob = base64.b64decode(fields[2], validate=True)
        except binascii.Error:
            continue
        yield HostKey(fields[1], blob, marker == _REVOKED)


def _names(patterns: str, name: str) -> bool:
    """Whether a line's names include the host; a negated one that does excludes it whatever the others say."""
    found = False
    for pattern in patterns.split(","):
        if pattern.startswith(_HASHED):
            found = found or _hashed(pattern, name)
        elif pattern.startswith("!"):
            if _matches(pattern[1:], name):
                return False
        else:
            found = found or _matches(pattern, name)
    return found


def _matches(pattern: str, name: str) -> bool:
    # Brackets stand for themselves around a host with a port; only * and ? are wildcards.
    plain = pattern.lower().replace("[", "[[]")
    return re.fullmatch(pattern_of(plain), name) is not None


def _hashed(pattern: str, name: str) -> bool:
    _, _, salt, digest = [*pattern.split("|"), "", ""][:4]
    try:
        key, wanted = base64.b64decode(salt, validate=True), base64.b64decode(digest, validate=True)
    except binascii.Error:
        return False
    # HMAC-SHA-1 is what the file format says; it hides names and protects nothing here.
    return hmac.compare_digest(hmac.digest(key, name.encode(), "sha1"), wanted)
