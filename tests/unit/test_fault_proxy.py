"""The fault proxy: bytes pass unchanged, and each scripted fault happens as told and is counted."""

import http.client
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from azure.core.exceptions import HttpResponseError, ServiceResponseError
from botocore.exceptions import ClientError, HTTPClientError

from support.fault_proxy import FaultProxy
from support.servers import AzureServer, S3Server

BODY = bytes(range(256)) * 1024
PATIENCE_SECONDS = 30


@dataclass
class Origin:
    """What the server behind the proxy received and finished."""

    port: int = 0
    finished: list[tuple[str, str, bytes]] = field(default_factory=list)
    hosts: list[str] = field(default_factory=list)
    broken: threading.Event = field(default_factory=threading.Event)


@pytest.fixture
def origin() -> Iterator[Origin]:
    """A stdlib server that stores nothing and answers every GET and PUT with BODY."""
    record = Origin()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            record.hosts.append(self.headers["Host"])
            self._finish(b"")

        def do_PUT(self) -> None:
            length = int(self.headers["Content-Length"])
            try:
                body = self.rfile.read(length)
            except ConnectionError:
                body = b""
            if len(body) != length:
                record.broken.set()
                self.close_connection = True
                return
            self._finish(body)

        def do_POST(self) -> None:
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            record.finished.append(("POST", self.path, body))
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"5\r\nhello\r\n0\r\n\r\n")

        def _finish(self, body: bytes) -> None:
            record.finished.append((self.command, self.path, body))
            self.send_response(200)
            self.send_header("Content-Length", str(len(BODY)))
            self.end_headers()
            self.wfile.write(BODY)

        def log_message(self, *_: object) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        daemon_threads = False

        def handle_error(self, *_: object) -> None:
            pass  # connections break here on purpose

    with Quiet(("127.0.0.1", 0), Handler) as server:
        record.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield record
        server.shutdown()
        thread.join()


@pytest.fixture
def proxy(origin: Origin) -> Iterator[FaultProxy]:
    with FaultProxy(f"http://127.0.0.1:{origin.port}") as running:
        yield running


@pytest.fixture
def client(proxy: FaultProxy) -> Iterator[http.client.HTTPConnection]:
    host = proxy.endpoint.removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=PATIENCE_SECONDS)
    yield connection
    connection.close()


def _get(client: http.client.HTTPConnection, path: str) -> tuple[int, bytes]:
    client.request("GET", path)
    with client.getresponse() as answer:
        return answer.status, answer.read()


def test_bytes_and_host_pass_unchanged(
    client: http.client.HTTPConnection, origin: Origin, proxy: FaultProxy
) -> None:
    """Without a fault the server sees the body, the target and the Host that the client sent."""
    assert _get(client, "/a%2Fb//c?x=%20&y") == (200, BODY)
    client.request("PUT", "/k", body=BODY)
    with client.getresponse() as answer:
        assert answer.read() == BODY
    assert origin.finished == [("GET", "/a%2Fb//c?x=%20&y", b""), ("PUT", "/k", BODY)]
    assert origin.hosts == [proxy.endpoint.removeprefix("http://")]
    assert proxy.seen("*", "") == ["/a%2Fb//c?x=%20&y", "/k"]


def test_chunked_bodies_pass_both_ways(client: http.client.HTTPConnection, origin: Origin) -> None:
    """Chunked coding in a request and in an answer survives the proxy."""
    client.request("POST", "/c", body=iter([b"one", b"two"]), encode_chunked=True)
    with client.getresponse() as answer:
        assert answer.read() == b"hello"
    assert origin.finished == [("POST", "/c", b"onetwo")]


def test_an_answered_request_never_reaches_the_server(
    client: http.client.HTTPConnection, origin: Origin, proxy: FaultProxy
) -> None:
    """A 503 with Retry-After is given as often as asked, and then the server is reached."""
    fault = proxy.answer("PUT", "^/k$", retry_after_seconds=7, times=2)
    for _ in range(2):
        client.request("PUT", "/k", body=BODY)
        with client.getresponse() as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (503, "7")
            assert b"<Code>SlowDown</Code>" in answer.read()
    assert not origin.finished
    client.request("PUT", "/k", body=BODY)
    with client.getresponse() as answer:
        assert answer.status == 200
        answer.read()
    assert fault.fired == 2
    proxy.verify_all_fired()


def test_a_fault_without_a_number_lasts_until_stopped(
    client: http.client.HTTPConnection, proxy: FaultProxy
) -> None:
    """`times=None` fails every request until the test stops it."""
    fault = proxy.answer("GET", "/", status=429, times=None)
    assert [_get(client, "/x")[0] for _ in range(3)] == [429, 429, 429]
    fault.stop()
    assert _get(client, "/x")[0] == 200


def test_method_and_path_choose_the_request(client: http.client.HTTPConnection, proxy: FaultProxy) -> None:
    """A fault leaves other methods and other paths alone, and is then reported as not fired."""
    proxy.answer("PUT", "/wanted")
    proxy.answer("GET", r"/wanted\?part=2")
    assert _get(client, "/wanted?part=1")[0] == 200
    with pytest.raises(AssertionError, match=r"PUT /wanted: wanted 1 times, fired 0; .*part=2"):
        proxy.verify_all_fired()


def test_a_cut_request_never_finishes_at_the_server(
    client: http.client.HTTPConnection, origin: Origin, proxy: FaultProxy
) -> None:
    """Both sides see the connection break, and the server did not get the whole body."""
    proxy.cut_request("PUT", "/k", after=1000)
    with pytest.raises((ConnectionError, http.client.HTTPException)):  # noqa: PT012 - either call may see it
        client.request("PUT", "/k", body=BODY)
        client.getresponse()
    assert origin.broken.wait(PATIENCE_SECONDS)
    assert not origin.finished
    proxy.verify_all_fired()


def test_a_cut_beyond_the_body_does_not_count(client: http.client.HTTPConnection, proxy: FaultProxy) -> None:
    """A cut after more bytes than a body has lets it pass and stays queued for the next."""
    fault = proxy.cut_response("GET", "/", after=len(BODY))
    assert _get(client, "/x") == (200, BODY)
    assert fault.fired == 0
    with pytest.raises(AssertionError, match="CutResponse"):
        proxy.verify_all_fired()


def test_a_cut_response_ends_after_the_bytes_told(
    client: http.client.HTTPConnection, proxy: FaultProxy
) -> None:
    """The client reads exactly the first bytes, then the end of the connection."""
    proxy.cut_response("GET", "/", after=1000)
    with pytest.raises(http.client.IncompleteRead) as cut:
        _get(client, "/x")
    assert cut.value.partial == BODY[:1000]
    proxy.verify_all_fired()


def test_a_dropped_response_was_acted_upon(
    client: http.client.HTTPConnection, origin: Origin, proxy: FaultProxy
) -> None:
    """The server finished the request although its client only saw the connection end."""
    proxy.drop_response("PUT", "/k")
    client.request("PUT", "/k", body=BODY)
    with pytest.raises(http.client.RemoteDisconnected):
        client.getresponse()
    assert origin.finished == [("PUT", "/k", BODY)]
    proxy.verify_all_fired()


def test_a_held_request_waits_for_its_event(
    client: http.client.HTTPConnection, origin: Origin, proxy: FaultProxy
) -> None:
    """The server sees nothing of a held request before the event is set."""
    go = threading.Event()
    fault = proxy.hold_request("GET", "/", until=go)
    client.request("GET", "/x")
    assert fault.first_fired.wait(PATIENCE_SECONDS)
    assert not origin.finished
    go.set()
    with client.getresponse() as answer:
        assert answer.read() == BODY


def test_a_held_response_was_acted_upon(
    client: http.client.HTTPConnection, origin: Origin, proxy: FaultProxy
) -> None:
    """The server has finished while the answer is still kept from the client."""
    go = threading.Event()
    fault = proxy.hold_response("GET", "/", until=go)
    client.request("GET", "/x")
    assert fault.first_fired.wait(PATIENCE_SECONDS)
    assert origin.finished == [("GET", "/x", b"")]
    go.set()
    with client.getresponse() as answer:
        assert answer.read() == BODY


def test_closing_the_proxy_frees_what_it_holds(origin: Origin) -> None:
    """A proxy that ends while it holds a request lets go of the client and of its threads."""
    with FaultProxy(f"http://127.0.0.1:{origin.port}") as proxy:
        fault = proxy.hold_request("GET", "/", until=threading.Event())
        client = http.client.HTTPConnection(proxy.endpoint.removeprefix("http://"), timeout=PATIENCE_SECONDS)
        client.request("GET", "/x")
        assert fault.first_fired.wait(PATIENCE_SECONDS)
    with pytest.raises(ConnectionError):
        client.getresponse()
    client.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "fault-proxy"]


def test_an_encrypted_endpoint_is_refused() -> None:
    """The proxy cannot read TLS and says so."""
    with pytest.raises(ValueError, match="plain-http"):
        FaultProxy("https://127.0.0.1:1")


@pytest.mark.server("seaweedfs")
def test_signed_requests_survive_the_proxy(seaweedfs: S3Server) -> None:
    """SeaweedFS accepts requests signed for the proxy's address, faults included."""
    bucket = seaweedfs.new_bucket()
    with FaultProxy(seaweedfs.endpoint) as proxy:
        client = seaweedfs.client(endpoint=proxy.endpoint)
        proxy.answer("PUT", f"/{bucket}/k", retry_after_seconds=1)
        with pytest.raises(ClientError, match="SlowDown"):
            client.put_object(Bucket=bucket, Key="k", Body=BODY)
        proxy.cut_request("PUT", f"/{bucket}/k", after=100_000)
        with pytest.raises(HTTPClientError):
            client.put_object(Bucket=bucket, Key="k", Body=BODY)
        with pytest.raises(ClientError, match="404"):
            client.head_object(Bucket=bucket, Key="k")
        proxy.drop_response("PUT", f"/{bucket}/k")
        with pytest.raises(HTTPClientError):
            client.put_object(Bucket=bucket, Key="k", Body=BODY)
        assert client.get_object(Bucket=bucket, Key="k")["Body"].read() == BODY
        client.close()
        proxy.verify_all_fired()


@pytest.mark.server("azurite")
def test_azure_requests_survive_the_proxy(azurite: AzureServer) -> None:
    """Azurite accepts requests signed with its key through the proxy, faults included."""
    container = azurite.new_bucket()
    with (
        FaultProxy(azurite.endpoint) as proxy,
        azurite.service(endpoint=proxy.endpoint) as service,
        service.get_blob_client(container, "k") as blob,
    ):
        proxy.answer("PUT", f"/{container}/k", code="ServerBusy")
        with pytest.raises(HttpResponseError) as busy:
            blob.upload_blob(BODY)
        assert (busy.value.status_code, busy.value.error_code) == (503, "ServerBusy")
        proxy.drop_response("PUT", f"/{container}/k")
        with pytest.raises(ServiceResponseError):
            blob.upload_blob(BODY)
        assert blob.download_blob().readall() == BODY
        proxy.verify_all_fired()
