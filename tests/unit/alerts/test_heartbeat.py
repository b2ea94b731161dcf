"""A heartbeat goes out while everything makes progress, and stops, saying why, when one part does not."""

from __future__ import annotations

import ipaddress
from collections.abc import AsyncIterator, MutableMapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
import structlog

from upwell.alerts.heartbeat import Heartbeat
from upwell.alerts.outgoing import Outgoing
from upwell.clock import FakeClock
from upwell.definitions.freshness.model import FreshnessPolicy
from upwell.definitions.project import Project
from upwell.definitions.snapshot import AssetNode, Snapshot
from upwell.errors import JournalUnavailable
from upwell.freshness.watcher import FreshnessWatcher
from upwell.journal import canary
from upwell.journal.canary import CanaryProbe
from upwell.journal.database import StoredJournal, open_journal
from upwell.reactor.reactor import Reactor

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HERE = Outgoing([ipaddress.ip_network("127.0.0.0/8")])
PERIOD = 60.0


class Service:
    """What a heartbeat has to do with of a service; each part may be frozen."""

    def __init__(self, heartbeat: Heartbeat, clock: FakeClock, receiver: Any) -> None:
        self.heartbeat, self.clock, self.receiver = heartbeat, clock, receiver
        self.reactor, self.watcher = anyio.CancelScope(), anyio.CancelScope()
        self.journal: Any = None
        self.lines: Sequence[MutableMapping[str, Any]] = ()

    async def beats(self, periods: int = 1) -> int:
        """How many arrive in so many periods."""
        before = len(self.receiver.requests)
        for _ in range(periods):
            await self.clock.advance(PERIOD)
            await self.heartbeat.beat()
        return len(self.receiver.requests) - before

    def told(self) -> list[tuple[str, str]]:
        return [(line["event"], line["part"]) for line in self.lines if line["event"].startswith("heartbeat.")]


class Freezing:
    """The journal, whose writer may stand still."""

    def __init__(self, journal: StoredJournal) -> None:
        self._journal = journal
        self.frozen = self.full = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)

    async def append(self, *events: Any, **more: Any) -> Any:
        if self.full:
            raise JournalUnavailable("the disk is full")
        if self.frozen:
            await anyio.sleep_forever()
        return await self._journal.append(*events, **more)


@asynccontextmanager
async def service(folder: Path, receiver: Any, **options: Any) -> AsyncIterator[Service]:
    clock = FakeClock(NOON)
    project = Project()
    policy = FreshnessPolicy.time_window(timedelta(hours=1))
    project.replace(Snapshot(location="here", assets=(AssetNode(key="a", step="a", freshness=policy),)))
    url = f"sqlite+aiosqlite:///{folder / 'upwell.db'}"
    async with open_journal(url, clock=clock) as stored, anyio.create_task_group() as tasks:
        journal: Any = Freezing(stored)
        watcher = FreshnessWatcher(journal, stored.queries, project, clock)
        reactor = Reactor(journal, stored.queries, project, clock)
        parts = (CanaryProbe(journal, clock).prove, watcher.prove)
        heartbeat = Heartbeat(f"{receiver.url}/ping", PERIOD, parts, HERE, clock, **options)
        here = Service(heartbeat, clock, receiver)
        here.journal = journal
        await tasks.start(run_in, here.watcher, watcher)
        await tasks.start(run_in, here.reactor, reactor)
        with structlog.testing.capture_logs() as here.lines:
            yield here
        tasks.cancel_scope.cancel()


async def run_in(scope: anyio.CancelScope, part: Any, *, task_status: Any) -> None:
    with scope:
        await part.run(task_status=task_status)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canary, "PROOF_FOR", 0.2)


async def test_it_beats_while_everything_makes_progress(tmp_path: Path, http_receiver: Any) -> None:
    async with service(tmp_path, http_receiver) as here:
        assert await here.beats(3) == 3
        assert here.told() == []
    assert {request for request, _, _ in http_receiver.requests} == {"POST /ping HTTP/1.1"}


async def test_a_frozen_reactor_stops_it(tmp_path: Path, http_receiver: Any) -> None:
    async with service(tmp_path, http_receiver) as here:
        assert await here.beats() == 1
        here.reactor.cancel()
        assert await here.beats(2) == 0
        assert here.told() == [("heartbeat.withheld", "reactor")]


@pytest.mark.parametrize("fault", ["frozen", "full"])
async def test_a_writer_that_does_not_write_stops_it(tmp_path: Path, http_receiver: Any, fault: str) -> None:
    async with service(tmp_path, http_receiver) as here:
        assert await here.beats() == 1
        setattr(here.journal, fault, True)
        assert await here.beats(2) == 0
        setattr(here.journal, fault, False)
        assert await here.beats() == 1
        assert here.told() == [("heartbeat.withheld", "journal"), ("heartbeat.resumed", "journal")]


async def test_a_freshness_clock_that_stands_still_stops_it(tmp_path: Path, http_receiver: Any) -> None:
    async with service(tmp_path, http_receiver) as here:
        here.watcher.cancel()
        assert await here.beats() == 1  # no deadline has passed yet
        here.clock.jump(NOON + timedelta(hours=1))
        assert await here.beats(2) == 0
        assert here.told() == [("heartbeat.withheld", "freshness")]


async def test_a_deadline_that_is_told_in_time_does_not_stop_it(tmp_path: Path, http_receiver: Any) -> None:
    async with service(tmp_path, http_receiver) as here:
        await here.clock.advance(2 * 3600)
        assert await here.beats(2) == 2


async def test_who_asks_for_it_is_told_which_part_is_stuck(tmp_path: Path, http_receiver: Any) -> None:
    async with service(tmp_path, http_receiver, tell_failures=True) as here:
        here.reactor.cancel()
        await here.beats()
    [(request, _, body)] = http_receiver.requests
    assert request == "POST /ping/fail HTTP/1.1"
    assert body.startswith(b"reactor: The reactor did not decide")


async def test_nobody_there_to_hear_it_is_a_line_without_the_url(tmp_path: Path, http_receiver: Any) -> None:
    http_receiver.hang_up = True
    async with service(tmp_path, http_receiver) as here:
        await here.beats()
        [line] = [line for line in here.lines if line["event"] == "heartbeat.failed"]
    assert http_receiver.url not in str(line)


async def test_a_private_address_hears_nothing_unless_it_may(tmp_path: Path, http_receiver: Any) -> None:
    async with service(tmp_path, http_receiver) as here:
        here.heartbeat._outgoing = Outgoing()
        assert await here.beats() == 0
