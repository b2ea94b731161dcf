"""kill -9 of a process that watches files: each file is in the journal exactly once."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

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
from upwell_sensors import files

async def main(url, folder):
    clock = SystemClock()
    async with open_journal(url, clock=clock) as journal:
        project = Project()
        node = AssetNode(key="a", step="a", on=(files(folder + "/*.csv", settle="10ms"),))
        project.replace(Snapshot(location="here", assets=(node,)))
        print("up", flush=True)
        await SourceHost(journal, journal.queries, project, clock).run()

anyio.run(main, *sys.argv[1:], backend_options={"use_uvloop": True})
"""


async def test_files_that_come_while_the_host_is_killed_again_and_again_are_told_exactly_once(tmp_path: Path) -> None:
    folder = tmp_path / "landing"
    folder.mkdir()
    url = f"sqlite+aiosqlite:///{tmp_path / 'upwell.db'}"
    chance = random.Random(7)
    written = 0
    for life in range(6):
        process = subprocess.Popen(
            [sys.executable, "-c", HOST, url, str(folder)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert process.stdout is not None
        process.stdout.readline()
        ends = time.monotonic() + (3.0 if life == 5 else chance.uniform(0.1, 1.0))
        while time.monotonic() < ends - (1.5 if life == 5 else 0.0):
            (folder / f"{written}.csv").write_text("x")
            written += 1
            time.sleep(0.002)
        time.sleep(max(0.0, ends - time.monotonic()))
        process.send_signal(signal.SIGKILL)
        process.wait()
    async with open_journal(url, clock=SystemClock()) as journal:
        told = [record.event.path for record in await journal.queries.events(kinds=["file.changed"], limit=100_000)]  # type: ignore[union-attr]
    assert Counter(told) == Counter(str(folder / f"{number}.csv") for number in range(written))
