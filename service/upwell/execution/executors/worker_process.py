"""The service's side of one worker: ask it something, hear of its end, kill it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator
from io import FileIO
from pathlib import Path
from typing import TypeVar, cast

import anyio
import anyio.abc

from upwell.execution.executors.nursery_process import Forked, NurseryProcess
from upwell.execution.executors.output_log import OutputLog
from upwell.runtime.messages import (
    Abandoned,
    Evaluation,
    EvaluationReport,
    FilterReport,
    SensorReport,
    SensorTask,
    ServiceMessage,
)
from upwell.runtime.process import describe_exit
from upwell.runtime.protocol import FrameError, FrameReader, Message, encode

_LONGEST_ENDING = 0.5  # seconds from the end of a worker's connection to the end of its process
_ONLY = 0  # the key of a question that is asked alone; evaluations have ids from 1

Answer = TypeVar("Answer", bound=Message)


class WorkerEnded(ConnectionError):
    """The worker is gone, or said something that no worker says and was killed for it; the text says how it ended."""


class WorkerProcess:
    """A running worker; made by `open_worker`. One question at a time, and any number of evaluations."""

    def __init__(self, nursery: NurseryProcess, forked: Forked, connection: _Connection, output: OutputLog) -> None:
        self._nursery = nursery
        self._forked = forked
        self._connection = connection
        self.output = output

    @property
    def pid(self) -> int:
        return self._forked.pid

    @property
    def has_ended(self) -> bool:
        return self._connection.broken is not None or self._forked.ended.is_set()

    async def ask(self, message: ServiceMessage, answer: type[Answer]) -> Answer:
        """Send `message` and wait for what the worker makes of it.

        Raises:
            WorkerEnded: it never will. The worker is dead then.
            FrameError: `message` is too large.
        """
        reply = await self._ask(message, _ONLY)
        if not isinstance(reply, answer):
            await self.kill()
            raise WorkerEnded(f"answered with a {type(reply).__name__} and was killed for it")
        return reply

    async def evaluate(self, task: Evaluation) -> EvaluationReport | Abandoned:
        """What comes of an evaluation; several may be under way, told apart by their ids.

        Whoever does not wait any longer need not do anything: an answer that comes later is dropped.

        Raises:
            WorkerEnded: nothing will. The worker is dead then.
            FrameError: `task` is too large.
        """
        reply = await self._ask(task, task.id)
        expected = SensorReport if isinstance(task, SensorTask) else FilterReport
        if not isinstance(reply, expected | Abandoned):
            await self.kill()
            raise WorkerEnded(f"answered with a {type(reply).__name__} and was killed for it")
        return reply

    async def _ask(self, message: ServiceMessage, key: int) -> Message:
        frame = encode(message)  # what is too large for one is no fault of the worker's
        try:
            return await self._connection.ask(frame, key)
        except ConnectionError as error:
            await self._finish()
            raise WorkerEnded(self._end(error)) from error

    def dismiss(self) -> None:
        """Kill the worker without waiting for its death; for one that has nothing to do."""
        self._nursery.kill(self._forked)

    async def kill(self) -> None:
        """Kill the worker with everything it started, and return when it is dead; cannot be cancelled."""
        with anyio.CancelScope(shield=True):
            self._nursery.kill(self._forked)
            await self._forked.ended.wait()

    async def wait(self) -> None:
        """Return when the worker has ended, for whatever reason."""
        await self._forked.ended.wait()

    async def run(self) -> None:
        """Read its output, and keep process and connection from outliving each other; returns when both are gone."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.output.run)
            tasks.start_soon(self._kill_when_disconnected)
            await self._forked.ended.wait()
            # A child that it left behind may hold the socket open: do not wait for the end of the stream.
            self._connection.break_off(ConnectionResetError("the worker has ended"))
            tasks.cancel_scope.cancel()

    async def _kill_when_disconnected(self) -> None:
        await self._connection.lost.wait()
        await self._finish()

    async def _finish(self) -> None:
        """Be sure that a worker without connection is dead, but let one that is just ending do so by itself: it
        says why by its exit status."""
        with anyio.CancelScope(shield=True):
            if not isinstance(self._connection.broken, FrameError):
                with anyio.move_on_after(_LONGEST_ENDING):
                    await self._forked.ended.wait()
            await self.kill()

    def _end(self, error: ConnectionError) -> str:
        if isinstance(error, FrameError):
            return f"sent something that is not a message and was killed for it: {error}"
        if self._forked.status is None:
            return "ended together with the process that had started it"
        return describe_exit(self._forked.status)


class _Connection(asyncio.Protocol):
    """Questions under way, by key; an answer without a question is an offence."""

    def __init__(self) -> None:
        self._reader = FrameReader()
        self._asked: dict[int, asyncio.Future[Message]] = {}
        self._transport: asyncio.Transport | None = None
        self.broken: ConnectionError | None = None
        self.lost = anyio.Event()

    async def ask(self, frame: bytes, key: int) -> Message:
        if self.broken is not None:
            raise self.broken
        assert self._transport is not None and key not in self._asked
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._asked[key] = answer
        self._transport.write(frame)
        return await answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name

    def data_received(self, data: bytes) -> None:
        try:
            for message in self._reader.feed(data):
                asked = self._asked.pop(_key_of(message), None)
                if asked is None:
                    raise FrameError("an answer to nothing")
                if not asked.done():  # else nobody waits for it any more
                    asked.set_result(message)
        except FrameError as error:
            self.break_off(error)

    def connection_lost(self, exc: Exception | None) -> None:
        self.break_off(ConnectionResetError("the worker closed its connection"))

    def break_off(self, reason: ConnectionError) -> None:
        """Have every question under way, and every later one, fail."""
        self.broken = self.broken or reason
        self.lost.set()
        asked, self._asked = self._asked, {}
        for answer in asked.values():
            if not answer.done():
                answer.set_exception(self.broken)
        if self._transport is not None:
            self._transport.abort()


def _key_of(message: Message) -> int:
    return message.id if isinstance(message, SensorReport | FilterReport | Abandoned) else _ONLY


@contextlib.asynccontextmanager
async def open_worker(nursery: NurseryProcess, logs: Path, *, rolling: bool = False) -> AsyncIterator[WorkerProcess]:
    """Have a worker forked; when the block is left it is dead. `rolling` keeps the newest of its output, not the first.

    Raises:
        NurseryGone: there is no nursery any more.
        OSError: the machine has no memory or no process left for it.
    """
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    pipe, pipe_in = os.pipe()
    os.set_blocking(pipe, False)
    output = OutputLog(FileIO(pipe), logs, rolling=rolling)
    try:
        forked = await _fork(nursery, ours, theirs, pipe_in)
        connection = _Connection()
        await asyncio.get_running_loop().create_connection(lambda: connection, sock=ours)
        worker = WorkerProcess(nursery, forked, connection, output)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(worker.run)
            try:
                yield worker
            finally:
                await worker.kill()
    finally:
        with anyio.CancelScope(shield=True):  # short: the worker is dead, so nothing is added any more
            await output.close()


async def _fork(nursery: NurseryProcess, ours: socket.socket, theirs: socket.socket, output: int) -> Forked:
    try:
        with theirs:
            return await nursery.fork(theirs, output)
    except BaseException:
        ours.close()
        raise
    finally:
        os.close(output)
