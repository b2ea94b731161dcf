from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib.metadata import entry_points
from typing import Any

import anyio
import pytest
import structlog

from upwell.clock import FakeClock
from upwell.definitions.reactions import On
from upwell.errors import DefinitionError
from upwell.events import TimerFired
from upwell_sensors import at, cron, every, files, timer_source
from upwell_sensors.timer_source import AtSource, CronSource, EverySource, TimerSource

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


async def test_all_missed_ticks_are_bounded_and_end_with_the_latest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timer_source, "_MOST", 3)
    with structlog.testing.capture_logs() as logs:
        listener = await listen(ten_seconds("all"), FakeClock(after(95)), 6, {"tick": NOON.isoformat()})
    assert listener.ticks == [after(seconds) for seconds in (10, 20, 30, 90, 100)]
    [line] = [line for line in logs if line["event"] == "source.ticks_left_out"]
    assert (line["first"], line["before"]) == (after(40).isoformat(), after(90).isoformat())


async def test_a_first_tick_that_falls_into_downtime_is_caught_up() -> None:
    source, clock = CronSource("cron", schedule="0 6 * * *"), FakeClock(NOON)
    first = await listen(source, clock, 60)
    assert (first.ticks, first.cursor) == ([], {"began": NOON.isoformat()})
    await clock.advance(20 * 3600)
    second = await listen(source, clock, 60, first.cursor)
    assert [(event.occurred_at, event.caught_up) for event in second.fired] == [(after(18 * 3600), True)]


def jittered(name: str = "every:10s", jitter: str = "8s") -> EverySource:
    return EverySource(name, interval="10s", jitter=jitter)


async def test_jitter_runs_a_timer_late_and_tells_the_tick_that_was_meant() -> None:
    late = jittered().offset
    assert timedelta(0) < late < timedelta(seconds=8)
    before = await listen(jittered(), FakeClock(NOON), 10 + late.total_seconds() - 0.001)
    listener = await listen(jittered(), FakeClock(NOON), 10 + late.total_seconds())
    assert (before.ticks, listener.ticks) == ([], [after(10)])
    [event] = listener.fired
    assert (event.data, event.caught_up) == ({"tick": after(10).isoformat()}, False)


async def test_a_restart_while_jitter_holds_a_tick_back_neither_loses_nor_repeats_it() -> None:
    clock, late = FakeClock(NOON), jittered().offset.total_seconds()
    first = await listen(jittered(), clock, 10 + late / 2)
    second = await listen(jittered(), clock, late / 2, first.cursor)
    third = await listen(jittered(), clock, 5, second.cursor)
    assert (first.ticks, second.ticks, third.ticks) == ([], [after(10)], [])


def test_jitter_is_decided_by_the_name_and_spreads_names_over_all_of_it() -> None:
    offsets = [jittered(f"schedule:{number}").offset.total_seconds() for number in range(1000)]
    assert offsets[7] == jittered("schedule:7").offset.total_seconds()
    assert 0 <= min(offsets) < 0.5 and 7.5 < max(offsets) < 8
    assert sum(offsets) / 1000 == pytest.approx(4, abs=0.4)


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


async def test_a_clock_set_back_by_less_than_an_interval_repeats_no_tick() -> None:
    clock = FakeClock(after(-60))
    async with anyio.create_task_group() as tasks:
        with running(tasks, EverySource("every:1h", interval="1h"), clock) as listener:
            await clock.advance(120)
            clock.jump(after(-1800))
            await clock.advance(2 * 3600)
    assert listener.ticks == [NOON, after(3600)]


@pytest.mark.parametrize("jump", [timedelta(hours=1), timedelta(hours=-1), timedelta(days=3650), timedelta(days=-3650)])
async def test_a_jump_of_the_clock_is_logged_once(jump: timedelta) -> None:
    clock = FakeClock(NOON)
    with structlog.testing.capture_logs() as logs:
        async with anyio.create_task_group() as tasks:
            with running(tasks, CronSource("cron", schedule="0 6 * * *"), clock):
                await clock.advance(15)
                clock.jump(clock.now() + jump)
                await clock.advance(180)
    lines = [line["seconds"] for line in logs if line["event"] == "source.clock_jumped"]
    assert lines == [jump.total_seconds()]


@pytest.mark.parametrize("seconds", [1, -1, 2, -2, 7, -7, 30])
@pytest.mark.parametrize("source", [ten_seconds("all"), CronSource("cron", schedule="*/10 * * * * *", catch_up="all")])
async def test_a_small_jump_neither_repeats_nor_drops_a_tick(source: TimerSource, seconds: int) -> None:
    clock = FakeClock(NOON)
    async with anyio.create_task_group() as tasks:
        with running(tasks, source, clock) as listener:
            await clock.advance(15)
            clock.jump(clock.now() + timedelta(seconds=seconds))
            await clock.advance(60)
    last = listener.ticks[-1]
    assert last is not None
    assert listener.ticks == [after(second) for second in range(10, int((last - NOON).total_seconds()) + 1, 10)]
    assert last >= after(15 + seconds + 50)


@pytest.mark.parametrize("catch_up", ["latest", "none", "all"])
async def test_a_decade_forward_and_back_is_a_bounded_number_of_ticks(
    catch_up: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timer_source, "_MOST", 100)
    clock = FakeClock(NOON)
    async with anyio.create_task_group() as tasks:
        with running(tasks, EverySource("every:1s", interval="1s", catch_up=catch_up), clock) as listener:
            for jump in (3650, -3650):
                await clock.advance(10)
                clock.jump(clock.now() + timedelta(days=jump))
            await clock.advance(70)
    assert 25 <= len(listener.ticks) <= 300


async def test_instants_come_once_each_in_order() -> None:
    source = AtSource("at", instants=[after(30).isoformat(), after(10), after(10).isoformat(), after(-5)])
    listener = await listen(source, FakeClock(NOON), 100_000)
    assert listener.ticks == [after(10), after(30)]


@pytest.mark.parametrize(("catch_up", "expected"), [("latest", [20, 60]), ("all", [10, 20, 60]), ("none", [60])])
async def test_instants_missed_while_it_was_down_come_by_policy(catch_up: Any, expected: list[int]) -> None:
    source = AtSource("at", instants=[after(seconds) for seconds in (10, 20, 60)], catch_up=catch_up)
    listener = await listen(source, FakeClock(after(50)), 20, {"began": NOON.isoformat()})
    assert listener.ticks == [after(seconds) for seconds in expected]
    assert [event.caught_up for event in listener.fired] == [seconds < 50 for seconds in expected]


async def test_an_instant_comes_once_whatever_becomes_of_the_clock() -> None:
    clock = FakeClock(NOON)
    async with anyio.create_task_group() as tasks:
        with running(tasks, AtSource("at", instants=[after(3600)]), clock) as listener:
            for jump in (3650, -3650):
                await clock.advance(10)
                clock.jump(clock.now() + timedelta(days=jump))
            await clock.advance(2 * 3600)
    assert listener.ticks == [after(3600)]


def test_instants_travel_as_plain_data_in_utc() -> None:
    on = at("2025-01-01T06:00:00+01:00", datetime(2024, 6, 1, 12), timezone="Europe/Paris", batch="1s")
    assert on.source.params == {"instants": ["2024-06-01T10:00:00+00:00", "2025-01-01T05:00:00+00:00"]}
    assert on.source.name == "at:2024-06-01T10:00:00+00:00, 2025-01-01T05:00:00+00:00"
    assert (on.source.kind, on.batch) == ("at", 1.0)


@pytest.mark.parametrize(
    ("when", "options", "complaint"),
    [
        ([], {}, "name an instant"),
        (["tomorrow"], {}, "is no instant; write it as"),
        ([7], {}, "is no instant"),
        (["2025-01-01T06:00:00"], {}, "leaves open where; write an offset"),
        (["2025-01-01T06:00:00Z"], {"timezone": "Mars/Olympus"}, "is unknown"),
        (["2025-01-01T06:00:00Z"], {"catch_up": "some"}, "choose"),
    ],
)
def test_a_wrong_instant_is_refused_with_its_mend(when: list[Any], options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(DefinitionError, match=complaint):
        at(*when, **options)


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


@pytest.mark.parametrize(
    "on", [every("10s", jitter="1s"), cron(["0 6 * * *", "0 9 * * *"]), at("2025-01-01T06:00:00Z"), files("*.csv")]
)
def test_what_is_declared_is_made_by_the_installed_source_of_that_kind(on: On) -> None:
    params = json.loads(json.dumps(on.source.params))
    factory = entry_points(group="upwell.sources")[on.source.kind].load()
    assert factory(on.source.name, **params).name == on.source.name


def test_jitter_longer_than_the_interval_is_refused() -> None:
    with pytest.raises(DefinitionError, match="jitter='20s' is longer than the interval"):
        every("10s", jitter="20s")
