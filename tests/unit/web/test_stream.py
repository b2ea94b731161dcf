from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx
import pytest
from starlette.types import Message

from upwell.clock import FakeClock
from upwell.events import AssetMaterialized, EventDecided, TimerFired
from upwell.journal.database import StoredJournal
from upwell.web.app import WebApp

pytestmark = pytest.mark.anyio

Make = Callable[..., WebApp]


class Reader:
    """A browser that has opened a stream."""

    def __init__(self) -> None:
        self.text = ""
        self.status = 0
        self.ended = anyio.Event()
        self.left = anyio.Event()
        self.reads = anyio.Event()
        self.reads.set()

    async def receive(self) -> Message:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        await self.reads.wait()
        self.status = message.get("status", self.status)
        self.text += message.get("body", b"").decode()

    @property
    def ids(self) -> list[int]:
        """The ids of the events it got; a heartbeat's id is none."""
        blocks = [block for block in self.text.split("\n\n") if "data: " in block]
        return [int(block.split("\n")[0].removeprefix("id: ")) for block in blocks]


@asynccontextmanager
async def opened(app: WebApp, query: str = "", **headers: str) -> AsyncIterator[Reader]:
    reader = Reader()
    scope: dict[str, Any] = {
        "type": "http",
        "method": "GET",
        "path": "/api/v1/stream",
        "query_string": query.encode(),
        "headers": [
            (b"host", b"localhost"),
            *((name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()),
        ],
    }

    async def run() -> None:
        await app(scope, reader.receive, reader.send)
        reader.ended.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        await anyio.wait_all_tasks_blocked()
        yield reader
        reader.left.set()
        with anyio.fail_after(5):
            await reader.ended.wait()


async def append(journal: StoredJournal, *events: Any) -> None:
    await journal.append(*events)
    await anyio.wait_all_tasks_blocked()


async def test_events_are_told_as_they_are_committed(make_app: Make, journal: StoredJournal) -> None:
    await journal.append(TimerFired(source="before"))
    async with opened(make_app()) as reader:
        await append(journal, AssetMaterialized(asset="raw/orders", metadata={"note": "two\nlines"}))
        assert reader.ids == [2]
        assert "event: asset.materialized\ndata: {" in reader.text
        assert "two\\nlines" in reader.text


async def test_it_resumes_behind_the_last_event_id(make_app: Make, journal: StoredJournal) -> None:
    await journal.append(*(TimerFired(source="every:1s") for _ in range(3)))
    app = make_app()
    async with opened(app, last_event_id="1") as reader, opened(app, "after=2") as other:
        await append(journal, TimerFired(source="every:1s"))
        assert reader.ids == [2, 3, 4]
        assert other.ids == [3, 4]


async def test_an_id_from_the_future_follows_from_now(make_app: Make, journal: StoredJournal) -> None:
    async with opened(make_app(), last_event_id="999") as reader:
        await append(journal, TimerFired(source="every:1s"))
        assert reader.ids == [1]


async def test_it_tells_only_what_was_asked_for(make_app: Make, journal: StoredJournal) -> None:
    app = make_app()
    async with opened(app, "kind=timer.fired") as timers, opened(app, "asset=raw/orders") as orders:
        await append(
            journal,
            TimerFired(source="every:1s"),
            AssetMaterialized(asset="regions"),
            AssetMaterialized(asset="raw/orders"),
            EventDecided(event_ids=(1,), outcome="requested", reason="r", assets=("raw/orders", "fct_orders")),
        )
        assert timers.ids == [1]
        assert orders.ids == [3, 4]


async def test_it_beats_every_fifteen_quiet_seconds_with_the_place_it_is_at(
    make_app: Make, journal: StoredJournal, clock: FakeClock
) -> None:
    async with opened(make_app(), "kind=timer.fired") as reader:
        await append(journal, AssetMaterialized(asset="regions"))
        await clock.advance(14)
        assert ": alive" not in reader.text
        await clock.advance(1)
        assert reader.text.endswith(": alive\nid: 1\n\n")
        await clock.advance(45)
        assert reader.text.count(": alive") == 4


async def test_it_ends_when_the_service_stops(make_app: Make) -> None:
    app = make_app()
    async with opened(app) as reader:
        app.drain()
        with anyio.fail_after(5):
            await reader.ended.wait()
    async with opened(app) as late:
        assert late.status == 503


async def test_so_many_streams_and_no_more(make_app: Make) -> None:
    app = make_app(max_streams=1)
    async with opened(app) as first, opened(app) as second:
        assert (first.status, second.status) == (200, 503)
    async with opened(app) as third:
        assert third.status == 200


async def test_a_reader_that_stops_reading_holds_nobody_up_and_misses_nothing(
    make_app: Make, journal: StoredJournal
) -> None:
    app = make_app()
    async with opened(app) as slow, opened(app) as quick:
        slow.reads = anyio.Event()
        for _ in range(3):
            await append(journal, *(TimerFired(source="every:1s") for _ in range(100)))
        assert len(quick.ids) == 300
        slow.reads.set()
        await anyio.wait_all_tasks_blocked()
        with anyio.fail_after(5):
            while len(slow.ids) < 300:
                await anyio.sleep(0.01)
        assert slow.ids == list(range(1, 301))


async def test_a_wrong_last_event_id_is_a_problem(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/v1/stream", headers={"last-event-id": "x"})
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
