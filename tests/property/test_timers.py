"""What comes after downtime, by policy: `latest` and `none` are always a part of `all`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
from hypothesis import given, settings
from hypothesis import strategies as st

from upwell.clock import FakeClock
from upwell.events import TimerFired
from upwell_sensors.timer_source import AtSource, CronSource, EverySource, TimerSource

START = datetime(2024, 3, 30, 12, tzinfo=UTC)  # Paris sets its clocks in the night that follows
SOURCES: st.SearchStrategy[tuple[Any, dict[str, Any]]] = st.sampled_from(
    [
        (EverySource, {"interval": "7m"}),
        (EverySource, {"interval": "1h", "jitter": "40m"}),
        (CronSource, {"schedule": "*/20 * * * *", "timezone": "Europe/Paris"}),
        (CronSource, {"schedule": ["30 2 * * *", "0 3 * * *"], "timezone": "Europe/Paris", "jitter": "5m"}),
        (AtSource, {"instants": [START + timedelta(minutes=7 * number**2) for number in range(14)]}),
    ]
)


async def after_downtime(source: TimerSource, last: datetime, now: datetime) -> list[TimerFired]:
    clock, heard = FakeClock(now), []

    async def listen() -> None:
        async for batch in source.events({"tick": last.isoformat()}, clock):
            heard.extend(event for event in batch if isinstance(event, TimerFired))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listen)
        await clock.advance(0)
        tasks.cancel_scope.cancel()
    return heard


@settings(max_examples=60, deadline=None)
@given(SOURCES, st.integers(0, 10_000), st.integers(0, 30 * 3600))
def test_each_policy_tells_its_part_of_the_missed_ticks(
    kind: tuple[Any, dict[str, Any]], offset: int, seconds: int
) -> None:
    make, params = kind
    last = START + timedelta(seconds=offset)
    now = last + timedelta(seconds=seconds)

    def told(policy: str) -> list[TimerFired]:
        return anyio.run(after_downtime, make("timer", **params, catch_up=policy), last, now)

    every, latest, none = told("all"), told("latest"), told("none")
    late = make("timer", **params).offset
    ticks = [event.occurred_at for event in every if event.occurred_at is not None]
    assert ticks == sorted(set(ticks))
    assert all(last < tick <= now - late for tick in ticks)
    assert latest == every[-1:]
    assert none == [event for event in latest if not event.caught_up]
    assert [event.caught_up for event in every] == [now - late - tick > timedelta(seconds=2) for tick in ticks]
