"""The service's side of the nursery: start it, have it fork workers, hear how they ended."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from subprocess import DEVNULL
from typing import Any

import anyio
import anyio.abc

from upwell.runtime.process import LARGEST_PACKET

_LONGEST_GOODBYE = 5.0  # seconds; the nursery has nothing to do at its end but kill and reap


class NurseryGone(ConnectionError):
    """The nursery has ended, and all its workers with it."""


class Forked:
    """A worker process as the nursery reports it: its pid, and its wait status once it has ended."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.ended = anyio.Event()
        self.status: int | None = None
        """Null while it runs, and when the nursery ended before it could tell."""


class NurseryProcess:
    """A running nursery; made by `open_nursery`."""

    def __init__(self, control: socket.socket, process: anyio.abc.Process) -> None:
        self._control = control
        self._process = process
        self._serial = itertools.count(1)
        self._forking: dict[int, asyncio.Future[Forked]] = {}
        self._preloading: list[asyncio.Future[tuple[str, ...]]] = []
        self._workers: dict[int, Forked] = {}
        self.ended = anyio.Event()

    @property
    def pid(self) -> int:
        return self._process.pid

    async def fork(self, connection: socket.socket, output: int) -> Forked:
        """Have a worker forked that serves `connection` and writes its output to the descriptor `output`.

        Raises:
            NurseryGone: there is no nursery any more.
            OSError: the machine has no memory or no process left for it.
        """
        number = next(self._serial)
        answer: asyncio.Future[Forked] = asyncio.get_running_loop().create_future()
        self._forking[number] = answer
        self._send({"fork": number}, connection.fileno(), output)
        return await answer

    def kill(self, worker: Forked) -> None:
        """Kill the worker and everything it started; `worker.ended` tells when that is done."""
        if not worker.ended.is_set():
            with contextlib.suppress(NurseryGone):  # then it is dead already
                self._send({"kill": worker.pid})

    async def preload(self, modules: Sequence[str], roots: Sequence[str]) -> tuple[str, ...]:
        """Load those of `modules` that the code below `roots` imports; answers with those that were loaded."""
        answer: asyncio.Future[tuple[str, ...]] = asyncio.get_running_loop().create_future()
        self._preloading.append(answer)
        self._send({"preload": list(modules), "roots": list(roots)})
        return await answer

    def _send(self, message: dict[str, Any], *fds: int) -> None:
        if self.ended.is_set():
            raise NurseryGone("the nursery has ended")
        try:
            socket.send_fds(self._control, [json.dumps(message).encode()], fds)
        except OSError as error:
            raise NurseryGone(f"the nursery cannot be reached: {error}") from error

    def on_readable(self) -> None:
        """Take what the nursery has to tell; called by the event loop."""
        while not self.ended.is_set():
            try:
                packet = self._control.recv(LARGEST_PACKET)
            except BlockingIOError:
                return
            except OSError:
                packet = b""
            if packet:
                self._hear(json.loads(packet))
            else:
                self._all_ended()

    def _hear(self, message: dict[str, Any]) -> None:
        match message:
            case {"forked": number, "pid": pid}:
                worker = self._workers[pid] = Forked(pid)
                answer = self._forking.pop(number)
                if answer.cancelled():
                    self.kill(worker)  # nobody waits for it any more
                else:
                    answer.set_result(worker)
            case {"refused": number, "reason": reason}:
                _fail(self._forking.pop(number), OSError(f"a worker cannot be started: {reason}"))
            case {"ended": pid, "status": status}:
                ended = self._workers.pop(pid)
                ended.status = status
                ended.ended.set()
            case {"preloaded": modules}:
                waiting = self._preloading.pop(0)
                if not waiting.cancelled():
                    waiting.set_result(tuple(modules))

    def _all_ended(self) -> None:
        asyncio.get_running_loop().remove_reader(self._control)
        self.ended.set()
        for fork in self._forking.values():
            _fail(fork, NurseryGone("the nursery has ended"))
        for preload in self._preloading:
            _fail(preload, NurseryGone("the nursery has ended"))
        for worker in self._workers.values():
            # The kernel has killed the worker itself; what it had started is still in its group.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(worker.pid, signal.SIGKILL)
            worker.ended.set()
        self._workers.clear()


@contextlib.asynccontextmanager
async def open_nursery(*, memory_limit: int | None = None) -> AsyncIterator[NurseryProcess]:
    """Start a nursery; when the block is left it is gone, and every worker with it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours:
        ours.setblocking(False)
        with theirs:
            process = await anyio.open_process(
                _command(theirs.fileno(), memory_limit),
                stdin=DEVNULL,
                stdout=2,  # what the service writes to its standard output is its log
                stderr=None,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        nursery = NurseryProcess(ours, process)
        loop = asyncio.get_running_loop()
        loop.add_reader(ours, nursery.on_readable)
        try:
            yield nursery
        finally:
            loop.remove_reader(ours)
            ours.shutdown(socket.SHUT_RDWR)
            with anyio.CancelScope(shield=True):  # leaving must not leave a process behind
                await _see_off(process)


def _command(control: int, memory_limit: int | None) -> list[str]:
    code = "from upwell.runtime.nursery import main; main()"
    # -P: a user's json.py in the current folder must not take the place of Python's own.
    return [sys.executable, "-P", "-c", code, str(control), str(os.getpid()), str(memory_limit or 0)]


async def _see_off(process: anyio.abc.Process) -> None:
    with anyio.move_on_after(_LONGEST_GOODBYE):
        await process.wait()
        return
    process.kill()
    await process.wait()


def _fail(waiting: asyncio.Future[Any], error: Exception) -> None:
    if not waiting.done():
        waiting.set_exception(error)
