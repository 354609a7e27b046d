"""A secret that does not print itself."""

from __future__ import annotations

from typing import Final

__all__ = ["Secret"]

_HIDDEN: Final = "(secret)"


class Secret:
    """A credential value whose text never appears in ``repr``, ``str``, a format or a traceback's locals.

    Two secrets compare by identity only, and a secret cannot be pickled: it must not travel by accident.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The text itself, for the one call that needs it."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(...)"

    def __str__(self) -> str:
        return _HIDDEN

    def __reduce__(self) -> str:
        raise TypeError("a secret is not pickled")
