"""Evaluating sensors and filters in a worker: many at a time, none waiting for another.

The thread that serves the connection runs no user code. Asynchronous code runs in an event loop in a thread of its own,
synchronous code in threads beside it.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import sys
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import anyio
import uvloop

from upwell.events import ErrorInfo
from upwell.runtime.code import Code
from upwell.runtime.messages import (
    MOST_EVALUATIONS,
    Abandoned,
    Evaluation,
    EvaluationReport,
    FilterReport,
    FilterTask,
    SensorReport,
    SensorTask,
)
from upwell.runtime.named_lines import SPEAKER, Speaker
from upwell.runtime.protocol import encode
from upwell.runtime.sensing import answer_filters, evaluate
from upwell.runtime.tracebacks import error_info, where_is

T = TypeVar("T")

_STACK = 1024 * 1024  # bytes of a thread's stack; the usual 8 MiB of 256 threads would count against a memory limit
_PATIENCE = 0.25  # seconds for an event loop to take something up before another one does


class Evaluations:
    """Evaluates whatever is begun, each within its own timeout, and sends a frame about each to `send`.

    What is asynchronous is cancelled at its timeout. What is synchronous is abandoned then: its thread goes on, and an
    `Abandoned` says so. Asynchronous code that holds up its event loop holds up what is in that loop already; what
    comes later gets another loop.
    """

    def __init__(self, log: logging.Logger, send: Callable[[bytes], None]) -> None:
        self._log = log
        self._send = send
        self._here = asyncio.get_running_loop()
        threading.stack_size(_STACK)
        self._threads = ThreadPoolExecutor(MOST_EVALUATIONS, thread_name_prefix="sensor")
        self._loop = _UserLoop(self._threads)

    def begin(self, task: Evaluation, code: Code) -> None:
        """Have it evaluated; returns at once."""
        self._offer(_Turn(lambda: self._run(task, code)))

    def _offer(self, turn: _Turn) -> None:
        loop = self._loop
        loop.offer(turn)
        self._here.call_later(_PATIENCE, self._look_after, turn, loop)

    def _look_after(self, turn: _Turn, loop: _UserLoop) -> None:
        if turn.taken:
            return
        if loop is self._loop:
            loop.end_when_idle()
            self._loop = _UserLoop(self._threads)
        self._offer(turn)

    async def _run(self, task: Evaluation, code: Code) -> None:
        speaker = Speaker(_name(task))
        SPEAKER.set(speaker)
        answer: EvaluationReport | Abandoned
        try:
            answer = await self._answer(task, code)
        except BaseException as error:  # noqa: BLE001 - whatever user code raises is its own evaluation's, and no other's
            answer = _failed(task, error_info(error))
        speaker.finish()
        self._here.call_soon_threadsafe(self._send, _frame(task, answer))

    async def _answer(self, task: Evaluation, code: Code) -> EvaluationReport | Abandoned:
        threads = _Threads(self._threads)
        where: str | None = None
        with anyio.move_on_after(task.timeout):
            try:
                if isinstance(task, SensorTask):
                    return await evaluate(task, code, blocking=threads, log=self._log)
                return await answer_filters(task, code, blocking=threads)
            except asyncio.CancelledError as stopped:
                where = error_info(stopped).traceback
                raise
        if threads.busy:
            return Abandoned(id=task.id, traceback=threads.where())
        message = f"{_name(task)} took longer than its timeout of {task.timeout:g} s"
        return _failed(task, ErrorInfo(type="Timeout", message=message, traceback=where))


class _Turn:
    """An evaluation that waits for an event loop; the first that takes it has it."""

    def __init__(self, start: Callable[[], Awaitable[None]]) -> None:
        self.start = start
        self.taken = False
        self._lock = threading.Lock()

    def take(self) -> bool:
        with self._lock:
            taken, self.taken = self.taken, True
        return not taken


class _UserLoop:
    """An event loop of user code, in a thread of its own."""

    def __init__(self, threads: ThreadPoolExecutor) -> None:
        self._loop = uvloop.new_event_loop()
        self._loop.set_default_executor(threads)  # for `asyncio.to_thread`; else a few would keep all others waiting
        self._under_way: set[asyncio.Future[None]] = set()
        self._ending = False
        threading.Thread(target=self._loop.run_forever, name="sensors", daemon=True).start()

    def offer(self, turn: _Turn) -> None:
        self._loop.call_soon_threadsafe(self._take, turn)

    def end_when_idle(self) -> None:
        """Take nothing up any more, and end when what has been taken up is over."""
        self._ending = True
        self._loop.call_soon_threadsafe(self._end_if_idle)

    def _take(self, turn: _Turn) -> None:
        if turn.take():
            task = asyncio.ensure_future(turn.start(), loop=self._loop)
            self._under_way.add(task)
            task.add_done_callback(self._over)

    def _over(self, task: asyncio.Future[None]) -> None:
        self._under_way.discard(task)
        self._end_if_idle()

    def _end_if_idle(self) -> None:
        if self._ending and not self._under_way:
            self._loop.stop()


class _Threads:
    """Calls functions of one evaluation in threads, and knows whether any of them has not returned."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool
        self._calls: list[Future[Any]] = []
        self._idents: list[int] = []  # of the threads that took a call up; one call at a time, as a rule

    def __call__(self, function: Callable[..., T], /, *args: Any) -> Awaitable[T]:
        call: Future[T] = self._pool.submit(contextvars.copy_context().run, self._call, function, *args)
        self._calls.append(call)
        return asyncio.wrap_future(call)

    @property
    def busy(self) -> bool:
        return not all(call.done() for call in self._calls)

    def where(self) -> str | None:
        """Where the call that was taken up last is just now."""
        frames = sys._current_frames()
        return where_is(frames[self._idents[-1]]) if self._idents and self._idents[-1] in frames else None

    def _call(self, function: Callable[..., T], /, *args: Any) -> T:
        self._idents.append(threading.get_ident())
        try:
            return function(*args)
        except StopIteration as error:  # a future cannot hold one
            raise RuntimeError("the function raised StopIteration") from error


def _name(task: Evaluation) -> str:
    return f"sensor {task.sensor}" if isinstance(task, SensorTask) else f"filter {', '.join(task.filters)}"


def _failed(task: Evaluation, error: ErrorInfo) -> EvaluationReport:
    kind = FilterReport if isinstance(task, FilterTask) else SensorReport
    return kind(id=task.id, error=error)


def not_loaded(task: Evaluation) -> EvaluationReport:
    """The report of a worker that has no code."""
    message = f"no code of location {task.location!r} is loaded"
    return _failed(task, ErrorInfo(type="LocationNotLoaded", message=message))


def _frame(task: Evaluation, answer: EvaluationReport | Abandoned) -> bytes:
    try:
        return encode(answer)
    except Exception as error:  # noqa: BLE001 - such as half a character, or a cursor of 200 MB
        message = f"what {_name(task)} answered cannot be sent: {error}"
        readable = message.encode("ascii", "backslashreplace").decode()
        return encode(_failed(task, ErrorInfo(type=type(error).__name__, message=readable)))
