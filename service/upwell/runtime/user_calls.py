"""Calling a function of the user's that may be plain or asynchronous, and may return or yield."""

from __future__ import annotations

import contextlib
import contextvars
import inspect
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import anyio
import sniffio

from upwell.definitions.calling import CalledFunction
from upwell.definitions.compute import Style
from upwell.runtime.blocking import Blocking

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a function gave. (`Any`: whatever it was.)

    Attributes:
        value: what it returned, when it is no generator and returned no list.
        items: what it yielded, or its list; none otherwise.
        returned: what it returned after it had yielded.
    """

    value: Any = None
    items: list[Any] | None = None
    returned: Any = None

    @property
    def all_items(self) -> list[Any]:
        """Whatever it gave, as a list; nothing, where it returned nothing."""
        if self.items is not None:
            return self.items if self.returned is None else [*self.items, self.returned]
        return [] if self.value is None else [self.value]


async def call(called: CalledFunction, arguments: Mapping[str, Any], blocking: Blocking) -> Answer:
    """Call the function; one that is not asynchronous by `blocking`, to its end."""
    match called.style:
        case "coroutine":
            return _answer(await called.function(**arguments))
        case "async_generator":
            async with contextlib.aclosing(called.function(**arguments)) as parts:
                return Answer(items=[part async for part in parts])
        case _:
            answer = await blocking(_called_here, called.function, arguments)
            return _answer(await answer.value) if inspect.isawaitable(answer.value) else answer


async def call_plainly(function: Callable[..., T], arguments: tuple[Any, ...], blocking: Blocking) -> Any:
    """What a function returns that yields nothing. (`Any`: it may be asynchronous.)"""
    if inspect.iscoroutinefunction(function):
        return await function(*arguments)
    value: Any = await blocking(function, *arguments)
    return await value if inspect.isawaitable(value) else value


def _called_here(function: Callable[..., Any], arguments: Mapping[str, Any]) -> Answer:
    value = function(**arguments)
    if not inspect.isgenerator(value):
        return _answer(value)
    items = []
    while True:
        try:
            items.append(next(value))
        except StopIteration as end:
            return Answer(items=items, returned=end.value)


def _answer(value: Any) -> Answer:
    return Answer(items=value) if isinstance(value, list) else Answer(value=value)


async def _inline(function: Callable[..., T], /, *arguments: Any) -> T:
    return function(*arguments)


def run_now(work: Callable[[Blocking], Coroutine[Any, Any, T]], style: Style) -> T:
    """Do `work` in this process, to its end, for somebody who cannot await; plain functions are called right here."""
    if style in ("function", "generator"):
        return _driven(work(_inline))
    if not _in_a_loop():
        return anyio.run(work, _inline)
    context = contextvars.copy_context()
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="tick") as thread:
        return thread.submit(context.run, _on_own_loop, work).result()


def _driven(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that waits for nothing."""
    try:
        work.send(None)
    except StopIteration as done:
        value: T = done.value
        return value
    work.close()
    raise RuntimeError("a plain function answered something that has to be awaited; write it as async def")


def _in_a_loop() -> bool:
    try:
        sniffio.current_async_library()
    except sniffio.AsyncLibraryNotFoundError:
        return False
    return True


def _on_own_loop(work: Callable[[Blocking], Coroutine[Any, Any, T]]) -> T:
    sniffio.current_async_library_cvar.set(None)  # the caller's loop is not this thread's
    return anyio.run(work, _inline)
