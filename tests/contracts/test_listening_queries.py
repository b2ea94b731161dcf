"""What the journal answers about sensors, gates, switches and dead letters, whichever database keeps it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from upwell.clock import FakeClock
from upwell.events import (
    DynamicPartitionsChanged,
    ErrorInfo,
    EventDeadLettered,
    EventDecided,
    EventReplayed,
    ListeningPaused,
    ListeningResumed,
    RunId,
    RunRequested,
    SensorEvaluated,
    SensorFailed,
    SensorTriggered,
    WantedRun,
    WebhookAccepted,
)
from upwell.journal.database import StoredJournal, open_journal
from upwell.journal.listening_queries import RUN_KEYS_KNOWN_FOR
from upwell.journal.views import Switch, WaitingEvent

pytestmark = pytest.mark.anyio

NOW = datetime(2024, 5, 1, 12, 0, tzinfo=UTC)
ERROR = ErrorInfo(type="ValueError", message="no rows", traceback="Traceback …")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOW)


@pytest.fixture
async def journal(journal_url: str, clock: FakeClock) -> AsyncIterator[StoredJournal]:
    async with open_journal(journal_url, clock=clock) as journal:
        yield journal


async def test_dead_letters_come_in_pages_also_when_many_died_together(journal: StoredJournal) -> None:
    await journal.append(*(WebhookAccepted(source="w") for _ in range(9)))
    for ids in ((1, 2, 3, 4, 5, 6), (9,), (7, 8)):
        await journal.append(EventDeadLettered(event_ids=ids, reason="r", error=ERROR))
    found: list[int] = []
    before = None
    while page := await journal.queries.dead_letters(limit=2, before=before):
        found += [letter.event_id for letter in page]
        before = (page[-1].dead_id, page[-1].event_id)
    assert found == [8, 7, 9, 6, 5, 4, 3, 2, 1]


async def test_a_dead_letter_that_is_replayed_is_none_until_it_fails_again(journal: StoredJournal) -> None:
    await journal.append(WebhookAccepted(source="w"), EventDeadLettered(event_ids=(1,), reason="r", attempts=3))
    await journal.append(EventReplayed(event_ids=(1,)))
    assert await journal.queries.dead_letters() == []
    await journal.append(EventDeadLettered(event_ids=(1,), reason="again", error=ERROR))
    (letter,) = await journal.queries.dead_letters()
    assert (letter.reason, letter.error, letter.at) == ("again", ERROR, NOW)


async def test_an_event_waits_at_its_gate_until_a_decision_lets_it_go(journal: StoredJournal) -> None:
    until = NOW + timedelta(seconds=2)
    waiting = EventDecided(event_ids=(1, 2), outcome="waiting", reason="r", waits="w > orders", until=until)
    await journal.append(WebhookAccepted(source="w"), WebhookAccepted(source="w"), waiting)
    assert await journal.queries.waiting_events() == [
        WaitingEvent(gate="w > orders", event_id=event_id, until=until) for event_id in (1, 2)
    ]
    await journal.append(EventDecided(event_ids=(1, 2), outcome="requested", reason="r", waits="w > orders"))
    assert await journal.queries.waiting_events() == []


async def test_a_switch_is_as_it_was_said_last(journal: StoredJournal, clock: FakeClock) -> None:
    await journal.append(ListeningPaused(what="sensor", name="s", paused_by="alice"))
    clock.jump(NOW + timedelta(hours=1))
    await journal.append(ListeningResumed(what="sensor", name="s", resumed_by="bob"))
    await journal.append(ListeningPaused(what="source", name="s"))
    later = NOW + timedelta(hours=1)
    assert await journal.queries.switches() == [
        Switch(what="sensor", name="s", active=True, at=later, said_by="bob"),
        Switch(what="source", name="s", active=False, at=later),
    ]


async def test_a_failed_call_leaves_the_cursor_alone(journal: StoredJournal) -> None:
    await journal.append(SensorEvaluated(sensor="s", cursor="b.csv", runs=(WantedRun(run_key="b"),)))
    await journal.append(SensorFailed(sensor="s", error=ERROR, attempt=2))
    state = (await journal.queries.sensor_states())["s"]
    assert (state.cursor, state.run_key, state.tick_id) == ("b.csv", "b", 2)
    assert (state.status, state.error, state.failures) == ("failed", ERROR, 2)


async def test_a_call_is_to_be_made_until_it_is_answered_or_given_up(journal: StoredJournal) -> None:
    first, second = await journal.append(
        SensorTriggered(sensor="s", event_ids=(1,)), SensorTriggered(sensor="s", event_ids=(2, 3))
    )
    await journal.append(SensorFailed(sensor="s", error=ERROR, trigger_id=second.id, attempt=1, retry_at=NOW))
    calls = await journal.queries.sensor_calls()
    assert [(call.trigger_id, call.attempt, call.retry_at) for call in calls] == [
        (first.id, 0, None),
        (second.id, 1, NOW),
    ]
    await journal.append(SensorEvaluated(sensor="s", trigger_id=first.id))
    await journal.append(SensorFailed(sensor="s", error=ERROR, trigger_id=second.id, attempt=2))
    assert await journal.queries.sensor_calls() == []


async def test_a_run_key_is_known_for_its_time_and_not_for_ever(journal: StoredJournal, clock: FakeClock) -> None:
    await journal.append(
        RunRequested(run_id=RunId("r"), lane="l", plan=(), reason="r", sensor="s", run_key="k", cause="sensor")
    )
    known = await journal.queries.run_keys("s", ["k", "other"], clock.now())
    assert known == {"k": ("r", NOW)}
    assert await journal.queries.run_keys("another", ["k"], clock.now()) == {}
    assert await journal.queries.run_keys("s", ["k"], NOW + RUN_KEYS_KNOWN_FOR) == {}


async def test_keys_that_come_together_keep_the_order_in_which_they_were_said(journal: StoredJournal) -> None:
    await journal.append(DynamicPartitionsChanged(name="shops", added=("s9", "s10", "a")))
    await journal.append(DynamicPartitionsChanged(name="shops", added=("b",), removed=("s10",)))
    assert await journal.queries.dynamic_partitions() == {"shops": ("s9", "a", "b")}


async def test_keys_of_dynamic_partitions_come_and_go_in_order(journal: StoredJournal) -> None:
    await journal.append(DynamicPartitionsChanged(name="regions", added=("north", "east")))
    await journal.append(DynamicPartitionsChanged(name="regions", added=("alps",), removed=("east",)))
    assert await journal.queries.dynamic_partitions() == {"regions": ("north", "alps")}
