"""A tree of 100,000 files: how long a start looks at it, and what watching it costs while nothing happens.

`python -m benchmarks.files_scan`
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path

import anyio
from rich.console import Console

from benchmarks.figures import Figure, table
from upwell.clock import SystemClock
from upwell_sensors.file_source import FileSource
from upwell_sensors.known_files import FileTable
from upwell_sensors.patterns import FilePattern
from upwell_sensors.scanning import look

FOLDERS, FILES_EACH = 1_000, 100
ROUNDS = 5
SETTLE = 0.2


def files(*, full: bool) -> Iterator[Figure]:
    """What a start of the file source costs, and what watching does."""
    with tempfile.TemporaryDirectory() as folder:
        _grow(Path(folder))
        pattern = FilePattern.parse("**/*.csv", base=folder)
        cursor = _known(pattern)
        # Taken in turns, so that a change in the machine's load meets both sides of the ratio.
        rounds = [(_timed(_walk, folder), _timed(_scan, pattern, cursor)) for _ in range(ROUNDS)]
        bare, ours = (statistics.median(values) for values in zip(*rounds, strict=True))
        first, quiet = anyio.run(_watch, folder, 60.0 if full else 15.0)
    count = FOLDERS * FILES_EACH
    yield Figure(
        name=f"start-up scan of {count:,} known files",
        upwell=ours,
        unit="s",
        other="os.scandir and stat, and nothing else",
        other_value=bare,
        ratio=bare / ours,
        target="under 2 s",
        met=ours < 2.0,
    )
    yield Figure(name=f"first start, until {count:,} events are told", upwell=first, unit="s")
    yield Figure(
        name=f"watching {count:,} quiet files, of a core",
        upwell=quiet * 100,
        unit="%",
        target="not measurable: under 0.2 %",
        met=quiet < 0.002,
    )


def _grow(root: Path) -> None:
    for number in range(FOLDERS):
        folder = root / f"day={number:04}"
        folder.mkdir()
        for file in range(FILES_EACH):
            os.close(os.open(folder / f"part-{file:03}.csv", os.O_CREAT))


def _known(pattern: FilePattern) -> dict[str, object]:
    known = FileTable({}, settle=0)
    changes = known.update(look(pattern), now=time.time() + 1, elapsed=0)
    return {change.path: known.remembered(change.path) for change in changes}


def _walk(folder: str) -> None:
    todo = [folder]
    while todo:
        with os.scandir(todo.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    todo.append(entry.path)
                else:
                    entry.stat(follow_symlinks=False)


def _scan(pattern: FilePattern, cursor: dict[str, object]) -> None:
    known = FileTable(cursor, settle=SETTLE)
    now = time.time()
    assert known.update(look(pattern, young_after=now - SETTLE), now=now, elapsed=0) == []


def _timed(work, *arguments: object) -> float:
    started = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - started


async def _watch(folder: str, seconds: float) -> tuple[float, float]:
    """How long it takes until everything is told, and the share of a core that is used afterwards."""
    source = FileSource("files:bench", root=folder, pattern="**/*.csv", settle=f"{SETTLE}s")
    told, started = 0, time.perf_counter()
    first = 0.0

    async def listen() -> None:
        nonlocal told, first
        async with aclosing(source.events({}, SystemClock())) as batches:
            async for batch in batches:
                told += len(batch)
                if told >= FOLDERS * FILES_EACH and not first:
                    first = time.perf_counter() - started

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listen)
        while not first:
            await anyio.sleep(0.05)
        await anyio.sleep(8.0)  # until the watch is set, and what it hinted at is looked at
        before = time.process_time()
        await anyio.sleep(seconds)
        used = time.process_time() - before
        tasks.cancel_scope.cancel()
    return first, used / seconds


if __name__ == "__main__":
    Console(width=160).print(table(files(full="--full" in sys.argv)))
