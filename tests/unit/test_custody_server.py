"""A server that keeps keys and misbehaves: faults that no real one gives on demand."""

import base64
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from migrator.custody.server import MAX_ANSWER, Refused, Server
from migrator.custody.transit import Transit, version_of
from migrator.errors import (
    CustodyDenied,
    CustodyError,
    CustodyKeyUnusable,
    CustodyUnavailable,
    CustodyUntrusted,
    EvidenceInvalid,
)
from migrator.evidence.transit_signer import transit_signer
from providers.custody_place import CustodyPlace
from providers.secrets import Secret

TOKEN = "s.ThisIsTheToken"


@dataclass
class Answer:
    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    claimed: int | None = None


class Scripted(ThreadingHTTPServer):
    """Gives the answers of a list, the last one for ever, and keeps what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: list[Answer] = []
        self.asked: list[tuple[str, str, dict[str, str], Any]] = []
        self.address = f"http://127.0.0.1:{self.server_address[1]}"

    def next(self) -> Answer:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class _Handler(BaseHTTPRequestHandler):
    server: Scripted

    def _answer(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(size)) if size else None
        self.server.asked.append((self.command, self.path, dict(self.headers), body))
        answer = self.server.next()
        data = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data) if answer.claimed is None else answer.claimed))
        self.end_headers()
        self.wfile.write(data)
        self.close_connection = answer.claimed is not None

    do_GET = do_POST = _answer  # noqa: N815 - the base class's names

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    with Scripted() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def server(scripted: Scripted, waits: list[float]) -> Iterator[Server]:
    server = Server(scripted.address, Secret(TOKEN), namespace="team", sleep=waits.append)
    yield server
    server.close()


@pytest.fixture
def transit(scripted: Scripted, server: Server) -> Transit:
    return Transit(CustodyPlace(name="vault", address=scripted.address, mount="transit", key="ds"), server)


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def ok(**data: Any) -> Answer:
    return Answer(body={"data": data})


def refusal(status: int, *words: str) -> Answer:
    return Answer(status=status, body={"errors": list(words)})


def test_the_token_travels_in_a_header_only(scripted: Scripted, server: Server) -> None:
    """Token and namespace are headers; neither stands in the path or the body."""
    scripted.answers = [ok(a=1)]
    assert server.call("POST", "transit/encrypt/ds", {"plaintext": "eA=="}) == {"a": 1}
    method, path, headers, body = scripted.asked[0]
    assert (method, path, body) == ("POST", "/v1/transit/encrypt/ds", {"plaintext": "eA=="})
    assert headers["X-Vault-Token"] == TOKEN
    assert headers["X-Vault-Namespace"] == "team"


def test_a_redirect_is_not_followed(scripted: Scripted, server: Server) -> None:
    """The token does not go where the configuration does not name."""
    with Scripted() as elsewhere:
        thread = threading.Thread(target=elsewhere.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        elsewhere.answers = [ok(a=1)]
        for status in (301, 302, 307, 308):
            scripted.answers = [Answer(status, {}, {"Location": f"{elsewhere.address}/v1/x"})]
            with pytest.raises(CustodyUntrusted, match="another address"):
                server.call("POST", "x", {})
        elsewhere.shutdown()
        thread.join()
        assert elsewhere.asked == []


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_what_may_pass_is_tried_again(
    scripted: Scripted, server: Server, waits: list[float], status: int
) -> None:
    """An overloaded server is asked again, at the pace that it asks for, within bounds."""
    busy = Answer(status, {"errors": ["busy"]}, {"Retry-After": "2"})
    scripted.answers = [busy, Answer(status, b"<html>", {"Retry-After": "99999"}), ok(a=1)]
    assert server.call("GET", "x") == {"a": 1}
    assert waits == [2.0, 5.0]


def test_patience_has_an_end(scripted: Scripted, server: Server, waits: list[float]) -> None:
    """After four attempts it is temporary trouble, exit code 5."""
    scripted.answers = [refusal(503, "busy")]
    with pytest.raises(CustodyUnavailable) as caught:
        server.call("GET", "x")
    assert (caught.value.exit_code, len(scripted.asked), len(waits)) == (5, 4, 3)


def test_a_sealed_server_is_asked_once(scripted: Scripted, server: Server) -> None:
    """Waiting some seconds unseals nothing."""
    scripted.answers = [refusal(503, "Vault is sealed")]
    with pytest.raises(CustodyUnavailable, match="sealed"):
        server.call("GET", "x")
    assert len(scripted.asked) == 1


def test_an_answer_that_breaks_off_is_asked_for_again(scripted: Scripted, server: Server) -> None:
    """A cut answer is not taken for a whole one."""
    scripted.answers = [Answer(body={"data": {"a": 1}}, claimed=500), ok(a=2)]
    assert server.call("GET", "x") == {"a": 2}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[" * 100_000,
        b'{"data":[]}',
        b'{"data":null}',
        b"[]",
        b"\xff",
        b'{"data":1' + b"1" * 5000,
    ],
)
def test_an_answer_without_sense_is_refused(scripted: Scripted, server: Server, body: bytes) -> None:
    """What is not an object with data is an error of one sentence."""
    scripted.answers = [Answer(body=body)]
    with pytest.raises(CustodyError, match="makes no sense"):
        server.call("GET", "x")


@pytest.mark.parametrize("status", [200, 400])
def test_an_answer_without_end_is_cut(scripted: Scripted, server: Server, status: int) -> None:
    """No more than a mebibyte is read, whatever is announced."""
    scripted.answers = [Answer(status, b" " * (MAX_ANSWER + 1))]
    with pytest.raises(CustodyError, match="too large"):
        server.call("GET", "x")


def test_words_of_the_server_are_bounded_and_without_the_token(scripted: Scripted, server: Server) -> None:
    """A server that repeats the token or steers the terminal does not get through."""
    scripted.answers = [refusal(400, f"no {TOKEN} \x1b[31m", "y" * 10_000)]
    with pytest.raises(Refused) as caught:
        server.call("GET", "x")
    assert TOKEN not in str(caught.value)
    assert len(caught.value.words) <= 200
    assert caught.value.words.isprintable()


def test_a_forbidden_token_is_looked_up_once(scripted: Scripted, server: Server) -> None:
    """A valid token that may not do this is told from one that is over."""
    scripted.answers = [refusal(403, "permission denied"), ok(id="x")]
    with pytest.raises(CustodyDenied, match="takes the token, but not"):
        server.call("GET", "x")
    scripted.answers = [refusal(403, "permission denied")]
    with pytest.raises(CustodyDenied, match="expired"):
        server.call("GET", "x")


def test_a_server_that_wraps_something_else_is_found_out(scripted: Scripted, transit: Transit) -> None:
    """What was wrapped is opened again and compared before anything rests on it."""
    scripted.answers = [ok(ciphertext="vault:v1:AAAA"), ok(plaintext=text(b"other"))]
    with pytest.raises(CustodyError, match="something else"):
        transit.wrap(b"secret", b"binding")


def test_a_server_that_binds_nothing_is_found_out(scripted: Scripted, transit: Transit) -> None:
    """A server that opens under any binding is too old."""
    scripted.answers = [ok(ciphertext="vault:v1:AAAA"), ok(plaintext=text(b"secret"))]
    with pytest.raises(CustodyError, match="does not bind"):
        transit.wrap(b"secret", b"binding")
    bindings = [body["associated_data"] for *_, body in scripted.asked]
    assert bindings[0] == bindings[1] != bindings[2]


@pytest.mark.parametrize(
    "wrapped",
    ["", "vault:v0:AAAA", "vault:v1:", "v1:AAAA", "vault:v1:AA AA", "vault:v1:" + "A" * 5000, 7, None],
)
def test_a_ciphertext_of_another_form_is_refused(scripted: Scripted, transit: Transit, wrapped: Any) -> None:
    """Only the engine's own form, and not too much of it, is written into a file."""
    scripted.answers = [ok(ciphertext=wrapped)]
    with pytest.raises(CustodyError, match="makes no sense"):
        transit.wrap(b"secret", b"binding")


@pytest.mark.parametrize("plaintext", ["\N{SNOWMAN}", "AA A", "A", 7, None])
def test_a_plaintext_that_is_no_base64_is_refused(
    scripted: Scripted, transit: Transit, plaintext: Any
) -> None:
    """What the server says to have opened is base64 in one piece."""
    scripted.answers = [ok(plaintext=plaintext)]
    with pytest.raises(CustodyError, match="makes no sense"):
        transit.unwrap("vault:v1:AAAA", b"binding")


def test_a_version_is_read_from_the_engines_form() -> None:
    """The version stands in the middle."""
    assert version_of("vault:v12:AAAA") == 12
    with pytest.raises(ValueError, match="form"):
        version_of("vault:v1:AAAA\n")


def key_answer(private: Ed25519PrivateKey, **changed: Any) -> Answer:
    entry = {
        "public_key": text(private.public_key().public_bytes_raw()),
        "creation_time": "2026-11-22T06:18:42.000799433Z",
        "name": "ed25519",
    }
    return ok(**{"type": "ed25519", "latest_version": 3, "keys": {"3": entry}} | changed)


def test_a_signature_is_verified_before_it_is_believed(scripted: Scripted, transit: Transit) -> None:
    """A 200 with a signature over other bytes, or by another key, is refused."""
    private, other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    scripted.answers = [key_answer(private)]
    signer = transit_signer(transit)
    assert (signer.public.name, signer.version) == ("vault.v3", 3)
    assert signer.public.valid_from == 1_795_328_322_000
    scripted.answers = [ok(signature=f"vault:v3:{text(private.sign(b'message'))}")]
    assert signer.sign(b"message") == private.sign(b"message")
    assert scripted.asked[-1][3] == {"input": text(b"message"), "key_version": 3}
    for wrong in (private.sign(b"another"), other.sign(b"message"), bytes(64)):
        scripted.answers = [ok(signature=f"vault:v3:{text(wrong)}")]
        with pytest.raises(EvidenceInvalid, match=r"not by vault\.v3"):
            signer.sign(b"message")


@pytest.mark.parametrize("signature", ["vault:v2:", "vault:v3:AAAA", "vault:v3:!", "", None])
def test_a_signature_of_another_form_or_version_is_refused(
    scripted: Scripted, transit: Transit, signature: str | None
) -> None:
    """A signature names the version that was asked for and has 64 bytes."""
    whole = f"{signature}{text(bytes(64))}" if signature == "vault:v2:" else signature
    scripted.answers = [ok(signature=whole)]
    with pytest.raises(CustodyError, match="makes no sense"):
        transit.sign(b"message", 3)


@pytest.mark.parametrize(
    ("changed", "kind"),
    [
        ({"type": "rsa-2048"}, CustodyKeyUnusable),
        ({"derived": True}, CustodyKeyUnusable),
        ({"latest_version": 4}, CustodyKeyUnusable),
        ({"latest_version": True}, CustodyError),
        ({"latest_version": "3"}, CustodyError),
        ({"keys": []}, CustodyError),
        ({"keys": {"3": 1_795_328_321}}, CustodyError),
        ({"keys": {"3": {"public_key": "AAAA", "creation_time": "2026-11-22T06:18:42Z"}}}, CustodyError),
        ({"keys": {"3": {"public_key": text(bytes(32)), "creation_time": "2026-11-22"}}}, CustodyError),
    ],
)
def test_a_public_key_of_another_kind_is_refused(
    scripted: Scripted, transit: Transit, changed: dict[str, Any], kind: type[CustodyError]
) -> None:
    """Only a plain Ed25519 key with a time signs evidence."""
    scripted.answers = [key_answer(Ed25519PrivateKey.generate(), **changed)]
    with pytest.raises(kind):
        transit.signing_version()
