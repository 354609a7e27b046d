"""The layer that sources are opened through: nothing that writes gets past it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from providers.errors import Unsupported
from providers.layers.base import Layer

__all__ = ["ReadOnlyLayer"]

T = TypeVar("T")
_WRITES: Final = frozenset(
    {"put", "open_upload", "put_part", "copy_part", "complete_upload", "abort_upload", "delete", "raw"},
)


class ReadOnlyLayer(Layer):
    """A driver that refuses every operation which changes the store."""

    def _call(self, operation: str, method: Callable[..., T], *args: Any, **named: Any) -> T:
        if operation in _WRITES:
            raise Unsupported("this store is open for reading only")
        return method(*args, **named)
