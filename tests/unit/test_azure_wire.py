"""The Azure driver against answers that no honest service gives: loopback, one scripted answer."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from providers.drivers.azure_blob import AzureBlobDriver, AzureSettings
from providers.errors import (
    ConditionFailed,
    RangeInvalid,
    StoreError,
    Throttled,
    Truncated,
    Unavailable,
    Unsupported,
)
from providers.model import ETag, Key, Pin, Span
from providers.secrets import Secret

ETAG = '"0x8DABC"'
KEY = Key("dir/file")


@contextmanager
def driver_before(*answers: bytes) -> Iterator[AzureBlobDriver]:
    """A driver whose service gives these raw answers, one per connection, then closes."""
    queue = list(answers)

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while self.rfile.readline().strip():
                pass
            if queue:
                self.wfile.write(queue.pop(0))

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        driver = AzureBlobDriver(
            AzureSettings(
                container="c",
                account="acc",
                endpoint=f"http://127.0.0.1:{server.server_address[1]}/acc",
                account_key=Secret("a2V5"),
                read_timeout=20,
            )
        )
        try:
            yield driver
        finally:
            driver.close()
            server.shutdown()
            thread.join()


def answer(status: str, *headers: str, body: bytes = b"") -> bytes:
    lines = [f"HTTP/1.1 {status}", "Connection: close", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def whole(body: bytes, *, length: int | None = None, etag: str = ETAG) -> bytes:
    return answer(
        "200 OK",
        f"ETag: {etag}",
        f"Content-Length: {len(body) if length is None else length}",
        "Last-Modified: Sat, 21 Nov 2026 10:00:00 GMT",
        body=body,
    )


def part(start: int, body: bytes, total: int, *, length: int | None = None, etag: str = ETAG) -> bytes:
    return answer(
        "206 Partial Content",
        f"ETag: {etag}",
        f"Content-Length: {len(body) if length is None else length}",
        f"Content-Range: bytes {start}-{start + (length or len(body)) - 1}/{total}",
        "Last-Modified: Sat, 21 Nov 2026 10:00:00 GMT",
        body=body,
    )


def read_error(driver: AzureBlobDriver, *, span: Span | None = None, pin: Pin | None = None) -> StoreError:
    with pytest.raises(Exception) as caught:
        driver.read(KEY, span=span, pin=pin)
    return driver.translate(caught.value)


PINNED = Pin(etag=ETag(ETAG), size=8)


def test_a_whole_read_gives_the_bytes():
    """The scripted service is understood at all, on both ways of reading."""
    with driver_before(whole(b"12345678"), part(2, b"345", 8)) as driver:
        assert bytes(driver.read(KEY, pin=PINNED).data) == b"12345678"
        assert bytes(driver.read(KEY, span=Span(start=2, length=3), pin=PINNED).data) == b"345"


@pytest.mark.parametrize("pin", [None, PINNED], ids=["http", "obstore"])
def test_a_whole_read_cut_short_is_truncated(pin):
    """A body that ends before its announced length is Truncated."""
    with driver_before(whole(b"1234", length=8)) as driver:
        assert type(read_error(driver, pin=pin)) is Truncated


def test_a_range_cut_short_is_truncated():
    """A range body that ends before its announced length is Truncated."""
    with driver_before(part(0, b"12", 8, length=4)) as driver:
        assert type(read_error(driver, span=Span(start=0, length=4), pin=PINNED)) is Truncated


def test_a_range_shorter_than_asked_is_truncated():
    """A complete answer with fewer bytes than the span is Truncated."""
    with driver_before(part(0, b"12", 8)) as driver:
        assert type(read_error(driver, span=Span(start=0, length=4), pin=PINNED)) is Truncated


@pytest.mark.parametrize("lie", [whole(b"12345678", etag='"other"'), whole(b"1234567")], ids=["etag", "size"])
def test_an_ignored_pin_is_noticed(lie):
    """A 200 for another etag or size is ConditionFailed although the service ignored If-Match."""
    with driver_before(lie, whole(b"")) as driver:
        assert type(read_error(driver, pin=PINNED)) is ConditionFailed


def test_an_ignored_pin_is_noticed_on_a_range():
    """A 206 of a blob of another size is ConditionFailed."""
    with driver_before(part(0, b"12", 9), whole(b"")) as driver:
        assert type(read_error(driver, span=Span(start=0, length=2), pin=PINNED)) is ConditionFailed


def test_an_ignored_range_is_unsupported():
    """A 200 to a ranged request is refused before its body is taken for the span."""
    with driver_before(whole(b"12345678")) as driver:
        assert type(read_error(driver, span=Span(start=2, length=2))) is Unsupported


def test_a_span_beyond_the_end_is_range_invalid():
    """A span that the service would shorten silently is RangeInvalid."""
    with driver_before(part(4, b"5678", 8)) as driver:
        assert type(read_error(driver, span=Span(start=4, length=100))) is RangeInvalid


def test_a_range_names_the_md5_of_the_whole_blob_only():
    """Content-MD5 of a range answer is the range's; x-ms-blob-content-md5 is the blob's."""
    ranged = part(0, b"12", 8).replace(b"Content-Length", b"Content-MD5: AAAA\r\nContent-Length")
    both = ranged.replace(b"Content-Length", b"x-ms-blob-content-md5: BBBB\r\nContent-Length")
    with driver_before(ranged, both) as driver:
        span = Span(start=0, length=2)
        assert driver.read(KEY, span=span).meta.claims == ()
        assert [claim.digest for claim in driver.read(KEY, span=span).meta.claims] == [b"\x04\x10\x41"]


def test_a_busy_service_says_how_long_to_wait():
    """503 with Retry-After becomes Throttled with the seconds."""
    busy = answer("503 Service Unavailable", "x-ms-error-code: ServerBusy", "Retry-After: 7")
    with driver_before(busy) as driver:
        error = read_error(driver)
        assert type(error) is Throttled
        assert error.retry_after == 7


@pytest.mark.parametrize("pin", [None, PINNED], ids=["http", "obstore"])
def test_a_cut_connection_is_unavailable(pin):
    """A connection closed without an answer is Unavailable."""
    with driver_before(b"") as driver:
        assert type(read_error(driver, pin=pin)) is Unavailable
