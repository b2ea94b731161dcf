"""The nursery: a small process that forks workers.

It has the heavy libraries loaded and no user code, runs one thread, and is the parent of all workers: a fresh one costs
a fork (milliseconds) and shares the libraries' memory. It reaps workers together with whatever they left behind, and
tells the service how each of them ended. It ends with the service, and the workers end with it.

Its control socket carries JSON in packets. From the service: `{"fork": id}` with the worker's socket and output pipe
attached, `{"kill": pid}`, `{"preload": [modules], "roots": [paths]}`. To the service: `{"forked": id, "pid": pid}`,
`{"refused": id, "reason": text}`, `{"ended": pid, "status": wait status}`, `{"preloaded": [modules]}`.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from upwell.runtime import protocol
from upwell.runtime.main import run_worker
from upwell.runtime.preload import mentioned
from upwell.runtime.process import LARGEST_PACKET, adopt_orphans, be_killed_first, children, die_with, limit_memory


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """What every worker may use."""

    memory: int | None = None


class Nursery:
    """Serves the control socket until the service closes it."""

    def __init__(self, control: socket.socket, bounds: Bounds) -> None:
        self._control = control
        self._bounds = bounds
        self._workers: set[int] = set()
        self._wakeup, self._wakeup_in = socket.socketpair()
        self._selector = selectors.DefaultSelector()

    def serve(self) -> None:
        """Answer requests and bury the dead, until the service is gone; then end every worker."""
        self._wakeup.setblocking(False)
        self._wakeup_in.setblocking(False)
        signal.set_wakeup_fd(self._wakeup_in.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._selector.register(self._control, selectors.EVENT_READ)
        self._selector.register(self._wakeup, selectors.EVENT_READ)
        try:
            while self._turn():
                pass
        finally:
            self._end_all()

    def _turn(self) -> bool:
        for key, _ in self._selector.select():
            if key.fileobj is self._wakeup:
                self._bury_the_dead()
            elif not self._answer():
                return False
        return True

    def _answer(self) -> bool:
        """Carry out one request; false when the service has closed the socket."""
        packet, fds, _, _ = socket.recv_fds(self._control, LARGEST_PACKET, 2)
        if not packet:
            return False
        match json.loads(packet):
            case {"fork": worker}:
                self._fork(worker, *fds)
            case {"kill": pid} if pid in self._workers:
                # The pid is ours until we reap it, so it cannot name anybody else's group.
                _kill_group(pid)
            case {"preload": modules, "roots": roots}:
                self._tell(preloaded=_preload(mentioned(modules, roots)))
            case _:  # a kill that crossed with the worker's own end
                pass
        return True

    def _fork(self, worker: int, connection: int, output: int) -> None:
        nursery = os.getpid()
        try:
            pid = os.fork()
        except OSError as error:  # no memory, or no more processes allowed
            self._tell(refused=worker, reason=str(error))
        else:
            if pid == 0:
                self._become_worker(nursery, connection, output)
            self._workers.add(pid)
            self._tell(forked=worker, pid=pid)
        os.close(connection)
        os.close(output)

    def _become_worker(self, nursery: int, connection: int, output: int) -> NoReturn:
        try:
            os.setsid()
            die_with(nursery, signal.SIGKILL)
            be_killed_first()
            os.dup2(output, 1)
            os.dup2(output, 2)
            os.close(output)
            signal.set_wakeup_fd(-1)
            for signum in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
                signal.signal(signum, signal.SIG_DFL)
            for ours in (self._control, self._wakeup, self._wakeup_in, self._selector):
                ours.close()
            if self._bounds.memory is not None:
                limit_memory(self._bounds.memory)
            run_worker(socket.socket(fileno=connection), memory_limit=self._bounds.memory)
        except BaseException:  # noqa: BLE001 - nothing may unwind into the nursery's own stack
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(1)

    def _bury_the_dead(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._wakeup.recv(4096):
                pass
        while (ended := _next_ended()) is not None:
            if ended in self._workers:
                self._bury(ended)
            else:
                os.waitpid(ended, 0)  # an orphan of a worker

    def _bury(self, pid: int) -> None:
        """End everything that the worker started, then reap it and tell the service."""
        _kill_group(pid)  # before reaping: until then the group's number cannot be used again
        _, status = os.waitpid(pid, 0)
        self._workers.discard(pid)
        _reap_group(pid)
        for orphan in children(os.getpid()):
            if orphan not in self._workers:  # a child of the worker that had left its group
                _kill(orphan)
        self._tell(ended=pid, status=status)

    def _end_all(self) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the end of the service is told twice; once is enough
        for pid in self._workers:
            _kill_group(pid)
        while left := children(os.getpid()):
            for pid in left:
                _kill(pid)
                os.waitpid(pid, 0)

    def _tell(self, **message: Any) -> None:
        with contextlib.suppress(BrokenPipeError):  # the service is gone; the next read says so
            self._control.send(json.dumps(message).encode())


def _next_ended() -> int | None:
    """A child that has ended, without reaping it."""
    try:
        found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None
    return found.si_pid if found is not None else None


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    _kill(pid)  # it may have been killed before it had a group of its own


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _reap_group(pid: int) -> None:
    """Wait for the killed members of a group, which are ours once their parent has ended."""
    with contextlib.suppress(ChildProcessError):
        while True:
            os.waitpid(-pid, 0)


def _preload(modules: Sequence[str]) -> list[str]:
    loaded = []
    gc.disable()  # what imports make stays; looking for garbage in it would take a fifth of the time
    for module in modules:
        try:
            importlib.import_module(module)
        except ImportError as error:
            sys.stderr.write(f"upwell: {module} cannot be loaded ahead: {error}\n")
        else:
            loaded.append(module)
    # Objects that the collector does not touch stay shared between the workers.
    gc.collect()
    gc.freeze()
    gc.enable()
    return loaded


def main() -> None:
    """Entry of the process: `nursery FD SERVICE_PID MEMORY_LIMIT`."""
    fd, service, memory = (int(argument) for argument in sys.argv[1:4])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the service's to handle
    die_with(service, signal.SIGTERM)
    adopt_orphans()
    warnings.filterwarnings("ignore", message=".*use of fork.*", category=DeprecationWarning)
    protocol.warm_up()
    public = sys.modules["upwell"]
    for name in public.__all__:  # what every project imports some of: loaded here once, its memory is shared
        getattr(public, name)
    nursery = Nursery(socket.socket(fileno=fd), Bounds(memory=memory or None))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    nursery.serve()
