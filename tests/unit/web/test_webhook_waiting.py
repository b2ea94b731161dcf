"""`Prefer: wait`, with the journal in place of the stations that decide and run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest
from starlette.types import Message

from upwell.clock import FakeClock
from upwell.events import EventDecided, RunFailed, RunId, RunSucceeded
from upwell.journal.database import StoredJournal
from upwell.web import waiting
from upwell.web.app import WebApp
from upwell.web.waiting import preferred_wait

pytestmark = pytest.mark.anyio

Make = Callable[..., WebApp]
Browse = Callable[..., httpx.AsyncClient]
WAIT = {"prefer": "wait=5"}


@pytest.fixture
def running(make_app: Make, browse: Browse) -> Callable[..., Any]:
    """A client of an application that follows the journal, and the application."""

    @asynccontextmanager
    async def running(**parts: Any) -> AsyncIterator[tuple[httpx.AsyncClient, WebApp]]:
        app = make_app(**parts)
        async with anyio.create_task_group() as tasks:
            await tasks.start(app.run)
            async with browse(app) as client:
                yield client, app
            tasks.cancel_scope.cancel()

    return running


class Sent:
    """A delivery under way, and its answer once there is one."""

    def __init__(self) -> None:
        self.answer: httpx.Response | None = None

    async def send(self, client: httpx.AsyncClient, data: Any, headers: dict[str, str]) -> None:
        self.answer = await client.post("/webhooks/orders", json=data, headers=headers)


async def stored(journal: StoredJournal, count: int) -> list[int]:
    """The ids of the events once so many are stored."""
    with anyio.fail_after(5):
        while len(found := await journal.queries.events(kinds=["webhook.accepted"], newest_first=False)) < count:
            await anyio.sleep(0.005)
    return [record.id for record in found]


async def decide(journal: StoredJournal, *event_ids: int, run: str | None = "r1", outcome: Any = "requested") -> None:
    run_id = None if run is None else RunId(run)
    await journal.append(EventDecided(event_ids=event_ids, outcome=outcome, reason="", run_id=run_id))


async def quiet() -> None:
    await anyio.sleep(0.05)


async def test_the_answer_has_the_result_of_the_run(running: Any, journal: StoredJournal) -> None:
    sent = Sent()
    async with running() as (client, _), anyio.create_task_group() as tasks:
        tasks.start_soon(sent.send, client, 1, WAIT)
        [event_id] = await stored(journal, 1)
        await decide(journal, event_id)
        await quiet()
        assert sent.answer is None
        await journal.append(RunSucceeded(run_id=RunId("r1"), event_ids=(event_id,)))
    assert sent.answer is not None
    assert sent.answer.status_code == 200
    assert sent.answer.json() == {"event_id": event_id, "run_id": "r1", "status": "SUCCESS"}
    assert sent.answer.headers["preference-applied"] == "wait=5"


async def test_a_run_that_failed_says_why(running: Any, journal: StoredJournal) -> None:
    sent = Sent()
    async with running() as (client, _), anyio.create_task_group() as tasks:
        tasks.start_soon(sent.send, client, 1, WAIT)
        [event_id] = await stored(journal, 1)
        await decide(journal, event_id)
        await journal.append(RunFailed(run_id=RunId("r1"), reason="disk full", event_ids=(event_id,)))
    assert sent.answer is not None
    assert sent.answer.json() | {"event_id": 0} == {
        "event_id": 0,
        "run_id": "r1",
        "status": "FAILURE",
        "reason": "disk full",
    }


@pytest.mark.parametrize("outcome", ["ignored", "filtered", "paused"])
async def test_what_leads_to_no_run_is_answered_at_once(running: Any, journal: StoredJournal, outcome: str) -> None:
    sent = Sent()
    async with running() as (client, _), anyio.create_task_group() as tasks:
        tasks.start_soon(sent.send, client, 1, WAIT)
        [event_id] = await stored(journal, 1)
        await decide(journal, event_id, run=None, outcome=outcome)
    assert sent.answer is not None
    assert (sent.answer.status_code, sent.answer.json()) == (202, {"event_id": event_id})


@pytest.mark.parametrize("decided", [True, False])
async def test_when_its_time_is_over_the_answer_says_what_is_known(
    running: Any, journal: StoredJournal, clock: FakeClock, decided: bool
) -> None:
    sent = Sent()
    async with running() as (client, _), anyio.create_task_group() as tasks:
        tasks.start_soon(sent.send, client, 1, WAIT)
        [event_id] = await stored(journal, 1)
        if decided:
            await decide(journal, event_id)
        await quiet()
        await clock.advance(4.9)
        assert sent.answer is None
        await clock.advance(0.1)
    assert sent.answer is not None
    assert sent.answer.status_code == 202
    assert sent.answer.json() == {"event_id": event_id, **({"run_id": "r1"} if decided else {})}


async def test_the_service_s_longest_wait_bounds_it(running: Any, journal: StoredJournal, clock: FakeClock) -> None:
    sent = Sent()
    async with running(longest_wait=2.0) as (client, _), anyio.create_task_group() as tasks:
        tasks.start_soon(sent.send, client, 1, {"prefer": "respond-async, wait=100"})
        await stored(journal, 1)
        await quiet()
        await clock.advance(2)
    assert sent.answer is not None
    assert sent.answer.headers["preference-applied"] == "wait=2"


async def test_whoever_does_not_ask_does_not_wait(running: Any, journal: StoredJournal) -> None:
    async with running() as (client, _):
        for headers in ({}, {"prefer": "respond-async"}, {"prefer": "wait=0"}, {"prefer": "wait=soon"}):
            answer = await client.post("/webhooks/orders", json=1, headers=headers)
            assert answer.status_code == 202
            assert "preference-applied" not in answer.headers


async def test_the_repeat_of_a_delivery_is_told_what_became_of_the_first(running: Any, journal: StoredJournal) -> None:
    async with running() as (client, _):
        headers = {"idempotency-key": "k1"}
        event_id = (await client.post("/webhooks/orders", json=1, headers=headers)).json()["event_id"]
        await decide(journal, event_id)
        await journal.append(RunSucceeded(run_id=RunId("r1"), event_ids=(event_id,)))
        answer = await client.post("/webhooks/orders", json=1, headers=headers | WAIT)
    assert answer.status_code == 200
    assert answer.json() == {"event_id": event_id, "duplicate": True, "run_id": "r1", "status": "SUCCESS"}


async def test_many_wait_and_each_gets_its_own(running: Any, journal: StoredJournal) -> None:
    sent = [Sent() for _ in range(50)]
    async with running() as (client, _), anyio.create_task_group() as tasks:
        for number, each in enumerate(sent):
            tasks.start_soon(each.send, client, number, WAIT)
        ids = await stored(journal, len(sent))
        for event_id in ids:
            await decide(journal, event_id, run=f"r{event_id}")
        for event_id in reversed(ids):
            await journal.append(RunSucceeded(run_id=RunId(f"r{event_id}"), event_ids=(event_id,)))
    answers = [each.answer.json() for each in sent if each.answer is not None]
    assert len(answers) == 50
    assert all(answer["run_id"] == f"r{answer['event_id']}" for answer in answers)
    assert {answer["status"] for answer in answers} == {"SUCCESS"}


async def test_one_who_comes_later_than_the_follower_has_read_misses_nothing(
    running: Any, journal: StoredJournal
) -> None:
    early, late = Sent(), Sent()
    async with running() as (client, _), anyio.create_task_group() as tasks:
        first = (await client.post("/webhooks/orders", json=1, headers={"idempotency-key": "k"})).json()["event_id"]
        await decide(journal, first, run="r1")
        tasks.start_soon(early.send, client, 2, WAIT)
        [_, second] = await stored(journal, 2)
        await decide(journal, second, run="r2")
        await quiet()
        tasks.start_soon(late.send, client, 1, {"idempotency-key": "k"} | WAIT)
        await quiet()
        for event_id, run in ((first, "r1"), (second, "r2")):
            await journal.append(RunSucceeded(run_id=RunId(run), event_ids=(event_id,)))
    assert early.answer is not None
    assert late.answer is not None
    assert (early.answer.json()["run_id"], late.answer.json()["run_id"]) == ("r2", "r1")


@pytest.mark.parametrize("bound", ["_MOST", "_REACH"])
async def test_where_too_many_wait_or_too_much_happened_since_the_answer_comes_at_once(
    running: Any, journal: StoredJournal, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    monkeypatch.setattr(waiting, bound, -1 if bound == "_REACH" else 0)
    async with running() as (client, _):
        answer = await client.post("/webhooks/orders", json=1, headers=WAIT)
    assert answer.status_code == 202
    assert "preference-applied" not in answer.headers


async def test_when_the_service_stops_those_who_wait_are_answered(running: Any, journal: StoredJournal) -> None:
    sent = Sent()
    async with running() as (client, app), anyio.create_task_group() as tasks:
        tasks.start_soon(sent.send, client, 1, WAIT)
        await stored(journal, 1)
        await quiet()
        app.drain()
    assert sent.answer is not None
    assert sent.answer.status_code == 202


async def test_a_sender_who_hangs_up_leaves_nothing_behind(running: Any, journal: StoredJournal) -> None:
    gone = anyio.Event()
    said: list[Message] = []
    body = iter([{"type": "http.request", "body": b"1"}])

    async def receive() -> Message:
        if (message := next(body, None)) is None:
            await gone.wait()
            return {"type": "http.disconnect"}
        return message

    async def send(message: Message) -> None:
        said.append(message)

    headers = [(b"prefer", b"wait=30")]
    scope = {"type": "http", "method": "POST", "path": "/webhooks/orders", "headers": headers, "client": None}
    async with running() as (_, app):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(app, scope, receive, send)
            await stored(journal, 1)
            await quiet()
            assert app._ingress._outcomes._waiting
            gone.set()
        outcomes = app._ingress._outcomes
        assert (outcomes._waiting, outcomes._catching_up, outcomes._count) == ({}, {}, 0)
    assert said == []


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (b"wait", 30),
        (b"wait=5", 5),
        (b'Wait="7"', 7),
        (b"respond-async, wait=5", 5),
        (b"respond-async; x=1 , wait = 5 ; y", 5),
        (b"wait=100000000000", 30),
        (b"wait=1, wait=2", 1),
        (b"wait=0", None),
        (b"wait=-1", None),
        (b"wait=1.5", None),
        (b"wait=", None),
        (b"waiting=5", None),
        (b"", None),
        (b"\xff,;=", None),
    ],
)
async def test_the_preference_is_read_as_rfc_7240_has_it(header: bytes, seconds: float | None) -> None:
    assert preferred_wait(header, 30) == seconds
    assert preferred_wait(header, 0) is None
