"""What a process of ours asks of the Linux kernel: to die with its parent, to be killed first, to have bounds."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
from pathlib import Path

LARGEST_PACKET = 64 * 1024
"""Bytes of a packet between the service and the nursery; here, so that the service need not load what workers run."""

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def die_with(parent: int, signum: signal.Signals) -> None:
    """Have the kernel send `signum` to this process when `parent` ends; exit at once if it already has."""
    _prctl(_PR_SET_PDEATHSIG, signum)
    if os.getppid() != parent:
        os._exit(1)


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent ends, so that they can be found and ended."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option}) failed")


def be_killed_first() -> None:
    """Let the kernel, when memory runs out, kill this process rather than the service."""
    with contextlib.suppress(OSError):  # /proc may be read-only in a hardened container; this is a courtesy
        Path("/proc/self/oom_score_adj").write_text("900")


def limit_memory(limit: int) -> None:
    """Make allocations beyond `limit` bytes fail, here (a MemoryError in Python) and in children."""
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def children(pid: int) -> list[int]:
    """The direct children of a process; empty where the kernel does not tell."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def describe_exit(status: int) -> str:
    """A wait status as a sentence: `was killed by SIGKILL (…)`, `exited with code 3`."""
    if not os.WIFSIGNALED(status):
        return f"exited with code {os.waitstatus_to_exitcode(status)}"
    number = os.WTERMSIG(status)
    try:
        name = signal.Signals(number).name
    except ValueError:  # a real-time signal
        name = "a signal"
    reason = "; out of memory is a usual cause" if number == signal.SIGKILL else ""
    return f"was killed by {name} (signal {number}{reason})"
