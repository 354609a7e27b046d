"""A second reader: other people's code looks at what our drivers wrote, and shares none of ours.

apache-libcloud speaks to S3 and Azure Blob with its own signatures, requests and parsing. It is used here to read and
for nothing else, with what it was seen to do:

- It rewrites keys: an object asked for as `a//b` or `a/./b` is fetched as `a/b`. `SecondReader` refuses such keys
  instead of reading another object. *libcloud 3.9.1.*
- Its listing fails on SeaweedFS (501 to `list-type=1`), so nothing here lists with it: callers bring keys. *Same.*
- Its Azure driver speaks the version of 2018-11-09.
"""

from __future__ import annotations

import hashlib
import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import crypt4gh.lib
import libcloud.security
from libcloud.common.types import InvalidCredsError
from libcloud.storage.drivers.azure_blobs import AzureBlobsStorageDriver
from libcloud.storage.drivers.s3 import S3StorageDriver
from libcloud.storage.types import ContainerDoesNotExistError, ObjectDoesNotExistError

from support.endpoints import AzureServer, S3Server

__all__ = ["KeyRewritten", "SecondReader", "Unreadable", "open_crypt4gh"]

# Neither is typed.
_AZURE: Any = AzureBlobsStorageDriver
_S3: Any = S3StorageDriver


class KeyRewritten(ValueError):
    """libcloud would read another object than the one asked for."""


class Unreadable(RuntimeError):
    """The server refuses what libcloud asks."""


class SecondReader:
    """Reads objects of one bucket through apache-libcloud."""

    def __init__(self, server: S3Server | AzureServer, bucket: str) -> None:
        parts = urlsplit(server.endpoint)
        place: dict[str, Any] = {
            "host": parts.hostname,
            "port": parts.port,
            "secure": parts.scheme == "https",
            "timeout": 60,
        }
        self._authority: Path | None = server.ca_bundle
        self._bucket = bucket
        # Asking all the same would leave libcloud's answer, and its socket, open.
        self._refusing = isinstance(server, S3Server) and server.kind == "localbucket"
        with self._trusting():
            if isinstance(server, AzureServer):
                self._driver: Any = _AZURE(key=server.account, secret=server.account_key, **place)
            else:
                self._driver = _S3(
                    key=server.access_key, secret=server.secret_key, region=server.region, **place
                )

    def read(self, key: str) -> bytes | None:
        """An object's bytes, or None where there is none.

        Raises:
            KeyRewritten: libcloud would ask for another key.
            Unreadable: The server refuses libcloud's way of asking.
        """
        if self._refusing:
            raise Unreadable("this server knows no Version in a query, and libcloud always sends one")
        if key != "/".join(piece for piece in key.split("/") if piece not in {"", ".", ".."}):
            raise KeyRewritten("libcloud drops pieces of a key that are empty or dots")
        with self._trusting():
            try:
                found = self._driver.get_object(self._bucket, key)
            except (ObjectDoesNotExistError, ContainerDoesNotExistError):
                return None
            except InvalidCredsError as error:
                # Some servers answer 403 to a key that they spell otherwise when they check the signature.
                raise Unreadable("the server refuses the signature of this key") from error
            stream: Iterator[bytes] = self._driver.download_object_as_stream(found)
            return b"".join(stream)

    def sha256(self, key: str) -> str | None:
        """The digest of an object's bytes, or None where there is none."""
        body = self.read(key)
        return None if body is None else hashlib.sha256(body).hexdigest()

    @contextmanager
    def _trusting(self) -> Iterator[None]:
        """Libcloud knows one file of authorities for the whole process, and reads its name when it connects."""
        before = libcloud.security.CA_CERTS_PATH
        if self._authority is not None:
            libcloud.security.CA_CERTS_PATH = str(self._authority)
        try:
            yield
        finally:
            libcloud.security.CA_CERTS_PATH = before


def open_crypt4gh(sealed: bytes, private: bytes) -> bytes:
    """What a Crypt4GH file holds, by the `crypt4gh` package: the other reader of what we seal.

    Args:
        sealed: The whole file.
        private: Raw X25519 private key of a reader.

    Raises:
        ValueError: It cannot be opened with this key.
    """
    out = io.BytesIO()
    # It writes a line for each header packet that is for somebody else, and our padding has a hundred of them.
    logging.getLogger("crypt4gh").setLevel(logging.CRITICAL)
    crypt4gh.lib.decrypt([(0, private, None)], io.BytesIO(sealed), out)
    return out.getvalue()
