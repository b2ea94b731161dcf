"""One file at a time: which version it is, whether it is complete, and what is in it."""

from __future__ import annotations

import fcntl
import hashlib
import os
import signal
import stat
import threading
from typing import NamedTuple

_PIECE = 1 << 20  # bytes read at once
_F_SETSIG = 10  # fcntl(2) on Linux; Python's module does not name it before 3.13


class Fingerprint(NamedTuple):
    """Which version of a file this is."""

    size: int
    mtime_ns: int
    inode: int


class Stopped(Exception):
    """Whoever wanted to know does so no longer."""


def fingerprint(status: os.stat_result) -> Fingerprint:
    """The version that `status` is of."""
    return Fingerprint(status.st_size, status.st_mtime_ns, status.st_ino)


def digest(path: str, expected: Fingerprint, stopped: threading.Event) -> str | None:
    """A hash of the content of a regular file, or None if it is not this version any more when it has been read.

    Raises:
        Stopped: `stopped` was set meanwhile.
        OSError: it cannot be read.
    """
    # The name may have become a link or a pipe since it was looked at: one is not followed, the other not waited for.
    file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode) or not _is_version(status, expected):
            return None
        hashed = hashlib.blake2b(digest_size=16)
        while piece := os.read(file, _PIECE):
            if stopped.is_set():
                raise Stopped
            hashed.update(piece)
        return hashed.hexdigest() if _is_version(os.fstat(file), expected) else None
    finally:
        os.close(file)


def _is_version(status: os.stat_result, expected: Fingerprint) -> bool:
    # Layered file systems may number an open file otherwise than its name.
    return (status.st_size, status.st_mtime_ns) == (expected.size, expected.mtime_ns)


def is_put_into_place(path: str, status: os.stat_result) -> bool:
    """Whether a file was renamed (or linked) to where it is after its last write, and nobody has it open for writing.

    False where that cannot be told: then only time tells whether the file is complete.
    """
    # A rename changes the inode's time and not the content's. So does chmod, which some programs call before they
    # write on: only together with the kernel's word that there is no writer does it mean something.
    return status.st_size > 0 and status.st_ctime_ns > status.st_mtime_ns and _has_no_writer(path)


def _has_no_writer(path: str) -> bool:
    """Whether the kernel grants a lease to read, which it does only while nobody has the file open for writing."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        # Whoever opens the file for writing before it is closed below makes the kernel send a signal: not SIGIO, which
        # would end this process, but one that is ignored unless asked for.
        fcntl.fcntl(file, _F_SETSIG, signal.SIGURG)
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError:
        return False  # there is a writer, the file is another user's, or the file system knows no leases
    else:
        return True
    finally:
        os.close(file)  # gives the lease back
