"""What checks ask about updates is answered out of the journal."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from upwell.clock import FakeClock
from upwell.definitions.graph import AssetGraph
from upwell.definitions.partitions.time_windows import DailyPartitionsDefinition
from upwell.definitions.snapshot import AssetNode, Snapshot
from upwell.definitions.updates import LAST_UPDATED, Update, UpdateQuestion
from upwell.events import AssetMaterialized, AssetObserved
from upwell.execution.updates import answered
from upwell.journal.database import StoredJournal, open_journal

pytestmark = pytest.mark.anyio

NOW = datetime(2024, 5, 2, 12, 0, tzinfo=UTC)
DAYS = DailyPartitionsDefinition(start_date="2024-01-01")
GRAPH = AssetGraph(
    [
        Snapshot(
            location="shop",
            assets=(AssetNode(key="orders", step="orders"), AssetNode(key="days", step="days", partitions=DAYS)),
        )
    ]
)


@pytest.fixture
async def journal(tmp_path: Path, anyio_backend: Any) -> AsyncIterator[StoredJournal]:
    async with open_journal(f"sqlite+aiosqlite:///{tmp_path / 'upwell.db'}", clock=FakeClock(NOW)) as journal:
        yield journal


async def answer(journal: StoredJournal, asset: str, cron: str | None = None) -> Update:
    [update] = await answered(journal.queries, GRAPH, [UpdateQuestion(asset=asset, deadline_cron=cron)], NOW)
    return update


def stamp(instant: datetime) -> dict[str, Any]:
    return {LAST_UPDATED: {"type": "timestamp", "value": instant.timestamp()}}


async def test_an_asset_that_was_never_made_was_never_updated(journal: StoredJournal) -> None:
    assert await answer(journal, "orders") == Update(asset="orders")


async def test_the_newest_of_materialisation_and_observation_counts(journal: StoredJournal) -> None:
    early, late = NOW - timedelta(hours=3), NOW - timedelta(hours=1)
    await journal.append(AssetMaterialized(asset="orders", metadata=stamp(early)))
    assert (await answer(journal, "orders")).updated_at == early
    await journal.append(AssetObserved(asset="orders", metadata=stamp(late)))
    assert (await answer(journal, "orders")).updated_at == late
    await journal.append(AssetMaterialized(asset="orders"))
    assert (await answer(journal, "orders")).updated_at == NOW


async def test_an_observation_that_does_not_say_when_is_no_update(journal: StoredJournal) -> None:
    await journal.append(AssetObserved(asset="orders"))
    assert (await answer(journal, "orders")).updated_at is None


@pytest.mark.parametrize("event", [AssetMaterialized, AssetObserved])
async def test_a_partition_is_there_once_it_was_made_or_observed(journal: StoredJournal, event: Any) -> None:
    await journal.append(event(asset="days", partition="2024-04-30"))
    before = await answer(journal, "days", "0 9 * * *")
    assert (before.partition, before.partition_is_there) == ("2024-05-01", False)
    await journal.append(event(asset="days", partition="2024-05-01"), event(asset="days", partition="2024-04-29"))
    assert (await answer(journal, "days", "0 9 * * *")).partition_is_there
