"""The worker: one process that loads a code location, runs its steps one after the other, or evaluates its sensors."""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import logging
import os
import socket
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import TextIO, assert_never

import uvloop

from upwell.events import ErrorInfo
from upwell.runtime.code import Code
from upwell.runtime.evaluating import Evaluations, not_loaded
from upwell.runtime.loader import load
from upwell.runtime.messages import (
    Evaluation,
    FilterTask,
    LoadLocation,
    LocationReport,
    SensorTask,
    ServiceMessage,
    StepReport,
    StepTask,
)
from upwell.runtime.named_lines import NamedLines
from upwell.runtime.protocol import FrameError, FrameReader, encode
from upwell.runtime.step_thread import StepThread
from upwell.runtime.steps import run_step

_OUT_OF_MEMORY = frozenset({"MemoryError", "_ArrayMemoryError", "ArrowMemoryError"})


def run_worker(connection: socket.socket, *, memory_limit: int | None = None) -> None:
    """Serve the service on `connection` until it closes; never returns before."""
    _prepare()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(connection, Worker(memory_limit=memory_limit)))


class Worker:
    """Answers the service's messages with what came of them; it never raises."""

    def __init__(self, *, memory_limit: int | None = None) -> None:
        self._memory_limit = memory_limit
        self._code: Code | None = None
        self._log = _step_log()
        self._thread = StepThread()
        self._evaluations: Evaluations | None = None

    async def answer(self, message: ServiceMessage, send: Callable[[bytes], None]) -> None:
        """Return when it is answered, except for evaluations: they are answered as they end."""
        match message:
            case LoadLocation():
                report: LocationReport | StepReport = self._load(message)
            case StepTask():
                report = await self._run(message)
            case SensorTask() | FilterTask():
                self._begin(message, send)
                return
            case _:
                assert_never(message)
        _flush()
        send(encode(report))

    def _begin(self, task: Evaluation, send: Callable[[bytes], None]) -> None:
        if self._code is None:
            send(encode(not_loaded(task)))
            return
        if self._evaluations is None:
            self._evaluations = Evaluations(self._log, send)
        self._evaluations.begin(task, self._code)

    def _load(self, message: LoadLocation) -> LocationReport:
        self._code, report = load(message)
        return report

    async def _run(self, task: StepTask) -> StepReport:
        if self._code is None:
            error = ErrorInfo(type="LocationNotLoaded", message=f"no code of location {task.location!r} is loaded")
            return StepReport(error=error)
        report = await run_step(task, self._code, blocking=self._thread, log=self._log)
        return self._with_reason(report)

    def _with_reason(self, report: StepReport) -> StepReport:
        """Say of which limit a step ran out of memory."""
        if report.error is None or report.error.type not in _OUT_OF_MEMORY or self._memory_limit is None:
            return report
        limit = f"{self._memory_limit / 2**20:,.0f} MiB"
        message = (
            f"{report.error.message}; the memory limit of a worker is {limit} (setting `worker_memory_limit`)".lstrip(
                "; "
            )
        )
        return replace(report, error=replace(report.error, message=message))


async def _serve(connection: socket.socket, worker: Worker) -> None:
    connection.setblocking(False)
    channel = _Channel()
    transport, _ = await asyncio.get_running_loop().create_connection(lambda: channel, sock=connection)
    while True:
        await worker.answer(await channel.next(), transport.write)


class _Channel(asyncio.Protocol):
    """Messages of the service, in order. When the service is gone there is nothing left to do, not even cleaning up."""

    def __init__(self) -> None:
        self._reader = FrameReader()
        self._messages: deque[ServiceMessage] = deque()
        self._arrived = asyncio.Event()

    async def next(self) -> ServiceMessage:
        while not self._messages:
            self._arrived.clear()
            await self._arrived.wait()
        return self._messages.popleft()

    def data_received(self, data: bytes) -> None:
        for message in self._reader.feed(data):
            if not isinstance(message, LoadLocation | StepTask | SensorTask | FilterTask):
                raise FrameError(f"the service sent a {type(message).__name__}")
            self._messages.append(message)
        self._arrived.set()

    def connection_lost(self, exc: Exception | None) -> None:
        os._exit(0)


def _prepare() -> None:
    """Give the process what user code expects of a fresh one."""
    sys.stdout = _line_writer(1)
    sys.stderr = _line_writer(2)
    logging.basicConfig(level=logging.INFO, handlers=[_stderr_handler()])
    faulthandler.enable()  # a crash in C code says where, in the step's log
    if (numpy := sys.modules.get("numpy")) is not None:
        numpy.random.seed()  # or every worker forked from one process would draw the same numbers


def _step_log() -> logging.Logger:
    """The logger behind `context.log`; not registered, so that no configuration of user code can switch it off."""
    log = logging.Logger("upwell.step", logging.DEBUG)
    log.addHandler(_stderr_handler())
    return log


def _stderr_handler() -> logging.Handler:
    formatter = logging.Formatter("%(asctime)s.%(msecs)03dZ %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    return handler


def _line_writer(descriptor: int) -> TextIO:
    binary = open(descriptor, "wb", closefd=False)  # noqa: SIM115 - for as long as the process lives
    return NamedLines(binary, encoding="utf-8", errors="backslashreplace", line_buffering=True)


def _flush() -> None:
    """Put everything printed so far into the pipe, before the answer that closes the step's log."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # user code may have closed or replaced it
            stream.flush()
