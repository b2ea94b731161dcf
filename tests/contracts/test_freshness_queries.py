"""What the journal answers about how fresh assets are, whichever database keeps it; and the watcher over it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import anyio
import pytest

from upwell.clock import FakeClock
from upwell.definitions.freshness.model import FreshnessPolicy
from upwell.definitions.partitions.time_windows import DailyPartitionsDefinition
from upwell.definitions.project import Project
from upwell.definitions.snapshot import AssetNode, Snapshot
from upwell.events import AssetMaterialized, AssetObserved, FreshnessChanged
from upwell.freshness.watcher import FreshnessWatcher
from upwell.journal.database import StoredJournal, open_journal
from upwell.journal.views import NewestMade

pytestmark = pytest.mark.anyio

NOW = datetime(2024, 5, 1, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOW)


@pytest.fixture
async def journal(journal_url: str, clock: FakeClock) -> AsyncIterator[StoredJournal]:
    async with open_journal(journal_url, clock=clock) as journal:
        yield journal


async def test_what_was_made_and_how_old_its_data_are(journal: StoredJournal) -> None:
    old, older = NOW - 60 * MINUTE, NOW - 90 * MINUTE
    await journal.append(
        AssetMaterialized(asset="a", data_time=old),
        AssetMaterialized(asset="b", materialized_at=old, data_time=older),
        AssetObserved(asset="c", data_time=old),
        AssetObserved(asset="c"),
    )
    assert await journal.queries.newest_made(["a", "b", "c", "d"]) == {
        "a": NewestMade("a", 1, NOW, None, None, None, old, 1),
        "b": NewestMade("b", 2, old, None, None, NOW, older, 2),
        "c": NewestMade("c", 0, None, None, NOW, None, old, 3),
    }
    assert await journal.queries.newest_made() == await journal.queries.newest_made(["a", "b", "c"])


async def test_of_partitions_the_newest_says_how_old_the_data_are(journal: StoredJournal) -> None:
    await journal.append(
        AssetMaterialized(asset="a", partition="2", data_time=NOW),
        AssetMaterialized(asset="a", partition="1", data_time=NOW - MINUTE),
    )
    assert (await journal.queries.asset_states(["a"]))["a"].data_time == NOW
    assert (await journal.queries.partitions("a"))["1"].data_time == NOW - MINUTE


async def test_partitions_that_were_made_since_an_instant(journal: StoredJournal, clock: FakeClock) -> None:
    await journal.append(AssetMaterialized(asset="a", partition="1"), AssetMaterialized(asset="a", partition="2"))
    clock.jump(NOW + MINUTE)
    await journal.append(AssetMaterialized(asset="a", partition="2"), AssetMaterialized(asset="b", partition="3"))
    assert await journal.queries.partitions_made("a", NOW + MINUTE) == [("2", 3)]
    assert dict(await journal.queries.partitions_made("a", NOW)) == {"1": 1, "2": 3}


async def test_since_when_a_policy_is_known_is_kept_until_it_is_removed(journal: StoredJournal) -> None:
    told = [("UNKNOWN", "NOT_APPLICABLE"), ("FAIL", "UNKNOWN"), ("NOT_APPLICABLE", "FAIL"), ("PASS", "NOT_APPLICABLE")]
    known = []
    for at, (state, previous) in enumerate(told):
        change = FreshnessChanged(
            asset="a",
            state=state,  # type: ignore[arg-type]
            previous_state=previous,  # type: ignore[arg-type]
            changed_at=NOW + at * MINUTE,
        )
        await journal.append(change)
        known.append((await journal.queries.freshness())["a"].known_since)
    assert known == [NOW, NOW, NOW, NOW + 3 * MINUTE]


async def test_partitions_that_are_due_and_corrections_are_found_again(
    journal: StoredJournal, clock: FakeClock
) -> None:
    days = AssetNode(
        key="days",
        step="days",
        freshness=FreshnessPolicy.time_window(MINUTE, per="partition"),
        partitions=DailyPartitionsDefinition("2024-01-01"),
    )
    whole = AssetNode(key="whole", step="whole", freshness=FreshnessPolicy.time_window(24 * 60 * MINUTE))
    project = Project()
    project.replace(Snapshot(location="here", assets=(days, whole)))
    await watched(journal, project, clock, AssetMaterialized(asset="days", partition="2024-04-30"))
    clock.jump(NOW + timedelta(days=3))
    await watched(journal, project, clock, AssetMaterialized(asset="days", partition="2024-05-02"))  # leaves a hole
    late = AssetMaterialized(asset="whole", materialized_at=NOW + timedelta(hours=20))
    await watched(journal, project, clock, late, AssetMaterialized(asset="days", partition="2024-05-01"))
    told = [record.event for record in reversed(await journal.queries.events(kinds=["freshness.changed"]))]
    assert [(e.asset, e.state, e.changed_at, bool(e.corrects)) for e in told if isinstance(e, FreshnessChanged)] == [
        ("days", "UNKNOWN", NOW, False),
        ("whole", "UNKNOWN", NOW, False),
        ("days", "PASS", NOW, False),
        ("days", "FAIL", datetime(2024, 5, 2, 0, 1, tzinfo=UTC), False),
        ("whole", "FAIL", NOW + timedelta(days=1), False),
        ("whole", "PASS", NOW + timedelta(hours=20), True),
        ("whole", "FAIL", NOW + timedelta(hours=44), False),
    ]  # the days stay late: that of 3 May is missing, too


async def watched(journal: StoredJournal, project: Project, clock: FakeClock, *events: AssetMaterialized) -> None:
    """A service that takes in these events, and ends."""
    async with anyio.create_task_group() as tasks:
        await tasks.start(FreshnessWatcher(journal, journal.queries, project, clock).run)
        await journal.append(*events)
        await anyio.sleep(0.15)
        await clock.advance(0)
        tasks.cancel_scope.cancel()
