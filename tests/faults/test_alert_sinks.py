"""A sink that is down, slow, hostile or cut off in the middle: nothing is lost, nobody waits, ids stay the same."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from upwell.alerts.alert import Alert
from upwell.alerts.dispatcher import Dispatcher
from upwell.alerts.lane import Outlet
from upwell.alerts.outgoing import Outgoing
from upwell.alerts.routing import Reader
from upwell.alerts.selecting import ProjectSelecting
from upwell.alerts.sinks.sink import SinkOptions
from upwell.alerts.sinks.webhook import WebhookSink
from upwell.clock import FakeClock
from upwell.definitions.project import Project
from upwell.definitions.snapshot import AssetNode, Snapshot
from upwell.events import AlertDelivered, AlertFailed, Event, IncidentChanged, Member
from upwell.journal.database import StoredJournal, open_journal

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HERE = Outgoing([ipaddress.ip_network("127.0.0.0/8")])


def incident(number: int, change: str = "opened", **more: Any) -> IncidentChanged:
    fields: dict[str, Any] = {
        "incident": f"i{number}",
        "number": 1 if change == "opened" else 2,
        "change": change,
        "trouble": "freshness",
        "subject": f"a{number}",
        "assets": (f"a{number}",),
        "severity": "error",
        "opened_at": NOON,
        "happened_at": NOON,
        "summary": f"a{number} is late",
    }
    return IncidentChanged(**fields | more)


class Person:
    """A sink whose other side is a list; it may be down, or die while it is being told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.down = False
        self.stuck = False
        self.calls = 0

    async def send(self, alert: Alert) -> None:
        self.calls += 1
        if self.down:
            raise ConnectionError("nobody answers")
        self.told += [one.id for one in alert.alerts] or [alert.id]
        if self.stuck:
            await anyio.sleep_forever()


class Company:
    """A journal and those who are told, for as long as a process lives."""

    def __init__(self, journal: StoredJournal, clock: FakeClock) -> None:
        self.journal, self.clock = journal, clock

    async def happen(self, *events: Event) -> None:
        await self.journal.append(*events)
        await self.settle()

    async def settle(self, seconds: float = 0.0) -> None:
        """Let time pass, and all that follows from it: the disk answers in its own time."""
        passed = 0.0
        while passed < seconds:
            step = min(60.0, seconds - passed)
            await self.clock.advance(step)
            await anyio.sleep(0.01)
            passed += step
        for _ in range(20):
            await anyio.sleep(0.005)
            await self.clock.advance(0)

    async def all_of(self, kind: type[Any]) -> list[Any]:
        records = await self.journal.queries.events(kinds=[kind.kind], newest_first=False, limit=1000)
        return [record.event for record in records]


@asynccontextmanager
async def company(folder: Path, *outlets: Outlet, clock: FakeClock | None = None) -> AsyncIterator[Company]:
    clock = clock or FakeClock(NOON)
    project = Project()
    nodes = tuple(AssetNode(key=f"a{number}", step=f"a{number}", owners=("team:a",)) for number in range(3))
    project.replace(Snapshot(location="here", assets=nodes))
    async with open_journal(f"sqlite+aiosqlite:///{folder / 'upwell.db'}", clock=clock) as journal:
        dispatcher = Dispatcher(journal, journal.queries, ProjectSelecting(project), clock, outlets)
        async with anyio.create_task_group() as tasks:
            await tasks.start(dispatcher.run)
            yield Company(journal, clock)
            tasks.cancel_scope.cancel()


async def test_an_hour_without_the_other_side_loses_nothing_and_keeps_the_order(tmp_path: Path) -> None:
    ann = Person()
    ann.down = True
    async with company(tmp_path, Outlet(name="ann", sink=ann)) as here:
        await here.happen(incident(1))
        for number in (2, 3, 4):
            await here.settle(1200)
            await here.happen(incident(number))
        ann.down = False
        await here.settle(600)
        assert ann.told == ["i1.1", "i2.1", "i3.1", "i4.1"]
        assert 10 < len(await here.all_of(AlertFailed)) < 40
        assert [event.alert for event in await here.all_of(AlertDelivered)] == ann.told


async def test_one_that_is_down_holds_up_no_other(tmp_path: Path) -> None:
    ann, bob = Person(), Person()
    ann.down = True
    async with company(tmp_path, Outlet(name="ann", sink=ann), Outlet(name="bob", sink=bob)) as here:
        await here.happen(incident(1), incident(2))
        assert (ann.told, bob.told) == ([], ["i1.1", "i2.1"])


async def test_who_was_killed_while_telling_tells_it_again_under_the_same_id(tmp_path: Path) -> None:
    ann = Person()
    ann.stuck = True
    async with company(tmp_path, Outlet(name="ann", sink=ann)) as before:
        await before.happen(incident(1), incident(2))
        assert ann.told == ["i1.1"]
    ann.stuck = False
    async with company(tmp_path, Outlet(name="ann", sink=ann)) as after:
        await after.settle()
        assert ann.told == ["i1.1", "i1.1", "i2.1"]
    async with company(tmp_path, Outlet(name="ann", sink=ann)) as again:
        await again.settle()
        assert len(ann.told) == 3


async def test_what_happened_while_the_service_was_down_is_told_at_its_start(tmp_path: Path) -> None:
    ann = Person()
    async with company(tmp_path, Outlet(name="ann", sink=ann)):
        pass
    async with company(tmp_path) as without:
        await without.journal.append(incident(1))
    # A sink that was taken out of the settings meanwhile is a new one: it is told what happens from now on.
    async with company(tmp_path, Outlet(name="ann", sink=ann)) as here:
        await here.happen(incident(2))
        assert ann.told == ["i2.1"]


async def test_a_sink_that_is_gone_holds_back_no_pruning(tmp_path: Path) -> None:
    async with company(tmp_path, Outlet(name="ann", sink=Person())) as here:
        await here.happen(incident(1))
    async with company(tmp_path, clock=FakeClock(NOON + timedelta(days=9))) as later:
        await later.journal.append(incident(2), incident(3))
        assert (await later.journal.prune(timedelta(days=1))).events > 0


async def test_what_is_never_taken_is_given_up_and_the_next_goes_on(tmp_path: Path) -> None:
    ann = Person()
    ann.down = True
    async with company(tmp_path, Outlet(name="ann", sink=ann, give_up_after=3600.0)) as here:
        await here.happen(incident(1))
        await here.settle(4000)
        ann.down = False
        await here.happen(incident(2))
        assert ann.told == ["i2.1"]
        assert [event.alert for event in await here.all_of(AlertFailed) if event.retry_at is None] == ["i1.1"]


async def test_a_storm_comes_as_a_summary(tmp_path: Path) -> None:
    ann = Person()
    async with company(tmp_path, Outlet(name="ann", sink=ann)) as here:
        await here.happen(*(incident(number) for number in range(500)))
        assert len(ann.told) == 500
        assert ann.calls < 5


async def test_no_more_than_the_rate_go_out_in_a_minute(tmp_path: Path) -> None:
    ann = Person()
    async with company(tmp_path, Outlet(name="ann", sink=ann, rate=6)) as here:
        for number in range(9):
            await here.happen(incident(number))
        assert ann.calls == 6
        await here.settle(30)
        assert ann.calls >= 7
        await here.settle(60)
        assert len(ann.told) == 9


async def test_of_the_end_those_are_told_who_know_of_the_beginning(tmp_path: Path) -> None:
    ann, bob = Person(), Person()
    outlets = (
        Outlet(name="ann", sink=ann, reader=Reader(select="a1")),
        Outlet(name="bob", sink=bob, reader=Reader(owners=("team:b",))),
    )
    async with company(tmp_path, *outlets) as here:
        await here.happen(incident(1))
        await here.happen(incident(1, "closed"), incident(2), incident(2, "closed"))
        assert (ann.told, bob.told) == (["i1.1", "i1.2"], [])


async def test_what_is_silenced_is_told_to_nobody_until_it_is_not(tmp_path: Path) -> None:
    ann = Person()
    async with company(tmp_path, Outlet(name="ann", sink=ann)) as here:
        await here.happen(incident(1, silenced="moving"), incident(2, silenced="moving"))
        await here.happen(incident(2, "closed", silenced="moving"))
        assert ann.told == []
        await here.happen(incident(1, "unsilenced"))
        assert ann.told == ["i1.2"]


async def test_who_asks_for_an_asset_is_told_when_it_joins_the_incident_of_another(tmp_path: Path) -> None:
    ann, bob = Person(), Person()
    outlets = (
        Outlet(name="ann", sink=ann, reader=Reader(select="a2")),
        Outlet(name="bob", sink=bob, reader=Reader(owners=("team:a",), min_severity="error")),
    )
    async with company(tmp_path, *outlets) as here:
        await here.happen(incident(1))
        joined = (Member(name="a2", since=NOON),)
        closed = replace(incident(1, "closed"), number=3)
        await here.happen(incident(1, "changed", joined=joined), closed)
        assert (ann.told, bob.told) == (["i1.2", "i1.3"], ["i1.1", "i1.3"])


class TestOverHttp:
    def outlet(self, receiver: Any, timeout: float = 0.2) -> Outlet:
        options = SinkOptions(name="hook", url=f"{receiver.url}/hook", timeout=timeout)
        return Outlet(name="hook", sink=WebhookSink(options, HERE, FakeClock(NOON)), timeout=timeout)

    @pytest.mark.parametrize("status", [500, 503, 302, 401, 404, 429])
    async def test_an_answer_that_is_no_success_is_tried_again(
        self, tmp_path: Path, http_receiver: Any, status: int
    ) -> None:
        http_receiver.status = status
        async with company(tmp_path, self.outlet(http_receiver)) as here:
            await here.happen(incident(1))
            http_receiver.status = 200
            await here.settle(2)
            assert http_receiver.heard("webhook-id") == ["i1.1", "i1.1"]
            assert bodies(http_receiver)[0] == bodies(http_receiver)[1]
            assert len(await here.all_of(AlertDelivered)) == 1

    @pytest.mark.parametrize("fault", ["delay", "hang_up"])
    async def test_one_that_is_slow_or_hangs_up_is_tried_again(
        self, tmp_path: Path, http_receiver: Any, fault: str
    ) -> None:
        setattr(http_receiver, fault, 30.0)
        async with company(tmp_path, self.outlet(http_receiver)) as here:
            await here.happen(incident(1))
            await anyio.sleep(0.3)
            setattr(http_receiver, fault, 0.0)
            await here.settle(2)
            assert http_receiver.heard("webhook-id") == ["i1.1", "i1.1"]

    async def test_what_it_says_it_will_never_take_is_tried_five_times(
        self, tmp_path: Path, http_receiver: Any
    ) -> None:
        http_receiver.status = 413
        async with company(tmp_path, self.outlet(http_receiver)) as here:
            await here.happen(incident(1))
            await here.settle(60)
            http_receiver.status = 200
            await here.happen(incident(2))
            assert http_receiver.heard("webhook-id") == ["i1.1"] * 5 + ["i2.1"]

    async def test_it_waits_as_long_as_it_is_asked_to(self, tmp_path: Path, http_receiver: Any) -> None:
        http_receiver.status, http_receiver.headers = 429, {"retry-after": "120"}
        async with company(tmp_path, self.outlet(http_receiver)) as here:
            await here.happen(incident(1))
            await here.settle(119)
            assert len(http_receiver.requests) == 1
            await here.settle(2)
            assert len(http_receiver.requests) == 2

    async def test_a_redirect_leads_nowhere(self, tmp_path: Path, http_receiver: Any) -> None:
        http_receiver.status, http_receiver.headers = 302, {"location": f"{http_receiver.url}/elsewhere"}
        async with company(tmp_path, self.outlet(http_receiver)) as here:
            await here.happen(incident(1))
        assert [request for request, _, _ in http_receiver.requests] == ["POST /hook HTTP/1.1"]


def bodies(receiver: Any) -> Sequence[Any]:
    return [json.loads(body) for _, _, body in receiver.requests]
