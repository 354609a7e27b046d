"""A time-stamp authority of its own: keys and answers by `openssl`, behind a small HTTP server on 127.0.0.1."""

import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

__all__ = ["Authority", "Handler", "serving"]

_CONFIGURATION = """
[tsa]
default_tsa = one
[one]
serial = serial
crypto_device = builtin
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha512
accuracy = secs:1
ordering = no
tsa_name = no
ess_cert_id_chain = no
ess_cert_id_alg = sha256
"""
_PURPOSES = "extendedKeyUsage=critical,timeStamping\nkeyUsage=critical,digitalSignature\n"


class Authority:
    """A root, a certificate that may stamp, and answers to requests.

    Attributes:
        root: the root's certificate, PEM.
    """

    def __init__(self, folder: Path, *, valid: tuple[str, str] | None = None) -> None:
        """Make it in a new folder; ``valid`` is from when to when its certificate is (YYYYMMDDHHMMSSZ)."""
        folder.mkdir()
        self._folder = folder
        self.root = folder / "root.pem"
        key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        self._openssl(
            *("req", "-x509", *key, "-keyout", "root.key", "-out", "root.pem", "-subj", "/CN=Root of tests"),
            *("-days", "3650", "-addext", "basicConstraints=critical,CA:TRUE"),
            *("-addext", "keyUsage=critical,keyCertSign"),
        )
        self._openssl("req", *key, "-keyout", "tsa.key", "-out", "tsa.csr", "-subj", "/CN=Authority of tests")
        (folder / "purposes").write_text(_PURPOSES)
        if valid is None:
            self._openssl(
                *(
                    "x509",
                    "-req",
                    "-in",
                    "tsa.csr",
                    "-CA",
                    "root.pem",
                    "-CAkey",
                    "root.key",
                    "-set_serial",
                    "7",
                ),
                *("-days", "3650", "-extfile", "purposes", "-out", "tsa.pem"),
            )
        else:
            self._issue_dated(*valid)
        (folder / "tsa.cnf").write_text(_CONFIGURATION)
        (folder / "serial").write_text("01\n")

    def answer(self, query: bytes, *, beside: bytes = b"") -> bytes:
        """The response to a request; ``beside`` is PEM of certificates to send along."""
        (self._folder / "query").write_bytes(query)
        (self._folder / "beside.pem").write_bytes(beside)
        self._openssl(
            *("ts", "-reply", "-config", "tsa.cnf", "-queryfile", "query", "-signer", "tsa.pem"),
            *("-inkey", "tsa.key", "-out", "answer", *(("-chain", "beside.pem") if beside else ())),
        )
        return (self._folder / "answer").read_bytes()

    def answer_about(self, data: bytes, *, beside: bytes = b"") -> bytes:
        """The response to a request that somebody else made, over these bytes."""
        (self._folder / "data").write_bytes(data)
        self._openssl("ts", "-query", "-data", "data", "-sha256", "-cert", "-out", "other")
        return self.answer((self._folder / "other").read_bytes(), beside=beside)

    def holds(self, response: Path, data: Path) -> bool:
        """Whether openssl itself finds that a response is about a file."""
        done = subprocess.run(
            ["openssl", "ts", "-verify", "-in", response, "-data", data, "-CAfile", self.root],
            capture_output=True,
            check=False,
        )
        return done.returncode == 0

    def _issue_dated(self, start: str, end: str) -> None:
        (self._folder / "index").write_text("")
        (self._folder / "ca.cnf").write_text(
            "[ca]\ndefault_ca = c\n[c]\ndatabase = index\nserial = ca-serial\nnew_certs_dir = .\n"
            "default_md = sha256\npolicy = p\n[p]\ncommonName = supplied\n"
        )
        (self._folder / "ca-serial").write_text("07\n")
        self._openssl(
            *("ca", "-batch", "-config", "ca.cnf", "-cert", "root.pem", "-keyfile", "root.key", "-notext"),
            *(
                "-in",
                "tsa.csr",
                "-out",
                "tsa.pem",
                "-startdate",
                start,
                "-enddate",
                end,
                "-extfile",
                "purposes",
            ),
        )

    def _openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=self._folder, check=True, capture_output=True)


class Handler(BaseHTTPRequestHandler):
    """Hands a request's body to a test's function, which answers as it likes."""

    respond: Callable[["Handler", bytes], None]

    def do_POST(self) -> None:
        """Answer."""
        query = self.rfile.read(int(self.headers["Content-Length"]))
        with suppress(OSError):  # a client that has had enough hangs up
            type(self).respond(self, query)

    def send(self, body: bytes, status: int = 200, **headers: str) -> None:
        """Send a whole answer."""
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serving(respond: Callable[[Handler, bytes], None]) -> Iterator[str]:
    """The address of a server that answers by ``respond``, while it runs."""

    class Own(Handler):
        pass

    Own.respond = staticmethod(respond)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Own)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/stamp"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
