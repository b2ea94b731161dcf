from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest

from upwell.clock import FakeClock
from upwell.errors import DefinitionError
from upwell.events import TimerFired
from upwell_sensors.timers import CronSource, EverySource, TimerSource, every

pytestmark = pytest.mark.anyio

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


class Listener:
    """Consumes a timer as the host does; remembers what came, and the cursor."""

    def __init__(self, source: TimerSource, clock: FakeClock, cursor: Mapping[str, Any] | None = None) -> None:
        self.source, self.clock = source, clock
        self.cursor = dict(cursor or {})
        self.fired: list[TimerFired] = []

    async def run(self) -> None:
        async for batch in self.source.events(self.cursor, self.clock):
            self.fired += [event for event in batch if isinstance(event, TimerFired)]
            for event in batch:
                self.cursor.update(event.cursor)

    @property
    def ticks(self) -> list[datetime | None]:
        return [event.occurred_at for event in self.fired]


async def listen(
    source: TimerSource, clock: FakeClock, seconds: float, cursor: Mapping[str, Any] | None = None
) -> Listener:
    """What a timer does in the next `seconds`."""
    listener = Listener(source, clock, cursor)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listener.run)
        await clock.advance(seconds)
        tasks.cancel_scope.cancel()
    return listener


def ten_seconds(catch_up: Any = "latest") -> EverySource:
    return EverySource("every:10s", interval="10s", catch_up=catch_up)


async def test_every_ticks_at_the_multiples_of_its_interval() -> None:
    listener = await listen(ten_seconds(), FakeClock(after(3)), 30)
    assert listener.ticks == [after(10), after(20), after(30)]
    assert [event.caught_up for event in listener.fired] == [False] * 3
    assert {event.source for event in listener.fired} == {"every:10s"}


async def test_a_tick_comes_at_its_instant_and_not_before() -> None:
    assert (await listen(ten_seconds(), FakeClock(NOON), 9.999)).ticks == []
    assert (await listen(ten_seconds(), FakeClock(NOON), 10)).ticks == [after(10)]


async def test_the_first_start_ever_catches_nothing_up() -> None:
    source = CronSource("cron", schedule="0 6 * * *")
    assert (await listen(source, FakeClock(NOON), 3600)).ticks == []


@pytest.mark.parametrize(
    ("catch_up", "expected"),
    [
        ("latest", [(40, True), (50, False)]),
        ("all", [(20, True), (30, True), (40, True), (50, False)]),
        ("none", [(50, False)]),
    ],
)
async def test_missed_ticks_come_by_policy_and_say_so(catch_up: str, expected: list[tuple[int, bool]]) -> None:
    cursor = {"tick": after(10).isoformat()}
    listener = await listen(ten_seconds(catch_up), FakeClock(after(45)), 5, cursor)
    assert [(event.occurred_at, event.caught_up) for event in listener.fired] == [
        (after(seconds), late) for seconds, late in expected
    ]


async def test_a_restart_repeats_no_tick_and_forgets_none() -> None:
    clock = FakeClock(NOON)
    cursor: dict[str, Any] = {}
    ticks: list[datetime | None] = []
    for seconds in (15, 0.5, 4.5, 10, 1, 29):
        listener = await listen(ten_seconds("all"), clock, seconds, cursor)
        ticks += listener.ticks
        cursor = listener.cursor
    assert ticks == [after(seconds) for seconds in range(10, 61, 10)]


async def test_a_year_of_missed_seconds_is_one_tick_found_at_once() -> None:
    source = CronSource("cron", schedule="* * * * * *")
    found: list[int] = []
    plain = source.tick_after

    def counted(instant: datetime) -> datetime:
        found.append(1)
        return plain(instant)

    source.tick_after = counted  # type: ignore[method-assign]
    cursor = {"tick": after(-365 * 86_400).isoformat()}
    listener = await listen(source, FakeClock(NOON), 0, cursor)
    assert listener.ticks == [NOON]
    assert len(found) < 100


async def test_all_missed_ticks_come_in_batches_and_in_order() -> None:
    clock = FakeClock(after(20_000))
    sizes: list[int] = []
    async with anyio.create_task_group() as tasks:
        async for batch in ten_seconds("all").events({"tick": NOON.isoformat()}, clock):
            sizes.append(len(batch))
            if sum(sizes) >= 2000:
                break
        tasks.cancel_scope.cancel()
    assert sizes == [500, 500, 500, 500]


@contextmanager
def running(tasks: Any, source: TimerSource, clock: FakeClock) -> Iterator[Listener]:
    listener = Listener(source, clock)
    tasks.start_soon(listener.run)
    yield listener
    tasks.cancel_scope.cancel()


async def test_a_forward_jump_gives_one_tick_for_all_it_skipped() -> None:
    clock = FakeClock(NOON)
    async with anyio.create_task_group() as tasks:
        with running(tasks, ten_seconds(), clock) as listener:
            await clock.advance(15)
            clock.jump(after(3605))
            await clock.advance(10)
    assert listener.ticks == [after(10), after(3600), after(3610)]
    assert [event.caught_up for event in listener.fired] == [False, True, False]


async def test_a_clock_set_back_by_an_hour_repeats_no_cron_tick() -> None:
    clock = FakeClock(after(-60))
    async with anyio.create_task_group() as tasks:
        with running(tasks, CronSource("cron", schedule="*/30 * * * *"), clock) as listener:
            await clock.advance(120)
            clock.jump(after(60 - 3600))
            await clock.advance(2 * 3600)
    assert listener.ticks == [NOON, after(1800), after(3600)]


async def test_a_clock_corrected_back_by_a_day_goes_on_with_the_new_time() -> None:
    clock = FakeClock(after(-60))
    async with anyio.create_task_group() as tasks:
        with running(tasks, CronSource("cron", schedule="*/30 * * * *"), clock) as listener:
            await clock.advance(120)
            clock.jump(after(60 - 86_400))
            await clock.advance(2 * 3600)
    assert listener.ticks == [NOON, *(after(seconds - 86_400) for seconds in (1800, 3600, 5400, 7200))]


async def test_every_does_not_fall_silent_when_the_clock_is_set_back() -> None:
    clock = FakeClock(NOON)
    async with anyio.create_task_group() as tasks:
        with running(tasks, ten_seconds(), clock) as listener:
            await clock.advance(15)
            clock.jump(after(-3600))
            await clock.advance(30)
    assert len(listener.ticks) == 4


async def test_no_clock_jump_floods_a_timer() -> None:
    clock = FakeClock(NOON)
    async with anyio.create_task_group() as tasks:
        with running(tasks, ten_seconds(), clock) as listener:
            for jump in (10 * 365, -20 * 365, 3, -1, 15 * 365):
                await clock.advance(10)
                clock.jump(clock.now() + timedelta(days=jump))
            await clock.advance(10)
    assert 6 <= len(listener.ticks) <= 12


@pytest.mark.parametrize(
    ("interval", "name"),
    [
        ("10s", "every:10s"),
        (timedelta(seconds=90), "every:90s"),
        ("60s", "every:1m"),
        ("1.5h", "every:90m"),
        ("500ms", "every:500ms"),
    ],
)
def test_equal_intervals_share_one_source(interval: str | timedelta, name: str) -> None:
    assert every(interval).source.name == name


@pytest.mark.parametrize("wrong", ["", "10", "s", "-1s", "ten seconds", "1ms", "0s", timedelta(0), 10, None])
def test_a_wrong_interval_is_refused_at_once(wrong: Any) -> None:
    with pytest.raises(DefinitionError):
        every(wrong)
