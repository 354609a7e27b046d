"""Where an examination writes: one prefix of its own, what it wrote there, and how all of it goes away again."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from typing import TYPE_CHECKING

from providers.errors import NotFound, StoreError, UploadLost
from providers.model import NO_ATTRIBUTES, Attributes, Key, PutOptions, RawAnswer, Span, UploadId, VersionId

if TYPE_CHECKING:
    from collections.abc import Mapping

    from providers.store import ObjectStore

__all__ = ["Workplace", "sha256"]


def sha256(body: bytes) -> bytes:
    """The digest that goes with a body."""
    return hashlib.sha256(body).digest()


class Workplace:
    """One prefix of a store that belongs to an examination alone.

    Args:
        store: An open handle on the location.
        prefix: What every key begins with; ends with ``/``.
        token: Names the attempts of this examination.
    """

    def __init__(self, store: ObjectStore, prefix: str, token: str) -> None:
        self.store = store
        self.prefix = prefix
        self.token = token
        self._written: list[Key] = []
        self._uploads: list[tuple[Key, UploadId]] = []

    def key(self, name: str) -> Key:
        """The key of a name under the prefix."""
        return Key(self.prefix + name)

    def noted(self, name: str) -> Key:
        """The key of a name that is about to be written by other means than ``put``."""
        key = self.key(name)
        self._written.append(key)
        return key

    def put(
        self,
        name: str,
        body: bytes,
        attributes: Attributes = NO_ATTRIBUTES,
        *,
        if_absent: bool = False,
        digest: bytes | None = None,
    ) -> Key:
        """Write an object; ``digest`` is said to be its SHA-256."""
        key = self.noted(name)
        options = PutOptions(attributes=attributes, if_absent=if_absent, attempt=self.token)
        self.store.put(key, body, options, sha256=digest or sha256(body))
        return key

    def read(self, name: str, span: Span | None = None) -> bytes:
        """The bytes of an object, or of a span of it."""
        return bytes(self.store.read(self.key(name), span=span).data)

    def exists(self, name: str) -> bool:
        """Whether the store shows an object under a name."""
        try:
            self.store.head(self.key(name))
        except NotFound:
            return False
        return True

    def open(self, name: str, options: PutOptions | None = None) -> tuple[Key, UploadId]:
        """Begin an upload that is aborted at the end unless it is forgotten."""
        key = self.noted(name)
        upload = self.store.open_upload(key, options or PutOptions(attempt=self.token))
        self._uploads.append((key, upload))
        return key, upload

    def opened(self, key: Key, upload: UploadId) -> None:
        """Remember an upload that was begun by other means."""
        self._uploads.append((key, upload))

    def forget(self, key: Key, upload: UploadId) -> None:
        """An upload came to its end."""
        with suppress(ValueError):
            self._uploads.remove((key, upload))

    def send(
        self,
        method: str,
        key: Key | None,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        payload: str | None = None,
    ) -> RawAnswer:
        """A request as it is given; see ``ObjectStore.raw``."""
        return self.store.raw(method, key, query=query, headers=headers, body=body, payload=payload)

    def clean(self) -> int:
        """Remove what was written, versions included; returns how many things stay."""
        # Objects first: Azure discards no blocks behind a blob that is visible.
        left = self._remove(dict.fromkeys(self._written))
        left += sum(not self._abort(key, upload) for key, upload in self._uploads)
        with suppress(StoreError):
            # The listing was tried before; here it only finds what a refused or renamed write left.
            left += self._remove(dict.fromkeys(one.key for one in list(self.store.list(self.prefix))))
        if self.store.capabilities.versions:
            left += self._remove_versions()
        return left

    def _abort(self, key: Key, upload: UploadId) -> bool:
        """Give an upload up; a store that cannot list its parts may still do that much."""
        try:
            self.store.abort_upload(key, upload)
        except (NotFound, UploadLost):
            return True
        except StoreError:
            with suppress(StoreError):
                return self.store.raw("DELETE", key, query={"uploadId": upload}).accepted
            return False
        return True

    def _remove(self, keys: Mapping[Key, None]) -> int:
        left = 0
        for key in keys:
            if self.store.check_key(key) is not None:
                self._remove_raw(key)
                continue
            try:
                self.store.delete(key)
            except NotFound:
                pass
            except StoreError:
                left += self._stays(key)
        return left

    def _stays(self, key: Key) -> bool:
        """Whether there is something under a key that could not be deleted: a store may refuse the key itself."""
        try:
            self.store.head(key)
        except StoreError:
            return False
        return True

    def _remove_raw(self, key: Key) -> None:
        """Delete a key that the profile does not let a driver speak of; one that is not there is no matter."""
        with suppress(StoreError):
            self.store.raw("DELETE", key)

    def _remove_versions(self) -> int:
        """Remove old versions and delete markers; how many stay is looked up, not believed."""
        with suppress(StoreError):  # a bucket whose versions cannot be listed has told so before
            for extra in list(self.store.list_extras(self.prefix)):
                if extra.version is not None:
                    self._remove_version(extra.key, VersionId(extra.version))
            # Once its marker is gone a version that could not be removed is the current one again.
            return sum(1 for found in (self.store.list_extras, self.store.list) for _ in found(self.prefix))
        return 0

    def _remove_version(self, key: Key, version: VersionId) -> None:
        """Remove one version; a store may list its key otherwise than it was written."""
        folder = key.rpartition("/")[0]
        written = {one: None for one in self._written if one.rpartition("/")[0] == folder}
        for name in (key,) if key in written else (key, *written):
            with suppress(StoreError):
                self.store.delete(name, version=version)
