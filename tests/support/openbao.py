"""A real OpenBao server on this machine, over https, that tests initialise, seal and open again."""

import json
import secrets
import shutil
import ssl
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from support.process import ServerError, ServerProcess, free_ports
from support.tls import Authority

__all__ = ["OpenBao", "bao_program", "contents", "missing_openbao", "one_key_policy"]

_ATTEMPTS = 3
_GONE_SECONDS = 30


def bao_program() -> str | None:
    """Find `bao` beside this interpreter (where pip puts it) or on the PATH."""
    return shutil.which("bao", path=str(Path(sys.executable).parent)) or shutil.which("bao")


def missing_openbao() -> str | None:
    """Say why the server cannot run, or None when it can."""
    return None if bao_program() else "openbao: no bao program; run scripts/bootstrap --servers"


def one_key_policy(key: str, *operations: str, mount: str = "transit") -> str:
    """A policy that grants these operations of one key and nothing else; `keys` is to read its public half."""
    return "\n".join(
        f'path "{mount}/{name}/{key}" {{ capabilities = ["{"read" if name == "keys" else "update"}"] }}'
        for name in operations
    )


class OpenBao:
    """A server that keeps all in memory: what it held is gone when it ends.

    Attributes:
        address: Its https URL.
        authority: PEM file of the authority that issued its certificate.
        root: Token that may do anything.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        issuer = Authority(directory / "tls")
        self.authority = issuer.bundle
        self._certificate = issuer.issue("127.0.0.1")
        self._trust = ssl.create_default_context(cafile=self.authority)
        self._process: ServerProcess | None = None
        self.address = ""
        self.root = ""
        self._unseal_key = ""

    def __enter__(self) -> Self:
        if reason := missing_openbao():
            raise ServerError(reason)
        for attempt in range(1, _ATTEMPTS + 1):
            process = self._describe()
            try:
                process.start()
            except ServerError:
                if attempt == _ATTEMPTS:
                    raise
            else:
                self._process = process
                break
        made = self.api("POST", "sys/init", {"secret_shares": 1, "secret_threshold": 1})
        self.root, self._unseal_key = made["root_token"], made["keys_base64"][0]
        self.unseal()
        self.api("POST", "sys/mounts/transit", {"type": "transit"})
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()

    def api(self, method: str, path: str, body: Any = None, *, token: str | None = None) -> Any:
        """Call the server; by default as root.

        Raises:
            urllib.error.HTTPError: It refuses.
        """
        request = urllib.request.Request(
            f"{self.address}/v1/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"X-Vault-Token": self.root if token is None else token},
        )
        with urllib.request.urlopen(request, timeout=20, context=self._trust) as answer:
            data = answer.read()
        return json.loads(data) if data else None

    def seal(self) -> None:
        """Forget the keys: the server answers nothing until it is unsealed."""
        self.api("PUT", "sys/seal", {})

    def unseal(self) -> None:
        """Open it."""
        self.api("POST", "sys/unseal", {"key": self._unseal_key})

    def new_key(self, kind: str = "aes256-gcm96", **options: Any) -> str:
        """A key of a name of its own."""
        name = f"key-{secrets.token_hex(4)}"
        self.api("POST", f"transit/keys/{name}", {"type": kind, **options})
        return name

    def token(self, key: str, *operations: str, ttl: str = "1h") -> str:
        """A token that may do these operations with one key, and nothing else at all."""
        policy = f"policy-{secrets.token_hex(4)}"
        self.api("PUT", f"sys/policies/acl/{policy}", {"policy": one_key_policy(key, *operations)})
        body = {"policies": [policy], "no_default_policy": True, "ttl": ttl}
        made: str = self.api("POST", "auth/token/create", body)["auth"]["client_token"]
        return made

    def wait_until_expired(self, token: str) -> None:
        """Return once the server knows the token no longer.

        Raises:
            ServerError: It still does after half a minute.
        """
        give_up = time.monotonic() + _GONE_SECONDS
        while time.monotonic() < give_up:
            try:
                self.api("POST", "auth/token/lookup", {"token": token})
            except urllib.error.HTTPError as error:
                error.close()
                return
            time.sleep(0.1)
        message = "the token did not expire"
        raise ServerError(message)

    def _describe(self) -> ServerProcess:
        (port, cluster) = free_ports(2)
        self.address = f"https://127.0.0.1:{port}"
        config = self._directory / "server.hcl"
        config.write_text(
            'storage "inmem" {}\n'
            f'listener "tcp" {{\n  address = "127.0.0.1:{port}"\n  cluster_address = "127.0.0.1:{cluster}"\n'
            f'  tls_cert_file = "{self._certificate.certificate}"\n  tls_key_file = "{self._certificate.key}"\n}}\n'
            f'api_addr = "{self.address}"\n'
        )
        program = bao_program()
        assert program is not None
        return ServerProcess(
            [program, "server", f"-config={config}"],
            log=self._directory / "bao.log",
            ready=self._answers,
            env={"HOME": str(self._directory), "GOMEMLIMIT": "150MiB"},
            cwd=self._directory,
        )

    def _answers(self) -> bool:
        url = f"{self.address}/v1/sys/health?uninitcode=200&sealedcode=200"
        with urllib.request.urlopen(url, timeout=2, context=self._trust) as answer:
            return bool(answer.status == 200)


def contents(root: Path, *, leave_out: Sequence[Path] = ()) -> bytes:
    """Every byte of every file below a folder, to look for what must not be there."""
    return b"\n".join(
        path.read_bytes() for path in root.rglob("*") if path.is_file() and path not in leave_out
    )
