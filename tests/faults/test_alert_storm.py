"""Ten thousand assets are late because of one: one alert, and nobody who delivers an event waits for it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import anyio
import pytest

from upwell.alerts.alert import Alert
from upwell.alerts.dispatcher import Dispatcher
from upwell.alerts.keeper import IncidentKeeper
from upwell.alerts.lane import Outlet
from upwell.alerts.selecting import ProjectSelecting
from upwell.clock import SystemClock
from upwell.definitions.project import Project
from upwell.definitions.snapshot import AssetNode, DepNode, Snapshot
from upwell.events import FreshnessChanged, FreshnessState, WebhookAccepted
from upwell.journal.database import StoredJournal, open_journal

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
CHILDREN = [f"c{number:05}" for number in range(10_000)]


class Person:
    def __init__(self) -> None:
        self.told: list[Alert] = []

    async def send(self, alert: Alert) -> None:
        self.told.append(alert)


def late(asset: str, state: FreshnessState = "FAIL") -> FreshnessChanged:
    previous: FreshnessState = "PASS" if state == "FAIL" else "FAIL"
    return FreshnessChanged(asset=asset, state=state, previous_state=previous, changed_at=NOON)


async def test_ten_thousand_late_assets_with_one_cause_are_one_alert(tmp_path: Path) -> None:
    project, ann = Project(), Person()
    nodes = [AssetNode(key=key, step=key, deps=(DepNode(asset="root"),)) for key in CHILDREN]
    project.replace(Snapshot(location="here", assets=(AssetNode(key="root", step="root"), *nodes)))
    clock = SystemClock()
    async with open_journal(f"sqlite+aiosqlite:///{tmp_path / 'upwell.db'}", clock=clock) as journal:
        keeper = IncidentKeeper(journal, journal.queries, project, clock, catch_up_grace=60.0)
        outlets = [Outlet(name="ann", sink=ann)]
        dispatcher = Dispatcher(journal, journal.queries, ProjectSelecting(project), clock, outlets)
        async with anyio.create_task_group() as tasks:
            await tasks.start(dispatcher.run)
            await tasks.start(keeper.run)
            await journal.append(late("root"))
            waited = await storm(journal)
            await until(lambda: affected(journal), len(CHILDREN))
            await journal.append(*(late(key, "PASS") for key in ("root", *CHILDREN)))
            await until(lambda: told(ann), 2)
            tasks.cancel_scope.cancel()
    assert [alert.type for alert in ann.told] == ["incident.opened", "incident.closed"]
    assert max(waited) < 1.0


async def storm(journal: StoredJournal) -> list[float]:
    """Everybody else becomes late, as the watcher tells it; how long a delivery waits meanwhile."""
    waited: list[float] = []
    for at in range(0, len(CHILDREN), 1000):
        await journal.append(*map(late, CHILDREN[at : at + 1000]))
        began = time.monotonic()
        await journal.append(WebhookAccepted(source="webhook:orders"))
        waited.append(time.monotonic() - began)
    return waited


async def affected(journal: StoredJournal) -> int:
    return sum(one.affected for one in await journal.queries.open_incidents())


async def told(person: Person) -> int:
    return len(person.told)


async def until(claim: Callable[[], Awaitable[int]], wanted: int) -> None:
    with anyio.fail_after(60):
        while await claim() < wanted:
            await anyio.sleep(0.05)
