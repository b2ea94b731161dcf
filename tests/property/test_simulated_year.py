"""A year of a company, told by the service and by an oracle that goes by wall clocks and looks at everything anew.

Twenty teams in five time zones make ten assets each, on the days on which they work. Deliveries fail, single assets get
stuck, the service itself is down now and then, clocks are set. What the service tells, and when it says it was, has to
be what the oracle says, to the second.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

import anyio
import pytest

from upwell import clock
from upwell.alerts.keeper import IncidentKeeper
from upwell.clock import FakeClock
from upwell.definitions.freshness.calendar import BusinessCalendar
from upwell.definitions.freshness.model import FreshnessPolicy
from upwell.definitions.project import Project
from upwell.definitions.snapshot import AssetNode, DepNode, Snapshot
from upwell.events import AssetMaterialized, Event, IncidentChanged
from upwell.freshness.watcher import FreshnessWatcher
from upwell.journal.views import IncidentView
from upwell.testing import MemoryJournal

pytestmark = pytest.mark.anyio

START = datetime(2024, 1, 1, 0, 0, tzinfo=UTC)
END = datetime(2025, 1, 1, 0, 0, tzinfo=UTC)
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
GRACE = 30 * MINUTE
HOLIDAYS = (date(2024, 1, 1), date(2024, 5, 1), date(2024, 12, 25), date(2024, 12, 26))
ZONES = ("UTC", "Europe/Berlin", "America/Chicago", "Australia/Lord_Howe", "Asia/Kathmandu")

Told: TypeAlias = tuple[datetime, str, str]  # when it was so, what, who is to blame


@dataclass(frozen=True)
class Team:
    """A source, three marts that read it, and six reports that read a mart each; all due in the morning.

    The teams of even numbers work on business days; the others on every day, and theirs is the hour in which clocks are
    set.
    """

    number: int

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(ZONES[self.number % len(ZONES)])

    @property
    def works_at_night(self) -> bool:
        return self.number % 2 == 1

    def asset(self, place: int) -> str:
        return f"t{self.number:02}/{place}"

    def above(self, place: int) -> list[str]:
        return [] if place == 0 else [self.asset(0)] if place <= 3 else [self.asset(1 + place % 3)]

    def due(self, place: int) -> tuple[int, int]:
        """The time of its deadline: hour and minute. One report of each team has none."""
        hour = 1 if self.works_at_night else 8
        return (hour, 0) if place == 0 else (hour + 1, 30) if place <= 3 else (hour + 2, place)

    def has_policy(self, place: int) -> bool:
        return place not in (2, 9)

    def nodes(self) -> Iterator[AssetNode]:
        for place in range(10):
            hour, minute = self.due(place)
            calendar = None if self.works_at_night else BusinessCalendar(holidays=HOLIDAYS, roll="skip")
            policy = FreshnessPolicy.cron(f"{minute} {hour} * * *", timezone=str(self.zone), calendar=calendar)
            deps = tuple(DepNode(asset=key) for key in self.above(place))
            yield AssetNode(
                key=self.asset(place),
                step=self.asset(place),
                deps=deps,
                freshness=policy if self.has_policy(place) else None,
            )

    def works_on(self, day: date) -> bool:
        return self.works_at_night or (day.weekday() < 5 and day not in HOLIDAYS)

    def at(self, day: date, hour: int, minute: int) -> datetime:
        """The instant of a time on the wall, as cron(8) has it: one that is skipped is right after, one that comes
        twice is the first."""
        wall = datetime(day.year, day.month, day.day, hour, minute, tzinfo=self.zone, fold=0)
        instant = wall.astimezone(UTC)
        if instant.astimezone(self.zone).replace(tzinfo=None) == wall.replace(tzinfo=None):
            return instant
        before = instant - 3 * 60 * MINUTE  # the clock was set forward: go on from before until it shows a later time
        while before.astimezone(self.zone).replace(tzinfo=None) < wall.replace(tzinfo=None):
            before += MINUTE
        return before


TEAMS = [Team(number) for number in range(20)]


@dataclass
class World:
    """What happens: who is made when, and when the service is down."""

    made: dict[datetime, list[str]] = field(default_factory=dict)
    down: list[tuple[datetime, datetime]] = field(default_factory=list)

    def make(self, at: datetime, asset: str) -> None:
        self.made.setdefault(at, []).append(asset)

    def up_at(self, instant: datetime) -> datetime:
        return next((end for start, end in self.down if start <= instant < end), instant)


def world(seed: int) -> World:
    chance = random.Random(seed)
    found = World()
    for team in TEAMS:
        for place in range(10):
            found.make(START, team.asset(place))
        day = date(2024, 1, 1)
        while day < date(2024, 12, 31):
            day += DAY
            if team.works_on(day):
                _work(found, team, day, chance)
    for start, hours in ((datetime(2024, 3, 30, 20, tzinfo=UTC), 26), (datetime(2024, 8, 14, 7, 7, tzinfo=UTC), 4)):
        found.down.append((start, start + timedelta(hours=hours)))
    return found


def _work(found: World, team: Team, day: date, chance: random.Random) -> None:
    """One morning: everything in time as a rule; sometimes late, sometimes not at all, sometimes in part."""
    begin = team.at(day, *((0, 3) if team.works_at_night else (6, 3)))
    luck = chance.random()
    if luck < 0.01:
        return
    if luck < 0.03:
        begin += timedelta(hours=chance.randint(3, 9))
    stuck = chance.randrange(1, 10) if chance.random() < 0.03 else None
    for place in range(10):
        level = 0 if place == 0 else 1 if place <= 3 else 2
        if place == stuck:
            # Fixed in the afternoon, or not before it is made the next morning.
            if chance.random() < 0.7:
                found.make(begin + timedelta(hours=8, minutes=1), team.asset(place))
            continue
        found.make(begin + level * 7 * MINUTE, team.asset(place))


class Oracle:
    """Goes from instant to instant, and compares who was to blame before with who is after."""

    def __init__(self, found: World) -> None:
        self.world = found
        self.parents = {team.asset(place): team.above(place) for team in TEAMS for place in range(10)}
        self.last: dict[str, datetime] = {}
        self.opens: dict[str, datetime] = {}  # since when what is made counts for the deadline that was last
        self.late: dict[str, datetime] = {}
        self.told: list[Told] = []
        self.silent: dict[str, datetime] = {}  # who follows a root that is fresh again, until when that is waited for
        self.roots: set[str] = set()

    def run(self) -> list[Told]:
        deadlines = self._deadlines()
        moments = {*self.world.made, *deadlines}
        queue = sorted(moments)
        for place, now in enumerate(queue):
            # Of one instant the deadline comes first: what is made just then is too late for it.
            failing = [asset for asset, opens in deadlines.get(now, ()) if self._misses(asset, opens)]
            for asset in failing:
                self.late.setdefault(asset, now)
            self._look(now, set(failing))
            if now in self.world.made:
                for asset in self.world.made[now]:
                    self.last[asset] = now
                    self.late.pop(asset, None)
                self._look(now, set())
            self._wait_until(queue[place + 1] if place + 1 < len(queue) else END)
        return sorted(one for one in self.told if one[0] < END)

    def _deadlines(self) -> dict[datetime, list[tuple[str, datetime]]]:
        """By instant: whose deadline it is, and since when what is made counts for it."""
        found: dict[datetime, list[tuple[str, datetime]]] = {}
        for team in TEAMS:
            days = [date(2023, 12, 20) + number * DAY for number in range(390)]
            days = [day for day in days if team.works_on(day)]
            for place in filter(team.has_policy, range(10)):
                instants = [team.at(day, *team.due(place)) for day in days]
                for opens, due in pairwise(instants):
                    if START < due <= END:
                        found.setdefault(due, []).append((team.asset(place), opens))
        return found

    def _misses(self, asset: str, opens: datetime) -> bool:
        return self.last[asset] < opens

    def _look(self, now: datetime, failing: set[str]) -> None:
        roots = {self._to_blame(asset) for asset in self.late}
        for gone in sorted(self.roots - roots):
            if gone not in self.silent:
                self.told.append((now, "closed", gone))
            self.silent.pop(gone, None)
        for new in sorted(roots - self.roots):
            if new in failing:
                self.told.append((now, "opened", new))
            else:
                self.silent[new] = now + GRACE
        self.roots = roots

    def _wait_until(self, then: datetime) -> None:
        for asset, until in list(self.silent.items()):
            told = self.world.up_at(until)
            if told < then:
                self.told.append((told, "opened", asset))
                del self.silent[asset]

    def _to_blame(self, asset: str) -> str:
        upstream, todo = set(), list(self.parents[asset])
        while todo:
            one = todo.pop()
            upstream.add(one)
            todo += self.parents[one]
        late = upstream & self.late.keys()
        return min((one for one in late if not self._reads_any(one, late)), key=self._age, default=asset)

    def _reads_any(self, asset: str, others: set[str]) -> bool:
        return any(one in others or self._reads_any(one, others) for one in self.parents[asset])

    def _age(self, asset: str) -> tuple[datetime, str]:
        return self.late[asset], asset


class Kept(MemoryJournal):
    """The journal in memory, with what the keeper asks beside: there are no runs, and nobody silences anything."""

    async def open_incidents(self) -> list[IncidentView]:
        views: dict[str, IncidentView] = {}
        for record in self.all_of(IncidentChanged.kind):
            event = record.event
            assert isinstance(event, IncidentChanged)
            members = {} if event.incident not in views else {one.name: one for one in views[event.incident].members}
            for member in event.left:
                members.pop(member.name, None)
            members |= {member.name: member for member in event.joined}
            header = {name: getattr(event, name) for name in IncidentView.__dataclass_fields__ if hasattr(event, name)}
            views[event.incident] = IncidentView(
                **header, open=event.change != "closed", members=tuple(members.values())
            )
        return [view for view in views.values() if view.open]

    async def silences(self, now: datetime) -> list[Any]:
        return []

    async def unfinished_runs(self) -> Any:
        return 0, []


async def live(found: World) -> Kept:
    """The real watcher and the real keeper, over that year."""
    time_of_day = FakeClock(START)
    journal = Kept(time_of_day)
    edges = {start: "down" for start, _ in found.down} | {end: "up" for _, end in found.down}
    async with anyio.create_task_group() as company:
        running = _start(company, journal, time_of_day)
        await time_of_day.advance(0)
        for instant in sorted({*found.made, *edges}):
            await time_of_day.advance(to=instant)
            if edges.get(instant) == "down":
                running.cancel()
                await time_of_day.advance(0)
            elif edges.get(instant) == "up":
                running = _start(company, journal, time_of_day)
                await time_of_day.advance(0)
            journal.post(*_events(found.made.get(instant, ())))
        await time_of_day.advance(to=END - timedelta(microseconds=1))
        company.cancel_scope.cancel()
    return journal


def _start(company: Any, journal: Any, hands: FakeClock) -> anyio.CancelScope:
    project = Project()
    project.replace(Snapshot(location="company", assets=tuple(node for team in TEAMS for node in team.nodes())))
    scope = anyio.CancelScope()

    async def run() -> None:
        with scope:
            async with anyio.create_task_group() as stations:
                keeper = IncidentKeeper(journal, journal, project, hands, catch_up_grace=GRACE.total_seconds())
                await stations.start(keeper.run)
                await stations.start(FreshnessWatcher(journal, journal, project, hands).run)

    company.start_soon(run)
    return scope


def _events(assets: Any) -> list[Event]:
    return [AssetMaterialized(asset=asset) for asset in assets]


def told(journal: Kept) -> list[Told]:
    """What people were told, and when it was so."""
    found: list[Told] = []
    silent: set[str] = set()
    for record in journal.all_of(IncidentChanged.kind):
        event = record.event
        assert isinstance(event, IncidentChanged)
        if event.silenced is not None and event.change == "opened":
            silent.add(event.incident)
        elif event.change == "unsilenced":
            silent.discard(event.incident)
            found.append((event.happened_at, "opened", event.subject))
        elif event.change in ("opened", "closed") and event.incident not in silent:
            found.append((event.happened_at, event.change, event.subject))
    return sorted(found)


@pytest.mark.parametrize("seed", [1])
async def test_what_is_told_in_a_year_is_what_the_oracle_says(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # It is a long way from an event to its alert: with too few turns of the loop, time itself waits for it.
    monkeypatch.setattr(clock, "_TURNS", 20)
    began = time.monotonic()
    found = world(seed)
    expected = Oracle(found).run()
    journal = await live(found)
    actual = told(journal)
    assert [one for one in actual if one not in expected][:5] == []
    assert [one for one in expected if one not in actual][:5] == []
    assert actual == expected
    assert len(expected) > 300
    assert time.monotonic() - began < 60
