"""What the operating system's errors mean for a store. Messages never hold a path."""

from __future__ import annotations

import errno
import os
from typing import Final

from providers.errors import (
    AlreadyExists,
    KeyRefused,
    LocalStorageFull,
    NotFound,
    PermissionDenied,
    StoreError,
    Unavailable,
    Unexpected,
)

__all__ = ["translate"]

_CLASSES: Final[dict[int, type[StoreError]]] = {
    errno.ENOENT: NotFound,
    errno.EEXIST: AlreadyExists,
    errno.EACCES: PermissionDenied,
    errno.EPERM: PermissionDenied,
    errno.EROFS: PermissionDenied,
    errno.ENOSPC: LocalStorageFull,
    errno.EDQUOT: LocalStorageFull,
    errno.EFBIG: LocalStorageFull,
    errno.EISDIR: KeyRefused,
    errno.ENOTDIR: KeyRefused,
    errno.ELOOP: KeyRefused,
    errno.ENAMETOOLONG: KeyRefused,
    errno.EILSEQ: KeyRefused,
    errno.EINVAL: KeyRefused,
    errno.EMFILE: Unavailable,
    errno.ENFILE: Unavailable,
    errno.ENOMEM: Unavailable,
    errno.EAGAIN: Unavailable,
    errno.EBUSY: Unavailable,
    errno.EINTR: Unavailable,
    errno.EIO: Unavailable,
    errno.ESTALE: Unavailable,
    errno.ETIMEDOUT: Unavailable,
}


def translate(error: Exception) -> StoreError:
    """Classify by ``errno``; ``EIO`` may be a disk that is dying, which the retries will make plain."""
    if isinstance(error, StoreError):
        return error
    if isinstance(error, OSError) and error.errno is not None:
        kind = _CLASSES.get(error.errno, Unexpected)
        return kind(os.strerror(error.errno).lower())
    return Unexpected(f"{type(error).__name__} in the file system driver")
