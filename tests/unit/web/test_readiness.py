from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import httpx
import pytest

from upwell.clock import FakeClock, SystemClock
from upwell.definitions.project import Project
from upwell.errors import JournalUnavailable
from upwell.events import Canary, EventDecided
from upwell.journal import canary
from upwell.journal.database import StoredJournal
from upwell.web.app import WebApp

pytestmark = pytest.mark.anyio

Make = Callable[..., WebApp]
Browse = Callable[..., httpx.AsyncClient]


async def decide_on_canaries(journal: StoredJournal) -> None:
    """What the reactor does with a canary."""
    async for records in journal.subscribe(0):
        for record in records:
            if isinstance(record.event, Canary):
                await journal.append(EventDecided(event_ids=(record.id,), outcome="ignored", reason="canary"))


async def canaries(journal: StoredJournal) -> int:
    return len(await journal.queries.events(kinds=[Canary.kind]))


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canary, "PROOF_FOR", 0.05)


async def test_ready_means_that_a_canary_came_back(client: httpx.AsyncClient, journal: StoredJournal) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(decide_on_canaries, journal)
        answer = await client.get("/readyz")
        tasks.cancel_scope.cancel()
    assert (answer.status_code, answer.json()["status"]) == (200, "ready")
    (record,) = await journal.queries.events(kinds=[EventDecided.kind])
    assert answer.json()["event_id"] == record.id


async def test_a_proof_is_good_for_two_seconds_and_shared(
    client: httpx.AsyncClient, journal: StoredJournal, clock: FakeClock
) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(decide_on_canaries, journal)
        async with anyio.create_task_group() as askers:
            for _ in range(5):
                askers.start_soon(client.get, "/readyz")
        assert await canaries(journal) == 1
        await clock.advance(1.9)
        await client.get("/readyz")
        assert await canaries(journal) == 1
        await clock.advance(0.2)
        await client.get("/readyz")
        assert await canaries(journal) == 2
        tasks.cancel_scope.cancel()


@pytest.mark.usefixtures("impatient")
async def test_a_reactor_that_does_not_answer_is_named(client: httpx.AsyncClient) -> None:
    answer = await client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["type"] == "urn:upwell:problem:not-ready-reactor"
    assert "retry-after" in answer.headers


class Stuck:
    """A journal that never ends a write, or refuses it."""

    head = 0

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    async def append(self, *_: Any) -> Any:
        if self.error is not None:
            raise self.error
        await anyio.sleep_forever()


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("journal_error", [None, JournalUnavailable("disk full")])
async def test_a_journal_that_does_not_store_is_named(
    make_app: Make, browse: Browse, journal_error: Exception | None
) -> None:
    async with browse(make_app(journal=Stuck(journal_error))) as client:
        answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:upwell:problem:not-ready-journal")


async def test_without_code_it_is_not_ready(make_app: Make, browse: Browse, journal: StoredJournal) -> None:
    async with browse(make_app(project=Project())) as client:
        answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:upwell:problem:not-ready-definitions")
    assert journal.head == 0


async def test_a_stopping_service_is_not_ready_but_alive(make_app: Make, browse: Browse) -> None:
    app = make_app(clock=SystemClock())
    app.drain()
    async with browse(app) as client:
        assert (await client.get("/readyz")).json()["type"] == "urn:upwell:problem:not-ready-stopping"
        assert (await client.get("/healthz")).json() == {"status": "alive"}
