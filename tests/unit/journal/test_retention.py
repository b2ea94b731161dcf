"""When the pruner prunes: as soon as something has become old enough, at most once an hour."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import anyio
import pytest

from upwell.clock import FakeClock
from upwell.errors import JournalUnavailable
from upwell.events import Canary
from upwell.journal.journal import Record
from upwell.journal.retention import Pruned, Pruner

pytestmark = pytest.mark.anyio

NOW = datetime(2024, 5, 1, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)


class NotedJournal:
    """Notes when it was pruned; its oldest event is of the instant that the test says."""

    def __init__(self, clock: FakeClock, oldest: datetime | None) -> None:
        self.clock = clock
        self.oldest = oldest
        self.pruned_at: list[timedelta] = []
        self.refuses = False

    @property
    def queries(self) -> NotedJournal:
        return self

    async def prune(self, older_than: timedelta) -> Pruned:
        assert older_than == DAY
        self.pruned_at.append(self.clock.now() - NOW)
        if self.refuses:
            raise JournalUnavailable("locked")
        return Pruned(events=1)

    async def events(self, *, limit: int, newest_first: bool) -> list[Record]:
        assert (limit, newest_first) == (1, False)
        return [] if self.oldest is None else [Record(id=1, at=self.oldest, event=Canary(nonce="1"))]


async def prunings(oldest: datetime | None, hours: float, *, refuses: bool = False) -> list[timedelta]:
    clock = FakeClock(NOW)
    journal = NotedJournal(clock, oldest)
    journal.refuses = refuses
    async with anyio.create_task_group() as tasks:
        await tasks.start(Pruner(journal, clock, DAY.total_seconds()).run)  # type: ignore[arg-type]  # its queries
        await clock.advance(hours * 3600)
        tasks.cancel_scope.cancel()
    return journal.pruned_at


async def test_the_next_time_is_when_the_oldest_event_has_become_old() -> None:
    assert await prunings(NOW - timedelta(hours=4), 21) == [timedelta(0), timedelta(hours=20), timedelta(hours=21)]


async def test_an_old_event_that_must_stay_is_looked_at_once_an_hour() -> None:
    assert await prunings(NOW - 30 * DAY, 2.5) == [timedelta(hours=hour) for hour in range(3)]


async def test_an_empty_journal_is_looked_at_once_an_hour() -> None:
    assert len(await prunings(None, 2.5)) == 3


async def test_a_database_that_refuses_is_tried_again_later() -> None:
    assert len(await prunings(NOW, 2.5, refuses=True)) == 3
