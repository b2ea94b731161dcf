from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import anyio
import pytest

from upwell.clock import NEVER, AlarmClock, Clock, Deadlines, FakeClock, SystemClock

pytestmark = pytest.mark.anyio

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


class LyingClock(SystemClock):
    """Real time, but the wall clock can be set."""

    def __init__(self) -> None:
        self.offset = timedelta(0)

    def now(self) -> datetime:
        return super().now() + self.offset


def test_a_fake_clock_refuses_a_naive_start() -> None:
    with pytest.raises(ValueError, match="aware datetime"):
        FakeClock(datetime(2024, 1, 1))


def test_a_fake_clock_answers_in_utc() -> None:
    clock = FakeClock(NOON.astimezone(timezone(timedelta(hours=5))))
    assert clock.now() == NOON
    assert clock.now().tzinfo is UTC


async def test_time_stands_still_until_it_is_moved() -> None:
    clock = FakeClock(NOON)
    await anyio.sleep(0.01)
    assert (clock.now(), clock.monotonic()) == (NOON, 0.0)


async def test_sleepers_wake_in_order_each_at_its_own_instant() -> None:
    clock = FakeClock(NOON)
    woken: list[tuple[str, datetime]] = []

    async def sleep(name: str, seconds: float) -> None:
        await clock.sleep_until(after(seconds))
        woken.append((name, clock.now()))

    async with anyio.create_task_group() as tasks:
        for name, seconds in (("late", 30), ("early", 10), ("middle", 20)):
            tasks.start_soon(sleep, name, seconds)
        await clock.advance(25)
        assert woken == [("early", after(10)), ("middle", after(20))]
        await clock.advance(to=after(30))
    assert woken[-1] == ("late", after(30))


async def test_advance_lets_a_loop_of_sleeps_run_at_every_step() -> None:
    clock = FakeClock(NOON)
    ticks: list[datetime] = []

    async def tick() -> None:
        while True:
            await clock.sleep_until(clock.now() + timedelta(seconds=10))
            ticks.append(clock.now())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(tick)
        await clock.advance(35)
        tasks.cancel_scope.cancel()
    assert ticks == [after(10), after(20), after(30)]
    assert clock.now() == after(35)
    assert clock.monotonic() == 35.0


async def test_advance_without_an_end_runs_until_nobody_sleeps() -> None:
    clock = FakeClock(NOON)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(clock.sleep_until, after(86_400))
        await clock.advance()
    assert clock.now() == after(86_400)


async def test_a_forward_jump_wakes_who_is_due_and_is_no_elapsed_time() -> None:
    clock = FakeClock(NOON)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(clock.sleep_until, after(3600))
        await anyio.wait_all_tasks_blocked()
        clock.jump(after(7200))
    assert (clock.now(), clock.monotonic()) == (after(7200), 0.0)


async def test_a_backward_jump_makes_a_deadline_wait_and_a_duration_not() -> None:
    clock = FakeClock(NOON)
    woken: list[str] = []

    async def sleep_until() -> None:
        await clock.sleep_until(after(10))
        woken.append("deadline")

    async def sleep() -> None:
        await clock.sleep(10)
        woken.append("duration")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(sleep_until)
        tasks.start_soon(sleep)
        await anyio.wait_all_tasks_blocked()
        clock.jump(after(-3600))
        await clock.advance(10)
        assert woken == ["duration"]
        await clock.advance(3600)
    assert woken == ["duration", "deadline"]


async def test_a_cancelled_sleeper_leaves_nothing_behind() -> None:
    clock = FakeClock(NOON)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(clock.sleep_until, after(10))
        tasks.start_soon(clock.sleep, 10)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    await clock.advance()
    assert clock.now() == NOON


@pytest.mark.parametrize("clock", [FakeClock(datetime.now(UTC)), SystemClock()], ids=["fake", "system"])
async def test_a_deadline_in_the_past_returns_at_once_and_lets_others_run(clock: Clock) -> None:
    ran = anyio.Event()

    async def other() -> None:
        ran.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(other)
        while not ran.is_set():
            await clock.sleep_until(clock.now() - timedelta(days=1))
            await clock.sleep(0)


async def test_the_system_clock_sleeps_no_less_than_asked() -> None:
    clock = SystemClock()
    deadline = clock.now() + timedelta(seconds=0.05)
    await clock.sleep_until(deadline)
    assert clock.now() >= deadline


async def test_the_system_clock_notices_within_a_second_that_the_wall_clock_jumped_forward() -> None:
    clock = LyingClock()
    started = clock.monotonic()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(clock.sleep_until, clock.now() + timedelta(hours=1))
        await anyio.wait_all_tasks_blocked()
        clock.offset = timedelta(hours=2)
    assert clock.monotonic() - started < 2.0


def test_deadlines_come_out_earliest_first() -> None:
    deadlines: Deadlines[str] = Deadlines()
    for name, seconds in (("c", 3), ("a", 1), ("b", 2)):
        deadlines.set(name, after(seconds))
    assert deadlines.next() == after(1)
    assert list(deadlines.pop_due(after(2))) == [(after(1), "a"), (after(2), "b")]
    assert len(deadlines) == 1


def test_equal_deadlines_keep_the_order_in_which_they_were_set_and_never_compare_their_keys() -> None:
    deadlines: Deadlines[object] = Deadlines()
    keys = [object() for _ in range(5)]
    for key in keys:
        deadlines.set(key, NOON)
    assert [key for _, key in deadlines.pop_due(NOON)] == keys


def test_moving_a_key_leaves_only_its_newest_deadline() -> None:
    deadlines: Deadlines[str] = Deadlines()
    deadlines.set("a", after(1))
    deadlines.set("a", after(5))
    assert list(deadlines.pop_due(after(4))) == []
    deadlines.set("a", after(2))
    assert list(deadlines.pop_due(after(9))) == [(after(2), "a")]


def test_never_removes_a_key() -> None:
    deadlines: Deadlines[str] = Deadlines()
    deadlines.set("a", after(1))
    deadlines.set("a", NEVER)
    assert len(deadlines) == 0
    assert deadlines.next() == NEVER


def test_a_key_moved_again_and_again_does_not_make_the_heap_grow() -> None:
    deadlines: Deadlines[int] = Deadlines()
    for turn in range(100_000):
        deadlines.set(turn % 10, after(turn))
    assert len(deadlines) == 10
    assert len(deadlines._heap) < 100


async def test_an_alarm_rings_at_its_deadline() -> None:
    clock = FakeClock(NOON)
    alarms: AlarmClock[str] = AlarmClock(clock)
    alarms.set("a", after(60))
    rung: list[tuple[datetime, list[tuple[datetime, str]]]] = []

    async def listen() -> None:
        while True:
            due = await alarms.due()
            rung.append((clock.now(), due))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listen)
        await clock.advance(59)
        assert rung == []
        await clock.advance(10)
        tasks.cancel_scope.cancel()
    assert rung == [(after(60), [(after(60), "a")])]


async def test_an_earlier_deadline_wakes_a_sleeping_alarm_clock_and_a_later_one_does_not() -> None:
    clock = FakeClock(NOON)
    alarms: AlarmClock[str] = AlarmClock(clock)
    rung: list[tuple[datetime, str]] = []

    async def listen() -> None:
        while True:
            rung.extend((clock.now(), key) for _, key in await alarms.due())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listen)
        await anyio.wait_all_tasks_blocked()
        alarms.set("late", after(60))
        await anyio.wait_all_tasks_blocked()
        alarms.set("early", after(10))
        alarms.set("later", after(90))
        alarms.discard("late")
        await clock.advance(100)
        tasks.cancel_scope.cancel()
    assert rung == [(after(10), "early"), (after(90), "later")]


async def test_after_a_forward_jump_all_missed_alarms_come_together_in_order() -> None:
    clock = FakeClock(NOON)
    alarms: AlarmClock[str] = AlarmClock(clock)
    alarms.set("b", after(20))
    alarms.set("a", after(10))
    alarms.set("z", after(10_000))
    clock.jump(after(3600))
    assert await alarms.due() == [(after(10), "a"), (after(20), "b")]
