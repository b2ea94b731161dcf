"""kill -9 of a process that runs sources: each file, and each tick, is in the journal exactly once."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from upwell.clock import SystemClock
from upwell.journal.database import open_journal

pytestmark = pytest.mark.anyio

HOST = """
import sys
import anyio
from upwell.clock import SystemClock
from upwell.definitions.project import Project
from upwell.definitions.snapshot import AssetNode, Snapshot
from upwell.journal.database import open_journal
from upwell.sources.host import SourceHost
from upwell_sensors import every, files

async def main(url, folder):
    listened = files(folder + "/*.csv", settle="10ms") if folder else every("20ms", catch_up="all")
    clock = SystemClock()
    async with open_journal(url, clock=clock) as journal:
        project = Project()
        node = AssetNode(key="a", step="a", on=(listened,))
        project.replace(Snapshot(location="here", assets=(node,)))
        print("up", flush=True)
        await SourceHost(journal, journal.queries, project, clock).run()

anyio.run(main, *sys.argv[1:], backend_options={"use_uvloop": True})
"""


class Host:
    """The process, and its lives."""

    def __init__(self, tmp_path: Path, folder: Path | None) -> None:
        self._database = tmp_path / "upwell.db"
        self.url = f"sqlite+aiosqlite:///{self._database}"
        self._folder = folder

    @contextmanager
    def alive(self) -> Iterator[subprocess.Popen[str]]:
        """One life, which ends by kill -9."""
        process = subprocess.Popen(
            [sys.executable, "-c", HOST, self.url, str(self._folder or "")],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert process.stdout is not None
        try:
            assert "up\n" in process.stdout, "it ended before it was up"
            yield process
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
            process.stdout.close()

    async def told(self, kind: str) -> list[Any]:
        async with open_journal(self.url, clock=SystemClock()) as journal:
            records = await journal.queries.events(kinds=[kind], limit=100_000, newest_first=False)
            return [record.event for record in records]

    def told_so_far(self, kind: str) -> int:
        with closing(sqlite3.connect(f"file:{self._database}?mode=ro", uri=True)) as base:
            return int(base.execute("SELECT count(*) FROM events WHERE kind = ?", [kind]).fetchone()[0])


def fill(folder: Path, first: int, count: int) -> None:
    folder.mkdir(exist_ok=True)
    for number in range(first, first + count):
        os.close(os.open(folder / f"{number}.csv", os.O_CREAT))


def wait(claim: Callable[[], bool], seconds: float = 30.0) -> None:
    ends = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < ends, "in vain"
        time.sleep(0.05)


def told_at_least(host: Host, files: int) -> bool:
    return host.told_so_far("file.changed") >= files


async def test_files_that_come_while_the_host_is_killed_again_and_again_are_told_exactly_once(tmp_path: Path) -> None:
    folder = tmp_path / "landing"
    folder.mkdir()
    host, chance, written = Host(tmp_path, folder), random.Random(7), 0
    for life in range(6):
        with host.alive():
            ends = time.monotonic() + (1.5 if life == 5 else chance.uniform(0.1, 1.0))
            while time.monotonic() < ends:
                (folder / f"{written}.csv").write_text("x")
                written += 1
                time.sleep(0.002)
            if life == 5:
                wait(partial(told_at_least, host, written))
    told = [event.path for event in await host.told("file.changed")]
    assert Counter(told) == Counter(str(folder / f"{number}.csv") for number in range(written))


async def test_a_host_that_is_killed_while_it_catches_up_with_many_files_tells_each_once(tmp_path: Path) -> None:
    folder, count = tmp_path / "landing", 20_000
    fill(folder, 0, count)
    host, chance = Host(tmp_path, folder), random.Random(7)
    for _ in range(5):
        with host.alive():
            time.sleep(chance.uniform(0.1, 0.6))
    with host.alive():
        wait(partial(told_at_least, host, count))
        time.sleep(1.0)
    told = [event.path for event in await host.told("file.changed")]
    assert Counter(told) == Counter(str(folder / f"{number}.csv") for number in range(count))


async def test_more_files_than_the_kernel_can_queue_are_all_told_soon(tmp_path: Path) -> None:
    folder, count = tmp_path / "landing", 20_000
    fill(folder, 0, 1)
    host = Host(tmp_path, folder)
    with host.alive() as process:
        wait(partial(told_at_least, host, 1))
        time.sleep(1.0)
        process.send_signal(signal.SIGSTOP)
        fill(folder, 1, count)
        process.send_signal(signal.SIGCONT)
        wait(partial(told_at_least, host, count + 1), 25)  # and not only with the look each minute
    told = [event.path for event in await host.told("file.changed")]
    assert Counter(told) == Counter(str(folder / f"{number}.csv") for number in range(count + 1))


async def test_ticks_of_a_host_that_is_killed_again_and_again_are_told_exactly_once(tmp_path: Path) -> None:
    host, chance = Host(tmp_path, None), random.Random(7)
    for _ in range(6):
        with host.alive():
            time.sleep(chance.uniform(0.05, 0.8))
        time.sleep(chance.uniform(0.0, 0.3))
    ticks = [event.occurred_at for event in await host.told("timer.fired")]
    assert len(ticks) > 50
    assert {later - earlier for earlier, later in pairwise(ticks)} == {timedelta(milliseconds=20)}
