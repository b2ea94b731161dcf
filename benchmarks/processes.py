"""Processes that are measured: their ports, readiness, memory, processor time and end."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import httpx
import psutil


def free_port() -> int:
    """A port on the loopback that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def wait_for_ok(url: str, timeout: float = 60.0) -> None:
    """Ask until the answer is 2xx.

    Raises:
        TimeoutError: it was not in time.
    """
    deadline = time.monotonic() + timeout
    with httpx.Client(timeout=5) as client:
        while time.monotonic() < deadline:
            with contextlib.suppress(httpx.TransportError):
                if client.get(url).is_success:
                    return
            time.sleep(0.005)
    raise TimeoutError(f"{url} did not answer well within {timeout:.0f} s")


def tree(pid: int) -> list[psutil.Process]:
    """The process and everything it started."""
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]


def pss_of_tree(pid: int) -> int:
    """Bytes of memory of all its processes; what they share counts once."""
    total = 0
    for process in tree(pid):
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()
            total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024
    return total


def processor_seconds_of_tree(pid: int) -> float:
    """User and system time of all its processes so far."""
    total = 0.0
    for process in tree(pid):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system
    return total


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask it to stop; after ten seconds, end it and everything it started."""
    with contextlib.suppress(psutil.NoSuchProcess):
        everyone = tree(process.pid)
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        _, alive = psutil.wait_procs(everyone, timeout=2)
        for straggler in alive:
            with contextlib.suppress(psutil.NoSuchProcess):
                straggler.kill()
    process.wait()


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0))
