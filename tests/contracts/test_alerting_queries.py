"""What databases answer about incidents and silences, each the same."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from upwell.clock import FakeClock
from upwell.events import AlertDelivered, AlertsSilenced, ErrorInfo, IncidentChanged, Lateness, Member, SilenceEnded
from upwell.journal.database import StoredJournal, open_journal
from upwell.journal.journal import Progress

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
LATE = Lateness(state="FAIL", previous_state="PASS", deadline=NOON, overdue_seconds=1.5)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOON)


@pytest.fixture
async def journal(journal_url: str, clock: FakeClock, anyio_backend: Any) -> AsyncIterator[StoredJournal]:
    async with open_journal(journal_url, clock=clock) as journal:
        yield journal


def changed(incident: str = "i1", change: str = "opened", **more: Any) -> IncidentChanged:
    fields: dict[str, Any] = {
        "incident": incident,
        "number": 1,
        "change": change,
        "trouble": "freshness",
        "subject": "raw",
        "assets": ("raw",),
        "severity": "error",
        "opened_at": NOON,
        "happened_at": NOON,
        "summary": "raw is late",
        "lateness": LATE,
    }
    return IncidentChanged(**fields | more)


async def test_an_incident_comes_back_as_it_was_told(journal: StoredJournal) -> None:
    members = (Member(name="mart", since=NOON, lateness=LATE), Member(name="raw", since=NOON, partition="2026"))
    error = ErrorInfo(type="ValueError", message="no rows")
    event = changed(joined=members, error=error, closes_at=NOON + HOUR, silenced="moving", silenced_until=NOON + HOUR)
    await journal.append(event)
    [view] = await journal.queries.open_incidents()
    assert view.members == members
    for name in ("lateness", "error", "closes_at", "silenced", "silenced_until", "assets", "severity", "summary"):
        assert getattr(view, name) == getattr(event, name), name
    assert await journal.queries.incident("i1") == view


async def test_who_left_is_not_in_it_and_who_joins_again_is(journal: StoredJournal) -> None:
    raw, mart = Member(name="raw", since=NOON), Member(name="mart", since=NOON)
    await journal.append(changed(joined=(raw, mart)), changed(change="changed", left=(mart,)))
    assert [one.members for one in await journal.queries.open_incidents()] == [(raw,)]
    await journal.append(changed(change="changed", joined=(mart,)), changed(change="closed", left=(raw, mart)))
    assert await journal.queries.open_incidents() == []
    [closed] = await journal.queries.incidents(open=False)
    assert (closed.open, closed.members) == (False, ())


async def test_who_was_told_is_known_with_the_newest_alert(journal: StoredJournal) -> None:
    await journal.append(
        AlertDelivered(sink="ops", alert="i1.1", incidents=("i1",)),
        AlertDelivered(sink="ops", alert="i1.2-i2.1-2", incidents=("i1", "i2")),
        AlertDelivered(sink="ann", alert="i2.1", incidents=("i2",)),
    )
    assert await journal.queries.incident_readers("i1") == {"ops": "i1.2-i2.1-2"}
    assert set(await journal.queries.incident_readers("i2")) == {"ops", "ann"}


async def test_silences_are_there_until_they_end_or_are_ended(journal: StoredJournal) -> None:
    for name, hours in (("late", 3), ("soon", 1), ("ended", 2)):
        await journal.append(AlertsSilenced(silence=name, select="raw", until=NOON + hours * HOUR, reason="moving"))
    await journal.append(SilenceEnded(silence="ended"))
    assert [one.silence for one in await journal.queries.silences(NOON)] == ["soon", "late"]
    assert [one.silence for one in await journal.queries.silences(NOON + HOUR)] == ["late"]


async def test_consumers_are_found_by_how_their_names_begin(journal: StoredJournal) -> None:
    for name in ("alert-sink:a_b", "alert-sink:c", "reactor"):
        await journal.append(progress=Progress(consumer=name, event_id=7))
    assert set(await journal.queries.consumers("alert-sink:")) == {"alert-sink:a_b", "alert-sink:c"}


async def test_what_is_over_for_long_is_forgotten_and_what_is_open_is_not(
    journal: StoredJournal, clock: FakeClock
) -> None:
    await journal.append(
        changed("open"),
        changed("over"),
        changed("over", "closed"),
        AlertDelivered(sink="ops", alert="over.1", incidents=("over",)),
        AlertsSilenced(silence="s", select="raw", until=NOON + HOUR),
    )
    await clock.advance(10 * 86_400)
    await journal.append(changed("new", opened_at=clock.now(), happened_at=clock.now()))
    await journal.prune(timedelta(days=1))
    assert {one.incident for one in await journal.queries.incidents()} == {"open", "new"}
    assert await journal.queries.incident_readers("over") == {}
    assert await journal.queries.silences(NOON) == []
