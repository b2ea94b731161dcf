"""Every kind of policy, watched for days in which clocks are set, against an oracle that looks in every minute.

The oracle shares nothing with what it checks: it lists the minutes, finds out which of them are deadlines, and asks in
each whether what has to be there is there.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from upwell.clock import FakeClock
from upwell.definitions.freshness.calendar import BusinessCalendar
from upwell.definitions.freshness.evaluate import evaluate
from upwell.definitions.freshness.model import (
    AnyFreshnessPolicy,
    CronFreshnessPolicy,
    FreshnessPolicy,
    MaximumLagFreshnessPolicy,
)
from upwell.definitions.partitions.time_windows import TimeWindowPartitionsDefinition
from upwell.definitions.project import Project
from upwell.definitions.snapshot import AssetNode, Snapshot
from upwell.events import AssetMaterialized, FreshnessChanged
from upwell.freshness import standings
from upwell.freshness.watcher import FreshnessWatcher
from upwell.testing import MemoryJournal

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
MINUTES = 4 * 24 * 60  # watched, from Friday to Monday: a weekend on which clocks are set
BEFORE = 2 * 24 * 60  # minutes in which something may have been made before the policy is known
ZONES = {  # where clocks are set on the Sunday of these days
    "Europe/Berlin": datetime(2024, 3, 29, tzinfo=UTC),
    "America/New_York": datetime(2024, 11, 1, tzinfo=UTC),
    "Australia/Lord_Howe": datetime(2024, 4, 5, tzinfo=UTC),  # by half an hour
    "Asia/Kathmandu": datetime(2024, 3, 29, tzinfo=UTC),  # never; its offset has 45 minutes
}
CRONS: dict[str, Callable[[datetime], bool]] = {  # at times that no change of the clock touches
    "0 9 * * *": lambda wall: (wall.hour, wall.minute) == (9, 0),
    "30 6,18 * * *": lambda wall: wall.minute == 30 and wall.hour in (6, 18),
    "0 17 * * 1-5": lambda wall: (wall.hour, wall.minute) == (17, 0) and wall.isoweekday() <= 5,
    "15 5-12 * * *": lambda wall: wall.minute == 15 and 5 <= wall.hour <= 12,
}
Told = tuple[str, str, int]  # previous state, state, minute


@dataclass(frozen=True, kw_only=True)
class Made:
    minute: int  # since the policy is known; below 0 before that
    age: int = 0  # of its data, in minutes
    partition: int | None = None  # which window, counted from the one that was under way when the policy became known


@dataclass(frozen=True, kw_only=True)
class Case:
    zone: str
    policy: AnyFreshnessPolicy
    made: tuple[Made, ...]
    hours: int | None = None  # in a partition

    @property
    def start(self) -> datetime:
        return ZONES[self.zone]

    @property
    def partitions(self) -> TimeWindowPartitionsDefinition | None:
        if self.hours is None:
            return None
        cron = {1: "0 * * * *", 6: "0 */6 * * *", 24: "0 0 * * *"}[self.hours]
        return TimeWindowPartitionsDefinition("2024-01-01-00:00", "%Y-%m-%d-%H:%M", cron_schedule=cron)

    def window(self, number: int) -> tuple[datetime, datetime]:
        assert self.hours is not None
        start = self.start + number * self.hours * HOUR  # the start is a midnight
        return start, start + self.hours * HOUR


@st.composite
def cases(draw: st.DrawFn) -> Case:
    zone = draw(st.sampled_from(sorted(ZONES)))
    hours = draw(st.sampled_from([None, None, 1, 6, 24]))
    policy = draw(policies(zone, per_partition=hours is not None))
    minutes = sorted(draw(st.lists(st.integers(-BEFORE, MINUTES), unique=True, max_size=8)))
    if hours is None:
        made = [Made(minute=minute, age=draw(st.sampled_from([0, 0, 30, 700]))) for minute in minutes]
    else:
        made = [Made(minute=minute, partition=draw(windows(minute // 60 // hours))) for minute in minutes]
        if draw(st.booleans()):  # all of them, soon after their end
            late = draw(st.integers(0, 90))
            ends = range(-3, MINUTES // 60 // hours)
            made = [Made(minute=(n + 1) * hours * 60 + late, partition=n) for n in ends]
            made = [one for one in made if one.minute <= MINUTES and draw(st.integers(0, 9))]
    return Case(zone=zone, policy=policy, made=tuple(made), hours=hours)


def windows(present: int) -> st.SearchStrategy[int]:
    return st.integers(present - 6, present - 1)


@st.composite
def policies(draw: st.DrawFn, zone: str, *, per_partition: bool) -> AnyFreshnessPolicy:
    common: dict[str, Any] = {"grace": draw(st.none() | st.integers(0, 3000).map(lambda n: n * MINUTE))}
    common["per"] = "partition" if per_partition else None
    kind = draw(st.sampled_from(["window", "cron", "lag", "cron lag"]))
    if kind == "window":
        fail = draw(st.integers(2, 2000))
        warn = draw(st.none() | st.integers(1, fail - 1))
        basis: Any = draw(st.sampled_from(["run", "data"]))
        return FreshnessPolicy.time_window(
            fail * MINUTE, None if warn is None else warn * MINUTE, basis=basis, **common
        )
    if kind == "lag":
        lag = draw(st.integers(2, 2000))
        return FreshnessPolicy.maximum_lag(lag * MINUTE, warn_lag=draw(st.none() | st.just(MINUTE)), **common)
    cron = draw(st.sampled_from(sorted(CRONS)))
    calendar = draw(st.none() | calendars())
    if kind == "cron lag":
        return FreshnessPolicy.maximum_lag(draw(st.integers(2, 2000)) * MINUTE, cron, zone, calendar=calendar, **common)
    delta = draw(st.none() | st.integers(1, 60).map(lambda n: n * MINUTE) | st.just(HOUR))
    if cron == "0 9 * * *":
        delta = draw(st.none() | st.integers(1, 24 * 60).map(lambda n: n * MINUTE))
    warn_before = draw(st.none() | st.integers(1, 60).map(lambda n: min(n * MINUTE, delta or HOUR)))
    return FreshnessPolicy.cron(cron, delta, zone, warn_before=warn_before, calendar=calendar, **common)


def calendars() -> st.SearchStrategy[BusinessCalendar]:
    holidays = st.sampled_from([(), (date(2024, 4, 1),), (date(2024, 3, 29), date(2024, 11, 1), date(2024, 4, 5))])
    rolls = st.sampled_from(["next", "previous", "skip"])
    return st.builds(lambda holidays, roll: BusinessCalendar(holidays=holidays, roll=roll), holidays, rolls)


# The oracle.


@cache
def wall_clock(zone: str) -> dict[int, datetime]:
    """What a clock on the wall shows, by minutes since the start; for two weeks around it."""
    start = ZONES[zone]
    return {
        minute: (start + minute * MINUTE).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        for minute in range(-8 * 24 * 60, 12 * 24 * 60)
    }


@cache
def minutes_of(zone: str) -> dict[datetime, int]:
    return {wall.replace(fold=0): minute for minute, wall in wall_clock(zone).items()}


@cache
def deadlines(cron: str, zone: str, calendar: BusinessCalendar | None) -> list[int]:
    ticks = [minute for minute, wall in wall_clock(zone).items() if CRONS[cron](wall)]
    return sorted({moved for tick in ticks if (moved := on_business_day(tick, zone, calendar)) is not None})


def on_business_day(tick: int, zone: str, calendar: BusinessCalendar | None) -> int | None:
    wall = wall_clock(zone)[tick]
    while calendar is not None and (wall.isoweekday() > 5 or wall.date() in calendar.holidays):
        if calendar.roll == "skip":
            return None
        wall += DAY if calendar.roll == "next" else -DAY
    return minutes_of(zone).get(wall)


@cache
def opened(deadline: int, policy: CronFreshnessPolicy) -> float:
    ticks = deadlines(policy.deadline_cron, policy.timezone, policy.calendar)
    before = ticks[ticks.index(deadline) - 1]
    if policy.lower_bound_delta is None:
        return before
    real = deadline - policy.lower_bound_delta // MINUTE
    clocks = wall_clock(policy.timezone)
    wanted = clocks[deadline].replace(fold=0) - policy.lower_bound_delta
    shown = [minute for minute in range(real - 90, real + 91) if clocks[minute].replace(fold=0) == wanted]
    return max(before, min(shown, key=lambda minute: abs(minute - real), default=real))


def state_at(case: Case, minute: int, made: list[Made]) -> str:
    if case.hours is not None:
        return of_partitions(case, made, minute)
    if not made:
        return "FAIL" if minute >= grace_ends(case) else "UNKNOWN"
    at = made[-1].minute if case.policy.basis == "run" else made[-1].minute - made[-1].age
    policy = case.policy
    if isinstance(policy, CronFreshnessPolicy):
        return of_cron(case, policy, at, minute)
    if isinstance(policy, MaximumLagFreshnessPolicy):
        return of_lag(case, policy, at, minute)
    if minute >= at + policy.fail_window // MINUTE:
        return "FAIL"
    return "WARN" if warned(policy.warn_window, at, minute) else "PASS"


def of_lag(case: Case, policy: MaximumLagFreshnessPolicy, at: int, minute: int) -> str:
    lag = policy.lag // MINUTE
    if policy.cron_schedule is None:
        return "FAIL" if minute >= at + lag else "WARN" if warned(policy.warn_lag, at, minute) else "PASS"
    last = around(case, minute)[0]
    if last > 0 and at < last - lag:
        return "FAIL"
    return "UNKNOWN" if at < last - lag else "PASS"


def warned(window: timedelta | None, since: int, minute: int) -> bool:
    return window is not None and minute >= since + window // MINUTE


def of_cron(case: Case, policy: CronFreshnessPolicy, at: int, minute: int) -> str:
    past, coming = around(case, minute)
    if past > 0 and at < opened(past, policy):
        return "FAIL"
    opens = opened(coming, policy)
    if policy.warn_before is not None and at < opens and minute >= max(opens, coming - policy.warn_before // MINUTE):
        return "WARN"
    return "UNKNOWN" if past <= 0 and at < opened(past, policy) else "PASS"


def around(case: Case, minute: int) -> tuple[int, int]:
    """The last deadline that is over, and the next."""
    ticks = deadlines_of(case)
    place = bisect_right(ticks, minute)
    return ticks[place - 1], ticks[place]


def deadlines_of(case: Case) -> list[int]:
    policy = case.policy
    cron = policy.deadline_cron if isinstance(policy, CronFreshnessPolicy) else policy.cron_schedule  # type: ignore[union-attr]
    assert cron is not None
    return deadlines(cron, case.zone, policy.calendar)


@cache
def grace_ends(case: Case) -> float:
    policy = case.policy
    if policy.grace is not None:
        return policy.grace // MINUTE
    if case.hours is not None:
        return min((due for n in range(-300, 300) if (due := times_of(case, n)[1]) > 0), default=10**9)
    if isinstance(policy, CronFreshnessPolicy):
        return min(tick for tick in deadlines_of(case) if tick > 0)
    if isinstance(policy, MaximumLagFreshnessPolicy):
        lag = policy.lag // MINUTE
        return lag if policy.cron_schedule is None else min(tick for tick in deadlines_of(case) if tick > lag)
    return policy.fail_window // MINUTE


def times_of(case: Case, number: int) -> tuple[float, float]:
    """When a partition that is not there makes the asset warn, and fail."""
    start, end = ((at - case.start) // MINUTE for at in case.window(number))
    policy = case.policy
    if isinstance(policy, CronFreshnessPolicy):
        due = next((tick for tick in deadlines_of(case) if tick > end), 10**9)
        return due if policy.warn_before is None else max(end, due - policy.warn_before // MINUTE), due
    if isinstance(policy, MaximumLagFreshnessPolicy):
        due = start + policy.lag // MINUTE
        if policy.cron_schedule is not None:
            due = next((tick for tick in deadlines_of(case) if tick > due), 10**9)
        return due if policy.warn_lag is None else min(due, start + policy.warn_lag // MINUTE), due
    since = end if policy.basis == "run" else start
    warn = policy.fail_window if policy.warn_window is None else policy.warn_window
    return since + warn // MINUTE, since + policy.fail_window // MINUTE


@cache
def asked_for(case: Case) -> list[tuple[int, float, float]]:
    """The partitions that become due after the policy is known: number, when it warns, when it fails."""
    assert case.hours is not None
    numbers = range(-8 * 24 // case.hours, 8 * 24 // case.hours)
    return [(number, warns, fails) for number in numbers for warns, fails in [times_of(case, number)] if fails > 0]


def of_partitions(case: Case, made: list[Made], minute: int) -> str:
    if not made:
        return "FAIL" if minute >= grace_ends(case) else "UNKNOWN"
    warns_at, fails_at = first_missing(case, frozenset(one.partition for one in made))
    return "FAIL" if fails_at <= minute else "WARN" if warns_at <= minute else "PASS"


@cache
def first_missing(case: Case, there: frozenset[int | None]) -> tuple[float, float]:
    missing = [(warns, fails) for number, warns, fails in asked_for(case) if number not in there]
    return min(warns for warns, _ in missing), min(fails for _, fails in missing)


def oracle(case: Case) -> list[Told]:
    told: list[Told] = []
    previous = "NOT_APPLICABLE"
    made = [one for one in case.made if one.minute < 0]
    coming = [one for one in case.made if one.minute >= 0]
    for minute in range(MINUTES + 1):
        for inclusive in (False, True):  # at a deadline first comes the deadline
            while inclusive and coming and coming[0].minute == minute:
                made.append(coming.pop(0))
            state = state_at(case, minute, made)
            if state != previous:
                told.append((previous, state, minute))
                previous = state
    return told


# The watcher.


@dataclass
class Watched:
    told: list[Told] = field(default_factory=list)
    looked_at: set[int] = field(default_factory=set)


@contextmanager
def counted(watched: Watched, start: datetime) -> Iterator[None]:
    def noting(policy: AnyFreshnessPolicy, known: Any, now: datetime) -> Any:
        watched.looked_at.add((now - start) // MINUTE)
        return evaluate(policy, known, now)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(standings, "evaluate", noting)
        yield


async def watch(case: Case) -> Watched:
    clock = FakeClock(case.start - (BEFORE + 1) * MINUTE)
    journal, project, watched = MemoryJournal(clock), Project(), Watched()
    node = AssetNode(key="a", step="a", freshness=case.policy, partitions=case.partitions)
    project.replace(Snapshot(location="here", assets=(node,)))
    started = False
    with counted(watched, case.start):
        async with anyio.create_task_group() as tasks:
            for one in [*case.made, None]:
                minute = MINUTES if one is None else one.minute
                if minute >= 0 and not started:
                    await clock.advance(to=case.start)
                    await tasks.start(FreshnessWatcher(journal, journal, project, clock).run)  # type: ignore[arg-type]
                    started = True
                await clock.advance(to=case.start + minute * MINUTE)
                if one is not None:
                    journal.post(event_of(case, one))
                    await clock.advance(0)
            tasks.cancel_scope.cancel()
    for record in journal.all_of(FreshnessChanged.kind):
        assert isinstance(record.event, FreshnessChanged)
        minute = (record.event.changed_at - case.start) // MINUTE
        watched.told.append((record.event.previous_state, record.event.state, minute))
    return watched


def event_of(case: Case, one: Made) -> AssetMaterialized:
    if one.partition is not None and case.partitions is not None:
        key = case.partitions.key_of(case.window(one.partition)[0])
        return AssetMaterialized(asset="a", partition=key)
    data_time = case.start + (one.minute - one.age) * MINUTE
    return AssetMaterialized(asset="a", data_time=data_time)


@settings(deadline=None, max_examples=100)
@given(cases())
def test_transitions_are_those_of_the_minutes_in_which_the_truth_changes(case: Case) -> None:
    watched = anyio.run(watch, case)
    assert watched.told == oracle(case)


@settings(deadline=None, max_examples=40)
@given(cases())
def test_nothing_is_looked_at_but_when_something_happens_or_changes(case: Case) -> None:
    watched = anyio.run(watch, case)
    happened = {one.minute for one in case.made}
    changed = {minute for _, _, minute in watched.told}
    assert watched.looked_at <= {0, *happened, *changed}
