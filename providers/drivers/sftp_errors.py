"""What a server's status, or a connection's end, means for a store. Messages never hold a path."""

from __future__ import annotations

import socket
from typing import Final

from paramiko.ssh_exception import AuthenticationException, ChannelException, SSHException

from providers.drivers.sftp_packets import StatusError
from providers.errors import (
    KeyRefused,
    NotFound,
    PermissionDenied,
    StoreError,
    Unauthenticated,
    Unavailable,
    Unexpected,
    Unsupported,
)

__all__ = ["translate"]

_STATUS: Final[dict[int, tuple[type[StoreError], str]]] = {
    StatusError.NO_SUCH_FILE: (NotFound, "there is no such file or folder"),
    StatusError.PERMISSION_DENIED: (PermissionDenied, "the server's file permissions do not allow this"),
    StatusError.BAD_MESSAGE: (KeyRefused, "the server cannot make a file of this name"),
    StatusError.NO_CONNECTION: (Unavailable, "the server has lost what lies behind it"),
    StatusError.CONNECTION_LOST: (Unavailable, "the server has lost what lies behind it"),
    StatusError.UNSUPPORTED: (Unsupported, "the server lacks this operation"),
}
# What a server calls "failure" may pass (a full table of files, a disk that is slow to answer) or not.
_FAILURES: Final = frozenset({"read", "write", "fsync@openssh.com", "close", "fsetstat"})


def translate(error: Exception) -> StoreError:
    """Classify by SFTP status or by kind of exception; whatever cut the connection may be tried again."""
    if isinstance(error, StoreError):
        return error
    if isinstance(error, StatusError):
        if error.code in _STATUS:
            kind, words = _STATUS[error.code]
            return kind(words)
        if error.request in _FAILURES:
            return Unavailable(f"the server could not {error.request.partition('@')[0]}: it tells no reason")
        return Unexpected(f"the server answered 'failure' to {error.request} and tells no reason")
    if isinstance(error, AuthenticationException):
        return Unauthenticated("the server lets us in no longer")
    if isinstance(error, ChannelException):
        return Unavailable("the server opens no SFTP session for this user")
    if isinstance(error, TimeoutError | socket.timeout):
        return Unavailable("the server does not answer")
    if isinstance(error, SSHException | EOFError | OSError):
        return Unavailable("the connection to the server broke")
    return Unexpected(f"{type(error).__name__} in the SFTP driver")
