"""What the journal answers about demands and durations, whichever keeps it: a database, or memory in tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from upwell.clock import FakeClock
from upwell.events import Demand, FreshnessAtRisk, FreshnessDemanded, RunId, StepSucceeded
from upwell.journal.database import open_journal
from upwell.journal.projections import DURATIONS_KEPT
from upwell.journal.views import DemandRow
from upwell.testing import MemoryJournal

pytestmark = pytest.mark.anyio

NOW = datetime(2024, 5, 1, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture(params=["database", "memory"])
async def journal(request: pytest.FixtureRequest, journal_url: str) -> AsyncIterator[Any]:
    clock = FakeClock(NOW)
    if request.param == "memory":
        yield MemoryJournal(clock)
        return
    async with open_journal(journal_url, clock=clock) as journal:
        yield journal


def demanded(deadline: datetime, attempt: int = 1, partition: str | None = None) -> FreshnessDemanded:
    demands = (Demand(asset="mart", deadline=deadline, attempt=attempt, partition=partition),)
    return FreshnessDemanded(demands=demands, targets={"raw": (), "mart": ("2024-05-01",)}, reason="it is time")


async def test_of_an_asset_the_newest_demand_and_the_newest_warning_are_known(journal: Any) -> None:
    risk = FreshnessAtRisk(asset="mart", deadline=NOW + HOUR, expected_at=NOW + 2 * HOUR, slow_hop="raw", reason="slow")
    await journal.append(demanded(NOW + HOUR, partition="2024-05-01"), risk)
    await journal.append(demanded(NOW + 2 * HOUR, attempt=2))
    assert await journal.queries.demands() == {
        "mart": DemandRow(
            asset="mart",
            deadline=NOW + 2 * HOUR,
            attempt=2,
            demand_id=3,
            demanded_at=NOW,
            risk_deadline=NOW + HOUR,
        )
    }


async def test_a_demand_is_found_under_the_assets_that_it_is_for(journal: Any) -> None:
    await journal.append(demanded(NOW))
    [record] = await journal.queries.events(asset="mart")
    assert record.event == demanded(NOW)
    assert await journal.queries.events(asset="raw") == []


async def test_durations_are_kept_by_step_whatever_the_partition(journal: Any) -> None:
    for number, step in enumerate(("a@2024-05-01", "a@2024-05-02", "b"), start=1):
        await journal.append(StepSucceeded(run_id=RunId(f"r{number}"), step_id=step, attempt=1, duration=float(number)))
    assert await journal.queries.durations() == {"a": [1.0, 2.0], "b": [3.0]}


async def test_of_many_runs_no_more_durations_are_kept_than_are_of_use(journal: Any) -> None:
    ran = [
        StepSucceeded(run_id=RunId(f"r{number}"), step_id="a", attempt=1, duration=float(number))
        for number in range(1000)
    ]
    await journal.append(*ran)
    kept = (await journal.queries.durations())["a"]
    assert DURATIONS_KEPT * 0.8 < len(kept) <= DURATIONS_KEPT
    assert kept == sorted(kept)  # the newest last
    assert min(kept) > 500
