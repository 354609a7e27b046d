"""What every operation of ``ObjectStore`` stands on: the place, its limits, relative keys and the one translation.

Kept apart from the operations: what is here sends nothing, but for ``check`` and the requests of a probe (``raw``).
"""

# ruff: noqa: BLE001 - what is raised inside leaves translated

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Self, TypeVar

from providers.capabilities import Capabilities
from providers.driver import StoreDriver
from providers.errors import KeyRefused, StoreError, Unexpected, Unsupported
from providers.model import Attributes, Buffer, Key, ObjectMeta, RawAnswer

__all__ = ["StoreBase", "cause_of", "size_of"]

T = TypeVar("T")


class StoreBase:
    """The place that an ``ObjectStore`` is open on."""

    __slots__ = ("_driver", "_limits", "_location", "_prefix", "_prefix_bytes")

    def __init__(self, driver: StoreDriver, *, prefix: str = "", location: str) -> None:
        self._driver = driver
        self._prefix = prefix
        self._prefix_bytes = len(prefix.encode())
        self._location = location
        # Asked once: a driver may narrow them anew at each question, and every call looks at them.
        self._limits: Capabilities = driver.capabilities

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def capabilities(self) -> Capabilities:
        """What the store can do, as its driver declares it; ``check`` may find versions."""
        self._limits = self._driver.capabilities
        return self._limits

    @property
    def location(self) -> str:
        """Site and bucket, as messages name them."""
        return self._location

    @property
    def prefix(self) -> str:
        """What every absolute key of this location begins with."""
        return self._prefix

    def check_key(self, key: Key) -> str | None:
        """Why this location cannot hold ``key`` ("the key ..."), or None. Never touches the network."""
        if not key:
            return "is empty"
        absolute = self._prefix + key
        if absolute.isascii():
            size = len(absolute)
        else:
            try:
                size = self._prefix_bytes + len(key.encode())
            except UnicodeEncodeError:
                return "is not valid Unicode text"
        limit = self._limits.max_key_bytes
        if size > limit:
            return f"has {size} bytes with its prefix, more than the {limit} this store takes"
        return self._driver.check_key(Key(absolute))

    def check_attributes(self, attributes: Attributes) -> list[str]:
        """What of ``attributes`` the store would refuse or change, one sentence each; empty if nothing."""
        check: Callable[[Attributes], list[str]] | None = getattr(self._driver, "check_attributes", None)
        return [] if check is None else list(check(attributes))

    def check(self) -> None:
        """Ask the store whether the bucket is there and these credentials may look at it.

        Raises:
            StoreError: ``NotFound``, ``Unauthenticated``, ``PermissionDenied`` or whatever stands in the way.
        """
        try:
            probe: Callable[[], None] | None = getattr(self._driver, "check_bucket", None)
            if probe is None:
                self._driver.list_page(self._prefix, None, 1)
            else:
                probe()
        except Exception as error:
            raise self._failed("check", error) from cause_of(error)

    def raw(
        self,
        method: str,
        key: Key | None = None,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        payload: str | None = None,
    ) -> RawAnswer:
        """One signed request as it is given; for probes, which must send what no driver would.

        Args:
            method: HTTP method.
            key: The object; None addresses the bucket.
            query: Query parameters, not encoded.
            headers: Headers with lower-case names.
            body: The payload.
            payload: What the signature says of it (S3: ``x-amz-content-sha256``) where that is not its digest.

        Raises:
            Unsupported: The protocol has no such requests, or the store is open for reading only.
        """
        try:
            send: Callable[..., RawAnswer] | None = getattr(self._driver, "raw", None)
            if send is None:
                raise Unsupported("this protocol takes no requests of a probe's own")
            absolute = None if key is None else Key(self._prefix + key)
            return send(
                method, absolute, query=query or {}, headers=headers or {}, body=body, payload=payload
            )
        except Exception as error:
            raise self._failed("raw", error) from cause_of(error)

    def close(self) -> None:
        """Release connections and handles."""
        try:
            self._driver.close()
        except Exception as error:
            raise self._failed("close", error) from cause_of(error)

    def _absolute(self, key: Key) -> Key:
        problem = self.check_key(key)
        if problem is not None:
            raise KeyRefused(f"the key {problem}")
        return Key(self._prefix + key) if self._prefix else key

    def _checked(self, absolute: Key, prefix: str) -> Key:
        """The relative form of a key that the store listed."""
        if not absolute.startswith(prefix):
            raise Unexpected("the store lists a key that does not start with the prefix asked for")
        key = Key(absolute[len(self._prefix) :])
        if not key:
            raise KeyRefused(
                "an object with content has the location's prefix as its whole key",
                hint="name a shorter prefix in the location",
            )
        if not key.isascii():
            try:
                key.encode()
            except UnicodeEncodeError as error:
                raise KeyRefused("the store lists a key that is not valid Unicode text") from error
        return key

    def _relative(self, meta: ObjectMeta, key: Key) -> ObjectMeta:
        if not self._prefix:
            return meta
        return ObjectMeta(
            key=key,
            size=meta.size,
            etag=meta.etag,
            version=meta.version,
            modified_at=meta.modified_at,
            kind=meta.kind,
            storage_class=meta.storage_class,
            attributes=meta.attributes,
            claims=meta.claims,
        )

    def _iterate(self, operation: str, start: Callable[[], Iterator[T]]) -> Iterator[T]:
        try:
            yield from start()
        except Exception as error:
            raise self._failed(operation, error) from cause_of(error)

    def _failed(self, operation: str, error: Exception) -> StoreError:
        failure = error if isinstance(error, StoreError) else self._driver.translate(error)
        if failure.operation is None:
            failure.operation = operation
        if failure.location is None:
            failure.location = self._location
        return failure


def cause_of(error: Exception) -> BaseException | None:
    """What the raised failure stands ``from``: the SDK's exception, or the cause that it has already."""
    return error.__cause__ if isinstance(error, StoreError) else error


def size_of(body: Buffer) -> int:
    """Bytes of a body, of whatever shape a view has."""
    return body.nbytes if isinstance(body, memoryview) else len(body)
