"""How the engine gets its stores: it is handed a function and never reads a configuration."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from providers.store import ObjectStore

__all__ = ["Opener"]

Opener: TypeAlias = Callable[[str, bool], ObjectStore]
"""Opens the location with this text; the flag says whether it may only be read."""
