from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from upwell.events import AssetMaterialized, AssetObserved, CheckEvaluated, RunId, TimerFired
from upwell.journal.database import StoredJournal

pytestmark = pytest.mark.anyio

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)


async def test_the_journal_comes_newest_first_in_pages(client: httpx.AsyncClient, journal: StoredJournal) -> None:
    await journal.append(*(TimerFired(source="every:1s", data=number) for number in range(5)))
    first = (await client.get("/api/v1/events", params={"limit": 3})).json()
    second = (await client.get("/api/v1/events", params={"limit": 3, "before": first["next"]})).json()
    assert [event["id"] for event in first["events"] + second["events"]] == [5, 4, 3, 2, 1]
    assert second["next"] is None
    assert first["events"][0]["data"] == {"source": "every:1s", "data": 4}


async def test_oldest_first_goes_on_after_the_last_page(client: httpx.AsyncClient, journal: StoredJournal) -> None:
    await journal.append(*(TimerFired(source="every:1s") for _ in range(4)))
    page = (await client.get("/api/v1/events", params={"limit": 2, "order": "asc", "after": 1})).json()
    assert ([event["id"] for event in page["events"]], page["next"]) == ([2, 3], 3)


@pytest.mark.parametrize(
    ("params", "ids"),
    [
        ({"asset": "raw/orders"}, [1]),
        ({"run": "r1"}, [1]),
        ({"kind": "timer.fired"}, [3]),
        ({"kind": ["timer.fired", "asset.observed"]}, [3, 2]),
        ({"source": "every:1s"}, [3]),
        ({"source": "every:2s"}, []),
    ],
)
async def test_the_journal_is_filtered(
    client: httpx.AsyncClient, journal: StoredJournal, params: dict[str, Any], ids: list[int]
) -> None:
    await journal.append(
        AssetMaterialized(asset="raw/orders", run_id=RunId("r1")),
        AssetObserved(asset="customers"),
        TimerFired(source="every:1s"),
    )
    assert [event["id"] for event in (await client.get("/api/v1/events", params=params)).json()["events"]] == ids


async def newest(journal: StoredJournal) -> Any:
    (record,) = await journal.queries.events(limit=1)
    return record.event


async def test_an_external_materialisation_is_recorded(client: httpx.AsyncClient, journal: StoredJournal) -> None:
    body = {"type": "materialization", "asset": "customers", "metadata": {"rows": 3}, "tags": {"by": "spark"}}
    answer = await client.post("/api/v1/events", json=body)
    assert (answer.status_code, answer.json()) == (202, {"event_ids": [1]})
    assert await newest(journal) == AssetMaterialized(
        asset="customers", metadata={"rows": 3}, tags={"by": "spark"}, data_time=NOW
    )


async def test_what_was_made_earlier_is_reported_with_its_time(
    client: httpx.AsyncClient, journal: StoredJournal
) -> None:
    made_at = NOW - timedelta(hours=2)
    body = {"type": "materialization", "asset": "customers", "materialized_at": made_at.isoformat()}
    await client.post("/api/v1/events", json=body)
    assert await newest(journal) == AssetMaterialized(asset="customers", materialized_at=made_at, data_time=made_at)
    assert (await journal.queries.asset_states())["customers"].materialized_at == made_at


async def test_a_report_is_as_old_as_the_oldest_of_its_inputs(
    client: httpx.AsyncClient, journal: StoredJournal
) -> None:
    old = NOW - timedelta(days=2)
    observed = {"type": "observation", "asset": "customers", "metadata": {"data_time": old.isoformat()}}
    await client.post("/api/v1/events", json=observed)
    await client.post("/api/v1/events", json={"type": "materialization", "asset": "raw/orders"})
    await client.post("/api/v1/events", json={"type": "materialization", "asset": "fct_orders"})
    assert (await newest(journal)).data_time == old
    page = (await client.get("/api/v1/assets/fct_orders")).json()
    assert page["last_materialization"]["data_time"] == "2024-04-29T12:00:00Z"


@pytest.mark.parametrize(
    "wrong",
    [{"materialized_at": "2024-05-01T12:00:00"}, {"data_time": "soon"}, {"metadata": {"data_time": "soon"}}],
)
async def test_a_time_that_is_none_is_refused(client: httpx.AsyncClient, wrong: dict[str, Any]) -> None:
    answer = await client.post("/api/v1/events", json={"type": "materialization", "asset": "customers", **wrong})
    assert answer.status_code == 422
    assert "time" in answer.text


async def test_an_observation_is_recorded(client: httpx.AsyncClient, journal: StoredJournal) -> None:
    await client.post("/api/v1/events", json={"type": "observation", "asset": "customers", "data_version": "v2"})
    assert await newest(journal) == AssetObserved(asset="customers", data_version="v2")


async def test_a_check_result_blocks_as_its_declaration_says(client: httpx.AsyncClient, journal: StoredJournal) -> None:
    body = {"type": "check", "asset": "fct_orders", "check": "has_rows", "passed": False}
    await client.post("/api/v1/events", json=body)
    assert await newest(journal) == CheckEvaluated(asset="fct_orders", check="has_rows", passed=False, blocking=True)
    await client.post("/api/v1/events", json={**body, "check": "from_outside"})
    assert not (await newest(journal)).blocking


CLOUD = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/spark", "content-type": "application/json"}


async def test_a_report_may_be_a_cloud_event(client: httpx.AsyncClient, journal: StoredJournal) -> None:
    headers = CLOUD | {"ce-type": "asset.materialized", "ce-subject": "customers", "ce-time": "2024-05-01T11:00:00Z"}
    assert (await client.post("/api/v1/events", json={"metadata": {"rows": 1}}, headers=headers)).status_code == 202
    hour_ago = NOW - timedelta(hours=1)
    assert await newest(journal) == AssetMaterialized(
        asset="customers", metadata={"rows": 1}, materialized_at=hour_ago, data_time=hour_ago
    )
    structured = {
        "specversion": "1.0",
        "id": "2",
        "source": "/spark",
        "type": "asset.observed",
        "data": {"asset": "customers"},
    }
    headers = {"content-type": "application/cloudevents+json"}
    assert (await client.post("/api/v1/events", content=json.dumps(structured), headers=headers)).status_code == 202
    assert await newest(journal) == AssetObserved(asset="customers")


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        ({"type": "materialization", "asset": "unknown"}, {}, 404),
        ({"type": "materialization", "asset": "regions", "partition": "west"}, {}, 422),
        ({"type": "materialization", "asset": "fct_orders", "partition": "x"}, {}, 422),
        ({"type": "materialization"}, {}, 422),
        ({"type": "materialization", "asset": "customers", "run_id": "r1"}, {}, 422),
        ({"type": "deletion", "asset": "customers"}, {}, 422),
        ({"type": "check", "asset": "customers", "check": "c"}, {}, 422),
        ([], {}, 422),
        (None, {}, 422),
        ({"asset": "customers"}, CLOUD | {"ce-type": "something.else"}, 422),
        ({"asset": "customers"}, {"content-type": "text/plain"}, 415),
    ],
)
async def test_a_report_that_makes_no_sense_is_refused(
    client: httpx.AsyncClient, journal: StoredJournal, body: Any, headers: dict[str, str], status: int
) -> None:
    answer = await client.post("/api/v1/events", json=body, headers=headers)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert journal.head == 0


async def test_a_partition_of_an_external_asset_is_taken_as_told(client: httpx.AsyncClient) -> None:
    body = {"type": "materialization", "asset": "customers", "partition": "2024-01-01"}
    assert (await client.post("/api/v1/events", json=body)).status_code == 202
