"""From a file's name to a partition, through the source, the journal and the reactor."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

import anyio
import pytest

from upwell.clock import SystemClock
from upwell.definitions.partitions.time_windows import DailyPartitionsDefinition
from upwell.definitions.project import Project
from upwell.definitions.snapshot import AssetNode, Snapshot, StepNode
from upwell.events import EventDecided
from upwell.journal.database import StoredJournal, open_journal
from upwell.reactor.reactor import Reactor
from upwell.sources.host import SourceHost
from upwell_sensors import files

pytestmark = pytest.mark.anyio


class Landing:
    """A folder of daily files that a partitioned asset listens to, with one journal over all restarts."""

    def __init__(self, tmp_path: Path) -> None:
        self._folder = tmp_path / "landing"
        self._folder.mkdir()
        self._url = f"sqlite+aiosqlite:///{tmp_path / 'upwell.db'}"
        days = DailyPartitionsDefinition(start_date=datetime(2024, 1, 1))
        on = files(str(self._folder / "{date}.csv"), settle="10ms")
        self._snapshot = Snapshot(
            location="here",
            assets=(AssetNode(key="raw", step="raw", partitions=days, on=(on,)),),
            steps=(StepNode(key="raw", assets=("raw",)),),
        )

    def write(self, *names: str) -> None:
        for name in names:
            (self._folder / name).write_text("x")
            os.utime(self._folder / name, (time.time() - 60,) * 2)

    @asynccontextmanager
    async def life(self) -> AsyncIterator[StoredJournal]:
        clock, project = SystemClock(), Project()
        project.replace(self._snapshot)
        async with open_journal(self._url, clock=clock) as journal, anyio.create_task_group() as tasks:
            await tasks.start(Reactor(journal, journal.queries, project, clock).run)
            await tasks.start(SourceHost(journal, journal.queries, project, clock).run)
            yield journal
            tasks.cancel_scope.cancel()

    async def decisions(self, count: int) -> list[EventDecided]:
        """What has been decided of events after a life in which at least so many were."""
        async with self.life() as journal:
            with anyio.fail_after(10):
                while len(records := await journal.queries.events(kinds=["event.decided"], newest_first=False)) < count:
                    await anyio.sleep(0.02)
            await anyio.sleep(0.3)  # for what should not come
            records = await journal.queries.events(kinds=["event.decided"], newest_first=False)
            return [record.event for record in records if isinstance(record.event, EventDecided)]


async def test_the_name_of_a_file_names_the_partition(tmp_path: Path) -> None:
    landing = Landing(tmp_path)
    landing.write("2024-01-05.csv")
    [decision] = await landing.decisions(1)
    assert (decision.outcome, decision.partition) == ("requested", "2024-01-05")


@pytest.mark.parametrize("name", ["2023-12-31.csv", "2024-02-30.csv", "readme.csv", "3024-01-01.csv"])
async def test_a_name_that_is_no_valid_partition_is_reported_once_and_skipped(tmp_path: Path, name: str) -> None:
    landing = Landing(tmp_path)
    landing.write(name)
    for _ in range(3):  # restarts
        [decision] = await landing.decisions(1)
        assert decision.outcome == "ignored"
        assert f"raw has no partition '{name.removesuffix('.csv')}'" in decision.reason


async def test_a_name_that_is_no_valid_partition_keeps_no_other_file_back(tmp_path: Path) -> None:
    landing = Landing(tmp_path)
    landing.write("readme.csv", "2024-01-05.csv", "notes.csv", "2024-01-06.csv")
    decided = await landing.decisions(4)
    wanted = {decision.partition for decision in decided if decision.outcome in ("requested", "joined", "follows")}
    assert wanted == {"2024-01-05", "2024-01-06"}
    assert [decision.outcome for decision in decided].count("ignored") == 2
