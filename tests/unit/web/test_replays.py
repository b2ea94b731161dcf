"""Dead letters, replays, dry runs, previews of sensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import httpx
import pytest

from upwell.clock import FakeClock
from upwell.definitions.project import Project
from upwell.definitions.snapshot import SensorNode, Snapshot
from upwell.events import (
    AssetMaterialized,
    Canary,
    ErrorInfo,
    Event,
    EventDeadLettered,
    EventDecided,
    EventReplayed,
    MessageReceived,
    PlannedStep,
    RunId,
    RunRequested,
    RunSucceeded,
    SensorEvaluated,
    WantedRun,
    WebhookAccepted,
)
from upwell.journal.database import StoredJournal
from upwell.journal.journal import Record
from upwell.web import listening_models
from upwell.web.app import WebApp

pytestmark = pytest.mark.anyio

ERROR = ErrorInfo(type="ValueError", message="no rows", traceback="Traceback …")
REPLAY = "/api/v1/events/replay"


def order(number: int) -> WebhookAccepted:
    return WebhookAccepted(source="webhook:orders", data={"order": number})


async def replayed(journal: StoredJournal) -> list[tuple[int, ...]]:
    records = await journal.queries.events(kinds=(EventReplayed.kind,), newest_first=False)
    return [record.event.event_ids for record in records if isinstance(record.event, EventReplayed)]


async def test_events_are_replayed_by_an_event_that_names_them(
    client: httpx.AsyncClient, journal: StoredJournal
) -> None:
    await journal.append(order(1), order(2), order(3))
    answer = await client.post(REPLAY, json={"event_ids": [3, 1], "by": "alice"})
    assert (answer.status_code, answer.json()["event_ids"], answer.json()["replayed"]) == (202, [4], [1, 3])
    (record,) = await journal.queries.events(kinds=(EventReplayed.kind,))
    assert record.event == EventReplayed(event_ids=(1, 3), replayed_by="alice")


async def test_the_events_of_a_source_are_replayed_between_two_instants_oldest_first(
    client: httpx.AsyncClient, journal: StoredJournal, clock: FakeClock
) -> None:
    start = clock.now()
    for number in range(5):
        await journal.append(order(number), MessageReceived(source="other"))
        clock.jump(start + timedelta(minutes=number + 1))
    since, until = (start + timedelta(minutes=minutes) for minutes in (1, 3))
    body = {"source": "webhook:orders", "since": since.isoformat(), "until": until.isoformat()}
    assert (await client.post(REPLAY, json=body)).json()["replayed"] == [3, 5, 7]


async def test_many_events_are_asked_for_in_pieces(client: httpx.AsyncClient, journal: StoredJournal) -> None:
    await journal.append(*(order(number) for number in range(1_001)))
    body = {"source": "webhook:orders", "since": "2024-05-01T00:00:00Z"}
    assert len((await client.post(REPLAY, json=body)).json()["event_ids"]) == 3
    pieces = await replayed(journal)
    assert [len(piece) for piece in pieces] == [500, 500, 1]
    assert [event_id for piece in pieces for event_id in piece] == list(range(1, 1_002))


async def test_too_many_events_are_refused_and_nothing_is_written(
    client: httpx.AsyncClient, journal: StoredJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening_models, "MAX_REPLAYED", 2)
    await journal.append(order(1), order(2), order(3))
    answer = await client.post(REPLAY, json={"source": "webhook:orders", "since": "2024-05-01T00:00:00Z"})
    assert answer.status_code == 422
    assert "more than 2 events" in answer.json()["detail"]
    assert journal.head == 3


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"event_ids": [1, 9]}, 404, "There is no event 9"),
        ({"event_ids": [2]}, 422, "Only what a source told"),
        ({"source": "webhook:order", "since": "2024-05-01T00:00:00Z"}, 404, 'Did you mean "webhook:orders"?'),
        ({"source": "webhook:orders"}, 422, "since"),
        ({"source": "webhook:orders", "since": "2024-05-01T00:00:00"}, 422, "timezone"),
        ({"event_ids": [1], "dead_letters": True}, 422, "one of event_ids, source or dead_letters"),
        ({"event_ids": [1], "since": "2024-05-01T00:00:00Z"}, 422, "go with source"),
        ({}, 422, "one of event_ids, source or dead_letters"),
        ({"event_ids": []}, 422, "event_ids"),
    ],
)
async def test_a_replay_that_cannot_be_is_refused_and_nothing_is_written(
    body: dict[str, Any], status: int, words: str, client: httpx.AsyncClient, journal: StoredJournal
) -> None:
    await journal.append(order(1), Canary(nonce="n"))
    answer = await client.post(REPLAY, json=body)
    assert answer.status_code == status
    assert words in answer.json()["detail"]
    assert journal.head == 2


async def test_nothing_to_replay_writes_nothing(client: httpx.AsyncClient, journal: StoredJournal) -> None:
    answer = await client.post(REPLAY, json={"source": "webhook:orders", "since": "2024-05-01T00:00:00Z"})
    assert (answer.status_code, answer.json()["replayed"], journal.head) == (202, [], 0)


async def test_a_dry_run_answers_the_decisions_and_writes_nothing(
    make_app: Callable[..., WebApp], browse: Callable[..., httpx.AsyncClient], journal: StoredJournal
) -> None:
    await journal.append(order(1), order(2))
    asked: list[int] = []

    async def decide(records: Sequence[Record]) -> Sequence[Event]:
        asked.extend(record.id for record in records)
        step = PlannedStep(id="s", step="raw/orders", assets=("raw/orders",))
        return (
            EventDecided(event_ids=(1, 2), outcome="requested", reason="it listens", run_id=RunId("r")),
            RunRequested(run_id=RunId("r"), lane="l", plan=(step,), reason="it listens"),
        )

    async with browse(make_app(preview_decisions=decide)) as client:
        answer = await client.post(REPLAY, json={"event_ids": [1, 2], "dry_run": True})
    (decision,) = answer.json()["decisions"]
    assert (answer.status_code, asked, journal.head) == (200, [1, 2], 2)
    assert decision["sentence"] == "Events 1 and 2 asked for a run: it listens."
    assert decision["makes"] == ["raw/orders"]


async def test_without_a_service_there_is_no_dry_run_and_no_preview(
    client: httpx.AsyncClient, project: Project
) -> None:
    project.replace(Snapshot(location="more", sensors=(SensorNode(name="new_files", kind="polling"),)))
    for path, body in ((REPLAY, {"event_ids": [1], "dry_run": True}), ("/api/v1/sensors/new_files/preview", {})):
        answer = await client.post(path, json=body)
        assert answer.status_code == 503
        assert "running service" in answer.json()["detail"]


class TestDeadLetters:
    async def test_show_the_event_the_error_and_the_traceback(
        self, client: httpx.AsyncClient, journal: StoredJournal
    ) -> None:
        dead = EventDeadLettered(event_ids=(1,), reason="it failed 3 times", error=ERROR, attempts=3, run_id=RunId("r"))
        await journal.append(order(1), dead)
        (letter,) = (await client.get("/api/v1/dead-letters")).json()["dead_letters"]
        assert (letter["event_id"], letter["source"], letter["kind"]) == (1, "webhook:orders", "webhook.accepted")
        assert (letter["error"]["traceback"], letter["attempts"], letter["replayable"]) == ("Traceback …", 3, True)

    async def test_come_in_pages_also_when_many_died_together(
        self, client: httpx.AsyncClient, journal: StoredJournal
    ) -> None:
        await journal.append(*(order(number) for number in range(7)))
        await journal.append(*(EventDeadLettered(event_ids=ids, reason="r") for ids in ((1, 2, 3, 4, 5), (6, 7))))
        found: list[int] = []
        page: dict[str, Any] = {"next": None}
        while True:
            params = {"limit": 2} | ({"before": page["next"]} if page["next"] else {})
            page = (await client.get("/api/v1/dead-letters", params=params)).json()
            found += [letter["event_id"] for letter in page["dead_letters"]]
            if page["next"] is None:
                break
        assert found == [7, 6, 5, 4, 3, 2, 1]

    async def test_are_replayed_all_also_what_sensors_watch_for_and_then_are_none_any_more(
        self, client: httpx.AsyncClient, journal: StoredJournal
    ) -> None:
        await journal.append(order(1), AssetMaterialized(asset="raw/orders"), RunSucceeded(run_id=RunId("r")))
        await journal.append(EventDeadLettered(event_ids=(1, 2, 3), reason="r"))
        answer = (await client.post(REPLAY, json={"dead_letters": True})).json()
        assert (answer["replayed"], answer["left_out"]) == ([1, 2, 3], [])
        assert (await client.get("/api/v1/dead-letters")).json()["dead_letters"] == []


class TestPreview:
    @pytest.fixture
    def project(self) -> Project:
        project = Project()
        project.replace(Snapshot(location="shop", sensors=(SensorNode(name="new_files", kind="polling"),)))
        return project

    async def test_answers_the_events_and_what_would_be_decided_and_writes_nothing(
        self, make_app: Callable[..., WebApp], browse: Callable[..., httpx.AsyncClient], journal: StoredJournal
    ) -> None:
        async def call(sensor: str, cursor: str | None) -> Sequence[Event]:
            return (SensorEvaluated(sensor=sensor, runs=(WantedRun(run_key="k"),), cursor=f"after {cursor}"),)

        async def decide(records: Sequence[Record]) -> Sequence[Event]:
            ids = tuple(record.id for record in records)
            return (EventDecided(event_ids=ids, outcome="ignored", reason="run key 'k' has a run already"),)

        async with browse(make_app(preview_sensor=call, preview_decisions=decide)) as client:
            answer = (await client.post("/api/v1/sensors/new_files/preview", json={"cursor": "a.csv"})).json()
        (event,), (decision,) = answer["events"], answer["decisions"]
        assert (event["kind"], event["data"]["cursor"]) == ("sensor.evaluated", "after a.csv")
        assert decision["sentence"] == "Event 1 led to nothing: run key 'k' has a run already."
        assert journal.head == 0
