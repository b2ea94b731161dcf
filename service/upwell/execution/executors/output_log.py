"""What a worker writes to its standard output and error, kept in files below the logs folder: one a step, mostly."""

from __future__ import annotations

import contextlib
from io import FileIO
from pathlib import Path, PurePosixPath

import anyio
import anyio.to_thread

LARGEST_LOG = 10 * 1024 * 1024
"""Bytes kept in one file; what follows is read and dropped, or (`rolling`) the file is set aside for the next."""

_CHUNK = 256 * 1024
_PAUSE = 0.01  # seconds between reads: a step that prints in a loop wakes the service at most 100 times a second
_LAST_WORDS = 4096  # bytes remembered of what was written outside of any step


class OutputLog:
    """Reads the output pipe of one worker.

    The service reads it, not the worker: so nothing that user code does, holding the interpreter lock or dying, stops
    its output from being read, and what was written before a step's report is in its file when the step is over.
    A `rolling` file is for output without end: when it is full it gets another name, in place of the one before.
    """

    def __init__(self, pipe: FileIO, folder: Path, *, largest: int = LARGEST_LOG, rolling: bool = False) -> None:
        self._pipe = pipe
        self._folder = folder
        self._largest = largest
        self._rolling = rolling
        self._lock = anyio.Lock()
        self._path: Path | None = None
        self._file: FileIO | None = None
        self._written = 0
        self._recent = b""

    @property
    def last_words(self) -> str:
        """The end of what was written outside of any step, such as while loading code."""
        return self._recent.decode(errors="replace").strip()

    async def run(self) -> None:
        """Read until the worker has closed its end."""
        while True:
            await anyio.wait_readable(self._pipe)
            async with self._lock:
                if await self._take() == b"":
                    return
            await anyio.sleep(_PAUSE)

    def begin(self, log: str | None) -> None:
        """From here on, output belongs to `log`, a path below the folder; the file is made with the first byte."""
        self._path = self._below_folder(log) if log is not None else None
        self._written = 0

    async def end(self) -> None:
        """Write what has come so far and close the file."""
        async with self._lock:
            await self._finish_file()

    async def close(self) -> None:
        """Write what is left of a dead worker's output and close the pipe."""
        async with self._lock:
            await self._finish_file()
            self._pipe.close()

    async def _finish_file(self) -> None:
        if not self._pipe.closed:
            while await self._take():
                pass
        if self._file is not None:
            await anyio.to_thread.run_sync(self._file.close)
        self._file = self._path = None

    def _below_folder(self, log: str) -> Path:
        parts = PurePosixPath(log).parts
        if not parts or parts[0] == "/" or ".." in parts:
            raise ValueError(f"the log {log!r} would lie outside of {self._folder}")
        return self._folder / log

    async def _take(self) -> bytes | None:
        """Read and keep one chunk; nothing when the pipe is empty just now, no bytes when it is closed."""
        chunk = self._pipe.read(_CHUNK)
        if chunk is None:
            return None
        if self._path is None:
            self._recent = (self._recent + chunk)[-_LAST_WORDS:]
        elif chunk and (self._rolling or self._written <= self._largest):
            await anyio.to_thread.run_sync(self._keep, self._path, chunk)
        return chunk

    def _keep(self, path: Path, chunk: bytes) -> None:
        if self._file is None:
            self._open(path)
        if self._rolling and self._written + len(chunk) > self._largest:
            self._roll(path)
        assert self._file is not None
        room = self._largest - self._written
        self._file.write(chunk[:room])
        if len(chunk) > room:
            self._file.write(f"\n[upwell: the output is cut here, after {self._largest:,} bytes]\n".encode())
        self._written += len(chunk)

    def _open(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = FileIO(path, "ab")
        if self._rolling:
            self._written = self._file.tell()

    def _roll(self, path: Path) -> None:
        assert self._file is not None
        self._file.close()
        with contextlib.suppress(FileNotFoundError):  # another worker that writes there has just done so
            path.replace(path.with_name(f"{path.name}.1"))
        self._open(path)
