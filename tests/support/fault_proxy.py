"""An HTTP/1.1 proxy in front of a test server that fails where the test says.

The client is pointed at the proxy instead of the server. Bytes are passed on unchanged, the Host
field included, for a signature covers it: the server sees a request signed for the proxy's address,
which S3 servers take as it comes. Faults are scripted, never random: each is queued for a method
and a path, acts on the requests that match, and `verify_all_fired` tells whether all of them did.

Owns connections and their breaking. Knows nothing of S3; imports no pytest.
"""

import select
import socket
import struct
import threading
from collections.abc import Iterable
from contextlib import suppress
from typing import Self
from urllib.parse import urlsplit

from support.faults import Answer, Claim, CutRequest, CutResponse, DropResponse, Fault, Hold, Script, Stage
from support.http_wire import Head, Wire, WireError

__all__ = ["FaultProxy"]

_UPSTREAM_TIMEOUT_SECONDS = 60
_HOLD_POLL_SECONDS = 0.05
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class FaultProxy:
    """A proxy on 127.0.0.1 before one plain-http endpoint; use it as a context manager.

    The path of every fault is a regular expression, searched for in the request's target (path and
    query, as sent); its method is exact, or `*` for any. `times=None` means until `Fault.stop()`.
    """

    def __init__(self, endpoint: str) -> None:
        """Prepare a proxy before `endpoint`, for example `http://127.0.0.1:9000`; any path in it stays."""
        parts = urlsplit(endpoint)
        if parts.scheme != "http" or parts.hostname is None:
            raise ValueError(f"not a plain-http endpoint: {endpoint}")
        self._upstream = (parts.hostname, parts.port or 80)
        self._path = parts.path
        self._script = Script()
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._live: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener: socket.socket | None = None

    # --- life ---------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._spawn(self._accept, self._listener)
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        assert self._listener is not None
        # Closing alone does not wake a thread that waits in accept().
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            live, threads = list(self._live), list(self._threads)
        for connection in live:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()

    @property
    def endpoint(self) -> str:
        """What to give to the client in the place of the server's endpoint."""
        assert self._listener is not None
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}{self._path}"

    # --- the script ---------------------------------------------------------------------------

    def answer(
        self,
        method: str,
        path: str,
        *,
        status: int = 503,
        code: str = "SlowDown",
        retry_after_seconds: int | None = None,
        times: int | None = 1,
    ) -> Fault:
        """Answer in the server's place, with `code` as S3's and Azure's error code."""
        return self._script.queue(Answer(status, code, retry_after_seconds), method, path, times)

    def cut_request(self, method: str, path: str, *, after: int, times: int | None = 1) -> Fault:
        """Reset both connections after `after` body bytes of the request; longer bodies only."""
        return self._script.queue(CutRequest(after), method, path, times)

    def cut_response(self, method: str, path: str, *, after: int, times: int | None = 1) -> Fault:
        """End the connection after `after` body bytes of the answer; longer bodies only."""
        return self._script.queue(CutResponse(after), method, path, times)

    def drop_response(self, method: str, path: str, *, times: int | None = 1) -> Fault:
        """Let the server finish, then close without a word: the acknowledgement is lost."""
        return self._script.queue(DropResponse(), method, path, times)

    def hold_request(self, method: str, path: str, *, until: threading.Event, times: int | None = 1) -> Fault:
        """Keep the request from the server until `until` is set."""
        return self._script.queue(Hold(until, Stage.BEFORE_SERVER), method, path, times)

    def hold_response(
        self, method: str, path: str, *, until: threading.Event, times: int | None = 1
    ) -> Fault:
        """Let the server finish, and keep its answer from the client until `until` is set."""
        return self._script.queue(Hold(until, Stage.BEFORE_CLIENT), method, path, times)

    def seen(self, method: str, path: str) -> list[str]:
        """Return the targets of the matching requests so far, those that a fault met included."""
        return self._script.seen(method, path)

    def verify_all_fired(self) -> None:
        """Check that every fault took effect as often as was asked (without a number: once).

        Raises:
            AssertionError: one did not; the message lists each.
        """
        if due := self._script.due():
            raise AssertionError("faults that did not fire: " + "; ".join(due))

    # --- connections --------------------------------------------------------------------------

    def _spawn(self, target: object, connection: socket.socket) -> None:
        thread = threading.Thread(target=target, args=(connection,), name="fault-proxy", daemon=True)  # type: ignore[arg-type]
        with self._lock:
            self._threads = [t for t in self._threads if t.is_alive()] + [thread]
            thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while not self._closing.is_set():
            try:
                client, _ = listener.accept()
            except OSError:
                return
            self._spawn(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        """Pass the requests of one client connection on, one after the other."""
        with self._tracked(client), suppress(OSError):
            wire = Wire(client)
            while (head := wire.head()) is not None:
                with self._script.fault_for(head.start[0], head.start[1]) as claim:
                    if not self._exchange(wire, head, claim):
                        return

    def _tracked(self, connection: socket.socket) -> "_Tracked":
        return _Tracked(connection, self._live, self._lock, self._closing)

    # --- one request --------------------------------------------------------------------------

    def _exchange(self, client: Wire, request: Head, claim: Claim) -> bool:
        """Pass one request and its answer; return whether the client's connection goes on."""
        action = claim.action
        if isinstance(action, Answer):
            # A body already under way is read, or the client would be reset before it reads this.
            if not request.expects_continue:
                _drain(client.body(request.request_framing()))
            claim.fire()
            client.socket.sendall(action.message())
            return False
        if isinstance(action, Hold) and action.stage is Stage.BEFORE_SERVER:
            claim.fire()
            self._wait(action.until)
        # A connection for each request: one kept open might have died with a server that restarts,
        # and that would look like a fault which nobody scripted.
        upstream = socket.create_connection(self._upstream, timeout=_UPSTREAM_TIMEOUT_SECONDS)
        with self._tracked(upstream):
            upstream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            server = Wire(upstream)
            return self._forward(client, server, request, claim) and self._answer(
                client, server, request, claim
            )

    def _forward(self, client: Wire, server: Wire, request: Head, claim: Claim) -> bool:
        server.socket.sendall(request.raw)
        if request.expects_continue and self._refused_body(client, server):
            return True
        limit = claim.action.after if isinstance(claim.action, CutRequest) else None
        pieces = client.body(request.request_framing())
        try:
            whole = _pass(pieces, server.socket, limit)
        except (BrokenPipeError, ConnectionResetError):
            # The server answered early and closed; its answer is still there to be read.
            return True
        if whole:
            return True
        claim.fire()
        for end in (client.socket, server.socket):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        return False

    @staticmethod
    def _refused_body(client: Wire, server: Wire) -> bool:
        """Wait with a client that expects "100 Continue"; tell whether the server spoke instead."""
        readable, _, _ = select.select([client.socket, server.socket], [], [], _UPSTREAM_TIMEOUT_SECONDS)
        if server.socket not in readable:
            return False
        first = server.socket.recv(12, socket.MSG_PEEK)
        if first[9:10] != b"1":
            return True
        interim = server.head()
        assert interim is not None
        client.socket.sendall(interim.raw)
        return False

    def _answer(self, client: Wire, server: Wire, request: Head, claim: Claim) -> bool:
        while (head := server.head()) is not None and head.is_interim:
            client.socket.sendall(head.raw)
        if head is None:
            raise WireError("the server closed without an answer")
        framing = head.response_framing(request.start[0])
        pieces: Iterable[bytes] = server.body(framing)
        limit: int | None = None
        match claim.action:
            case DropResponse():
                _drain(pieces)
                claim.fire()
                return False
            case Hold(until=until, stage=Stage.BEFORE_CLIENT):
                pieces = list(pieces)
                claim.fire()
                self._wait(until)
            case CutResponse(after=after):
                limit = after
        client.socket.sendall(head.raw)
        if not _pass(pieces, client.socket, limit):
            claim.fire()
            return False
        # After an early answer the rest of the request's body may still be on its way: start anew.
        unread = request.expects_continue and int(head.start[1]) >= 400
        return not (framing == "until-close" or head.closes or request.closes or unread)

    def _wait(self, event: threading.Event) -> None:
        while not event.wait(_HOLD_POLL_SECONDS):
            if self._closing.is_set():
                raise WireError("the proxy is closing")


class _Tracked:
    """Closes a connection at the end of a block, and lets the proxy end it sooner."""

    def __init__(
        self,
        connection: socket.socket,
        live: set[socket.socket],
        lock: threading.Lock,
        closing: threading.Event,
    ) -> None:
        self._connection, self._live, self._lock, self._closing = connection, live, lock, closing

    def __enter__(self) -> None:
        with self._lock:
            self._live.add(self._connection)
        if self._closing.is_set():
            self._connection.close()

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._live.discard(self._connection)
        self._connection.close()


def _drain(pieces: Iterable[bytes]) -> None:
    for _ in pieces:
        pass


def _pass(pieces: Iterable[bytes], to: socket.socket, limit: int | None) -> bool:
    """Send the pieces on, or only the first `limit` bytes; return whether all of them went."""
    sent = 0
    for piece in pieces:
        if limit is not None and sent + len(piece) > limit:
            to.sendall(piece[: limit - sent])
            return False
        to.sendall(piece)
        sent += len(piece)
    return True
