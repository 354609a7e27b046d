"""A driver that answers from a script: what layers and the portable store are tested over."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from providers.capabilities import Capabilities
from providers.errors import StoreError, Unexpected

__all__ = ["ScriptedDriver"]


class ScriptedDriver:
    """Answers each operation with what is scripted next; an exception is raised, a list is streamed."""

    def __init__(self, *, capabilities: Capabilities | None = None, **answers: list[Any]) -> None:
        self.capabilities = capabilities or Capabilities()
        self._answers = answers
        self.calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
        self.closed = False

    def check_key(self, key: str) -> str | None:
        return "is forbidden" if "forbidden" in key else None

    def translate(self, error: Exception) -> StoreError:
        return error if isinstance(error, StoreError) else Unexpected(type(error).__name__)

    def close(self) -> None:
        self.closed = True

    def __getattr__(self, name: str) -> Any:
        if name in ("check_bucket", "check_attributes") or name.startswith("_"):
            raise AttributeError(name)

        def answer(*args: Any, **named: Any) -> Any:
            self.calls.append((name, args, named))
            found = self._answers[name].pop(0)
            if isinstance(found, Exception):
                raise found
            return self._stream(found) if isinstance(found, list) else found

        return answer

    def left(self) -> int:
        """Answers that nobody asked for."""
        return sum(map(len, self._answers.values()))

    @staticmethod
    def _stream(items: list[Any]) -> Iterator[Any]:
        for item in items:
            if isinstance(item, Exception):
                raise item
            yield item
