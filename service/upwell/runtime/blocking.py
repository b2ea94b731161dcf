"""How functions are called that may block."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Blocking(Protocol):
    """Calls a function that may block, in a thread or (where nobody else waits) right here."""

    def __call__(self, function: Callable[..., T], /, *args: Any) -> Awaitable[T]: ...
