from __future__ import annotations

from datetime import timedelta

import httpx
import pytest

from upwell.clock import FakeClock
from upwell.events import AlertDelivered, AlertsSilenced, IncidentChanged, Lateness, Member, SilenceEnded
from upwell.journal.database import StoredJournal

pytestmark = pytest.mark.anyio


def opened(clock: FakeClock, incident: str = "i1", change: str = "opened") -> IncidentChanged:
    return IncidentChanged(
        incident=incident,
        number=1,
        change="closed" if change == "closed" else "opened",
        trouble="freshness",
        subject="raw/orders",
        severity="error",
        opened_at=clock.now(),
        happened_at=clock.now(),
        summary="raw/orders is late",
        joined=() if change == "closed" else (Member(name="raw/orders", since=clock.now()),),
        affected=1,
        assets=("raw/orders",),
        lateness=Lateness(state="FAIL", previous_state="PASS"),
    )


async def test_what_is_wrong_is_listed_newest_first_in_pages(
    client: httpx.AsyncClient, journal: StoredJournal, clock: FakeClock
) -> None:
    for name in ("i1", "i2", "i3"):
        await journal.append(opened(clock, name))
        await clock.advance(60)
    first = (await client.get("/api/v1/incidents", params={"limit": 2})).json()
    assert [one["incident"] for one in first["incidents"]] == ["i3", "i2"]
    second = (await client.get("/api/v1/incidents", params={"limit": 2, "before": first["next"]})).json()
    assert [one["incident"] for one in second["incidents"]] == ["i1"]
    assert second["next"] is None


async def test_what_is_over_is_told_apart(client: httpx.AsyncClient, journal: StoredJournal, clock: FakeClock) -> None:
    await journal.append(opened(clock, "i1"), opened(clock, "i2"), opened(clock, "i2", "closed"))
    found = (await client.get("/api/v1/incidents", params={"open": True})).json()["incidents"]
    assert [(one["incident"], one["lateness"]["state"]) for one in found] == [("i1", "FAIL")]
    over = (await client.get("/api/v1/incidents", params={"open": False})).json()["incidents"]
    assert [one["incident"] for one in over] == ["i2"]


async def test_one_is_shown_with_who_is_in_it_and_who_was_told(
    client: httpx.AsyncClient, journal: StoredJournal, clock: FakeClock
) -> None:
    await journal.append(opened(clock), AlertDelivered(sink="ops", alert="i1.1", incidents=("i1",)))
    found = (await client.get("/api/v1/incidents/i1")).json()
    assert [member["name"] for member in found["members"]] == ["raw/orders"]
    assert found["told"] == {"ops": "i1.1"}
    assert (await client.get("/api/v1/incidents/i9")).status_code == 404


async def test_a_silence_is_an_event_and_is_listed_until_it_ends(
    client: httpx.AsyncClient, journal: StoredJournal, clock: FakeClock
) -> None:
    request = {"select": "fct_orders", "seconds": 60, "reason": "moving", "by": "ann"}
    made = await client.post("/api/v1/silences", json=request)
    assert made.status_code == 201
    [record] = await journal.queries.events(kinds=[AlertsSilenced.kind])
    assert isinstance(record.event, AlertsSilenced)
    assert (record.event.until, record.event.silenced_by) == (clock.now() + timedelta(minutes=1), "ann")
    assert (await client.get("/api/v1/silences")).json()["silences"] == [made.json()]
    await clock.advance(61)
    assert (await client.get("/api/v1/silences")).json()["silences"] == []


async def test_a_silence_can_be_ended_once(client: httpx.AsyncClient, journal: StoredJournal) -> None:
    made = (await client.post("/api/v1/silences", json={"select": "*", "seconds": 60})).json()
    path = f"/api/v1/silences/{made['silence']}/end"
    assert (await client.post(path, json={"by": "ann"})).status_code == 200
    assert (await client.post(path)).status_code == 404
    [record] = await journal.queries.events(kinds=[SilenceEnded.kind])
    assert record.event == SilenceEnded(silence=made["silence"], ended_by="ann")


@pytest.mark.parametrize(
    "request_",
    [
        {"select": "fct_orders"},
        {"select": "fct_orders", "seconds": 60, "until": "2030-01-01T00:00:00Z"},
        {"select": "fct_orders", "until": "2020-01-01T00:00:00Z"},
        {"select": "fct_orders", "until": "2030-01-01T00:00:00"},
        {"select": "fct_orders", "seconds": 0},
        {"select": "group:nothing", "seconds": 60},
        {"select": "fct_order", "seconds": 60},
    ],
)
async def test_a_silence_that_means_nothing_is_refused(
    request_: dict[str, object], client: httpx.AsyncClient, journal: StoredJournal
) -> None:
    answer = await client.post("/api/v1/silences", json=request_)
    assert answer.status_code == 422, answer.text
    assert journal.head == 0
