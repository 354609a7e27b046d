"""Sessions for many threads: each is lent to one at a time, several share a connection.

Python's share of SSH is bound to one core however many connections there are, but the server's is not, and one
TCP connection is one congestion window: sessions are spread over ``MAX_CONNECTIONS`` connections. They are made
when they are needed, one handshake after the other, so that a server never sees many logins at once.
A server that allows fewer sessions is not asked for more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Condition, Lock
from typing import Final

from paramiko.ssh_exception import ChannelException, SSHException

from providers.drivers.sftp_connect import Connection
from providers.drivers.sftp_settings import CHANNELS_PER_CONNECTION, MAX_CONNECTIONS
from providers.drivers.sftp_wire import Session
from providers.errors import StoreError, Unavailable

__all__ = ["SessionPool"]

_FIRST: Final = 2
"""Sessions on a connection before another connection is made."""


class SessionPool:
    """Lends sessions; makes and discards them as needed.

    Args:
        connect: Makes a logged-in connection.
        limit: Most sessions at once.
    """

    def __init__(self, connect: Callable[[], Connection], limit: int) -> None:
        self._connect = connect
        self._limit = min(limit, MAX_CONNECTIONS * CHANNELS_PER_CONNECTION)
        self._changed = Condition()
        self._making = Lock()
        self._idle: list[tuple[Session, Connection]] = []
        self._connections: list[Connection] = []
        self._count = 0
        self._closed = False

    @contextmanager
    def lend(self) -> Iterator[Session]:
        """A session of this thread's own until the block ends.

        Raises:
            StoreError: No connection could be made.
            SSHException: The server has no SFTP subsystem.
        """
        session, connection = self._take()
        try:
            yield session
        except (SSHException, EOFError, OSError):
            session.close()
            raise
        finally:
            # An exception may leave answers on their way: they are awaited, or the session is given up.
            with suppress(SSHException, OSError, EOFError):
                session.settle()
            self._give_back(session, connection)

    def close(self) -> None:
        """Close every connection; sessions that are lent break."""
        with self._changed:
            self._closed = True
            connections, self._connections = self._connections, []
            self._idle.clear()
            self._changed.notify_all()
        for connection in connections:
            connection.close()

    def _take(self) -> tuple[Session, Connection]:
        with self._changed:
            while True:
                if self._closed:
                    raise Unavailable("the store is closed")
                while self._idle:
                    session, connection = self._idle.pop()
                    if session.usable and connection.alive:
                        return session, connection
                    self._drop(session, connection)
                if self._count < self._limit:
                    self._count += 1
                    break
                self._changed.wait()
        try:
            made = self._make()
        except BaseException:
            with self._changed:
                self._count -= 1
                self._changed.notify()
            raise
        if made is not None:
            return made
        # The server allows no more than there are: this thread waits for one of those.
        with self._changed:
            self._count -= 1
            self._limit = max(self._count, 1)
        return self._take()

    def _make(self) -> tuple[Session, Connection] | None:
        """A new session; None where the server allows no further one and others are at work."""
        with self._making:
            while True:
                connection = self._roomiest()
                if connection is None:
                    connection = self._connect_another()
                if connection is None:
                    return None
                try:
                    session = Session(connection.open_sftp())
                except ChannelException:
                    if not connection.channels:
                        self._retire(connection)
                        raise
                    connection.room = connection.channels
                    continue
                except BaseException:
                    if not connection.channels:
                        self._retire(connection)
                    raise
                with self._changed:
                    connection.channels += 1
                return session, connection

    def _roomiest(self) -> Connection | None:
        """The connection to put another session on; None where another connection is better, or all are full."""
        with self._changed:
            for dead in [each for each in self._connections if not each.alive]:
                self._connections.remove(dead)
                dead.close()
            roomy = [each for each in self._connections if each.channels < each.room]
            best = min(roomy, key=lambda each: each.channels, default=None)
            if best is not None and best.channels >= _FIRST and len(self._connections) < MAX_CONNECTIONS:
                return None
            return best

    def _connect_another(self) -> Connection | None:
        """A new connection; where there may be no more, or none can be made, an old one with room, or None."""
        with self._changed:
            known = list(self._connections)
        if len(known) < MAX_CONNECTIONS:
            try:
                made = self._connect()
            except Unavailable:
                # One more is a convenience: those that stand go on.
                if not known:
                    raise
            else:
                with self._changed:
                    if not self._closed:
                        self._connections.append(made)
                        return made
                made.close()
                raise Unavailable("the store is closed")
        roomy = [each for each in known if each.alive and each.channels < each.room]
        return min(roomy, key=lambda each: each.channels, default=None)

    def _give_back(self, session: Session, connection: Connection) -> None:
        with self._changed:
            if session.usable and connection.alive and not self._closed:
                self._idle.append((session, connection))
            else:
                self._drop(session, connection)
            self._changed.notify()

    def _drop(self, session: Session, connection: Connection) -> None:
        self._count -= 1
        connection.channels -= 1
        with suppress(SSHException, OSError, EOFError, StoreError):
            session.close()

    def _retire(self, connection: Connection) -> None:
        with self._changed:
            if connection in self._connections:
                self._connections.remove(connection)
        connection.close()
