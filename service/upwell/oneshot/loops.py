"""Running something asynchronous for a caller who is not."""

from __future__ import annotations

import contextvars
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import anyio
import sniffio

T = TypeVar("T")


def run_here(run: Callable[[], Awaitable[T]]) -> T:
    """Run to the end on a loop of its own; inside of a running loop (a notebook, a test) that takes a thread."""
    try:
        sniffio.current_async_library()
    except sniffio.AsyncLibraryNotFoundError:
        return anyio.run(run)
    context = contextvars.copy_context()
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="materialize") as thread:
        return thread.submit(context.run, _run_on_own_loop, run).result()


def _run_on_own_loop(run: Callable[[], Awaitable[T]]) -> T:
    sniffio.current_async_library_cvar.set(None)  # the caller's loop is not this thread's
    return anyio.run(run)
