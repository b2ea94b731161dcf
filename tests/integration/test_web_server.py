"""The web station on a real socket, with a real journal."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from email.utils import parsedate_to_datetime
from pathlib import Path

import anyio
import httpx
import pytest
from starlette.types import Receive, Scope, Send

from upwell.clock import SystemClock
from upwell.definitions.project import Project
from upwell.definitions.reactions import On, SourceSpec
from upwell.definitions.snapshot import AssetNode, Snapshot
from upwell.events import TimerFired
from upwell.journal.database import StoredJournal, open_journal
from upwell.web.app import WebApp, WebParts, build_app
from upwell.web.server import Served, serve

pytestmark = pytest.mark.anyio


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[StoredJournal]:
    async with open_journal(f"sqlite+aiosqlite:///{tmp_path / 'upwell.db'}", clock=SystemClock()) as journal:
        yield journal


@pytest.fixture
def app(journal: StoredJournal) -> WebApp:
    source = SourceSpec(kind="webhook", name="webhook:orders", params={"endpoint": "orders", "insecure": True})
    project = Project()
    project.replace(
        Snapshot(location="shop", assets=(AssetNode(key="orders", step="orders", on=(On(source=source),)),))
    )
    return build_app(WebParts(journal=journal, queries=journal.queries, project=project, clock=SystemClock()))


@asynccontextmanager
async def serving(app: Served, *, grace: float = 5.0) -> AsyncIterator[tuple[httpx.AsyncClient, anyio.CancelScope]]:
    """A client of the served application, and the scope whose cancellation stops the server."""
    async with anyio.create_task_group() as tasks:
        stop = anyio.CancelScope()

        async def run(*, task_status: anyio.abc.TaskStatus[int]) -> None:
            with stop:
                await serve(app, "127.0.0.1", 0, grace=grace, task_status=task_status)

        port: int = await tasks.start(run)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
            yield client, stop
        stop.cancel()


async def test_a_delivery_over_a_socket_is_stored(app: WebApp, journal: StoredJournal) -> None:
    async with serving(app) as (client, _):
        answer = await client.post("/webhooks/orders", json={"order": 1})
    assert (answer.status_code, answer.json()) == (202, {"event_id": 1})
    assert "server" not in answer.headers
    assert abs((parsedate_to_datetime(answer.headers["date"]) - SystemClock().now()).total_seconds()) < 5
    (record,) = await journal.queries.events()
    assert record.event.kind == "webhook.accepted"


async def test_a_sender_of_too_much_is_told_so(app: WebApp, journal: StoredJournal) -> None:
    async def too_much() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"x" * 65536

    async with serving(app) as (client, _):
        assert (await client.post("/webhooks/orders", content=b"x" * 6_000_000)).status_code == 413
        assert (await client.post("/webhooks/orders", content=too_much())).status_code == 413
        assert (await client.post("/webhooks/orders", json=1)).status_code == 202
    assert journal.head == 1


async def test_a_stream_follows_resumes_and_ends_with_the_server(app: WebApp, journal: StoredJournal) -> None:
    await journal.append(TimerFired(source="every:1s"), TimerFired(source="every:1s"))
    async with serving(app) as (client, stop), _streaming(client, after=1) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.aiter_lines()
        assert await _next_event(lines) == 2
        await client.post("/webhooks/orders", json={})
        assert await _next_event(lines) == 3
        stop.cancel()
        with anyio.fail_after(3):
            assert [line async for line in lines if line.startswith("data")] == []


def _streaming(client: httpx.AsyncClient, after: int) -> AbstractAsyncContextManager[httpx.Response]:
    return client.stream("GET", "/api/v1/stream", headers={"last-event-id": str(after)})


async def _next_event(lines: AsyncIterator[str]) -> int:
    with anyio.fail_after(5):
        async for line in lines:
            if line.startswith("data: "):
                return int(json.loads(line.removeprefix("data: "))["id"])
    raise AssertionError("the stream ended")


async def test_a_stopped_server_takes_no_connection(app: WebApp) -> None:
    async with serving(app) as (client, stop):
        assert (await client.get("/healthz")).status_code == 200
        stop.cancel()
        await anyio.sleep(0.05)
        with pytest.raises(httpx.TransportError):
            await client.get("/healthz")


class Slow:
    """Answers after a while."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.asked = anyio.Event()
        self.drained = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked.set()
        await anyio.sleep(self.seconds)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
        await send({"type": "http.response.body", "body": b"done"})

    def drain(self) -> None:
        self.drained = True


async def test_a_request_under_way_is_answered_before_the_end() -> None:
    app = Slow(0.3)
    answers: list[str] = []

    async def ask(client: httpx.AsyncClient) -> None:
        answers.append((await client.get("/")).text)

    async with serving(app) as (client, stop), anyio.create_task_group() as tasks:
        tasks.start_soon(ask, client)
        await app.asked.wait()
        stop.cancel()
    assert answers == ["done"]
    assert app.drained


async def test_a_request_that_outlasts_the_grace_is_cut(caplog: pytest.LogCaptureFixture) -> None:
    app = Slow(60)

    async def ask(client: httpx.AsyncClient) -> None:
        with pytest.raises(httpx.TransportError):
            await client.get("/")

    with anyio.fail_after(5), caplog.at_level("ERROR"):
        async with serving(app, grace=0.1) as (client, stop), anyio.create_task_group() as tasks:
            tasks.start_soon(ask, client)
            await app.asked.wait()
            stop.cancel()
    assert not caplog.records


async def test_an_address_in_use_is_an_error_and_not_an_exit(app: WebApp) -> None:
    async with serving(app) as (client, _):
        port = client.base_url.port
        assert port is not None
        with pytest.raises(OSError, match=re.compile("address", re.IGNORECASE)):
            await serve(app, "127.0.0.1", port)
