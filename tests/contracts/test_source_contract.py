"""Every ready-made source keeps the contract of a source."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest

from upwell.clock import Clock, FakeClock
from upwell.testing import SourceContract
from upwell_sensors.file_source import FileSource
from upwell_sensors.timer_source import AtSource, CronSource, EverySource

pytestmark = pytest.mark.anyio


class TestFiles(SourceContract):
    name = "files:*.csv"

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    async def make_source(self) -> FileSource:
        return FileSource(self.name, root=str(self.folder), pattern="*.csv", settle="20ms")

    async def emit(self, number: int) -> None:
        (self.folder / f"{number}.csv").write_text(str(number))
        os.utime(self.folder / f"{number}.csv", (time.time() - 60 + number,) * 2)


class TestFilesBelowFoldersThatCountByContent(TestFiles):
    name = "files:**/*.csv"

    async def make_source(self) -> FileSource:
        return FileSource(self.name, root=str(self.folder), pattern="**/*.csv", settle="20ms", content=True)


class TestFilesWithoutNotification(TestFiles):
    async def make_source(self) -> FileSource:
        return FileSource(self.name, root=str(self.folder), pattern="*.csv", settle="20ms", poll="50ms")


class TimerContract(SourceContract):
    seconds = 10.0

    @pytest.fixture(autouse=True)
    def _clock(self) -> None:
        self.clock = FakeClock(datetime(2024, 3, 1, 12, tzinfo=UTC))

    def make_clock(self) -> Clock:
        return self.clock

    async def start(self) -> None:
        await anyio.wait_all_tasks_blocked()

    async def emit(self, number: int) -> None:
        await self.clock.advance(self.seconds + 3)  # late enough that whoever was down has to catch up

    async def emit_again_if_the_first_start_forgets(self) -> None:
        await self.emit(2)


class TestEvery(TimerContract):
    name = "every:10s"

    async def make_source(self) -> EverySource:
        return EverySource(self.name, interval="10s")


class TestCron(TimerContract):
    name = "cron:0 * * * *@UTC"
    seconds = 3600.0

    async def make_source(self) -> CronSource:
        return CronSource(self.name, schedule="0 * * * *")


class TestCronWithManySchedulesAndJitter(TimerContract):
    name = "cron:0 * * * *, 30 3 * * *@UTC"
    seconds = 3600.0

    async def make_source(self) -> CronSource:
        return CronSource(self.name, schedule=["0 * * * *", "30 3 * * *"], jitter="2s")


class TestAt(TimerContract):
    name = "at:…"

    async def make_source(self) -> AtSource:
        start = datetime(2024, 3, 1, 12, tzinfo=UTC)
        return AtSource(self.name, instants=[start + timedelta(seconds=10 * number) for number in range(1, 5)])
