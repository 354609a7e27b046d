"""The S3 driver before a store that answers what the test says: loopback, raw bytes."""

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from providers.drivers.s3 import S3Driver, S3Settings
from providers.drivers.s3_client import S3Client
from providers.drivers.s3_wire import Answer, Endpoint, Pool, ProtocolError
from providers.errors import (
    ConditionFailed,
    ConfigInvalid,
    RangeInvalid,
    StoreError,
    Throttled,
    Truncated,
    Unavailable,
    Unsupported,
)
from providers.model import ETag, Key, Kind, Pin, PutOptions, Span
from providers.secrets import Secret

KEY = Key("dir/file")


class _Store(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, answers: list[bytes]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = answers
        self.seen: list[bytes] = []
        self.connections = 0


class _Handler(socketserver.StreamRequestHandler):
    server: _Store

    def handle(self) -> None:
        self.server.connections += 1
        while self.server.answers:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                line = self.rfile.readline()
                if not line:
                    return
                head += line
            length = next((int(x[15:]) for x in head.split(b"\r\n") if x.startswith(b"content-length:")), 0)
            self.server.seen.append(head + self.rfile.read(length))
            answer = self.server.answers.pop(0)
            self.wfile.write(answer)
            if b"\r\nx-cut: 1\r\n" in answer:
                return


@contextmanager
def store(*answers: bytes) -> Iterator[_Store]:
    with _Store(list(answers)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def driver(server: _Store, **changes: object) -> Iterator[S3Driver]:
    opened = S3Driver(
        S3Settings(
            bucket="bucket",
            region="gra",
            endpoint_url=f"http://127.0.0.1:{server.server_address[1]}/spaces/one",
            addressing="path",
            access_key=Secret("AK"),
            secret_key=Secret("SK"),
            **changes,  # type: ignore[arg-type]
        )
    )
    try:
        yield opened
    finally:
        opened.close()


def answer(status: str, body: bytes = b"", *headers: str, length: int | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def exchange(server: _Store, method: str = "GET", body: bytes = b"", *, count: int = 1) -> list[Answer]:
    pool = Pool(
        Endpoint("http", "127.0.0.1", server.server_address[1]),
        trust=None,
        keep=4,
        connect_timeout=5,
        read_timeout=5,
    )
    try:
        return [pool.exchange(method, "/x", {"host": "h"}, body) for _ in range(count)]
    finally:
        pool.close()


@pytest.mark.parametrize("size", [0, 1, 70_000, 3_000_000])
def test_bodies_of_a_known_length_arrive_whole(size: int) -> None:
    """Small bodies come with the head, large ones are read in place."""
    body = bytes(range(256)) * (size // 256 + 1)
    with store(answer("200 OK", body[:size])) as server:
        assert bytes(exchange(server)[0].body) == body[:size]


def test_a_chunked_body_is_put_together() -> None:
    """Chunk extensions and trailers are passed over."""
    raw = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nT: 1\r\n\r\n"
    with store(raw, answer("200 OK", b"next")) as server:
        assert [bytes(got.body) for got in exchange(server, count=2)] == [b"abcde", b"next"]


def test_interim_answers_are_passed_over() -> None:
    """100 Continue comes before the answer, not instead of it."""
    with store(b"HTTP/1.1 100 Continue\r\n\r\n" + answer("200 OK", b"x")) as server:
        assert exchange(server, "PUT", b"body")[0].body == b"x"


def test_a_body_without_a_length_ends_with_the_connection() -> None:
    """Such a connection is not used again."""
    raw = b"HTTP/1.1 200 OK\r\nx-cut: 1\r\n\r\nall of it"
    with store(raw, raw) as server:
        assert [bytes(got.body) for got in exchange(server, count=2)] == [b"all of it"] * 2
        assert server.connections == 2


def test_a_connection_is_used_again() -> None:
    """Requests one after another share a connection, unless the store asks for its end."""
    with store(answer("200 OK"), answer("200 OK"), answer("200 OK")) as server:
        exchange(server, count=3)
        assert server.connections == 1
    with store(answer("200 OK", b"", "Connection: close", "x-cut: 1"), answer("200 OK")) as server:
        exchange(server, count=2)
        assert server.connections == 2


def test_a_large_body_is_sent_as_it_is() -> None:
    """A body that does not fit one packet arrives unchanged after its head."""
    body = bytes(range(256)) * 4096
    with store(answer("200 OK")) as server:
        exchange(server, "PUT", body)
        assert server.seen[0].endswith(b"\r\n\r\n" + body)


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        (answer("200 OK", b"abc", "x-cut: 1", length=9), Truncated),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nx-cut: 1\r\n\r\n9\r\nabc", Truncated),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nx-cut: 1\r\n\r\nzz\r\n", ProtocolError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: many\r\nx-cut: 1\r\n\r\n", ProtocolError),
        (b"SSH-2.0-OpenSSH\r\nx-cut: 1\r\n\r\n", ProtocolError),
        (b"HTTP/1.1 200 OK\r\nx-cut: 1\r\n", ProtocolError),
    ],
)
def test_cut_and_foreign_answers_are_errors(raw: bytes, error: type[Exception]) -> None:
    """What is not a whole HTTP answer is never taken for one."""
    with store(raw) as server, pytest.raises(error):
        exchange(server)


def test_a_proxy_is_asked_for_the_whole_address() -> None:
    """A plain-http store behind a proxy: absolute target, and the proxy's own credentials for it alone."""
    with store(answer("200 OK", b"x")) as server:
        proxy = f"http://user:p%40ss@127.0.0.1:{server.server_address[1]}"
        pool = Pool(
            Endpoint("http", "store.example", 9000, proxy),
            trust=None,
            keep=1,
            connect_timeout=5,
            read_timeout=5,
        )
        try:
            pool.exchange("GET", "/bucket/key", {"host": "store.example:9000"})
        finally:
            pool.close()
        assert server.seen[0].startswith(b"GET http://store.example:9000/bucket/key HTTP/1.1\r\n")
        assert b"Proxy-Authorization: Basic dXNlcjpwQHNz\r\n" in server.seen[0]


def test_a_store_that_keeps_silent_is_given_up() -> None:
    """Silence longer than the read timeout is a temporary error."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        pool = Pool(
            Endpoint("http", "127.0.0.1", silent.getsockname()[1]),
            trust=None,
            keep=1,
            connect_timeout=5,
            read_timeout=0.05,
        )
        with pytest.raises(BlockingIOError):
            pool.exchange("GET", "/", {})


def read(raw: bytes, span: Span | None, pin: Pin | None, **changes: object) -> bytes:
    with store(raw) as server, driver(server, **changes) as opened:
        return bytes(opened.read(KEY, span=span, pin=pin).data)


def part(body: bytes, start: int, size: int) -> bytes:
    where = f"Content-Range: bytes {start}-{start + len(body) - 1}/{size}"
    return answer("206 Partial Content", body, where, 'ETag: "e"')


HELD = Pin(etag=ETag('"e"'), size=10)


def test_a_span_is_read() -> None:
    """A partial answer that is what was asked for is given."""
    assert read(part(b"cde", 2, 10), Span(start=2, length=3), HELD) == b"cde"


def test_a_span_told_with_200_is_read() -> None:
    """A store that says 200 where 206 is meant is read by its Content-Range (rclone serve s3 for objects in parts)."""
    told = part(b"cde", 2, 10).replace(b"206 Partial Content", b"200 OK", 1)
    assert read(told, Span(start=2, length=3), HELD) == b"cde"


@pytest.mark.parametrize("where", ["bytes 2-4/10", "bytes 0-9/20", "items 0-9/10"])
def test_a_range_that_200_does_not_bear_out_is_no_range(where: str) -> None:
    """The whole object sent for a span is told apart, whatever the Content-Range beside it says."""
    whole = answer("200 OK", b"0123456789", f"Content-Range: {where}", 'ETag: "e"')
    with pytest.raises((Unsupported, ConditionFailed)):
        read(whole, Span(start=2, length=3), HELD)


def test_content_codings_are_not_undone() -> None:
    """An object stored as gzip is given as it is stored."""
    raw = answer("200 OK", b"\x1f\x8bnot really", "Content-Encoding: gzip", 'ETag: "e"')
    assert read(raw, None, None) == b"\x1f\x8bnot really"


@pytest.mark.parametrize(
    ("raw", "span", "error"),
    [
        (part(b"cde", 2, 11), Span(start=2, length=3), ConditionFailed),
        (part(b"cd", 2, 10), Span(start=2, length=3), Truncated),
        (part(b"cdef", 3, 10), Span(start=2, length=4), Unsupported),
        (part(b"ij", 8, 10), Span(start=8, length=5), RangeInvalid),
        (answer("200 OK", b"0123456789", 'ETag: "e"'), Span(start=2, length=3), Unsupported),
        (answer("200 OK", b"0123456789", 'ETag: "e"'), Span(start=0, length=3), Unsupported),
        (answer("200 OK", b"0123456789", 'ETag: "f"'), None, ConditionFailed),
        (answer("200 OK", b"01234567", 'ETag: "e"'), None, ConditionFailed),
        (answer("200 OK", b"0123456789"), None, ConditionFailed),
    ],
)
def test_an_answer_is_held_to_what_was_asked(raw: bytes, span: Span | None, error: type[StoreError]) -> None:
    """A store that ignores conditions or ranges is found out."""
    with pytest.raises(error):
        read(raw, span, HELD)


def test_a_whole_answer_serves_a_span_of_everything() -> None:
    """Some stores answer 200 to a range that covers the whole object."""
    assert read(answer("200 OK", b"0123456789", 'ETag: "e"'), Span(start=0, length=10), HELD) == b"0123456789"


@pytest.mark.parametrize(("bare", "header"), [(False, b'if-match: "e"\r\n'), (True, b"if-match: e\r\n")])
def test_if_match_is_written_as_the_store_wants_it(*, bare: bool, header: bytes) -> None:
    """Quoted as the standard says, or bare where the profile says so."""
    with (
        store(answer("200 OK", b"0123456789", 'ETag: "e"')) as server,
        driver(server, if_match_bare=bare) as opened,
    ):
        opened.read(KEY, pin=HELD)
        assert header in server.seen[0]


def test_the_path_of_an_endpoint_and_odd_keys_are_kept() -> None:
    """The endpoint's own path, empty segments and dots reach the store as they are."""
    with store(answer("200 OK", b"", 'ETag: "e"')) as server, driver(server) as opened:
        opened.put(Key("/a//../é +"), b"x", PutOptions())
        assert server.seen[0].startswith(b"PUT /spaces/one/bucket//a//../%C3%A9%20%2B HTTP/1.1\r\n")


def test_a_part_carries_the_digest_it_was_given() -> None:
    """The digest that the caller has is signed and sent as the store's checksum, not computed again."""
    with store(answer("200 OK", b"", 'ETag: "p"')) as server, driver(server) as opened:
        opened.put_part(KEY, "up", 1, 0, b"body", sha256=b"\0" * 32)  # type: ignore[arg-type]
        assert b"x-amz-content-sha256: " + b"0" * 64 in server.seen[0]
        assert b"x-amz-checksum-sha256: " + b"A" * 43 + b"=" in server.seen[0]


def test_md5_goes_where_sha256_is_not_verified() -> None:
    """A store that ignores SHA-256 gets Content-MD5."""
    with (
        store(answer("200 OK", b"", 'ETag: "p"')) as server,
        driver(server, send_sha256=False, send_md5=True) as opened,
    ):
        opened.put(KEY, b"body", PutOptions())
        assert b"content-md5: hBotaJrYa9FhFEdFPCLG/A==" in server.seen[0]
        assert b"x-amz-checksum" not in server.seen[0]


def test_a_customers_key_is_recognised() -> None:
    """HEAD of such an object is a bare 400; a GET tells why."""
    told = b"<Error><Code>InvalidRequest</Code><Message>a form of Server Side Encryption</Message></Error>"
    with (
        store(
            b"HTTP/1.1 400 Bad Request\r\nContent-Length: 9\r\n\r\n", answer("400 Bad Request", told)
        ) as server,
        driver(server) as opened,
    ):
        assert opened.head(KEY).kind is Kind.CUSTOMER_KEY


@pytest.mark.parametrize(
    ("raw", "error", "after"),
    [
        (answer("503 Slow Down", b"<Error><Code>SlowDown</Code></Error>", "Retry-After: 3"), Throttled, 3.0),
        (answer("500 Oh", b""), Unavailable, None),
    ],
)
def test_refusals_of_a_read_are_translated(raw: bytes, error: type[StoreError], after: float | None) -> None:
    """The status, the code and the wait asked for reach the caller."""
    with store(raw) as server, driver(server) as opened:
        with pytest.raises(Exception) as caught:
            opened.read(KEY)
        translated = opened.translate(caught.value)
        assert isinstance(translated, error)
        assert translated.retry_after == after


@pytest.mark.parametrize(
    ("endpoint", "addressing", "bucket", "host", "base"),
    [
        ("https://oos.example/", "auto", "b", "oos.example", "/b"),
        ("https://space.example/spaces/one", "path", "b", "space.example", "/spaces/one/b"),
        ("https://s3.example:9000", "virtual", "b", "b.s3.example:9000", ""),
        (None, "auto", "b", "b.s3.eu-west-3.amazonaws.com", ""),
        (None, "auto", "dotted.name", "s3.eu-west-3.amazonaws.com", "/dotted.name"),
    ],
)
def test_the_bucket_stands_where_the_store_wants_it(
    endpoint: str | None, addressing: str, bucket: str, host: str, base: str
) -> None:
    """In the path or in the host name, after whatever path the endpoint has."""
    client = S3Client(
        S3Settings(
            bucket=bucket,
            region="eu-west-3",
            endpoint_url=endpoint,
            addressing=addressing,  # type: ignore[arg-type]
            access_key=Secret("AK"),
            secret_key=Secret("SK"),
        )
    )
    try:
        assert (client._pool._endpoint.authority, client._base) == (host, base)
    finally:
        client.close()


@pytest.mark.parametrize("endpoint", ["ftp://host", "host:9000", "https://"])
def test_an_endpoint_that_is_no_url_is_refused(endpoint: str) -> None:
    """The error says what an endpoint looks like."""
    with pytest.raises(ConfigInvalid, match="http"):
        S3Driver(S3Settings(bucket="b", region="gra", endpoint_url=endpoint, addressing="path"))


def test_half_a_key_pair_is_refused() -> None:
    """An access key without its secret would fall through to other credentials of this machine."""
    with pytest.raises(ConfigInvalid, match="secret"):
        S3Driver(S3Settings(bucket="b", region="gra", endpoint_url="http://h", access_key=Secret("AK")))
